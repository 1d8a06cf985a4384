"""Writes a conversation as turns of blocks, and the system's words beside them.

Knows how each part is spelled, and the order and company that blocks demand. Must not know a
provider's name. What a model said goes back exactly as it came, to that model and to no other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from byokd.catalog.record import Quirks
from byokd.dialects.anthropic_messages.content import BLOCKS, CALLER, CITATIONS
from byokd.dialects.anthropic_messages.media import Media
from byokd.dialects.base.call import Call
from byokd.dialects.base.call_ids import WireIds
from byokd.dialects.base.tool_arguments import arguments_object, call_as_words
from byokd.dialects.base.tool_pairing import paired
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.parts import (
    FilePart,
    ImagePart,
    Message,
    Part,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_OPENING: Final = "."
"""What a user says first where a conversation does not begin with one; spaces are refused."""

_USE, _RESULT = "tool_use", "tool_result"
_THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})


@dataclass(slots=True)
class Turn:
    """What one side says; consecutive messages of a side are one turn."""

    role: Literal["user", "assistant"]
    blocks: list[JsonObject] = field(default_factory=list)


@dataclass(slots=True)
class Conversation:
    """A conversation in its parts; `tool_names` are those of earlier calls, in order."""

    system: list[JsonObject] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    tool_names: dict[str, None] = field(default_factory=dict)

    @property
    def thinks_on(self) -> bool:
        """Whether thinking may be on: a tool loop must have begun with it to go on with it.

        The turn that opened the loop must start with its signed thoughts, else the request is
        refused. Those of another model, and those that a client lost, are not there.
        """
        opening: JsonObject | None = None
        for at in range(len(self.turns) - 1, 0, -2):
            results = any(block["type"] == _RESULT for block in self.turns[at].blocks)
            if not results:
                break
            opening = self.turns[at - 1].blocks[0]
        return opening is None or opening["type"] in _THOUGHTS


def write_conversation(call: Call, quirks: Quirks, notes: Warnings) -> Conversation:
    """Return the conversation as it may be sent: turns alternate, and every call has its result."""
    writer = _Writer(call, quirks, notes)
    for message in paired(call.params.messages, quirks, notes):
        writer.add(message)
    said = writer.said
    if not said.turns or said.turns[0].role != "user":
        said.turns.insert(0, Turn("user", [_text(_OPENING)]))
        notes.notice("messages", "the conversation did not begin with a user, so a turn was added")
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
        self.said.system.append(_text(text))

    def _take(self, role: Literal["user", "assistant"], blocks: list[JsonObject]) -> None:
        """Add to the turn of this side; results of tools come first in a turn."""
        if not blocks:
            return
        if not self.said.turns or self.said.turns[-1].role != role:
            self.said.turns.append(Turn(role))
        turn = self.said.turns[-1]
        turn.blocks += blocks
        if role == "user":
            turn.blocks.sort(key=lambda block: block["type"] != _RESULT)

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
        inner = (TextPart(text=part.content),) if isinstance(part.content, str) else part.content
        content = [block for entry in inner for block in self._heard(entry)]
        if not self._quirks.tools_supported:
            return [_text("Result of the tool:"), *content]
        written: JsonObject = {"type": _RESULT, "tool_use_id": self._ids.of_result(part.call_id)}
        if content:
            plain = len(content) == 1 and content[0]["type"] == "text"
            written["content"] = content[0]["text"] if plain else [*content]
        if part.is_error:
            written["is_error"] = True
        return [written]

    # --- the assistant ---------------------------------------------------------------------------

    def _spoken(self, part: Part) -> list[JsonObject]:
        """Write a part of an answer, and behind it what stood there and only its maker reads.

        Reasoning goes back as the signed blocks that were kept of it. Words without a signature
        are refused, and so are signatures of another model.
        """
        state = self._own(part)
        written: list[JsonObject] = []
        if isinstance(part, TextPart):
            written = _texts(part.text)
            cited = state.get(CITATIONS)
            if written and isinstance(cited, list) and cited:
                written[0][CITATIONS] = [_sendable(entry) for entry in cited]
        elif isinstance(part, ToolCallPart):
            written = [self._call(part, state)]
        elif isinstance(part, ImagePart | FilePart):
            what = "an assistant's images and files cannot be sent back"
            self._notes.dropped("messages", what)
        kept = state.get(BLOCKS)
        blocks = kept if isinstance(kept, list) else []
        return written + [block for block in blocks if isinstance(block, dict) and "type" in block]

    def _call(self, part: ToolCallPart, state: JsonObject) -> JsonObject:
        if not self._quirks.tools_supported:
            return _text(call_as_words(part))
        self.said.tool_names[part.name] = None
        native = state.get("callId") == part.call_id
        written: JsonObject = {
            "type": _USE,
            "id": self._ids.of_call(part.call_id, native=native),
            "name": part.name,
            "input": arguments_object(part),
        }
        caller = state.get(CALLER)
        return written | ({CALLER: caller} if caller else {})

    def _own(self, part: Part) -> JsonObject:
        """Return a part's state if this provider and model made it, else nothing."""
        state = part.provider_state or {}
        own = state.get("provider") == self._provider and state.get("model") == self._model
        return state if own else {}


def _trim_end(turn: Turn) -> None:
    """Cut the space after an answer that is to be continued: it is refused."""
    last = turn.blocks[-1]
    if turn.role == "assistant" and isinstance(text := last.get("text"), str):
        turn.blocks[-1] = last | {"text": text.rstrip()}


def _text(text: str) -> JsonObject:
    return {"type": "text", "text": text}


def _texts(text: str) -> list[JsonObject]:
    """Return a block of text; one of spaces alone is refused."""
    return [_text(text)] if text.strip() else []


def _sendable(citation: Json) -> Json:
    """Return a citation without the one field that is only ever sent to us (SDK, 2026-10)."""
    if isinstance(citation, dict):
        return {name: value for name, value in citation.items() if name != "file_id"}
    return citation
