"""Writes a conversation as OpenAI-style messages.

Knows how each part is spelled and how a record bends it. Must not know a provider's name: what a
provider cannot take is a quirk, and is left out with a warning. Strings are preferred to lists of
parts wherever nothing is lost, because every server takes them.
"""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.openai_chat import OpenAIChatQuirks
from byokd.dialects.base.encoder import Draft
from byokd.dialects.base.media import data_uri, warn_not_echoed
from byokd.dialects.base.params import matches_model
from byokd.dialects.base.tool_arguments import arguments_text
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
_BRIDGE: Final = "Understood."
"""What the assistant says between a tool's answer and a user, where the provider demands that it
says something (Mistral's code 3230, seen 2025)."""


def write_messages(made: Draft, quirks: OpenAIChatQuirks) -> list[JsonObject]:
    """Return the messages of the body, in order."""
    writer = _Writer(made, quirks)
    for message in made.params.messages:
        writer.add(message)
    messages = writer.messages
    if quirks.strict_alternation:
        messages = _alternating(messages)
    if quirks.user_after_tool_forbidden:
        messages = _bridged(messages, made.warnings)
    if quirks.assistant_prefix and messages and messages[-1]["role"] == "assistant":
        messages[-1]["prefix"] = True
    if quirks.cache_control and made.params.cache == "auto":
        _mark_cache(messages)
    return messages


class _Writer:
    def __init__(self, made: Draft, quirks: OpenAIChatQuirks) -> None:
        self.messages: list[JsonObject] = []
        self._quirks = quirks
        self._warnings = made.warnings
        self._owner = made.owner
        models = quirks.reasoning_echo_models
        echoes = models is None or matches_model(models, made.params.model)
        self._echo = quirks.reasoning_echo if echoes else "none"

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
        return None  # reasoning and citations of others are not the user's words

    def _image(self, part: ImagePart) -> JsonObject | None:
        if not self._quirks.images:
            self._warnings.dropped("messages", "images cannot be sent to this provider")
            return None
        if part.data is None and self._quirks.image_data_uri_only:
            self._warnings.dropped("messages", "this provider takes images only as data")
            return None
        url = part.url if part.data is None else data_uri(part.media_type or "image/png", part.data)
        return {"type": "image_url", "image_url": {"url": url}}

    def _file(self, part: FilePart) -> JsonObject | None:
        form = self._quirks.files
        if form == "none":
            self._warnings.dropped("messages", "files cannot be sent to this provider")
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
            wire = part.call_id
            self.messages.append({"role": "tool", "tool_call_id": wire, "content": text})
        else:
            self.messages.append({"role": "user", "content": f"Result of the tool: {text}"})
        return [entry for entry in inner if isinstance(entry, ImagePart)]

    def _calls(self, parts: tuple[Part, ...]) -> list[Json]:
        calls = [part for part in parts if isinstance(part, ToolCallPart)]
        return [self._call(part) for part in calls]

    def _call(self, part: ToolCallPart) -> JsonObject:
        state = self._owner.state(part)
        kept = {"provider", "model", "callId"}
        written: JsonObject = {
            "id": part.call_id,
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
            warn_not_echoed(self._warnings)
        if len(message) > 2 or message["content"]:  # noqa: PLR2004 - more than role and content
            self.messages.append(message)

    def _speech(self, part: FilePart, text: str) -> JsonObject:
        """Return the fields that give the model its speech back, or its words to another."""
        said = spoken(part)
        if self._owner.state(part) and said.get("id"):
            return {SPEECH: {"id": said["id"]}, "content": text or None}
        return {"content": text or said.get("transcript") or ""}

    def _reasoning(self, parts: tuple[Part, ...], text: str) -> JsonObject:
        """Return the fields that give the model its earlier thoughts back.

        What carries the state of another provider or model is left out: signatures are bound to
        whoever made them. Plain words without any state are nobody's, and go.
        """
        thoughts = [part for part in parts if isinstance(part, ReasoningPart)]
        own = [part for part in thoughts if part.provider_state is None or self._owner.state(part)]
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
            kept = self._owner.state(part).get(name)
            entries += kept if isinstance(kept, list) else []
        return {name: entries} if entries else {}


def _alternating(messages: list[JsonObject]) -> list[JsonObject]:
    """Join consecutive messages of one role, as Perplexity demands (2025)."""
    joined: list[JsonObject] = []
    for message in messages:
        last = joined[-1] if joined else None
        if last is not None and last["role"] == message["role"] != "tool" and len(last) == 2:  # noqa: PLR2004
            last["content"] = _joined(last["content"], message["content"])
            last |= {name: value for name, value in message.items() if name not in last}
        else:
            joined.append(dict(message))
    return joined


def _joined(first: Json, second: Json) -> Json:
    if isinstance(first, str | None) and isinstance(second, str | None):
        return "\n\n".join(text for text in (first, second) if text)
    return [*_as_parts(first), *_as_parts(second)]


def _as_parts(content: Json) -> list[Json]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []


def _bridged(messages: list[JsonObject], warnings: Warnings) -> list[JsonObject]:
    """Put a word of the assistant between a tool's answer and the user."""
    bridged: list[JsonObject] = []
    for message in messages:
        if bridged and bridged[-1]["role"] == "tool" and message["role"] == "user":
            bridged.append({"role": "assistant", "content": _BRIDGE})
            warnings.notice("messages", "a word was put between a tool's answer and the user")
        bridged.append(message)
    return bridged


def _mark_cache(messages: list[JsonObject]) -> None:
    """Mark what repeats from turn to turn: up to the last system message and the last user's."""
    for roles in ({"system"}, {"user"}):
        message = next((m for m in reversed(messages) if m["role"] in roles), None)
        parts = _as_parts(message["content"]) if message is not None else []
        last = parts[-1] if parts else None
        if message is not None and isinstance(last, dict):
            message["content"] = [*parts[:-1], last | {"cache_control": _CACHE}]
