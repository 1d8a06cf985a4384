"""Blocks of an answer: when they open and close, and the message they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter

from byokd.core.limits import BLOCKS_MAX, TOOL_CALLS_MAX
from byokd.dialects.base.content import (
    CUT_OFF,
    NO_NAME,
    NOT_JSON,
    Blocks,
    ReasoningDetail,
    parse_arguments,
)
from byokd.protocol.errors import ProviderError
from byokd.protocol.events import Event, TextEnd, ToolCallEnd, ToolCallStart
from byokd.protocol.parts import ImagePart, Source, ToolCallPart

_EVENTS = TypeAdapter(list[Event])


def _blocks(*taken: str) -> Blocks:
    return Blocks("s1", taken, {"provider": "p", "model": "m"})


def _seen(blocks: Blocks) -> list[str]:
    """Return the events so far as `type` or `type:delta`."""
    events = _EVENTS.dump_python(blocks.drain(), by_alias=True)
    return [f"{e['type']}:{e['delta']}" if "delta" in e else e["type"] for e in events]


def _text_twice(blocks: Blocks) -> None:
    blocks.text("a")
    blocks.text("b")


def _turns(blocks: Blocks) -> None:
    blocks.reasoning("r")
    blocks.text("a")
    blocks.reasoning("r2")


def _text_around_a_call(blocks: Blocks) -> None:
    blocks.text("a")
    call = blocks.tool_call("c")
    call.name = "f"
    blocks.arguments(call, "{}")
    blocks.text("b")


def _refused(blocks: Blocks) -> None:
    blocks.text("a")
    blocks.refusal("no")


_ORDER: list[tuple[Callable[[Blocks], None], list[str]]] = [
    (_text_twice, ["textStart", "textDelta:a", "textDelta:b", "textEnd"]),
    (
        _turns,
        ["reasoningStart", "reasoningDelta:r", "reasoningEnd", "textStart", "textDelta:a",
         "textEnd", "reasoningStart", "reasoningDelta:r2", "reasoningEnd"],
    ),
    (
        _text_around_a_call,
        ["textStart", "textDelta:a", "textEnd", "toolCallStart", "toolCallDelta:{}",
         "textStart", "textDelta:b", "textEnd", "toolCallEnd"],
    ),
    (_refused, ["textStart", "textDelta:a", "textEnd", "textStart", "textDelta:no", "textEnd"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "expected"), _ORDER, ids=lambda row: getattr(row, "__name__", "")
)
def test_events_open_and_close_blocks_in_order(
    steps: Callable[[Blocks], None], expected: list[str]
) -> None:
    blocks = _blocks()
    steps(blocks)
    blocks.finish()
    assert _seen(blocks) == expected


def test_blocks_stay_open_without_an_end() -> None:
    blocks = _blocks()
    blocks.text("a")
    assert _seen(blocks) == ["textStart", "textDelta:a"]
    assert [part.type for part in blocks.parts()] == ["text"]


def _call(blocks: Blocks, native: str, name: str, arguments: str) -> None:
    call = blocks.tool_call(native)
    call.name = name
    blocks.arguments(call, arguments)


@pytest.mark.parametrize(
    ("taken", "natives", "unchanged"),
    [
        ((), ("a", "b"), [True, True]),
        ((), ("a", "a"), [True, False]),
        (("a",), ("a", "b"), [False, True]),
        ((), ("", ""), [False, False]),
    ],
)
def test_call_ids_are_unique(
    taken: tuple[str, ...], natives: tuple[str, ...], unchanged: list[bool]
) -> None:
    blocks = _blocks(*taken)
    for native in natives:
        _call(blocks, native, "f", "{}")
    blocks.finish()
    starts = [event for event in blocks.drain() if isinstance(event, ToolCallStart)]
    ids = [start.call_id for start in starts]
    assert [call_id == native for call_id, native in zip(ids, natives, strict=True)] == unchanged
    assert len({*ids, *taken}) == len(ids) + len(taken)
    states = [part.provider_state for part in blocks.parts()]
    assert [(state or {})["callId"] for state in states] == list(natives)


def test_call_starts_when_its_name_is_known() -> None:
    blocks = _blocks()
    call = blocks.tool_call("")
    blocks.arguments(call, "{")
    assert _seen(blocks) == []
    call.name = "f"
    blocks.arguments(call, "}")
    assert _seen(blocks) == ["toolCallStart", "toolCallDelta:{}"]


_ENDS: list[tuple[str, str, Any, str | None]] = [
    ("f", '{"a":1}', {"a": 1}, None),
    ("f", "", {}, None),
    ("f", "null", None, None),
    ("f", "{", None, NOT_JSON),
    ("f", "NaN", None, NOT_JSON),
    ("", "{}", None, NO_NAME),
]


@pytest.mark.parametrize(("name", "raw", "arguments", "error"), _ENDS)
def test_call_ends_with_its_arguments_or_an_error(
    name: str, raw: str, arguments: Any, error: str | None
) -> None:
    blocks = _blocks()
    _call(blocks, "c", name, raw)
    blocks.finish()
    end = next(event for event in blocks.drain() if isinstance(event, ToolCallEnd))
    assert (end.arguments, end.parse_error) == (arguments, error)
    assert end.raw_arguments == (raw if error else None)


def test_call_that_was_cut_off_has_no_arguments() -> None:
    blocks = _blocks()
    _call(blocks, "c", "f", "")
    part = blocks.parts()[0]
    assert isinstance(part, ToolCallPart)
    assert (part.arguments, part.parse_error) == (None, CUT_OFF)


def test_deltas_of_a_reasoning_detail_are_joined() -> None:
    blocks = _blocks()
    blocks.reasoning("ab")
    for text, index in (("a", 0), ("b", 0), ("c", 1)):
        blocks.add_detail(ReasoningDetail("d", {"text": text, "index": index}, "text", [text]))
    blocks.add_detail(ReasoningDetail("d", {"index": 1, "signature": "s"}, None, []))
    blocks.finish()
    part = blocks.parts()[0]
    assert part.provider_state == {
        "provider": "p",
        "model": "m",
        "d": [{"text": "ab", "index": 0}, {"text": "c", "index": 1, "signature": "s"}],
    }


def test_opaque_parts_stay_in_their_place() -> None:
    blocks = _blocks()
    blocks.text("a")
    blocks.add_opaque("parts", {"x": 1})
    blocks.add_opaque("parts", {"x": 2})
    blocks.text("b")
    blocks.seal({"signature": "s"})
    blocks.reasoning("c", "summary")
    blocks.end_block()
    blocks.seal({"signature": "nobody's"})
    blocks.add_opaque("parts", {"x": 3})
    blocks.reasoning("d", "redacted")
    blocks.media(ImagePart(media_type="image/png", data="AAAA"))
    blocks.finish()
    own = {"provider": "p", "model": "m"}
    assert [(part.type, part.provider_state) for part in blocks.parts()] == [
        ("text", own | {"parts": [{"x": 1}, {"x": 2}]}),
        ("text", own | {"signature": "s"}),
        ("reasoning", own),
        ("reasoning", own | {"parts": [{"x": 3}]}),
        ("reasoning", own),
        ("image", None),
    ]
    ends = [event for event in blocks.drain() if isinstance(event, TextEnd)]
    assert [event.provider_state for event in ends] == [
        own | {"parts": [{"x": 1}, {"x": 2}]},
        own | {"signature": "s"},
    ]


def test_more_calls_or_blocks_than_the_limit_are_refused() -> None:
    blocks = _blocks()
    for _ in range(TOOL_CALLS_MAX):
        blocks.tool_call("")
    with pytest.raises(ProviderError, match="tool calls"):
        blocks.tool_call("")
    blocks = _blocks()
    for _ in range(BLOCKS_MAX):
        blocks.citation(Source(url="https://a.test"), None)
    with pytest.raises(ProviderError, match="blocks"):
        blocks.text("a")


def test_arguments_are_strict_json() -> None:
    assert parse_arguments(' {"a": "\\u00e9"} ') == ({"a": "é"}, None)
    assert parse_arguments('{"a":1}{}') == (None, NOT_JSON)
