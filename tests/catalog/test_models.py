"""Model facts are found by model id."""

from __future__ import annotations

from importlib import resources

import pytest

from byokd.catalog.loader import load
from byokd.catalog.models import facts, known_models

KNOWN = (
    ("exactly", "anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5"),
    ("with a date", "anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
    ("without regard to case", "openai", "GPT-4o", "gpt-4o"),
    ("by an alias", "openai", "gpt-4o-2024-08-06", "gpt-4o"),
    ("at its maker", "azure-openai", "gpt-4o-2024-08-06", "gpt-4o"),
    ("with the prefix of lists", "google", "models/gemini-2.5-flash", "gemini-2.5-flash"),
    ("with its vendor", "openrouter", "anthropic/claude-sonnet-4", "anthropic/claude-sonnet-4"),
    ("with its route", "hf-router", "openai/gpt-oss-120b:groq", "openai/gpt-oss-120b:groq"),
    ("in a region", "bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
     "regional.anthropic.claude-sonnet-4-5-20250929-v1:0"),
)  # fmt: skip

UNKNOWN = (
    ("anthropic", "no-such-model"),
    ("hf-router", "openai/gpt-oss-120b"),
    ("ollama", "llama3.2"),
    ("no-such-provider", "gpt-4o"),
)


@pytest.mark.parametrize(
    ("provider", "model_id", "expected"), [row[1:] for row in KNOWN], ids=[row[0] for row in KNOWN]
)
def test_model_id_finds_its_facts(provider: str, model_id: str, expected: str) -> None:
    model = facts(provider, model_id)
    assert model is not None
    assert (model.provider, model.id) == (provider, expected)


@pytest.mark.parametrize(("provider", "model_id"), UNKNOWN)
def test_unknown_model_has_no_facts(provider: str, model_id: str) -> None:
    assert facts(provider, model_id) is None


def test_capabilities_are_stated_or_null() -> None:
    opus = facts("anthropic", "claude-opus-5")
    assert opus is not None
    assert (opus.context_tokens, opus.output_tokens) == (1_000_000, 128_000)
    assert (opus.tools, opus.reasoning) == (True, True)
    assert opus.input_modalities == ("text", "image", "file")
    sonar = facts("perplexity", "sonar-pro")
    assert sonar is not None
    assert (sonar.tools, sonar.output_tokens) == (False, None)


@pytest.mark.parametrize("provider", load())
def test_every_line_is_valid_and_dated(provider: str) -> None:
    for model, known in known_models(provider).items():
        assert known.id == model
        assert known.rates
        assert known.as_of >= "2026-11-23"
        for rates in known.rates:
            for tiers in (rates.input, rates.output, rates.cache_read, rates.cache_write):
                starts = [above for above, _ in tiers or ()]
                assert starts == sorted(set(starts))
                assert all(amount >= 0 for _, amount in tiers or ())


@pytest.mark.parametrize(
    ("provider", "gone", "offered"),
    [
        ("deepseek", ("deepseek-chat", "deepseek-reasoner"), ("deepseek-flash", "deepseek-v4-pro")),
        ("openai", ("gpt-3.5-turbo", "gpt-4", "o1", "o4-mini"), ("gpt-6-sol", "gpt-4.1", "o3")),
        ("anthropic", ("claude-2", "claude-3-haiku"), ("claude-opus-5-5", "claude-haiku-5-5")),
        ("grok", ("grok-3", "grok-4-fast-reasoning", "grok-code-fast-1"), ("grok-4.7",)),
        ("groq", ("llama-3.3-70b-versatile",), ("openai/gpt-oss-120b", "qwen/qwen3.8-27b")),
        ("google", ("gemini-1.5-pro", "gemini-2.0-flash"), ("gemini-3.8-flash",)),
        ("perplexity", ("sonar", "sonar-pro"), ("perplexity/sonar",)),
    ],
)
def test_model_that_was_switched_off_has_a_price_and_is_not_offered(
    provider: str, gone: tuple[str, ...], offered: tuple[str, ...]
) -> None:
    known = known_models(provider)

    assert not set(gone) & set(known)
    assert set(offered) <= set(known)
    assert all(facts(provider, model) is not None for model in gone)


def test_image_input_of_the_current_model_is_stated() -> None:
    flash = facts("deepseek", "deepseek-flash")

    assert flash is not None
    assert (flash.input_modalities, flash.reasoning) == (("text", "image"), True)


def test_family_has_a_price_and_is_not_listed() -> None:
    known = known_models("bedrock")
    assert known
    assert not [model for model in known if model.startswith("regional.")]


def test_snapshot_is_small() -> None:
    data = resources.files("byokd.catalog").joinpath("models.json").read_bytes()
    assert len(data) < 400_000
    assert max(len(line) for line in data.splitlines()) < 2_000
