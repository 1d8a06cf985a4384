"""The application behind a connection: answers `initialize` at once, builds the services later.

Importing this module imports neither the network stack nor the store nor the keyring.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, MutableMapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from byokd.catalog.record import Provider
from byokd.catalog.variables import variables_of
from byokd.config import Configuration, load_configuration
from byokd.core.secret import Secret
from byokd.core.settings import ProcessOptions
from byokd.crypto.seal import SealingKey
from byokd.process.hardening import hide_memory
from byokd.protocol.lifecycle import (
    PROTOCOL_VERSION,
    WARNING,
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
    from byokd.composition import Composition
    from byokd.services.interface import Services

_log = logging.getLogger(__name__)


class ByokdApp:
    """The application of the daemon; implements `services.interface.App`.

    Variables that no provider record names are dropped.
    """

    def __init__(
        self,
        options: ProcessOptions,
        configuration: Configuration,
        variables: MutableMapping[str, Secret],
    ) -> None:
        self._options = options
        self._settings = configuration.settings
        self._relayer = configuration.again
        self._faults = configuration.faults
        for fault in self._faults:
            _log.warning("%s", fault)
        self.providers = ProviderService(configuration.providers, self._settings)
        self._variables = _known(variables, configuration.providers.values())
        self._sealing = SealingKey()
        self._session: Session | None = None
        self._opening: asyncio.Task[Composition] | None = None

    @property
    def prompt_timeout_ms(self) -> int:
        return self._options.prompt_timeout_ms

    def server_options(self, options: ClientOptions) -> ServerOptions:
        """Return byokd's part of the result of `initialize`; the vault is not read."""
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
        """Set the session of the one client; called once, before `services()`."""
        self._session = session

    async def services(self) -> Services:
        """Import and build the services on the first call; every call returns the same ones."""
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())
        return (await asyncio.shield(self._opening)).services

    async def aclose(self) -> None:
        if self._opening is not None:
            await (await self._opening).aclose()

    async def _open(self) -> Composition:
        # No key is opened before this, so the memory is hidden early enough. Importing takes a
        # third of a second: in a thread, so that the loop can still answer.
        await asyncio.to_thread(hide_memory)
        await asyncio.to_thread(import_module, "byokd.composition")
        composition = self._compose()
        if self._session is not None:
            composition.start(self._session)
            for fault in self._faults:
                message = LogMessage(type=WARNING, message=fault)
                self._session.client.notify("window/logMessage", message)
        return composition

    def _compose(self) -> Composition:
        from byokd.composition import compose

        return compose(
            self._options,
            self._settings,
            self.providers,
            self._sealing,
            self._variables,
            self._relayer,
        )

    def _features(self, wanted: Features) -> Features:
        allowed = self._settings.features  # a client can only switch off
        return Features(
            multi_field_providers=allowed.multi_field_providers and wanted.multi_field_providers,
            shared_pool=allowed.shared_pool,
        )


def create_app(
    data_dir: str | None,
    config: str | None,
    variables: MutableMapping[str, Secret],
    *,
    allow_export: bool = False,
) -> ByokdApp:
    """Return the application of the real daemon.

    Raises:
        ConfigError: the configuration file cannot be used.
    """
    options = ProcessOptions(_path(data_dir), allow_export=allow_export)
    configuration = load_configuration(_path(config), options.data_dir)
    return ByokdApp(options, configuration, variables)


def _known(
    variables: MutableMapping[str, Secret], records: Iterable[Provider]
) -> dict[str, Secret]:
    names = {name for record in records for name in variables_of(record)}
    known = {name: secret for name, secret in variables.items() if name in names}
    variables.clear()
    return known


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser().absolute() if text else None
