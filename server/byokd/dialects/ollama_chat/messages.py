"""Writes a conversation as Ollama's messages, with images as plain base64 beside the text."""

from __future__ import annotations

from collections.abc import Sequence

from byokd.catalog.quirks.ollama_chat import OllamaChatQuirks
from byokd.dialects.base.encoder import Draft
from byokd.dialects.base.media import LINKED_IMAGE, warn_not_echoed
from byokd.dialects.base.message_writer import MessageWriter
from byokd.dialects.base.params import optional
from byokd.dialects.base.tool_arguments import arguments_object, arguments_text, call_as_text
from byokd.dialects.base.tool_results import marked_text, result_as_text
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


def write_messages(draft: Draft, quirks: OllamaChatQuirks) -> list[JsonObject]:
    writer = _Writer(draft, quirks)
    writer.write(draft.params.messages)
    return writer.messages


class _Writer(MessageWriter):
    def __init__(self, draft: Draft, quirks: OllamaChatQuirks) -> None:
        super().__init__()
        self.messages: list[JsonObject] = []
        self._quirks = quirks
        self._warnings = draft.warnings
        self._owner = draft.owner
        self._called: dict[str, str] = {}  # the name of the tool, by call id

    def _system(self, parts: Sequence[Part]) -> None:
        self.messages.append({"role": "system", "content": _text_of(parts)})

    # --- the user --------------------------------------------------------------------------------

    def _user(self, parts: Sequence[Part]) -> None:
        images = [data for part in parts if (data := self._image(part)) is not None]
        if any(isinstance(part, FilePart) for part in parts):
            self._warnings.dropped("messages", "files are not supported by this provider")
        text = _text_of(parts)
        if text or images:
            message: JsonObject = {"role": "user", "content": text}
            self.messages.append(message | optional("images", [*images] or None))

    def _image(self, part: Part) -> Json:
        if not isinstance(part, ImagePart):
            return None
        if not self._quirks.images:
            self._warnings.dropped("messages", "images are not supported by this model")
            return None
        if part.data is None:
            self._warnings.dropped("messages", LINKED_IMAGE)
        return part.data

    # --- tools -----------------------------------------------------------------------------------

    def _result(self, part: ToolResultPart) -> None:
        text = marked_text(part)
        if self._quirks.tools_supported:
            # Older servers read the name, newer ones the id too (Ollama, api/types.go, 2026-08).
            written: JsonObject = {"role": "tool", "content": text}
            written |= optional("tool_name", self._called.get(part.call_id))
            written["tool_call_id"] = part.call_id
            self.messages.append(written)
        else:
            self.messages.append({"role": "user", "content": result_as_text(text)})

    def _call(self, part: ToolCallPart) -> JsonObject:
        self._called[part.call_id] = part.name
        return {
            "id": part.call_id,
            "function": {"name": part.name, "arguments": arguments_object(part)},
        }

    # --- the assistant ---------------------------------------------------------------------------

    def _assistant(self, message: Message) -> None:
        parts = message.parts()
        calls = [part for part in parts if isinstance(part, ToolCallPart)]
        text = _text_of(parts)
        if not self._quirks.tools_supported:
            sentences = [call_as_text(part, arguments_text(part)) for part in calls]
            text = "\n".join([text, *sentences]).strip() if sentences else text
            calls = []
        written: JsonObject = {"role": "assistant", "content": text}
        written |= optional("thinking", self._thoughts(parts) or None)
        if calls:
            written["tool_calls"] = [self._call(part) for part in calls]
        if any(isinstance(part, ImagePart | FilePart) for part in parts):
            warn_not_echoed(self._warnings)
        if text or len(written) > 2:  # noqa: PLR2004 - more than role and content
            self.messages.append(written)

    def _thoughts(self, parts: tuple[Part, ...]) -> str:
        """Return the reasoning of this model and its family, and reasoning without a state."""
        return "".join(
            part.text
            for part in parts
            if isinstance(part, ReasoningPart)
            and part.kind != "redacted"
            and (part.provider_state is None or self._owner.text_state(part))
        )


def _text_of(parts: Sequence[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))
