"""Reads the content of a Messages answer into blocks.

Blocks other than text, thinking, tool use and citations go whole into the `providerState` of a part
(`BLOCKS`), because the next request must send them back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pydantic_core import to_json

from byokd.core.limits import BLOCKS_MAX, JSON_MAX_DEPTH
from byokd.dialects.base.content import Blocks, ToolCall, parse_arguments
from byokd.dialects.base.json import as_index, as_text, text_of, within_depth
from byokd.dialects.base.provider_state import BLOCKS
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import ProviderError
from byokd.protocol.parts import Source, Span

CITATIONS: Final = "citations"
"""The field that holds the citations of a text block, which are sent back with it."""

CALLER: Final = "caller"
"""The field that names who called a tool: the model, or code that it runs (recorded 2026)."""

_BLOCK_KINDS: Final = {
    "text_delta": "text",
    "citations_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
    "input_json_delta": "tool_use",
}
"""The kind of block by the type of its delta, for gateways that leave out the start."""


@dataclass(slots=True)
class _Open:
    kind: str
    block: JsonObject
    begins: int  # offset in the text of the whole answer
    call: ToolCall | None = None
    pieces: list[str] = field(default_factory=list)  # of thinking, or of JSON text
    citations: list[Json] = field(default_factory=list)


class Content:
    __slots__ = ("_blocks", "_chars", "_count", "_open")

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._open: dict[int, _Open] = {}
        self._chars = 0  # of text so far
        self._count = 0

    # --- a stream --------------------------------------------------------------------------------

    def start(self, index: int, block: JsonObject) -> None:
        if index in self._open:
            self.stop(index)
        self._count += 1
        if self._count > BLOCKS_MAX:
            raise ProviderError(f"the provider sent more than {BLOCKS_MAX} blocks of content")
        kind = text_of(block.get("type"))
        opened = self._open[index] = _Open(kind, block, self._chars)
        if kind == "text":
            self._blocks.end_block()  # each has citations of its own
            self._add_text(text_of(block.get("text")))
            opened.citations += _listed(block.get("citations"))
        elif kind == "thinking":
            self._blocks.end_block()  # each has a signature of its own
            self._add_thinking(opened, text_of(block.get("thinking")))
        elif kind == "tool_use":
            call = opened.call = self._blocks.tool_call(text_of(block.get("id")))
            call.name = text_of(block.get("name"))
            if (caller := block.get(CALLER)) and within_depth(caller, JSON_MAX_DEPTH):
                call.extra[CALLER] = caller
            self._blocks.arguments(call, "")

    def delta(self, chunk: JsonObject) -> None:
        delta = chunk.get("delta")
        if not isinstance(delta, dict):
            return
        kind = delta.get("type")
        index = as_index(chunk.get("index"))
        opened = None if index is None else self._open.get(index)
        if opened is None:
            block_kind = _BLOCK_KINDS.get(text_of(kind))
            if block_kind is None:
                return
            position = index_of(chunk)
            self.start(position, {"type": block_kind})
            opened = self._open[position]
        if kind == "text_delta":
            self._add_text(text_of(delta.get("text")))
        elif kind == "input_json_delta":
            self._json(opened, text_of(delta.get("partial_json")))
        elif kind == "thinking_delta":
            self._add_thinking(opened, text_of(delta.get("thinking")))
        elif kind == "signature_delta":
            opened.block = opened.block | {"signature": delta.get("signature")}
        elif kind == "citations_delta":
            opened.citations.append(delta.get("citation"))
        else:  # of an opaque block: `compaction_delta` fills fields that the start left empty
            fields = {name: value for name, value in delta.items() if name != "type"}
            opened.block = opened.block | fields

    def stop(self, index: int) -> None:
        """Close a block, and keep what must be sent back with its part."""
        opened = self._open.pop(index, None)
        if opened is None:
            return
        if opened.kind == "text":
            self._cite(opened)
        elif opened.kind == "thinking":
            # Thinking that the token limit cut off has no signature; a request with it is refused.
            if signature := text_of(opened.block.get("signature")):
                thinking = "".join(opened.pieces)
                self._keep({"type": "thinking", "thinking": thinking, "signature": signature})
        elif opened.call is not None:
            whole_input = opened.block.get("input")
            if whole_input and not opened.call.pieces:
                self._blocks.arguments(opened.call, to_json(whole_input).decode())
        elif opened.kind:
            self._keep(_whole(opened))

    def close(self) -> None:
        for index in list(self._open):
            self.stop(index)

    # --- a whole message -------------------------------------------------------------------------

    def whole(self, content: Json) -> None:
        for block in _listed(content):
            if isinstance(block, dict):
                self.start(-1, block)
                self.stop(-1)

    # --- what a block holds ----------------------------------------------------------------------

    def _add_text(self, text: str) -> None:
        if text:
            self._chars += len(text)
            self._blocks.text(text)

    def _add_thinking(self, opened: _Open, text: str) -> None:
        if text:
            opened.pieces.append(text)
            self._blocks.reasoning(text)

    def _json(self, opened: _Open, text: str) -> None:
        if opened.call is not None:
            self._blocks.arguments(opened.call, text)
        elif text:
            opened.pieces.append(text)

    def _keep(self, block: JsonObject) -> None:
        if within_depth(block, JSON_MAX_DEPTH):
            self._blocks.add_opaque(BLOCKS, block)

    def _cite(self, opened: _Open) -> None:
        """Add the sources of a text block; each spans the whole block."""
        cited = [entry for entry in opened.citations if isinstance(entry, dict)]
        cited = [entry for entry in cited if within_depth(entry, JSON_MAX_DEPTH)]
        if not cited:
            return
        span = None
        if opened.begins < self._chars:
            span = Span(start=opened.begins, end=self._chars)
            listed: list[Json] = [*cited]
            self._blocks.seal({CITATIONS: listed})
        for entry in cited:
            self._blocks.citation(_source(entry), span)


def index_of(chunk: JsonObject) -> int:
    """Return the index of a chunk's block, or -1."""
    index = as_index(chunk.get("index"))
    return -1 if index is None else index


def _whole(opened: _Open) -> JsonObject:
    if not opened.pieces:
        return opened.block
    arguments, error = parse_arguments("".join(opened.pieces))
    return opened.block if error else opened.block | {"input": arguments}


def _source(citation: JsonObject) -> Source:
    """Return the source: a URL, or the number of a document in the request."""
    number = citation.get("document_index", citation.get("search_result_index"))
    title = as_text(citation.get("title")) or as_text(citation.get("document_title"))
    return Source(
        url=as_text(citation.get("url")) or as_text(citation.get("source")),
        title=title,
        document=str(number) if isinstance(number, int) else None,
    )


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
