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
from byokd.crypto.seal import SealingKey
from byokd.hardening import hide_memory, warn_of_start_up_code
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
from byokd.secret import Secret
from byokd.services.providers import Providers
from byokd.services.session import Session
from byokd.settings import Settings

if TYPE_CHECKING:
    from byokd.catalog.record import Provider
    from byokd.keepers.audit import Audit
    from byokd.keepers.lists import ModelLists
    from byokd.keepers.vault import Vault
    from byokd.services.accounts import Accounts
    from byokd.services.background import Background
    from byokd.services.backups import BackupsDesk
    from byokd.services.changes import Changes
    from byokd.services.chat import Chat
    from byokd.services.custody import Custody
    from byokd.services.doctor import Doctor
    from byokd.services.exports import Exports
    from byokd.services.imports import Imports
    from byokd.services.keys import Keys
    from byokd.services.models import Models
    from byokd.services.rekey import Rekeying
    from byokd.services.trail import Trail
    from byokd.services.vault import VaultDesk
    from byokd.store.paths import Places
    from byokd.transport.http import HttpTransport
    from byokd.transport.seam import Transport

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
class Rooms:
    """The heavy rooms, open."""

    keys: Keys
    imports: Imports
    exports: Exports
    vault: VaultDesk
    backups: BackupsDesk
    rekeying: Rekeying
    models: Models
    doctor: Doctor
    chat: Chat
    audit: Trail
    accounts: Accounts


@dataclass(frozen=True, slots=True)
class _Opened:
    rooms: Rooms
    background: Background
    transport: Transport
    vault: Vault
    lists: ModelLists
    changes: Changes
    custody: Custody


class App:
    """The house: see `services/house.py`."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._settings = options.settings or _configured(options)
        own, self._faults = _own_providers(options)
        records = _records(self._settings, own)
        self.providers = Providers(records, self._settings)
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

    async def rooms(self) -> Rooms:
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
        from byokd.keepers.lists import ModelLists
        from byokd.keepers.vault import Backups
        from byokd.services.access import Access
        from byokd.services.accounts import Accounts
        from byokd.services.background import Background
        from byokd.services.backups import BackupsDesk
        from byokd.services.changes import Changes
        from byokd.services.chat import Chat
        from byokd.services.clock import now_ms
        from byokd.services.custody import Custody
        from byokd.services.doctor import Doctor
        from byokd.services.keys import Keys
        from byokd.services.models import Models
        from byokd.services.probe import Prober
        from byokd.services.rekey import Rekeying
        from byokd.services.trail import Trail
        from byokd.services.uses import Uses
        from byokd.services.vault import VaultDesk
        from byokd.services.watch import Watch
        from byokd.store.paths import places

        settings, providers, sealing = self._settings, self.providers, self._sealing
        where = places(self._options.data_dir)
        transport = _transport(settings)
        background = Background()
        audit, vault = self._vault(where)
        lists = ModelLists(where)
        backups = BackupsDesk(Backups(where, now_ms))
        trail = Trail(vault, audit, backups.note)
        uses = Uses()
        custody = Custody(vault, audit, trail, uses, background)
        desk = VaultDesk(vault, trail, sealing, backups)
        prober = Prober(transport)
        keys = Keys(providers, vault, trail, desk, prober, sealing, lists, backups, background)
        watch = Watch(
            vault, trail, background, settings.health, ask=keys.ask_fresh, enable=keys.re_enable
        )
        access = Access(providers, vault, watch, settings.shared_pool, uses)
        models = Models(access, transport, lists, background)
        chat = Chat(access, transport, settings.patience)
        imports, exports = self._moving(vault, trail, desk, keys)
        rooms = Rooms(
            keys=keys,
            imports=imports,
            exports=exports,
            vault=desk,
            backups=backups,
            rekeying=Rekeying(vault, trail, desk, backups),
            models=models,
            doctor=Doctor(access, transport, prober, models, chat, sealing),
            chat=chat,
            audit=trail,
            accounts=Accounts(vault, trail, lists, backups),
        )
        changes = Changes(vault, desk, models, chat, custody)
        return _Opened(rooms, background, transport, vault, lists, changes, custody)

    def _vault(self, where: Places) -> tuple[Audit, Vault]:
        from byokd.keepers.audit import Audit
        from byokd.keepers.vault import Vault, sources_of
        from byokd.keysource.marks import KeyringMarks
        from byokd.services.clock import now_ms

        audit = Audit(where.state, KeyringMarks())
        vault = Vault(
            where,
            sources_of(where, self._options.keyring_timeout_ms),
            clock=now_ms,
            max_pages=self._options.store_max_pages,
        )
        vault.gate, vault.prepare = audit.gate, audit.prepare
        return audit, vault

    def _moving(
        self, vault: Vault, trail: Trail, desk: VaultDesk, keys: Keys
    ) -> tuple[Imports, Exports]:
        from byokd.services.exports import Exports
        from byokd.services.imports import Imports
        from byokd.services.sources import Sources

        sources = Sources(self.providers, self._sealing, self._variables)
        allowed = self._options.allow_export
        return (
            Imports(sources, vault, desk, keys),
            Exports(vault, trail, self._sealing, allowed=allowed),
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


def open_house(
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
    from byokd.store.paths import places

    return places().config_file


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser().absolute() if text else None


def _import_heavy() -> None:
    import byokd.services.accounts
    import byokd.services.changes
    import byokd.services.chat
    import byokd.services.doctor
    import byokd.services.exports
    import byokd.services.imports
    import byokd.services.keys
    import byokd.services.models
    import byokd.services.watch
    import byokd.transport.http  # noqa: F401
