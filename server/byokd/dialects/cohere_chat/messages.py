"""Writes a conversation as Cohere's messages and documents.

A text file becomes a document, which the model reads and cites.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from byokd.catalog.quirks.cohere_chat import CohereChatQuirks
from byokd.dialects.base.encoder import Draft
from byokd.dialects.base.json import as_index
from byokd.dialects.base.media import data_uri, warn_not_echoed
from byokd.dialects.base.message_writer import MessageWriter
from byokd.dialects.base.tool_arguments import arguments_text, call_as_text
from byokd.dialects.base.tool_results import marked_text, result_as_text
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.parts import (
    CitationPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

CITATION: Final = "citation"
PLAN: Final = "tool_plan"
"""Fields of a state: a citation as it came, and the plan of what to do with the tools."""

_READABLE: Final = re.compile(r"text/.+|application/(?:.+\+)?(?:json|xml|yaml|x-yaml|toml)")


@dataclass(slots=True)
class Written:
    system: list[str] = field(default_factory=list)
    messages: list[Json] = field(default_factory=list)
    documents: list[Json] = field(default_factory=list)


def write_conversation(draft: Draft, quirks: CohereChatQuirks) -> Written:
    writer = _Writer(draft, quirks)
    writer.write(draft.params.messages)
    return writer.written


class _Writer(MessageWriter):
    def __init__(self, draft: Draft, quirks: CohereChatQuirks) -> None:
        super().__init__()
        self.written = Written()
        self._quirks = quirks
        self._warnings = draft.warnings
        self._owner = draft.owner

    def _system(self, parts: Sequence[Part]) -> None:
        self.written.system += [p.text for p in parts if isinstance(p, TextPart) and p.text]

    # --- the user --------------------------------------------------------------------------------

    def _user(self, parts: Sequence[Part]) -> None:
        if content := self._content(parts):
            self.written.messages.append({"role": "user", "content": content})

    def _content(self, parts: Sequence[Part]) -> Json:
        written = [entry for part in parts if (entry := self._part(part)) is not None]
        if len(written) == 1 and written[0]["type"] == "text":
            return written[0]["text"]
        return [*written]

    def _part(self, part: Part) -> JsonObject | None:
        if isinstance(part, TextPart):
            return {"type": "text", "text": part.text} if part.text else None
        if isinstance(part, ImagePart):
            return self._image(part)
        if isinstance(part, FilePart):
            self._document(part)
        return None

    def _image(self, part: ImagePart) -> JsonObject | None:
        if not self._quirks.images:
            self._warnings.dropped("messages", "images are not supported by this model")
            return None
        inline = part.data and data_uri(part.media_type or "image/png", part.data)
        return {"type": "image_url", "image_url": {"url": inline or part.url}}

    def _document(self, part: FilePart) -> None:
        text = _text_of(part)
        if text is None:
            self._warnings.dropped("messages", "only text files can be sent to this provider")
            return
        titled: JsonObject = {"title": part.name} if part.name else {}
        self.written.documents.append(
            {"id": f"doc:{len(self.written.documents)}", "data": titled | {"text": text}}
        )

    # --- tools -----------------------------------------------------------------------------------

    def _result(self, part: ToolResultPart) -> None:
        text = marked_text(part)
        if self._quirks.tools_supported:
            self.written.messages.append(
                {"role": "tool", "tool_call_id": part.call_id, "content": text}
            )
        else:
            self.written.messages.append({"role": "user", "content": result_as_text(text)})

    def _calls(self, parts: tuple[Part, ...]) -> list[JsonObject]:
        calls = [part for part in parts if isinstance(part, ToolCallPart)]
        return [self._call(part) for part in calls] if self._quirks.tools_supported else []

    def _call(self, part: ToolCallPart) -> JsonObject:
        return {
            "id": part.call_id,
            "type": "function",
            "function": {"name": part.name, "arguments": arguments_text(part)},
        }

    # --- the assistant ---------------------------------------------------------------------------

    def _assistant(self, message: Message) -> None:
        parts = message.parts()
        written: JsonObject = {"role": "assistant"}
        entries = self._entries(parts)
        calls = self._calls(parts)
        if plan := self._plan(message, parts):
            written[PLAN] = plan
        if entries:
            only_text = all(entry["type"] == "text" for entry in entries)
            text = "".join(str(entry["text"]) for entry in entries) if only_text else ""
            written["content"] = text if only_text else [*entries]
            written |= self._citations(parts, 1 if only_text else len(entries))
        if calls:
            written["tool_calls"] = [*calls]
        if any(isinstance(part, ImagePart | FilePart) for part in parts):
            warn_not_echoed(self._warnings)
        if entries or calls:
            self.written.messages.append(written)

    def _plan(self, message: Message, parts: tuple[Part, ...]) -> str | None:
        states = [self._owner.state(message)]
        states += [self._owner.state(part) for part in parts if isinstance(part, ToolCallPart)]
        plans = (state.get(PLAN) for state in states)
        return next((plan for plan in plans if isinstance(plan, str) and plan), None)

    def _entries(self, parts: tuple[Part, ...]) -> list[JsonObject]:
        entries: list[JsonObject] = []
        for part in parts:
            if isinstance(part, TextPart) and part.text:
                entries.append({"type": "text", "text": part.text})
            elif isinstance(part, ReasoningPart) and part.text and self._owner.state(part):
                entries.append({"type": "thinking", "thinking": part.text})
            elif isinstance(part, ToolCallPart) and not self._quirks.tools_supported:
                sentence = call_as_text(part, arguments_text(part))
                entries.append({"type": "text", "text": f"\n{sentence}" if entries else sentence})
        return entries

    def _citations(self, parts: tuple[Part, ...], count: int) -> JsonObject:
        """Return this model's citations in the first `count` entries of content."""
        states = [self._owner.state(part) for part in parts if isinstance(part, CitationPart)]
        citations = [state[CITATION] for state in states if CITATION in state]
        sent = [citation for citation in citations if _index(citation) < count]
        return {"citations": sent} if sent else {}


def _index(citation: Json) -> int:
    return (as_index(citation.get("content_index")) if isinstance(citation, dict) else None) or 0


def _text_of(part: FilePart) -> str | None:
    if part.data is None or not _READABLE.fullmatch(part.media_type.partition(";")[0].strip()):
        return None
    try:
        return b64decode(part.data).decode()
    except ValueError:
        return None
