"""Reasoning efforts of a model: every form in which lists state them."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from byokd.protocol.chat import Effort
from byokd.provider_api.model_efforts import EFFORTS, efforts
from replay import Recording, absent, recordings


def _levels(*words: str, **more: Any) -> dict[str, Any]:
    return {word: {"supported": True} for word in words} | more


_ROWS: list[tuple[str, dict[str, Any], tuple[str, ...] | None]] = [
    ("anthropic",
     {"capabilities": {"effort": _levels("max", "low", "high", supported=True,
                                         medium={"supported": False})}},
     ("low", "high", "max")),
    ("anthropic, none", {"capabilities": {"effort": _levels("low", supported=False)}}, ()),
    ("openrouter, optional",
     {"reasoning": {"mandatory": False, "supported_efforts": ["xhigh", "high", "low"]}},
     ("none", "low", "high", "xhigh")),
    ("openrouter, mandatory",
     {"reasoning": {"mandatory": True, "supported_efforts": ["none", "high"]}}, ("high",)),
    ("openrouter, no limit", {"reasoning": {"mandatory": False, "supported_efforts": None}}, None),
    ("lm studio",
     {"capabilities": {"reasoning": {"allowed_options": ["off", "low", "on"], "default": "on"}}},
     ("none", "low")),
    ("codex",
     {"supported_reasoning_levels": [{"effort": "medium", "description": "x"},
                                     {"effort": "xhigh", "description": "y"}]},
     ("medium", "xhigh")),
    ("copilot", {"capabilities": {"supports": {"reasoning_effort": ["low", "medium"]}}},
     ("low", "medium")),
    ("models.dev",
     {"reasoning": True,
      "reasoning_options": [{"type": "toggle"}, {"type": "effort", "values": ["Low", "MAX"]}]},
     ("low", "max")),
    ("litellm",
     {"model_info": {"supports_reasoning": True, "supports_none_reasoning_effort": True,
                     "supports_xhigh_reasoning_effort": True,
                     "supports_minimal_reasoning_effort": False}},
     ("none", "low", "medium", "high", "xhigh")),
    ("litellm, does not think",
     {"model_info": {"supports_reasoning": False, "supports_xhigh_reasoning_effort": False}}, None),
    ("a gateway's list", {"supported_reasoning_efforts": ["maximum", "extra_high"]},
     ("xhigh", "max")),
    ("a gateway's flags", {"capabilities": {"reasoning_effort": {"low": True, "high": False}}},
     ("low",)),
    ("unknown words only", {"reasoning_efforts": ["turbo"]}, None),
    ("a flag", {"capabilities": {"reasoning_effort": True}}, None),
    ("odd", {"reasoning": 3, "capabilities": [], "reasoning_options": [1, {"type": "effort"}]},
     None),
    ("nothing", {"id": "m"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "entry", "words"), _ROWS, ids=[row[0] for row in _ROWS])
def test_efforts_are_read_in_every_form(
    name: str, entry: dict[str, Any], words: tuple[str, ...] | None
) -> None:
    assert efforts(entry) == words, name


def test_pointer_of_the_record_comes_first() -> None:
    entry: dict[str, Any] = {"levels": ["high"], "supported_efforts": ["low"]}
    assert efforts(entry, "/levels") == ("high",)
    assert efforts(entry, "/nowhere") == ("low",)


def test_words_are_those_of_the_contract() -> None:
    assert get_args(Effort) == EFFORTS


_ANTHROPIC = [each for each in recordings("models_count") if each.provider == "anthropic"]


@pytest.mark.skipif(not _ANTHROPIC, reason=absent())
@pytest.mark.parametrize("recording", _ANTHROPIC, ids=lambda recording: recording.id)
def test_recorded_efforts_are_read(recording: Recording) -> None:
    by_id = {entry["id"]: efforts(entry) for entry in json.loads(recording.body)["data"]}
    assert by_id["claude-opus-5"] == ("low", "medium", "high", "xhigh", "max")
    assert by_id["claude-haiku-4-5-20251001"] == ()
