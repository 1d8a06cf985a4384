"""The configuration: `config.toml` and the user's own provider records, read once at start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from byokd.catalog.layers import bundled, use
from byokd.catalog.loader import load
from byokd.catalog.own_records import LayeredRecords, lay_over
from byokd.catalog.record import Provider
from byokd.catalog.shipped import shipped
from byokd.core.settings import Settings
from byokd.protocol.catalog import CatalogOverride


@dataclass(frozen=True, slots=True)
class Configuration:
    """The content of the configuration files.

    Attributes:
        providers: the shipped and then the user's own records by id, with the headers and models
            that the settings add.
        faults: why some of the user's own records, or a refreshed catalog, cannot be used.
        own: the user's own records.
        overrides: those of them that stand in for a shipped one.
    """

    settings: Settings
    providers: Mapping[str, Provider]
    faults: tuple[str, ...] = ()
    own: tuple[Provider, ...] = ()
    overrides: tuple[CatalogOverride, ...] = ()

    def again(self) -> LayeredRecords:
        """Return the records over the catalog data that is in use now."""
        return _layered(self.settings, self.own)


def load_configuration(
    config_file: Path | None = None, data_dir: Path | None = None
) -> Configuration:
    """Read `config_file`, by default `config.toml` in the platform's folder.

    The folder `providers` beside it holds the user's own records. A refreshed catalog in the data
    folder is put in use, if the file pins a key.

    Raises:
        ConfigError: the configuration file cannot be used.
    """
    # the reader is imported only if there are files, so that a start without them is fast
    path = config_file or _default_file()
    settings = Settings()
    own: Iterable[Provider] = ()
    faults: list[str] = []
    if path.exists():
        from byokd.config.files import read_settings

        settings = read_settings(path)
        faults += settings.faults
    if fault := _use_catalog(settings, data_dir):
        faults.append(fault)
    folder = path.parent / "providers"
    if folder.is_dir():
        from byokd.config.files import read_providers

        own, own_faults = read_providers(folder, load())
        faults += own_faults
    return configure(settings, own, faults)


def configure(
    settings: Settings, own: Iterable[Provider] = (), faults: Iterable[str] = ()
) -> Configuration:
    """Return the configuration for these settings and own records, without reading a file."""
    own = tuple(own)
    layered = _layered(settings, own)
    return Configuration(
        settings, layered.records, (*faults, *layered.warnings), own, layered.overrides
    )


def _use_catalog(settings: Settings, data_dir: Path | None) -> str | None:
    """Put the refreshed catalog in use, or the bundled one; return why a file is not used."""
    use(bundled())
    if settings.catalog.public_key is None:
        return None
    from byokd.store.paths import store_paths

    paths = store_paths(data_dir)
    if not (paths.data / "catalog").is_dir():
        return None
    from byokd.catalog_store import CatalogStore
    from byokd.crypto.signature import VerifyingKey

    stored = CatalogStore(paths, VerifyingKey(settings.catalog.public_key)).read()
    use(stored.data)
    return stored.fault


def _layered(settings: Settings, own: Iterable[Provider]) -> LayeredRecords:
    layered = lay_over(shipped(), own)
    records = dict(layered.records)
    for provider, headers in settings.headers.items():
        if record := records.get(provider):
            records[provider] = _with_headers(record, headers)
    for provider, models in settings.models.items():
        if record := records.get(provider):
            listed = record.models.model_copy(update={"own": models})
            records[provider] = record.model_copy(update={"models": listed})
    return LayeredRecords(records, layered.overrides, layered.warnings)


def _with_headers(record: Provider, headers: Mapping[str, str]) -> Provider:
    remaining = {
        name: value for name, value in record.headers.items() if name.lower() not in headers
    }
    return record.model_copy(update={"headers": {**remaining, **headers}})


def _default_file() -> Path:
    from byokd.store.paths import store_paths

    return store_paths().config_file
