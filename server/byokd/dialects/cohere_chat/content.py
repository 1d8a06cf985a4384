"""Reads the content of a Cohere answer into blocks.

Deltas hold objects where whole messages hold lists; both are accepted in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from byokd.core.limits import JSON_MAX_DEPTH
from byokd.dialects.base.content import Blocks, ToolCall
from byokd.dialects.base.json import as_index, as_json_text, within_depth
from byokd.dialects.cohere_chat.messages import CITATION, PLAN
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.parts import Source, Span

_TITLES: Final = ("title", "name")
_NOT_IN_TEXT: Final = ("PLAN", "THINKING_CONTENT")
"""Types of citations whose offsets do not refer to the answer's text."""


class Content:
    __slots__ = ("_began_at", "_blocks", "_calls", "_chars", "_origin", "_plan")

    def __init__(self, blocks: Blocks, origin: JsonObject) -> None:
        self._blocks = blocks
        self._origin = origin
        self._plan: list[str] = []
        self._calls: dict[int, ToolCall] = {}
        self._began_at: dict[int, int] = {}  # characters of text before each content block
        self._chars = 0

    def event(self, kind: str, chunk: JsonObject) -> None:
        """Read one event; unknown ones are ignored."""
        delta = chunk.get("delta")
        message = delta.get("message") if isinstance(delta, dict) else None
        if not isinstance(message, dict):
            return
        if kind == "content-delta":
            self._content(message.get("content"))
        elif kind == "content-start":
            self._began_at.setdefault(_index(chunk), self._chars)
            self._content(message.get("content"))
        elif kind == "tool-call-delta":
            self._arguments(_index(chunk), message.get("tool_calls"))
        elif kind == "tool-call-start":
            for entry in _objects(message.get("tool_calls")):
                self._call(_index(chunk), entry)
        elif kind == "tool-plan-delta":
            self._plan += _texts(message.get(PLAN))
        elif kind == "citation-start":
            for entry in _objects(message.get("citations")):
                self._citation(entry)

    def whole(self, message: JsonObject) -> None:
        content = message.get("content")
        for index, entry in enumerate(content if isinstance(content, list) else [content]):
            self._began_at[index] = self._chars
            self._content(entry)
        self._plan += _texts(message.get(PLAN))
        for index, entry in enumerate(_objects(message.get("tool_calls"))):
            self._call(index, entry)
        for entry in _objects(message.get("citations")):
            self._citation(entry)

    def close(self) -> JsonObject | None:
        """Store the plan with the first call, or return it as the message's state."""
        plan = "".join(self._plan)
        if not plan:
            return None
        if not self._blocks.client_calls:
            return self._origin | {PLAN: plan}
        self._blocks.client_calls[0].extra[PLAN] = plan
        return None

    @property
    def empty(self) -> bool:
        return self._blocks.empty and not self._plan

    # --- text and thinking -----------------------------------------------------------------------

    def _content(self, content: Json) -> None:
        if not isinstance(content, dict):
            for entry in content if isinstance(content, list) else ():
                self._content(entry)
            self._text(content)
            return
        thought = content.get("thinking")
        if isinstance(thought, str) and thought:
            self._blocks.reasoning(thought, source="thinking")
        self._text(content.get("text"))

    def _text(self, text: Json) -> None:
        if isinstance(text, str) and text:
            self._chars += len(text)
            self._blocks.text(text)

    # --- tool calls ------------------------------------------------------------------------------

    def _call(self, index: int, entry: JsonObject) -> None:
        native_id = entry.get("id")
        function = entry.get("function")
        named = function if isinstance(function, dict) else entry
        name = named.get("name")
        call = self._blocks.tool_call(native_id if isinstance(native_id, str) else "")
        call.name = name if isinstance(name, str) else ""
        self._calls[index] = call
        self._blocks.arguments(call, as_json_text(named.get("arguments")))

    def _arguments(self, index: int, calls: Json) -> None:
        call = self._calls.get(index)
        for entry in _objects(calls):
            function = entry.get("function")
            if call is not None and isinstance(function, dict):
                self._blocks.arguments(call, as_json_text(function.get("arguments")))

    # --- citations -------------------------------------------------------------------------------

    def _citation(self, entry: JsonObject) -> None:
        """Add a citation: the client gets its first source, Cohere all of it."""
        if not within_depth(entry, JSON_MAX_DEPTH):
            return
        sources = _objects(entry.get("sources"))
        source = _source(sources[0]) if sources else Source()
        self._blocks.citation(source, self._span(entry), {CITATION: entry})

    def _span(self, entry: JsonObject) -> Span | None:
        start, end, index = (
            as_index(entry.get(name)) for name in ("start", "end", "content_index")
        )
        if start is None or end is None or not 0 <= start < end:
            return None
        if entry.get("type") in _NOT_IN_TEXT:
            return None
        before = self._began_at.get(index or 0, 0)
        return Span(start=before + start, end=before + end)


def _source(entry: JsonObject) -> Source:
    value = entry.get("document") or entry.get("tool_output")
    fields = value if isinstance(value, dict) else {}
    title = next((text for name in _TITLES for text in _texts(fields.get(name))), None)
    url = next(iter(_texts(fields.get("url"))), None)
    return Source(url=url, title=title, document=next(iter(_texts(entry.get("id"))), None))


def _index(chunk: JsonObject) -> int:
    return as_index(chunk.get("index")) or 0


def _objects(value: Json) -> list[JsonObject]:
    entries = value if isinstance(value, list) else [value]
    return [entry for entry in entries if isinstance(entry, dict)]


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value
