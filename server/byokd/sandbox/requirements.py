"""What a model requires of a request, whatever the conversation was: parameters, roles, tools.

A rule returns the fields of the error, or None for a good request. Which model has which rule is in
`providers/*.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from byokd.sandbox.styles.messages_text import objects, text_of
from byokd.sandbox.turn import ErrorFields, JsonObject, Rule

_TURNS: Final = ("messages", "contents", "input")
_MODEL_ROLES: Final = frozenset({"assistant", "model"})
_UNIONS: Final = ("oneOf", "anyOf", "allOf", "enum", "not")


# --- where things are ----------------------------------------------------------------------------


def value_at(body: Any, pointer: str) -> Any:
    """Return the value at a JSON pointer through objects; None if there is none."""
    for name in pointer.split("/")[1:]:
        body = body.get(name) if isinstance(body, dict) else None
    return body


def _turns(body: JsonObject) -> list[JsonObject]:
    return next((objects(body[name]) for name in _TURNS if isinstance(body.get(name), list)), [])


def _content(turn: JsonObject) -> Any:
    return turn.get("content", turn.get("parts"))


def _tools(body: JsonObject) -> Iterator[tuple[str, Any]]:
    """Yield the name and the schema of each tool of the client."""
    listed = body.get("tools") or value_at(body, "/toolConfig/tools")
    for entry in objects(listed):
        for tool in objects(entry.get("functionDeclarations")) or [entry]:
            spec = tool.get("function") or tool.get("toolSpec") or tool
            schema = next((spec[name] for name in _SCHEMAS if name in spec), None)
            if schema is not None:
                inner = schema.get("json", schema) if isinstance(schema, dict) else schema
                yield str(spec.get("name")), inner


_SCHEMAS: Final = ("parameters", "input_schema", "inputSchema", "parametersJsonSchema")


def _called(turn: JsonObject) -> Iterator[str]:
    """Yield the names of the calls in a turn of the model."""
    yield from (str((c.get("function") or {}).get("name")) for c in objects(turn.get("tool_calls")))
    if turn.get("type") == "function_call":
        yield str(turn.get("name"))
    for part in objects(_content(turn)):
        call = part.get("toolUse") or part.get("functionCall")
        if part.get("type") == "tool_use":
            call = part
        if isinstance(call, dict):
            yield str(call.get("name"))


# --- parameters ----------------------------------------------------------------------------------


def _value_refused(body: JsonObject, _model: str, options: JsonObject) -> ErrorFields | None:
    """A field must not have one of `values`, or must be absent if there are none."""
    for pointer in options["at"]:
        value = value_at(body, pointer)
        if value is not None and value in options.get("values", [value]):
            return {"field": pointer.rpartition("/")[2], "value": value}
    return None


def _value_known(body: JsonObject, _model: str, options: JsonObject) -> ErrorFields | None:
    for pointer in options["at"]:
        value = value_at(body, pointer)
        if value is not None and value not in options["values"]:
            words = ", ".join(f"'{word}'" for word in options["values"])
            return {"field": pointer.rpartition("/")[2], "value": value, "values": words}
    return None


def _tool_not_forced(body: JsonObject, _model: str, options: JsonObject) -> ErrorFields | None:
    """No tool may be forced, unless a field of `off` has its value (thinking is off)."""
    off = options.get("off") or {}
    if any(value_at(body, pointer) == value for pointer, value in off.items()):
        return None
    return {} if _is_forced(body) else None


def _is_forced(body: JsonObject) -> bool:
    choice = body.get("tool_choice") or value_at(body, "/toolConfig/toolChoice")
    if isinstance(choice, dict):
        kinds = {"any", "tool", "function", "required"}
        return choice.get("type") in kinds or "any" in choice or "tool" in choice
    mode = value_at(body, "/toolConfig/functionCallingConfig/mode")
    return choice in {"required", "REQUIRED"} or mode == "ANY"


def _no_tools_with_effort(body: JsonObject, _model: str, options: JsonObject) -> ErrorFields | None:
    """Tools are taken only if the effort is one of `values`."""
    effort = value_at(body, options["at"][0])
    return {} if body.get("tools") and effort not in options["values"] else None


# --- conversations -------------------------------------------------------------------------------


def _ends_with_user(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    turns = _turns(body)
    return {} if turns and turns[-1].get("role") in _MODEL_ROLES else None


def _system_first(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    roles = [turn.get("role") for turn in _turns(body)]
    return {} if "system" in roles[1:] else None


def _no_blank_text(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    for at, turn in enumerate(_turns(body)):
        content = _content(turn)
        texts = [p["text"] for p in objects(content) if isinstance(p.get("text"), str)]
        if isinstance(content, str):
            texts = [content]
        if any(not text.strip() for text in texts):
            return {"at": at}
    return None


def _no_space_at_end(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    turns = _turns(body)
    if not turns or turns[-1].get("role") not in _MODEL_ROLES:
        return None
    text = text_of(_content(turns[-1]))
    return {} if text != text.rstrip() else None


def _results_alone(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    """Nothing may follow function responses in their content."""
    for turn in _turns(body):
        kinds = ["functionResponse" in part for part in objects(_content(turn))]
        if True in kinds and not all(kinds):
            return {}
    return None


# --- tools ---------------------------------------------------------------------------------------


def _names_fit(body: JsonObject, _model: str, options: JsonObject) -> ErrorFields | None:
    """Names of tools, also in earlier calls, must match `pattern` as a whole."""
    names = [name for name, _ in _tools(body)]
    names += [name for turn in _turns(body) for name in _called(turn)]
    for at, name in enumerate(names):
        if not re.fullmatch(options["pattern"], name):
            return {"at": at, "name": name}
    return None


def _schemas_are_objects(body: JsonObject, _model: str, options: JsonObject) -> ErrorFields | None:
    """A tool's schema must be an object without a union at its top, and have `needs`."""
    for at, (name, schema) in enumerate(_tools(body)):
        fields = schema if isinstance(schema, dict) else {}
        union = next((word for word in _UNIONS if word in fields), None)
        missing = [word for word in options.get("needs", ()) if word not in fields]
        if fields.get("type") != "object" or union or missing:
            return {"at": at, "name": name, "what": union or next(iter(missing), "type")}
    return None


def _references_resolve(body: JsonObject, _model: str, options: JsonObject) -> ErrorFields | None:
    """A reference in a schema must lead into one of the places of `into`."""
    for name, schema in _tools(body):
        for reference in _references(schema):
            if not reference.startswith(tuple(options["into"])):
                return {"name": name, "reference": reference}
    return None


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for entry in schema:
            yield from _references(entry)
    elif isinstance(schema, dict):
        for name, value in schema.items():
            if name == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)


REQUIREMENTS: Final[dict[str, Rule]] = {
    "value_refused": _value_refused,
    "value_known": _value_known,
    "tool_not_forced": _tool_not_forced,
    "no_tools_with_effort": _no_tools_with_effort,
    "ends_with_user": _ends_with_user,
    "system_first": _system_first,
    "no_blank_text": _no_blank_text,
    "no_space_at_end": _no_space_at_end,
    "results_alone": _results_alone,
    "names_fit": _names_fit,
    "schemas_are_objects": _schemas_are_objects,
    "references_resolve": _references_resolve,
}
"""The rules by the name that providers' files use."""
