"""Runs every check of the project: `python3 tests [--long] [arguments for pytest…]`.

Imports the standard library only, because it runs before anything is installed. All stages run,
also after one has failed. One stage more than there are cores runs at the same time, because tests
that start processes also wait; the longest stages come first. The end of the output shows the
slowest tests, the stages that failed with the reasons, and how many tests passed, failed and were
skipped; with `--long` also the coverage per package. With arguments for pytest the tests run as one
stage.

`python3 tests --relock` writes the five hash-pinned locks anew from `pyproject.toml`.
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
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, TypeAlias
from xml.etree import ElementTree as ET  # its usual name

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "client-ts"
SDKS_LOCK = "tests/differential/requirements.lock"
NODE_LOCK = "tests/code_server/requirements.lock"
SDKS_VENV = ROOT / ".venv" / "differential"  # inside, so that it is removed with the other
NEOVIM_LOCK = "tests/editors/requirements.lock"
NEOVIM_VENV = ROOT / ".venv" / "neovim"
NODE_OLDEST = 20

E2E = ("tests/e2e",)
PROGRAMS = (
    "tests/cli",
    "tests/editors",
    "tests/examples",
    "tests/installer",
    "tests/interop",
    "tests/keysource",
    "tests/rpc/test_process.py",
    "tests/sandbox",
    "tests/services/test_diagnostics.py",
    "tests/test_bootstrap.py",
    "tests/test_replay.py",
    "tests/tools",
    "tests/ui",
)
"""Tests that start processes and mostly wait for them. All other tests compute."""

SLOWEST_SHOWN = 12
STDERR_SHOWN_LINES = 80

# Debian's name of a package, and a program that shows that it is installed.
SYSTEM_PACKAGES = {
    "chromium": "chromium",
    "dbus": "dbus-daemon",
    "emacs-nox": "emacs",
    "g++": "g++",
    "gnome-keyring": "gnome-keyring-daemon",
    "libkrb5-dev": "krb5-config",
    "make": "make",
    "neovim": "nvim",
    "tmux": "tmux",
}

_NODE_COUNT = re.compile(r"^(?:#|ℹ) (pass|fail|cancelled|skipped) (\d+)$", re.MULTILINE)  # noqa: RUF001  # what node prints
_NODE_FIGURES = re.compile(r"^(?:#|ℹ) (figures: .+)$", re.MULTILINE)  # noqa: RUF001  # what node prints
_NODE_SKIPPED = re.compile(r"^ *(?:ok \d+ - .*|﹣ .*) # (?:SKIP )?(.+)$", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Tally(NamedTuple):
    """The result of one stage. `note` says why it was skipped or failed as a whole.

    `reasons` are the failed tests of pytest, or the end of its stderr where none failed: it runs
    code after the last test, too.
    """

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""
    slow: tuple[tuple[float, str], ...] = ()  # seconds and name of each test
    reasons: tuple[str, ...] = ()
    stage: str = ""


Stage: TypeAlias = tuple[str, Callable[[], Tally]]


def main(words: list[str]) -> int:
    """Set up, run every stage, print the sums; return 0 when tests ran and none failed."""
    server = _bootstrap()
    server.prepare("tests")
    python = str(server.PYTHON)
    if "--relock" in words:
        return _relock(python)
    if words[:1] == ["new-provider"]:
        scaffold = [python, "-I", "-X", "utf8", "tests/tools/new_provider.py", *words[1:]]
        return subprocess.run(scaffold, check=False, cwd=ROOT).returncode
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) if "--long" in words and not _are_for_pytest(words) else None
        tallies = [
            _stage("system", lambda: _system_packages(words)),
            _stage("neovim", lambda: _neovim(python, words)),
        ]
        with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:
            stages = _stages(python, words, data)
            tallies += pool.map(lambda stage: _stage(*stage), stages)
        _print_slowest(tallies)
        if data is not None:
            _print_coverage(python, data)
    _print_failed(tallies)
    passed = sum(tally.passed for tally in tallies)
    failed = sum(tally.failed for tally in tallies)
    skipped = sum(tally.skipped for tally in tallies)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed and not failed else 1


def _are_for_pytest(words: list[str]) -> bool:
    return bool([word for word in words if word != "--long"])


def _stages(python: str, words: list[str], data: Path | None) -> list[Stage]:
    """Return the stages, the longest first. `data` is the folder for coverage, if measured."""
    if _are_for_pytest(words):
        tests: list[Stage] = [("pytest", lambda: _pytest(python, words, live=True))]
    else:
        apart = [f"--ignore={place}" for place in (*E2E, *PROGRAMS)]
        tests = [
            ("pytest", lambda: _pytest(python, [*words, *apart], data=data, live=True)),
            ("e2e", lambda: _pytest(python, [*words, *E2E], data=data)),
            ("programs", lambda: _pytest(python, [*words, *PROGRAMS], data=data)),
        ]
    return [
        *tests,
        ("typescript", lambda: _typescript(python, words)),
        ("types", lambda: _check([python, "-I", "-m", "mypy"])),
        ("lint", lambda: _check([python, "-I", "-m", "ruff", "check", "--quiet", "."])),
        ("format", lambda: _check([python, "-I", "-m", "ruff", "format", "--check", "."])),
        ("sdks", lambda: _sdks(python, words)),
    ]


def _bootstrap() -> ModuleType:
    """Load `server/__main__.py`, which makes the environment."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "server" / "__main__.py")
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


