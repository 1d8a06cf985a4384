"""What the door may ask of the house behind it.

Knows the shape of every room, and which two answers must be ready before the rooms are. Must not
import a room, nor any type of the contract while the program runs: this module is on the path to
`initialize`, and the types are built when their method is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from byokd.protocol.account import (
        AccountDeleteParams,
        AccountDeleteResult,
        AccountListParams,
        AccountListResult,
    )
    from byokd.protocol.audit import (
        AuditExportParams,
        AuditExportResult,
        AuditListParams,
        AuditListResult,
        AuditVerifyParams,
        AuditVerifyResult,
    )
    from byokd.protocol.backup import VaultRestoreParams, VaultRestoreResult
    from byokd.protocol.chat import SendParams, SendResult
    from byokd.protocol.diagnosis import ProviderTestParams, ProviderTestResult
    from byokd.protocol.events import Event
    from byokd.protocol.key import (
        KeyDeleteResult,
        KeyEnableParams,
        KeyEnableResult,
        KeyIdParams,
        KeyListParams,
        KeyListResult,
        KeyProbeParams,
        KeyProbeResult,
        KeyResult,
        KeyRotateParams,
        KeyStoreParams,
        KeyStoreResult,
    )
    from byokd.protocol.lifecycle import ClientOptions, ServerOptions
    from byokd.protocol.model import (
        ModelListParams,
        ModelListResult,
        ModelRefreshParams,
        ModelRefreshResult,
    )
    from byokd.protocol.provider import ProviderListParams, ProviderListResult
    from byokd.protocol.transfer import (
        KeyExportParams,
        KeyExportResult,
        KeyImportParams,
        KeyImportResult,
    )
    from byokd.protocol.vault import (
        VaultInitializeParams,
        VaultInitializeResult,
        VaultLockParams,
        VaultRekeyParams,
        VaultRekeyResult,
        VaultResult,
        VaultStatusParams,
        VaultUnlockParams,
    )
    from byokd.services.runtime.session import Session


class Application(Protocol):
    """Everything behind the door.

    The first three are eager and cheap: they are called on the loop, before any store, keyring or
    network is touched. `rooms()` is the heavy part; it may be awaited by many at once and opens
    only once. Every method may raise a leaf of `ByokdError`.
    """

    @property
    def providers(self) -> ProvidersRoom:
        """The catalog, as clients read it."""
        ...

    def server_options(self, options: ClientOptions) -> ServerOptions:
        """Answer `initialize`: features narrowed, the sealing key, the vault as far as known."""
        ...

    def attach(self, session: Session) -> None:
        """Take note of the one client of this process; called once, before `rooms()`."""
        ...

    async def rooms(self) -> Services:
        """Import and open what is heavy, once; every caller gets the same rooms."""
        ...

    async def aclose(self) -> None:
        """Flush and close what was opened, in reverse; safe to call when nothing was."""
        ...


class Services(Protocol):
    """The heavy rooms, open."""

    @property
    def keys(self) -> KeysRoom:
        """`key/…`."""
        ...

    @property
    def imports(self) -> ImportsRoom:
        """`key/import`."""
        ...

    @property
    def exports(self) -> ExportsRoom:
        """`key/export`."""
        ...

    @property
    def vault(self) -> VaultRoom:
        """`vault/…`."""
        ...

    @property
    def backups(self) -> BackupsRoom:
        """`vault/restore`."""
        ...

    @property
    def rekeying(self) -> RekeyingRoom:
        """`vault/rekey`."""
        ...

    @property
    def models(self) -> ModelsRoom:
        """`model/…`."""
        ...

    @property
    def doctor(self) -> DoctorRoom:
        """`provider/test`."""
        ...

    @property
    def chat(self) -> ChatRoom:
        """`chat/…`."""
        ...

    @property
    def audit(self) -> AuditRoom:
        """`audit/…`."""
        ...

    @property
    def accounts(self) -> AccountsRoom:
        """`account/…`."""
        ...


class ProvidersRoom(Protocol):
    """Who can be asked."""

    def list(self, session: Session, params: ProviderListParams) -> ProviderListResult:
        """Return a page of providers. Eager: it touches package data only."""
        ...


class KeysRoom(Protocol):
    """A person's keys."""

    async def store(self, session: Session, params: KeyStoreParams) -> KeyStoreResult:
        """Probe a new key and store it unless it is known bad."""
        ...

    async def rotate(self, session: Session, params: KeyRotateParams) -> KeyStoreResult:
        """Replace the secret of a key."""
        ...

    async def list(self, session: Session, params: KeyListParams) -> KeyListResult:
        """Return a page of keys."""
        ...

    async def probe(self, session: Session, params: KeyProbeParams) -> KeyProbeResult:
        """Ask the provider about a stored key or a candidate."""
        ...

    async def disable(self, session: Session, params: KeyIdParams) -> KeyResult:
        """Stop using a key until it is enabled."""
        ...

    async def enable(self, session: Session, params: KeyEnableParams) -> KeyEnableResult:
        """Use a disabled key again."""
        ...

    async def delete(self, session: Session, params: KeyIdParams) -> KeyDeleteResult:
        """Forget a key."""
        ...

    async def set_default(self, session: Session, params: KeyIdParams) -> KeyResult:
        """Use this key where a call names none."""
        ...


