"""Private files: modes under every umask, and whatever another user could have planted."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from byokd.protocol.errors import StoreBusy, StoreFailed
from byokd.store import files

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX"),
]

_NOBODY = 65_534


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _reason(error: StoreFailed) -> object:
    details = error.fields["details"]
    assert isinstance(details, dict)
    return details["reason"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277, 0o777], ids=oct)
def test_umask_does_not_change_modes(tmp_path: Path, umask: int) -> None:
    folder = tmp_path / "data"
    before = os.umask(umask)
    try:
        files.ensure_private_dir(folder)
        files.ensure_private_file(folder / "empty")
        files.create_private(folder / "written", b"x")
        files.replace_private(folder / "replaced", b"x")
    finally:
        os.umask(before)
    assert _mode(folder) == 0o700
    assert {_mode(path) for path in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o750, 0o755, 0o777], ids=oct)
def test_folder_open_to_others_is_refused_unchanged(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(StoreFailed, match="chmod 700") as caught:
        files.ensure_private_dir(folder)
    assert _reason(caught.value) == "permissions"
    assert _mode(folder) == mode


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o666, 0o400], ids=oct)
def test_own_file_open_to_others_is_tightened(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "vault.db"
    path.write_bytes(b"kept")
    path.chmod(mode)
    files.ensure_private_file(path)
    assert _mode(path) == 0o600
    assert path.read_bytes() == b"kept"


def _symlink(path: Path) -> None:
    target = path.with_name("target")
    target.write_bytes(b"victim")
    path.symlink_to(target)


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def _hardlink(path: Path) -> None:
    path.with_name("target").write_bytes(b"victim")
    path.hardlink_to(path.with_name("target"))


def _folder(path: Path) -> None:
    path.mkdir()


def _foreign(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    path.write_bytes(b"victim")
    os.chown(path, _NOBODY, _NOBODY)


@pytest.mark.parametrize(
    "plant", [_symlink, _dangling, _hardlink, _folder, _foreign], ids=lambda plant: plant.__name__
)
@pytest.mark.parametrize(
    "act",
    [
        files.ensure_private_file,
        lambda path: files.create_private(path, b"ours"),
        lambda path: files.read_private(path, 100),
    ],
    ids=["ensure", "create", "read"],
)
def test_planted_file_is_refused_unchanged(
    tmp_path: Path, plant: Callable[[Path], None], act: Callable[[Path], object]
) -> None:
    path = tmp_path / "vault.db"
    plant(path)
    with pytest.raises(StoreFailed) as caught:
        act(path)
    assert _reason(caught.value) in {"permissions", "io"}
    assert not (tmp_path / "nowhere").exists()
    for victim in (tmp_path / "target", path):
        if victim.is_file():
            assert victim.read_bytes() == b"victim"


def test_linked_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "data").symlink_to(tmp_path / "real")
    with pytest.raises(StoreFailed, match="link"):
        files.ensure_private_dir(tmp_path / "data")


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"")
    with pytest.raises(StoreFailed, match="move it away"):
        files.ensure_private_dir(tmp_path / "data")


def test_disk_that_ignores_modes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vault.db"
    path.write_bytes(b"")
    path.chmod(0o666)
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    with pytest.raises(StoreFailed, match="another disk"):
        files.ensure_private_file(path)
    monkeypatch.setattr(files, "_FILE_MODE", 0o666)
    with pytest.raises(StoreFailed, match="chmod 600"):
        files.read_private(path, 10)


def test_read_is_bounded_and_absence_is_none(tmp_path: Path) -> None:
    assert files.read_private(tmp_path / "absent", 10) is None
    files.create_private(tmp_path / "here", b"0123456789abc")
    assert files.read_private(tmp_path / "here", 10) == b"0123456789"


def test_replacing_keeps_the_old_file_when_the_disk_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "anchor"
    files.replace_private(path, b"old")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreFailed) as caught:
        files.replace_private(path, b"new")
    assert _reason(caught.value) == "full"
    assert [item.name for item in tmp_path.iterdir()] == ["anchor"]
    assert path.read_bytes() == b"old"


async def test_lock_has_one_holder(tmp_path: Path) -> None:
    path = tmp_path / "init.lock"
    async with files.locked(path):
        with pytest.raises(StoreBusy):
            async with files.locked(path, timeout_ms=30):
                pass
    async with files.locked(path, timeout_ms=30):
        assert _mode(path) == 0o600
