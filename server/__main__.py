"""The bootstrap: `python3 server <words>` on a machine that has nothing but Python.

Knows how to make `.venv` in the project's root from a hash-pinned lock, once, and then hands over
to `byokd` inside it. Must not import anything but the standard library, and keeps to syntax that
Python 3.7 can read, so that an old Python gets a sentence instead of a traceback.

Everything said here goes to stderr: stdout belongs to whoever is started.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
LOCKS = {
    "runtime": ROOT / "server" / "requirements.lock",
    "tests": ROOT / "tests" / "requirements.lock",
}
LAYOUT = "1"  # raise it when what this file makes changes shape, so that old ones are made anew

_OLDEST, _TOO_NEW = (3, 11), (3, 15)
_LOCKED_BYTE = (
    1 << 30
)  # far past the end of any file we lock, so that Windows still lets it be read


def main(argv: list[str]) -> int:
    """Make the environment if it is not there, and become `byokd` in it."""
    prepare("runtime")
    command = [str(PYTHON), "-I", "-X", "utf8", "-m", "byokd", *argv]
    if sys.platform != "win32":  # there, execv returns to the shell before the program has ended
        os.execv(command[0], command)  # noqa: S606  # no shell, and the program is our own
    return subprocess.run(command, check=False).returncode


def prepare(which: str) -> None:
    """Make or reuse the environment for `runtime` or `tests`; exits with a sentence if it cannot.

    Safe when two run at once (the second waits and finds the work done) and when stopped half way
    (stamps are written last, and an environment without one is made again from nothing).
    """
    _check_python()
    if _stands(which):
        return
    with _alone():
        if not _stands(which):
            _make(which)


def _check_python() -> None:
    version = sys.version_info[:2]
    if not _OLDEST <= version < _TOO_NEW:
        names = ("python3.14", "python3.13", "python3.12", "python3.11")
        found = next(filter(shutil.which, names), None)
        _fail(
            f"this is Python {version[0]}.{version[1]}; byokd needs 3.11, 3.12, 3.13 or 3.14",
            f"{found} is here: start with that one" if found else "install one of them",
        )
    if not importlib.util.find_spec("venv") or not importlib.util.find_spec("ensurepip"):
        _fail(
            "this Python comes without venv",
            "install it; on Debian and Ubuntu: apt install python3-venv",
        )


def _stands(which: str) -> bool:
    try:
        return _stamp_file(which).read_text(encoding="utf-8") == _stamp(which) and PYTHON.exists()
    except OSError:
        return False


def _stamp_file(which: str) -> Path:
    return VENV / f"byokd-{which}.stamp"


def _stamp(which: str) -> str:
    """Name everything that an environment depends on: what is in it, for whom, and where."""
    lock = hashlib.sha256(LOCKS[which].read_bytes()).hexdigest()
    return "\n".join([LAYOUT, lock, sys.version, os.path.realpath(sys.executable), str(ROOT), ""])


def _make(which: str) -> None:
    standing = {name for name in LOCKS if _stands(name)}
    for name in standing:  # until the end nothing stands, so being stopped half way is noticed
        _stamp_file(name).unlink()
    if not standing:
        _say(f"making {VENV.name} (once; about a minute)")
        _run([sys.executable, "-I", "-m", "venv", "--clear", str(VENV)])
    else:
        _say(f"adding what the {which} need to {VENV.name} (once)")
    pip = [str(PYTHON), "-I", "-m", "pip", "install", "--quiet", "--no-input"]
    checks = ["--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"]
    _run([*pip, *checks, "--requirement", str(LOCKS[which])])
    _link()
    for name in {"runtime", which}:  # the lock of the tests holds the runtime's, so both stand now
        partial = _stamp_file(name).with_suffix(".partial")
        partial.write_text(_stamp(name), encoding="utf-8")
        partial.replace(_stamp_file(name))


def _link() -> None:
    """Put the source on the environment's path, and a `byokd` command beside its Python.

    A path file needs no build, no network and no metadata, and `python -I` honours it.
    """
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    libraries = subprocess.check_output([str(PYTHON), "-I", "-c", query], text=True).strip()
    (Path(libraries) / "byokd.pth").write_text(f"{ROOT / 'server'}\n", encoding="utf-8")
    start = "-I -X utf8 -m byokd"
    if sys.platform == "win32":
        text = f'@"%~dp0python.exe" {start} %*\r\n'
        (PYTHON.parent / "byokd.cmd").write_text(text, encoding="utf-8", newline="")
        return
    command = PYTHON.parent / "byokd"
    text = f'#!/bin/sh\nexec {shlex.quote(str(PYTHON))} {start} "$@"\n'
    command.write_text(text, encoding="utf-8")
    command.chmod(0o755)


@contextmanager
def _alone() -> Iterator[None]:
    """Hold a lock on a file that is there anyway, so that nothing is left behind."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        if sys.platform == "win32":
            import msvcrt

            file.seek(_LOCKED_BYTE)
            while True:
                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
                except OSError:  # it gives up after ten seconds; another install takes longer
                    continue
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing the file lets go


def _run(command: list[str]) -> None:
    """Run quietly; on failure show what it said and stop."""
    done = subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        sys.stderr.write(done.stdout)
        _fail(f"{' '.join(command[:6])} … ended with {done.returncode}", "what it said is above")


def _say(text: str) -> None:
    sys.stderr.write(f"byokd: {text}\n")
    sys.stderr.flush()


def _fail(error: str, hint: str) -> None:
    sys.stderr.write(f"error: {error}\nhint: {hint}\n")
    raise SystemExit(1)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
