"""Writes a conversation as Ollama's messages, with images as plain base64 beside the text."""

from __future__ import annotations

from collections.abc import Sequence

from byokd.catalog.quirks.ollama_chat import OllamaChatQuirks
from byokd.dialects.base.encoder import Draft
from byokd.dialects.base.media import warn_not_echoed
from byokd.dialects.base.params import optional
from byokd.dialects.base.tool_arguments import arguments_object, arguments_text, call_as_text
from byokd.dialects.base.tool_results import marked_text, result_as_text, result_images
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
    for message in draft.params.messages:
        writer.add(message)
    writer.show([])
    return writer.messages


class _Writer:
    def __init__(self, draft: Draft, quirks: OllamaChatQuirks) -> None:
        self.messages: list[JsonObject] = []
        self._quirks = quirks
        self._warnings = draft.warnings
        self._owner = draft.owner
        self._called: dict[str, str] = {}  # the name of the tool, by call id
        self._shown: list[Part] = []  # images of results, until all results are written

    def add(self, message: Message) -> None:
        parts = message.parts()
        if message.role == "assistant":
            self.show([])
            self._assistant(parts)
            return
        for part in parts:
            if isinstance(part, ToolResultPart):
                self._result(part)
        others = [part for part in parts if not isinstance(part, ToolResultPart)]
        if message.role == "system":
            self.messages.append({"role": "system", "content": _text_of(others)})
        elif others:
            self.show(others)

    # --- the user --------------------------------------------------------------------------------

    def show(self, parts: Sequence[Part]) -> None:
        shown = [*self._shown, *parts]
        self._shown = []
        images = [data for part in shown if (data := self._image(part)) is not None]
        if any(isinstance(part, FilePart) for part in shown):
            self._warnings.dropped("messages", "files cannot be sent to this provider")
        text = _text_of(shown)
        if text or images:
            message: JsonObject = {"role": "user", "content": text}
            self.messages.append(message | optional("images", [*images] or None))

    def _image(self, part: Part) -> Json:
        if not isinstance(part, ImagePart):
            return None
        if not self._quirks.images:
            self._warnings.dropped("messages", "images cannot be sent to this model")
            return None
        if part.data is None:
            self._warnings.dropped(
                "messages", "this provider accepts images only as data, not as links"
            )
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
        self._shown += result_images(part)

    def _call(self, part: ToolCallPart) -> JsonObject:
        self._called[part.call_id] = part.name
        return {
            "id": part.call_id,
            "function": {"name": part.name, "arguments": arguments_object(part)},
        }

    # --- the assistant ---------------------------------------------------------------------------

    def _assistant(self, parts: tuple[Part, ...]) -> None:
        calls = [part for part in parts if isinstance(part, ToolCallPart)]
        text = _text_of(parts)
        if not self._quirks.tools_supported:
            sentences = [call_as_text(part, arguments_text(part)) for part in calls]
            text = "\n".join([text, *sentences]).strip() if sentences else text
            calls = []
        message: JsonObject = {"role": "assistant", "content": text}
        message |= optional("thinking", self._thoughts(parts) or None)
        if calls:
            message["tool_calls"] = [self._call(part) for part in calls]
        if any(isinstance(part, ImagePart | FilePart) for part in parts):
            warn_not_echoed(self._warnings)
        if text or len(message) > 2:  # noqa: PLR2004 - more than role and content
            self.messages.append(message)

    def _thoughts(self, parts: tuple[Part, ...]) -> str:
        """Return the reasoning of this model, and reasoning without a state."""
        return "".join(
            part.text
            for part in parts
            if isinstance(part, ReasoningPart)
            and part.kind != "redacted"
            and (part.provider_state is None or self._owner.state(part))
        )


def _text_of(parts: Sequence[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))
