"""Opens, locks and creates the vault, and runs transactions on it.

Only `initialize` creates a master key, and only for a store that has none. A keyring that is
locked, silent or lost the key leads to a state with a reason, never to a second master key: that
would orphan everything sealed under the first.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, TypeVar

from byokd.core.limits import CHOICES_FRESH_MS, STORE_BUSY_TIMEOUT_MS
from byokd.keysource.source import Item, KeySource, reason_of
from byokd.protocol.errors import (
    ByokdError,
    Unsupported,
    VaultCorrupt,
    VaultError,
)
from byokd.protocol.vault import Protection, ProtectionChoice, VaultInfo
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
from byokd.vault.slots import RECOVERY, SlotKeys, SlotSecrets, open_first_slot
from byokd.vault.states import VaultEvent, VaultState
from byokd.vault.status import VaultStatus, copy_of, no_vault
from byokd.vault.store_check import StoreCheck

T = TypeVar("T")
_NO_SECRETS: Final = SlotSecrets()

_OPEN_ATTEMPTS: Final = 3
"""How often to begin again when another process replaces what was just read."""


class Vault:
    """One person's vault, shared with that person's other processes.

    Methods that use the disk may raise `StoreBusy`, `StoreFailed` and `VaultCorrupt`.

    Args:
        store_check: None admits every store.
        clock: wall-clock milliseconds.
        max_pages: bounds the store's size in pages of 4 KiB; a full disk for tests.
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
        self._refused_keys: RootKeys | None = None  # of a store that failed its check
        self._distrusted: dict[str, KeyFacts | None] = {}
        self._distrusted_slots: set[str] = set()
        self._database: Database | None = None
        self._keys: RootKeys | None = None
        self._status = VaultStatus()
        self._attempts = 0
        self._opening = asyncio.Lock()
        self._chose_at = -CHOICES_FRESH_MS
        self._choosing: asyncio.Task[tuple[ProtectionChoice, ...]] | None = None
        self._data_version: int | None = None
        self._refused: FileIdentity | None = None  # the file that could not be used
        self._admitted: FileIdentity | None = None  # the file that passed its check

    def not_open_error(self) -> ByokdError:
        return self._status.not_open_error()

    def status(self) -> VaultInfo:
        return self._status.info(self.slot_keys.describe)

    async def check_choices(self) -> tuple[ProtectionChoice, ...]:
        """Check which protections a new vault can have; concurrent callers share one check."""
        if self._choosing is None or self._choosing.done():
            self._choosing = asyncio.ensure_future(self.slot_keys.choices())
        choices = await asyncio.shield(self._choosing)
        self._chose_at = self._clock()
        self._status.remember_choices(choices)
        return choices

    async def other_choices(self) -> tuple[ProtectionChoice, ...]:
        """Return the protections that an open vault can change to.

        None for a vault in memory, which has one slot only; no other vault can move to memory.
        """
        if self._database is None or not self._database.durable:
            return ()
        is_fresh = 0 <= self._clock() - self._chose_at < CHOICES_FRESH_MS
        choices = self._status.choices if is_fresh else await self.check_choices()
        return tuple(choice for choice in choices if choice.protection != "memory")

    async def choices_after(
        self, failed: Protection, error: VaultError
    ) -> tuple[ProtectionChoice, ...]:
        """Return the choices, one of which could not be made."""
        failed_choice = self.slot_keys.choice(failed, reason_of(error) or "noBackend")
        return tuple(
            failed_choice if choice.protection == failed else choice
            for choice in self._status.choices or await self.check_choices()
        )

    async def unlock(self, *, interactive: bool = False) -> VaultInfo:
        """Open the vault if it needs nothing that only a person knows; failures show in the state.

        A vault locked on purpose stays locked. Concurrent callers share one attempt. `interactive`
        lets the keyring show its prompt.
        """
        attempts = self._attempts
        async with self._opening:
            just_tried = attempts != self._attempts and not interactive
            stays_as_is = self._status.state in {VaultState.UNLOCKED, VaultState.LOCKED_BY_USER}
            if not stays_as_is and not just_tried:
                await self._open(_NO_SECRETS, interactive=interactive)
        return self.status()

    async def unlock_with(
        self, secrets: SlotSecrets, *, admit: Callable[[VaultTx], None] | None = None
    ) -> VaultInfo:
        """Open the vault on a person's request; the keyring may show its prompt.

        Args:
            secrets: without any, slots that need none are tried.
            admit: replaces the store check, in a transaction that may write.

        Raises:
            VaultLocked, VaultUnavailable: with the reason; a locked vault stays locked.
            VaultUninitialized: there is no vault.
            InvalidParams: the vault has no such slot, or the recovery code is malformed.
        """
        async with self._opening:
            if self._status.state is not VaultState.UNLOCKED:
                error = await self._open(secrets, interactive=True, admit=admit)
                if error is not None:
                    raise copy_of(error)
        return self.status()

    async def lock(self) -> VaultInfo:
        """Drop the keys in this process; only `unlock_with` opens the vault again.

        Raises:
            VaultUninitialized: there is no vault.
        """
        async with self._opening:
            slots = await self._read_slots()
            self._keys = None
            self._refused_keys = None
            if slots is None:
                choices = self._status.choices or await self.check_choices()
                self._status.apply(VaultEvent.STORE_ABSENT)
                raise no_vault(choices)
            self._status.lock_by_user()
        return self.status()

    async def initialize(
        self,
        protection: Protection,
        *,
        interactive: bool = False,
        new: SlotSecrets = _NO_SECRETS,
        created: Callable[[VaultTx], object] | None = None,
    ) -> VaultInfo:
        """Create the vault and open it.

        Args:
            protection: where the master key is stored; no other one is tried when it fails.
            interactive: lets the keyring show its prompt.
            new: a passphrase or key file place, and a recovery code for a second slot.
            created: writes in the same transaction, such as the first audit entry.

        Raises:
            Conflict: there is a vault.
            InvalidParams: the passphrase is missing or too short.
            VaultUnavailable, VaultLocked: the key source failed, with its reason.
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
        """Run `work` and commit; roll back on any exception.

        `urgent` work, which takes a key out of use, succeeds on a full disk too.

        Raises:
            VaultUninitialized, VaultLocked, VaultUnavailable: the vault is not open.
            Internal: a key changed and no audit entry was appended.
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
        if self._keys is not None:  # `work` may have renewed the root key
            self._keys = done.keys
        for step in done.after_commit.values():
            if self._database is not None:
                self._database.run_later(step)
        return result

    async def read(self, work: Callable[[VaultTx], T]) -> T:
        """Run `work`, which must not write, on one snapshot. Raises as `transaction`."""
        return await self._with_keys(
            lambda database, keys: database.read(lambda sql: work(self._on(sql, keys, database)))
        )

    @contextlib.asynccontextmanager
    async def changing_slots(self, timeout_ms: int = STORE_BUSY_TIMEOUT_MS) -> AsyncIterator[None]:
        """Keep other processes from creating the vault or changing its slots.

        Raises:
            Unsupported: the vault is in memory and has one slot only.
        """
        if self._database is not None and not self._database.durable:
            raise Unsupported("a vault in memory has one slot, which ends with the process")
        async with files.locked(self.places.init_lock, timeout_ms):
            await clean_up_pending(self.places, self.slot_keys, await self.refresh_slots())
            yield
            await self.refresh_slots()

    async def refresh_slots(self) -> StoredSlots | None:
        async with self._opening:
            return await self._read_slots()

    async def inspect(self, work: Callable[[VaultTx], T]) -> T:
        """Run `work` as `read` does, also on a store that the store check refused."""
        if (keys := self._refused_keys) is None or (database := self._database) is None:
            return await self.read(work)
        return await database.read(lambda sql: work(self._on(sql, keys, database)))

    async def changed_elsewhere(self) -> bool:
        """Tell whether another process committed since the last call; opens a vault it created."""
        if self._keys is None:
            return (await self.unlock()).state == "unlocked"
        if self._database is None:
            return False
        before, self._data_version = self._data_version, await self._database.data_version()
        if before is None or before == self._data_version:
            return False
        await self.refresh_slots()
        return True

    def replaced(self) -> bool:
        """Tell whether the store was replaced by another file since it was refused."""
        return self._refused is not None and file_identity(self.places.vault_db) != self._refused

    def _fail(self, error: VaultError) -> VaultError:
        """Change the state; return the error with what helps this vault."""
        self._refused = file_identity(self.places.vault_db)
        return self._status.fail(error)

    def _drop_keys(self) -> None:
        if self._keys is not None:
            self._keys = None
            self._status.apply(VaultEvent.KEYS_DROPPED)

    async def aclose(self) -> None:
        """Finish running work and drop the keys. Safe to call twice."""
        self._drop_keys()
        self._refused_keys = None
        if self._choosing is not None:
            self._choosing.cancel()
        database, self._database = self._database, None
        if database is not None:
            await database.aclose()

    def _file(self) -> Database:
        return Database(
            self.places.vault_db, migrations.VAULT, reserve=True, max_pages=self._max_pages
        )

    async def _open(
        self,
        secrets: SlotSecrets,
        *,
        interactive: bool,
        admit: Callable[[VaultTx], None] | None = None,
    ) -> ByokdError | None:
        """Try the slots in order; return what failed."""
        for _ in range(_OPEN_ATTEMPTS):
            try:
                stored = await self._read_slots()
                if stored is None:
                    choices = self._status.choices or await self.check_choices()
                    self._status.apply(VaultEvent.STORE_ABSENT)
                    return no_vault(choices)
                keys = await self._keys_of(stored, secrets, interactive=interactive)
                await self._run_store_check(keys, admit)
            except StoreChanged:  # another process renewed the root key or replaced the store
                self._refused_keys = None
            except VaultError as error:
                return self._fail(error)
            else:
                self._keys = keys
                self._refused_keys = None
                self._status.apply(VaultEvent.OPENED)
                return None
        return self._fail(StoreChanged())

    async def _keys_of(
        self, stored: StoredSlots, secrets: SlotSecrets, *, interactive: bool
    ) -> RootKeys:
        """Return the root keys: those of the refused store, or from the first slot that opens."""
        self._attempts += 1
        keys = self._refused_keys if secrets == _NO_SECRETS else None
        keys = keys or await open_first_slot(
            self.slot_keys,
            stored,
            secrets,
            interactive=interactive,
            on_failure=self._status.note_slot_failure,
        )
        self._refused_keys = keys
        return keys

    async def _run_store_check(
        self, keys: RootKeys, admit: Callable[[VaultTx], None] | None
    ) -> None:
        database, store_check = self._database, self._store_check
        if database is None or (admit is None and store_check is None):
            return
        if store_check is not None and database.durable:
            await store_check.prepare(keys.store_id, in_keyring=self._status.in_keyring)

        def work(sql: Tx) -> None:
            tx = self._on(sql, keys, database)
            self._admitted = database.identity
            if admit is not None:
                admit(tx)
            elif store_check is not None:
                store_check.check(tx)
            tx.finish()

        await (database.read if admit is None else database.transaction)(work)

    async def _read_slots(self) -> StoredSlots | None:
        if self._database is None:
            if not await asyncio.to_thread(files.exists, self.places.vault_db):
                return None
            await asyncio.to_thread(files.ensure_private_dir, self.places.data)
            self._database = self._file()
        stored = await self._database.read(read_slots)
        self._status.remember_slots(stored)
        return stored

    async def _refuse_existing(self) -> None:
        if await self._read_slots():
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
        item = Item(os.urandom(ID_BYTES), os.urandom(ID_BYTES))
        with record_pending(self.places if database.durable else None, item, protection):
            new_keys = [await self.slot_keys.make(item, protection, new, interactive=interactive)]
        if new.recovery_code is not None:
            recovery = Item(item.store_id, os.urandom(ID_BYTES))
            new_keys.append(await self.slot_keys.make(recovery, RECOVERY, new))

        def write(sql: Tx) -> RootKeys:
            if read_slots(sql) is not None:
                raise vault_exists()
            keys = create_root(sql, item.store_id, new_keys, at=self._clock())
            self._admitted = database.identity
            tx = self._on(sql, keys, database)
            if created is not None:
                tx.unrecorded_slots = slot_validity(tx)
                created(tx)
            tx.finish()
            return keys

        try:
            keys = await database.transaction(write, mode="EXCLUSIVE")
        except asyncio.CancelledError:
            if database.durable:  # the commit may still run: `aclose` waits for it
                self._database = database
            raise
        except Exception:
            await self._remove_unused_key(database)
            raise
        if database.durable:
            remove_pending(self.places, item)
        self._database = database
        await self._read_slots()
        self._keys = keys
        self._status.apply(VaultEvent.OPENED)

    async def _remove_unused_key(self, database: Database) -> None:
        with contextlib.suppress(VaultError):
            stored = await database.read(read_slots)
            if database.durable:
                await clean_up_pending(self.places, self.slot_keys, stored)
        if database is not self._database:
            await database.aclose()

    async def _with_keys(self, run: Callable[[Database, RootKeys], Awaitable[T]]) -> T:
        for _ in range(2):
            if self._keys is None:
                await self.unlock()
            if self._keys is None or self._database is None:
                raise self.not_open_error()
            keys = self._keys
            try:
                return await run(self._database, keys)
            except StoreChanged as error:
                if self._keys is keys:  # otherwise this process replaced them itself
                    self._drop_keys()
                    self._refused_keys = keys if isinstance(error, StoreReplaced) else None
            except VaultCorrupt as error:
                # With this reason the whole file is damaged, not one row.
                if error.fields.get("details") == {"reason": DAMAGED}:
                    self._keys = None
                    self._fail(error)
                raise
        raise StoreChanged

    def _on(self, sql: Tx, keys: RootKeys, database: Database) -> VaultTx:
        if keys is not self._refused_keys and self._admitted not in {None, database.identity}:
            raise StoreReplaced
        return VaultTx.begin(
            sql,
            keys,
            durable=database.durable,
            distrusted=self._distrusted,
            distrusted_slots=self._distrusted_slots,
        )
