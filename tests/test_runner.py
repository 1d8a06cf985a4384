"""The command `python3 tests` says at its end why a stage failed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

_LEAK_IN_A_CYCLE = """
import socket
def test_that_passes():
    cycle = [socket.socket()]
    cycle.append(cycle)
"""


@pytest.fixture
def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("runner", Path(__file__).parent / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _end(runner: ModuleType, file: Path, capfd: pytest.CaptureFixture[str]) -> tuple[str, ...]:
    """Run one file as a stage; return the lines about what failed."""
    tally = runner._stage("sample", lambda: runner._pytest(sys.executable, ["-Werror", str(file)]))
    capfd.readouterr()
    runner._print_failed([tally])
    return tuple(capfd.readouterr().out.splitlines())


def test_error_after_the_last_test_is_in_the_last_lines(
    runner: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "test_leak.py"
    file.write_text(_LEAK_IN_A_CYCLE)
    head, *reasons = _end(runner, file, capfd)
    assert head == "failed: sample  exit code 1"
    assert len(reasons) <= runner.STDERR_SHOWN_LINES
    assert any("ResourceWarning: unclosed <socket.socket" in line for line in reasons)


def test_failed_tests_are_named_at_the_end(
    runner: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "test_two.py"
    file.write_text("def test_good(): pass\ndef test_bad(): assert 0\n")
    head, *reasons = _end(runner, file, capfd)
    assert head == "failed: sample  exit code 1"
    assert [line.rpartition("::")[2] for line in reasons] == ["test_bad"]
