"""Builds everything, in order, and closes it in reverse: the only place that knows everyone.

Knows who needs whom. Must not decide anything. What is heavy (the network stack, the store, the
keyring) is imported in `_rooms`, after `initialize` and `provider/list` have been answered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from byokd.catalog.loader import load
from byokd.catalog.variables import variables_of
from byokd.core.secret import Secret
from byokd.core.settings import Settings
from byokd.crypto.seal import SealingKey
from byokd.process.hardening import hide_memory, warn_of_start_up_code
from byokd.protocol.lifecycle import (
    PROTOCOL_VERSION,
    ClientOptions,
    Features,
    LogMessage,
    Sealing,
    ServerLimits,
    ServerOptions,
)
from byokd.protocol.schema_hash import SCHEMA_HASH
from byokd.protocol.vault import VaultInfo
from byokd.services.providers import ProviderService
from byokd.services.runtime.session import Session

if TYPE_CHECKING:
    from byokd.audit import AuditLog
    from byokd.catalog.record import Provider
    from byokd.model_cache import ModelCache
    from byokd.services.accounts import AccountService
    from byokd.services.audit.maintenance import AuditMaintainer
    from byokd.services.audit.service import AuditService
    from byokd.services.chat.engine import ChatEngine
    from byokd.services.diagnostics import Diagnostics
    from byokd.services.keys.service import KeyService
    from byokd.services.models.service import ModelService
    from byokd.services.runtime.background import Background
    from byokd.services.runtime.store_watcher import StoreWatcher
    from byokd.services.transfer.exports import ExportService
    from byokd.services.transfer.imports import ImportService
    from byokd.services.vault.backups import BackupService
    from byokd.services.vault.rekey import RekeyService
    from byokd.services.vault.service import VaultService
    from byokd.store.paths import StorePaths
    from byokd.transport.http import HttpTransport
    from byokd.transport.interface import Transport
    from byokd.vault import Vault

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What differs between the daemon and its tests.

    Attributes:
        data_dir: where data and state go instead of the platform's folders.
        config: the configuration file instead of the platform's.
        settings: instead of any file.
        variables: those of the client's environment that an import may look at.
        store_max_pages: how large the store may grow; a full disk for tests.
        keyring_timeout_ms: how long the OS keyring may take; the usual time when None.
        allow_export: whether `key/export` works in this process.
    """

    data_dir: Path | None = None
    config: Path | None = None
    settings: Settings | None = None
    variables: MutableMapping[str, Secret] = field(default_factory=dict)
    store_max_pages: int | None = None
    keyring_timeout_ms: int | None = None
    allow_export: bool = False


@dataclass(frozen=True, slots=True)
class Services:
    """The heavy rooms, open."""

    keys: KeyService
    imports: ImportService
    exports: ExportService
    vault: VaultService
    backups: BackupService
    rekeying: RekeyService
    models: ModelService
    doctor: Diagnostics
    chat: ChatEngine
    audit: AuditService
    accounts: AccountService


@dataclass(frozen=True, slots=True)
class _Opened:
    rooms: Services
    background: Background
    transport: Transport
    vault: Vault
    lists: ModelCache
    changes: StoreWatcher
    custody: AuditMaintainer


