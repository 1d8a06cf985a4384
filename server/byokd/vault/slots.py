"""Obtains a slot's key-encryption key: from a key source, a passphrase, or a recovery code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, get_args

from byokd.core.limits import KEYRING_INTERACTIVE_TIMEOUT_MS, KEYRING_TIMEOUT_MS
from byokd.core.secret import Secret
from byokd.crypto.encoding import pack
from byokd.keysource import passphrase as phrases, provided_file, recovery
from byokd.keysource.key_file import KeyFileSource
from byokd.keysource.memory import MemorySource
from byokd.keysource.os_keyring import OsKeyring
from byokd.keysource.source import Item, KeySource, Reason, reason_of, source_error
from byokd.protocol.errors import InvalidParams, Unsupported, VaultError
from byokd.protocol.vault import (
    ChoiceReason,
    KeyFilePlace,
    Protection,
    ProtectionChoice,
    SlotKind,
)
from byokd.store import files
from byokd.store.paths import StorePaths
from byokd.store.transaction import RootKeys
from byokd.vault.key_wrapping import (
    Slot,
    SlotKey,
    StoredSlots,
    WrongSlotKey,
    changed_slot,
    open_root,
)

NO_PARAMS: Final = pack()
"""The stored parameters of a slot whose key is random and stored at a key source."""

RECOVERY: Final[SlotKind] = "recoveryCode"

_PLACES: Final[dict[bytes, KeyFilePlace]] = {
    pack("file", "systemd"): "systemd",
    pack("file", "runSecrets"): "runSecrets",
}
"""The stored parameters of a slot whose key file is provided from outside."""


@dataclass(frozen=True, slots=True)
class SlotSecrets:
    """What a person supplies to open or create a slot."""

    passphrase: Secret | None = None
    recovery_code: Secret | None = None
    key_file: KeyFilePlace = "own"

    def accepts(self, slot: Slot) -> bool:
        """Tell whether to try a slot: of the supplied kind, or else any but a recovery code."""
        if self.passphrase is not None:
            return slot.kind == "passphrase"
        if self.recovery_code is not None:
            return slot.kind == RECOVERY
        return slot.kind != RECOVERY


@dataclass(frozen=True, slots=True)
class ProtectionInfo:
    backend: str | None
    protects_against: str
    does_not_protect_against: str


_PASSPHRASE: Final = ProtectionInfo(
    phrases.BACKEND, phrases.PROTECTS_AGAINST, phrases.DOES_NOT_PROTECT_AGAINST
)


def key_sources(
    places: StorePaths, keyring_timeout_ms: int | None = None
) -> dict[Protection, KeySource]:
    """Return the key sources of this machine; none of them is called yet."""
    return {
        "osKeyring": OsKeyring(
            timeout_ms=keyring_timeout_ms or KEYRING_TIMEOUT_MS,
            interactive_timeout_ms=keyring_timeout_ms or KEYRING_INTERACTIVE_TIMEOUT_MS,
        ),
        "keyFile": KeyFileSource(places.state, files),
        "memory": MemorySource(),
    }


CHOICES: Final[tuple[Protection, ...]] = ("osKeyring", "passphrase", "keyFile", "memory")
"""The protections that a new vault can have, strongest first."""

_UNLOCKABLE: Final = frozenset[ChoiceReason]({"backendLocked", "promptDismissed"})
"""Reasons that the keyring's own prompt removes."""


