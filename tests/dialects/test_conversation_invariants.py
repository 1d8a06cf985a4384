"""Random conversations through every record: what is sent has the form that its format demands.

The conversations hold what clients really send: blank texts, late system messages, calls without
results, results without calls, names and schemas of MCP servers, images with a wrong label, and an
answer at the end.
"""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeAlias

import pytest

from byokd.catalog.loader import load
from byokd.catalog.quirks import quirks_type
from byokd.catalog.record import Provider
from byokd.core.http import Headers, HttpHead
from byokd.dialects.base.call import Call
from byokd.dialects.registry import DIALECTS, find_dialect
from byokd.protocol.chat import SendParams
from cases_wire import declared_tools, whole_answer

Body: TypeAlias = dict[str, Any]

_MODELS = (
    "m", "anthropic/claude-opus-4.8", "claude-sonnet-4-5", "google/gemini-3.7-flash",
    "gemini-2.5-pro", "mistralai/mistral-large-4", "Qwen/Qwen3.8-27B", "us.amazon.nova-pro-v1:0",
    "gpt-5.6",
)  # fmt: skip
_NO_PREFILL = re.compile("claude-opus-4.8|gemini-3.7")
_NAMES = (
    "look",
    "admin.tools.list",
    "user-profile/update",
    "9lives",
    "x" * 100,
    "größe",
    "a_b",
    "a.b",
)
_SCHEMAS: tuple[Body, ...] = (
    {},
    {"type": "object"},
    {"type": "object", "anyOf": [{"required": ["a"]}], "properties": {"a": {"type": "array"}}},
    {"oneOf": [{"properties": {"a": {}}}, {"$ref": "#/definitions/B"}], "definitions": {"B": {}}},
    {"properties": {"a": True, "b": {"$ref": "#/properties/a"}}, "required": ["a", "gone"]},
)
_JPEG = base64.b64encode(b"\xff\xd8\xff\xe0 an image").decode()
_FIELDS = {"region": "us-east-1", "accountId": "a", "resource": "r", "deployment": "d"}
_COUNT = 60


def _text(dice: random.Random) -> Body:
    return {"type": "text", "text": dice.choice(["a", "b ", "", " ", "\n\n", "c\n"])}


def _image(dice: random.Random) -> Body:
    return {"type": "image", "mediaType": dice.choice(["image/png", "image/jpeg"]), "data": _JPEG}


def _message(dice: random.Random, calls: list[str]) -> Body:
    role = dice.choice(["system", "user", "user", "assistant", "assistant", "tool"])
    parts = [_text(dice) for _ in range(dice.randint(0, 3))]
    if role == "user" and dice.random() < 0.3:
        parts.append(_image(dice))
    if role == "assistant":
        for _ in range(dice.choice([0, 0, 1, 2])):
            calls.append(f"c{len(calls)}")
            name = dice.choice(_NAMES)
            parts.append({"type": "toolCall", "callId": calls[-1], "name": name, "arguments": {}})
    if role == "tool":
        ids = dice.sample(calls, min(len(calls), 2)) or ["unknown"]
        content: list[Any] = [
            dice.choice(["4", " ", [{"type": "text", "text": "5"}, _image(dice)]])
        ]
        parts = [{"type": "toolResult", "callId": i, "content": content[0]} for i in ids]
    if role != "tool" and dice.random() < 0.3:
        return {"role": role, "content": dice.choice(["hi", "", " \n"])}
    return {"role": role, "content": parts}


def _params(dice: random.Random, record: Provider) -> SendParams:
    calls: list[str] = []
    tools = [
        {"name": name, "inputSchema": dice.choice(_SCHEMAS)}
        for name in dice.sample(_NAMES, dice.randint(0, 4))
    ]
    return SendParams.model_validate(
        {
            "streamId": "s",
            "provider": record.id,
            "model": dice.choice(_MODELS),
            "messages": [_message(dice, calls) for _ in range(dice.randint(1, 8))],
            "tools": tools,
        }
    )


