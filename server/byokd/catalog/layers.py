"""The catalog data in use: what the package ships, or a newer refreshed file in its place.

`use` changes it for the whole process; what has been read from it before stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from hashlib import sha256
from importlib import resources
from typing import Any, Final, Literal, TypeAlias

from pydantic_core import from_json, to_json

from byokd.protocol.base import Json

Layer: TypeAlias = Literal["bundled", "refreshed"]
PartName: TypeAlias = Literal["providers", "errors", "refusals", "families", "models"]

PARTS: Final[tuple[PartName, ...]] = ("providers", "errors", "refusals", "families", "models")
"""The parts of the data, in the order of a file's lines."""

_FILES: Final[dict[PartName, str]] = {
    "providers": "providers.json",
    "errors": "errors.toml",
    "refusals": "refusals.toml",
    "families": "families.toml",
    "models": "models.json",
}


class CatalogData:
    """One set of catalog data. Each part is read and parsed when it is first used."""

    def __init__(
        self,
        layer: Layer,
        read: Callable[[PartName], bytes],
        *,
        date: Callable[[], str],
        digest: Callable[[], str],
    ) -> None:
        self.layer = layer
        self._read = read
        self._date = date
        self._digest = digest

    @cached_property
    def date(self) -> str:
        """The day that the data is of."""
        return self._date()

    @cached_property
    def digest(self) -> str:
        return self._digest()

    @property
    def basis(self) -> str:
        """The name of this data in a cost: the layer, and the start of its SHA-256."""
        return f"{self.layer}:{self.digest[:16]}"

    def has(self, provider: str) -> bool:
        """Tell whether the record of a provider comes from this data, not from the package."""
        return provider in self._own_ids

    @cached_property
    def _own_ids(self) -> frozenset[str]:
        return frozenset(each["id"] for each in from_json(self._read("providers")))

    def raw(self, part: PartName) -> Json:
        """Return a part as plain values, without defaults."""
        value: Json = from_json(self._read(part))
        return value


@cache
def bundled() -> CatalogData:
    return CatalogData("bundled", _bundled_part, date=_bundled_date, digest=_bundled_digest)


def _file(part: PartName) -> bytes:
    return resources.files(__package__).joinpath(_FILES[part]).read_bytes()


def _bundled_part(part: PartName) -> bytes:
    data = _file(part)
    if part in {"providers", "models"}:
        return data
    import tomllib

    document = tomllib.loads(data.decode())
    return to_json(document if part == "families" else document[part])


def bundled_records() -> list[dict[str, Any]]:
    """Return the package's records as plain values."""
    records: list[dict[str, Any]] = from_json(_file("providers"))
    return records


def _bundled_date() -> str:
    """Return the newest day on which prices or the source of a record were checked."""
    # The first line of the file is its head, and opens the object of the models.
    head = from_json(_file("models").partition(b"\n")[0] + b"}}")
    days = (source["checked"] for record in bundled_records() for source in record["sources"])
    newest: str = max(str(head["as_of"]), *days)
    return newest


def _bundled_digest() -> str:
    return sha256(b"".join(map(_file, PARTS))).hexdigest()


def bundled_stamp() -> str:
    """Return the SHA-256 of the package's records, with which a refreshed file was checked."""
    return sha256(_file("providers")).hexdigest()


class _InUse:
    def __init__(self) -> None:
        self.data: CatalogData | None = None


_in_use: Final = _InUse()


def use(data: CatalogData) -> None:
    """Let this process use the data from now on."""
    _in_use.data = data


def in_use() -> CatalogData:
    return _in_use.data or bundled()
