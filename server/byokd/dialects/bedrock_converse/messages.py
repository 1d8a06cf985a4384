"""Writes a conversation as Converse messages: turns of blocks, and the system texts beside them.

Knows how each part is spelled, and the order in which turns and blocks are taken. Must not know a
provider's name: what a model cannot take is a quirk, and is left out with a warning.
"""

from __future__ import annotations

import re
from typing import Final

from pydantic_core import from_json

from byokd.catalog.quirks.bedrock_converse import BedrockConverseQuirks
from byokd.dialects.base.block_writer import BlockTurns, BlockWriter
from byokd.dialects.base.conversation.turns import OPENING
from byokd.dialects.base.encoder import Draft
from byokd.dialects.base.media import warn_not_echoed
from byokd.dialects.base.tool_arguments import arguments_object, call_as_words
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

_BRIDGE: Final = "Understood."
"""What the assistant says between a tool's answer and what may not stand beside it."""

_NO_OUTPUT: Final = "(no output)"
_SEE: Final = "See the attached document."
_DOCUMENTS: Final = frozenset({"document", "video"})
_RESULT: Final = "toolResult"


class Written(BlockTurns):
    """A conversation in the parts of the body."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(lambda block: _RESULT in block)


def write_conversation(made: Draft, quirks: BedrockConverseQuirks) -> Written:
    """Return the conversation of a draft."""
    writer = _Writer(made, quirks)
    for message in made.params.messages:
        writer.add(message)
    written = writer.written
    written.split(lambda turn: _parted(turn, quirks, made.warnings))
    written.open({"text": OPENING}, made.warnings)
    for turn in written.turns:
        kinds = {kind for block in turn.blocks for kind in block}
        if "document" in kinds and "text" not in kinds:
            turn.blocks.insert(0, {"text": _SEE})
    return written


class _Writer(BlockWriter[Written]):
    def __init__(self, made: Draft, quirks: BedrockConverseQuirks) -> None:
        super().__init__(Written(), Media(quirks, made.warnings))
        self._quirks = quirks
        self._warnings = made.warnings
        self._owner = made.owner

    # --- the user --------------------------------------------------------------------------------

    def _texts(self, text: str) -> list[JsonObject]:
        return _texts(text)

    def _result(self, part: ToolResultPart) -> list[JsonObject]:
        """Write a tool's answer, and after it the images that it may not hold itself."""
        inner = (TextPart(text=part.content),) if isinstance(part.content, str) else part.content
        text = "".join(entry.text for entry in inner if isinstance(entry, TextPart))
        images = [
            block
            for entry in inner
            if isinstance(entry, ImagePart)
            for block in self._media.image(entry)
        ]
        named = part.is_error and self._quirks.tool_result_status
        if part.is_error and not named and not text.lower().startswith("error"):
            text = f"Error: {text}"
        if not self._quirks.tools_supported:
            return [{"text": f"Result of the tool: {text}"}, *images]
        within = self._quirks.tool_result_images
        content: list[Json] = [*self._result_text(text), *(images if within else [])]
        result: JsonObject = {
            "toolUseId": part.call_id,
            "content": content or [{"text": _NO_OUTPUT}],
        }
        if named:
            result["status"] = "error"
        return [{_RESULT: result}, *([] if within else images)]

    def _result_text(self, text: str) -> list[JsonObject]:
        if self._quirks.tool_result_json and (found := _json_object(text)) is not None:
            return [{"json": found}]
        return _texts(text)

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
        """Return reasoning exactly as it came, to the model that signed it; others refuse it.

        Words without a signature are refused too (Claude; pi-mono and pydantic-ai, 2026).
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
            return {"text": call_as_words(part)}
        self.written.tool_names[part.name] = None
        return {
            "toolUse": {
                "toolUseId": part.call_id,
                "name": part.name,
                "input": arguments_object(part),
            }
        }


def _parted(turn: Turn, quirks: BedrockConverseQuirks, warnings: Warnings) -> list[Turn]:
    """Return a turn, or three where a tool's answers may not stand beside what follows them.

    Claude refuses documents there, Llama and Mistral refuse anything (pydantic-ai, 2026-09). Turns
    of one side are merged by the service, so the assistant has to say a word in between.
    """
    results = [block for block in turn.blocks if _RESULT in block]
    others = [block for block in turn.blocks if _RESULT not in block]
    apart = quirks.user_after_tool_forbidden or any(not _DOCUMENTS.isdisjoint(b) for b in others)
    if not (results and others and apart):
        return [turn]
    warnings.notice("messages", "a word was put between a tool's answer and the user")
    return [Turn("user", results), Turn("assistant", [{"text": _BRIDGE}]), Turn("user", others)]


def _texts(text: str) -> list[JsonObject]:
    """Return a block of text; one of spaces alone is refused by the service."""
    return [{"text": text}] if text.strip() else []


_OBJECT: Final = re.compile(r"\s*\{")


def _json_object(text: str) -> JsonObject | None:
    """Return the object that a text is, or None; a list or a number may not be sent as JSON."""
    if not _OBJECT.match(text):
        return None
    try:
        found = from_json(text, allow_inf_nan=False)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
