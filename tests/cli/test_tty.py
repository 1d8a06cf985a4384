"""Every command that shows text from outside, on a real terminal, with hostile payloads."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from anyio.from_thread import start_blocking_portal

from byokd.cli import daemon_options
from byokd.cli.client import Daemon
from byokd.cli.main import main
from cli.test_terminal import PAYLOADS
from e2e.mirror import Mirror, mirror
from sandbox_env import GENERIC, KEY

pty = pytest.importorskip("pty", reason="pseudo-terminals exist on POSIX only")

_ALL_PAYLOADS: Final = " ".join(text for text, _ in PAYLOADS.values() if "\ud800" not in text)
_LABEL: Final = "a\u0300\u0301 txt"
_REFUSED_LABEL: Final = "a \u202etxt\u202c"
_FLOOD: Final = re.compile("[\u0300-\u036f\u20d0-\u20ff]{9}")
# What rich writes for bold and dim; no payload has these.
_RICH_STYLES: Final = re.compile(r"\x1b\[(?:[012]|1;2)?m")

_COMMANDS: Final = (
    (f"chat {GENERIC} text_at_once~raw~stream hi", 0),
    ("keys list", 0),
    (f"keys probe {GENERIC}", None),
    (f"models {GENERIC} --refresh", None),
    (f"models {GENERIC} --json", None),
    *((f"chat {GENERIC} {echo}~raw~stream hi", None) for echo in (
        "text_at_once", "text_a_character_at_a_time", "text_in_threes", "reasoning", "arguments",
        "broken_arguments", "name_of_a_tool", "finish", "usage", "error_in_the_stream",
        "a_line_that_is_no_JSON", "400", "403", "404", "422", "text", "page", "request_id",
    )),
    *((f"chat {GENERIC} {echo}~raw~whole --json hi", None) for echo in ("text", "call", "413")),
    (f"doctor {GENERIC} --chat --model 422~raw~stream", None),
    (f"doctor {GENERIC} --chat", None),
    ("keys list", 0),
    ("audit list", 0),
    ("audit verify", 0),
    ("keys remove LABEL --yes", None),
    ("providers", 0),
    ("vault status", 0),
)  # fmt: skip


class _Terminal:
    """A terminal that records all bytes written to it."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        self.bytes = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.master, 1 << 16)
            except OSError:  # the other end is closed
                return
            self.bytes += data

    def close(self) -> str:
        """Close the terminal and return all that was written."""
        os.close(self.slave)
        self._reader.join()
        os.close(self.master)
        return self.bytes.decode()


@pytest.fixture
def provider() -> Iterator[Mirror]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(mirror(_ALL_PAYLOADS)) as running,
    ):
        yield running


def _shown(command: list[str], monkeypatch: pytest.MonkeyPatch, stdin: str = "") -> tuple[str, int]:
    """Run a command on its own terminal; return the terminal's output and the exit code."""
    terminal = _Terminal()
    with (
        open(terminal.slave, "w", encoding="utf-8", closefd=False) as out,
        monkeypatch.context() as patch,
    ):
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", out)
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        assert out.isatty()
        code = main(command)
    return terminal.close(), code


def _control_characters(shown: str) -> set[str]:
    """Return every character that controls the terminal."""
    plain = _RICH_STYLES.sub("", shown)
    return {
        character
        for character in plain
        if character not in "\r\n\t\u200c\u200d"
        and unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    }


def test_provider_text_cannot_control_the_terminal(
    tmp_path: Path, provider: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with Daemon(["--data-dir", str(tmp_path)], account=None) as daemon:
        monkeypatch.setattr(daemon_options.DaemonOptions, "daemon", lambda _: _SharedDaemon(daemon))
        begin = ["vault", "init", "--protection", "keyFile", "--accept-risk", "keyFile"]
        assert _shown(begin, monkeypatch)[1] == 0
        add = [
            "keys",
            "add",
            GENERIC,
            "--base-url",
            provider.base_url,
            "--stdin",
            "--probe",
            "skip",
        ]
        shown, code = _shown([*add, "--label", _REFUSED_LABEL], monkeypatch, KEY)
        assert (code, _control_characters(shown)) == (1, set())
        shown, code = _shown([*add, "--label", _LABEL], monkeypatch, KEY)
        assert code == 0, shown
        written = ""
        for line, wanted in _COMMANDS:
            command = [part.replace("_", " ") for part in line.split()]
            command = [_LABEL if part == "LABEL" else part for part in command]
            shown, code = _shown(command, monkeypatch)
            assert wanted is None or wanted == code, (line, shown)
            assert _control_characters(shown) == set(), line
            assert not _FLOOD.search(shown), line
            written += shown
    # The payloads were shown as harmless text.
    assert written.count("52;c;ZXZpbA==") > 8
    assert len(written) > 10_000


class _SharedDaemon:
    """One daemon for all commands: a start takes time."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def __enter__(self) -> Daemon:
        return self._daemon

    def __exit__(self, *_: object) -> None:
        return None
