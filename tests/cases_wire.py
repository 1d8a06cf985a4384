"""Cases of requests that providers refuse: a server that enforces each rule, and what is expected.

A case file holds a request, the provider's rule in prose and its refusal. The table
`vectors/cases_wire.json` names the code that enforces the rule (`refuses`) and what must be sent
and reported; each of its runs is one chat.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

JsonDict: TypeAlias = dict[str, Any]
Refuses: TypeAlias = Callable[[str, JsonDict], bool]
"""Tells from the path and the body whether the provider refuses a request."""

VARIABLE: Final = "BYOKD_CASES"
_DEFAULT: Final = Path(__file__).resolve().parents[2] / "shared" / "cases"
_ABSENT: Final = "no cases: set BYOKD_CASES or put them at ../shared/cases"
_TABLE: Final = Path(__file__).with_name("vectors") / "cases_wire.json"
_JSON: Final = {"content-type": "application/json"}


def folder() -> Path:
    return Path(os.environ.get(VARIABLE) or _DEFAULT) / "wire"


def absent() -> str:
    return _ABSENT if not folder().is_dir() else ""


def files() -> dict[str, JsonDict]:
    """Return the case files by name without suffix."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder().glob("*.json"))
    }


def table() -> dict[str, JsonDict]:
    rows: dict[str, JsonDict] = json.loads(_TABLE.read_text(encoding="utf-8"))
    return rows


@dataclass(frozen=True)
class Run:
    """One chat of a case."""

    name: str
    case: JsonDict
    row: JsonDict

    @property
    def provider(self) -> str:
        return str(self.row.get("provider", self.case["provider"]))

    @property
    def base_path(self) -> str:
        return str(self.row.get("base_path", self.case["base_path"]))

    @property
    def request(self) -> JsonDict:
        request: JsonDict = self.case["request"] | self.row.get("request", {})
        return request

    def response(self, path: str, body: JsonDict) -> tuple[int, JsonDict, bytes]:
        refuses = self.row.get("refuses")
        if refuses is not None and RULES[refuses](path, body):
            return _response(at_pointer(self.case, self.row["refusal"]))
        if "answer" in self.row:
            return _response(at_pointer(self.case, self.row["answer"]))
        return 200, _JSON, json.dumps(whole_answer(path, call=self.row.get("call"))).encode()


def runs(cases: dict[str, JsonDict]) -> list[Run]:
    rows = table()
    return [
        Run(f"{name}: {row.get('name', row.get('provider', case['provider']))}", case, row)
        for name, case in cases.items()
        for row in rows.get(name, {}).get("runs", ())
    ]


def at_pointer(document: Any, pointer: str) -> Any:
    """Return the value at a JSON pointer; None where there is none. `-1` is the last entry."""
    for written in pointer.split("/")[1:]:
        step = written.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list):
            at = int(step)
            document = document[at] if -len(document) <= at < len(document) else None
        else:
            document = document.get(step) if isinstance(document, dict) else None
    return document


# --- the provider --------------------------------------------------------------------------------


def _response(answer: JsonDict) -> tuple[int, JsonDict, bytes]:
    if "sse" not in answer:
        return answer["status"], answer["headers"], json.dumps(answer["body"]).encode()
    events = [
        event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
        for event in answer["sse"]
    ]
    return answer["status"], answer["headers"], "".join(f"data: {e}\n\n" for e in events).encode()


def whole_answer(path: str, *, call: str | None) -> JsonDict:
    """Return a whole answer in the format of the path: a text, or a call of the tool `call`."""
    write = next(write for part, write in _FORMATS.items() if part in path)
    return write(call) | {"model": "m"}


def _bedrock(call: str | None) -> JsonDict:
    block: JsonDict = {"text": _TEXT}
    if call:
        block = {"toolUse": {"toolUseId": "t1", "name": call, "input": {}}}
    message = {"role": "assistant", "content": [block]}
    usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
    stop = "tool_use" if call else "end_turn"
    return {"output": {"message": message}, "stopReason": stop, "usage": usage}


