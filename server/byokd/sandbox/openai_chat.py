"""What the simulated models say, in the words of OpenAI-style chat completions.

Knows the wire format from the provider's side, written from its documentation and recordings, not
from our own encoder: a simulator that shares our reading of a format would prove nothing. Must not
know sockets or time; texts, models and error bodies are data in `openai_chat.json`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, TypeAlias, cast

from pydantic_core import from_json, to_json

JsonObject: TypeAlias = dict[str, Any]

DATA: Final = cast(
    "JsonObject", from_json(resources.files(__package__).joinpath("openai_chat.json").read_bytes())
)
_TEXTS: Final[dict[str, str]] = DATA["texts"]
_PIECE_CHARS: Final = 8


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer before it is put on the wire.

    Attributes:
        deltas: the pieces, each a `delta` object of a stream.
        finish_reason: why it ends.
        reasoning_tokens: how many of the pieces are thought rather than said.
        extra: fields that some providers put beside `choices`.
        pause_s: how long to wait between two pieces.
    """

    deltas: tuple[JsonObject, ...]
    finish_reason: str = "stop"
    reasoning_tokens: int = 0
    extra: JsonObject | None = None
    pause_s: float = 0.0


def answer(body: JsonObject) -> Reply | None:
    """Return what the model named in the request says, or None where there is no such model."""
    for pattern, reply in _MODELS:
        if found := re.fullmatch(pattern, body["model"]):
            return reply(body, *(int(number) for number in found.groups()))
    return None


def stream(body: JsonObject, reply: Reply, now_s: int) -> Iterator[bytes]:
    """Yield the events of a streamed answer, `[DONE]` included."""
    head = {
        "id": "chatcmpl-sandbox", "object": "chat.completion.chunk", "created": now_s,
        "model": body["model"], "system_fingerprint": "fp_sandbox",
    }  # fmt: skip
    chunk = {"index": 0, "logprobs": None, "finish_reason": None}

    def event(choices: list[JsonObject], **more: object) -> bytes:
        return b"data: " + to_json(head | {"choices": choices} | more) + b"\n\n"

    yield event([chunk | {"delta": {"role": "assistant", "content": ""}}])
    for delta in reply.deltas:
        yield event([chunk | {"delta": delta}])
    last = chunk | {"delta": {}, "finish_reason": reply.finish_reason}
    yield event([last], **(reply.extra or {}))
    if (body.get("stream_options") or {}).get("include_usage"):
        yield event([], usage=_usage(body, reply))
    yield b"data: [DONE]\n\n"


def whole(body: JsonObject, reply: Reply, now_s: int) -> bytes:
    """Return the answer as one JSON object."""
    message: JsonObject = {"role": "assistant", "content": None}
    for delta in reply.deltas:
        _add(message, delta)
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
    return to_json(
        {
            "id": "chatcmpl-sandbox", "object": "chat.completion", "created": now_s,
            "model": body["model"], "choices": [choice], "usage": _usage(body, reply),
        } | (reply.extra or {})
    )  # fmt: skip


def error(name: str, **words: str) -> bytes:
    """Return the error body of that name, its `{placeholders}` filled."""
    body = {"error": dict(DATA["errors"][name]["error"])}
    for word, text in words.items():
        body["error"]["message"] = body["error"]["message"].replace(f"{{{word}}}", text)
    return to_json(body)


def models(now_s: int) -> bytes:
    """Return the model list."""
    common = {"object": "model", "created": now_s, "owned_by": "sandbox"}
    return to_json({"object": "list", "data": [model | common for model in DATA["models"]]})


def half(body: JsonObject, now_s: int) -> list[bytes]:
    """Return the first events of an answer that will not be finished."""
    reply = Reply(_said(_TEXTS["half"]))
    return list(stream(body, reply, now_s))[: len(reply.deltas) + 1]


# --- the models ----------------------------------------------------------------------------------


def _echo(body: JsonObject) -> Reply:
    return Reply(_said(_TEXTS["echo"] + (_last_text(body) or _TEXTS["nothing"])))


def _reasoning(body: JsonObject) -> Reply:
    thought = tuple({"reasoning_content": word} for word in _words(_TEXTS["thought"]))
    return Reply((*thought, *_echo(body).deltas), reasoning_tokens=len(thought))


