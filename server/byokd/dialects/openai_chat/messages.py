"""Writes a conversation as OpenAI-style messages.

Knows how each part is spelled and how a record bends it. Must not know a provider's name: what a
provider cannot take is a quirk, and is left out with a warning. Strings are preferred to lists of
parts wherever nothing is lost, because every server takes them.
"""

from __future__ import annotations

import re
from typing import Final

from byokd.catalog.record import Quirks
from byokd.dialects.base.call import Call
from byokd.dialects.base.call_ids import WireIds
from byokd.dialects.base.media import data_uri
from byokd.dialects.base.tool_arguments import arguments_text
from byokd.dialects.base.tool_pairing import paired
from byokd.dialects.base.warnings import Warnings
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
_OPENING, _GO_ON = ".", "Go on."
_BRIDGE: Final = "Understood."
"""What the assistant says between a tool's answer and a user, where the provider demands that it
says something (Mistral's code 3230, seen 2025)."""


def write_messages(call: Call, quirks: Quirks, notes: Warnings) -> list[JsonObject]:
    """Return the messages of the body, in order."""
    writer = _Writer(call, quirks, notes)
    for message in paired(call.params.messages, quirks, notes):
        writer.add(message)
    messages = writer.messages
    if quirks.strict_alternation:
        messages = _closed(_alternating(messages), notes)
    if quirks.user_after_tool_forbidden:
        messages = _bridged(messages, notes)
    if quirks.assistant_prefix and messages and messages[-1]["role"] == "assistant":
        messages[-1]["prefix"] = True
    if quirks.cache_control and call.params.cache == "auto":
        _mark_cache(messages)
    return messages


class _Writer:
    def __init__(self, call: Call, quirks: Quirks, notes: Warnings) -> None:
        self.messages: list[JsonObject] = []
        self._quirks = quirks
        self._notes = notes
        self._ids = WireIds(quirks.tool_call_id_pattern)
        self._provider, self._model = call.provider.id, call.params.model
        models = quirks.reasoning_echo_models
        fits = models is None or re.search(models, self._model) is not None
        self._echo = quirks.reasoning_echo if fits else "none"

    def add(self, message: Message) -> None:
        """Write one message of the conversation, which may take several of the provider's."""
        parts = message.parts()
        if message.role == "assistant":
            self._assistant(parts)
            return
        results = [part for part in parts if isinstance(part, ToolResultPart)]
        others = tuple(part for part in parts if not isinstance(part, ToolResultPart))
        shown = [part for result in results for part in self._result(result)]
        if message.role == "system":
            text = "".join(part.text for part in others if isinstance(part, TextPart))
            self.messages.append({"role": self._quirks.system_role, "content": text})
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
        return None  # reasoning and citations of others are not the user's words

    def _image(self, part: ImagePart) -> JsonObject | None:
        if not self._quirks.images:
            self._notes.dropped("messages", "images cannot be sent to this provider")
            return None
        if part.data is None and self._quirks.image_data_uri_only:
            self._notes.dropped("messages", "this provider takes images only as data")
            return None
        url = part.url if part.data is None else data_uri(part.media_type or "image/png", part.data)
        return {"type": "image_url", "image_url": {"url": url}}

    def _file(self, part: FilePart) -> JsonObject | None:
        form = self._quirks.files
        if form == "none":
            self._notes.dropped("messages", "files cannot be sent to this provider")
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
        """Write a tool's answer, and return the images in it, which only a user can show."""
        inner = (TextPart(text=part.content),) if isinstance(part.content, str) else part.content
        text = "".join(entry.text for entry in inner if isinstance(entry, TextPart))
        if part.is_error and not text.lower().startswith("error"):
            text = f"Error: {text}"
        if self._quirks.tools_supported:
            wire = self._ids.of_result(part.call_id)
            self.messages.append({"role": "tool", "tool_call_id": wire, "content": text})
        else:
            self.messages.append({"role": "user", "content": f"Result of the tool: {text}"})
        return [entry for entry in inner if isinstance(entry, ImagePart)]

    def _calls(self, parts: tuple[Part, ...]) -> list[Json]:
        calls = [part for part in parts if isinstance(part, ToolCallPart)]
        return [self._call(part) for part in calls]

    def _call(self, part: ToolCallPart) -> JsonObject:
        state = self._own(part)
        native = state.get("callId") == part.call_id
        kept = {"provider", "model", "callId"}
        written: JsonObject = {
            "id": self._ids.of_call(part.call_id, native=native),
            "type": "function",
            "function": {"name": part.name, "arguments": arguments_text(part)},
        }
        return written | {name: value for name, value in state.items() if name not in kept}

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
            told = [
                f"I call the tool {part.name} with {arguments_text(part)}"
                for part in parts
                if isinstance(part, ToolCallPart)
            ]
            message["content"] = "\n".join([text, *told]).strip() if told else message["content"]
        speeches = [part for part in parts if isinstance(part, FilePart) and spoken(part)]
        if speeches:
            message |= self._speech(speeches[-1], text)
        if any(isinstance(part, ImagePart | FilePart) and part not in speeches for part in parts):
            self._notes.dropped("messages", "an assistant's images and files cannot be sent back")
        if len(message) > 2 or message["content"]:  # noqa: PLR2004 - more than role and content
            self.messages.append(message)

    def _speech(self, part: FilePart, text: str) -> JsonObject:
        """Return the fields that give the model its speech back, or its words to another."""
        said = spoken(part)
        if self._own(part) and said.get("id"):
            return {SPEECH: {"id": said["id"]}, "content": text or None}
        return {"content": text or said.get("transcript") or ""}

    def _reasoning(self, parts: tuple[Part, ...], text: str) -> JsonObject:
        """Return the fields that give the model its earlier thoughts back.

        What carries the state of another provider or model is left out: signatures are bound to
        whoever made them. Plain words without any state are nobody's, and go.
        """
        thoughts = [part for part in parts if isinstance(part, ReasoningPart)]
        own = [part for part in thoughts if part.provider_state is None or self._own(part)]
        said = "".join(part.text for part in own if part.kind != "redacted")
        fields = self._listed(own, "thinking_blocks")
        if self._echo in {"reasoning_content", "reasoning"}:
            if said or self._quirks.reasoning_echo_always:
                fields[self._echo] = said
        elif self._echo == "reasoning_details":
            fields |= self._listed(own, "reasoning_details")
        elif self._echo == "think_tags" and said:
            fields["content"] = f"<think>{said}</think>{text}"
        elif self._echo == "thinking_parts" and said:
            thinking: Json = {"type": "thinking", "thinking": [{"type": "text", "text": said}]}
            fields["content"] = [thinking, *_as_parts(text)]
        return fields

    def _listed(self, parts: list[ReasoningPart], name: str) -> JsonObject:
        """Return a list that goes back exactly as it came, from all blocks in order."""
        entries: list[Json] = []
        for part in parts:
            kept = self._own(part).get(name)
            entries += kept if isinstance(kept, list) else []
        return {name: entries} if entries else {}

    def _own(self, part: Part) -> JsonObject:
        """Return a part's state if this provider and model made it, in this format, else nothing.

        A state without a format's name is of this one: others write theirs.
        """
        state = part.provider_state or {}
        own = (
            state.get("provider") == self._provider
            and state.get("model") == self._model
            and "dialect" not in state
        )
        return state if own else {}