def _call(dice: random.Random, record: Provider) -> Call:
    return Call(record, "https://host.test/v1", _params(dice, record), _FIELDS)


# --- what a body holds, in any format -------------------------------------------------------------


def _entries(body: Body) -> list[Body]:
    return [*(body.get("messages") or body.get("contents") or body.get("input") or ())]


def _content(entry: Body) -> list[Any]:
    content = entry.get("content", entry.get("parts"))
    return [{"text": content}] if isinstance(content, str) else content or []


def _texts(body: Body) -> Iterator[str]:
    """Yield all texts of messages but those of tool results."""
    system = body.get("system", body.get("systemInstruction", {}).get("parts"))
    for entry in [*_entries(body), {"content": system}]:
        if entry.get("role") != "tool" and not {"images", "tool_calls"} & {*entry}:
            yield from (p["text"] for p in _content(entry) if isinstance(p.get("text"), str))


def _walk(node: Any) -> Iterator[Body]:
    if isinstance(node, dict):
        yield node
        node = [*node.values()]
    for child in node if isinstance(node, list) else ():
        yield from _walk(child)


def _called(body: Body) -> Iterator[str]:
    for node in _walk(_entries(body)):
        for kind in ("functionCall", "toolUse", "function"):
            if isinstance(node.get(kind), dict):
                yield node[kind]["name"]
        if node.get("type") in {"tool_use", "function_call"}:
            yield node["name"]


def _calls_and_results(entry: Body) -> tuple[list[str], list[str]]:
    calls = [call["id"] for call in entry.get("tool_calls", ())]
    results = [entry["tool_call_id"]] if entry.get("role") == "tool" else []
    calls += [entry["call_id"]] if entry.get("type") == "function_call" else []
    results += [entry["call_id"]] if entry.get("type") == "function_call_output" else []
    for part in _content(entry):
        if "functionCall" in part:
            calls.append(part["functionCall"]["name"])
        elif "functionResponse" in part:
            results.append(part["functionResponse"]["name"])
        elif "toolUse" in part:
            calls.append(part["toolUse"]["toolUseId"])
        elif "toolResult" in part:
            results.append(part["toolResult"]["toolUseId"])
        elif part.get("type") == "tool_use":
            calls.append(part["id"])
        elif part.get("type") == "tool_result":
            results.append(part["tool_use_id"])
    return calls, results


# --- the invariants -------------------------------------------------------------------------------


def _faults(call: Call, body: Body) -> Iterator[str]:
    entries, dialect = _entries(body), call.provider.dialect
    roles = [entry.get("role") for entry in entries]
    if not entries:
        yield "no messages"
        return
    yield from (f"blank text {text!r}" for text in _texts(body) if not text.strip())
    if roles[:2] == ["system", "system"]:
        yield "two system messages at the beginning"
    yield from _role_faults(call, dialect, roles)
    yield from _pairing_faults(dialect, entries)
    yield from _tool_faults(call, body)
    if f'"image/png;base64,{_JPEG}' in json.dumps(body).replace("data:", '"'):
        yield "a label that its bytes contradict"
    for node in _walk(body):
        if node.get("data") == _JPEG and "jpeg" not in json.dumps(node):
            yield "a label that its bytes contradict"


def _role_faults(call: Call, dialect: str, roles: list[Any]) -> Iterator[str]:
    alternate = roles[0] == "user" and all(a != b for a, b in pairwise(roles))
    if dialect in {"anthropic_messages", "bedrock_converse"} and not alternate:
        yield f"roles {roles}"
    if dialect in {"anthropic_messages", "bedrock_converse", "gemini"} and "system" in roles:
        yield "a system message among the messages"
    if _NO_PREFILL.search(call.params.model) and roles[-1] in {"assistant", "model"}:
        yield "an answer at the end"