def _gemini(call: str | None) -> JsonDict:
    part: JsonDict = {"functionCall": {"name": call, "args": {}}} if call else {"text": _TEXT}
    content = {"role": "model", "parts": [part]}
    return {"candidates": [{"content": content, "finishReason": "STOP"}]}


def _anthropic(call: str | None) -> JsonDict:
    block: JsonDict = {"type": "text", "text": _TEXT}
    if call:
        block = {"type": "tool_use", "id": "t1", "name": call, "input": {}}
    reason = "tool_use" if call else "end_turn"
    return {"type": "message", "role": "assistant", "content": [block], "stop_reason": reason}


def _responses(call: str | None) -> JsonDict:
    content = [{"type": "output_text", "text": _TEXT}]
    item: JsonDict = {"type": "message", "role": "assistant", "content": content}
    if call:
        item = {"type": "function_call", "call_id": "t1", "name": call, "arguments": "{}"}
    return {"object": "response", "status": "completed", "output": [item]}


def _message(call: str | None, arguments: str | JsonDict) -> JsonDict:
    written: JsonDict = {"role": "assistant", "content": "" if call else _TEXT}
    if call:
        function = {"name": call, "arguments": arguments}
        written["tool_calls"] = [{"id": "t1", "type": "function", "function": function}]
    return written


def _cohere(call: str | None) -> JsonDict:
    reason = "TOOL_CALL" if call else "COMPLETE"
    return {"id": "a", "message": _message(call, "{}"), "finish_reason": reason}


def _ollama(call: str | None) -> JsonDict:
    return {"message": _message(call, {}), "done": True, "done_reason": "stop"}


def _openai(call: str | None) -> JsonDict:
    reason = "tool_calls" if call else "stop"
    choice = {"index": 0, "message": _message(call, "{}"), "finish_reason": reason}
    return {"id": "a", "object": "chat.completion", "choices": [choice]}


_TEXT: Final = "4 degrees"
_FORMATS: Final[dict[str, Callable[[str | None], JsonDict]]] = {
    "/converse": _bedrock,
    "enerateContent": _gemini,
    "/messages": _anthropic,
    "/responses": _responses,
    "/v2/chat": _cohere,
    "/api/chat": _ollama,
    "/chat/completions": _openai,
}
"""How an answer is written, by what the path contains."""


@dataclass
class Server:
    """A running server on loopback. The first step of a path is the number of a run."""

    runs: list[Run]
    port: int = 0
    bodies: dict[int, list[JsonDict]] = field(default_factory=dict)

    def base_url(self, number: int) -> str:
        return f"http://127.0.0.1:{self.port}/{number}{self.runs[number].base_path}"

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(length.group(1)) if length else 0)
            _, number, path = unquote(head.split(" ")[1]).split("/", 2)
            sent = json.loads(body)
            self.bodies.setdefault(int(number), []).append(sent)
            run = self.runs[int(number)]
            status, headers, content = run.response("/" + path.partition("?")[0], sent)
            lines = [f"HTTP/1.1 {status} x", *(f"{key}: {value}" for key, value in headers.items())]
            lines += [f"content-length: {len(content)}", "connection: close", "", ""]
            writer.write("\r\n".join(lines).encode() + content)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def serving(all_runs: list[Run]) -> AsyncIterator[Server]:
    served = Server(all_runs)
    server = await asyncio.start_server(served.accept, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()


# --- the rules -----------------------------------------------------------------------------------

_UNIONS: Final = {"oneOf", "anyOf", "allOf", "enum", "not"}


def declared_tools(body: JsonDict) -> Iterator[tuple[str, Any]]:
    """Yield the name and the schema of each declared tool, in any format."""
    tools = body.get("tools") or body.get("toolConfig", {}).get("tools") or []
    for tool in tools:
        if "functionDeclarations" in tool:
            for entry in tool["functionDeclarations"]:
                yield entry["name"], entry.get("parametersJsonSchema", entry.get("parameters"))
        elif "cachePoint" not in tool:
            inner = tool.get("function") or tool.get("toolSpec") or tool
            schema = inner.get("parameters", inner.get("input_schema"))
            nested = inner.get("inputSchema")
            yield inner["name"], nested["json"] if nested else schema


def _messages(body: JsonDict) -> list[JsonDict]:
    names = ("messages", "contents", "input")
    return [message for name in names for message in body.get(name, ())]


def _texts(message: JsonDict) -> list[str]:
    content = message.get("content", message.get("parts"))
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or [] if isinstance(part.get("text"), str)]


