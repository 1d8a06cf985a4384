"""Content that a Responses stream repeats, at the same place or at another, is read once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

import chunking
from byokd.core.http import Headers, HttpHead
from byokd.dialects.base.call import Reply
from byokd.dialects.openai_responses import decoder
from byokd.protocol.parts import Part
from dialects import records

Json = dict[str, Any]
_Change = Callable[[Json], Json | None]

_THOUGHT, _SUMMARY, _FIRST, _SECOND = "Two facts.", "**Plan** Look.", "It rains", " in Bergen."
_ARGUMENTS = '{"city": "Bergen"}'

_ITEMS: list[Json] = [
    {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": _SUMMARY}],
        "content": [{"type": "reasoning_text", "text": _THOUGHT}],
    },
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": _FIRST, "annotations": []},
            {"type": "output_text", "text": _SECOND, "annotations": []},
        ],
    },
    {
        "id": "fc_1",
        "type": "function_call",
        "call_id": "call_1",
        "name": "weather",
        "arguments": _ARGUMENTS,
    },
    {"id": "msg_2", "type": "message", "content": [{"type": "output_text", "text": "Wait."}]},
]


def _pieces(event: str, at: Json, whole: str, name: str = "text") -> list[Json]:
    """Return the deltas of a text, and the event that repeats it whole in the field `name`."""
    half = len(whole) // 2
    deltas = [{"type": f"{event}.delta", "delta": d} | at for d in (whole[:half], whole[half:])]
    return [*deltas, {"type": f"{event}.done", name: whole} | at]


def _stream() -> list[Json]:
    events: list[Json] = [{"type": "response.created", "response": {"id": "r", "output": []}}]
    for index, item in enumerate(_ITEMS):
        at = {"output_index": index, "item_id": item["id"]}
        empty = {"summary": [], "content": [], "arguments": ""}
        begun = item | {name: value for name, value in empty.items() if name in item}
        events.append({"type": "response.output_item.added", "item": begun, "output_index": index})
        for place, part in enumerate(item.get("content", [])):
            name = "reasoning_text" if item["type"] == "reasoning" else "output_text"
            events += _pieces(f"response.{name}", at | {"content_index": place}, part["text"])
        for place, part in enumerate(item.get("summary", [])):
            where = at | {"summary_index": place}
            events += _pieces("response.reasoning_summary_text", where, part["text"])
        if "arguments" in item:
            kind = "response.function_call_arguments"
            events += _pieces(kind, at, item["arguments"], "arguments")
        events.append({"type": "response.output_item.done", "item": item, "output_index": index})
    last = {"id": "r", "status": "completed", "output": _ITEMS}
    return [*events, {"type": "response.completed", "response": last}]


def _is(event: Json, *endings: str) -> bool:
    return str(event["type"]).endswith(endings)


def _shifted(name: str, by: int, *endings: str) -> _Change:
    """Move `name` of the events with one of the endings."""
    return lambda event: (
        event | {name: event[name] + by} if name in event and _is(event, *endings) else event
    )


def _without(*endings: str) -> _Change:
    return lambda event: None if _is(event, *endings) else event


def _renamed(event: Json) -> Json:
    """Give the finished items other ids."""
    if "item" in event and _is(event, "item.done"):
        return event | {"item": event["item"] | {"id": f"new_{event['item']['id']}"}}
    return event


def _unnamed(event: Json) -> Json:
    """Leave out ids and places of pieces, as some servers do."""
    if _is(event, ".delta", "_text.done", "arguments.done"):
        return {name: value for name, value in event.items() if name != "item_id"}
    return event


def _empty_output(event: Json) -> Json:
    if _is(event, "completed"):
        return event | {"response": event["response"] | {"output": []}}
    return event


def _renumbered_output(event: Json) -> Json:
    """Give the items of the last response other ids."""
    if _is(event, "completed"):
        output = [item | {"id": f"end_{item['id']}"} for item in event["response"]["output"]]
        return event | {"response": event["response"] | {"output": output}}
    return event


def _joined_parts(event: Json) -> Json:
    """Finish a message with one text, where two were streamed."""
    item = event.get("item")
    if item and item["id"] == "msg_1" and _is(event, "item.done"):
        parts = [{"type": "output_text", "text": _FIRST + _SECOND}]
        return event | {"item": item | {"content": parts}}
    return event


def _other_ends(event: Json) -> Json:
    """State the ends of pieces under another id."""
    if _is(event, *_ENDS) and "item_id" in event:
        return event | {"item_id": f"end_{event['item_id']}"}
    return event


def _as_parts(event: Json) -> Json:
    """State the ends of texts as ends of parts."""
    for name in ("output_text", "reasoning_text", "reasoning_summary_text"):
        if event["type"] == f"response.{name}.done":
            part_type = "summary_text" if "summary" in name else name
            part = {"type": part_type, "text": event["text"]}
            kind = "reasoning_summary_part" if "summary" in name else "content_part"
            rest = {key: value for key, value in event.items() if key != "text"}
            return rest | {"type": f"response.{kind}.done", "part": part}
    return event


def _bare_texts(event: Json) -> Json:
    """Write the texts of finished items without a list."""
    item = event.get("item")
    if item and item["id"] == "msg_1" and _is(event, "item.done"):
        return event | {"item": item | {"content": _FIRST + _SECOND}}
    return event


def _done(event: Json) -> Json:
    return event | {"type": "response.done"} if _is(event, "completed") else event


_PIECES = (".delta",)
_ENDS = ("text.done", "arguments.done")
_KINDS: dict[str, tuple[_Change, ...]] = {
    "as documented": (),
    "deltas under a later content_index": (_shifted("content_index", 1, *_PIECES),),
    "deltas and their ends under a later content_index": (
        _shifted("content_index", 1, *_PIECES, *_ENDS),
    ),
    "ends under a later content_index": (_shifted("content_index", 2, *_ENDS),),
    "deltas under a later summary_index": (_shifted("summary_index", 3, *_PIECES),),
    "deltas under a later output_index": (_shifted("output_index", 4, *_PIECES),),
    "pieces under a later output_index": (_shifted("output_index", 4, *_PIECES, *_ENDS),),
    "items finished under a later output_index": (_shifted("output_index", 1, "item.done"),),
    "items finished at another place and with another id": (
        _shifted("output_index", 7, "item.done"),
        _renamed,
    ),
    "items finished with another id": (_renamed,),
    "pieces without an id": (_unnamed,),
    "items never finished": (_without("item.done"),),
    "items never finished, with other ids at the end": (
        _without("item.done"),
        _renumbered_output,
    ),
    "items never begun": (_without("item.added"),),
    "items never begun, and finished at another place": (
        _without("item.added"),
        _shifted("output_index", 9, "item.done"),
    ),
    "no ends of texts": (_without(*_ENDS),),
    "no deltas": (_without(*_PIECES),),
    "only finished items": (_without(*_PIECES, *_ENDS, "item.added"), _empty_output),
    "only the last response": (_without(*_PIECES, *_ENDS, "item.added", "item.done"),),
    "an empty last response": (_empty_output,),
    "only ends of texts, and an empty last response": (
        _without(*_PIECES, "item.done"),
        _empty_output,
    ),
    "ends of pieces at another place and under another id": (
        _shifted("output_index", 5, *_ENDS),
        _other_ends,
    ),
    "everything at a place and under an id of its own": (
        _shifted("output_index", 5, *_ENDS),
        _shifted("output_index", 9, "item.done"),
        _other_ends,
        _renamed,
        _renumbered_output,
    ),
    "only ends of parts, and an empty last response": (
        _without(*_PIECES, "item.done"),
        _as_parts,
        _empty_output,
    ),
    "ends of parts instead of ends of texts": (_as_parts,),
    "texts without a list": (_bare_texts,),
    "another word for the last event": (_done,),
    "two texts finished as one": (_joined_parts,),
    "two texts finished as one, under another index": (
        _joined_parts,
        _shifted("content_index", 1, *_PIECES),
    ),
}


def _changed(events: Iterable[Json], changes: tuple[_Change, ...]) -> list[Json]:
    result: list[Json] = []
    for event in events:
        changed: Json | None = event
        for change in changes:
            changed = change(changed) if changed is not None else None
        if changed is not None:
            result.append(changed)
    return result


def _read(events: list[Json]) -> tuple[Reply, str]:
    """Return the reply, and the text of the events."""
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    head = HttpHead(200, Headers([("content-type", "text/event-stream")]))
    streamed, reply = chunking.run(decoder(records.call(), head), [body])
    deltas = [event.delta for event in streamed if event.type == "textDelta"]
    return reply, "".join(deltas)


def _texts(parts: tuple[Part, ...], kind: str) -> str:
    return "".join(part.text for part in parts if part.type == kind)  # type: ignore[union-attr]


@pytest.mark.parametrize("changes", _KINDS.values(), ids=_KINDS)
def test_content_is_read_once_wherever_it_is_finished(changes: tuple[_Change, ...]) -> None:
    reply, streamed = _read(_changed(_stream(), changes))
    assert reply.fault is None
    parts = reply.message.parts()
    text = _FIRST + _SECOND + "Wait."
    assert (_texts(parts, "text"), streamed) == (text, text)
    assert sorted(_texts(parts, "reasoning")) == sorted(_THOUGHT + _SUMMARY)
    calls = [part for part in parts if part.type == "toolCall"]
    assert [(call.name, call.arguments) for call in calls] == [("weather", {"city": "Bergen"})]
    assert reply.finish_reason is not None
    assert reply.finish_reason.unified == "toolCalls"


def test_reasoning_that_is_finished_as_a_summary_is_read_once() -> None:
    item = {"id": "rs_1", "type": "reasoning"}
    at = {"output_index": 0, "item_id": "rs_1", "content_index": 0}
    summary = [{"type": "summary_text", "text": _THOUGHT}]
    events = [
        {"type": "response.output_item.added", "item": item, "output_index": 0},
        *_pieces("response.reasoning_text", at, _THOUGHT),
        {"type": "response.output_item.done", "item": item | {"summary": summary}},
        {"type": "response.completed", "response": {"status": "completed"}},
    ]
    reply, _ = _read(events)
    assert _texts(reply.message.parts(), "reasoning") == _THOUGHT


def test_equal_texts_of_two_messages_are_both_read() -> None:
    items = [
        {"id": f"m{n}", "type": "message", "content": [{"type": "output_text", "text": "Ok."}]}
        for n in range(2)
    ]
    finished = [
        {"type": "response.output_item.done", "item": item, "output_index": n}
        for n, item in enumerate(items)
    ]
    last = {"type": "response.completed", "response": {"status": "completed", "output": items}}
    reply, streamed = _read([*finished, last])
    assert (_texts(reply.message.parts(), "text"), streamed) == ("Ok.Ok.", "Ok.Ok.")


def test_text_that_the_last_item_rewrites_is_not_read_again() -> None:
    at = {"output_index": 0, "item_id": "m", "content_index": 2}
    rewritten = {"id": "m", "type": "message", "content": [{"type": "output_text", "text": "No."}]}
    events: list[Json] = [
        {"type": "response.output_text.delta", "delta": "Yes.[1]"} | at,
        {"type": "response.output_item.done", "item": rewritten, "output_index": 0},
        {"type": "response.completed", "response": {"status": "completed"}},
    ]
    reply, streamed = _read(events)
    assert (_texts(reply.message.parts(), "text"), streamed) == ("Yes.[1]", "Yes.[1]")


@pytest.mark.parametrize(
    "output",
    [
        {"output": [], "output_text": "Hi."},
        {"output": [{"type": "message", "content": "Hi."}]},
        {"output": [{"type": "message", "content": [{"type": "text", "text": "Hi."}]}]},
    ],
    ids=["output_text", "text", "list"],
)
def test_text_of_a_whole_response_is_read_in_any_form(output: Json) -> None:
    document = {"object": "response", "status": "completed"} | output
    head = HttpHead(200, Headers([("content-type", "application/json")]))
    reply = chunking.run(decoder(records.call(), head), [json.dumps(document).encode()])[1]
    assert reply.fault is None
    assert _texts(reply.message.parts(), "text") == "Hi."


@pytest.mark.parametrize("finished", [True, False], ids=["whole items", "an item that goes on"])
def test_marker_ends_a_stream_of_whole_items(*, finished: bool) -> None:
    """Gateways leave the last event out."""
    events = [event for event in _stream() if not _is(event, "completed")]
    events = events if finished else events[:-1]
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    head = HttpHead(200, Headers([("content-type", "text/event-stream")]))
    marked = chunking.run(decoder(records.call(), head), [body + b"data: [DONE]\n\n"])[1]
    assert (marked.fault is None) == finished
    assert chunking.run(decoder(records.call(), head), [body])[1].fault is not None
