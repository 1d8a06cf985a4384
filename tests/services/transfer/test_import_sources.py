"""Refused export files, and variables that are dropped in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from byokd.catalog.loader import load
from byokd.core.limits import (
    ARGON2_ITERATIONS_MAX,
    ARGON2_ITERATIONS_MIN,
    ARGON2_LANES_MAX,
    ARGON2_MEMORY_MAX_KIB,
    ARGON2_MEMORY_MIN_KIB,
)
from byokd.core.secret import Secret
from byokd.core.settings import Settings
from byokd.crypto import export_file
from byokd.crypto.argon2 import SALT_BYTES
from byokd.crypto.encoding import pack
from byokd.crypto.seal import SealingKey
from byokd.protocol.errors import InvalidParams
from byokd.protocol.sealed import SecretInput
from byokd.protocol.transfer import BundleSource, EnvironmentSource
from byokd.services.providers import ProviderService
from byokd.services.transfer import import_sources, imports
from byokd.services.transfer.import_sources import ImportSources
from byokd.services.transfer.imports import ImportService
from services.chat.engine_fixture import SESSION

pytestmark = pytest.mark.anyio

LEAST = (ARGON2_MEMORY_MIN_KIB, ARGON2_ITERATIONS_MIN, 1)


def _sources(variables: dict[str, Secret] | None = None) -> ImportSources:
    providers = ProviderService(load(), Settings())
    return ImportSources(providers, SealingKey(), {} if variables is None else variables)


def _file(folder: Path, cost: tuple[int, int, int], salt_bytes: int = SALT_BYTES) -> BundleSource:
    packed = pack("argon2id", *cost, bytes(salt_bytes))
    path = folder / "keys.byokd"
    path.write_bytes(export_file.write(bytes(32), packed, [b"a record"]))
    return BundleSource(path=str(path), passphrase=SecretInput(plain="four words and more"))


@pytest.mark.parametrize(
    ("cost", "salt_bytes"),
    [
        ((ARGON2_MEMORY_MAX_KIB + 1, *LEAST[1:]), SALT_BYTES),
        ((ARGON2_MEMORY_MIN_KIB - 1, *LEAST[1:]), SALT_BYTES),
        ((LEAST[0], ARGON2_ITERATIONS_MAX + 1, 1), SALT_BYTES),
        ((LEAST[0], ARGON2_ITERATIONS_MIN - 1, 1), SALT_BYTES),
        ((*LEAST[:2], ARGON2_LANES_MAX + 1), SALT_BYTES),
        ((*LEAST[:2], 0), SALT_BYTES),
        (LEAST, SALT_BYTES - 1),
    ],
)
async def test_key_derivation_cost_out_of_bounds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cost: tuple[int, int, int], salt_bytes: int
) -> None:
    async def never(_passphrase: Secret, _cost: bytes) -> bytes:
        raise AssertionError("a key was derived")

    monkeypatch.setattr(import_sources, "derive_key", never)
    with pytest.raises(InvalidParams) as refused:
        await _sources().read(SESSION, _file(tmp_path, cost, salt_bytes))
    assert refused.value.fields["details"] == [{"pointer": "/source/path", "reason": "damaged"}]


async def test_wrong_passphrase_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InvalidParams) as refused:
        await _sources().read(SESSION, _file(tmp_path, LEAST))
    [detail] = cast("list[dict[str, str]]", refused.value.fields["details"])
    assert detail["reason"] == "wrongPassphrase"


async def test_malformed_entry_is_reported_as_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def known(_passphrase: Secret, _cost: bytes) -> bytes:
        return bytes(32)

    monkeypatch.setattr(import_sources, "derive_key", known)
    with pytest.raises(InvalidParams) as refused:
        await _sources().read(SESSION, _file(tmp_path, LEAST))
    assert refused.value.fields["details"] == [{"pointer": "/source/path", "reason": "damaged"}]


async def test_variables_are_dropped_if_not_imported_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variables = {"MISTRAL_API_KEY": Secret("v")}
    sources = _sources(variables)
    assert len((await sources.read(SESSION, EnvironmentSource())).keys) == 1
    monkeypatch.setattr(imports, "ENVIRONMENT_TTL_MS", 0)
    unused = cast("Any", None)
    await ImportService(sources, unused, unused, unused).forget_variables_later()
    assert variables == {}
    assert (await sources.read(SESSION, EnvironmentSource())).keys == []
