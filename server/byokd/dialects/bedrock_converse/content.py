"""Reads the content of a Converse answer into blocks: the deltas of a stream, or whole blocks.

Knows text, reasoning, tool use, citations, images, and what the provider ran itself. Must not know
frames, errors or the end of an answer.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final

from pydantic_core import to_json

from byokd.dialects.base.content import Blocks, ReasoningDetail, ToolCall
from byokd.dialects.base.json import place
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.parts import ImagePart, Source

REASONING: Final = "reasoningContent"
"""The field of `providerState` that holds reasoning as it goes back: a list of `{text, signature}`
and `{redactedContent}`, in order."""

_NOTHING: Final = Source()
_SERVER_RUN: Final = "server_tool_use"
_DOCUMENT_PLACES: Final = ("documentChar", "documentPage", "documentChunk", "searchResultLocation")


class Content:
    """Puts content into blocks. One per answer: a block is known by its index.

    A block of text or reasoning begins with its first delta, only tool use has a start of its own.
    What the provider ran itself (Nova's grounding, recorded 2026) is not for the client.
    """

    __slots__ = ("_blocks", "_calls", "_images", "_server", "_thoughts")

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._calls: dict[int, ToolCall] = {}
        self._thoughts: dict[int, ReasoningDetail] = {}
        self._images: dict[int, str] = {}  # their formats
        self._server: set[int] = set()

    # --- a stream --------------------------------------------------------------------------------

    def start(self, chunk: JsonObject) -> None:
        """Read a `contentBlockStart`."""
        start, index = chunk.get("start"), _index(chunk)
        if not isinstance(start, dict):
            return
        if isinstance(tool := start.get("toolUse"), dict):
            self._begin_call(index, tool)
        elif isinstance(image := start.get("image"), dict):
            self._images[index] = _text(image.get("format"))
        elif "toolResult" in start:
            self._server.add(index)

    def delta(self, chunk: JsonObject) -> None:
        """Read a `contentBlockDelta`."""
        delta = chunk.get("delta")
        if not isinstance(delta, dict):
            return
        text = delta.get("text")
        if isinstance(text, str):
            if text:
                self._blocks.text(text)
            return
        index = _index(chunk)
        if isinstance(tool := delta.get("toolUse"), dict):
            self._arguments(index, tool)
        if isinstance(thought := delta.get(REASONING), dict):
            self._thought(index, thought)
        if isinstance(citation := delta.get("citation"), dict):
            self._citation(citation)
        if isinstance(image := delta.get("image"), dict):
            self._image(self._images.get(index, ""), image)

    # --- a whole message -------------------------------------------------------------------------

    def whole(self, content: Json) -> None:
        """Read the list of blocks of a whole message."""
        entries = content if isinstance(content, list) else []
        for index, block in enumerate(entries):
            if isinstance(block, dict):
                self._block(index, block)

    def _block(self, index: int, block: JsonObject) -> None:
        if (text := block.get("text")) and isinstance(text, str):
            self._blocks.text(text)
        if isinstance(tool := block.get("toolUse"), dict):
            self._begin_call(index, tool)
            self._arguments(index, tool)
        if isinstance(thought := block.get(REASONING), dict):
            said = thought.get("reasoningText")
            self._thought(index, said if isinstance(said, dict) else thought)
        if isinstance(image := block.get("image"), dict):
            self._image(_text(image.get("format")), image)
        if isinstance(cited := block.get("citationsContent"), dict):
            for entry in _objects(cited.get("content")):
                self._block(index, {"text": entry.get("text")})
            for citation in _objects(cited.get("citations")):
                self._citation(citation)

    # --- what a block holds ----------------------------------------------------------------------

    def _begin_call(self, index: int, tool: JsonObject) -> None:
        if tool.get("type") == _SERVER_RUN:
            self._server.add(index)
            return
        call = self._blocks.tool_call(_text(tool.get("toolUseId")))
        call.name = _text(tool.get("name"))
        self._calls[index] = call
        self._blocks.arguments(call, "")

    def _arguments(self, index: int, tool: JsonObject) -> None:
        """Add to a call; a stream sends JSON text, a whole message the object itself."""
        if index in self._server:
            return
        if index not in self._calls:
            self._begin_call(index, tool)
        given = tool.get("input")
        if given is not None:
            text = given if isinstance(given, str) else to_json(given).decode()
            self._blocks.arguments(self._calls[index], text)

    def _thought(self, index: int, thought: JsonObject) -> None:
        """Add reasoning: words, a signature for them, or a block that nobody can read."""
        text, signature = _text(thought.get("text")), _text(thought.get("signature"))
        redacted = _text(thought.get("redactedContent"))
        if not (text or signature or redacted):
            return
        detail = self._thoughts.get(index)
        if detail is None:
            self._blocks.split()  # each block is signed for itself
        if text:
            self._blocks.reasoning(text)
        if detail is None:
            name = None if redacted else "text"
            detail = self._thoughts[index] = ReasoningDetail(REASONING, {}, name, [])
            self._blocks.detail(detail)
        if text:
            detail.pieces.append(text)
        if signature:
            detail.fields["signature"] = _text(detail.fields.get("signature")) + signature
        if redacted:
            before = _text(detail.fields.get("redactedContent"))
            detail.fields["redactedContent"] = _joined(before, redacted)

    def _citation(self, citation: JsonObject) -> None:
        place = citation.get("location")
        where = place if isinstance(place, dict) else {}
        found = where.get("web")
        web = found if isinstance(found, dict) else {}
        title = _text(citation.get("title")) or _text(web.get("domain"))
        document = _text(citation.get("source")) or _document(where)
        source = Source(
            url=_text(web.get("url")) or None, title=title or None, document=document or None
        )
        if source != _NOTHING:
            self._blocks.citation(source, None)

    def _image(self, kind: str, image: JsonObject) -> None:
        source = image.get("source")
        data = _text(source.get("bytes")) if isinstance(source, dict) else ""
        if data:
            self._blocks.media(ImagePart(media_type=f"image/{kind or 'png'}", data=data))


def _document(where: JsonObject) -> str:
    """Return which document of the question a citation points into, by its number from 0."""
    for name in _DOCUMENT_PLACES:
        if isinstance(place := where.get(name), dict):
            number = place.get("documentIndex", place.get("searchResultIndex"))
            return str(number) if isinstance(number, int) else ""
    return ""


def _joined(first: str, second: str) -> str:
    """Return base64 of what both hold; text that is no base64 is set one after the other."""
    if not first:
        return second
    try:
        return b64encode(b64decode(first) + b64decode(second)).decode()
    except ValueError:
        return first + second


def _index(chunk: JsonObject) -> int:
    index = place(chunk.get("contentBlockIndex"))
    return -1 if index is None else index


def _objects(value: Json) -> list[JsonObject]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
