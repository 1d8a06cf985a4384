"""Writes a conversation as Converse messages, and the system texts beside them."""

from __future__ import annotations

import re
from typing import Final

from pydantic_core import from_json

from byokd.catalog.quirks.bedrock_converse import BedrockConverseQuirks
from byokd.dialects.base.block_writer import BlockTurns, BlockWriter
from byokd.dialects.base.conversation.roles import BRIDGE, BRIDGED
from byokd.dialects.base.conversation.turns import OPENING
from byokd.dialects.base.encoder import Draft
from byokd.dialects.base.media import warn_not_echoed
from byokd.dialects.base.tool_arguments import arguments_object, call_as_text
from byokd.dialects.base.tool_results import (
    marked_text,
    result_as_text,
    result_images,
    result_text,
)
from byokd.dialects.base.turns import Turn
from byokd.dialects.base.warnings import Warnings
from byokd.dialects.bedrock_converse.content import REASONING
from byokd.dialects.bedrock_converse.media import Media
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.parts import (
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_NO_OUTPUT: Final = "(no output)"
_SEE: Final = "See the attached document."
_DOCUMENTS: Final = frozenset({"document", "video"})
_RESULT: Final = "toolResult"


class Written(BlockTurns):
    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(lambda block: _RESULT in block)


def write_conversation(draft: Draft, quirks: BedrockConverseQuirks) -> Written:
    writer = _Writer(draft, quirks)
    for message in draft.params.messages:
        writer.add(message)
    written = writer.written
    written.split(lambda turn: _parted(turn, quirks, draft.warnings))
    written.open({"text": OPENING}, draft.warnings)
    for turn in written.turns:
        kinds = {kind for block in turn.blocks for kind in block}
        if "document" in kinds and "text" not in kinds:
            turn.blocks.insert(0, {"text": _SEE})
    return written


class _Writer(BlockWriter[Written]):
    def __init__(self, draft: Draft, quirks: BedrockConverseQuirks) -> None:
        super().__init__(Written(), Media(quirks, draft.warnings))
        self._quirks = quirks
        self._warnings = draft.warnings
        self._owner = draft.owner

    # --- the user --------------------------------------------------------------------------------

    def _texts(self, text: str) -> list[JsonObject]:
        return _texts(text)

    def _result(self, part: ToolResultPart) -> list[JsonObject]:
        status = part.is_error and self._quirks.tool_result_status
        text = result_text(part) if status else marked_text(part)
        images = [block for image in result_images(part) for block in self._media.image(image)]
        if not self._quirks.tools_supported:
            return [{"text": result_as_text(text)}, *images]
        inside = self._quirks.tool_result_images
        content: list[Json] = [*self._result_text(text), *(images if inside else [])]
        result: JsonObject = {
            "toolUseId": part.call_id,
            "content": content or [{"text": _NO_OUTPUT}],
        }
        if status:
            result["status"] = "error"
        return [{_RESULT: result}, *([] if inside else images)]

    def _result_text(self, text: str) -> list[JsonObject]:
        document = _json_object(text) if self._quirks.tool_result_json else None
        return _texts(text) if document is None else [{"json": document}]

    # --- the assistant ---------------------------------------------------------------------------

    def _assistant_part(self, part: Part) -> list[JsonObject]:
        if isinstance(part, TextPart):
            return _texts(part.text)
        if isinstance(part, ReasoningPart):
            return self._reasoning(part)
        if isinstance(part, ToolCallPart):
            return [self._call(part)]
        if isinstance(part, ImagePart | FilePart):
            warn_not_echoed(self._warnings)
        return []

    def _reasoning(self, part: ReasoningPart) -> list[JsonObject]:
        """Return reasoning unchanged, to the model that signed it; others refuse it.

        Reasoning without a signature is refused, too (Claude; pi-mono and pydantic-ai,
        2026).
        """
        signed_blocks = self._owner.state(part).get(REASONING)
        if self._quirks.reasoning_echo == "none" or not isinstance(signed_blocks, list):
            return []
        blocks: list[JsonObject] = []
        for entry in (entry for entry in signed_blocks if isinstance(entry, dict)):
            if redacted := entry.get("redactedContent"):
                blocks.append({REASONING: {"redactedContent": redacted}})
            elif signature := entry.get("signature"):
                text = entry.get("text") or ""
                signed: JsonObject = {"text": text, "signature": signature}
                blocks.append({REASONING: {"reasoningText": signed}})
        return blocks

    def _call(self, part: ToolCallPart) -> JsonObject:
        if not self._quirks.tools_supported:
            return {"text": call_as_text(part)}
        self.written.tool_names[part.name] = None
        return {
            "toolUse": {
                "toolUseId": part.call_id,
                "name": part.name,
                "input": arguments_object(part),
            }
        }


def _parted(turn: Turn, quirks: BedrockConverseQuirks, warnings: Warnings) -> list[Turn]:
    """Return a turn, or three where results of tools may not be beside the blocks after them.

    Claude refuses documents there, Llama and Mistral anything (pydantic-ai, 2026-09). An
    assistant's turn is put between, because the service merges turns of one side. The rule
    `bridge_tool_results` cannot do this: which media become a document or a video, and which are
    left out, is known only of the written blocks.
    """
    results = [block for block in turn.blocks if _RESULT in block]
    others = [block for block in turn.blocks if _RESULT not in block]
    apart = quirks.user_after_tool_forbidden or any(not _DOCUMENTS.isdisjoint(b) for b in others)
    if not (results and others and apart):
        return [turn]
    warnings.notice("messages", BRIDGED)
    return [Turn("user", results), Turn("assistant", [{"text": BRIDGE}]), Turn("user", others)]


def _texts(text: str) -> list[JsonObject]:
    # Blocks of white space are refused.
    return [{"text": text}] if text.strip() else []


_OBJECT: Final = re.compile(r"\s*\{")


def _json_object(text: str) -> JsonObject | None:
    """Parse a text that is a JSON object; no other JSON value is accepted."""
    if not _OBJECT.match(text):
        return None
    try:
        document = from_json(text, allow_inf_nan=False)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