def _stage(name: str, run: Callable[[], Tally]) -> Tally:
    began = time.monotonic()
    tally = run()
    seconds = time.monotonic() - began
    result = "failed" if tally.failed else "ok" if tally.passed else "skipped"
    print(f"== {name:<10} {result:<8}{seconds:6.1f} s  {tally.note}".rstrip(), flush=True)
    return tally._replace(stage=name)


def _check(command: list[str]) -> Tally:
    """Run a command whose output matters only when it fails."""
    done = _run(command)
    if done.returncode == 0:
        return Tally(passed=1)
    print(done.stdout, flush=True)
    return Tally(failed=1, note=f"exit code {done.returncode}")


def _system_packages(words: list[str]) -> Tally:
    """Install the system packages that some tests need. Without them those tests are skipped."""
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
            return Tally(failed=1, note=f"{' '.join(command[:2])}: exit code {done.returncode}")
    return Tally(passed=1, note=f"installed {names}")


def _pytest(
    python: str, words: list[str], *, data: Path | None = None, live: bool = False
) -> Tally:
    """Run pytest; with `data`, measure coverage into that folder. `live` shows output at once."""
    base = [python, "-I", "-X", "utf8", "-m"]
    env = None
    if data is not None:
        base += ["coverage", "run", "-m"]
        env = os.environ | {"COVERAGE_FILE": str(data / "coverage")}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [*base, "pytest", f"--junit-xml={report}", *words]
        done = subprocess.run(
            command,
            check=False,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=None if live else subprocess.PIPE,
            stderr=subprocess.PIPE,  # apart, because a pipe of both shows it before all tests
            encoding="utf-8",
            errors="replace",
        )
        code, errors = done.returncode, done.stderr.splitlines()[-STDERR_SHOWN_LINES:]
        print(done.stdout or "", done.stderr, sep="", flush=True)
        try:
            suites = list(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314  # our own file
        except (OSError, ET.ParseError):
            note = f"exit code {code} and no report"
            return Tally(failed=1, note=note, reasons=tuple(errors))
    total, failed, skipped = (
        sum(int(suite.get(key, "0")) for suite in suites for key in keys)
        for keys in (("tests",), ("failures", "errors"), ("skipped",))
    )
    note = f"exit code {code}" if code else ""
    cases = [case for suite in suites for case in suite.iter("testcase")]
    reasons = [_name(case) for case in cases if {"failure", "error"} & {part.tag for part in case}]
    if (
        code and not failed
    ):  # it stopped early, or failed after the last test, or had nothing to run
        failed, total, reasons = 1, total + 1, errors
    passed = max(total - failed - skipped, 0)
    return Tally(passed, failed, skipped, note, _slowest(cases), tuple(reasons))


def _name(case: ET.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"


def _slowest(cases: list[ET.Element]) -> tuple[tuple[float, str], ...]:
    times = [(float(case.get("time", "0")), _name(case)) for case in cases]
    return tuple(sorted(times, reverse=True)[:SLOWEST_SHOWN])


def _print_slowest(tallies: list[Tally]) -> None:
    slow = sorted((test for tally in tallies for test in tally.slow), reverse=True)
    if slow:
        print(f"slowest {len(slow[:SLOWEST_SHOWN])} tests:")
    for seconds, name in slow[:SLOWEST_SHOWN]:
        print(f"  {seconds:6.1f} s  {name}")


def _print_failed(tallies: list[Tally]) -> None:
    """Repeat at the end, after the output of all stages, which of them failed and why."""
    for tally in tallies:
        if tally.failed:
            print(f"failed: {tally.stage}  {tally.note}".rstrip())
            print("".join(f"  {line}\n" for line in tally.reasons), end="")


def _print_coverage(python: str, data: Path) -> None:
    """Print the covered lines and branches of each package."""
    base = [python, "-I", "-m", "coverage"]
    env = os.environ | {"COVERAGE_FILE": str(data / "coverage")}
    report = data / "coverage.json"
    for words in (["combine", "--quiet"], ["json", "--quiet", "-o", str(report)]):
        done = _run([*base, *words], env=env)
        if done.returncode:
            print(done.stdout, flush=True)
            return
    packages: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for name, file in json.loads(report.read_text(encoding="utf-8"))["files"].items():
        counts = [file["summary"][key] for key in _COVERAGE_KEYS]
        for package in (_package(Path(name)), "total"):
            packages[package] = [a + b for a, b in zip(packages[package], counts, strict=True)]
    print("coverage, without the daemons that tests start as processes:")
    for package, (lines, all_lines, branches, all_branches) in sorted(packages.items()):
        of_lines = f"{_percent(lines, all_lines)} of {all_lines:6} lines"
        of_branches = f"{_percent(branches, all_branches)} of {all_branches:5} branches"
        print(f"  {package:28} {of_lines}, {of_branches}")


_COVERAGE_KEYS = ("covered_lines", "num_statements", "covered_branches", "num_branches")


def _package(path: Path) -> str:
    """Return the package of a file of byokd; dialects and services are shown one by one."""
    parts = path.relative_to("server/byokd").with_suffix("").parts
    depth = 2 if parts[0] in {"dialects", "services"} and len(parts) > 2 else 1
    return ".".join(parts[:depth])


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:5.1f} %" if whole else "    - %"


def _neovim(python: str, words: list[str]) -> Tally:
    """Install a newer Neovim than distributions have, for the tests of the plugin."""
    if "--long" not in words:
        there = (NEOVIM_VENV / "bin" / "nvim").exists()
        return Tally(passed=1) if there else Tally(skipped=1, note="installed only by --long")
    problem = _install_apart(python, NEOVIM_VENV, NEOVIM_LOCK)
    return Tally(failed=1, note=problem) if problem else Tally(passed=1)


def _install_apart(python: str, place: Path, lock: str) -> str:
    """Install a lock in an environment of its own; return what went wrong, or ""."""
    uv = [python, "-I", "-m", "uv"]
    install = ["--quiet", "--require-hashes", "--only-binary", ":all:", "--python", str(place)]
    for command in (
        [*uv, "venv", "--quiet", "--allow-existing", "--python", python, str(place)],
        [*uv, "pip", "sync", *install, lock],
    ):
        done = _run(command)
        if done.returncode:
            print(done.stdout, flush=True)
            return f"uv {command[4]}: exit code {done.returncode}"
    return ""


def _sdks(python: str, words: list[str]) -> Tally:
    """Compare the dialects with the vendors' clients, in an environment of their own."""
    if "--long" not in words:
        return Tally(skipped=1, note="the vendors' own clients are installed only by --long")
    if problem := _install_apart(python, SDKS_VENV, SDKS_LOCK):
        return Tally(failed=1, note=problem)
    inside = SDKS_VENV / Path(python).relative_to(ROOT / ".venv")
    return _pytest(str(inside), ["--long", "-o", "pythonpath=tests server", "tests/differential"])


def _typescript(python: str, words: list[str]) -> Tally:
    """Build the TypeScript packages and test them with the daemon of this environment.

    The extension is tested in VS Code, where code-server is installed; `--long` installs it.
    """
    if reason := _no_node():
        return Tally(skipped=1, note=reason)
    npm = shutil.which("npm") or "npm"
    env = os.environ | {"BYOKD_PYTHON": python, "NO_COLOR": "1", "FORCE_COLOR": "0"}
    steps = [[npm, "run", "build"]]
    if not _npm_is_installed():
        steps.insert(0, [npm, "ci", "--no-audit", "--no-fund", "--prefer-offline"])
    if "--long" in words:
        steps.append([python, "-I", str(ROOT / "tests" / "code_server"), python])
    for step in steps:
        done = _run(step, cwd=CLIENT, env=env)
        if done.returncode:
            print(done.stdout, flush=True)
            return Tally(failed=1, note=f"{' '.join(step[1:3])}: exit code {done.returncode}")
    suites = [_run([npm, *suite], cwd=CLIENT, env=env) for suite in (["test"], ["run", "e2e"])]
    return _node_tally(suites)


def _node_tally(suites: list[subprocess.CompletedProcess[str]]) -> Tally:
    counts = {"pass": 0, "fail": 0, "cancelled": 0, "skipped": 0}
    output = _COLOUR.sub("", "".join(suite.stdout for suite in suites))
    for name, number in _NODE_COUNT.findall(output):
        counts[name] += int(number)
    for figures in _NODE_FIGURES.findall(output):
        print(figures, flush=True)
    for suite in suites:
        if suite.returncode:
            print(suite.stdout, flush=True)
            counts["fail"] = max(counts["fail"], 1)
    reasons = sorted(set(_NODE_SKIPPED.findall(output)))
    note = "; ".join(f"skipped: {reason}" for reason in reasons)
    return Tally(counts["pass"], counts["fail"] + counts["cancelled"], counts["skipped"], note)


def _no_node() -> str:
    """Return why the TypeScript part cannot run here, or "" when it can."""
    if not (CLIENT / "package-lock.json").exists():
        return "there is no client-ts here"
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        return f"node and npm are not installed; version {NODE_OLDEST} or newer is needed"
    version = _run([node, "--version"]).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < NODE_OLDEST:
        return f"node is {version}; version {NODE_OLDEST} or newer is needed"
    return ""


def _npm_is_installed() -> bool:
    """Return whether the installed packages are those of the lock."""
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
    """Write the locks, with hashes, markers for every platform and no address of an index."""
    base = [python, "-I", "-m", "uv", "pip", "compile", "--quiet", "--universal"]
    base += ["--generate-hashes", "--only-binary", ":all:", "--no-emit-index-url", "--no-annotate"]
    base += ["--python-version", "3.11", "--custom-compile-command", "python3 tests --relock"]
    runtime, tests = "server/requirements.lock", "tests/requirements.lock"
    sdks = ["-c", runtime, "-c", tests, "pyproject.toml", "--group", "differential"]
    for command in (
        [*base, "--upgrade", "pyproject.toml", "-o", runtime],
        [*base, "--upgrade", "-c", runtime, "pyproject.toml", "--group", "dev", "-o", tests],
        [*base, "--upgrade", *sdks, "-o", SDKS_LOCK],
        [*base, "--upgrade", "--group", "editors", "-o", NEOVIM_LOCK],
        [*base, "--upgrade", "--group", "code-server", "-o", NODE_LOCK],
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
