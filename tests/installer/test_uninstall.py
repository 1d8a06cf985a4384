"""Uninstalling: the data is kept unless the person confirms it, and nothing foreign is deleted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from byokd.installer import uninstall as module
from byokd.installer.places import Places
from byokd.installer.report import Report
from byokd.installer.uninstall import stored_files, uninstall
from daemon import running

FOREIGN = ("data/notes.md", "data/my vault.db", "data/backups/mine.zip", "state/team.key")
"""Files that a person put beside those of byokd."""

pytestmark = pytest.mark.anyio


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Return the places of a person whose vault a real daemon made."""
    async with running(data_dir=tmp_path) as daemon:
        await daemon.initialize()
        protection = {"protection": "keyFile", "acceptRisk": "keyFile"}
        await daemon.request("vault/initialize", protection)
        await daemon.request("audit/verify", {})
        await daemon.close()
    for name in FOREIGN:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    made = Places(tmp_path / "byokd", tmp_path / "data", tmp_path / "state", tmp_path / "data")
    made.program.mkdir()
    monkeypatch.setattr(module, "places", lambda: made)
    return made


def _names(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()
    } - {"data/program/install.lock"}


@pytest.mark.parametrize("answer", ["", "y\n", "Delete\n", None])
async def test_data_is_kept_without_the_confirmation(
    place: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: str | None
) -> None:
    before = _names(tmp_path)
    assert {"data/vault.db"} < before
    ask: Callable[[str], str] | None = None if answer is None else lambda _question: answer
    uninstall(Report(), ask)
    assert _names(tmp_path) == before
    printed = capsys.readouterr().err
    assert f"your keys and their audit log were kept in {place.data}" in printed
    assert (str(place.data / "vault.db") in printed) is (answer is not None), (
        "files are listed first"
    )
    assert not place.program.exists()


async def test_confirmed_deletion_takes_what_byokd_made_and_nothing_else(
    place: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place.config / "config.toml").touch()
    listed = [str(path) for path in stored_files(place)]
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return "delete\n"

    uninstall(Report(), ask)
    assert _names(tmp_path) == {*FOREIGN, "data/config.toml"}
    assert questions == ["type delete to delete them for ever, or press Enter to keep them: "]
    printed = capsys.readouterr().err
    assert [path for path in listed if f"byokd:   {path}\n" not in printed] == []
    assert f"your settings were kept in {place.config}" in printed