class App:
    """The house: see `services/house.py`."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._settings = options.settings or _configured(options)
        own, self._faults = _own_providers(options)
        records = _records(self._settings, own)
        self.providers = ProviderService(records, self._settings)
        self._variables = _known(options.variables, records.values())
        self._sealing = SealingKey()
        self._session: Session | None = None
        self._opening: asyncio.Task[_Opened] | None = None

    def server_options(self, options: ClientOptions) -> ServerOptions:
        """Answer `initialize`: features narrowed, the sealing key, the vault as far as known."""
        return ServerOptions(
            protocol_version=PROTOCOL_VERSION,
            schema_hash=SCHEMA_HASH,
            account=options.account,
            sealing=Sealing(public_key=self._sealing.public_key_b64, key_id=self._sealing.key_id),
            features=self._features(options.features),
            limits=ServerLimits(),
            vault=VaultInfo(state="checking"),
        )

    def attach(self, session: Session) -> None:
        """Take note of the one client of this process."""
        self._session = session

    async def rooms(self) -> Services:
        """Import and open what is heavy, once; every caller gets the same rooms."""
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())
        return (await asyncio.shield(self._opening)).rooms

    async def aclose(self) -> None:
        """Close what was opened, in reverse; safe to call when nothing was."""
        if self._opening is None:
            return
        opened = await self._opening
        await opened.background.aclose()
        await opened.custody.aclose()
        await opened.transport.aclose()
        await opened.lists.aclose()
        await opened.vault.aclose()
        await opened.rooms.backups.aclose()

    async def _open(self) -> _Opened:
        # Importing takes a third of a second: in a thread the loop goes on answering. No key is
        # opened before, so this is early enough to hide them.
        await asyncio.to_thread(hide_memory)
        await asyncio.to_thread(_import_heavy)
        opened = self._build()
        if self._session is not None:
            opened.background.start(opened.rooms.vault.open_in_background(self._session))
            opened.background.start(opened.custody.follow(self._session))
            opened.background.start(opened.changes.follow(self._session))
            opened.background.start(opened.rooms.backups.follow(self._session))
            opened.background.start(opened.rooms.imports.let_go())
            for fault in self._faults:
                self._session.client.notify("window/logMessage", LogMessage(type=2, message=fault))
        opened.background.start(asyncio.to_thread(warn_of_start_up_code))
        return opened

    def _build(self) -> _Opened:
        from byokd.model_cache import ModelCache
        from byokd.services.accounts import AccountService
        from byokd.services.audit.maintenance import AuditMaintainer
        from byokd.services.audit.service import AuditService
        from byokd.services.audit.usage_counter import UsageCounter
        from byokd.services.chat.engine import ChatEngine
        from byokd.services.diagnostics import Diagnostics
        from byokd.services.health.monitor import HealthMonitor
        from byokd.services.keys.credentials import CredentialResolver
        from byokd.services.keys.prober import Prober
        from byokd.services.keys.service import KeyService
        from byokd.services.models.service import ModelService
        from byokd.services.runtime.background import Background
        from byokd.services.runtime.clock import now_ms
        from byokd.services.runtime.store_watcher import StoreWatcher
        from byokd.services.vault.backups import BackupService
        from byokd.services.vault.rekey import RekeyService
        from byokd.services.vault.service import VaultService
        from byokd.store.paths import store_paths
        from byokd.vault import Backups

        settings, providers, sealing = self._settings, self.providers, self._sealing
        where = store_paths(self._options.data_dir)
        transport = _transport(settings)
        background = Background()
        audit, vault = self._vault(where)
        lists = ModelCache(where)
        backups = BackupService(Backups(where, now_ms))
        trail = AuditService(vault, audit, backups.note)
        uses = UsageCounter()
        custody = AuditMaintainer(vault, audit, trail, uses, background)
        desk = VaultService(vault, trail, sealing, backups)
        prober = Prober(transport)
        keys = KeyService(
            providers, vault, trail, desk, prober, sealing, lists, backups, background
        )
        watch = HealthMonitor(
            vault, trail, background, settings.health, ask=keys.ask_fresh, enable=keys.re_enable
        )
        access = CredentialResolver(providers, vault, watch, settings.shared_pool, uses)
        models = ModelService(access, transport, lists, background)
        chat = ChatEngine(access, transport, settings.patience)
        imports, exports = self._moving(vault, trail, desk, keys)
        rooms = Services(
            keys=keys,
            imports=imports,
            exports=exports,
            vault=desk,
            backups=backups,
            rekeying=RekeyService(vault, trail, desk, backups),
            models=models,
            doctor=Diagnostics(access, transport, prober, models, chat, sealing),
            chat=chat,
            audit=trail,
            accounts=AccountService(vault, trail, lists, backups),
        )
        changes = StoreWatcher(vault, desk, models, chat, custody)
        return _Opened(rooms, background, transport, vault, lists, changes, custody)

    def _vault(self, where: StorePaths) -> tuple[AuditLog, Vault]:
        from byokd.audit import AuditLog
        from byokd.keysource.anchor_store import KeyringAnchorStore
        from byokd.services.runtime.clock import now_ms
        from byokd.vault import Vault, sources_of

        audit = AuditLog(where.state, KeyringAnchorStore())
        vault = Vault(
            where,
            sources_of(where, self._options.keyring_timeout_ms),
            clock=now_ms,
            store_check=audit.rollback,
            max_pages=self._options.store_max_pages,
        )
        return audit, vault

    def _moving(
        self, vault: Vault, trail: AuditService, desk: VaultService, keys: KeyService
    ) -> tuple[ImportService, ExportService]:
        from byokd.services.transfer.exports import ExportService
        from byokd.services.transfer.import_sources import ImportSources
        from byokd.services.transfer.imports import ImportService

        sources = ImportSources(self.providers, self._sealing, self._variables)
        allowed = self._options.allow_export
        return (
            ImportService(sources, vault, desk, keys),
            ExportService(vault, trail, self._sealing, allowed=allowed),
        )

    def _features(self, asked: Features) -> Features:
        allowed = self._settings.features
        return Features(
            multi_field_providers=allowed.multi_field_providers and asked.multi_field_providers,
            shared_pool=allowed.shared_pool,
        )


def _transport(settings: Settings) -> HttpTransport:
    from byokd.transport.http import HttpTransport

    ca_file = Path(settings.extra_ca_file) if settings.extra_ca_file else None
    return HttpTransport(extra_ca_file=ca_file, proxy=settings.proxy)


def _own_providers(options: Options) -> tuple[list[Provider], list[str]]:
    """Return the providers that the person added, and what is wrong with others; says it, too."""
    if options.settings is not None:
        return [], []
    folder = (options.config or _config_file()).parent / "providers"
    if not folder.is_dir():  # nothing is imported for the many who have none
        return [], []
    from byokd.config import read_providers

    found, faults = read_providers(folder, load())
    for fault in faults:
        _log.warning("%s", fault)
    return found, faults


def _records(settings: Settings, own: Iterable[Provider]) -> Mapping[str, Provider]:
    """Return the catalog, the person's own providers after it, with what they set for each."""
    records = {**load(), **{record.id: record for record in own}}
    for name, headers in settings.headers.items():
        if record := records.get(name):
            kept = {
                key: value for key, value in record.headers.items() if key.lower() not in headers
            }
            records[name] = record.model_copy(update={"headers": kept | headers})
    for name, models in settings.models.items():
        if record := records.get(name):
            listed = record.models.model_copy(update={"own": models})
            records[name] = record.model_copy(update={"models": listed})
    return records