class SlotKeys:
    def __init__(self, sources: Mapping[Protection, KeySource]) -> None:
        self._sources = sources

    async def choices(self) -> tuple[ProtectionChoice, ...]:
        """Check each source without a prompt; takes at most the time of a keyring read."""
        return tuple([await self._check(protection) for protection in CHOICES])

    async def _check(self, protection: Protection) -> ProtectionChoice:
        reason: Reason | None = None
        source = self._sources.get(protection)
        try:
            if source is not None:
                await source.check()
            elif protection != "passphrase":
                reason = "noBackend"
        except VaultError as error:
            reason = reason_of(error)
        return self.choice(protection, reason)

    def choice(self, protection: Protection, reason: Reason | None) -> ProtectionChoice:
        known = next((one for one in get_args(ChoiceReason) if one == reason), None)
        if reason is not None and known is None:
            known = "noBackend"
        facts = self.describe(protection)
        return ProtectionChoice(
            protection=protection,
            available=known is None or known in _UNLOCKABLE,
            reason=known,
            protects_against=facts.protects_against if facts else "",
            does_not_protect_against=facts.does_not_protect_against if facts else "",
        )

    def describe(self, protection: Protection) -> ProtectionInfo | None:
        """Return None where this machine does not have the protection."""
        if protection == "passphrase":
            return _PASSPHRASE
        source = self._sources.get(protection)
        if source is None:
            return None
        return ProtectionInfo(
            source.backend, source.protects_against, source.does_not_protect_against
        )

    async def read(
        self, store_id: bytes, slot: Slot, secrets: SlotSecrets, *, interactive: bool = False
    ) -> bytes:
        """Return the key of an existing slot, 32 bytes; raises `source_error`."""
        if slot.kind == "passphrase":
            if secrets.passphrase is None:
                raise source_error("passphraseNeeded")
            return await phrases.derive_key(secrets.passphrase, slot.kdf_params)
        if slot.kind == RECOVERY:
            if secrets.recovery_code is None:
                raise source_error("wrongRecoveryCode")
            return recovery.derive_key(secrets.recovery_code)
        if slot.kdf_params in _PLACES:
            return await provided_file.read_key(_PLACES[slot.kdf_params])
        source = self._source(slot.kind)
        if source is None:
            raise source_error("noBackend")
        return await source.read(Item(store_id, slot.slot_id), interactive=interactive)

    async def make(
        self, item: Item, kind: SlotKind, new: SlotSecrets, *, interactive: bool = False
    ) -> SlotKey:
        """Create the key of a new slot and store it at its source.

        Raises:
            VaultLocked, VaultUnavailable, StoreFailed: the source does not store it.
            InvalidParams: the passphrase is missing or too short.
        """
        params = NO_PARAMS
        if kind == "passphrase":
            params, kek = await _from_passphrase(new.passphrase)
        elif kind == "keyFile" and new.key_file != "own":
            params = pack("file", new.key_file)
            kek = await provided_file.read_key(new.key_file)
        elif kind == RECOVERY:
            kek = recovery.derive_key(new.recovery_code or recovery.new_code())
        else:
            source = self._source(kind)
            if source is None:
                raise Unsupported(f"there is no {kind} on this machine; choose another protection")
            kek = await source.create(item, interactive=interactive)
        return SlotKey(item.slot_id, kind, params, kek)

    async def delete(self, item: Item, kind: str) -> bool:
        """Delete a key from its source; return whether it is certainly gone."""
        source = self._source(kind)
        if source is None:
            return True  # it was derived and is stored nowhere
        try:
            await source.delete(item)
            await source.read(item)
        except (VaultError, OSError) as error:
            return isinstance(error, VaultError) and reason_of(error) == "itemMissing"
        return False

    def _source(self, kind: str) -> KeySource | None:
        return next((self._sources[known] for known in self._sources if known == kind), None)


async def _from_passphrase(passphrase: Secret | None) -> tuple[bytes, bytes]:
    if passphrase is None:
        raise InvalidParams(
            "supply the passphrase that shall protect the vault",
            details=[{"pointer": "/passphrase", "reason": "this field is required"}],
        )
    phrases.check_new(passphrase, "/passphrase")
    params = phrases.new_cost().packed()
    return params, await phrases.derive_key(passphrase, params)


def open_slot(stored: StoredSlots, slot: Slot, kek: bytes) -> RootKeys:
    """Return the root keys of a slot; a wrong passphrase or code has a reason of its own."""
    try:
        return open_root(stored, slot, kek)
    except WrongSlotKey:
        if slot.kind == "passphrase":
            raise source_error("wrongPassphrase") from None
        if slot.kind == RECOVERY:
            raise source_error("wrongRecoveryCode") from None
        raise


async def open_first_slot(
    slot_keys: SlotKeys,
    stored: StoredSlots,
    secrets: SlotSecrets,
    *,
    interactive: bool,
    on_failure: Callable[[Slot, VaultError], None],
) -> RootKeys:
    """Return the root keys from the first slot that opens.

    Raises:
        InvalidParams: the vault has no slot for these secrets.
        VaultError: why none opened; `passphraseNeeded` is preferred over other reasons.
    """
    errors: list[VaultError] = []
    for slot in filter(secrets.accepts, stored.active):
        try:
            if slot.rk_version != stored.rk_version:  # before the time of a key derivation
                raise changed_slot()
            kek = await slot_keys.read(stored.store_id, slot, secrets, interactive=interactive)
            return open_slot(stored, slot, kek)
        except VaultError as error:
            on_failure(slot, error)
            errors.append(error)
    if not errors and secrets != SlotSecrets():
        raise InvalidParams("the vault has no slot of that kind; see vault/status")
    passphrase_needed = (error for error in errors if reason_of(error) == "passphraseNeeded")
    raise next(passphrase_needed, None) or next(iter(errors), source_error("noBackend"))
