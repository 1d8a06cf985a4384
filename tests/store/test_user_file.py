"""Files that a person names: which are read, and the reasons for refusing the others."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from byokd.protocol.errors import InvalidParams
from byokd.store.user_file import read_user_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and pipes of POSIX")


def _read(path: Path | str, max_bytes: int = 10) -> tuple[bytes, bool]:
    return read_user_file(str(path), max_bytes, pointer="/source/path")


def _made(path: Path, data: bytes = b"0123456789", mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(("mode", "readable"), [(0o600, False), (0o640, True), (0o604, True)])
def test_file_is_read_with_its_readability_by_others(
    tmp_path: Path, *, mode: int, readable: bool
) -> None:
    assert _read(_made(tmp_path / "file", mode=mode)) == (b"0123456789", readable)


def test_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(_made(tmp_path / "file"))
    assert _read(tmp_path / "link")[0] == b"0123456789"


def _pipe(path: Path) -> None:
    os.mkfifo(path)


REFUSED: list[tuple[str, Callable[[Path], object]]] = [
    ("notFound", lambda _path: None),
    ("notAFile", Path.mkdir),
    ("notAFile", _pipe),
    ("tooLarge", lambda path: _made(path, b"01234567890")),
    ("notFound", lambda path: path.symlink_to("nowhere")),
    ("unreadable", lambda path: path.symlink_to(path)),
]


@pytest.mark.parametrize(("reason", "make"), REFUSED)
def test_unusable_file_is_refused_with_a_reason(
    tmp_path: Path, reason: str, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "it")
    with pytest.raises(InvalidParams) as refused:
        _read(tmp_path / "it")
    assert refused.value.fields["details"] == [{"pointer": "/source/path", "reason": reason}]


@pytest.mark.parametrize("path", ["file", "./file", "~/file", "", "/dev/null\0x"])
def test_relative_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        _read(path)
    assert "notAbsolute" in str(refused.value.fields["details"])


def test_device_is_refused() -> None:
    with pytest.raises(InvalidParams):
        _read("/dev/zero")
