"""The simulated models and their answers; texts and the list of models are in `models.toml`.

A name may have any prefix before `sandbox-`, because clients send other requests to other families.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Callable
from importlib import resources
from typing import Any, Final

from pydantic_core import from_json, to_json

from byokd.sandbox.turn import Answer, Block, Call, ChatRequest, JsonObject

DATA: Final[JsonObject] = tomllib.loads(
    resources.files(__package__).joinpath("models.toml").read_text("utf-8")
)
AGENT: Final[JsonObject] = next(row for row in DATA["models"] if row["id"] == "sandbox-agent")
_TEXTS: Final[dict[str, str]] = DATA["texts"]
_PIECE_CHARS: Final = 8
_SPELLED_CALL: Final = re.compile(r"(\w+)\((\{[^{}]*\})\)")


def own_name(model: str) -> str:
    """Return what follows `sandbox-` in a model's id, or ""."""
    return model.partition("sandbox-")[2]


def answer(request: ChatRequest) -> Answer | None:
    """Return the model's answer, or None if there is no such model."""
    name = own_name(request.model)
    for pattern, make_answer in _MODELS:
        if match := re.fullmatch(pattern, name):
            return make_answer(request, *(int(number) for number in match.groups()))
    return None


def half() -> Answer:
    return Answer((_text_block(_TEXTS["half"]),), finish=None)


def _echo(request: ChatRequest) -> Answer:
    return Answer((_text_block(_TEXTS["echo"] + (request.text or _TEXTS["nothing"])),))


def _reasoning(request: ChatRequest) -> Answer:
    return Answer((*_reasoning_block(request), *_echo(request).blocks))


def _tools(request: ChatRequest, calls: int = 1, steps: int = 1) -> Answer:
    if request.answered and len(request.results) % steps == 0:
        return Answer((_text_block(_TEXTS["after_tools"] + "; ".join(request.results[-calls:])),))
    tool, arguments = _wanted_call(request)
    if tool is None:
        return _echo(request)
    blocks = [_text_block(_TEXTS["before_tools"])]
    for index in range(calls):
        call = Call(f"call_{len(request.results) + index}_{request.messages}", tool, arguments)
        blocks.append(Block("call", _pieces(to_json(arguments).decode()), call))
    return Answer(tuple(blocks), finish="calls")


def _wanted_call(request: ChatRequest) -> tuple[str | None, JsonObject]:
    """Return the call that the user's text spells out as `name({…})`, else of the first tool."""
    schemas = {tool.name: tool.schema for tool in request.tools}
    for match in _SPELLED_CALL.finditer(request.text):
        with contextlib.suppress(ValueError):
            if match[1] in schemas:
                return match[1], from_json(match[2])
    name = next(iter(schemas), None)
    return name, _example(schemas[name], _subject(request)) if name is not None else {}


def _agent(request: ChatRequest, steps: int = 1) -> Answer:
    answer = _tools(request, steps=steps)
    return Answer((*_reasoning_block(request), *answer.blocks), finish=answer.finish)


def _citations(_request: ChatRequest) -> Answer:
    return Answer((_text_block(_TEXTS["cited"]),), sources=tuple(DATA["sources"]))


def _json(request: ChatRequest) -> Answer:
    text = to_json(_example(request.schema or {}, _subject(request))).decode()
    return Answer((Block("text", _pieces(text)),))


def _burst(_request: ChatRequest, pieces: int) -> Answer:
    words = tuple(f" word{n}" for n in range(pieces))
    return Answer((Block("text", words),), finish="length")


def _paced(request: ChatRequest, hertz: int, pieces: int) -> Answer:
    burst = _burst(request, pieces)
    return Answer(burst.blocks, finish="length", pause_s=1 / max(hertz, 1))


# By what follows `sandbox-` in the model's name.
_MODELS: Final[tuple[tuple[str, Callable[..., Answer]], ...]] = (
    (r"echo", _echo),  # repeats the user's text
    (r"reasoning", _reasoning),  # the same, with reasoning before
    (
        r"tools",
        _tools,
    ),  # calls the tool that the text spells out, else the first; then repeats its result
    (r"tools-([1-9])", _tools),  # calls it so many times
    (r"agent", _agent),  # reasoning, text and a tool call; then reasoning and an answer
    (r"agent-([1-9])", _agent),  # so many tool calls, one after the other's result; then an answer
    (r"citations", _citations),
    (r"json", _json),  # JSON that fits the requested schema
    (r"burst-(\d{1,6})", _burst),  # so many words at once
    (r"paced-(\d{1,4})hz-(\d{1,6})", _paced),  # so many words a second, and in all
)


# --- pieces --------------------------------------------------------------------------------------


def _reasoning_block(request: ChatRequest) -> tuple[Block, ...]:
    return (Block("reasoning", _words(_TEXTS["reasoning"])),) if request.thinks else ()


def _text_block(text: str) -> Block:
    return Block("text", _words(text))


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\s*\S+\s*$|\s*\S+", text))


def _pieces(text: str) -> tuple[str, ...]:
    return tuple(text[i : i + _PIECE_CHARS] for i in range(0, len(text), _PIECE_CHARS))


def _subject(request: ChatRequest) -> str:
    """Return the last word of the user's text: "Lisbon" of "Weather in Lisbon?"."""
    words = re.findall(r"\w+", request.text)
    return words[-1] if words else _TEXTS["nothing"]


def _example(schema: JsonObject, text: str) -> Any:
    """Return a value that fits the schema, with `text` as its strings."""
    if "enum" in schema:
        return schema["enum"][0]
    match str(schema.get("type")).lower():
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
