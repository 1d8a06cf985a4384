"""`keys import` and `keys export` end to end: real daemons, the sandbox as provider.

Keys and passphrases are searched for in all output, command lines and files.
"""

from __future__ import annotations

import getpass
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from byokd.cli import daemon_options
from byokd.cli.client import Daemon
from byokd.cli.main import main
from byokd.cli.transfer import importable, parse_choice
from byokd.protocol.transfer import KeyImportResult
from byokd.sandbox import Sandbox
from sandbox_env import BAD_KEY, GENERIC, KEY

PASSPHRASE = "four words and more"
OTHER_KEY = "some-other-key-0123456789"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Byokd:
    """Runs commands as if on a terminal; `outputs` has all that left this process."""

    def __init__(self, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self._capture, self._patch = capture, patch
        self.outputs: list[str] = []
        self.out = self.err = ""
        self._daemons: dict[tuple[str, ...], Daemon] = {}
        popen = subprocess.Popen

        def recorded(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
            self.outputs.append(f"{command} {options.get('env') or dict(os.environ)}")
            return popen(command, **options)

        patch.setattr(subprocess, "Popen", recorded)
        patch.setattr(daemon_options, "Daemon", self._running)

    def __call__(
        self, folder: Path, *command: str, typed: str | None = None, hidden: str = "", code: int = 0
    ) -> str:
        """Run one command; `typed` are the answers on a terminal, None is a pipe."""
        self._patch.setattr(sys, "stdin", io.StringIO() if typed is None else _Terminal(typed))
        self._patch.setattr(getpass, "getpass", lambda _prompt: hidden)
        exit_code = main(["--data-dir", str(folder), *command])
        self.out, self.err = self._capture.readouterr()
        self.outputs += [self.out, self.err]
        assert exit_code == code, f"{command}\n{self.out}\n{self.err}"
        return self.out

    def _running(self, arguments: list[str], **options: Any) -> nullcontext[Daemon]:
        """Start a daemon, or return a running one with the same arguments: a start takes time."""
        key = tuple(arguments)
        if key not in self._daemons:
            self._daemons[key] = Daemon(arguments, **options).__enter__()
        return nullcontext(self._daemons[key])

    def close(self) -> None:
        """End the daemons."""
        while self._daemons:
            self._daemons.popitem()[1].__exit__(None, None, None)


@pytest.fixture
def byokd(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Byokd]:
    monkeypatch.setenv("COLUMNS", "80")
    run = Byokd(capsys, monkeypatch)
    yield run
    run.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Sandbox(keys=[KEY])) as provider,
    ):
        yield provider


@pytest.fixture
def here(tmp_path: Path, byokd: Byokd) -> Path:
    folder = tmp_path / "here"
    byokd(folder, "vault", "init", "--protection", "keyFile", "--accept-risk", "keyFile")
    return folder


def _listed(byokd: Byokd, folder: Path) -> list[tuple[str, str]]:
    items = json.loads(byokd(folder, "keys", "list", "--json"))
    return sorted((item["provider"], item["state"]) for item in items)


