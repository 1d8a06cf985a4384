"""Writes a conversation as the messages of a chat request.

Content is one string where nothing is lost by it, because every server accepts that.
"""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.openai_chat import OpenAIChatQuirks
from byokd.dialects.base.encoder import Draft
from byokd.dialects.base.media import data_uri, warn_not_echoed
from byokd.dialects.base.openai_family import image_url
from byokd.dialects.base.prompt_cache import lifetime_of_marks
from byokd.dialects.base.provider_state import UNSIGNED
from byokd.dialects.base.tool_arguments import arguments_text, call_as_text
from byokd.dialects.base.tool_results import marked_text, result_as_text, result_images
from byokd.dialects.openai_chat.speech import SPEECH, spoken
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

_CACHE: Final[JsonObject] = {"type": "ephemeral"}
_TEXT_FIELDS: Final = frozenset({"reasoning_content", "reasoning", "reasoning_text", "thinking"})
_ECHOED_FIELDS: Final = _TEXT_FIELDS | {"thinking_parts"}
"""Fields in which the text of reasoning comes, and goes back."""

_USUAL_FIELD: Final = "reasoning_content"
"""Where a model reads reasoning of which no state names the field (Kimi, DeepSeek)."""

_PLACEHOLDER: Final = "."
"""For reasoning that is not there. Kimi takes no empty text (can1357/oh-my-pi#787, 2026-04)."""

_NO_ANSWER: Final = _ECHOED_FIELDS | {"role", "content"}
"""Fields of a message that has neither text nor calls."""

_OF_STATE: Final = frozenset({"provider", "model", "callId"})
"""Fields of a call's state that byokd added; all others are sent back with the call."""


def write_messages(draft: Draft, quirks: OpenAIChatQuirks) -> list[JsonObject]:
    writer = _Writer(draft, quirks)
    for message in draft.params.messages:
        writer.add(message)
    messages = writer.messages
    if quirks.assistant_prefix and messages and messages[-1]["role"] == "assistant":
        messages[-1]["prefix"] = True
    if quirks.cache_control and draft.params.cache != "off":
        _mark_cache(messages, _CACHE | lifetime_of_marks(draft.params, quirks))
    return messages