def _pairing_faults(dialect: str, entries: list[Body]) -> Iterator[str]:
    """Compare each step's calls with the results right after it; Ollama does not pair them."""
    if dialect == "ollama_chat":
        return
    waiting: list[str] = []
    for entry in entries:
        calls, results = _calls_and_results(entry)
        if dialect == "gemini" and results and len(results) < len(_content(entry)):
            yield "text beside results"
        for result in results:
            if result in waiting:
                waiting.remove(result)
            else:
                yield f"a result without a call: {result}"
        if waiting and not results and dialect != "openai_responses":
            yield f"calls without results: {waiting}"
            waiting = []
        waiting += calls
    if waiting:
        yield f"calls without results at the end: {waiting}"


def _tool_faults(call: Call, body: Body) -> Iterator[str]:
    form = quirks_type(call.provider.dialect)
    assert form is not None
    pattern = call.provider.quirks_as(form, call.params.model).tool_name_pattern
    declared = [*declared_tools(body)]
    for name in (*(name for name, _ in declared), *_called(body)):
        if not re.fullmatch(pattern, name):
            yield f"the name {name}"
    names = [name for name, _ in declared]
    if len({*names}) < len(names):
        yield f"a name twice: {names}"
    for name, schema in declared:
        if schema is None:  # an older Gemini is sent none where there are no properties
            continue
        if schema.get("type") != "object" or "properties" not in schema:
            yield f"the schema of {name}: {schema}"
        if not {"oneOf", "anyOf", "allOf", "enum", "not"}.isdisjoint(schema):
            yield f"a union at the top of {name}"
        for node in _walk(schema):
            if not str(node.get("$ref", "#/$defs/")).startswith("#/$defs/"):
                yield f"a reference of {name}: {node['$ref']}"


@pytest.mark.parametrize("provider", sorted(load()))
def test_what_is_sent_has_the_form_of_its_format(provider: str) -> None:
    record = load()[provider]
    dice = random.Random(provider)  # noqa: S311 - the same conversations in every run
    for _ in range(_COUNT):
        call = _call(dice, record)
        body = json.loads(find_dialect(record.dialect).encode(call, 0).request.body)
        faults = [*_faults(call, body)]
        assert not faults, (call.params.model_dump_json(), json.dumps(body), faults)


_PATHS = {
    "openai_chat": "/chat/completions",
    "openai_responses": "/responses",
    "anthropic_messages": "/messages",
    "gemini": ":generateContent",
    "bedrock_converse": "/converse",
    "cohere_chat": "/v2/chat",
    "ollama_chat": "/api/chat",
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", _NAMES)
def test_answer_names_the_tools_of_the_client(dialect: str, name: str) -> None:
    """Also a tool of an earlier call that is declared no longer."""
    record = next(r for r in load().values() if r.dialect == dialect or dialect in _surfaces(r))
    record = record.model_copy(update={"dialect": dialect, "variants": (), "quirks": {}})
    messages: list[Body] = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [
            {"type": "toolCall", "callId": "c", "name": "gone.tool", "arguments": {}}]},
        {"role": "tool", "content": [{"type": "toolResult", "callId": "c", "content": "4"}]},
    ]  # fmt: skip
    params = {"streamId": "s", "provider": record.id, "model": "m", "stream": False}
    tools = [{"name": tool, "inputSchema": {}} for tool in _NAMES]
    sent = SendParams.model_validate(params | {"messages": messages, "tools": tools})
    call = Call(record, "https://host.test/v1", sent, _FIELDS)
    body = json.loads(find_dialect(dialect).encode(call, 0).request.body)
    names = [wire for wire, _ in declared_tools(body)]
    gone = next(iter(_called(body)))
    for wire, client in ((names[_NAMES.index(name)], name), (gone, "gone.tool")):
        answer = json.dumps(whole_answer(_PATHS[dialect], call=wire)).encode()
        head = HttpHead(200, Headers([("content-type", "application/json")]))
        decoder = find_dialect(dialect).decoder(call, head)
        decoder.feed(answer)
        (part,) = decoder.close()[1].message.parts()
        assert part.model_dump()["name"] == client


def _surfaces(record: Provider) -> set[str]:
    return {surface.dialect for surface in record.surfaces}
