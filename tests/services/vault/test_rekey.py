"""`vault/rekey` and its neighbours as a client asks for them.

What is missing is named, what is done stands in the audit trail, and a recovery code comes back to
its recipient alone.

Knows the whole house over a real store. Must not know in which order keys are put and removed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from byokd.app import ByokdApp
from byokd.config import configure
from byokd.core.settings import ProcessOptions, Settings
from byokd.crypto.argon2 import Cost
from byokd.crypto.seal import SealingKey, info, seal
from byokd.keysource import passphrase as phrases
from byokd.protocol.audit import AuditListParams
from byokd.protocol.base import Params
from byokd.protocol.errors import ByokdError, InvalidParams, VaultLocked
from byokd.protocol.lifecycle import Features
from byokd.protocol.vault import (
    VaultInitializeParams,
    VaultLockParams,
    VaultRekeyParams,
    VaultUnlockParams,
)
from byokd.services.interface import Services
from byokd.services.runtime.session import Session

pytestmark = pytest.mark.anyio

_PHRASE, _OTHER = "correct horse battery", "staple of another kind"


class _Client:
    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def notify(self, method: str, params: Params) -> None:
        self.told.append((method, params))

    async def prompt(self, _request: object) -> str | None:
        return None


class House:
    """One client of one house."""

    def __init__(self, folder: Path) -> None:
        self.app = ByokdApp(ProcessOptions(data_dir=folder), configure(Settings()), {})
        self.client = _Client()
        self.recipient = SealingKey()
        self.session = Session(
            account="default",
            client=self.client,
            client_info=None,
            features=Features(),
        )

    @property
    async def services(self) -> Services:
        return await self.app.services()

    def sealed(self, method: str, field: str, text: str) -> dict[str, str]:
        use = info(method, account="default", field=field)
        return {"sealed": seal(self.app._sealing.public_key_b64, text, use)}

    async def rekey(self, change: str, **fields: Any) -> Any:
        secrets = ("passphrase", "newPassphrase", "recoveryCode")
        wire = {
            name: self.sealed("vault/rekey", name, value) if name in secrets else value
            for name, value in fields.items()
        }
        params = VaultRekeyParams.model_validate({"change": change} | wire)
        return await (await self.services).rekeying.change(self.session, params)

    async def unlock(self, **secrets: str) -> Any:
        wire = {name: self.sealed("vault/unlock", name, text) for name, text in secrets.items()}
        params = VaultUnlockParams.model_validate(wire)
        return (await (await self.services).vault.unlock(self.session, params)).vault

    async def lock(self) -> Any:
        return (await (await self.services).vault.lock(self.session, VaultLockParams())).vault

    async def initialize(self, **wire: Any) -> Any:
        params = VaultInitializeParams.model_validate(wire)
        return await (await self.services).vault.initialize(self.session, params)

    def code(self, result: Any, method: str = "vault/rekey") -> str:
        use = info(method, account="default", field="recoveryCode")
        return self.recipient.open(result.recovery_code.sealed, use).reveal()

    async def events(self) -> list[tuple[str, Any]]:
        page = await (await self.services).audit.list(self.session, AuditListParams(limit=100))
        return [(entry.event, entry.details) for entry in reversed(page.items)]


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(phrases, "new_cost", lambda: Cost(bytes(range(16)), 19 * 1024, 2, 1))
    opened = House(tmp_path)
    yield opened
    await opened.app.aclose()


async def _with_passphrase(house: House) -> str:
    made = await house.initialize(
        protection="passphrase",
        passphrase=house.sealed("vault/initialize", "passphrase", _PHRASE),
        recipientPublicKey=house.recipient.public_key_b64,
    )
    assert made.vault.state == "unlocked"
    return house.code(made, "vault/initialize")


async def test_a_life_under_a_passphrase(house: House) -> None:
    code = await _with_passphrase(house)
    assert (await house.lock()).reason == "lockedByUser"
    with pytest.raises(VaultLocked) as caught:
        await house.unlock(passphrase=_OTHER)
    assert caught.value.data().details == {"reason": "wrongPassphrase"}
    assert (await house.unlock(passphrase=_PHRASE)).state == "unlocked"
    await house.lock()
    assert (await house.unlock(recoveryCode=code.lower())).state == "unlocked"

    await house.rekey("replaceProtection", kind="passphrase", newPassphrase=_OTHER)
    await house.rekey("addSlot", kind="keyFile", acceptRisk="keyFile")
    renewed = await house.rekey(
        "everything", passphrase=_OTHER, recipientPublicKey=house.recipient.public_key_b64
    )
    last = house.code(renewed)
    assert last != code
    kinds = [slot.kind for slot in renewed.vault.slots]
    assert kinds == ["passphrase", "keyFile", "recoveryCode"]
    gone = renewed.vault.slots[1]
    assert (await house.rekey("removeSlot", slotId=gone.id)).vault.degraded is False
    await house.lock()
    with pytest.raises(VaultLocked):
        await house.unlock(recoveryCode=code)
    assert (await house.unlock(recoveryCode=last)).state == "unlocked"

    events = await house.events()
    assert [event for event, _ in events] == [
        "store.created", "store.locked", "store.unlocked", "store.locked", "store.unlocked",
        "slot.added", "store.protection_changed", "slot.removed", "slot.added", "store.rekeyed",
        "slot.removed", "store.locked", "store.unlocked",
    ]  # fmt: skip
    assert dict(events)["store.protection_changed"] == {"from": "passphrase", "to": "passphrase"}
    told = [params.vault for method, params in house.client.told if method == "vault/changed"]
    assert [info.state for info in told if info.state == "locked"] == ["locked"] * 3
    assert told[-1].state == "unlocked"


_NOT_LIKE_THIS: list[tuple[str, dict[str, Any], str]] = [
    ("addSlot", {}, "/kind"),
    ("addSlot", {"kind": "recoveryCode"}, "/recipientPublicKey"),
    ("addSlot", {"kind": "recoveryCode", "recipientPublicKey": "AAAA"}, "/recipientPublicKey"),
    ("addSlot", {"kind": "passphrase"}, "/passphrase"),
    ("addSlot", {"kind": "passphrase", "newPassphrase": "short"}, "/passphrase"),
    ("addSlot", {"kind": "keyFile"}, "/acceptRisk"),
    ("addSlot", {"kind": "keyFile", "acceptRisk": "memory"}, "/acceptRisk"),
    ("replaceProtection", {"kind": "recoveryCode"}, "/kind"),
    ("removeSlot", {}, "/slotId"),
    ("rootKey", {"passphrase": _PHRASE}, "/recoveryCode"),
]


async def test_what_a_change_needs_is_named(house: House) -> None:
    await _with_passphrase(house)
    before = await house.events()
    for change, fields, pointer in _NOT_LIKE_THIS:
        with pytest.raises(InvalidParams) as caught:
            await house.rekey(change, **fields)
        assert pointer in str(caught.value.data().details), (change, fields)
    assert await house.events() == before


async def test_a_locked_vault_is_not_rekeyed(house: House) -> None:
    await _with_passphrase(house)
    await house.lock()
    for change in ("addSlot", "rootKey", "dataKeys"):
        with pytest.raises(VaultLocked):
            await house.rekey(
                change, kind="passphrase", newPassphrase=_OTHER, passphrase=_PHRASE,
                recipientPublicKey=house.recipient.public_key_b64,
            )  # fmt: skip


async def test_a_sealed_secret_opens_for_its_own_field_only(house: House) -> None:
    await _with_passphrase(house)
    await house.lock()
    for method, field in (("vault/initialize", "passphrase"), ("vault/unlock", "recoveryCode")):
        params = VaultUnlockParams.model_validate(
            {"passphrase": house.sealed(method, field, _PHRASE)}
        )
        with pytest.raises(InvalidParams):
            await (await house.services).vault.unlock(house.session, params)
    both = {
        name: house.sealed("vault/unlock", name, "x") for name in ("passphrase", "recoveryCode")
    }
    with pytest.raises(InvalidParams, match="not both"):
        await (await house.services).vault.unlock(
            house.session, VaultUnlockParams.model_validate(both)
        )


async def test_a_passphrase_for_another_protection_is_refused(house: House) -> None:
    for protection in ("keyFile", "memory", "osKeyring"):
        with pytest.raises(ByokdError) as caught:
            await house.initialize(
                protection=protection, acceptRisk=protection, passphrase={"plain": _PHRASE}
            )
        assert caught.value.kind == "invalidParams"
