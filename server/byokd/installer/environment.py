"""Virtual environments: made without pip, filled from a hash-pinned lock, and removed."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path

from byokd.installer.locks import is_in_use
from byokd.installer.places import python_of
from byokd.installer.processes import output, run
from byokd.installer.report import InstallError

DIGEST_FILE = "byokd-installed.txt"
"""In an environment that is complete, written last: the digest of what it was made from."""

_OLDEST, _TOO_NEW = (3, 11), (3, 15)
_NAME = re.compile(r"\d[\w.+!]*-[0-9a-f]{12}")


def check_python() -> None:
    """Raise `InstallError` unless this Python can make an environment for byokd."""
    version = sys.version_info[:2]
    if not _OLDEST <= version < _TOO_NEW:
        names = ("python3.14", "python3.13", "python3.12", "python3.11")
        other = next(filter(shutil.which, names), None)
        raise InstallError(
            f"this is Python {version[0]}.{version[1]}; byokd needs 3.11, 3.12, 3.13 or 3.14",
            f"{other} is installed: use that one" if other else "install one of them",
        )
    if not importlib.util.find_spec("venv") or not pip_wheel():
        raise InstallError(
            "this Python comes without venv",
            "install it; on Debian and Ubuntu: apt install python3-venv",
        )


def pip_wheel() -> Path | None:
    """Return the wheel of pip that comes with this Python, as `ensurepip` looks for it."""
    spec = importlib.util.find_spec("ensurepip")
    if spec is None or spec.origin is None:
        return None
    folders = [Path(spec.origin).parent / "_bundled"]
    if distribution := sysconfig.get_config_var("WHEEL_PKG_DIR"):
        folders.append(Path(distribution))
    return next((path for folder in folders for path in folder.glob("pip-*.whl")), None)


def make_environment(folder: Path, lock: int | None = None) -> None:
    """Make an empty environment. Without pip: it has only what byokd needs."""
    run([sys.executable, "-I", "-m", "venv", "--without-pip", "--clear", str(folder)], lock)


def install_packages(
    python: str,
    requirements: Path,
    *,
    options: Sequence[str] = (),
    lock: int | None = None,
    on_package: Callable[[int], None] = lambda _done: None,
) -> None:
    """Install the packages of a hash-pinned lock, as wheels: no code of theirs runs.

    Args:
        python: that of the environment.
        requirements: the lock.
        options: further options of pip.
        lock: a descriptor that pip inherits.
        on_package: called with the number of packages that pip has begun with.
    """
    pip = [python, "-I", f"{pip_wheel()}/pip", "install", "--no-input", "--no-warn-script-location"]
    checks = ["--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"]
    done = 0
    for line in output([*pip, *checks, *options, "--requirement", str(requirements)], lock):
        if line.startswith(("Collecting ", "Processing ")):  # from an index, from a folder
            done += 1
            on_package(done)


def libraries_of(python: str) -> Path:
    """Return the folder of an environment's packages."""
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(run([python, "-I", "-X", "utf8", "-c", query]).strip())


def remove_start_up_code(libraries: Path) -> None:
    """Remove the path files that run code in every start of this Python: a daemon holds keys.

    `coverage` installs one, to measure child processes; the tests do not use it.
    """
    for path in libraries.glob("*.pth"):
        lines = path.read_bytes().splitlines()
        if any(line.startswith((b"import ", b"import\t")) for line in lines):
            path.unlink()


def environments(program: Path) -> list[Path]:
    """Return the environments that the installer made, complete or not."""
    paths = sorted(program.iterdir()) if program.is_dir() else []
    return [
        path
        for path in paths
        if _NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    ]


def is_complete(environment: Path) -> bool:
    return (environment / DIGEST_FILE).exists() and python_of(environment).exists()


def remove_unused(environment: Path) -> bool:
    """Remove an environment; return False, and leave it, while a process uses it."""
    if is_in_use(environment):
        return False
    (environment / DIGEST_FILE).unlink(missing_ok=True)  # first: what is left is incomplete
    shutil.rmtree(environment)
    return True


def version_of(environment: Path) -> str:
    """Return the version in the name of an environment."""
    return environment.name.rpartition("-")[0]
