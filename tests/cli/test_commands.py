"""Commands, options, help and usage errors; no daemon is started."""

from __future__ import annotations

import getpass
import io
import sys
import warnings

import click
import pytest

from byokd.cli import hidden_input
from byokd.cli.main import byokd, hint, main
from byokd.protocol.actions import OpenUrlAction, PromptKeyAction, RaiseBudgetAction
from byokd.protocol.error_data import ErrorData
from byokd.protocol.provider import FieldInfo

COMMANDS = {
    "accounts delete": {"account", "--confirm"},
    "accounts list": {"--json"},
    "audit list": {"--key", "--limit", "--json"},
    "audit export": {"--out"},
    "audit head": set[str](),
    "audit verify": {"--from", "--head"},
    "chat": {
        "provider", "model", "prompt", "--system", "--key", "--effort", "--max-tokens", "--json",
    },
    "demo": set[str](),
    "doctor": {"provider", "--key", "--chat", "--model", "--json"},
    "keys accept-origin": {"key"},
    "keys add": {
        "provider", "--label", "--base-url", "--allow-insecure-origin", "--default", "--field",
        "--stdin", "--probe",
    },
    "keys default": {"key"},
    "keys disable": {"key"},
    "keys enable": {"key", "--probe"},
    "keys export": {"names", "--out"},
    "keys import": {"--from", "--yes", "--probe", "--json"},
    "keys label": {"key", "label"},
    "keys list": {"provider", "--json"},
    "keys probe": {"key"},
    "keys remove": {"key", "--yes"},
    "keys rotate": {"key", "--field", "--stdin", "--probe"},
    "models": {"provider", "--all", "--unlisted", "--refresh", "--json"},
    "providers": {"provider", "--json"},
    "catalog diff": {"--from", "--json"},
    "catalog refresh": {"--accept", "--from", "--json"},
    "catalog show": {"--json"},
    "catalog undo": set[str](),
    "sandbox": {"--port", "--replay"},
    "schema": {"--out"},
    "ui": {"--no-browser"},
    "uninstall": set[str](),
    "vault init": {"--protection", "--accept-risk", "--key-file", "--recovery-code"},
    "vault lock": set[str](),
    "vault rekey add": {"kind", "--accept-risk", "--key-file", "--recovery-code"},
    "vault rekey all": set[str](),
    "vault rekey data": set[str](),
    "vault rekey protection": {"kind", "--accept-risk", "--key-file", "--recovery-code"},
    "vault rekey remove": {"slot"},
    "vault rekey root": set[str](),
    "vault restore": {"--from", "--yes"},
    "vault status": {"--json"},
    "vault unlock": {"--recovery-code", "--accept-rollback"},
}  # fmt: skip

GROUPS = sorted({command.rpartition(" ")[0] for command in COMMANDS})
"""What comes before the last word of a command; empty for `byokd` itself."""


def _walk(group: click.Group, prefix: str = "") -> dict[str, set[str]]:
    options: dict[str, set[str]] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            options |= _walk(command, f"{prefix}{name} ")
        else:
            names = [p.opts[0] if p.param_type_name == "option" else p.name for p in command.params]
            options[prefix + name] = {option for option in names if option}
    return options


def test_commands_and_options_are_the_documented_ones() -> None:
    """No option takes a key: every process on the machine can read arguments."""
    assert _walk(byokd) == COMMANDS


@pytest.mark.parametrize("command", [*COMMANDS, *GROUPS])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--help"]) == 0
    help_text = capsys.readouterr().out
    assert help_text.startswith("Usage: byokd")
    assert max(map(len, help_text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("attic", "no such command"),
        ("keys add", "missing argument 'PROVIDER'"),
        ("keys add x --probe maybe", "'maybe' is not one of"),
        ("chat x", "missing argument 'MODEL'"),
        ("chat x y z --effort huge", "'huge' is not one of"),
        ("chat x y z --max-tokens 0", "0 is not in the range"),
        ("audit list --limit 1001", "1001 is not in the range 1<=x<=1000"),
        ("audit list --limit 0", "0 is not in the range"),
        ("vault init --protection none", "'none' is not one of"),
        ("schema", "missing option '--out'"),
        ("providers --key sk-test-0123456789abcdef", "no such option"),
        ("keys add x sk-test-0123456789abcdef", "a key is never an argument"),
        ("audit verify sk-test-0123456789abcdef", "a key is never an argument"),
    ],
)
def test_usage_error_exits_with_2(
    command: str, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    first, second = captured.err.splitlines()
    assert first.startswith("error: ")
    assert error in first
    assert not first.endswith(".")
    assert second.startswith("hint: byokd")
    assert "0123456789abcdef" not in captured.err


@pytest.mark.parametrize("command", GROUPS)
def test_missing_subcommand_prints_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command.split()) == 2
    assert capsys.readouterr().err.startswith("Usage: byokd")


