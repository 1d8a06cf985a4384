"""The bootstrap: `python3 server <arguments>` on a machine with nothing but Python.

Makes `.venv` in the project's root from a hash-pinned lock, once, and then runs `byokd` from it.
Imports the standard library only, and uses syntax that Python 3.7 can parse, so that an old Python
gives an error message and not a traceback. All output goes to stderr; stdout belongs to `byokd`.
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
LAYOUT = "2"  # raise it when this file makes another layout, so that old ones are made anew

_OLDEST, _TOO_NEW = (3, 11), (3, 15)
_LOCKED_BYTE = (
    1 << 30
)  # far past the end of any file we lock, so that Windows still lets it be read


def main(argv: list[str]) -> int:
    """Make the environment if it is missing, and replace this process with its `byokd`."""
    prepare("runtime")
    command = [str(PYTHON), "-I", "-X", "utf8", "-m", "byokd", *argv]
    if sys.platform != "win32":  # there, execv returns to the shell before the program has ended
        os.execv(command[0], command)  # noqa: S606  # no shell, and the program is our own
    return subprocess.run(command, check=False).returncode


def prepare(which: str) -> None:
    """Make or reuse the environment for `runtime` or `tests`. Exits with a message on errors.

    Two may run at once: the second waits and reuses the environment. An interrupted one is made
    again from nothing, because the stamp that marks it complete is written last.
    """
    _check_python()
    if _is_complete(which):
        return
    with _exclusive():
        if not _is_complete(which):
            _make(which)


def _check_python() -> None:
    version = sys.version_info[:2]
    if not _OLDEST <= version < _TOO_NEW:
        names = ("python3.14", "python3.13", "python3.12", "python3.11")
        other = next(filter(shutil.which, names), None)
        _fail(
            f"this is Python {version[0]}.{version[1]}; byokd needs 3.11, 3.12, 3.13 or 3.14",
            f"{other} is installed: use that one" if other else "install one of them",
        )
    if not importlib.util.find_spec("venv") or not importlib.util.find_spec("ensurepip"):
        _fail(
            "this Python comes without venv",
            "install it; on Debian and Ubuntu: apt install python3-venv",
        )


def _is_complete(which: str) -> bool:
    try:
        return _stamp_file(which).read_text(encoding="utf-8") == _stamp(which) and PYTHON.exists()
    except OSError:
        return False


def _stamp_file(which: str) -> Path:
    return VENV / f"byokd-{which}.stamp"


def _stamp(which: str) -> str:
    """Return all that an environment depends on: layout, lock, Python and folder."""
    lock = hashlib.sha256(LOCKS[which].read_bytes()).hexdigest()
    return "\n".join([LAYOUT, lock, sys.version, os.path.realpath(sys.executable), str(ROOT), ""])


def _make(which: str) -> None:
    complete = {name for name in LOCKS if _is_complete(name)}
    for name in complete:  # no stamp until the end, so that an interruption is noticed
        _stamp_file(name).unlink()
    if not complete:
        _say(f"making {VENV.name} (once; about a minute)")
        _run([sys.executable, "-I", "-m", "venv", "--clear", str(VENV)])
    else:
        _say(f"adding the requirements of {which} to {VENV.name} (once)")
    pip = [str(PYTHON), "-I", "-m", "pip", "install", "--quiet", "--no-input"]
    checks = ["--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"]
    _run([*pip, *checks, "--requirement", str(LOCKS[which])])
    _link()
    for name in {"runtime", which}:  # the lock of the tests includes the runtime's
        partial = _stamp_file(name).with_suffix(".partial")
        partial.write_text(_stamp(name), encoding="utf-8")
        partial.replace(_stamp_file(name))


def _libraries() -> Path:
    """Return the folder of the environment's packages."""
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.check_output([str(PYTHON), "-I", "-c", query], text=True).strip())


def _remove_start_up_code(libraries: Path) -> None:
    """Remove the path files that run code in every start of this Python: a daemon holds keys.

    `coverage` installs one, to measure child processes; the tests do not use it.
    """
    for path in libraries.glob("*.pth"):
        lines = path.read_bytes().splitlines()
        if any(line.startswith((b"import ", b"import\t")) for line in lines):
            path.unlink()


def _link() -> None:
    """Put the source on the environment's path, and a `byokd` command beside its Python.

    A path file needs no build and no network, and `python -I` reads it.
    """
    libraries = _libraries()
    _remove_start_up_code(libraries)
    (libraries / "byokd.pth").write_text(f"{ROOT / 'server'}\n", encoding="utf-8")
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
def _exclusive() -> Iterator[None]:
    """Hold a lock on `pyproject.toml`, so that no lock file is left behind."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        if sys.platform == "win32":
            import msvcrt

            file.seek(_LOCKED_BYTE)
            while True:
                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
                except OSError:  # it gives up after ten seconds
                    continue
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing the file releases the lock


def _run(command: list[str]) -> None:
    """Run a command; if it fails, show its output and exit."""
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
        _fail(f"{' '.join(command[:6])} …: exit code {done.returncode}", "its output is above")


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
