"""Reads the content of a Messages answer into blocks: the deltas of a stream, or whole blocks.

Knows text, thinking, tool use and citations; every other block is kept whole, because only its
maker reads it and all of them must go back: signed and redacted thinking, server tools and their
results, compaction, fallbacks. They are kept in the part's state (`BLOCKS`). Must not know frames,
errors or the end of an answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pydantic_core import to_json

from byokd.core.limits import BLOCKS_MAX, JSON_MAX_DEPTH
from byokd.dialects.base.content import Blocks, ToolCall, parse_arguments
from byokd.dialects.base.json import place, within_depth
from byokd.dialects.base.provider_state import BLOCKS
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import ProviderError
from byokd.protocol.parts import Source, Span

CITATIONS: Final = "citations"
"""The field that holds the citations of a text block, which go back with it."""

CALLER: Final = "caller"
"""The field that says who called a tool: the model, or code that it runs (recorded 2026)."""

_OF_DELTA: Final = {
    "text_delta": "text",
    "citations_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
    "input_json_delta": "tool_use",
}
"""The kind of block that a delta belongs to, should its start be missing (a gateway's doing)."""


@dataclass(slots=True)
class _Open:
    """A block that has not stopped yet."""

    kind: str
    block: JsonObject
    begins: int  # where in the text of the whole answer
    call: ToolCall | None = None
    pieces: list[str] = field(default_factory=list)  # of thinking, or of JSON text
    citations: list[Json] = field(default_factory=list)


class Content:
    """Puts content into blocks. One per answer: a block is known by its index.

    Raises:
        ProviderError: more blocks than their bound.
    """

    __slots__ = ("_blocks", "_chars", "_count", "_open")

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._open: dict[int, _Open] = {}
        self._chars = 0  # of text so far
        self._count = 0

    # --- a stream --------------------------------------------------------------------------------

    def start(self, index: int, block: JsonObject) -> None:
        """Open a block; what it already holds counts as its first delta."""
        if index in self._open:
            self.stop(index)
        self._count += 1
        if self._count > BLOCKS_MAX:
            raise ProviderError(f"the provider sent more than {BLOCKS_MAX} blocks of content")
        kind = _text(block.get("type"))
        opened = self._open[index] = _Open(kind, block, self._chars)
        if kind == "text":
            self._blocks.split()  # each is cited for itself
            self._say(_text(block.get("text")))
            opened.citations += _listed(block.get("citations"))
        elif kind == "thinking":
            self._blocks.split()  # each is signed for itself
            self._think(opened, _text(block.get("thinking")))
        elif kind == "tool_use":
            call = opened.call = self._blocks.tool_call(_text(block.get("id")))
            call.name = _text(block.get("name"))
            if (caller := block.get(CALLER)) and within_depth(caller, JSON_MAX_DEPTH):
                call.extra[CALLER] = caller
            self._blocks.arguments(call, "")

    def delta(self, chunk: JsonObject) -> None:
        """Read a `content_block_delta`."""
        delta = chunk.get("delta")
        if not isinstance(delta, dict):
            return
        kind = delta.get("type")
        index = place(chunk.get("index"))
        opened = None if index is None else self._open.get(index)
        if opened is None:
            begun = _OF_DELTA.get(_text(kind))
            if begun is None:
                return
            at = index_of(chunk)
            self.start(at, {"type": begun})
            opened = self._open[at]
        if kind == "text_delta":
            self._say(_text(delta.get("text")))
        elif kind == "input_json_delta":
            self._json(opened, _text(delta.get("partial_json")))
        elif kind == "thinking_delta":
            self._think(opened, _text(delta.get("thinking")))
        elif kind == "signature_delta":
            opened.block = opened.block | {"signature": delta.get("signature")}
        elif kind == "citations_delta":
            opened.citations.append(delta.get("citation"))
        else:  # of a block that is kept: `compaction_delta` brings what the start left empty
            news = {name: value for name, value in delta.items() if name != "type"}
            opened.block = opened.block | news

    def stop(self, index: int) -> None:
        """Close a block: what must go back is kept with the part it belongs to."""
        opened = self._open.pop(index, None)
        if opened is None:
            return
        if opened.kind == "text":
            self._cite(opened)
        elif opened.kind == "thinking":
            # Without a signature it is refused, so it is not kept: it was cut off by the limit.
            if signature := _text(opened.block.get("signature")):
                words = "".join(opened.pieces)
                self._keep({"type": "thinking", "thinking": words, "signature": signature})
        elif opened.call is not None:
            given = opened.block.get("input")
            if given and not opened.call.pieces:
                self._blocks.arguments(opened.call, to_json(given).decode())
        elif opened.kind:
            self._keep(_whole(opened))

    def close(self) -> None:
        """Close what is still open: the answer is whole, whatever it left out."""
        for index in list(self._open):
            self.stop(index)

    # --- a whole message -------------------------------------------------------------------------

    def whole(self, content: Json) -> None:
        """Read the list of blocks of a whole message."""
        for block in _listed(content):
            if isinstance(block, dict):
                self.start(-1, block)
                self.stop(-1)

    # --- what a block holds ----------------------------------------------------------------------

    def _say(self, text: str) -> None:
        if text:
            self._chars += len(text)
            self._blocks.text(text)

    def _think(self, opened: _Open, text: str) -> None:
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
            self._blocks.keep(BLOCKS, block)

    def _cite(self, opened: _Open) -> None:
        """Tell the sources of a text block; they hold for all of its text."""
        cited = [entry for entry in opened.citations if isinstance(entry, dict)]
        cited = [entry for entry in cited if within_depth(entry, JSON_MAX_DEPTH)]
        if not cited:
            return
        span = None
        if opened.begins < self._chars:
            span = Span(start=opened.begins, end=self._chars)
            kept: list[Json] = [*cited]
            self._blocks.mark({CITATIONS: kept})
        for entry in cited:
            self._blocks.citation(_source(entry), span)


def index_of(chunk: JsonObject) -> int:
    """Return the index of the block that a chunk is about; -1 where it does not say."""
    index = place(chunk.get("index"))
    return -1 if index is None else index


def _whole(opened: _Open) -> JsonObject:
    """Return a block that is kept, with the input that came in pieces."""
    if not opened.pieces:
        return opened.block
    given, error = parse_arguments("".join(opened.pieces))
    return opened.block if error else opened.block | {"input": given}


def _source(citation: JsonObject) -> Source:
    """Return what a citation points to: an address, or a document by its number in the question."""
    number = citation.get("document_index", citation.get("search_result_index"))
    title = _text(citation.get("title")) or _text(citation.get("document_title"))
    return Source(
        url=_text(citation.get("url")) or _text(citation.get("source")) or None,
        title=title or None,
        document=str(number) if isinstance(number, int) else None,
    )


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
