"""Writes a conversation as turns of blocks, and the system's text beside them."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.anthropic_messages import AnthropicMessagesQuirks
from byokd.dialects.anthropic_messages.content import CALLER, CITATIONS
from byokd.dialects.anthropic_messages.media import Media
from byokd.dialects.base.block_writer import BlockTurns, BlockWriter
from byokd.dialects.base.conversation.turns import OPENING
from byokd.dialects.base.encoder import Draft
from byokd.dialects.base.media import warn_not_echoed
from byokd.dialects.base.provider_state import BLOCKS
from byokd.dialects.base.tool_arguments import arguments_object, call_as_text
from byokd.dialects.base.tool_results import result_parts
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.parts import (
    FilePart,
    ImagePart,
    Part,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_USE, _RESULT = "tool_use", "tool_result"
_THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})


class Written(BlockTurns):
    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(lambda block: block["type"] == _RESULT)

    @property
    def may_think(self) -> bool:
        """Whether thinking may be on.

        The assistant's turn that opened a tool loop must begin with its signed reasoning,
        else the request is refused; that of another model, or lost by a client, is not
        there.
        """
        opening: JsonObject | None = None
        for at in range(len(self.turns) - 1, 0, -2):
            results = any(block["type"] == _RESULT for block in self.turns[at].blocks)
            if not results:
                break
            opening = self.turns[at - 1].blocks[0]
        return opening is None or opening["type"] in _THOUGHTS


def write_conversation(draft: Draft, quirks: AnthropicMessagesQuirks) -> Written:
    writer = _Writer(draft, quirks)
    for message in draft.params.messages:
        writer.add(message)
    writer.written.open(_text(OPENING), draft.warnings)
    return writer.written


class _Writer(BlockWriter[Written]):
    def __init__(self, draft: Draft, quirks: AnthropicMessagesQuirks) -> None:
        super().__init__(Written(), Media(quirks, draft.warnings))
        self._quirks = quirks
        self._warnings = draft.warnings
        self._owner = draft.owner

    # --- the user --------------------------------------------------------------------------------

    def _texts(self, text: str) -> list[JsonObject]:
        return _texts(text)

    def _result(self, part: ToolResultPart) -> list[JsonObject]:
        content = [block for inner in result_parts(part) for block in self._user_part(inner)]
        if not self._quirks.tools_supported:
            return [_text("Result of the tool:"), *content]
        block: JsonObject = {"type": _RESULT, "tool_use_id": part.call_id}
        if content:
            only_text = len(content) == 1 and content[0]["type"] == "text"
            block["content"] = content[0]["text"] if only_text else [*content]
        if part.is_error:
            block["is_error"] = True
        return [block]

    # --- the assistant ---------------------------------------------------------------------------

    def _assistant_part(self, part: Part) -> list[JsonObject]:
        """Write a part of an answer, and after it the blocks that only its maker reads.

        Reasoning goes back as the signed blocks of its state; text without a signature and
        signatures of another model are refused.
        """
        state = self._owner.state(part)
        blocks: list[JsonObject] = []
        if isinstance(part, TextPart):
            blocks = _texts(part.text)
            citations = state.get(CITATIONS)
            if blocks and isinstance(citations, list) and citations:
                blocks[0][CITATIONS] = [_sendable(entry) for entry in citations]
        elif isinstance(part, ToolCallPart):
            blocks = [self._call(part, state)]
        elif isinstance(part, ImagePart | FilePart):
            warn_not_echoed(self._warnings)
        behind = state.get(BLOCKS)
        if not isinstance(behind, list):
            return blocks
        return blocks + [entry for entry in behind if isinstance(entry, dict) and "type" in entry]

    def _call(self, part: ToolCallPart, state: JsonObject) -> JsonObject:
        if not self._quirks.tools_supported:
            return _text(call_as_text(part))
        self.written.tool_names[part.name] = None
        block: JsonObject = {
            "type": _USE,
            "id": part.call_id,
            "name": part.name,
            "input": arguments_object(part),
        }
        caller = state.get(CALLER)
        return block | ({CALLER: caller} if caller else {})


def _text(text: str) -> JsonObject:
    return {"type": "text", "text": text}


def _texts(text: str) -> list[JsonObject]:
    # Blocks of white space are refused.
    return [_text(text)] if text.strip() else []


def _sendable(citation: Json) -> Json:
    """Remove the one field of a citation that requests may not have (SDK, 2026-10)."""
    if isinstance(citation, dict):
        return {name: value for name, value in citation.items() if name != "file_id"}
    return citation
