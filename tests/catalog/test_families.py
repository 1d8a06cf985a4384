"""Which models get the conversation rules of their family, among them ids that are made up."""

from __future__ import annotations

import re

import pytest

from byokd.catalog.families import family_rules, load_families

_NO_PREFILL: dict[str, list[str]] = {
    "refuse": [
        "claude-opus-4-6", "claude-sonnet-4.6", "anthropic/claude-opus-4.8",
        "us.anthropic.claude-opus-4-7-20260401-v1:0", "claude-4.6-opus", "claude-sonnet-5-5",
        "vertex_ai/claude-haiku-5-5@20261007", "claude-opus-10", "Claude-Saga-7", "claude-fable",
        "claude-mythos-preview",
        "gemini-3.5-flash-lite", "gemini-3.6-flash", "models/gemini-3.7-flash-preview",
        "google/gemini-4-hydrogen", "gemini-10-pro", "gemini-flash-latest",
    ],
    "continue": [
        "claude-2.1", "claude-instant-1.2", "claude-3-opus-20240229", "claude-3-7-sonnet-latest",
        "claude-3.5-haiku", "anthropic.claude-v2:1", "claude-sonnet-4-20250514", "claude-opus-4",
        "claude-opus-4-1-20250805", "anthropic/claude-sonnet-4.5", "claude-4.5-haiku",
        "claude-sonnet-4@20250514", "bedrock/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        "gemini-2.5-pro", "gemini-1.5-flash", "google/gemini-3-flash-preview", "gemini-3.1-pro",
        "gemini-3.5-flash", "gemini-pro", "gemini-exp-1206",
        "gpt-6", "qwen3.8-27b", "mistral-large-4",
    ],
}  # fmt: skip


@pytest.mark.parametrize("model", _NO_PREFILL["refuse"])
def test_model_that_refuses_a_prefill_gets_a_last_turn_of_the_user(model: str) -> None:
    assert "end_with_user" in family_rules(model)


@pytest.mark.parametrize("model", _NO_PREFILL["continue"])
def test_model_that_continues_an_answer_gets_none(model: str) -> None:
    assert "end_with_user" not in family_rules(model)


def test_every_family_matches_a_model_of_the_table() -> None:
    models = _NO_PREFILL["refuse"]
    for family in load_families():
        assert any(re.search(family.models, model, re.IGNORECASE) for model in models)
