"""`byokd vault` on a real terminal, one daemon for each command; typed secrets are never shown."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from waits import WAIT_MAX_S

if sys.platform == "win32":
    pytest.skip("terminals are POSIX here", allow_module_level=True)

import pty

_PASSPHRASE, _OTHER = "correct horse battery", "staple of another kind"
_CODE = re.compile(r"(?:[A-Z2-7]{4}-){8}[A-Z2-7]{4}")


class Terminal:
    """One command on its own terminal."""

    def __init__(self, folder: Path, command: str, **environment: str) -> None:
        self.output = ""
        self._read = 0
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "byokd", "--data-dir", str(folder), *command.split()],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env=os.environ | {"COLUMNS": "200", "TERM": "dumb"} | environment,
        )  # fmt: skip
        os.close(slave)

    def answer(self, prompt: str, text: str) -> None:
        """Wait for the next prompt and type the answer."""
        give_up_at = time.monotonic() + WAIT_MAX_S
        while prompt not in self.output[self._read :]:
            assert self._read_more(give_up_at), self.output
        self._read = self.output.index(prompt, self._read) + len(prompt)
        os.write(self._master, f"{text}\n".encode())

    def end(self, code: int = 0) -> str:
        """Wait for the end of the command and return its output."""
        give_up_at = time.monotonic() + WAIT_MAX_S
        while self._read_more(give_up_at):
            pass
        os.close(self._master)
        assert self.process.wait(WAIT_MAX_S) == code, self.output
        return self.output

    def _read_more(self, give_up_at: float) -> bool:
        remaining_s = give_up_at - time.monotonic()
        if remaining_s <= 0 or not select.select([self._master], [], [], remaining_s)[0]:
            self.process.kill()
            pytest.fail(f"the output stopped after: {self.output}")
        try:
            data = os.read(self._master, 4096)
        except OSError:  # Linux says so when the other end is closed
            data = b""
        self.output += data.decode()
        return bool(data)


class Piped:
    """Commands without a terminal."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, command: str, *, passphrases: str | None = None, code: int = 0) -> str:
        """Run one and return what it output; `passphrases` are lines on an inherited descriptor."""
        reader, writer = os.pipe()
        os.write(writer, (passphrases or "").encode())
        os.close(writer)
        passphrase_option = [] if passphrases is None else ["--passphrase-fd", str(reader)]
        options = ["--data-dir", str(self._folder), *passphrase_option]
        process = subprocess.run(
            [sys.executable, "-m", "byokd", *options, *command.split()],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT_MAX_S,
            pass_fds=[reader], check=False,
        )  # fmt: skip
        os.close(reader)
        assert process.returncode == code, process.stdout + process.stderr
        return process.stdout + process.stderr


@pytest.fixture
def piped(tmp_path: Path) -> Piped:
    return Piped(tmp_path)


def _create_vault(folder: Path) -> str:
    """Create a vault under a passphrase; return the recovery code that was shown."""
    terminal = Terminal(folder, "vault init --protection passphrase --recovery-code")
    terminal.answer("New passphrase, 12 characters or more (hidden): ", _PASSPHRASE)
    terminal.answer("The same again (hidden): ", _PASSPHRASE)
    output = terminal.end()
    match = _CODE.search(output)
    assert match
    assert "Write it down" in output
    assert "opens the vault if its usual" in output
    assert _PASSPHRASE not in output
    return match[0]


def test_every_command_asks_for_the_passphrase(tmp_path: Path, piped: Piped) -> None:
    _create_vault(tmp_path)
    output = piped("keys list", code=1)
    assert "unlock it with its passphrase" in output
    assert "--passphrase-fd" in output
    assert "nothing to list" in piped("keys list", passphrases=f"{_PASSPHRASE}\n")
    listing = Terminal(tmp_path, "keys list")
    listing.answer("Passphrase (hidden): ", _OTHER)
    listing.answer("Passphrase (hidden): ", _PASSPHRASE)
    output = listing.end()
    assert "each try is slow on purpose" in output
    assert "nothing to list" in output
    assert _PASSPHRASE not in output
    assert _OTHER not in output


