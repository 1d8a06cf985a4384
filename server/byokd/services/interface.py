"""The application and its services, as the server sees them.

Imports no service and no contract type at run time, because this module is on the path to
`initialize`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from byokd.protocol.lifecycle import ClientOptions, ServerOptions
    from byokd.services.accounts import AccountService
    from byokd.services.addresses import AddressService
    from byokd.services.audit.service import AuditService
    from byokd.services.catalog.service import CatalogService
    from byokd.services.chat.engine import ChatEngine
    from byokd.services.chat.token_counter import TokenCounter
    from byokd.services.diagnostics import Diagnostics
    from byokd.services.keys.accepted_origin import OriginAcceptor
    from byokd.services.keys.service import KeyService
    from byokd.services.models.service import ModelService
    from byokd.services.providers import ProviderService
    from byokd.services.runtime.session import Session
    from byokd.services.transfer.exports import ExportService
    from byokd.services.transfer.imports import ImportService
    from byokd.services.vault.backups import BackupService
    from byokd.services.vault.rekey import RekeyService
    from byokd.services.vault.service import VaultService


class App(Protocol):
    """The application behind one connection.

    Every method may raise a subclass of `ByokdError`. Only `services` and `aclose` touch the
    store, the keyring or the network.
    """

    @property
    def providers(self) -> ProviderService:
        """Reads package data only."""
        ...

    @property
    def prompt_timeout_ms(self) -> int:
        """How long a question to the person waits for an answer."""
        ...

    def server_options(self, options: ClientOptions) -> ServerOptions: ...

    def attach(self, session: Session) -> None:
        """Set the session of the one client; called once, before `services()`."""
        ...

    async def services(self) -> Services:
        """Import and build the services on the first call; later calls return the same ones."""
        ...

    async def aclose(self) -> None:
        """Flush and close what was opened; safe to call when nothing was."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    addresses: AddressService
    keys: KeyService
    accepted_origins: OriginAcceptor
    imports: ImportService
    exports: ExportService
    vault: VaultService
    backups: BackupService
    rekeying: RekeyService
    models: ModelService
    diagnostics: Diagnostics
    chat: ChatEngine
    tokens: TokenCounter
    audit: AuditService
    accounts: AccountService
    catalog: CatalogService
