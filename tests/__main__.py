"""Every check, in one command: `python3 tests [--long] [words for pytest…]`.

Knows the stages and how to count what each found. Must not import anything but the standard
library, because it runs before anything is installed. A stage that fails does not stop the next:
one run shows everything. The last line says how many passed, failed and were skipped.

Two lanes run side by side: what only computes, and what starts processes and mostly waits for
them. The first shows its output as it comes, the second when a stage ends. With words for pytest
there is one lane.

`python3 tests --relock` writes the three hash-pinned locks anew from `pyproject.toml`.
`python3 tests new-provider ID …` adds a provider to the catalog.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, TypeAlias
from xml.etree import ElementTree as ET  # its usual name

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "client-ts"
SDKS_LOCK = "tests/differential/requirements.lock"
SDKS_VENV = ROOT / ".venv" / "differential"  # inside, so that it goes when the other is made anew
NODE_OLDEST = 20

PROCESSES = (
    "tests/cli",
    "tests/e2e",
    "tests/examples",
    "tests/interop",
    "tests/keysource",
    "tests/rpc/test_process.py",
    "tests/sandbox",
    "tests/services/test_diagnostics.py",
    "tests/test_bootstrap.py",
    "tests/test_replay.py",
)
"""The tests that start processes and wait for them, for the second lane."""

# Debian's name of a package, and the program by which it is known to be there.
SYSTEM_PACKAGES = {
    "dbus": "dbus-daemon",
    "emacs-nox": "emacs",
    "gnome-keyring": "gnome-keyring-daemon",
    "neovim": "nvim",
}

_NODE_COUNT = re.compile(r"^(?:#|ℹ) (pass|fail|cancelled|skipped) (\d+)$", re.MULTILINE)  # noqa: RUF001  # what node prints
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Tally(NamedTuple):
    """What one stage found, and why where it was skipped or failed as a whole."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""


Lane: TypeAlias = list[tuple[str, Callable[[], Tally]]]
"""Stages that run one after the other."""


def main(words: list[str]) -> int:
    """Set up, run every stage, sum up; 0 only when something ran and nothing failed."""
    server = _bootstrap()
    server.prepare("tests")
    python = str(server.PYTHON)
    if "--relock" in words:
        return _relock(python)
    if words[:1] == ["new-provider"]:
        scaffold = [python, "-I", "-X", "utf8", "tests/tools/new_provider.py", *words[1:]]
        return subprocess.run(scaffold, check=False, cwd=ROOT).returncode
    static: Lane = [
        ("format", lambda: _check([python, "-I", "-m", "ruff", "format", "--check", "."])),
        ("lint", lambda: _check([python, "-I", "-m", "ruff", "check", "--quiet", "."])),
        ("types", lambda: _check([python, "-I", "-m", "mypy"])),
    ]
    others: Lane = [
        ("sdks", lambda: _sdks(python, words)),
        ("typescript", lambda: _typescript(python)),
    ]
    if [word for word in words if word != "--long"]:
        tallies = _lane([*static, ("pytest", lambda: _pytest(python, words)), *others])
    else:
        apart = [f"--ignore={place}" for place in PROCESSES]
        computing: Lane = [*static, ("pytest", lambda: _pytest(python, [*words, *apart]))]
        waiting: Lane = [
            ("processes", lambda: _pytest(python, [*words, *PROCESSES], shown_at_once=False)),
            *others,
        ]
        with ThreadPoolExecutor(2) as pool:
            tallies = [tally for lane in pool.map(_lane, (computing, waiting)) for tally in lane]
    passed = sum(tally.passed for tally in tallies)
    failed = sum(tally.failed for tally in tallies)
    skipped = sum(tally.skipped for tally in tallies)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed and not failed else 1