@pytest.mark.long
def test_each_slot_opens_the_vault(tmp_path: Path, piped: Piped) -> None:
    code = _create_vault(tmp_path)
    status = piped("vault status")
    assert "passphraseNeeded" in status
    assert code not in status
    assert "does not open the vault" in piped("keys list", passphrases="wrong enough\n", code=1)
    piped("vault rekey protection passphrase", passphrases=f"{_PASSPHRASE}\n{_OTHER}\n")
    renewed = Terminal(tmp_path, "vault rekey all")
    renewed.answer("Passphrase (hidden): ", _OTHER)
    renewed.answer("Keep the present recovery code", "y")
    renewed.answer("Recovery code (hidden): ", code.lower())
    assert code.lower() not in renewed.end()
    recovered = Terminal(
        tmp_path, "vault rekey protection keyFile --accept-risk keyFile --recovery-code"
    )
    recovered.answer("Recovery code (hidden): ", code)
    assert "keyFile" in recovered.end()
    status = piped("vault status")
    assert "keyFile, weaker than an OS keyring" in status
    assert "unlocked" in status
    assert re.search(r"recoveryCode +slot_[a-z2-7]{26} active since", status)
    assert "name the slot by its id" in piped("vault rekey remove passphrase", code=2)
    piped("vault rekey remove recoveryCode")
    assert "locked" in piped("vault lock")
    assert "unlocked" in piped("vault unlock")


@pytest.mark.parametrize(
    "command",
    [
        "vault init --protection passphrase --recovery-code",
        "vault rekey add recoveryCode",
    ],
)
def test_recovery_code_is_not_written_to_a_pipe(tmp_path: Path, piped: Piped, command: str) -> None:
    output = piped(command, passphrases=f"{_PASSPHRASE}\n", code=2)
    assert "never written into a pipe" in output
    assert not (tmp_path / "data").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' keyrings need no bus")
def test_missing_keyring_is_reported_before_a_key_is_asked_for(tmp_path: Path) -> None:
    no_bus = f"unix:path={tmp_path}/nobody"
    terminal = Terminal(tmp_path, "keys add mistral", DBUS_SESSION_BUS_ADDRESS=no_bus)
    output = terminal.end(code=1)
    assert "no desktop session with a keyring is here" in output
    assert "byokd vault init --help" in output
    assert "hidden" not in output
    status = Piped(tmp_path)("vault status")
    assert "uninitialized" in status
    assert "byokd vault init --protection" in status


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' keyrings need no bus")
@pytest.mark.parametrize(("command", "code"), [("vault status", 0), ("vault init", 1)])
def test_choices_are_shown_before_there_is_a_vault(tmp_path: Path, command: str, code: int) -> None:
    no_bus = f"unix:path={tmp_path}/nobody"
    terminal = Terminal(tmp_path, command, DBUS_SESSION_BUS_ADDRESS=no_bus, COLUMNS="80")
    lines = [line.rstrip() for line in terminal.end(code).splitlines()]
    lines = [line for line in lines if not line.startswith(("error: ", "hint: "))]
    assert max(map(len, lines)) <= 80
    states = [line.split(maxsplit=1) for line in lines if "available" in line]
    assert states == [
        ["osKeyring", "not available: no desktop session with a keyring is here"],
        ["passphrase", "available"],
        ["keyFile", "available"],
        ["memory", "available"],
    ]
    text = " ".join(" ".join(lines).split())
    assert text.count("protects against") == text.count("but not against") == 4
    assert "protects against everybody who reads the disk: nothing is written to it" in text
    assert "but not against loss: all keys are gone when the daemon ends" in text


@pytest.mark.parametrize("protection", ["keyFile", "memory"])
def test_mistyped_acceptance_of_a_risk_creates_no_vault(tmp_path: Path, protection: str) -> None:
    terminal = Terminal(tmp_path, f"vault init --protection {protection}")
    terminal.answer(f"Type {protection} to accept it: ", "yes")
    output = terminal.end(code=2)
    assert f"if you accept it: --accept-risk {protection}" in output
    assert "byokd vault init --help" in output
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [("short", None, "12 to 1024 characters"), (_PASSPHRASE, _OTHER, "the two passphrases differ")],
)
def test_unfit_passphrase_is_refused(
    tmp_path: Path, first: str, second: str | None, expected: str
) -> None:
    terminal = Terminal(tmp_path, "vault init --protection passphrase")
    terminal.answer("New passphrase, 12 characters or more (hidden): ", first)
    if second is not None:
        terminal.answer("The same again (hidden): ", second)
    output = terminal.end(code=2)
    assert expected in output
    assert first not in output
    assert not (tmp_path / "data").exists()
