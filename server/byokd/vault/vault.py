"""The vault as a whole: absent, locked or open, and the transactions on it.

    Vault.status()                            what is known now; asks nobody
    await Vault.unlock(interactive=False)     open what is there, as far as it opens by itself
    await Vault.unlock_with(given)            open it with what a person gave, or say why not
    await Vault.lock()                        forget its keys until somebody unlocks it
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
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, Protocol, TypeVar

from byokd.core.limits import STORE_BUSY_TIMEOUT_MS
from byokd.keysource.source import Item, KeySource, reason_of, source_error
from byokd.protocol.errors import (
    ByokdError,
    InvalidParams,
    Unsupported,
    VaultCorrupt,
    VaultError,
)
from byokd.protocol.vault import Protection, VaultInfo
from byokd.store import files, migrations
from byokd.store.connection import DAMAGED
from byokd.store.db import Database, Tx
from byokd.store.file_lock import FileIdentity, file_identity
from byokd.store.paths import StorePaths
from byokd.store.transaction import KeyFacts, RootKeys, StoreChanged, StoreReplaced, VaultTx
from byokd.vault.key_wrapping import (
    ID_BYTES,
    StoredSlots,
    create_root,
    read_slots,
    slot_validity,
    vault_exists,
)
from byokd.vault.pending_keys import clean_up_pending, record_pending, remove_pending
from byokd.vault.slots import RECOVERY, SlotKeys, SlotSecrets, open_slot
from byokd.vault.states import VaultEvent, VaultState
from byokd.vault.status import VaultStatus, copy_of, no_vault

T = TypeVar("T")
_NOTHING: Final = SlotSecrets()


class StoreCheck(Protocol):
    """Decides whether a store that a slot has just opened may be used."""

    async def prepare(self, store_id: bytes, *, in_keyring: bool) -> None:
        """Fetch what `check` needs; no transaction is open, and the OS keyring may be asked."""
        ...

    def check(self, tx: VaultTx) -> None:
        """Raise a `VaultError` to refuse the store."""
        ...


class Vault:
    """One person's vault, shared with the other processes of that person.

    Args:
        places: where its files are.
        sources: where master keys may be kept.
        clock: wall-clock milliseconds.
        store_check: asked before a store that a slot has opened is used; None admits every store.
        max_pages: how large the store may grow, in pages of 4 KiB; a full disk for tests.

    Attributes:
        places: where its files are.
        slot_keys: where the keys of its slots come from.
        not_open_error: returns a new error that says why the vault is not open.
    """

    def __init__(
        self,
        places: StorePaths,
        sources: Mapping[Protection, KeySource],
        *,
        clock: Callable[[], int],
        store_check: StoreCheck | None = None,
        max_pages: int | None = None,
    ) -> None:
        self.places = places
        self.slot_keys = SlotKeys(sources)
        self._clock = clock
        self._max_pages = max_pages
        self._store_check = store_check
        self._held: RootKeys | None = None
        self._distrusted: dict[str, KeyFacts | None] = {}
        self._distrusted_slots: set[str] = set()
        self._database: Database | None = None
        self._keys: RootKeys | None = None
        self._status = VaultStatus()
        self.not_open_error = self._status.not_open_error
        self._tries = 0
        self._opening = asyncio.Lock()
        self._seen: int | None = None
        self._refused: FileIdentity | None = None
        self._admitted: FileIdentity | None = None

    def status(self) -> VaultInfo:
        """Return what is known of the vault; `checking` until the first `unlock`."""
        return self._status.info(self.slot_keys.describe)

    async def unlock(self, *, interactive: bool = False) -> VaultInfo:
        """Open the vault if it is there and opens without anything that only a person knows.

        A vault that was locked on purpose stays locked. `interactive` lets the keyring show its
        prompt. Never raises for a vault that cannot be opened: the state and its reason say so.
        Whoever waits for a try that is under way takes what it found: a keyring that is silent for
        five seconds costs everybody five, and not each one five more.
        """
        tries = self._tries
        async with self._opening:
            just_tried = tries != self._tries and not interactive
            stays = self._status.state in {VaultState.UNLOCKED, VaultState.LOCKED_BY_USER}
            if not stays and not just_tried:
                await self._open(_NOTHING, interactive=interactive)
        return self.status()

    async def unlock_with(
        self, given: SlotSecrets, *, admit: Callable[[VaultTx], None] | None = None
    ) -> VaultInfo:
        """Open the vault because a person asked for it; the keyring may show its prompt.

        Args:
            given: a passphrase or a recovery code; with neither it opens as far as it does so by
                itself. What is open already is not opened again.
            admit: goes in place of the store check, in a transaction that may write.

        Raises:
            VaultLocked, VaultUnavailable: with the reason; a vault that was locked stays so.
            VaultUninitialized: there is none.
            InvalidParams: the vault has no such slot, or the recovery code is none.
            VaultCorrupt, StoreBusy, StoreFailed: the disk, or what is on it.
        """
        async with self._opening:
            if self._status.state is not VaultState.UNLOCKED:
                error = await self._open(given, interactive=True, admit=admit)
                if error is not None:
                    raise copy_of(error)
        return self.status()

    async def lock(self) -> VaultInfo:
        """Forget the keys, and do not open the vault again until `unlock_with`.

        Transactions under way are finished. Other processes of the same person stay as they are.

        Raises:
            VaultUninitialized: there is no vault that could be locked.
        """
        async with self._opening:
            found = await self._find()
            self._keys = None
            self._held = None
            if found is None:
                self._status.apply(VaultEvent.NO_STORE_FOUND)
                raise no_vault()
            self._status.lock_by_user()
        return self.status()

    async def initialize(
        self,
        protection: Protection,
        *,
        interactive: bool = False,
        new: SlotSecrets = _NOTHING,
        created: Callable[[VaultTx], object] | None = None,
    ) -> VaultInfo:
        """Make the vault and open it.

        Args:
            protection: where the master key is kept; nothing else is tried when that fails.
            interactive: whether the keyring may show its prompt.
            new: the passphrase or the place of a key file, where the protection is one, and a
                recovery code that opens the vault as well.
            created: what to write in the same transaction, such as the first audit entry.

        Raises:
            Conflict: there is a vault already, made by this or another process.
            InvalidParams: the passphrase is missing or too short.
            VaultUnavailable, VaultLocked: the key source failed, with its reason.
            StoreBusy, StoreFailed, VaultCorrupt: the disk, or what is on it.
        """
        async with self._opening:
            if self._status.state is VaultState.UNLOCKED:
                raise vault_exists()
            if protection == "memory":
                await self._refuse_existing()
                await self._create(Database(None, migrations.VAULT), protection, new, created)
            else:
                await asyncio.to_thread(files.ensure_private_dir, self.places.data)
                async with files.locked(self.places.init_lock):
                    await self._refuse_existing()
                    await clean_up_pending(self.places, self.slot_keys, None)
                    database = self._database or self._file()
                    await self._create(database, protection, new, created, interactive=interactive)
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

        def run(sql: Tx, database: Database, keys: RootKeys) -> tuple[T, VaultTx]:
            tx = self._on(sql, keys, database)
            tx.require_valid_meta()
            result = work(tx)
            tx.finish()
            return result, tx

        result, done = await self._with_keys(
            lambda database, keys: database.transaction(
                lambda sql: run(sql, database, keys), urgent=urgent
            )
        )
        if self._keys is not None:  # the work may have put the store under new root keys
            self._keys = done.keys
        for step in done.after_commit.values():
            if self._database is not None:
                self._database.run_later(step)
        return result

    async def read(self, work: Callable[[VaultTx], T]) -> T:
        """Run `work`, which must not write, on one state of the vault. Raises as `transaction`."""
        return await self._with_keys(
            lambda database, keys: database.read(lambda sql: work(self._on(sql, keys, database)))
        )

    @contextlib.asynccontextmanager
    async def changing_slots(self, timeout_ms: int = STORE_BUSY_TIMEOUT_MS) -> AsyncIterator[None]:
        """Keep other processes from making, adding or removing a way to open the vault.

        Raises:
            StoreBusy: another process is at it.
            Unsupported: the vault is in memory, and ends with the one slot that it has.
        """
        if self._database is not None and not self._database.durable:
            raise Unsupported("a vault in memory has one way to be opened, and ends with it")
        async with files.locked(self.places.init_lock, timeout_ms):
            await clean_up_pending(self.places, self.slot_keys, await self.refresh_slots())
            yield
            await self.refresh_slots()

    async def refresh_slots(self) -> StoredSlots | None:
        """Read the slots anew, and return what there is; None where there is no vault.

        Raises:
            StoreBusy, StoreFailed, VaultCorrupt: the disk, or what is on it.
        """
        async with self._opening:
            return await self._find()

    async def inspect(self, work: Callable[[VaultTx], T]) -> T:
        """Run `work` as `read` does, also on a store that was refused: for the audit log."""
        if (held := self._held) is None or (database := self._database) is None:
            return await self.read(work)
        return await database.read(lambda sql: work(self._on(sql, held, database)))

    async def changed_elsewhere(self) -> bool:
        """Tell whether another process committed since the last call; opens a vault it made.

        Raises:
            StoreBusy, StoreFailed, VaultCorrupt: the disk, or what is on it.
        """
        if self._keys is None:
            return (await self.unlock()).state == "unlocked"
        if self._database is None:
            return False
        before, self._seen = self._seen, await self._database.data_version()
        if before is None or before == self._seen:
            return False
        await self.refresh_slots()
        return True

    def replaced(self) -> bool:
        """Tell whether another file has the store's name since the vault was found unusable."""
        return self._refused is not None and file_identity(self.places.vault_db) != self._refused

    def _fail(self, error: VaultError) -> None:
        self._refused = file_identity(self.places.vault_db)
        self._status.fail(error)

    def _drop_keys(self) -> None:
        if self._keys is not None:
            self._keys = None
            self._status.apply(VaultEvent.KEYS_DROPPED)

    async def aclose(self) -> None:
        """Finish what is under way and forget the keys. Safe to call twice."""
        self._drop_keys()
        self._held = None
        database, self._database = self._database, None
        if database is not None:
            await database.aclose()

    def _file(self) -> Database:
        return Database(
            self.places.vault_db, migrations.VAULT, ballast=True, max_pages=self._max_pages
        )

    async def _open(
        self,
        given: SlotSecrets,
        *,
        interactive: bool,
        admit: Callable[[VaultTx], None] | None = None,
    ) -> ByokdError | None:
        """Find the store, try its slots in order and move the state; return what went wrong."""
        try:
            stored = await self._find()
            if stored is None:
                self._status.apply(VaultEvent.NO_STORE_FOUND)
                return no_vault()
            self._tries += 1
            keys = self._held if given == _NOTHING else None
            keys = keys or await self._open_slots(stored, given, interactive=interactive)
            self._held = keys
            await self._admit(keys, admit)
        except StoreChanged:  # what was held opens another store
            self._held = None
            return await self._open(given, interactive=interactive, admit=admit)
        except VaultError as error:
            self._fail(error)
            return error
        self._keys = keys
        self._held = None
        self._status.apply(VaultEvent.OPENED)
        return None

    async def _admit(self, keys: RootKeys, admit: Callable[[VaultTx], None] | None) -> None:
        """Run the store check, or `admit` in its place."""
        database, store_check = self._database, self._store_check
        if database is None or (admit is None and store_check is None):
            return
        if store_check is not None and database.durable:
            await store_check.prepare(keys.store_id, in_keyring=self._status.in_ring)

        def work(sql: Tx) -> None:
            tx = self._on(sql, keys, database)
            self._admitted = database.identity
            if admit is not None:
                admit(tx)
            elif store_check is not None:
                store_check.check(tx)
            tx.finish()

        await (database.read if admit is None else database.transaction)(work)

    async def _find(self) -> StoredSlots | None:
        """Return what is on disk, without making a file where there is none."""
        if self._database is None:
            if not await asyncio.to_thread(files.exists, self.places.vault_db):
                return None
            await asyncio.to_thread(files.ensure_private_dir, self.places.data)
            self._database = self._file()
        stored = await self._database.read(read_slots)
        self._status.slots_on_disk = stored
        return stored

    async def _open_slots(
        self, stored: StoredSlots, given: SlotSecrets, *, interactive: bool
    ) -> RootKeys:
        """Return the root keys from the first slot that opens.

        Raises:
            InvalidParams: there is no slot of the kind that was given.
            VaultError: why none opened; where a passphrase would do, that it is needed.
        """
        errors: list[VaultError] = []
        for slot in filter(given.accepts, stored.active):
            try:
                kek = await self.slot_keys.read(
                    stored.store_id, slot, given, interactive=interactive
                )
                return open_slot(stored, slot, kek)
            except VaultError as error:
                self._status.note_slot_failure(slot, error)
                errors.append(error)
        if not errors and given != _NOTHING:
            raise InvalidParams("the vault has no slot of that kind; look at vault/status")
        needed = (error for error in errors if reason_of(error) == "passphraseNeeded")
        raise next(needed, None) or next(iter(errors), source_error("noBackend"))

    async def _refuse_existing(self) -> None:
        if await self._find():
            raise vault_exists()

    async def _create(
        self,
        database: Database,
        protection: Protection,
        new: SlotSecrets,
        created: Callable[[VaultTx], object] | None,
        *,
        interactive: bool = False,
    ) -> None:
        """Keep a new key in its source, then write the store that it opens."""
        item = Item(os.urandom(ID_BYTES), os.urandom(ID_BYTES))
        durable = database.durable
        with record_pending(self.places, item, protection) if durable else contextlib.nullcontext():
            made = [await self.slot_keys.make(item, protection, new, interactive=interactive)]
        if new.recovery_code is not None:
            recovery = Item(item.store_id, os.urandom(ID_BYTES))
            made.append(await self.slot_keys.make(recovery, RECOVERY, new))

        def write(sql: Tx) -> RootKeys:
            if read_slots(sql) is not None:
                raise vault_exists()
            keys = create_root(sql, item.store_id, made, at=self._clock())
            self._admitted = database.identity
            tx = self._on(sql, keys, database)
            if created is not None:
                tx.unrecorded_slots = slot_validity(tx)
                created(tx)
            tx.finish()
            return keys

        try:
            keys = await database.transaction(write, mode="EXCLUSIVE")
        except Exception:
            await self._forget_unused(database)
            raise
        if database.durable:
            remove_pending(self.places, item)
        self._database = database
        await self._find()
        self._keys = keys
        self._status.apply(VaultEvent.OPENED)

    async def _forget_unused(self, database: Database) -> None:
        """Remove a key that opens nothing, once the disk itself has said that it opens nothing."""
        with contextlib.suppress(VaultError):
            stored = await database.read(read_slots)
            if database.durable:
                await clean_up_pending(self.places, self.slot_keys, stored)
        if database is not self._database:
            await database.aclose()

    async def _with_keys(self, ask: Callable[[Database, RootKeys], Awaitable[T]]) -> T:
        for _ in range(2):
            if self._keys is None:
                await self.unlock()
            if self._keys is None or self._database is None:
                raise self.not_open_error()
            keys = self._keys
            try:
                return await ask(self._database, keys)
            except StoreChanged as stale:
                if self._keys is keys:  # else this process replaced them itself
                    self._drop_keys()
                    self._held = keys if isinstance(stale, StoreReplaced) else None
            except VaultCorrupt as error:
                if error.fields.get("details") == {"reason": DAMAGED}:  # all of it, not one row
                    self._keys = None
                    self._fail(error)
                raise
        raise StoreChanged

    def _on(self, sql: Tx, keys: RootKeys, database: Database) -> VaultTx:
        if keys is not self._held and self._admitted not in {None, database.identity}:
            raise StoreReplaced
        return VaultTx.begin(
            sql,
            keys,
            durable=database.durable,
            distrusted=self._distrusted,
            distrusted_slots=self._distrusted_slots,
        )
