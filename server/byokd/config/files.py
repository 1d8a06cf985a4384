"""Reads `config.toml` into `Settings`, and `providers/<id>.toml` beside it into records.

Nothing else is read: no environment variable, no working directory and no request can set a proxy,
a certificate, an origin or a provider.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from byokd.catalog.allowed import fixed_changes
from byokd.catalog.record import Provider
from byokd.catalog.record_file import load_text
from byokd.core.limits import (
    CONFIG_MAX_BYTES,
    OWN_MODELS_MAX,
    OWN_PROVIDERS_MAX,
    OWN_RECORD_MAX_BYTES,
)
from byokd.core.secret import clean
from byokd.core.settings import (
    CatalogSettings,
    OwnModel,
    Settings,
    SharedKey,
    TimeoutSettings,
)
from byokd.crypto.signature import VerifyingKey
from byokd.protocol.base import ProviderId
from byokd.protocol.errors import InvalidParams
from byokd.protocol.lifecycle import Features
from byokd.store.person_file import distrust

_CREDENTIALS = frozenset(
    {"authorization", "x-api-key", "api-key", "x-goog-api-key", "host", "cookie"}
)


class ConfigError(Exception):
    """A file cannot be used; the text names the file, the place in it and what is expected."""


def _no_credential(name: str) -> str:
    if name.lower() in _CREDENTIALS:
        raise ValueError("store the credential in the vault, not in a header")
    return name.lower()


_HeaderName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$"), AfterValidator(_no_credential)
]
_HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{0,1024}$")]
_Ms = Annotated[int, Field(ge=1, le=86_400_000)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Network(_Table):
    proxy: str | None = Field(default=None, pattern=r"^https?://[^/?#\s]+/?$")
    extra_ca_file: str | None = None


class _Switches(_Table):
    multi_field_providers: bool = True


class _ProviderTable(_Table):
    headers: dict[_HeaderName, _HeaderValue] = {}
    models: tuple[OwnModel, ...] = Field(default=(), max_length=OWN_MODELS_MAX)


class _Shared(_Table):
    key_file: str
    base_url: str | None = None


def _public_key(text: str) -> str:
    VerifyingKey(text)
    return text


class _Catalog(_Table):
    refresh: Literal["never", "ask", "weekly"] = "ask"
    url: str | None = Field(
        default=None, pattern=r"^https://[^@\s#/?]+(/[^@\s#]*)?$", max_length=2048
    )
    public_key: Annotated[str, AfterValidator(_public_key)] | None = None


class _Timeouts(_Table):
    connect_ms: _Ms = TimeoutSettings().connect_ms
    first_byte_ms: _Ms = TimeoutSettings().first_byte_ms
    first_content_ms: _Ms = TimeoutSettings().first_content_ms
    idle_ms: _Ms = TimeoutSettings().idle_ms
    total_ms: _Ms = TimeoutSettings().total_ms


class _File(_Table):
    network: _Network = _Network()
    features: _Switches = _Switches()
    providers: dict[ProviderId, _ProviderTable] = {}
    shared_pool: dict[ProviderId, _Shared] = {}
    timeouts: _Timeouts = _Timeouts()
    catalog: _Catalog = _Catalog()


def read_settings(path: Path) -> Settings:
    """Read the settings; the defaults if there is no file.

    A file that other users can write is not followed: it could set the network, so nothing is sent.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has an unknown or invalid entry.
    """
    if (reason := distrust(path)) is not None:
        fault = f"the configuration is not followed, and nothing is sent: {reason}"
        return Settings(network_fault=fault, faults=(fault,))
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_MAX_BYTES + 1)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > CONFIG_MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {CONFIG_MAX_BYTES} bytes")
    try:
        return _settings(_File.model_validate(tomllib.loads(data.decode())), path.parent)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ConfigError(f"{path}: is not valid TOML in UTF-8") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        location = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {location}: {first['msg'].lower()}") from None


def read_providers(
    folder: Path, shipped: Mapping[str, Provider]
) -> tuple[list[Provider], list[str]]:
    """Return the user's own providers, and why other records cannot be used.

    Args:
        folder: holds `<id>.toml`; subfolders are not read.
        shipped: the bundled records; one that overrides has the id and the origin of one of them.
    """
    providers: list[Provider] = []
    faults: list[str] = []
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except OSError as error:
        return providers, [f"{folder}: cannot be read ({error.strerror})"]
    for path in paths[:OWN_PROVIDERS_MAX]:
        try:
            providers.append(_own_provider(path, shipped))
        except (ConfigError, InvalidParams) as error:
            faults.append(str(error))
    if len(paths) > OWN_PROVIDERS_MAX:
        faults.append(f"{folder}: holds more than {OWN_PROVIDERS_MAX} records; remove some")
    return providers, faults


def _own_provider(path: Path, shipped: Mapping[str, Provider]) -> Provider:
    record = load_text(_record_text(path), str(path))
    credentials = sorted(name for name in record.headers if name.lower() in _CREDENTIALS)
    for field, fault, wrong in (
        ("id", f"must be {path.stem}, the name of the file", record.id != path.stem),
        ("headers", f"store {', '.join(credentials)} in the vault", bool(credentials)),
        *(_override_faults if record.overrides else _own_faults)(record, shipped.get(record.id)),
    ):
        if wrong:
            raise ConfigError(f"{path}: {field}: {fault}")
    return record


def _own_faults(record: Provider, shipped: Provider | None) -> Iterable[tuple[str, str, bool]]:
    taken = (
        "is the id of a provider that comes with byokd; choose another, or set overrides = true to"
        " use this record in its place"
    )
    return (("id", taken, shipped is not None), ("kind", "must be custom", record.kind != "custom"))


def _override_faults(record: Provider, shipped: Provider | None) -> Iterable[tuple[str, str, bool]]:
    if shipped is None:
        return (("overrides", "no provider of this id comes with byokd; leave it out", True),)
    places = fixed_changes(shipped, record.model_copy(update={"overrides": False}))
    fault = f"an override may not change {', '.join(places[:5])}; take the shipped record's value"
    return ((places[0] if places else "", fault, bool(places)),)


def _record_text(path: Path) -> str:
    try:
        if not path.is_file():
            raise ConfigError(f"{path}: is not a file")
        if (reason := distrust(path)) is not None:
            raise ConfigError(f"the record is not followed: {reason}")
        with path.open("rb") as file:
            data = file.read(OWN_RECORD_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > OWN_RECORD_MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {OWN_RECORD_MAX_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not valid TOML in UTF-8") from None


def _settings(file: _File, folder: Path) -> Settings:
    # a relative path in the file is relative to the file's folder
    faults: list[str] = []
    shared: dict[str, SharedKey] = {}
    for name, table in file.shared_pool.items():
        key_file = folder / Path(table.key_file).expanduser()
        if (reason := distrust(key_file, secret=True)) is not None:
            faults.append(f"the shared key of {name} is not used: {reason}")
        else:
            shared[name] = _shared_key(table, key_file)
    ca_file = file.network.extra_ca_file
    ca_path = folder / Path(ca_file).expanduser() if ca_file else None
    network_fault = None
    if ca_path is not None and (reason := distrust(ca_path)) is not None:
        network_fault = f"the extra CA file is not followed, and nothing is sent: {reason}"
        faults.append(network_fault)
    return Settings(
        features=Features(
            multi_field_providers=file.features.multi_field_providers, shared_pool=bool(shared)
        ),
        timeouts=TimeoutSettings(**file.timeouts.model_dump()),
        catalog=CatalogSettings(**file.catalog.model_dump()),
        headers={
            name: dict(table.headers) for name, table in file.providers.items() if table.headers
        },
        models={name: table.models for name, table in file.providers.items() if table.models},
        proxy=file.network.proxy,
        extra_ca_file=str(ca_path) if ca_path and network_fault is None else None,
        shared_pool=shared,
        network_fault=network_fault,
        faults=tuple(faults),
    )


def _shared_key(table: _Shared, path: Path) -> SharedKey:
    try:
        with path.open(encoding="ascii") as file:
            text = file.read(CONFIG_MAX_BYTES)
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{path}: the shared key cannot be read from this file") from None
    return SharedKey(clean(text)[0], table.base_url)
