"""Reads the content of a Converse answer into blocks."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final

from byokd.dialects.base.content import Blocks, ReasoningDetail, ToolCall
from byokd.dialects.base.json import as_index, as_json_text, as_objects, as_text, text_of
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.parts import ImagePart, Source

REASONING: Final = "reasoningContent"
"""The field of `providerState` that holds reasoning as it is sent back: a list of
`{text, signature}` and `{redactedContent}`, in order."""

_NOTHING: Final = Source()
_SERVER_RUN: Final = "server_tool_use"
_DOCUMENT_LOCATIONS: Final = (
    "documentChar",
    "documentPage",
    "documentChunk",
    "searchResultLocation",
)


class Content:
    """Puts content into blocks.

    Only tool use has a start event. Tools that the provider ran itself (Nova's grounding,
    recorded 2026) are left out.
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
        start, index = chunk.get("start"), _index(chunk)
        if not isinstance(start, dict):
            return
        if isinstance(tool := start.get("toolUse"), dict):
            self._begin_call(index, tool)
        elif isinstance(image := start.get("image"), dict):
            self._images[index] = text_of(image.get("format"))
        elif "toolResult" in start:
            self._server.add(index)

    def delta(self, chunk: JsonObject) -> None:
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
            text_block = thought.get("reasoningText")
            self._thought(index, text_block if isinstance(text_block, dict) else thought)
        if isinstance(image := block.get("image"), dict):
            self._image(text_of(image.get("format")), image)
        if isinstance(cited := block.get("citationsContent"), dict):
            for entry in as_objects(cited.get("content")):
                self._block(index, {"text": entry.get("text")})
            for citation in as_objects(cited.get("citations")):
                self._citation(citation)

    # --- what a block holds ----------------------------------------------------------------------

    def _begin_call(self, index: int, tool: JsonObject) -> None:
        if tool.get("type") == _SERVER_RUN:
            self._server.add(index)
            return
        call = self._blocks.tool_call(text_of(tool.get("toolUseId")))
        call.name = text_of(tool.get("name"))
        self._calls[index] = call
        self._blocks.arguments(call, "")

    def _arguments(self, index: int, tool: JsonObject) -> None:
        """Add arguments: JSON text in a stream, else an object."""
        if index in self._server:
            return
        if index not in self._calls:
            self._begin_call(index, tool)
        if (value := tool.get("input")) is not None:
            self._blocks.arguments(self._calls[index], as_json_text(value))

    def _thought(self, index: int, thought: JsonObject) -> None:
        text, signature = text_of(thought.get("text")), text_of(thought.get("signature"))
        redacted = text_of(thought.get("redactedContent"))
        if not (text or signature or redacted):
            return
        detail = self._thoughts.get(index)
        if detail is None:
            self._blocks.end_block()  # each block has a signature of its own
        if text:
            self._blocks.reasoning(text)
        if detail is None:
            name = None if redacted else "text"
            detail = self._thoughts[index] = ReasoningDetail(REASONING, {}, name, [])
            self._blocks.add_detail(detail)
        if text:
            detail.pieces.append(text)
        if signature:
            detail.fields["signature"] = text_of(detail.fields.get("signature")) + signature
        if redacted:
            before = text_of(detail.fields.get("redactedContent"))
            detail.fields["redactedContent"] = _joined(before, redacted)

    def _citation(self, citation: JsonObject) -> None:
        value = citation.get("location")
        location = value if isinstance(value, dict) else {}
        value = location.get("web")
        web = value if isinstance(value, dict) else {}
        source = Source(
            url=as_text(web.get("url")),
            title=as_text(citation.get("title")) or as_text(web.get("domain")),
            document=as_text(citation.get("source")) or _document(location),
        )
        if source != _NOTHING:
            self._blocks.citation(source, None)

    def _image(self, kind: str, image: JsonObject) -> None:
        source = image.get("source")
        data = text_of(source.get("bytes")) if isinstance(source, dict) else ""
        if data:
            self._blocks.media(ImagePart(media_type=f"image/{kind or 'png'}", data=data))


def _document(location: JsonObject) -> str | None:
    """Return the number from 0 of a document in the request."""
    for name in _DOCUMENT_LOCATIONS:
        if isinstance(within := location.get(name), dict):
            number = within.get("documentIndex", within.get("searchResultIndex"))
            return str(number) if isinstance(number, int) else None
    return None


def _joined(first: str, second: str) -> str:
    """Join the bytes of two base64 texts; invalid base64 is joined as text."""
    if not first:
        return second
    try:
        return b64encode(b64decode(first) + b64decode(second)).decode()
    except ValueError:
        return first + second


def _index(chunk: JsonObject) -> int:
    index = as_index(chunk.get("contentBlockIndex"))
    return -1 if index is None else index
