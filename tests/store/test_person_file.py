"""A configuration file that somebody else could have written is not followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from byokd.store.person_file import distrust

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "it's a folder"
    folder.mkdir(mode=0o755)
    path = folder / "config.toml"
    path.write_text("")
    path.chmod(0o644)
    return path


def test_readable_file_is_followed_and_a_missing_one_is_not_judged(file: Path) -> None:
    assert distrust(file) is None
    assert distrust(file.with_name("none.toml")) is None


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_file_that_others_can_write_is_named_with_its_command(file: Path, mode: int) -> None:
    file.chmod(mode)
    reason = distrust(file) or ""
    assert str(file) in reason
    assert "chmod go-w '" in reason
    file.chmod(0o600)
    assert distrust(file) is None


def test_folder_that_others_can_write_is_named(file: Path) -> None:
    file.parent.chmod(0o775)
    assert f"{file.parent} can be written" in (distrust(file) or "")


def test_target_of_a_link_and_its_folder_are_judged(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    assert distrust(link) is None
    file.parent.chmod(0o777)
    assert str(file.parent) in (distrust(link) or "")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert distrust(loop) is None


def test_file_of_another_user_is_not_followed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = file.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:
        assert distrust(file) is None, "it is root's"
        os.chown(file, owner + 2, -1)
    assert "belongs to another user" in (distrust(file) or "")


def test_secret_file_may_not_be_readable_by_others(file: Path) -> None:
    assert "chmod 600" in (distrust(file, secret=True) or "")
    file.chmod(0o400)
    assert distrust(file, secret=True) is None
