"""Estimated token counts: texts counted with published vocabularies, and recorded prompts."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import pytest

import replay
import replay_prompts
from byokd.catalog.token_counts import family_of, text_tokens
from byokd.provider_api.token_counts import estimate

_VECTORS: Final = Path(__file__).parents[1] / "vectors" / "token_counts.json"
_TEXTS: Final[list[dict[str, Any]]] = json.loads(_VECTORS.read_text("utf-8"))
_NEAR: Final = 0.2
_SHARE: Final = 0.9


@pytest.mark.parametrize(("model", "vocabulary"), [("gpt-5", "openai"), ("claude-2", "claude")])
def test_estimates_of_texts_are_near_the_counts_of_vocabularies(
    model: str, vocabulary: str
) -> None:
    family = family_of(model)
    errors = {row["name"]: text_tokens(row["text"], family) / row[vocabulary] - 1 for row in _TEXTS}
    far = {name: round(error, 2) for name, error in errors.items() if abs(error) > _NEAR}
    print(f"{vocabulary}: {len(far)} of {len(errors)} are further off than 20 %: {far}")
    assert all(abs(error) < 2 * _NEAR for error in errors.values()), errors
    assert len(far) <= len(errors) // 4, far


@pytest.mark.skipif(not replay.load(), reason=replay.absent())
def test_estimates_of_recorded_prompts_are_near_the_reported_counts() -> None:
    errors: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for prompt in replay_prompts.load():
        family = family_of(prompt.params.model)
        error = estimate(prompt.params, family) / prompt.tokens - 1
        errors[family.name].append((error, prompt.id))
    for name, rows in sorted(errors.items()):
        far = [f"{identifier} {error:+.0%}" for error, identifier in rows if abs(error) > _NEAR]
        print(f"{name}: {len(rows) - len(far)} of {len(rows)} within 20 %", *far)
    every = [error for rows in errors.values() for error, _ in rows]
    near = sum(abs(error) <= _NEAR for error in every)
    print(f"in all {near} of {len(every)}")
    assert len(every) > 100
    assert near >= _SHARE * len(every)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("claude-opus-4-1", "Claude"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "Claude 4.5 and 4.6"),
        ("anthropic/claude-opus-4.8", "Claude 4.7 and later"),
        ("claude-newname-7", "Claude 4.7 and later"),
        ("openai/gpt-oss-20b:free", "GPT open weights"),
        ("gpt-7-turbo", "GPT"),
        ("o5-mini", "GPT"),
        ("models/gemini-10-pro", "Gemini 3 and later"),
        ("gemini-2.5-flash", "Gemini"),
        ("grok-12", "Grok 4 and later"),
        ("@cf/meta/llama-3.3-70b-instruct-fp8-fast", "Llama 3.1 to 3.3"),
        ("mistral-large-latest", "Mistral"),
        ("ministral-3b", "Mistral"),
        ("deepseek-flash", "DeepSeek 4 and later"),
        ("qwen3.8-max", "Qwen 3.5 and later"),
        ("command-a-plus-05-2026", "Command A Plus"),
        ("something-else", "any model"),
    ],
)
def test_model_is_counted_with_its_family(model: str, family: str) -> None:
    assert family_of(model).name == family


def test_longer_text_never_has_fewer_tokens() -> None:
    family = family_of("gpt-5")
    text = "".join(row["text"] for row in _TEXTS)
    counts = [text_tokens(text[:length], family) for length in range(0, len(text), 97)]
    assert counts == sorted(counts)


@pytest.mark.parametrize("text", ["", "\ud800", "\x00\x01", "\u200b", "a" * 100_000, "🙂" * 1000])
def test_any_text_has_an_estimate(text: str) -> None:
    assert 0 <= text_tokens(text, family_of("gpt-5")) <= 3 * len(text)


@pytest.mark.parametrize("text", ["one two 3 four; five\n", "Größe 12 ещё 語\n"])
def test_long_text_counts_as_its_pieces(text: str) -> None:
    family = family_of("gpt-5")
    times = 300_000 // len(text)
    assert text_tokens(text * times, family) == pytest.approx(
        times * text_tokens(text, family), rel=1e-3
    )
