"""The wheel as people get it: built by the build backend, installed from its file, and run."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from byokd.installer.command import NOTE, write_command
from byokd.installer.environment import DIGEST_FILE, libraries_of, make_environment
from byokd.installer.install import Source
from byokd.installer.places import python_of
from installer.machine import Machine
from source_tree import PROVIDER_IDS, ROOT, SOURCE, tracked

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the command is a shell script")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    build = [sys.executable, "-I", "-m", "uv", "build", "--wheel", "--offline", "--quiet"]
    where = ["--no-build-isolation", "--python", sys.executable, "--out-dir", str(folder)]
    done = subprocess.run(
        [*build, *where, str(ROOT)],
        env=os.environ | {"PATH": programs},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [path] = folder.glob("*.whl")
    return path


def test_wheel_has_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    info = f"{wheel.name.split('-py3')[0]}.dist-info"
    package = {
        path.relative_to(SOURCE.parent).as_posix() for path in tracked() if SOURCE in path.parents
    }
    assert {name for name in names if not name.startswith(info)} == package
    for name in ("ui/assets/page.js", "ui/assets/page.css", "catalog/providers.json", "py.typed"):
        assert f"byokd/{name}" in names
    for name in ("sandbox/__main__.py", "testing/__main__.py"):  # for authors of clients
        assert f"byokd/{name}" in names
    assert f"{info}/licenses/LICENSE" in names


def test_metadata_is_what_an_index_shows(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11, <3.15"
    assert "Development Status :: 3 - Alpha" in metadata.get_all("Classifier", [])
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).lstrip().startswith("# byokd")


def test_installed_wheel_runs_and_uninstalls_itself(wheel: Path, tmp_path: Path) -> None:
    """The packages that it needs are those of this environment: nothing is downloaded."""
    machine = Machine(tmp_path)
    environment = machine.program / "0.1.0-0123456789ab"
    make_environment(environment)
    libraries = libraries_of(str(python_of(environment)))
    Source(wheel, machine.lock).copy_to(libraries)
    (libraries / "packages.pth").write_text(f"{libraries_of(sys.executable)}\n")
    (environment / DIGEST_FILE).touch()
    write_command(machine.command, str(python_of(environment)), NOTE)
    assert machine.version() == wheel.name.split("-")[1]
    where = subprocess.run(
        [python_of(environment), "-I", "-c", "import byokd; print(byokd.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(environment)
    printed = _run(machine, "providers")
    assert [name for name in PROVIDER_IDS if name not in printed] == []
    _run(machine, "schema", "--out", str(tmp_path))
    assert (tmp_path / "schema.json").read_bytes() == (SOURCE / "protocol/schema.json").read_bytes()
    removed = _run(machine, "uninstall")
    assert f"removed {machine.command}\n" in removed
    assert machine.environments() == []


def _run(machine: Machine, *words: str) -> str:
    done = subprocess.run(
        [machine.command, *words],
        env=machine.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_uninstall_of_another_byokd_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "byokd", "uninstall"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "error: this byokd was not installed by its installer" in done.stderr
