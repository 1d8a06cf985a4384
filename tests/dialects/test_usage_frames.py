"""Token counts in several frames of a stream, and in numbers as text, in every format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import chunking
from byokd.protocol.usage import Usage
from dialects.answers import FORMATS
from dialects.usages import NAMES, buckets, written

Json = dict[str, Any]


def _candidate(usage: Json) -> Json:
    return {"candidates": [{"index": 0, "content": {"parts": []}}], "usageMetadata": usage}


_FRAMES: dict[str, Callable[[Json], Any]] = {
    "openai_chat": lambda usage: {"choices": [], "usage": usage},
    "openai_responses": lambda usage: {
        "type": "response.in_progress",
        "response": {"usage": usage},
    },
    "anthropic_messages": lambda usage: {"type": "message_delta", "delta": {}, "usage": usage},
    "gemini": _candidate,
    "bedrock_converse": lambda usage: ["metadata", {"usage": usage}],
    "cohere_chat": lambda usage: {"type": "message-end", "delta": {"usage": usage}},
    "ollama_chat": lambda usage: {"message": {}, "done": True} | usage,
}
"""A frame with a usage; the format of Ollama has only one such frame."""

_SEVERAL = [dialect for dialect in _FRAMES if dialect != "ollama_chat"]


def _read(dialect: str, frames: list[Json]) -> Usage:
    fmt = FORMATS[dialect]
    counted = [_FRAMES[dialect](written(dialect, counts)) for counts in frames]
    end = [] if dialect == "ollama_chat" else fmt.end
    reply = chunking.run(fmt.decoder(), [fmt.frames([fmt.text("a"), *counted, *end])])[1]
    assert reply.usage is not None
    return reply.usage


_LACKING: list[tuple[str, list[Json], Json]] = [
    ("the prompt is only in the first", [{"prompt": 40, "completion": 1}, {"completion": 9}],
     {"prompt": 40, "completion": 9}),
    ("the prompt is null at the end", [{"prompt": 40}, {"prompt": None, "completion": 9}],
     {"prompt": 40, "completion": 9}),
    ("the prompt is zero at the end", [{"prompt": 40}, {"prompt": 0, "completion": 9}],
     {"prompt": 40, "completion": 9}),
    ("the answer is only in the first", [{"prompt": 40, "completion": 9}, {"prompt": 40}],
     {"prompt": 40, "completion": 9}),
    ("each count has a frame", [{"prompt": 40}, {"completion": 9}, {"read": 30}],
     {"prompt": 40, "completion": 9, "read": 30}),
    ("nulls come first", [{"prompt": None, "completion": None}, {"prompt": 40, "completion": 9}],
     {"prompt": 40, "completion": 9}),
    ("zeros come first", [{"prompt": 0, "completion": 0}, {"prompt": 40, "completion": 9}],
     {"prompt": 40, "completion": 9}),
    ("every frame counts all", [{"prompt": 40, "completion": n} for n in (1, 4, 9)],
     {"prompt": 40, "completion": 9}),
    ("the same again", [{"prompt": 40, "completion": 9, "read": 30}] * 2,
     {"prompt": 40, "completion": 9, "read": 30}),
    ("a total for the first alone",
     [{"prompt": 40, "completion": 0, "total": 40}, {"prompt": 40, "completion": 9}],
     {"prompt": 40, "completion": 9}),
    ("a frame with its own total lacks only zeros",
     [{"prompt": 9, "completion": 21, "total": 30}, {"prompt": 87, "total": 87}],
     {"prompt": 87, "total": 87}),
]  # fmt: skip


def _applies(dialect: str, frames: list[Json]) -> bool:
    """A late count of the cache is a part of the input in the format of Anthropic."""
    late_cache = "read" in frames[-1] and "prompt" not in frames[-1]
    counts_totals = "total" in NAMES[dialect]
    return not (dialect == "anthropic_messages" and late_cache) and (
        counts_totals or not any("total" in counts for counts in frames)
    )


_ROWS = [(dialect, *row) for dialect in _SEVERAL for row in _LACKING if _applies(dialect, row[1])]


@pytest.mark.parametrize(
    ("dialect", "name", "frames", "whole"), _ROWS, ids=[f"{row[0]} {row[1]}" for row in _ROWS]
)
def test_frames_count_what_one_frame_with_all_of_it_counts(
    dialect: str, name: str, frames: list[Json], whole: Json
) -> None:
    usage, expected = _read(dialect, frames), _read(dialect, [whole])
    assert buckets(usage) == buckets(expected), name
    assert (usage.input_fresh, usage.partial) == (expected.input_fresh, expected.partial)


_SPELLINGS: list[tuple[str, Json]] = [
    ("openai_chat", {"promptTokens": 40, "completionTokens": 9, "totalTokens": 49}),
    ("openai_chat", {"inputTokens": 40, "outputTokens": 9}),
    ("openai_responses", {"inputTokens": 40, "outputTokens": 9, "totalTokens": 49}),
    ("cohere_chat", {"input_tokens": 40, "output_tokens": 9}),
    ("cohere_chat", {"tokens": {}, "billed_units": {"input_tokens": 40, "output_tokens": 9}}),
    ("cohere_chat", {"tokens": {"input_tokens": None}, "input_tokens": 40, "output_tokens": 9}),
]


@pytest.mark.parametrize(("dialect", "usage"), _SPELLINGS, ids=str)
def test_counts_of_gateways_are_read(dialect: str, usage: Json) -> None:
    fmt = FORMATS[dialect]
    body = fmt.frames([fmt.text("a"), _FRAMES[dialect](usage), *fmt.end])
    read = chunking.run(fmt.decoder(), [body])[1].usage
    assert read is not None
    assert buckets(read) == [40, 0, 0, 9, 0]
    assert not read.partial


@pytest.mark.parametrize("dialect", _FRAMES)
@pytest.mark.parametrize("write", [str, float], ids=["text", "float"])
def test_count_may_be_text_or_a_float(dialect: str, write: Callable[[int], Any]) -> None:
    counts = {"prompt": 40, "completion": 9, "read": 30, "reasoning": 4}
    usage = _read(dialect, [{name: write(count) for name, count in counts.items()}])
    assert buckets(usage) == buckets(_read(dialect, [counts]))
    assert not usage.partial
