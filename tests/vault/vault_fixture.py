"""Vaults for tests: real files, a real key source, and a clock that always advances."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from byokd.audit import AuditLog
from byokd.audit.check import ChainChecker
from byokd.audit.events import EVENTS
from byokd.core.secret import Secret
from byokd.protocol.audit import AuditVerifyResult
from byokd.protocol.errors import VaultError
from byokd.protocol.key import KeyState
from byokd.protocol.vault import Protection
from byokd.services.runtime.clock import now_ms
from byokd.store.paths import StorePaths, store_paths
from byokd.vault import KeyRow, NewKey, Vault, VaultTx, key_sources, key_wrapping, keys
from byokd.vault.status import uses_keyring

ACCOUNT = "default"
PROVIDER = "somewhere"
ORIGIN = "https://api.somewhere.example:443"
SECRET = "sk-test-0123456789abcdef"


STATE_EVENTS: dict[KeyState, str] = {
    "active": "key.reenabled",
    "suspect": "key.probe",
    "softDisabled": "key.soft_disabled",
    "userDisabled": "key.user_disabled",
}
"""The audit event of each change of state."""


_SHORT = {
    "key.rotate": "key.rotated",
    "key.delete": "key.deleted",
    "key.disable": "key.user_disabled",
    "key.enable": "key.reenabled",
}
"""The audit event of an operation; every other name is recorded as a probe."""


class VaultFixture:
    """One vault and its audit log."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.places: StorePaths = store_paths(folder)
        self._last = 0
        self.anchors_due: list[int] = []
        """The number of unanchored entries, each time an anchor was due."""
        keyring = options.pop("anchor_keyring", None)
        self._on_due = options.pop("on_due", lambda: None)
        self.audit = AuditLog(self.places.state, keyring, on_anchor_due=self._anchor_due)
        sources = options.pop("sources", None) or key_sources(self.places)
        options.setdefault("store_check", self.audit.rollback)
        self.vault = Vault(self.places, sources, clock=self.now, **options)

    def _anchor_due(self) -> None:
        self.anchors_due.append(self.audit.unanchored)
        self._on_due()

    def now(self) -> int:
        self._last = max(self._last + 1, now_ms())
        return self._last

    async def initialize(self, protection: Protection = "keyFile") -> None:
        await self.vault.initialize(
            protection, created=lambda tx: self.note(tx, "store.created", account="")
        )

    def note(
        self, tx: VaultTx, event: str, key_id: str | None = None, *, account: str = ACCOUNT
    ) -> None:
        event = event if event in EVENTS else _SHORT.get(event, "key.probe")
        self.audit.append(tx, account, event, actor="test", at=self.now(), key_id=key_id)

    async def put(
        self,
        secret: str = SECRET,
        *,
        account: str = ACCOUNT,
        provider: str = PROVIDER,
        origin: str = ORIGIN,
        **more: Any,
    ) -> KeyRow:
        fields = more.pop("fields", {"apiKey": Secret(secret)})
        new = NewKey(provider=provider, origin=origin, fields=fields, **more)

        def work(tx: VaultTx) -> KeyRow:
            row = keys.put(tx, account, new, at=self.now())
            self.note(tx, "key.created", row.key_id, account=account)
            return row

        return await self.vault.transaction(work)

    async def verify(self, checker: ChainChecker | None = None) -> AuditVerifyResult:
        return await self.audit.verify(
            self.vault.inspect,
            keys.all_facts,
            slots=key_wrapping.slot_validity,
            in_keyring=uses_keyring(self.vault.status()),
            checker=checker,
        )

    async def write_anchor(self, *, anyway: bool = False) -> None:
        in_keyring = uses_keyring(self.vault.status())
        await self.audit.write_anchor(self.vault.read, in_keyring=in_keyring, overwrite=anyway)

    async def open(self, key_id: str, account: str = ACCOUNT) -> str:
        opened = await self.vault.read(lambda tx: keys.open_key(tx, account, key_id))
        value = opened.fields["apiKey"]
        assert isinstance(value, Secret)
        return value.reveal()

    async def set_default(self, key_id: str) -> None:
        def work(tx: VaultTx) -> None:
            keys.set_default(tx, ACCOUNT, key_id)
            self.note(tx, "key.default_set", key_id)

        await self.vault.transaction(work)

    async def delete(self, key_id: str, account: str = ACCOUNT) -> None:
        def work(tx: VaultTx) -> None:
            keys.delete(tx, account, key_id)
            self.note(tx, "key.deleted", key_id, account=account)

        await self.vault.transaction(work)


@asynccontextmanager
async def open_vault(folder: Path, **options: Any) -> AsyncIterator[VaultFixture]:
    """Open the vault in a folder; create it where there is none."""
    opened = VaultFixture(folder, **options)
    if (await opened.vault.unlock()).state == "uninitialized":
        await opened.initialize()
    try:
        yield opened
    finally:
        if opened.vault.status().state == "unlocked":
            with suppress(VaultError):  # an older store was restored: its anchor stays
                await opened.write_anchor()
        await opened.vault.aclose()


@contextmanager
def tampering(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the database as an attacker without the key can."""
    raw = sqlite3.connect(store_paths(folder).vault_db)
    raw.row_factory = sqlite3.Row
    raw.execute("PRAGMA synchronous = OFF")  # no durability is needed here
    with raw:
        yield raw
    raw.close()
