"""`vault/rekey` and its neighbours, as a client calls them, over a real store.

Missing input is named, each change is in the audit log, and a recovery code is sealed to its
recipient.
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
from byokd.protocol.audit import AuditListParams, AuditVerifyParams
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
        self.notes: list[tuple[str, Any]] = []

    def notify(self, method: str, params: Params) -> None:
        self.notes.append((method, params))

    can_prompt = False

    async def prompt(self, _request: object) -> str | None:
        return None


class App:
    """One application and its client."""

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
        context = info(method, account="default", field=field)
        return {"sealed": seal(self.app._sealing.public_key_b64, text, context)}

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
        context = info(method, account="default", field="recoveryCode")
        return self.recipient.open(result.recovery_code.sealed, context).reveal()

    async def events(self) -> list[tuple[str, Any]]:
        page = await (await self.services).audit.list(self.session, AuditListParams(limit=100))
        return [(entry.event, entry.details) for entry in reversed(page.items)]


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[App]:
    monkeypatch.setattr(phrases, "new_cost", lambda: Cost(bytes(range(16)), 19 * 1024, 2, 1))
    opened = App(tmp_path)
    yield opened
    await opened.app.aclose()


async def _with_passphrase(app: App) -> str:
    initialized = await app.initialize(
        protection="passphrase",
        passphrase=app.sealed("vault/initialize", "passphrase", _PHRASE),
        recipientPublicKey=app.recipient.public_key_b64,
    )
    assert initialized.vault.state == "unlocked"
    return app.code(initialized, "vault/initialize")


async def test_passphrase_vault_through_rekeying(app: App) -> None:
    code = await _with_passphrase(app)
    assert (await app.lock()).reason == "lockedByUser"
    with pytest.raises(VaultLocked) as caught:
        await app.unlock(passphrase=_OTHER)
    assert caught.value.data().details == {"reason": "wrongPassphrase"}
    assert (await app.unlock(passphrase=_PHRASE)).state == "unlocked"
    await app.lock()
    assert (await app.unlock(recoveryCode=code.lower())).state == "unlocked"

    await app.rekey("replaceProtection", kind="passphrase", newPassphrase=_OTHER)
    await app.rekey("addSlot", kind="keyFile", acceptRisk="keyFile")
    renewed = await app.rekey(
        "everything", passphrase=_OTHER, recipientPublicKey=app.recipient.public_key_b64
    )
    last = app.code(renewed)
    assert last != code
    kinds = [slot.kind for slot in renewed.vault.slots]
    assert kinds == ["passphrase", "keyFile", "recoveryCode"]
    key_file = renewed.vault.slots[1]
    assert (await app.rekey("removeSlot", slotId=key_file.id)).vault.degraded is False
    await app.lock()
    with pytest.raises(VaultLocked):
        await app.unlock(recoveryCode=code)
    assert (await app.unlock(recoveryCode=last)).state == "unlocked"

    events = await app.events()
    assert [event for event, _ in events] == [
        "store.created", "store.locked", "store.unlocked", "store.locked", "store.unlocked",
        "slot.added", "store.protection_changed", "slot.removed", "slot.added",
        "slot.added", "slot.removed", "store.rekeyed",
        "slot.removed", "store.locked", "store.unlocked",
    ]  # fmt: skip
    assert dict(events)["store.protection_changed"] == {"from": "passphrase", "to": "passphrase"}
    notified = [params.vault for method, params in app.client.notes if method == "vault/changed"]
    assert [info.state for info in notified if info.state == "locked"] == ["locked"] * 3
    assert notified[-1].state == "unlocked"


_INCOMPLETE: list[tuple[str, dict[str, Any], str]] = [
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


async def test_everything_renews_the_key_file_and_replaces_backups(
    app: App, tmp_path: Path
) -> None:
    await app.initialize(
        protection="keyFile",
        acceptRisk="keyFile",
        recipientPublicKey=app.recipient.public_key_b64,
    )
    services = await app.services
    (key_file,) = (tmp_path / "state").glob("*.key")
    result = await app.rekey("everything", recipientPublicKey=app.recipient.public_key_b64)
    assert result.not_renewed == ()
    assert not key_file.exists()
    kept = await app.rekey("everything", recoveryCode=app.code(result))
    assert [(slot.kind, slot.reason) for slot in kept.not_renewed] == [
        ("recoveryCode", "sameRecoveryCode")
    ]
    assert {slot.id for slot in kept.vault.slots} >= {slot.slot_id for slot in kept.not_renewed}
    events = [event for event, _ in await app.events()]
    assert events.count("slot.added") == events.count("slot.removed") == 2
    assert (await services.audit.verify(app.session, AuditVerifyParams())).ok


async def test_missing_input_of_a_change_is_named(app: App) -> None:
    await _with_passphrase(app)
    before = await app.events()
    for change, fields, pointer in _INCOMPLETE:
        with pytest.raises(InvalidParams) as caught:
            await app.rekey(change, **fields)
        assert pointer in str(caught.value.data().details), (change, fields)
    assert await app.events() == before


async def test_locked_vault_cannot_be_rekeyed(app: App) -> None:
    await _with_passphrase(app)
    await app.lock()
    for change in ("addSlot", "rootKey", "dataKeys"):
        with pytest.raises(VaultLocked):
            await app.rekey(
                change, kind="passphrase", newPassphrase=_OTHER, passphrase=_PHRASE,
                recipientPublicKey=app.recipient.public_key_b64,
            )  # fmt: skip


async def test_sealed_secret_opens_for_its_own_field_only(app: App) -> None:
    await _with_passphrase(app)
    await app.lock()
    for method, field in (("vault/initialize", "passphrase"), ("vault/unlock", "recoveryCode")):
        params = VaultUnlockParams.model_validate(
            {"passphrase": app.sealed(method, field, _PHRASE)}
        )
        with pytest.raises(InvalidParams):
            await (await app.services).vault.unlock(app.session, params)
    two_secrets = {
        name: app.sealed("vault/unlock", name, "x") for name in ("passphrase", "recoveryCode")
    }
    with pytest.raises(InvalidParams, match="not both"):
        await (await app.services).vault.unlock(
            app.session, VaultUnlockParams.model_validate(two_secrets)
        )


async def test_passphrase_for_another_protection_is_refused(app: App) -> None:
    for protection in ("keyFile", "memory", "osKeyring"):
        with pytest.raises(ByokdError) as caught:
            await app.initialize(
                protection=protection, acceptRisk=protection, passphrase={"plain": _PHRASE}
            )
        assert caught.value.kind == "invalidParams"
