"""What the simulated models say to what they are asked.

Knows the models by their names, and nothing of how an answer is written. Must not know a provider,
sockets or time; texts and the list of models are data in `models.toml`.

    sandbox-echo                  repeats the person's words
    sandbox-reasoning             thinks first
    sandbox-tools[-3]             calls the first tool, once or thrice; then repeats results
    sandbox-agent                 thinks, says what it will do, calls; thinks and answers
    sandbox-citations             names its sources
    sandbox-json                  answers in the form that was asked for
    sandbox-burst-1000            says a thousand words at once
    sandbox-paced-20hz-40         says forty words, twenty a second

Anything may stand before `sandbox-` in the name: what a client sends differs by the model's family.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from importlib import resources
from typing import Any, Final

from pydantic_core import to_json

from byokd.sandbox.turn import Ask, Block, Call, JsonObject, Script

DATA: Final[JsonObject] = tomllib.loads(
    resources.files(__package__).joinpath("models.toml").read_text("utf-8")
)
_TEXTS: Final[dict[str, str]] = DATA["texts"]
_PIECE_CHARS: Final = 8


def own_name(model: str) -> str:
    """Return what follows `sandbox-` in a model's id, or "" where it is no model of ours."""
    return model.partition("sandbox-")[2]


def answer(ask: Ask) -> Script | None:
    """Return what the model named in the request says, or None where there is no such model."""
    name = own_name(ask.model)
    for pattern, script in _MODELS:
        if found := re.fullmatch(pattern, name):
            return script(ask, *(int(number) for number in found.groups()))
    return None


def half() -> Script:
    """Return an answer that is not finished."""
    return Script((_said(_TEXTS["half"]),), finish=None)


def _echo(ask: Ask) -> Script:
    return Script((_said(_TEXTS["echo"] + (ask.text or _TEXTS["nothing"])),))


def _reasoning(ask: Ask) -> Script:
    return Script((*_thought(ask), *_echo(ask).blocks))


def _tools(ask: Ask, calls: int = 1) -> Script:
    """Call the first tool offered when a person speaks; repeat the results afterwards."""
    if ask.answered:
        return Script((_said(_TEXTS["after_tools"] + "; ".join(ask.results[-calls:])),))
    tools = ask.tools[:1] * calls
    if not tools:
        return _echo(ask)
    blocks = [_said(_TEXTS["before_tools"])]
    for index, tool in enumerate(tools):
        given = _example(tool.schema, _subject(ask))
        call = Call(f"call_{len(ask.results) + index}_{ask.messages}", tool.name, given)
        blocks.append(Block("call", _pieces(to_json(given).decode()), call))
    return Script(tuple(blocks), finish="calls")


def _agent(ask: Ask) -> Script:
    spoken = _tools(ask)
    return Script((*_thought(ask), *spoken.blocks), finish=spoken.finish)


def _citations(_ask: Ask) -> Script:
    return Script((_said(_TEXTS["cited"]),), sources=tuple(DATA["sources"]))


def _json(ask: Ask) -> Script:
    """Answer with an object of the schema that was asked for."""
    text = to_json(_example(ask.schema or {}, _subject(ask))).decode()
    return Script((Block("text", _pieces(text)),))


def _burst(_ask: Ask, pieces: int) -> Script:
    words = tuple(f" word{n}" for n in range(pieces))
    return Script((Block("text", words),), finish="length")


def _paced(ask: Ask, hertz: int, pieces: int) -> Script:
    burst = _burst(ask, pieces)
    return Script(burst.blocks, finish="length", pause_s=1 / max(hertz, 1))


_MODELS: Final[tuple[tuple[str, Callable[..., Script]], ...]] = (
    (r"echo", _echo),
    (r"reasoning", _reasoning),
    (r"tools", _tools),
    (r"tools-([1-9])", _tools),
    (r"agent", _agent),
    (r"citations", _citations),
    (r"json", _json),
    (r"burst-(\d{1,6})", _burst),
    (r"paced-(\d{1,4})hz-(\d{1,6})", _paced),
)


# --- pieces --------------------------------------------------------------------------------------


def _thought(ask: Ask) -> tuple[Block, ...]:
    return (Block("thought", _words(_TEXTS["thought"])),) if ask.thinks else ()


def _said(text: str) -> Block:
    return Block("text", _words(text))


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\s*\S+\s*$|\s*\S+", text))


def _pieces(text: str) -> tuple[str, ...]:
    return tuple(text[i : i + _PIECE_CHARS] for i in range(0, len(text), _PIECE_CHARS))


def _subject(ask: Ask) -> str:
    """Return the last word that the person said: of `… in Lisbon?` the part that matters."""
    words = re.findall(r"\w+", ask.text)
    return words[-1] if words else _TEXTS["nothing"]


def _example(schema: JsonObject, text: str) -> Any:
    """Return a value that the schema allows, with `text` for its strings."""
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
