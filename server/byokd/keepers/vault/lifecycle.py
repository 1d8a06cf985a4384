"""The vault as a whole: absent, locked or open, and the transactions on it.

    Vault.status()                            what is known now; asks nobody
    await Vault.unlock(interactive=False)     open what is there, as far as it can be opened
    await Vault.initialize(protection)        make the vault, once
    await Vault.transaction(work)             run work(VaultTx) and commit, or nothing
    await Vault.read(work)                    the same without writing
    await Vault.changed()                     whether another process has committed
    await Vault.aclose()

Knows the order in which a vault is opened and made. Must not know what is stored in it.

A master key is made in exactly one place, `initialize`, and only for a store that has none. A
keyring that is locked, silent or has lost the key leads to a state with a reason, never to a second
master key: that would orphan everything sealed under the first.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from byokd.keepers.tx import RootKeys, VaultTx
from byokd.keepers.vault import hierarchy
from byokd.keepers.vault.hierarchy import ID_BYTES, Stored
from byokd.keysource.key_file import KeyFileSource
from byokd.keysource.memory import MemorySource
from byokd.keysource.os_keyring import OsKeyring
from byokd.keysource.source import Item, KeySource, failed
from byokd.limits import KEYRING_INTERACTIVE_TIMEOUT_MS, KEYRING_TIMEOUT_MS
from byokd.protocol.errors import (
    Action,
    Conflict,
    StoreBusy,
    VaultError,
    VaultLocked,
    VaultUninitialized,
)
from byokd.protocol.vault import Protection, VaultInfo, VaultState
from byokd.store import files, migrations
from byokd.store.db import Database, Tx
from byokd.store.paths import Places

T = TypeVar("T")

CHOICES: Final[tuple[Protection, ...]] = ("osKeyring", "keyFile", "memory")
"""The protections a vault can be made with, strongest first."""


class _Stale(Exception):
    """Another process replaced the root key or the store; open it again."""


def sources_of(
    places: Places, keyring_timeout_ms: int | None = None
) -> dict[Protection, KeySource]:
    """Return the real key sources of this machine. Nothing is asked yet.

    `keyring_timeout_ms` shortens what the keyring may take, with and without a prompt.
    """
    return {
        "osKeyring": OsKeyring(
            timeout_ms=keyring_timeout_ms or KEYRING_TIMEOUT_MS,
            interactive_timeout_ms=keyring_timeout_ms or KEYRING_INTERACTIVE_TIMEOUT_MS,
        ),
        "keyFile": KeyFileSource(places.state, files),
        "memory": MemorySource(),
    }


class Vault:
    """One person's vault, shared with the other processes of that person.

    Args:
        places: where its files are.
        sources: where master keys may be kept.
        clock: wall-clock milliseconds.
        max_pages: how large the store may grow, in pages of 4 KiB; a full disk for tests.
    """

    def __init__(
        self,
        places: Places,
        sources: Mapping[Protection, KeySource],
        *,
        clock: Callable[[], int],
        max_pages: int | None = None,
    ) -> None:
        self._places = places
        self._sources = sources
        self._clock = clock
        self._max_pages = max_pages
        self._database: Database | None = None
        self._keys: RootKeys | None = None
        self._protection: Protection | None = None
        self._state: VaultState = "checking"
        self._error: VaultError | None = None
        self._opening = asyncio.Lock()
        self._seen: int | None = None

    def status(self) -> VaultInfo:
        """Return what is known of the vault; `checking` until the first `unlock`."""
        source = self._sources.get(self._protection) if self._protection else None
        details = self._error.fields.get("details") if self._error else None
        reason = details.get("reason") if isinstance(details, dict) else None
        return VaultInfo(
            state=self._state,
            protection=self._protection,
            reason=reason if isinstance(reason, str) else None,
            hint=self._error.user_message if self._error else None,
            backend=source.backend if source else None,
            protects_against=source.protects_against if source else None,
            does_not_protect_against=source.does_not_protect_against if source else None,
            choices=CHOICES if self._state == "uninitialized" else (),
        )

    async def unlock(self, *, interactive: bool = False) -> VaultInfo:
        """Open the vault if it is there; `interactive` lets the keyring show its prompt.

        Never raises for a vault that cannot be opened: the state and its reason say so.
        """
        async with self._opening:
            if self._keys is None:
                await self._open(interactive=interactive)
        return self.status()

    async def initialize(
        self,
        protection: Protection,
        *,
        interactive: bool = False,
        created: Callable[[VaultTx], object] | None = None,
    ) -> VaultInfo:
        """Make the vault and open it.

        Args:
            protection: where the master key is kept; nothing else is tried when that fails.
            interactive: whether the keyring may show its prompt.
            created: what to write in the same transaction, such as the first audit entry.

        Raises:
            Conflict: there is a vault already, made by this or another process.
            VaultUnavailable, VaultLocked: the key source failed, with its reason.
            StoreBusy, StoreFailed, VaultCorrupt: the disk, or what is on it.
        """
        async with self._opening:
            if self._keys is not None:
                raise _exists()
            if protection == "memory":
                await self._refuse_existing()
                await self._create(Database(None, migrations.VAULT), protection, created)
            else:
                await asyncio.to_thread(files.ensure_private_dir, self._places.data)
                async with files.locked(self._places.init_lock):
                    await self._refuse_existing()
                    database = self._database or self._file()
                    await self._create(database, protection, created, interactive=interactive)
        return self.status()

    async def transaction(self, work: Callable[[VaultTx], T], *, urgent: bool = False) -> T:
        """Run `work` and commit, or change nothing at all.

        `urgent` work, which takes a key out of use, succeeds on a full disk too.

        Raises:
            VaultUninitialized, VaultLocked, VaultUnavailable: the vault is not open.
            VaultCorrupt, StoreBusy, StoreFailed: the disk, or what is on it.
            Internal: a key changed and no audit entry was appended.
            Whatever `work` raises.
        """

        def run(
            sql: Tx, database: Database, keys: RootKeys
        ) -> tuple[T, dict[str, Callable[[], None]]]:
            tx = _on(sql, keys, database)
            tx.require_trusted()
            result = work(tx)
            tx.end()
            return result, tx.after

        result, after = await self._with_keys(
            lambda database, keys: database.transaction(
                lambda sql: run(sql, database, keys), urgent=urgent
            )
        )
        for step in after.values():
            if self._database is not None:
                self._database.soon(step)
        return result

    async def read(self, work: Callable[[VaultTx], T]) -> T:
        """Run `work`, which must not write, on one state of the vault. Raises as `transaction`."""
        return await self._with_keys(
            lambda database, keys: database.read(lambda sql: work(_on(sql, keys, database)))
        )

    async def changed(self) -> bool:
        """Tell whether another process committed since the last call; opens a vault it made.

        Raises:
            StoreBusy, StoreFailed, VaultCorrupt: the disk, or what is on it.
        """
        if self._keys is None:
            return (await self.unlock()).state == "unlocked"
        if self._database is None:
            return False
        before, self._seen = self._seen, await self._database.data_version()
        return before is not None and before != self._seen

    async def aclose(self) -> None:
        """Finish what is under way and forget the keys. Safe to call twice."""
        database, self._database, self._keys = self._database, None, None
        if database is not None:
            await database.aclose()

    def _file(self) -> Database:
        return Database(
            self._places.vault_db, migrations.VAULT, ballast=True, max_pages=self._max_pages
        )

    async def _open(self, *, interactive: bool) -> None:
        """Find the store and try its slots in order; leave the state that was reached."""
        try:
            stored = await self._find()
            if stored is None:
                self._enter("uninitialized")
                return
            self._keys = await self._open_slots(stored, interactive=interactive)
            self._enter("unlocked")
        except VaultError as error:
            self._enter("locked" if isinstance(error, VaultLocked) else "unavailable", error)

    async def _find(self) -> Stored | None:
        """Return what is on disk, without making a file where there is none."""
        if self._database is None:
            if not await asyncio.to_thread(files.is_there, self._places.vault_db):
                return None
            await asyncio.to_thread(files.ensure_private_dir, self._places.data)
            self._database = self._file()
        return await self._database.read(hierarchy.find)

    async def _open_slots(self, stored: Stored, *, interactive: bool) -> RootKeys:
        first: VaultError | None = None
        for slot in stored.slots:
            protection = next((kind for kind in self._sources if kind == slot.kind), None)
            if protection is None:
                continue
            self._protection = protection
            item = Item(stored.store_id, slot.slot_id)
            try:
                kek = await self._sources[protection].read(item, interactive=interactive)
                return hierarchy.open_root(stored, slot, kek)
            except VaultError as error:
                first = first or error
        raise first or failed("noBackend")

    async def _refuse_existing(self) -> None:
        if await self._find() is not None:
            raise _exists()

    async def _create(
        self,
        database: Database,
        protection: Protection,
        created: Callable[[VaultTx], object] | None,
        *,
        interactive: bool = False,
    ) -> None:
        """Keep a new key in its source, then write the store that it opens."""
        item = Item(os.urandom(ID_BYTES), os.urandom(ID_BYTES))
        source = self._sources[protection]
        kek = await source.create(item, interactive=interactive)

        def write(sql: Tx) -> RootKeys:
            if hierarchy.find(sql) is not None:
                raise _exists()
            keys = hierarchy.create(
                sql,
                store_id=item.store_id,
                slot_id=item.slot_id,
                kind=protection,
                kek=kek,
                at=self._clock(),
            )
            tx = _on(sql, keys, database)
            if created is not None:
                created(tx)
            tx.end()
            return keys

        try:
            self._keys = await database.transaction(write, mode="EXCLUSIVE")
        except Exception:
            await self._forget_unused(database, source, item)
            raise
        self._database, self._protection = database, protection
        self._enter("unlocked")

    async def _forget_unused(self, database: Database, source: KeySource, item: Item) -> None:
        """Remove a key that opens nothing, once the disk itself has said that it opens nothing."""
        with contextlib.suppress(VaultError):
            stored = await database.read(hierarchy.find)
            if stored is None or stored.store_id != item.store_id:
                await source.forget(item)
        if database is not self._database:
            await database.aclose()

    async def _with_keys(self, ask: Callable[[Database, RootKeys], Awaitable[T]]) -> T:
        for _ in range(2):
            if self._keys is None:
                await self.unlock()
            if self._keys is None or self._database is None:
                raise self._refusal()
            try:
                return await ask(self._database, self._keys)
            except _Stale:
                self._keys = None
        raise StoreBusy("the vault's keys are being replaced; try again in a moment")

    def _enter(self, state: VaultState, error: VaultError | None = None) -> None:
        self._state, self._error = state, error

    def _refusal(self) -> VaultError:
        """Return a fresh copy of why the vault is not open."""
        if self._error is not None:
            return type(self._error)(self._error.user_message, **self._error.fields)
        return VaultUninitialized(
            "there is no vault yet; choose how its master key is protected",
            action=Action(type="initializeVault", choices=CHOICES),
        )


def _on(sql: Tx, keys: RootKeys, database: Database) -> VaultTx:
    tx = VaultTx.on(sql, keys, durable=database.durable)
    if not tx.current:
        raise _Stale
    return tx


def _exists() -> Conflict:
    return Conflict("there is a vault already; unlock it instead of making another")
