"""What `byokd models` shows of a model: efforts, its end, and why it cannot be used."""

from __future__ import annotations

from typing import Any

import pytest

from byokd.cli import models, terminal
from byokd.protocol.model import ModelInfo, ModelUnavailable

_ENDS_AT = 1_796_083_200_000  # 2026-12-01
_DISABLED = ModelUnavailable(kind="keyDisabled", key_id="key_a")
_GONE = ModelUnavailable(kind="modelNotFound")


def _model(name: str = "m", **more: Any) -> ModelInfo:
    required = {key: None for key, field in ModelInfo.model_fields.items() if field.is_required()}
    return ModelInfo(**required | {"provider": "p", "id": name, "source": "live"} | more)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (None, "-"),
        ((), "no"),
        (("low",), "low"),
        (("low", "high"), "low,high"),
        (("low", "medium", "high"), "low-high"),
        (("none", "low", "medium", "high", "xhigh", "max"), "none,low-max"),
        (("none", "minimal", "low", "medium", "high", "xhigh", "max"), "none-max"),
        (("none", "low", "medium", "high", "max"), "none,low-high,max"),
        (("turbo", "low"), "turbo,low"),
    ],
)
def test_efforts_are_short(
    words: tuple[str, ...] | None, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    models._show("p", None, [_model(efforts=words)])
    assert f" {shown} " in capsys.readouterr().out.splitlines()[-2]


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({}, "live"),
        ({"source": "catalog"}, "catalog"),
        ({"source": "catalog", "unlisted": True}, "not listed"),
        ({"ends_at": _ENDS_AT}, "end 2026-12-01"),
        ({"ends_at": _ENDS_AT, "unavailable": _GONE}, "retired"),
    ],
)
def test_source_or_end_is_shown(
    facts: dict[str, Any], shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    models._show("p", "key_b", [_model(**facts)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "p, with key_b"
    assert lines[-2].rstrip().endswith(shown)


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([_model()], None),
        ([_model(unavailable=_DISABLED), _model("n", unavailable=_DISABLED)], "key is disabled"),
        ([_model(unavailable=_DISABLED), _model("n", unavailable=_GONE)], "key is disabled"),
        ([_model(unavailable=_DISABLED), _model("n")], None),
        ([_model(unavailable=ModelUnavailable(kind="vaultLocked"))], "byokd vault unlock"),
        ([_model(unavailable=ModelUnavailable(kind="conflict"))], "conflict; see byokd doctor"),
    ],
)
def test_reason_is_shown_once_above_the_models(
    items: list[ModelInfo], reason: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    models._show("p", None, items)
    shown = capsys.readouterr().out
    assert shown.count("cannot be used now") == (0 if reason is None else 1)
    assert reason is None or reason in shown


def test_table_of_usual_models_fits_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    words = ("none", "low", "medium", "high", "xhigh", "max")
    facts: dict[str, Any] = {"context_tokens": 1_000_000, "output_tokens": 128_000, "tools": True}
    models._show(
        "p", None, [_model("claude-sonnet-4-5-20250929", efforts=words, ends_at=_ENDS_AT, **facts)]
    )
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("set baseUrl to http://x", "set --base-url to http://x"),
        ("baseUrl: stored as x", "--base-url: stored as x"),
        (
            "set baseUrl to http://x, and allowInsecureOrigin to true",
            "set --base-url to http://x, and --allow-insecure-origin",
        ),
        ("use https, or set allowInsecureOrigin to send", None),
        ("http://x/baseUrlOfMine", "http://x/baseUrlOfMine"),
        ("nothing to change", "nothing to change"),
    ],
)
def test_fields_are_written_as_options(text: str, shown: str | None) -> None:
    expected = shown or text.replace("allowInsecureOrigin", "--allow-insecure-origin")
    assert terminal.in_options(text) == expected
