"""Reads the parts of a Gemini answer into blocks.

A signed part is its own block. Parts that only Google can read (code that it ran, tools that it
called, empty signed text) are stored with the part before them, and sent back in the same order.
"""

from __future__ import annotations

from typing import Final

from pydantic_core import to_json

from byokd.core.limits import JSON_MAX_DEPTH
from byokd.dialects.base.content import Blocks, ToolCall
from byokd.dialects.base.json import within_depth
from byokd.dialects.gemini.arguments import put
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.parts import FilePart, ImagePart

SIGNATURE: Final = "thoughtSignature"
KEPT: Final = "parts"
"""The field of `providerState` that holds parts that followed this one."""


class Parts:
    __slots__ = ("_blocks", "_call", "_origin", "_partial")

    def __init__(self, blocks: Blocks, origin: JsonObject) -> None:
        self._blocks = blocks
        self._origin = origin
        self._call: ToolCall | None = None  # the call whose arguments come in pieces
        self._partial: JsonObject = {}

    def add(self, part: JsonObject) -> None:
        text = part.get("text")
        if isinstance(text, str):
            if text and SIGNATURE not in part:
                if part.get("thought"):
                    self._blocks.reasoning(text, "summary")
                else:
                    self._blocks.text(text)
            elif part.get(SIGNATURE):
                self._signed(part, text)
            return
        call = part.get("functionCall")
        if isinstance(call, dict):
            self._function_call(call, part.get(SIGNATURE))
            return
        data = part.get("inlineData")
        if isinstance(data, dict) and self._inline(data, part):
            return
        if any(part.values()) and within_depth(part, JSON_MAX_DEPTH):
            self._blocks.add_opaque(KEPT, part)

    def close(self) -> None:
        self._end_call()

    # --- text ------------------------------------------------------------------------------------

    def _signed(self, part: JsonObject, text: str) -> None:
        if not text:
            self._blocks.add_opaque(KEPT, part)
            return
        self._blocks.end_block()
        if part.get("thought"):
            self._blocks.reasoning(text, "summary")
        else:
            self._blocks.text(text)
        self._blocks.seal({SIGNATURE: part[SIGNATURE]})

    def _inline(self, data: JsonObject, part: JsonObject) -> bool:
        """Add an image or a file, except drafts of its thinking; return False if it is neither."""
        content, kind = data.get("data"), data.get("mimeType")
        if not (isinstance(content, str) and isinstance(kind, str) and content):
            return False
        signature = part.get(SIGNATURE)
        if part.get("thought") and not signature:
            return True
        state = self._origin | {SIGNATURE: signature} if signature else self._origin
        part_type = ImagePart if kind.startswith("image/") else FilePart
        self._blocks.media(part_type(media_type=kind, data=content, provider_state=state))
        return True

    # --- calls -----------------------------------------------------------------------------------

    def _function_call(self, entry: JsonObject, signature: Json) -> None:
        """Read a call: whole, or on Vertex AI a name, then values with paths."""
        name = entry.get("name")
        if isinstance(name, str) and name:
            self._end_call()
            native_id = entry.get("id")
            call = self._blocks.tool_call(native_id if isinstance(native_id, str) else "")
            call.name = name
            if signature:
                call.extra[SIGNATURE] = signature
            if not (entry.get("willContinue") or entry.get("partialArgs")):
                self._blocks.arguments(call, _arguments(entry.get("args")))
                return
            self._call = call
        elif self._call is None:
            if entry.get("args"):  # a call without a name becomes one that cannot be run
                self._blocks.arguments(self._blocks.tool_call(""), _arguments(entry.get("args")))
            return
        more = entry.get("willContinue")
        pieces = entry.get("partialArgs")
        for piece in pieces if isinstance(pieces, list) else []:
            if isinstance(piece, dict):
                put(self._partial, piece)
                more = more or piece.get("willContinue")
        if not more:
            self._end_call()

    def _end_call(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            self._blocks.arguments(call, _arguments(self._partial))
            self._partial = {}


def _arguments(value: Json) -> str:
    """Return arguments as JSON text, "{}" for None."""
    if value is None:
        return "{}"
    return value if isinstance(value, str) else to_json(value).decode()
