"""Removes what the installer made and, if the person confirms it, their keys and audit log."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

from byokd.installer.command import own_command
from byokd.installer.environment import environments, remove_unused
from byokd.installer.locks import is_in_use, locked
from byokd.installer.places import Places, places
from byokd.installer.report import InstallError, Report

CONFIRMATION = "delete"
"""What the person types to delete their data."""

_STORED = re.compile(
    r"(vault|ledger)\.db[\w.-]*|init\.(lock|intent)|backups/(\d+-\d+\.db[\w.-]*|copies\.\w+)|catalog/[\w.-]+"
)
"""Files of the data folder, relative to it, with `/`."""

_STATE = re.compile(r"models\.db[\w.-]*|[0-9a-f]{32}\.key[\w.-]*|anchor[\w.-]*")
"""Files of the state folder."""


def uninstall(report: Report, ask: Callable[[str], str] | None) -> None:
    """Remove the command and the environments; ask about the data.

    Nothing is removed that byokd did not make.

    Args:
        report: gets what is removed.
        ask: shows a question and returns the answer; without it the data is kept.

    Raises:
        InstallError: a byokd is running, and nothing was removed.
        OSError: a file cannot be removed.
    """
    place = places()
    if not place.program.is_dir():
        report.note(f"there is nothing to remove: {place.program} does not exist")
    else:
        with locked(place.lock, lambda: report.note("an installation is running")):
            _require_unused(place)
            delete_data = _wants_data_deleted(place, report, ask)
            _remove_program(place, report)
            with contextlib.suppress(OSError):  # on Windows it is open
                place.lock.unlink()
        _remove_if_empty(place.program)
        if delete_data:
            _delete_data(place, report)
        _remove_if_empty(place.data)
    _report_kept(place, report)


def _require_unused(place: Places) -> None:
    if any(map(is_in_use, environments(place.program))):
        raise InstallError(
            "byokd is running: an editor or a terminal uses it",
            "close the programs that use it and try again; nothing was removed",
        )


def _remove_program(place: Places, report: Report) -> None:
    for path in (place.command, place.command.with_name(place.command.name + ".new")):
        if own_command(path) is not None:
            path.unlink()
            report.note(f"removed {path}")
    for path in environments(place.program):
        if not remove_unused(path):  # it was started a moment ago
            raise InstallError(f"{path} is in use", "close what uses byokd and try again")
        report.note(f"removed {path}")


# --- data ----------------------------------------------------------------------------------------


def stored_files(place: Places) -> list[Path]:
    """Return the files that byokd made with keys, audit log, backups and caches in them."""
    return [
        *_matching(place.data, ("*", "backups/*", "catalog/*"), _STORED),
        *_matching(place.state, ("*",), _STATE),
    ]


def _matching(folder: Path, patterns: tuple[str, ...], names: re.Pattern[str]) -> list[Path]:
    paths = (path for pattern in patterns for path in folder.glob(pattern))
    return sorted(
        path
        for path in paths
        if names.fullmatch(path.relative_to(folder).as_posix()) and path.is_file()
    )


def _wants_data_deleted(place: Places, report: Report, ask: Callable[[str], str] | None) -> bool:
    files = stored_files(place)
    if not files or ask is None:
        return False
    report.note("your keys, their audit log and its backups are in these files:")
    for path in files:
        report.note(f"  {path}")
    answer = ask(f"type {CONFIRMATION} to delete them for ever, or press Enter to keep them: ")
    return answer.strip() == CONFIRMATION


def _delete_data(place: Places, report: Report) -> None:
    for path in stored_files(place):
        path.unlink()
    for folder in (place.data / "backups", place.data / "catalog", place.state, place.data):
        _remove_if_empty(folder)
    report.note("deleted your keys and their audit log")
    report.note("an entry named byokd in the OS keyring may be left; it opens nothing any more")


def _report_kept(place: Places, report: Report) -> None:
    kept = {path.parent for path in stored_files(place)}
    for folder in sorted(folder for folder in kept if folder in {place.data, place.state}):
        report.note(f"your keys and their audit log were kept in {folder}")
    if (place.config / "config.toml").exists() or (place.config / "providers").exists():
        report.note(f"your settings were kept in {place.config}")


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