def _known(
    variables: MutableMapping[str, Secret], records: Iterable[Provider]
) -> dict[str, Secret]:
    """Return the variables that an import looks at, and let go of the rest."""
    names = {name for record in records for name in variables_of(record)}
    known = {name: secret for name, secret in variables.items() if name in names}
    variables.clear()
    return known


def create_app(
    data_dir: str | None,
    config: str | None,
    variables: MutableMapping[str, Secret],
    *,
    allow_export: bool = False,
) -> App:
    """Return the house of the real daemon.

    Raises:
        ConfigError: the configuration file cannot be used.
    """
    return App(
        Options(_path(data_dir), _path(config), variables=variables, allow_export=allow_export)
    )


def _configured(options: Options) -> Settings:
    path = options.config or _config_file()
    if not path.exists():
        return Settings()
    from byokd.config import read_settings

    return read_settings(path)


def _config_file() -> Path:
    from byokd.store.paths import store_paths

    return store_paths().config_file


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser().absolute() if text else None


def _import_heavy() -> None:
    import byokd.services.accounts
    import byokd.services.chat.engine
    import byokd.services.diagnostics
    import byokd.services.health.monitor
    import byokd.services.keys.service
    import byokd.services.models.service
    import byokd.services.runtime.store_watcher
    import byokd.services.transfer.exports
    import byokd.services.transfer.imports
    import byokd.transport.http  # noqa: F401
