"""Writes a conversation as Converse messages: turns of blocks, and the system texts beside them.

Knows how each part is spelled, and the order in which turns and blocks are taken. Must not know a
provider's name: what a model cannot take is a quirk, and is left out with a warning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic_core import from_json

from byokd.catalog.record import Quirks
from byokd.dialects.base.call import Call
from byokd.dialects.base.call_ids import WireIds
from byokd.dialects.base.tool_arguments import arguments_object, call_as_words
from byokd.dialects.base.tool_pairing import paired
from byokd.dialects.base.warnings import Warnings
from byokd.dialects.bedrock_converse.content import REASONING
from byokd.dialects.bedrock_converse.media import Media
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.parts import (
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_BRIDGE: Final = "Understood."
"""What the assistant says between a tool's answer and what may not stand beside it."""

_OPENING: Final = "."
"""What a user says first where a conversation does not begin with one; spaces alone are refused."""

_NO_OUTPUT: Final = "(no output)"
_SEE: Final = "See the attached document."
_DOCUMENTS: Final = frozenset({"document", "video"})
_RESULT: Final = "toolResult"


@dataclass(slots=True)
class Turn:
    """What one side says; consecutive messages of a side are one turn."""

    role: Literal["user", "assistant"]
    blocks: list[JsonObject] = field(default_factory=list)


@dataclass(slots=True)
class Conversation:
    """A conversation in its parts; `tool_names` are those of earlier calls, in order."""

    system: list[Json] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    tool_names: dict[str, None] = field(default_factory=dict)

    @property
    def messages(self) -> list[Json]:
        """The messages of the body."""
        return [{"role": turn.role, "content": [*turn.blocks]} for turn in self.turns]


def write_conversation(call: Call, quirks: Quirks, notes: Warnings) -> Conversation:
    """Return the conversation, in the order and company that its blocks demand."""
    writer = _Writer(call, quirks, notes)
    for message in paired(call.params.messages, quirks, notes):
        writer.add(message)
    said = writer.said
    said.turns = [turn for whole in said.turns for turn in _parted(whole, quirks, notes)]
    if not said.turns or said.turns[0].role != "user":
        said.turns.insert(0, Turn("user", [{"text": _OPENING}]))
        notes.notice("messages", "the conversation did not begin with a user, so a turn was added")
    for turn in said.turns:
        kinds = {kind for block in turn.blocks for kind in block}
        if "document" in kinds and "text" not in kinds:
            turn.blocks.insert(0, {"text": _SEE})
    _trim_end(said.turns[-1])
    return said


class _Writer:
    def __init__(self, call: Call, quirks: Quirks, notes: Warnings) -> None:
        self.said = Conversation()
        self._quirks = quirks
        self._notes = notes
        self._ids = WireIds(quirks.tool_call_id_pattern)
        self._media = Media(quirks, notes)
        self._provider, self._model = call.provider.id, call.params.model

    def add(self, message: Message) -> None:
        """Write one message of the conversation."""
        parts = message.parts()
        if message.role == "system":
            self._system("".join(part.text for part in parts if isinstance(part, TextPart)))
        elif message.role == "assistant":
            self._take("assistant", [block for part in parts for block in self._spoken(part)])
        else:
            self._take("user", [block for part in parts for block in self._heard(part)])

    def _system(self, text: str) -> None:
        if not text.strip():
            return
        if self.said.turns:
            self._notes.notice("messages", "a later system message was moved to the beginning")
        self.said.system.append({"text": text})

    def _take(self, role: Literal["user", "assistant"], blocks: list[JsonObject]) -> None:
        """Add to the turn of this side; a tool's answers come first in it."""
        if not blocks:
            return
        if not self.said.turns or self.said.turns[-1].role != role:
            self.said.turns.append(Turn(role))
        turn = self.said.turns[-1]
        turn.blocks += blocks
        turn.blocks.sort(key=lambda block: _RESULT not in block)

    # --- the user --------------------------------------------------------------------------------

    def _heard(self, part: Part) -> list[JsonObject]:
        if isinstance(part, TextPart):
            return _texts(part.text)
        if isinstance(part, ImagePart):
            return self._media.image(part)
        if isinstance(part, FilePart):
            return self._media.file(part)
        if isinstance(part, ToolResultPart):
            return self._result(part)
        return []  # reasoning and citations of others are not the user's words

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
            "toolUseId": self._ids.of_result(part.call_id),
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

    def _spoken(self, part: Part) -> list[JsonObject]:
        if isinstance(part, TextPart):
            return _texts(part.text)
        if isinstance(part, ReasoningPart):
            return self._reasoning(part)
        if isinstance(part, ToolCallPart):
            return [self._call(part)]
        if isinstance(part, ImagePart | FilePart):
            what = "an assistant's images and files cannot be sent back"
            self._notes.dropped("messages", what)
        return []

    def _reasoning(self, part: ReasoningPart) -> list[JsonObject]:
        """Return reasoning exactly as it came, to the model that signed it; others refuse it.

        Words without a signature are refused too (Claude; pi-mono and pydantic-ai, 2026).
        """
        kept = self._own(part).get(REASONING)
        if self._quirks.reasoning_echo == "none" or not isinstance(kept, list):
            return []
        blocks: list[JsonObject] = []
        for entry in (entry for entry in kept if isinstance(entry, dict)):
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
        self.said.tool_names[part.name] = None
        native = self._own(part).get("callId") == part.call_id
        return {
            "toolUse": {
                "toolUseId": self._ids.of_call(part.call_id, native=native),
                "name": part.name,
                "input": arguments_object(part),
            }
        }

    def _own(self, part: Part) -> JsonObject:
        """Return a part's state if this provider and model made it, else nothing."""
        state = part.provider_state or {}
        own = state.get("provider") == self._provider and state.get("model") == self._model
        return state if own else {}


def _parted(turn: Turn, quirks: Quirks, notes: Warnings) -> list[Turn]:
    """Return a turn, or three where a tool's answers may not stand beside what follows them.

    Claude refuses documents there, Llama and Mistral refuse anything (pydantic-ai, 2026-09). Turns
    of one side are merged by the service, so the assistant has to say a word in between.
    """
    results = [block for block in turn.blocks if _RESULT in block]
    others = [block for block in turn.blocks if _RESULT not in block]
    apart = quirks.user_after_tool_forbidden or any(not _DOCUMENTS.isdisjoint(b) for b in others)
    if not (results and others and apart):
        return [turn]
    notes.notice("messages", "a word was put between a tool's answer and the user")
    return [Turn("user", results), Turn("assistant", [{"text": _BRIDGE}]), Turn("user", others)]


def _trim_end(turn: Turn) -> None:
    """Cut the space after an answer that is to be continued: it is refused (Claude)."""
    last = turn.blocks[-1]
    if turn.role == "assistant" and isinstance(text := last.get("text"), str):
        turn.blocks[-1] = {"text": text.rstrip()}


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
