"""Writes a recorded answer as other servers would: the same content in another shape.

A variant changes only what carries no meaning, so the expectations of the recording hold. It must
not use a decoder.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Final

from dialects.frames import event as aws_event

Json = Any
Change = Callable[[Json], Json]

_OWN: Final = frozenset({"arguments", "args", "input", "json", "response", "parameters", "outputs"})
"""Fields whose content is the model's or the caller's: changing them changes the answer."""
_COUNTS: Final = ("_tokens", "Tokens", "TokenCount", "_count")
_WORDS: Final = ("finish_reason", "stop_reason", "stopReason", "finishReason", "done_reason")
_PLACES: Final = ("index", "contentBlockIndex", "output_index", "content_index", "summary_index")
_BESIDE: Final = (
    *("content", "reasoning_content", "reasoning", "tool_calls", "function_call", "refusal"),
    *("annotations", "reasoning_details", "audio", "images"),
)
_CHAT_NULLS: Final = {
    "delta": (*_BESIDE, "role"),
    "message": (*_BESIDE, "thinking"),
    "choices": ("logprobs", "finish_reason", "message", "delta", "text", "error", "stop_reason"),
    "function": ("name", "arguments"),
    "tool_calls": ("id", "index", "type", "function", "custom"),
    "": (
        *("usage", "error", "choices", "x_groq", "citations", "search_results", "id", "model"),
        *("object", "created", "system_fingerprint", "service_tier", "prompt_filter_results"),
    ),
}


@dataclass(frozen=True)
class Answer:
    """An answer in parts: how its events are framed, and the content of each.

    Attributes:
        style: `sse`, `lines`, `array`, `frames` or `document`.
        events: name ("" where the framing has none) and content, text where it is no JSON.
    """

    style: str
    events: tuple[tuple[str, Json], ...]


def parsed_answer(body: bytes) -> Answer | None:
    """Return a body in parts, or None where it is malformed."""
    if body.startswith(b"\0"):
        return Answer("frames", tuple(_frames(body)))
    text = body.decode("utf-8", "replace").strip()
    if text[:1] in {"{", "["}:
        return _documents(text)
    events, name, data = [], "", list[str]()
    for line in [*text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            events.append((name, _parsed("\n".join(data))))
            name, data = "", []
        elif line and line[0] != ":":
            return None
    return Answer("sse", tuple(events)) if events else None


def _documents(text: str) -> Answer | None:
    try:
        document = json.loads(text)
    except ValueError:
        lines = [_parsed(line) for line in text.splitlines() if line]
        whole = not any(isinstance(line, str) for line in lines)
        return Answer("lines", tuple(("", line) for line in lines)) if whole else None
    if isinstance(document, list):
        return Answer("array", tuple(("", entry) for entry in document))
    return Answer("document", (("", document),))


def _frames(body: bytes) -> Iterator[tuple[str, Json]]:
    at = 0
    while at < len(body):
        total, heads = (int.from_bytes(body[at + n : at + n + 4]) for n in (0, 4))
        head, payload = body[at + 12 : at + 12 + heads], body[at + 12 + heads : at + total - 4]
        start = head.find(b"-type\x07") + 6  # `:event-type` or `:exception-type` comes first
        size = int.from_bytes(head[start : start + 2])
        yield head[start + 2 : start + 2 + size].decode(), json.loads(payload)
        at += total


def _parsed(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return text


# --- the same in other bytes ---------------------------------------------------------------------


def written(answer: Answer, **how: Any) -> bytes:
    """Return an answer as bytes.

    Args:
        answer: the answer.
        how: `end` of a line, `space` after a field's name, `between` events, `dump` for JSON.
    """
    dump: Callable[[Json], str] = how.get("dump", _compact)
    texts = [(name, data if isinstance(data, str) else dump(data)) for name, data in answer.events]
    if answer.style == "frames":
        return b"".join(
            aws_event(name, text.encode(), "exception" if name.endswith("ception") else "event")
            for name, text in texts
        )
    if answer.style != "sse":
        joined = {"array": ",", "lines": "\n"}.get(answer.style, "").join(t for _, t in texts)
        return (f"[{joined}]" if answer.style == "array" else joined).encode()
    end, space = how.get("end", "\n"), how.get("space", " ")
    between = how.get("between", "").replace("\n", end)
    text_of_events = ""
    for name, text in texts:
        text_of_events += f"event:{space}{name}{end}" if name else ""
        text_of_events += (
            "".join(f"data:{space}{line}{end}" for line in text.split("\n")) + end + between
        )
    return text_of_events.encode()


def _compact(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _roomy(value: Json) -> str:
    return json.dumps(value, ensure_ascii=True, indent=1)


_FRAMINGS: Final[dict[str, dict[str, Any]]] = {
    "CRLF": {"end": "\r\n"},
    "CR": {"end": "\r"},
    "no space": {"space": ""},
    "comments between": {"between": ": keep-alive\n\n:\n\n"},
    "comments inside": {"between": ": ping\n"},
    "ids and retries": {"between": "id: 7\nretry: 3000\n\n"},
    "an unknown field": {"between": "note: this means nothing\n\n"},
    "blank lines": {"between": "\n\n\n"},
    "JSON on many lines": {"dump": _roomy},
}


def framings(answer: Answer) -> Iterator[tuple[str, bytes]]:
    """Yield an answer in every framing that its kind of stream allows."""
    body = written(answer)
    yield "as it is", body
    yield "JSON with room", written(answer, dump=_roomy if answer.style != "lines" else _ascii)
    if answer.style == "frames":
        return
    yield "byte order mark", b"\xef\xbb\xbf" + body
    yield "blank lines before", b"\r\n\n \n" + body
    yield "blank lines after", body + b"\r\n\r\n\n"
    if answer.style == "sse":
        for name, how in _FRAMINGS.items():
            yield name, written(answer, **how)
        yield "no last blank line", body.rstrip()
        for end in ("\r\n", "\n"):
            yield f"mixed with {end!r}", _mixed(body, end)


def _ascii(value: Json) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(", ", ": "))


def _mixed(body: bytes, end: str) -> bytes:
    lines = body.split(b"\n")
    return b"".join(line + (end.encode() if at % 3 else b"\r\n") for at, line in enumerate(lines))


# --- the same in other JSON ----------------------------------------------------------------------


def shapes(answer: Answer) -> Iterator[tuple[str, Answer]]:
    """Yield an answer with every change of its JSON that does not change its content."""
    changes: dict[str, Change] = {
        "unknown fields": lambda value: value | {"zz_new": {"list": [1, None], "type": "new"}},
        "nulls left out": lambda value: {k: v for k, v in value.items() if v is not None},
        "names in reverse": lambda value: dict(reversed(value.items())),
        "counts as decimals": lambda value: _counts(value, float),
    }
    for name, change in changes.items():
        yield name, _each(answer, change)
    yield "nulls for what is absent", _map(answer, lambda data: _nulls(data, ""))
    yield "indexes as text", _each(answer, lambda value: _retyped(value, _PLACES, str))
    yield "indexes as decimals", _each(answer, lambda value: _retyped(value, _PLACES, float))
    yield "times as text", _each(answer, lambda value: _retyped(value, ("created",), str))
    yield "words in upper case", _each(answer, lambda value: _retyped(value, _WORDS, str.upper))
    yield "words in lower case", _each(answer, lambda value: _retyped(value, _WORDS, str.lower))
    arguments = list(_arguments(answer.events))
    if arguments and all(isinstance(_parsed(text), dict) for text in arguments):
        yield "arguments as objects", _each(answer, _opened)
    if answer.style == "sse":
        yield from _streams(answer)


def _streams(answer: Answer) -> Iterator[tuple[str, Answer]]:
    ping: list[tuple[str, Json]] = [("ping", {"type": "ping"})]
    unknown: list[tuple[str, Json]] = [("x.new_event", {"type": "x.new_event", "text": "zz"})]
    for name, between in (("pings", ping), ("unknown events", unknown)):
        events = tuple(each for event in answer.events for each in (*between, event))
        yield f"{name} between", replace(answer, events=events)
    named = any(name for name, _ in answer.events)
    if named:
        yield "no names", replace(answer, events=tuple(("", data) for _, data in answer.events))
    if any("choices" in data for _, data in answer.events if isinstance(data, dict)):
        empty: list[tuple[str, Json]] = [("", {"choices": [], "usage": None})]
        yield (
            "empty choices between",
            replace(answer, events=tuple(one for e in answer.events for one in (*empty, e))),
        )
        yield (
            "arguments a letter at a time",
            replace(
                answer, events=tuple(each for event in answer.events for each in _spelt(*event))
            ),
        )
        yield "usage twice", replace(answer, events=tuple(_usage_again(answer.events)))
    events = tuple(event for event in answer.events if event[1] != "[DONE]")
    if len(events) < len(answer.events):
        done = (*answer.events, answer.events[-1])
        yield "[DONE] twice", replace(answer, events=done)
        if any(_word(data) for _, data in events):
            yield "no [DONE]", replace(answer, events=events)


def _arguments(value: Json) -> Iterator[str]:
    """Yield the arguments of calls that are text."""
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict) and isinstance(child.get("arguments"), str):
            yield child["arguments"]
        elif isinstance(child, dict | list | tuple):
            yield from _arguments(child)


def _opened(value: Json) -> Json:
    text = value.get("arguments")
    return value | {"arguments": json.loads(text)} if isinstance(text, str) else value


def _spelt(name: str, data: Json) -> Iterator[tuple[str, Json]]:
    """Yield a chunk without the arguments of its calls, and then one for each letter of them."""
    choices = (data.get("choices") if isinstance(data, dict) else None) or []
    delta: Json = (choices[0].get("delta") if choices else None) or {}
    calls = delta.get("tool_calls") or []
    if not calls or any(type(one.get("index")) is not int for one in calls):
        yield name, data
        return
    bare = [one | {"function": one["function"] | {"arguments": ""}} for one in calls]
    first = choices[0] | {"finish_reason": None, "delta": delta | {"tool_calls": bare}}
    yield name, data | {"choices": [first, *choices[1:]], "usage": None}
    for call in calls:
        for letter in call["function"].get("arguments") or "":
            piece = {"index": call["index"], "function": {"arguments": letter}}
            yield name, {"choices": [{"index": 0, "delta": {"tool_calls": [piece]}}]}
    yield name, data | {"choices": [choices[0] | {"delta": {}}]}


def _usage_again(events: tuple[tuple[str, Json], ...]) -> Iterator[tuple[str, Json]]:
    for name, data in events:
        yield name, data
        if isinstance(data, dict) and data.get("usage"):
            yield name, {"choices": [], "usage": data["usage"]}


def _word(data: Json) -> bool:
    choices = data.get("choices") if isinstance(data, dict) else None
    return any(one.get("finish_reason") and not one.get("index") for one in choices or [])


def _map(answer: Answer, change: Change) -> Answer:
    return replace(
        answer,
        events=tuple(
            (name, data if isinstance(data, str) else change(data)) for name, data in answer.events
        ),
    )


def _each(answer: Answer, change: Change) -> Answer:
    """Change every object, except the model's own content."""

    def walked(value: Json) -> Json:
        if isinstance(value, list):
            return [walked(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        inner = {k: v if k in _OWN and _free(v) else walked(v) for k, v in value.items()}
        return change(inner)

    return _map(answer, walked)


def _free(value: Json) -> bool:
    """Tell whether a value is the model's own; another `input` holds token counts."""
    return not (isinstance(value, dict) and "candidates" in value)


def _counts(value: Json, to: Callable[[Any], Any]) -> Json:
    return {k: to(v) if k.endswith(_COUNTS) and type(v) is int else v for k, v in value.items()}


def _retyped(value: Json, names: tuple[str, ...], to: Callable[[Any], Any]) -> Json:
    return {k: to(v) if k in names and isinstance(v, int | str) else v for k, v in value.items()}


def _nulls(value: Json, at: str) -> Json:
    if isinstance(value, list):
        return [_nulls(entry, at) for entry in value]
    if not isinstance(value, dict):
        return value
    inner = {k: v if k in _OWN else _nulls(v, k) for k, v in value.items()}
    chat = "choices" in value or at
    return dict.fromkeys(_CHAT_NULLS.get(at, ()) if chat else ()) | inner


# --- nonsense ------------------------------------------------------------------------------------

_NONSENSE: Final[tuple[Json, ...]] = (
    *(None, True, 0, -1, 1.5, 10**30, "", "x", "0", "null", [], {}, [None], [[]], [{}], [1]),
    *({"": None}, {"type": 7}, [{"type": None}], {"text": []}, "[DONE]", {"error": {}}, "\u2028"),
)
_DEEPER: Final = 0.85


def spoiled(answer: Answer, seed: str, count: int) -> Iterator[bytes]:
    """Yield an answer with one to three values replaced by values out of place."""
    drawn = random.Random(seed)  # noqa: S311  # the same ones in every run
    for _ in range(count):
        events = json.loads(json.dumps(answer.events))
        for _ in range(drawn.randint(1, 3)):
            _spoil(drawn, events)
        yield written(replace(answer, events=tuple((str(n), data) for n, data in events)))


def _spoil(drawn: random.Random, events: Json) -> None:
    place: Json = drawn.choice(events)
    at: Any = 1
    while isinstance(place[at], dict | list) and place[at] and drawn.random() < _DEEPER:
        place = place[at]
        at = drawn.choice(list(place) if isinstance(place, dict) else range(len(place)))
    place[at] = deepcopy(drawn.choice(_NONSENSE))