def _alternating(messages: list[JsonObject]) -> list[JsonObject]:
    """Return one leading system message and then turns that alternate (Perplexity, 2025)."""
    joined: list[JsonObject] = []
    for message in messages:
        role = message["role"]
        if role in {"system", "developer"} and any(m["role"] != role for m in joined):
            message = message | {"role": "user"}  # noqa: PLW2901 - the same words, another voice
        last = joined[-1] if joined else None
        if last is not None and last["role"] == message["role"] != "tool" and len(last) == 2:  # noqa: PLR2004
            last["content"] = _joined(last["content"], message["content"])
            last |= {name: value for name, value in message.items() if name not in last}
        else:
            joined.append(dict(message))
    return joined


def _closed(messages: list[JsonObject], notes: Warnings) -> list[JsonObject]:
    """Let a user have the first word and the last one (Perplexity's docs; opencode#9416)."""
    begin = next((at for at, message in enumerate(messages) if message["role"] != "system"), None)
    if begin is not None and messages[begin]["role"] == "assistant":
        messages = [*messages[:begin], {"role": "user", "content": _OPENING}, *messages[begin:]]
        notes.notice("messages", "the conversation did not begin with a user, so a turn was added")
    if messages and messages[-1]["role"] == "assistant":
        messages = [*messages, {"role": "user", "content": _GO_ON}]
        notes.notice("messages", "the conversation did not end with a user, so a turn was added")
    return messages


def _joined(first: Json, second: Json) -> Json:
    if isinstance(first, str | None) and isinstance(second, str | None):
        return "\n\n".join(text for text in (first, second) if text)
    return [*_as_parts(first), *_as_parts(second)]


def _as_parts(content: Json) -> list[Json]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []


def _bridged(messages: list[JsonObject], notes: Warnings) -> list[JsonObject]:
    """Put a word of the assistant between a tool's answer and the user."""
    bridged: list[JsonObject] = []
    for message in messages:
        if bridged and bridged[-1]["role"] == "tool" and message["role"] == "user":
            bridged.append({"role": "assistant", "content": _BRIDGE})
            notes.notice("messages", "a word was put between a tool's answer and the user")
        bridged.append(message)
    return bridged


def _mark_cache(messages: list[JsonObject]) -> None:
    """Mark what repeats from turn to turn: up to the last system message and the last user's."""
    for roles in ({"system", "developer"}, {"user"}):
        message = next((m for m in reversed(messages) if m["role"] in roles), None)
        parts = _as_parts(message["content"]) if message is not None else []
        last = parts[-1] if parts else None
        if message is not None and isinstance(last, dict):
            message["content"] = [*parts[:-1], last | {"cache_control": _CACHE}]