class _Writer:
    def __init__(self, draft: Draft, quirks: OpenAIChatQuirks) -> None:
        self.messages: list[JsonObject] = []
        self._quirks = quirks
        self._warnings = draft.warnings
        self._owner = draft.owner
        self._echo = quirks.echo_of(draft.params.model)
        self._usual_field = self._field_of(draft.params.messages)

    def add(self, message: Message) -> None:
        parts = message.parts()
        if message.role == "assistant":
            self._assistant(parts)
            return
        results = [part for part in parts if isinstance(part, ToolResultPart)]
        others = tuple(part for part in parts if not isinstance(part, ToolResultPart))
        shown = [part for result in results for part in self._result(result)]
        if message.role == "system":
            text = "".join(part.text for part in others if isinstance(part, TextPart))
            self.messages.append({"role": "system", "content": text})
        elif others or shown:
            content = self._content((*shown, *others))
            if content:
                self.messages.append({"role": "user", "content": content})

    # --- the user --------------------------------------------------------------------------------

    def _content(self, parts: tuple[Part, ...]) -> Json:
        written = [entry for part in parts if (entry := self._part(part)) is not None]
        texts = [entry["text"] for entry in written if entry["type"] == "text"]
        only_text = len(texts) == len(written)
        if only_text and (len(texts) <= 1 or self._quirks.text_content_as_string):
            return "".join(str(text) for text in texts)
        return list(written)

    def _part(self, part: Part) -> JsonObject | None:
        if isinstance(part, TextPart):
            return {"type": "text", "text": part.text} if part.text else None
        if isinstance(part, ImagePart):
            return self._image(part)
        if isinstance(part, FilePart):
            return self._file(part)
        return None  # reasoning and citations are not the user's

    def _image(self, part: ImagePart) -> JsonObject | None:
        url = image_url(part, self._quirks, self._warnings)
        return None if url is None else {"type": "image_url", "image_url": {"url": url}}

    def _file(self, part: FilePart) -> JsonObject | None:
        form = self._quirks.files
        if form == "none":
            self._warnings.dropped("messages", "files are not supported by this provider")
            return None
        if form == "data_without_prefix":
            written: JsonObject = {"type": "file_url", "file_url": {"url": part.data or part.url}}
            return written | ({"file_name": part.name} if part.name else {})
        data = part.url if part.data is None else data_uri(part.media_type, part.data)
        if form == "document_url":
            return {"type": "document_url", "document_url": data}
        return {
            "type": "file",
            "file": {"filename": part.name or "document", "file_data": data},
        }

    # --- tools -----------------------------------------------------------------------------------

    def _result(self, part: ToolResultPart) -> list[ImagePart]:
        """Write a tool result; return its images, which only a user's message can hold."""
        text = marked_text(part)
        if self._quirks.tools_supported:
            message: JsonObject = {"role": "tool", "tool_call_id": part.call_id, "content": text}
        else:
            message = {"role": "user", "content": result_as_text(text)}
        self.messages.append(message)
        return result_images(part)

    def _calls(self, parts: tuple[Part, ...]) -> list[Json]:
        calls = [part for part in parts if isinstance(part, ToolCallPart)]
        return self._signed([self._call(part) for part in calls])

    def _signed(self, calls: list[JsonObject]) -> list[Json]:
        """Put a stand-in on the first call of a step if it has lost its thought signature."""
        stand_in = self._quirks.unsigned_call
        if calls and stand_in and stand_in.keys().isdisjoint(calls[0]):
            calls[0] |= stand_in
            self._warnings.notice("messages", UNSIGNED)
        return [*calls]

    def _call(self, part: ToolCallPart) -> JsonObject:
        state = self._owner.state(part)
        call: JsonObject = {
            "id": part.call_id,
            "type": "function",
            "function": {"name": part.name, "arguments": arguments_text(part)},
        }
        return call | {name: value for name, value in state.items() if name not in _OF_STATE}

    # --- the assistant ---------------------------------------------------------------------------

    def _assistant(self, parts: tuple[Part, ...]) -> None:
        text = "".join(part.text for part in parts if isinstance(part, TextPart))
        message: JsonObject = {"role": "assistant", "content": text}
        message |= self._reasoning(parts, text)
        if self._quirks.tools_supported:
            if calls := self._calls(parts):
                message["content"] = message["content"] or None
                message["tool_calls"] = calls
        else:
            sentences = [
                call_as_text(part, arguments_text(part))
                for part in parts
                if isinstance(part, ToolCallPart)
            ]
            if sentences:
                message["content"] = "\n".join([text, *sentences]).strip()
        speeches = [part for part in parts if isinstance(part, FilePart) and spoken(part)]
        if speeches:
            message |= self._speech(speeches[-1], text)
        if any(isinstance(part, ImagePart | FilePart) and part not in speeches for part in parts):
            warn_not_echoed(self._warnings)
        # Reasoning alone is no message ("content or tool_calls must be set": DeepSeek's 400).
        if message["content"] or not message.keys() <= _NO_ANSWER:
            self.messages.append(message)

    def _speech(self, part: FilePart, text: str) -> JsonObject:
        speech = spoken(part)
        # Its own model reads it by id, others as text.
        if self._owner.state(part) and speech.get("id"):
            return {SPEECH: {"id": speech["id"]}, "content": text or None}
        return {"content": text or speech.get("transcript") or ""}

    def _reasoning(self, parts: tuple[Part, ...], text: str) -> JsonObject:
        """Return the fields that send earlier reasoning back.

        Signatures are bound to the model that made them; its text goes to the family. Reasoning
        without a state is sent where the record says how.
        """
        if self._echo == "none":
            return {}
        thoughts = [part for part in parts if isinstance(part, ReasoningPart)]
        fields = self._listed(thoughts, "thinking_blocks")
        fields |= self._listed(thoughts, "reasoning_details")
        states = [self._owner.text_state(part) for part in thoughts]
        field = next((name for state in states if (name := _text_field(state))), "")
        stated = self._echo in {"state", "reasoning_details"}
        if "reasoning_details" in fields and stated:
            return fields  # the text is in them
        placeholder = self._quirks.reasoning_placeholder
        usual = (self._usual_field or _USUAL_FIELD) if placeholder else ""
        form = (field or usual) if stated else self._echo
        own = [
            part
            for part, state in zip(thoughts, states, strict=True)
            if part.kind != "redacted"
            and (state or (part.provider_state is None and (usual or not stated)))
        ]
        reasoning = "".join(part.text for part in own)
        called = any(isinstance(part, ToolCallPart) for part in parts)
        return fields | self._reasoning_in(form, reasoning, text, called=called)

    def _reasoning_in(self, form: str, reasoning: str, text: str, *, called: bool) -> JsonObject:
        if form == "think_tags":
            return {"content": f"<think>{reasoning}</think>{text}"} if reasoning else {}
        if form == "thinking_parts":
            thinking: Json = {"type": "thinking", "thinking": [{"type": "text", "text": reasoning}]}
            return {"content": [thinking, *_as_parts(text)]} if reasoning else {}
        if reasoning and form:
            return {form: reasoning}
        return self._without_reasoning(form, called=called)

    def _without_reasoning(self, form: str, *, called: bool) -> JsonObject:
        """Return what an answer without reasoning has where its model demands some.

        DeepSeek and Kimi refuse a tool call without it, which another model or a client that drops
        reasoning has left (their 400s, 2026-03 to 2026-08). An unknown model gets it where its
        other answers in this conversation have some.
        """
        placeholder = self._quirks.reasoning_placeholder
        if form in _TEXT_FIELDS:
            if self._quirks.reasoning_echo_always or (called and placeholder):
                return self._filled(form, placeholder)
            return {}
        if called and self._usual_field and not form and self._echo == "state":
            return self._filled(self._usual_field, _PLACEHOLDER)
        return {}

    def _filled(self, field: str, placeholder: str) -> JsonObject:
        if placeholder:
            self._warnings.notice("messages", "an earlier answer has no reasoning of this model")
        return {field: placeholder}

    def _field_of(self, messages: tuple[Message, ...]) -> str | None:
        """Return the field of text in which reasoning of this model came, if it did."""
        parts = (part for message in messages for part in message.parts())
        states = (self._owner.text_state(part) for part in parts if isinstance(part, ReasoningPart))
        fields = (_text_field(state) for state in states)
        return next((field for field in fields if field in _TEXT_FIELDS), None)

    def _listed(self, parts: list[ReasoningPart], name: str) -> JsonObject:
        entries: list[Json] = []
        for part in parts:
            value = self._owner.state(part).get(name)
            entries += value if isinstance(value, list) else []
        return {name: entries} if entries else {}


def _text_field(state: JsonObject) -> str | None:
    """Return the field in which reasoning came, if its text can go back in the same."""
    field = state.get("field")
    return field if isinstance(field, str) and field in _ECHOED_FIELDS else None


def _as_parts(content: Json) -> list[Json]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []


def _mark_cache(messages: list[JsonObject], mark: JsonObject) -> None:
    # What is before the last system message and the last user's repeats.
    for roles in ({"system"}, {"user"}):
        message = next((m for m in reversed(messages) if m["role"] in roles), None)
        parts = _as_parts(message["content"]) if message is not None else []
        last = parts[-1] if parts else None
        if message is not None and isinstance(last, dict):
            message["content"] = [*parts[:-1], last | {"cache_control": mark}]
