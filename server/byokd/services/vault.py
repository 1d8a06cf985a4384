"""`vault/…`: whether keys can be reached, and making the vault.

Knows when a vault may be made without being asked for by name: with a verified OS keyring, at the
first key. Anything weaker is an explicit act that names its risk. Must not know a key source.
"""

from __future__ import annotations

from typing import Final

from byokd.keepers.vault import Vault
from byokd.protocol.errors import Action, Conflict, InvalidParams, VaultError, VaultUninitialized
from byokd.protocol.vault import (
    Protection,
    VaultChanged,
    VaultInfo,
    VaultInitializeParams,
    VaultResult,
    VaultStatusParams,
)
from byokd.services.session import Session
from byokd.services.trail import Trail

_WEAKER: Final[tuple[Protection, ...]] = ("keyFile", "memory")
_KEYRING: Final[Protection] = "osKeyring"


class VaultDesk:
    """The vault, as clients see it."""

    def __init__(self, vault: Vault, trail: Trail) -> None:
        self._vault = vault
        self._trail = trail
        self._told: VaultInfo | None = None

    async def status(self, _session: Session, _params: VaultStatusParams) -> VaultResult:
        """Return the vault's state, after the first look at the disk and the keyring."""
        return VaultResult(vault=await self._vault.unlock())

    async def initialize(self, session: Session, params: VaultInitializeParams) -> VaultResult:
        """Make the vault with a chosen protection.

        Raises:
            InvalidParams: a protection weaker than the OS keyring without its name in `acceptRisk`.
            Conflict: there is a vault already.
            VaultUnavailable, VaultLocked: the chosen place does not answer, with its reason.
        """
        if params.protection in _WEAKER and params.accept_risk != params.protection:
            raise InvalidParams(
                f"this protection is weaker than the OS keyring; set acceptRisk to"
                f" {params.protection!r} to say that you know what it does not protect against",
                details=[{"pointer": "/acceptRisk", "reason": "must name the protection"}],
            )
        info = await self._make(session, params.protection)
        return VaultResult(vault=info)

    async def ready(self, session: Session) -> None:
        """Make sure that a key can be stored; the first key makes a vault under the OS keyring.

        Raises:
            VaultUninitialized: there is no usable keyring; the action lists the other choices.
            VaultError: the vault is there and cannot be opened.
        """
        info = await self._vault.unlock(interactive=True)
        if info.state == "unlocked":
            return
        if info.state != "uninitialized":
            await self._vault.read(lambda _tx: None)  # raises why
        try:
            await self._make(session, _KEYRING)
        except Conflict:  # another process was first: its vault is the vault
            await self._vault.unlock(interactive=True)
        except VaultError as error:
            details = error.fields.get("details")
            reason = details.get("reason") if isinstance(details, dict) else None
            if error.kind in {"storeFailed", "storeBusy", "vaultCorrupt"}:
                raise
            raise VaultUninitialized(
                "no OS keyring can be used here; initialise the vault with another protection",
                action=Action(type="initializeVault", choices=_WEAKER),
                details={"reason": reason},
            ) from None

    async def open_in_background(self, session: Session) -> None:
        """Look at disk and keyring once after the start, and tell the client what was found."""
        self._tell(session, await self._vault.unlock())

    async def look(self, session: Session) -> VaultInfo:
        """Open a vault that another process made meanwhile, and tell the client what is new.

        A keyring that was locked or silent is not asked again: it could prompt, or hang.
        """
        info = self._vault.status()
        if info.state == "uninitialized":
            info = await self._vault.unlock()
        if info != self._told and info.state != "checking":
            self._tell(session, info)
        return info

    async def _make(self, session: Session, protection: Protection) -> VaultInfo:
        info = await self._vault.initialize(
            protection,
            interactive=True,
            created=lambda tx: self._trail.note(
                tx, session, "store.created", details={"protection": protection}
            ),
        )
        self._tell(session, info)
        return info

    def _tell(self, session: Session, info: VaultInfo) -> None:
        self._told = info
        session.client.notify("vault/changed", VaultChanged(vault=info))