def test_shell_variables_are_imported(
    byokd: Byokd, here: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_API_KEY", KEY)
    monkeypatch.setenv("MISTRAL_API_KEY", OTHER_KEY)
    monkeypatch.setenv("OPENAI_API_KEY", OTHER_KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example/v1")
    byokd(here, "keys", "import", code=2)
    assert "--yes" in byokd.err, "nobody can be asked on a pipe"
    shown = byokd(here, "keys", "import", "--probe", "skip", typed="none\n")
    assert max(map(len, shown.splitlines())) <= 80
    assert "needs a base URL" in " ".join(shown.split())
    assert "OPENAI_BASE_URL is not used" in byokd.err
    assert _listed(byokd, here) == []

    numbers = [line.split()[1] for line in shown.splitlines()[2:] if line[:1].isdigit()]
    proxy = numbers.index("litellm") + 1
    output = byokd(here, "keys", "import", typed=f"9\n{proxy}\n{sandbox.base_url}\n")
    assert "answer with all, none, or numbers" in byokd.err
    assert output.splitlines()[-1].startswith("imported key_")
    assert "valid" in output.splitlines()[-1]
    output = byokd(here, "keys", "import", "--yes", "--probe", "skip")
    assert output.splitlines()[-1].endswith("for mistral"), "not the one that may belong elsewhere"
    assert _listed(byokd, here) == [("litellm", "active"), ("mistral", "active")]
    [again] = json.loads(byokd(here, "keys", "import", "--json"))
    stored = {item["provider"]: bool(item["storedAs"]) for item in again["items"]}
    assert stored["mistral"]
    assert again["outcomes"] is None
    _assert_no_secret_is_visible(byokd, here)


def test_bad_key_is_reported_and_others_are_imported(
    byokd: Byokd, here: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "my.env"
    file.write_text(f"LITELLM_API_KEY={BAD_KEY}\nexport LITELLM_PROXY_API_KEY='{KEY}'\n")
    file.chmod(0o644)
    place = f"{sandbox.base_url}\n"
    output = byokd(
        here, "keys", "import", "--from", str(file), typed=f"1 2\n{place}{place}", code=1
    )
    assert "warning: other users of this machine can read this file" in byokd.err
    assert "error: litellm: " in byokd.err
    assert output.splitlines()[-1].startswith("imported key_")
    byokd(here, "keys", "import", "--from", str(tmp_path / "none.env"), code=1)
    assert "there is no such file" in byokd.err
    _assert_no_secret_is_visible(byokd, here)


def test_exported_keys_are_imported_elsewhere(
    byokd: Byokd, here: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    there, file = tmp_path / "there", tmp_path / "k.byokd"
    byokd(there, "vault", "init", "--protection", "keyFile", "--accept-risk", "keyFile")
    add = ("keys", "add", GENERIC, "--base-url", sandbox.base_url, "--label", "mine")
    byokd(here, *add, typed="", hidden=KEY)

    out = ("keys", "export", "--out", str(file))
    byokd(here, *out, code=2)
    assert "on a terminal only" in byokd.err
    byokd(here, *out, typed="n\n", code=130)
    byokd(here, *out, typed="y\n", hidden="too short", code=2)
    assert not file.exists()
    assert byokd(here, *out, typed="y\n", hidden=PASSPHRASE) == f"exported 1 key to {file}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob("*.new")) == []
    byokd(here, *out, typed="y\n", hidden=PASSPHRASE, code=2)
    assert "exists already" in byokd.err
    assert "--allow-export" in " ".join(byokd.outputs)

    import_file = ("keys", "import", "--from", str(file))
    byokd(there, *import_file, typed="all\n", hidden="another passphrase", code=1)
    assert "does not open" in byokd.err
    byokd(there, *import_file, typed="all\n", hidden=PASSPHRASE)
    assert "imported key_" in byokd.out
    assert byokd(there, "chat", GENERIC, "sandbox-echo", "hello").strip()
    [imported] = json.loads(byokd(there, "keys", "list", "--json"))
    assert (imported["label"], imported["baseUrl"]) == ("mine", sandbox.base_url)
    assert byokd(there, "audit", "verify").startswith("complete and unchanged")
    _assert_no_secret_is_visible(byokd, tmp_path)


def _assert_no_secret_is_visible(byokd: Byokd, folder: Path) -> None:
    byokd.close()  # no backup is being written, and the last one is there
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".env"]
    written = b"".join(path.read_bytes() for path in files)
    for secret in (KEY, BAD_KEY, OTHER_KEY, PASSPHRASE):
        assert secret.encode() not in written
        assert not any(secret in text for text in byokd.outputs)


def _preview(*rows: tuple[str, str | None]) -> KeyImportResult:
    items = [
        {
            "id": f"item_{number:032x}",
            "provider": provider,
            "label": None,
            "variables": ["X"],
            "fields": [],
            "origin": None,
            "baseUrl": None,
            "last4": None,
            "fingerprint": None,
            "storedAs": None,
            "problem": problem and {"type": problem, "field": None, "message": ""},
        }
        for number, (provider, problem) in enumerate(rows, 1)
    ]
    ignored = [{"variable": "Y_BASE_URL", "provider": "y", "reason": "baseUrl"}]
    return KeyImportResult.model_validate(
        {"items": items, "ignored": ignored, "warnings": [], "outcomes": None}
    )


ROWS = _preview(("x", None), ("x", "stored"), ("x", "baseUrl"), ("y", None), ("x", None))


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("all", [1, 5]), ("none", []), ("", []), ("2", [2]), ("5 1", [5, 1]), ("1,3", [1, 3]),
        ("4, 4 4", [4]), ("0", None), ("6", None), ("-1", None), ("all 1", None), ("x", None),
        ("²", None),
    ],
)  # fmt: skip
def test_answer_selects_items(answer: str, numbers: list[int] | None) -> None:
    if numbers is None:
        with pytest.raises(Exception, match="all, none, or numbers"):
            parse_choice(answer, ROWS)
    else:
        assert [ROWS.items.index(item) + 1 for item in parse_choice(answer, ROWS)] == numbers


def test_key_beside_a_url_variable_is_not_imported_unasked() -> None:
    assert [choice.id for choice in importable(ROWS)] == [ROWS.items[0].id, ROWS.items[4].id]
