"""The key file: private, created once, and refused when others could have written it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from byokd.keysource.key_file import KeyFileSource
from byokd.keysource.memory import MemorySource
from byokd.keysource.source import Item, reason_of
from byokd.protocol.errors import StoreFailed, VaultError
from byokd.store import files

pytestmark = pytest.mark.anyio

_ITEM = Item(b"\1" * 16, b"\2" * 16)


def _file(folder: Path) -> Path:
    return folder / f"{_ITEM.slot_id.hex()}.key"


async def test_created_key_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    source = KeyFileSource(folder, files)
    key = await source.create(_ITEM)
    assert await source.read(_ITEM) == key
    assert await KeyFileSource(folder, files).read(_ITEM) == key
    if os.name == "posix":
        assert _file(folder).stat().st_mode & 0o777 == 0o600
    with pytest.raises(StoreFailed):
        await source.create(_ITEM)
    assert await source.read(_ITEM) == key
    await source.delete(_ITEM)
    await source.delete(_ITEM)
    with pytest.raises(VaultError) as caught:
        await source.read(_ITEM)
    assert reason_of(caught.value) == "itemMissing"


def _world_readable(path: Path) -> None:
    path.chmod(0o644)


def _linked(path: Path) -> None:
    path.with_name("second").hardlink_to(path)


def _symlinked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def _in_an_open_folder(path: Path) -> None:
    path.parent.chmod(0o755)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def _binary(path: Path) -> None:
    path.write_bytes(b"\xff" * 60)


@pytest.mark.skipif(os.name != "posix", reason="modes and links are POSIX")
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_world_readable, "filePermissions"),
        (_linked, "filePermissions"),
        (_symlinked, "filePermissions"),
        (_in_an_open_folder, "filePermissions"),
        (_cut, "itemCorrupt"),
        (_binary, "itemCorrupt"),
    ],
)
async def test_unusable_key_file_is_refused_with_a_reason(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    source = KeyFileSource(tmp_path / "state", files)
    await source.create(_ITEM)
    spoil(_file(tmp_path / "state"))
    with pytest.raises(VaultError) as caught:
        await source.read(_ITEM)
    assert reason_of(caught.value) == reason


async def test_memory_source_forgets_with_the_process() -> None:
    source = MemorySource()
    key = await source.create(_ITEM)
    assert await source.read(_ITEM) == key
    await source.delete(_ITEM)
    for empty in (source, MemorySource()):
        with pytest.raises(VaultError) as caught:
            await empty.read(_ITEM)
        assert reason_of(caught.value) == "itemMissing"


def test_each_source_describes_its_protection() -> None:
    for source in (MemorySource(), KeyFileSource(Path("x"), files)):
        assert source.protects_against
        assert source.does_not_protect_against
        assert source.backend
