"""The bootstraps make the environment once, from hash-pinned locks without index addresses."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from byokd.installer.environment import remove_start_up_code
from byokd.installer.processes import run
from source_tree import ROOT

BOOTSTRAPS = (ROOT / "server" / "__main__.py", ROOT / "tests" / "__main__.py")
INSTALLER = sorted((ROOT / "server" / "byokd" / "installer").glob("*.py"))
LOCKS = {name: ROOT / name / "requirements.lock" for name in ("server", "tests")}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _normal(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def _pins(text: str) -> dict[str, tuple[str, int]]:
    """Return the version and the number of hashes by name."""
    pins = {}
    for block in re.split(r"\n(?=[a-z0-9])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)):
        name, version = block.split(" ", 1)[0].strip().split("==")
        pins[name] = (version, len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", block)))
    return pins


@pytest.mark.parametrize("name", LOCKS)
def test_lock_has_hashes_and_no_address(name: str) -> None:
    text = LOCKS[name].read_text(encoding="utf-8")
    assert not re.findall(r"://|file:|--(?:extra-)?index-url|--find-links|\s@\s|(?m:^-e)", text)
    unpinned = [pin for pin, (_, hashes) in _pins(text).items() if not hashes]
    assert not unpinned


@pytest.mark.parametrize(
    ("name", "requirements"),
    [
        ("server", PYPROJECT["project"]["dependencies"]),
        ("tests", PYPROJECT["project"]["dependencies"]),
        ("tests", PYPROJECT["dependency-groups"]["dev"]),
    ],
)
def test_lock_has_every_requirement(name: str, requirements: list[str]) -> None:
    pins = _pins(LOCKS[name].read_text(encoding="utf-8"))
    assert not {_normal(requirement) for requirement in requirements} - pins.keys()


def test_locks_pin_the_same_versions() -> None:
    shipped = _pins(LOCKS["server"].read_text(encoding="utf-8"))
    tested = _pins(LOCKS["tests"].read_text(encoding="utf-8"))
    assert {name: version for name, (version, _) in shipped.items()} == {
        name: version for name, (version, _) in tested.items() if name in shipped
    }
    assert "pytest" not in shipped


@pytest.mark.parametrize("path", [*BOOTSTRAPS, *INSTALLER], ids=lambda path: path.parent.name)
def test_bootstrap_imports_only_the_standard_library_and_the_installer(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom):
            name = str(node.module)
            assert (
                name.split(".", maxsplit=1)[0] in sys.stdlib_module_names
                or "byokd.installer" in name
            )


# --- making the environment -----------------------------------------------------------------------


@pytest.fixture
def bootstrap(tmp_path: Path) -> Any:
    """Load the bootstrap for a project in a temporary folder, with two empty locks."""
    module = _load()
    for name in ("server", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.lock").write_text("", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    module.ROOT = tmp_path
    module.VENV = tmp_path / ".venv"
    module.PYTHON = module.VENV / module.PYTHON.relative_to(ROOT / ".venv")
    module.LOCKS = {
        "runtime": tmp_path / "server" / "requirements.lock",
        "tests": tmp_path / "tests" / "requirements.lock",
    }
    return module


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("bootstrap", BOOTSTRAPS[0])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Installer:
    """Replaces venv and pip: creates the file of the Python, and records the steps."""

    def __init__(self, bootstrap: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[str] = []
        self.fails_at: str | None = None
        self._python: Path = bootstrap.PYTHON
        monkeypatch.setattr(bootstrap.environment, "make_environment", self.make)
        monkeypatch.setattr(bootstrap.environment, "install_packages", self.fill)
        bootstrap._link = lambda: self.ran.append("link")

    def make(self, _folder: Path, _lock: int) -> None:
        self._step("venv")
        self._python.parent.mkdir(parents=True, exist_ok=True)
        self._python.touch()

    def fill(self, _python: str, _requirements: Path, *, lock: int) -> None:
        assert lock
        self._step("pip")

    def _step(self, step: str) -> None:
        self.ran.append(step)
        if step == self.fails_at:
            raise KeyboardInterrupt


@pytest.fixture
def installer(bootstrap: Any, monkeypatch: pytest.MonkeyPatch) -> Installer:
    return Installer(bootstrap, monkeypatch)


def test_environment_is_made_once(bootstrap: Any, installer: Installer) -> None:
    bootstrap.prepare("runtime")
    assert installer.ran == ["venv", "pip", "link"]
    bootstrap.prepare("runtime")
    assert installer.ran == ["venv", "pip", "link"]


def test_requirements_of_the_tests_are_added(bootstrap: Any, installer: Installer) -> None:
    bootstrap.prepare("runtime")
    bootstrap.prepare("tests")
    assert installer.ran == ["venv", "pip", "link", "pip", "link"]
    bootstrap.prepare("runtime")
    bootstrap.prepare("tests")
    assert len(installer.ran) == 5


def test_environment_of_the_tests_includes_the_runtime(
    bootstrap: Any, installer: Installer
) -> None:
    bootstrap.prepare("tests")
    bootstrap.prepare("runtime")
    assert installer.ran == ["venv", "pip", "link"]


@pytest.mark.parametrize(("before", "step"), [((), "venv"), ((), "pip"), (("runtime",), "pip")])
def test_interrupted_environment_is_made_anew(
    bootstrap: Any, installer: Installer, before: tuple[str, ...], step: str
) -> None:
    for which in before:
        bootstrap.prepare(which)
    installer.fails_at = step
    with pytest.raises(KeyboardInterrupt):
        bootstrap.prepare("tests")
    assert not bootstrap._is_complete("runtime")
    installer.ran, installer.fails_at = [], None
    bootstrap.prepare("tests")
    assert installer.ran == ["venv", "pip", "link"]


def test_changed_lock_makes_the_environment_anew(bootstrap: Any, installer: Installer) -> None:
    bootstrap.prepare("runtime")
    bootstrap.LOCKS["runtime"].write_text("# changed\n", encoding="utf-8")
    bootstrap.prepare("runtime")
    assert installer.ran == ["venv", "pip", "link"] * 2


def test_missing_python_makes_the_environment_anew(bootstrap: Any, installer: Installer) -> None:
    bootstrap.prepare("runtime")
    bootstrap.PYTHON.unlink()
    bootstrap.prepare("runtime")
    assert installer.ran == ["venv", "pip", "link"] * 2


@pytest.mark.parametrize("version", [(3, 10), (3, 15), (2, 7)])
def test_unsupported_python_is_an_error_with_a_hint(
    bootstrap: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    version: tuple[int, int],
) -> None:
    monkeypatch.setattr(sys, "version_info", (*version, 0))
    with pytest.raises(SystemExit):
        bootstrap.prepare("runtime")
    first, second = capsys.readouterr().err.splitlines()
    assert first == (
        f"error: this is Python {version[0]}.{version[1]}; byokd needs 3.11, 3.12, 3.13 or 3.14"
    )
    assert second.startswith("hint: ")


def test_python_without_venv_is_an_error_with_a_hint(
    bootstrap: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SystemExit):
        bootstrap.prepare("runtime")
    assert "apt install python3-venv" in capsys.readouterr().err


def test_failed_step_shows_its_output(
    bootstrap: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = [sys.executable, "-I", "-c", "print('the reason'); raise SystemExit(3)"]
    monkeypatch.setattr(bootstrap.environment, "make_environment", lambda *_: run(program))
    with pytest.raises(SystemExit):
        bootstrap.prepare("runtime")
    output = capsys.readouterr().err
    assert "\nthe reason\n" in output
    assert "exit code 3" in output


@pytest.mark.long
def test_two_bootstraps_at_once_make_one_environment(bootstrap: Any) -> None:
    """With the real venv and pip."""
    root: Path = bootstrap.ROOT
    script = root / "server" / "__main__.py"
    script.write_text(BOOTSTRAPS[0].read_text(encoding="utf-8"), encoding="utf-8")
    package = root / "server" / "byokd"
    shutil.copytree(INSTALLER[0].parent, package / "installer")
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys, json; print(json.dumps(sys.argv[1:]))")
    both = [
        subprocess.Popen(
            [sys.executable, "-I", str(script), "a word", "--flag"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
        )
        for _ in range(2)
    ]
    outputs = [process.communicate() for process in both]
    assert [json.loads(out) for out, _ in outputs] == [["a word", "--flag"]] * 2, outputs
    assert sum("making .venv" in err for _, err in outputs) == 1
    command = subprocess.run(
        [root / ".venv" / "bin" / "byokd", "x y"], capture_output=True, text=True, check=True
    )
    assert json.loads(command.stdout) == ["x y"]


def test_path_files_that_run_code_are_removed(tmp_path: Path) -> None:
    (tmp_path / "a1_hook.pth").write_text("# a comment\nimport sys; exec('pass')\n")
    (tmp_path / "b_path.pth").write_text("/somewhere/else\n")
    remove_start_up_code(tmp_path)
    assert [path.name for path in tmp_path.glob("*.pth")] == ["b_path.pth"]
