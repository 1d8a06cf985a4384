"""The installer as a process: its steps, upgrades, interruptions, and what it refuses to touch."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from byokd.installer.command import NOTE, command_text
from byokd.installer.environment import environments
from byokd.installer.locks import is_in_use, locked
from byokd.installer.places import places, python_of
from byokd.store.paths import store_paths
from installer.machine import Machine, notes, steps, wheel

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the command is a shell script")

ALL_STEPS = ["environment", "packages", "program", "check", "command"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_installed_command_needs_nothing_of_its_source(machine: Machine) -> None:
    package = wheel(machine.files, "1.0")
    reported = machine.install(package)
    shutil.rmtree(machine.files)
    assert steps(reported) == ALL_STEPS
    assert {"type": "packages", "done": 1, "total": 1} in reported
    [done] = [line for line in reported if line["type"] == "done"]
    assert done["command"] == str(machine.command)
    assert (done["version"], done["onPath"]) == ("1.0", False)
    assert "is not on your PATH" in notes(reported)
    assert machine.version() == "1.0"
    with machine.running() as process:
        out, _ = process.communicate("go on\n")
    assert out == "1.0 requirement\n"
    [environment] = environments(machine.program)
    assert not list(environment.glob("**/pip")), "the environment has only what byokd needs"
    assert machine.program.parent.stat().st_mode & 0o077 == 0


def test_environment_is_used_again_while_it_works(machine: Machine) -> None:
    package = wheel(machine.files, "1.0")
    machine.install(package)
    machine.command.unlink()
    machine.environment["PATH"] += os.pathsep + str(machine.command.parent)
    reported = machine.install(package)
    assert steps(reported) == ["command"]
    assert [line["onPath"] for line in reported if line["type"] == "done"] == [True]
    assert "PATH" not in notes(reported)
    assert machine.version() == "1.0"
    [environment] = environments(machine.program)
    python_of(environment).unlink()  # such as after an update of the system
    assert steps(machine.install(package)) == ALL_STEPS
    assert machine.version() == "1.0"


def test_running_version_stays_until_it_ends(machine: Machine) -> None:
    packages = [wheel(machine.files, version) for version in ("1.0", "2.0", "3.0")]
    machine.install(packages[0])
    with machine.running() as process:
        machine.install(packages[1])
        reported = machine.install(packages[2])
        assert "byokd 1.0 is running; a later install removes it" in notes(reported)
        assert machine.environments() == ["1.0", "2.0", "3.0"]
        assert machine.version() == "3.0"
        error = machine.uninstall(packages[2], code=1)[-1]
        assert error["message"] == "byokd is running: an editor or a terminal uses it"
        assert machine.environments() == ["1.0", "2.0", "3.0"]
        out, _ = process.communicate("go on\n")
        assert out == "1.0 requirement\n"
    machine.install(packages[2])
    assert machine.environments() == ["3.0"]
    machine.uninstall(packages[2])
    left = sorted(path.name for path in machine.home.rglob("*"))
    assert left == [".local", "bin", "share"]


def test_killed_installation_leaves_the_old_version_and_is_repaired(machine: Machine) -> None:
    machine.install(wheel(machine.files, "1.0"))
    package = wheel(machine.files, "2.0")
    for step in ALL_STEPS:
        with machine.installing(package) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if json.loads(line).get("step") == step:
                    process.kill()
                    break
        assert machine.version() in ({"1.0", "2.0"} if step == "command" else {"1.0"})
    machine.command.with_name("byokd.new").write_text("half a command")
    machine.install(package)
    assert machine.version() == "2.0"
    assert machine.environments() == ["1.0", "2.0"]
    assert sorted(path.name for path in machine.command.parent.iterdir()) == ["byokd"]


def test_ended_installation_ends_what_it_runs(machine: Machine) -> None:
    package = wheel(machine.files, "1.0")
    with machine.installing(package) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line).get("step") == "packages":
                process.send_signal(signal.SIGTERM)
                break
        rest = process.stdout.read()
    assert process.returncode == 130
    assert json.loads(rest.splitlines()[-1])["message"] == "interrupted"
    waited: list[bool] = []
    with locked(machine.program / "install.lock", lambda: waited.append(True)):
        assert not waited, "a process that is left holds the lock"


def test_installation_waits_for_another_one_and_says_so(machine: Machine) -> None:
    package = wheel(machine.files, "1.0")
    words = ["install", "--wheel", str(package), "--lock", str(machine.lock)]
    with locked(machine.program / "install.lock", pytest.fail):
        process = machine.start([*words, "--find-links", str(machine.files)], package)
        assert process.stderr is not None
        assert process.stderr.readline() == "byokd: another installation is running\n"
    out, err = process.communicate()
    assert (process.returncode, out) == (0, ""), err
    assert "byokd: installing 1 packages, each checked by its hash\n" in err
    assert err.endswith(f"byokd: begin with: {machine.command} ui\n")
    assert machine.version() == "1.0"


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_file_of_another_program_is_not_replaced(machine: Machine, kind: str) -> None:
    package = wheel(machine.files, "1.0")
    machine.command.parent.mkdir(parents=True)
    if kind == "file":
        machine.command.write_text("#!/bin/sh\necho mine\n")
    elif kind == "link":
        machine.command.symlink_to("/nowhere/byokd")
    else:
        machine.command.mkdir()
    error = machine.install(package, code=1)[-1]
    assert error["message"].endswith("is not from this installer, and is not replaced")
    assert ("a link to /nowhere/byokd" in error["message"]) is (kind == "link")
    assert error["hint"] == "move it away and try again; nothing was changed"
    assert machine.environments() == []
    assert "removed" not in notes(machine.uninstall(package))
    assert os.path.lexists(machine.command)


def test_package_with_another_hash_and_version_that_does_not_start_are_refused(
    machine: Machine,
) -> None:
    machine.install(wheel(machine.files, "1.0"))
    broken = wheel(machine.files, "2.0", "raise SystemExit('no module named nonsense')")
    assert machine.install(broken, code=1)[-1]["type"] == "error"
    assert "no module named nonsense" in machine.err
    assert machine.version() == "1.0"
    text = machine.lock.read_text()
    machine.lock.write_text(text[:-3] + ("00\n" if text[-3:] != "00\n" else "11\n"))
    error = machine.install(wheel(machine.files, "2.0"), code=1)[-1]
    assert error["hint"] == "its output is above"
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in machine.err
    assert machine.version() == "1.0"


def test_home_that_cannot_be_written_is_an_error_with_its_path(machine: Machine) -> None:
    (machine.home / ".local").write_text("")
    error = machine.install(wheel(machine.files, "1.0"), code=1)[-1]
    assert error["message"].startswith(str(machine.home / ".local"))
    assert error["hint"] == "check the file, its permissions and the free space"


# --- places, locks, the command -------------------------------------------------------------------


@pytest.mark.parametrize("xdg", [None, "/elsewhere", "not/absolute"])
def test_places_are_those_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, xdg: str | None
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        if xdg is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, xdg)
    store, place = store_paths(), places()
    if xdg != "not/absolute":
        assert (place.data, place.state, place.config) == (store.data, store.state, store.config)
    assert place.program == place.data / "program"
    assert place.command == tmp_path / ".local" / "bin" / "byokd"


def test_places_of_other_platforms_are_those_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    from platformdirs.macos import MacOS
    from platformdirs.windows import Windows

    monkeypatch.setenv("LOCALAPPDATA", "/c/Ada/AppData/Local")
    monkeypatch.setattr("platformdirs.windows.get_win_folder", lambda _name: "/c/Ada/AppData/Local")
    for platform, folders in (
        ("darwin", MacOS("byokd", appauthor=False)),
        ("win32", Windows("byokd", appauthor=False)),
    ):
        place = places(platform)
        assert place.data == folders.user_data_path
        assert place.state == folders.user_state_path / "state"
        assert place.config == folders.user_config_path
    assert places("win32").command.name == "byokd.cmd"


def test_environment_of_this_process_is_in_use_while_it_runs(tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").touch()
    assert not is_in_use(tmp_path)
    code = "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_SH); "
    code += "print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-I", "-c", code, str(tmp_path / "pyvenv.cfg")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert is_in_use(tmp_path)
        process.communicate("")
    assert not is_in_use(tmp_path)


def test_command_on_windows_has_no_letter_that_its_shell_cannot_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCALAPPDATA", "C:\\Users\\Ä b\\AppData\\Local")
    python = "C:\\Users\\Ä b\\AppData\\Local\\byokd\\program\\1.0-0\\Scripts\\python.exe"
    first, second = command_text(python, NOTE, windows=True).split("\r\n")[:2]
    assert first == f"@rem {NOTE}"
    assert second == (
        '@"%LOCALAPPDATA%\\byokd\\program\\1.0-0\\Scripts\\python.exe" -I -X utf8 -m byokd %*'
        " & exit /b"
    )
    assert command_text("D:\\p.exe", NOTE, windows=True).startswith(f'@rem {NOTE}\r\n@"D:\\p.exe"')