def _union_at_top(_path: str, body: JsonDict) -> bool:
    return any(
        schema.get("type") != "object" or not _UNIONS.isdisjoint(schema)
        for _, schema in declared_tools(body)
    )


def _no_properties(_path: str, body: JsonDict) -> bool:
    return any("properties" not in (schema or {}) for _, schema in declared_tools(body))


def _names(pattern: str) -> Refuses:
    return lambda _path, body: (
        not all(re.fullmatch(pattern, name) for name, _ in declared_tools(body))
    )


def _last_is_assistant(_path: str, body: JsonDict) -> bool:
    return _messages(body)[-1].get("role") in {"assistant", "model"}


def _blank_text(_path: str, body: JsonDict) -> bool:
    messages = [*_messages(body), {"content": body.get("system")}]
    return any(not text.strip() for message in messages for text in _texts(message))


def _system_later(_path: str, body: JsonDict) -> bool:
    return any(message.get("role") == "system" for message in _messages(body)[1:])


def _text_beside_result(_path: str, body: JsonDict) -> bool:
    return any(
        any("functionResponse" in part for part in content["parts"])
        and not all("functionResponse" in part for part in content["parts"])
        for content in _messages(body)
    )


def _references(node: Any) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key == "$ref" and isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            yield from _references(value)


def _reference_elsewhere(_path: str, body: JsonDict) -> bool:
    references = (ref for _, schema in declared_tools(body) for ref in _references(schema))
    return any(not reference.startswith("#/$defs/") for reference in references)


def _call_without_reasoning(_path: str, body: JsonDict) -> bool:
    return any(
        message.get("tool_calls") and not message.get("reasoning_content")
        for message in _messages(body)
    )


def _tools_and_effort(path: str, body: JsonDict) -> bool:
    tools = path.endswith("/chat/completions") and bool(body.get("tools"))
    return tools and body.get("reasoning_effort") != "none"


def _cap_over(most: int) -> Refuses:
    names = ("max_tokens", "max_completion_tokens")
    return lambda _path, body: any(body.get(name, 0) > most for name in names)


RULES: Final[dict[str, Refuses]] = {
    "unionAtTop": _union_at_top,
    "noProperties": _no_properties,
    "names64": _names(r"[a-zA-Z0-9_-]{1,64}"),
    "names128": _names(r"[a-zA-Z0-9_-]{1,128}"),
    "namesOfGemini": _names(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}"),
    "lastIsAssistant": _last_is_assistant,
    "blankText": _blank_text,
    "systemLater": _system_later,
    "textBesideResult": _text_beside_result,
    "referenceElsewhere": _reference_elsewhere,
    "callWithoutReasoning": _call_without_reasoning,
    "toolsAndEffort": _tools_and_effort,
    "capOver3386": _cap_over(3386),
    "capOver20000": _cap_over(20000),
    "capOver99999": _cap_over(99999),
    "capOver240005": _cap_over(240005),
    "forcedTool": lambda _path, body: body.get("tool_choice") not in (None, "auto"),
    "always": lambda _path, _body: True,
}
"""What the prose of the cases says, as code."""