def _bootstrap() -> ModuleType:
    """Load the server's bootstrap, which knows how to make the environment."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "server" / "__main__.py")
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


def _lane(stages: Lane) -> list[Tally]:
    return [_stage(name, run) for name, run in stages]


def _stage(name: str, run: Callable[[], Tally]) -> Tally:
    began = time.monotonic()
    tally = run()
    took = time.monotonic() - began
    words = "failed" if tally.failed else "ok" if tally.passed else "skipped"
    print(f"== {name:<10} {words:<8}{took:6.1f} s  {tally.note}".rstrip(), flush=True)
    return tally


def _check(command: list[str]) -> Tally:
    """Run something that says nothing of use when all is well."""
    done = _run(command)
    if done.returncode == 0:
        return Tally(passed=1)
    print(done.stdout, flush=True)
    return Tally(failed=1, note=f"ended with {done.returncode}")


def _system_packages(words: list[str]) -> Tally:
    """Install what some tests need of the system; without it they are skipped and say so."""
    missing = {name for name, program in SYSTEM_PACKAGES.items() if not shutil.which(program)}
    names = " ".join(sorted(missing))
    if not missing:
        return Tally(passed=1)
    if "--long" not in words:
        return Tally(skipped=1, note=f"{names}: installed only by --long")
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return Tally(skipped=1, note=f"{names}: installed only as root, where there is apt-get")
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *sorted(missing)]
    for command in (["apt-get", "update", "--quiet"], install):
        done = _run(command, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
        if done.returncode:
            print(done.stdout, flush=True)
            return Tally(failed=1, note=f"{' '.join(command[:2])} ended with {done.returncode}")
    return Tally(passed=1, note=f"installed {names}")


def _pytest(python: str, words: list[str], *, shown_at_once: bool = True) -> Tally:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [python, "-I", "-X", "utf8", "-m", "pytest", f"--junit-xml={report}", *words]
        if shown_at_once:
            code = subprocess.run(
                command, check=False, cwd=ROOT, stdin=subprocess.DEVNULL
            ).returncode
        else:
            done = _run(command)
            code = done.returncode
            print(done.stdout, flush=True)
        try:
            suites = list(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314  # our own file
        except (OSError, ET.ParseError):
            return Tally(failed=1, note=f"ended with {code} and no report")
    total, failed, skipped = (
        sum(int(suite.get(key, "0")) for suite in suites for key in keys)
        for keys in (("tests",), ("failures", "errors"), ("skipped",))
    )
    note = f"ended with {code}" if code else ""
    if code and not failed:  # it stopped before it could count, or found nothing to run
        failed, total = 1, total + 1
    return Tally(max(total - failed - skipped, 0), failed, skipped, note)


def _sdks(python: str, words: list[str]) -> Tally:
    """Hold our dialects against the vendors' own clients, which stand where nothing else does."""
    if "--long" not in words:
        return Tally(skipped=1, note="the vendors' own clients are installed only by --long")
    uv = [python, "-I", "-m", "uv"]
    install = ["--quiet", "--require-hashes", "--only-binary", ":all:", "--python", str(SDKS_VENV)]
    for command in (
        [*uv, "venv", "--quiet", "--allow-existing", "--python", python, str(SDKS_VENV)],
        [*uv, "pip", "sync", *install, SDKS_LOCK],
    ):
        done = _run(command)
        if done.returncode:
            print(done.stdout, flush=True)
            return Tally(failed=1, note=f"uv {command[4]} ended with {done.returncode}")
    inside = SDKS_VENV / Path(python).relative_to(ROOT / ".venv")
    return _pytest(str(inside), ["--long", "-o", "pythonpath=tests server", "tests/differential"])


def _typescript(python: str) -> Tally:
    """Build and test the client library against the daemon of this environment."""
    if reason := _no_node():
        return Tally(skipped=1, note=reason)
    npm = shutil.which("npm") or "npm"
    env = os.environ | {"BYOKD_PYTHON": python, "NO_COLOR": "1", "FORCE_COLOR": "0"}
    steps = [["run", "build"]]
    if not _npm_stands():
        steps.insert(0, ["ci", "--no-audit", "--no-fund", "--prefer-offline"])
    for step in steps:
        done = _run([npm, *step], cwd=CLIENT, env=env)
        if done.returncode:
            print(done.stdout, flush=True)
            return Tally(failed=1, note=f"npm {step[0]} ended with {done.returncode}")
    done = _run([npm, "test"], cwd=CLIENT, env=env)
    counts = {"pass": 0, "fail": 0, "cancelled": 0, "skipped": 0}
    for name, number in _NODE_COUNT.findall(_COLOUR.sub("", done.stdout)):
        counts[name] += int(number)
    if done.returncode:
        print(done.stdout, flush=True)
        counts["fail"] = max(counts["fail"], 1)
    return Tally(counts["pass"], counts["fail"] + counts["cancelled"], counts["skipped"])


def _no_node() -> str:
    """Say why the TypeScript part cannot run here; nothing when it can."""
    if not (CLIENT / "package-lock.json").exists():
        return "there is no client-ts here"
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        return f"node and npm are not installed; version {NODE_OLDEST} or newer is needed"
    version = _run([node, "--version"]).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < NODE_OLDEST:
        return f"node is {version}; version {NODE_OLDEST} or newer is needed"
    return ""


def _npm_stands() -> bool:
    """Tell whether what is installed is what the lock asks for."""
    try:
        wanted = json.loads((CLIENT / "package-lock.json").read_text(encoding="utf-8"))
        installed = json.loads(
            (CLIENT / "node_modules" / ".package-lock.json").read_text(encoding="utf-8")
        )
    except (OSError, ValueError):
        return False
    places = {place for place in wanted["packages"] if place.startswith("node_modules/")}
    have = installed["packages"]
    return all(
        have.get(place, {}).get("version") == wanted["packages"][place].get("version")
        for place in places
        if not wanted["packages"][place].get("optional")
    )


def _relock(python: str) -> int:
    """Write the locks: hashes, markers for every platform, and no address of any index."""
    base = [python, "-I", "-m", "uv", "pip", "compile", "--quiet", "--universal"]
    base += ["--generate-hashes", "--only-binary", ":all:", "--no-emit-index-url", "--no-annotate"]
    base += ["--python-version", "3.11", "--custom-compile-command", "python3 tests --relock"]
    runtime, tests = "server/requirements.lock", "tests/requirements.lock"
    sdks = ["-c", runtime, "-c", tests, "pyproject.toml", "--group", "differential"]
    for command in (
        [*base, "--upgrade", "pyproject.toml", "-o", runtime],
        [*base, "--upgrade", "-c", runtime, "pyproject.toml", "--group", "dev", "-o", tests],
        [*base, "--upgrade", *sdks, "-o", SDKS_LOCK],
    ):
        done = _run(command)
        if done.returncode:
            print(done.stdout)
            return 1
    return 0


def _run(
    command: list[str], cwd: Path = ROOT, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        check=False,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
