"""Makes an environment for a version of byokd, and lets the command start it."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from byokd.installer.command import (
    NOTE,
    START,
    own_command,
    replace_file,
    require_own_command,
    write_command,
)
from byokd.installer.environment import (
    DIGEST_FILE,
    check_python,
    environments,
    install_packages,
    is_complete,
    libraries_of,
    make_environment,
    remove_start_up_code,
    remove_unused,
    version_of,
)
from byokd.installer.locks import locked
from byokd.installer.places import WINDOWS, Places, places, python_of
from byokd.installer.processes import run
from byokd.installer.report import InstallError, Report

LAYOUT = "1"
"""Raise it when environments are made in another way, so that none of an older way is reused."""

_VERSION = re.compile(rb'^__version__ = "([\w.+!]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """What is installed.

    Attributes:
        package: a wheel of byokd, or the folder `byokd` of a clone.
        lock: its hash-pinned requirements.
        find_links: a folder of wheels to take them from, instead of a package index.
    """

    package: Path
    lock: Path
    find_links: Path | None = None

    def version(self) -> str:
        match = _VERSION.search(self._read("__init__.py"))
        if match is None:
            raise InstallError(f"{self.package} has no version", "use a package of byokd")
        return match[1].decode()

    def digest(self) -> str:
        """Return a digest of all that an environment is made from."""
        digest = hashlib.sha256()
        python = (LAYOUT, sys.version, os.path.realpath(sys.executable))
        for text in (*python, self.lock.read_text(encoding="utf-8")):
            digest.update(os.fsencode(text) + b"\0")
        for name, data in self._files():
            digest.update(f"{name}\0{len(data)}\0".encode() + data)
        return digest.hexdigest()

    def copy_to(self, libraries: Path) -> None:
        """Copy the package, so that the source may be deleted."""
        if self.package.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(self.package, libraries / "byokd", ignore=ignored)
            return
        with zipfile.ZipFile(self.package) as wheel:
            wheel.extractall(libraries)

    def _files(self) -> Iterator[tuple[str, bytes]]:
        if not self.package.is_dir():
            yield "wheel", self.package.read_bytes()
            return
        for path in sorted(self.package.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(self.package).as_posix(), path.read_bytes()

    def _read(self, name: str) -> bytes:
        if self.package.is_dir():
            return (self.package / name).read_bytes()
        with zipfile.ZipFile(self.package) as wheel:
            return wheel.read(f"byokd/{name}")


def install(source: Source, report: Report) -> None:
    """Install this version for the person who runs it.

    An environment of the same content is used again, if it works.

    Raises:
        InstallError: a step failed; the command starts what it started before.
        OSError: a file cannot be read or written; likewise.
    """
    check_python()
    place = places()
    with locked(place.lock, lambda: report.note("another installation is running")) as lock:
        require_own_command(place.command)
        version, digest = source.version(), source.digest()
        environment = place.program / f"{version}-{digest[:12]}"
        before = _started_by_command(place)
        for path in environments(place.program):
            if not is_complete(path):
                shutil.rmtree(path)
        maker = _Maker(environment, version, report, lock)
        if not (environment.exists() and maker.works()):
            maker.make(source, digest)
        report.step("command", f"writing {place.command}")
        write_command(place.command, str(python_of(environment)), NOTE)
        for path in environments(place.program):
            if path not in {environment, before} and not remove_unused(path):
                report.note(f"byokd {version_of(path)} is running; a later install removes it")
    _report_done(version, place.command, report)


class _Maker:
    """Makes one environment. Its processes inherit the installer's lock."""

    def __init__(self, environment: Path, version: str, report: Report, lock: int) -> None:
        self._environment = environment
        self._python = str(python_of(environment))
        self._version = version
        self._report = report
        self._lock = lock

    def works(self) -> bool:
        try:
            self._check()
        except (InstallError, OSError):
            return False
        return True

    def make(self, source: Source, digest: str) -> None:
        report = self._report
        report.step("environment", f"making a private environment: {self._environment}")
        make_environment(self._environment, self._lock)
        total = len(re.findall(r"^\w", source.lock.read_text(encoding="utf-8"), re.MULTILINE))
        report.step("packages", f"installing {total} packages, each checked by its hash")
        links = ["--no-index", "--find-links", str(source.find_links)] if source.find_links else []
        install_packages(
            self._python,
            source.lock,
            options=links,
            lock=self._lock,
            on_package=lambda done: report.packages(done, total),
        )
        report.step("program", f"copying byokd {self._version}")
        libraries = libraries_of(self._python)
        source.copy_to(libraries)
        remove_start_up_code(libraries)
        run([self._python, "-I", "-m", "compileall", "-qq", str(libraries / "byokd")], self._lock)
        report.step("check", "starting it once")
        self._check()
        replace_file(self._environment / DIGEST_FILE, f"{digest}\n".encode())

    def _check(self) -> None:
        printed = run([self._python, *START.split(), "--version"], self._lock).strip()
        if printed != f"byokd, version {self._version}":
            raise InstallError(f"the new byokd printed {printed!r}", "please report this")


def _started_by_command(place: Places) -> Path | None:
    """Return the environment that the command starts now."""
    text = own_command(place.command) or b""
    paths = (path for path in environments(place.program) if os.fsencode(path.name) in text)
    return next(paths, None)


def _report_done(version: str, command: Path, report: Report) -> None:
    started = shutil.which("byokd")
    on_path = started is not None and os.path.normcase(started) == os.path.normcase(command)
    message = f"byokd {version} is installed: {command}"
    report.done(message, version=version, command=command, on_path=on_path)
    if started is None:
        report.note(f"{command.parent} is not on your PATH; editors find byokd there all the same")
        report.note(f"for your terminal: {_path_advice(command.parent)}")
    elif not on_path:
        report.note(f"in a terminal, `byokd` starts {started}, which comes first on your PATH")
    report.note(f"begin with: {'byokd' if on_path else command} ui")


def _path_advice(folder: Path) -> str:
    if WINDOWS:
        return f"add {folder} to Path, under environment variables in the system's settings"
    if os.environ.get("SHELL", "").endswith("fish"):
        return f"fish_add_path {shlex.quote(str(folder))}"
    line = f'export PATH="{folder}:$PATH"'
    return f"add this line to the file that your shell reads at its start: {line}"
