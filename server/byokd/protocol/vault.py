"""`vault/…`: whether keys can be reached, and how well they are protected.

Knows states and reasons. Must not know how a key source works.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from byokd.protocol.base import Params, Result, Value

VaultState: TypeAlias = Literal["checking", "unlocked", "locked", "uninitialized", "unavailable"]
Protection: TypeAlias = Literal["osKeyring", "passphrase", "keyFile", "memory"]


class VaultInfo(Value):
    """The vault as far as it is known; `checking` until the first look at the disk is over.

    `backend` names the real keyring. `protects_against` and `does_not_protect_against` are for
    people. `reason` is typed, such as `noBackend`, `backendLocked`, `timeout`, `itemMissing`.
    """

    state: VaultState
    protection: Protection | None = None
    reason: str | None = None
    hint: str | None = None
    backend: str | None = None
    protects_against: str | None = None
    does_not_protect_against: str | None = None
    choices: tuple[Protection, ...] = ()


class VaultStatusParams(Params):
    """Ask for the vault's state."""


class VaultResult(Result):
    """The vault as it is now."""

    vault: VaultInfo


class VaultInitializeParams(Params):
    """Make the vault.

    A protection weaker than the OS keyring needs `accept_risk` with its own name, so that nobody
    gets it without having read what it means.
    """

    protection: Literal["osKeyring", "keyFile", "memory"] = "osKeyring"
    accept_risk: str | None = None


class VaultChanged(Params):
    """`vault/changed`."""

    vault: VaultInfo