def test_unwritable_folder_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--out", "/proc/nowhere/byokd"]) == 1
    assert capsys.readouterr().err.startswith("error: cannot write to /proc/nowhere/byokd")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, None),
        ({"provider_message": "Incorrect key"}, "the provider said: Incorrect key"),
        ({"action": OpenUrlAction(url="https://a.test/x")}, "see https://a.test/x"),
        ({"action": PromptKeyAction(), "provider": "p"}, "store one: byokd keys add p"),
        ({"action": PromptKeyAction()}, "store one: byokd keys add PROVIDER"),
        ({"action": RaiseBudgetAction()}, None),
        ({"kind": "invalidParams"}, None),
        (
            {"kind": "invalidParams", "provider": "p"},
            "for the fields it needs: byokd providers p",
        ),
        ({"kind": "notFound"}, None),
        ({"kind": "notFound", "details": {"provider": "p"}}, "list them: byokd providers"),
    ],
)
def test_hint_fits_the_error(data: dict[str, object], expected: str | None) -> None:
    base = {"kind": "keyMissing", "error_id": "e", "retryable": False, "user_message": "m"}
    assert hint(ErrorData.model_validate(base | data)) == expected


# --- reading a key -------------------------------------------------------------------------------

ONE = (FieldInfo(name="apiKey", label="Key", secret=True, required=True, pattern=None, hint=None),)
TWO = (
    *ONE,
    FieldInfo(name="token", label="Token", secret=True, required=False, pattern=None, hint=None),
)
KEY = "sk-test-0123456789abcdef"


class _Stdin(io.StringIO):
    def __init__(self, text: str = "", *, terminal: bool = False) -> None:
        super().__init__(text)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("fields", "text", "expected"),
    [
        (ONE, KEY, {"apiKey": KEY}),
        (ONE, f"  {KEY}\r\n", {"apiKey": KEY}),
        (TWO, f"apiKey={KEY}\n", {"apiKey": KEY}),
        (TWO, f"token = a=b \n\napiKey={KEY}", {"apiKey": KEY, "token": "a=b"}),
        ((), "ignored", {}),
    ],
)
def test_piped_values_are_read(
    monkeypatch: pytest.MonkeyPatch,
    fields: tuple[FieldInfo, ...],
    text: str,
    expected: dict[str, str],
) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(text))
    assert hidden_input.read_secret_fields(fields, from_stdin=True) == expected


@pytest.mark.parametrize(
    ("fields", "text", "error"),
    [
        (ONE, "", "nothing was given for apiKey"),
        (ONE, "\n", "nothing was given for apiKey"),
        (ONE, "x" * (4096 + 129), "too long"),
        (TWO, KEY, "lines of name=value"),
        (TWO, "other=1", "lines of name=value"),
        (TWO, "token=1", "nothing was given for apiKey"),
    ],
)
def test_piped_text_without_key_is_refused(
    monkeypatch: pytest.MonkeyPatch, fields: tuple[FieldInfo, ...], text: str, error: str
) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(text))
    with pytest.raises(click.UsageError, match=error) as caught:
        hidden_input.read_secret_fields(fields, from_stdin=True)
    assert KEY not in str(caught.value)


def test_stdin_option_refuses_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(KEY, terminal=True))
    with pytest.raises(click.UsageError, match="would show the key"):
        hidden_input.read_secret_fields(ONE, from_stdin=True)
    assert sys.stdin.read() == KEY, "nothing was read"


def test_missing_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(KEY))
    with pytest.raises(click.UsageError, match="--stdin"):
        hidden_input.read_secret_fields(ONE, from_stdin=False)


def test_terminal_without_hidden_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def visible(_prompt: str) -> str:
        warnings.warn("echo", getpass.GetPassWarning, stacklevel=1)
        return KEY

    monkeypatch.setattr(sys, "stdin", _Stdin(terminal=True))
    monkeypatch.setattr(getpass, "getpass", visible)
    with pytest.raises(click.UsageError, match="cannot hide"):
        hidden_input.read_secret_fields(ONE, from_stdin=False)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [({"Key": KEY, "Token": ""}, {"apiKey": KEY}), ({"Key": f" {KEY} ", "Token": "t"}, None)],
)
def test_hidden_prompt_returns_stripped_values(
    monkeypatch: pytest.MonkeyPatch, typed: dict[str, str], expected: dict[str, str] | None
) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(terminal=True))
    monkeypatch.setattr(getpass, "getpass", lambda prompt: typed[prompt.split(" (")[0]])
    read = hidden_input.read_secret_fields(TWO, from_stdin=False)
    assert read == (expected or {"apiKey": KEY, "token": "t"})
