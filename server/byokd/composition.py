"""Builds the services by constructor injection, starts their background work and closes them.

Importing this module imports the network stack, the store and the keyring, so the application
imports it after `initialize`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from byokd.audit import AuditLog
from byokd.catalog.own_records import LayeredRecords
from byokd.catalog_store import CatalogStore
from byokd.core.secret import Secret
from byokd.core.settings import ProcessOptions, Settings
from byokd.crypto.seal import SealingKey
from byokd.crypto.signature import VerifyingKey
from byokd.keysource.anchor_store import KeyringAnchorStore
from byokd.model_cache import ModelCache
from byokd.process.hardening import warn_of_start_up_code
from byokd.services.accounts import AccountService
from byokd.services.addresses import AddressService
from byokd.services.audit.maintenance import AuditMaintainer
from byokd.services.audit.service import AuditService
from byokd.services.audit.usage_counter import UsageCounter
from byokd.services.audit.usage_recorder import UsageRecorder
from byokd.services.audit.wake_signal import WakeSignal
from byokd.services.catalog.in_use import CatalogInUse
from byokd.services.catalog.reminder import CatalogReminder
from byokd.services.catalog.service import CatalogService
from byokd.services.chat.engine import ChatEngine
from byokd.services.chat.token_counter import TokenCounter
from byokd.services.diagnostics import Diagnostics
from byokd.services.health.monitor import HealthMonitor
from byokd.services.interface import Services
from byokd.services.keys.accepted_origin import OriginAcceptor
from byokd.services.keys.prober import Prober
from byokd.services.keys.resolver import CredentialResolver
from byokd.services.keys.service import KeyService
from byokd.services.keys.state import KeyStates
from byokd.services.keys.stored_probe import StoredKeyProber
from byokd.services.models.lists import ModelLists
from byokd.services.models.service import ModelService
from byokd.services.providers import ProviderService
from byokd.services.runtime.background import Background
from byokd.services.runtime.clock import now_ms
from byokd.services.runtime.session import Session
from byokd.services.runtime.store_watcher import StoreWatcher
from byokd.services.transfer.exports import ExportService
from byokd.services.transfer.import_sources import ImportSources
from byokd.services.transfer.imports import ImportService
from byokd.services.vault.backups import BackupService
from byokd.services.vault.rekey import RekeyService
from byokd.services.vault.service import VaultService
from byokd.store.paths import StorePaths, store_paths
from byokd.transport.http import HttpTransport
from byokd.vault import Backups, Vault, key_sources


@dataclass(frozen=True, slots=True)
class Composition:
    """The services, and what has to be started or closed for them."""

    services: Services
    background: Background
    transport: HttpTransport
    vault: Vault
    model_cache: ModelCache
    store_watcher: StoreWatcher
    catalog_reminder: CatalogReminder
    audit_maintainer: AuditMaintainer

    def start(self, session: Session) -> None:
        self.background.start(self.services.vault.open_in_background(session))
        self.background.start(self.audit_maintainer.run(session))
        self.background.start(self.store_watcher.run(session))
        self.background.start(self.services.backups.run(session))
        self.background.start(self.catalog_reminder.run(session))
        self.background.start(self.services.imports.forget_variables_later())
        self.background.start(asyncio.to_thread(warn_of_start_up_code))

    async def aclose(self) -> None:
        # in the reverse order of use
        await self.background.aclose()
        await self.audit_maintainer.aclose()
        await self.transport.aclose()
        await self.model_cache.aclose()
        await self.vault.aclose()
        await self.services.backups.aclose()


def compose(
    options: ProcessOptions,
    settings: Settings,
    providers: ProviderService,
    sealing: SealingKey,
    variables: MutableMapping[str, Secret],
    relayer: Callable[[], LayeredRecords],
) -> Composition:
    """Build everything on the running loop; opens no file, keyring or connection.

    Args:
        options: the choices of the process.
        settings: those of the configuration file.
        providers: the list of providers, which is answered already.
        sealing: the key pair of the process.
        variables: environment variables that an import may read; emptied after a while.
        relayer: lays the person's records over the catalog data in use.
    """
    paths = store_paths(options.data_dir)
    transport = _transport(settings)
    background = Background()
    store = _storage(options, paths, background)
    vault, audit, usage, backups = store.vault, store.audit, store.usage, store.backups
    vaults = VaultService(vault, audit, usage, sealing, backups)
    prober = Prober(transport)
    stored_prober = StoredKeyProber(providers, vault, prober)
    states = KeyStates(vault, audit, usage)
    health = HealthMonitor(
        vault, audit, usage, background, settings.health, stored_prober, states,
        name_of=providers.name_of,
    )  # fmt: skip
    credentials = CredentialResolver(
        providers, vault, health, settings.shared_pool, store.usage_counter
    )
    model_lists = ModelLists(store.model_cache)
    models = ModelService(credentials, transport, model_lists, background)
    chat = ChatEngine(credentials, transport, settings.timeouts, model_lists)
    keys = KeyService(
        providers, vault, audit, usage, vaults, prober, stored_prober, states, sealing,
        store.model_cache, backups, background, chat.running_by_key,
    )  # fmt: skip
    sources = ImportSources(providers, sealing, variables)
    current, catalog, reminder = _catalog(
        settings, paths, providers, relayer, transport, vault, audit
    )
    services = Services(
        addresses=AddressService(providers),
        keys=keys,
        accepted_origins=OriginAcceptor(providers, vault, audit, store.model_cache),
        imports=ImportService(sources, vault, vaults, keys),
        exports=ExportService(vault, audit, sealing, allowed=options.allow_export),
        vault=vaults,
        backups=backups,
        rekeying=RekeyService(vault, audit, vaults, backups),
        models=models,
        diagnostics=Diagnostics(credentials, transport, prober, models, chat, sealing),
        chat=chat,
        tokens=TokenCounter(credentials, transport),
        audit=audit,
        accounts=AccountService(vault, audit, usage, store.model_cache, backups),
        catalog=catalog,
    )
    watcher = StoreWatcher(vault, vaults, models, chat, store.audit_maintainer, current)
    return Composition(
        services, background, transport, vault, store.model_cache, watcher, reminder,
        store.audit_maintainer,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Storage:
    """The vault, the caches beside it, and what records its changes and uses."""

    vault: Vault
    model_cache: ModelCache
    backups: BackupService
    audit: AuditService
    usage_counter: UsageCounter
    usage: UsageRecorder
    audit_maintainer: AuditMaintainer


def _storage(options: ProcessOptions, paths: StorePaths, background: Background) -> _Storage:
    wake = WakeSignal()
    audit_log = AuditLog(paths.state, KeyringAnchorStore(), on_anchor_due=wake.anchor_due)
    vault = Vault(
        paths,
        key_sources(paths, options.keyring_timeout_ms),
        clock=now_ms,
        store_check=audit_log.rollback,
        max_pages=options.store_max_pages,
    )
    backups = BackupService(Backups(paths, now_ms))
    audit = AuditService(vault, audit_log, backups.vault_changed)
    counter = UsageCounter(wake.usage_due)
    usage = UsageRecorder(vault, audit, counter)
    maintainer = AuditMaintainer(vault, audit_log, audit, usage, wake, background)
    return _Storage(vault, ModelCache(paths), backups, audit, counter, usage, maintainer)


def _catalog(
    settings: Settings,
    paths: StorePaths,
    providers: ProviderService,
    relayer: Callable[[], LayeredRecords],
    transport: HttpTransport,
    vault: Vault,
    audit: AuditService,
) -> tuple[CatalogInUse, CatalogService, CatalogReminder]:
    public_key = settings.catalog.public_key
    ahead_ms = settings.catalog_policy.clock_ahead_ms

    def clock() -> int:
        return now_ms() + ahead_ms

    store = CatalogStore(paths, VerifyingKey(public_key) if public_key else None)
    current = CatalogInUse(store, providers, relayer, clock)
    service = CatalogService(settings.catalog, store, current, transport, vault, audit, clock)
    reminder = CatalogReminder(service, store, settings.catalog_policy, clock)
    return current, service, reminder


def _transport(settings: Settings) -> HttpTransport:
    ca_file = Path(settings.extra_ca_file) if settings.extra_ca_file else None
    return HttpTransport(extra_ca_file=ca_file, proxy=settings.proxy, fault=settings.network_fault)
