"""The bootstrap: `python3 server <arguments>` on a machine with nothing but Python.

`install` and `uninstall` are those of `byokd.installer`. For anything else it makes `.venv` in the
project's root from a hash-pinned lock, once, and then runs `byokd` from it. Imports the standard
library and the installer only, and uses syntax that Python 3.8 can parse, so that an old Python
gives an error message and not a traceback. All output goes to stderr; stdout belongs to `byokd`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "server"))  # it is not there when another program loads this file

from byokd.installer import environment  # noqa: E402  # see above
from byokd.installer.__main__ import main as run_installer  # noqa: E402
from byokd.installer.command import START, write_command  # noqa: E402
from byokd.installer.install import Source  # noqa: E402
from byokd.installer.locks import locked  # noqa: E402
from byokd.installer.places import python_of  # noqa: E402
from byokd.installer.report import InstallError, Report  # noqa: E402

VENV = ROOT / ".venv"
PYTHON = python_of(VENV)
LOCKS = {
    "runtime": ROOT / "server" / "requirements.lock",
    "tests": ROOT / "tests" / "requirements.lock",
}
LAYOUT = "2"  # raise it when this file makes another layout, so that old ones are made anew


def main(argv: list[str]) -> int:
    """Install, or make the environment if it is missing and run its `byokd` in this process."""
    if argv[:1] in (["install"], ["uninstall"]):
        source = Source(ROOT / "server" / "byokd", LOCKS["runtime"])
        return run_installer(argv, "python3 server", source)
    prepare("runtime")
    command = [str(PYTHON), *START.split(), *argv]
    if sys.platform != "win32":  # there, execv returns to the shell before the program has ended
        os.execv(command[0], command)  # noqa: S606  # no shell, and the program is our own
    return subprocess.run(command, check=False).returncode


def prepare(which: str) -> None:
    """Make or reuse the environment for `runtime` or `tests`. Exits with a message on errors.

    Two may run at once: the second waits and reuses the environment. An interrupted one is made
    again from nothing, because the stamp that marks it complete is written last.
    """
    try:
        environment.check_python()
        if not _is_complete(which):
            # this file, so that no lock file is left behind
            with locked(ROOT / "pyproject.toml", lambda: None) as lock:
                if not _is_complete(which):
                    _make(which, lock)
    except InstallError as error:
        Report().error(error)
        raise SystemExit(1) from None


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


def _make(which: str, lock: int) -> None:
    complete = {name for name in LOCKS if _is_complete(name)}
    for name in complete:  # no stamp until the end, so that an interruption is noticed
        _stamp_file(name).unlink()
    if not complete:
        Report().note(f"making {VENV.name} (once; about a minute)")
        environment.make_environment(VENV, lock)
    else:
        Report().note(f"adding the requirements of {which} to {VENV.name} (once)")
    environment.install_packages(str(PYTHON), LOCKS[which], lock=lock)
    _link()
    for name in {"runtime", which}:  # the lock of the tests includes the runtime's
        partial = _stamp_file(name).with_suffix(".partial")
        partial.write_text(_stamp(name), encoding="utf-8")
        partial.replace(_stamp_file(name))


def _link() -> None:
    """Put the source on the environment's path, and a `byokd` command beside its Python.

    A path file needs no build and no network, and `python -I` reads it.
    """
    libraries = environment.libraries_of(str(PYTHON))
    environment.remove_start_up_code(libraries)
    (libraries / "byokd.pth").write_text(f"{ROOT / 'server'}\n", encoding="utf-8")
    name = "byokd.cmd" if sys.platform == "win32" else "byokd"
    write_command(PYTHON.parent / name, str(PYTHON), "python3 server wrote this file")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