class ImportsRoom(Protocol):
    """Keys that come from elsewhere."""

    async def import_(self, session: Session, params: KeyImportParams) -> KeyImportResult:
        """Show what a source holds, and store what was chosen of it."""
        ...


class ExportsRoom(Protocol):
    """Keys that leave for another machine."""

    async def export(self, session: Session, params: KeyExportParams) -> KeyExportResult:
        """Seal keys under a passphrase."""
        ...


class VaultRoom(Protocol):
    """The vault's state."""

    async def status(self, session: Session, params: VaultStatusParams) -> VaultResult:
        """Tell whether keys can be reached."""
        ...

    async def initialize(
        self, session: Session, params: VaultInitializeParams
    ) -> VaultInitializeResult:
        """Make the vault."""
        ...

    async def unlock(self, session: Session, params: VaultUnlockParams) -> VaultResult:
        """Open the vault."""
        ...

    async def lock(self, session: Session, params: VaultLockParams) -> VaultResult:
        """Forget the vault's keys."""
        ...


class BackupsRoom(Protocol):
    """What the vault was like before."""

    async def restore(self, session: Session, params: VaultRestoreParams) -> VaultRestoreResult:
        """Put a backup in the place of the vault."""
        ...


class RekeyingRoom(Protocol):
    """What opens the vault, and what its keys are sealed under."""

    async def change(self, session: Session, params: VaultRekeyParams) -> VaultRekeyResult:
        """Make one change."""
        ...


class ModelsRoom(Protocol):
    """What can be called."""

    async def list(self, session: Session, params: ModelListParams) -> ModelListResult:
        """Return a page of models."""
        ...

    async def refresh(self, session: Session, params: ModelRefreshParams) -> ModelRefreshResult:
        """Ask the providers for their lists now."""
        ...


class DoctorRoom(Protocol):
    """What is wrong with the way to a provider."""

    async def test(self, session: Session, params: ProviderTestParams) -> ProviderTestResult:
        """Try the way step by step."""
        ...


class ChatRoom(Protocol):
    """Chats."""

    def answer(self, session: Session, params: SendParams) -> Answer:
        """Begin to answer. Returns at once; work starts with the iteration."""
        ...


class AuditRoom(Protocol):
    """What happened to the keys."""

    async def list(self, session: Session, params: AuditListParams) -> AuditListResult:
        """Return a page of entries."""
        ...

    async def verify(self, session: Session, params: AuditVerifyParams) -> AuditVerifyResult:
        """Check the record."""
        ...

    async def export(self, session: Session, params: AuditExportParams) -> AuditExportResult:
        """Return a page of the whole chain."""
        ...


class AccountsRoom(Protocol):
    """The namespaces of keys."""

    async def list(self, session: Session, params: AccountListParams) -> AccountListResult:
        """Return a page of accounts."""
        ...

    async def delete(self, session: Session, params: AccountDeleteParams) -> AccountDeleteResult:
        """Forget an account and all its keys."""
        ...


class Answer(Protocol):
    """One chat under way: batches of events, then the result.

    The iteration ends when the answer is whole or was cancelled, and raises a leaf of `ByokdError`
    when it failed. Nothing is read from the provider while nobody asks for the next batch, which
    is how a slow client slows its provider down. Being closed early (`aclose()` on the iterator)
    closes the provider's connection.
    """

    def __aiter__(self) -> AsyncIterator[Sequence[Event]]:
        """Iterate once over the batches, in order."""
        ...

    def cancel(self) -> None:
        """End the iteration soon, without an exception; safe at any time, any number of times."""
        ...

    @property
    def result(self) -> SendResult:
        """The whole answer, once the iteration has ended."""
        ...
