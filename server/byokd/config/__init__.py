"""The configuration: `config.toml` and the user's own provider records, read once at start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from byokd.catalog.loader import load
from byokd.catalog.record import Provider
from byokd.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Configuration:
    """The content of the configuration files.

    Attributes:
        providers: the bundled and then the user's own records by id, with the headers and models
            that the settings add.
        faults: why some of the user's own records cannot be used.
    """

    settings: Settings
    providers: Mapping[str, Provider]
    faults: tuple[str, ...] = ()


def load_configuration(config_file: Path | None = None) -> Configuration:
    """Read `config_file`, by default `config.toml` in the platform's folder.

    The folder `providers` beside it holds the user's own records.

    Raises:
        ConfigError: the configuration file cannot be used.
    """
    # the reader is imported only if there are files, so that a start without them is fast
    path = config_file or _default_file()
    settings = Settings()
    own: Iterable[Provider] = ()
    faults: Iterable[str] = ()
    if path.exists():
        from byokd.config.files import read_settings

        settings = read_settings(path)
    folder = path.parent / "providers"
    if folder.is_dir():
        from byokd.config.files import read_providers

        own, faults = read_providers(folder, load())
    return configure(settings, own, faults)


def configure(
    settings: Settings, own: Iterable[Provider] = (), faults: Iterable[str] = ()
) -> Configuration:
    """Return the configuration for these settings and own records, without reading a file."""
    records = {**load(), **{record.id: record for record in own}}
    for provider, headers in settings.headers.items():
        if record := records.get(provider):
            records[provider] = _with_headers(record, headers)
    for provider, models in settings.models.items():
        if record := records.get(provider):
            listed = record.models.model_copy(update={"own": models})
            records[provider] = record.model_copy(update={"models": listed})
    return Configuration(settings, records, tuple(faults))


def _with_headers(record: Provider, headers: Mapping[str, str]) -> Provider:
    remaining = {
        name: value for name, value in record.headers.items() if name.lower() not in headers
    }
    return record.model_copy(update={"headers": {**remaining, **headers}})


def _default_file() -> Path:
    from byokd.store.paths import store_paths

    return store_paths().config_file