def _tools(body: JsonObject, calls: int = 1) -> Reply:
    """Call the first tools offered when a person speaks; repeat their results afterwards."""
    results = [_text(m) for m in body["messages"] if m.get("role") == "tool"]
    if body["messages"][-1].get("role") == "tool":
        return Reply(_said(_TEXTS["after_tools"] + "; ".join(results[-calls:])))
    tools = (body.get("tools") or [])[:1] * calls
    if not tools or body.get("tool_choice") == "none":
        return _echo(body)
    deltas = list(_said(_TEXTS["before_tools"]))
    for index, tool in enumerate(tools):
        function = tool["function"]
        call_id = f"call_{len(results) + index}_{len(body['messages'])}"
        given = to_json(_example(function.get("parameters") or {}, _subject(body))).decode()
        deltas.append(_call(index, "", id=call_id, type="function", name=function["name"]))
        deltas += [_call(index, piece) for piece in _pieces(given)]
    return Reply(tuple(deltas), finish_reason="tool_calls")


def _citations(_body: JsonObject) -> Reply:
    notes = [
        {"type": "url_citation", "url_citation": source | {"start_index": 0, "end_index": 8}}
        for source in DATA["citations"]
    ]
    urls = [source["url"] for source in DATA["citations"]]
    return Reply((*_said(_TEXTS["cited"]), {"annotations": notes}), extra={"citations": urls})


def _json(body: JsonObject) -> Reply:
    """Answer with an object of the schema that was asked for."""
    wanted = (body.get("response_format") or {}).get("json_schema") or {}
    text = to_json(_example(wanted.get("schema") or {}, _subject(body))).decode()
    return Reply(tuple({"content": piece} for piece in _pieces(text)))


def _burst(_body: JsonObject, pieces: int) -> Reply:
    return Reply(tuple({"content": f" word{n}"} for n in range(pieces)), finish_reason="length")


def _paced(body: JsonObject, hertz: int, pieces: int) -> Reply:
    burst = _burst(body, pieces)
    return Reply(burst.deltas, finish_reason="length", pause_s=1 / max(hertz, 1))


_MODELS: Final[tuple[tuple[str, Callable[..., Reply]], ...]] = (
    (r"sandbox-echo", _echo),
    (r"sandbox-reasoning", _reasoning),
    (r"sandbox-tools", _tools),
    (r"sandbox-tools-([1-9])", _tools),
    (r"sandbox-citations", _citations),
    (r"sandbox-json", _json),
    (r"sandbox-burst-(\d{1,6})", _burst),
    (r"sandbox-paced-(\d{1,4})hz-(\d{1,6})", _paced),
)


# --- pieces --------------------------------------------------------------------------------------


def _said(text: str) -> tuple[JsonObject, ...]:
    return tuple({"content": word} for word in _words(text))


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*$|\s*\S+", text)


def _pieces(text: str) -> list[str]:
    return [text[i : i + _PIECE_CHARS] for i in range(0, len(text), _PIECE_CHARS)]


def _call(index: int, arguments: str, name: str | None = None, **more: str) -> JsonObject:
    function = {"arguments": arguments} | ({} if name is None else {"name": name})
    return {"tool_calls": [{"index": index, "function": function} | more]}


def _add(message: JsonObject, delta: JsonObject) -> None:
    """Add one delta of a stream to the message that a whole answer would hold."""
    for field, value in delta.items():
        if field == "tool_calls":
            calls = message.setdefault("tool_calls", [])
            for part in value:
                if part["index"] == len(calls):
                    new = {"id": part["id"], "type": part["type"]}
                    calls.append(new | {"function": dict(part["function"])})
                else:
                    calls[part["index"]]["function"]["arguments"] += part["function"]["arguments"]
        elif isinstance(value, str):
            message[field] = (message.get(field) or "") + value
        else:
            message[field] = value


def _usage(body: JsonObject, reply: Reply) -> JsonObject:
    """Count four characters as a token, and half the prompt as read from a cache."""
    prompt = 1 + sum(len(_text(message)) for message in body["messages"]) // 4
    completion = len(reply.deltas)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": prompt // 2},
        "completion_tokens_details": {"reasoning_tokens": reply.reasoning_tokens},
    }


def _last_text(body: JsonObject) -> str:
    texts = [_text(message) for message in body["messages"] if message.get("role") == "user"]
    return texts[-1] if texts else ""


def _text(message: JsonObject) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content)


def _subject(body: JsonObject) -> str:
    """Return the last word that the person said: of `… in Lisbon?` the part that matters."""
    words = re.findall(r"\w+", _last_text(body))
    return words[-1] if words else _TEXTS["nothing"]


def _example(schema: JsonObject, text: str) -> Any:
    """Return a value that the schema allows, with `text` for its strings."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "string":
            return text
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "array":
            return [_example(schema.get("items") or {}, text)]
        case _:
            properties: JsonObject = schema.get("properties") or {}
            wanted = schema.get("required") or properties
            return {name: _example(properties.get(name) or {}, text) for name in wanted}
