"""Writes a conversation as Cohere's messages and documents.

Knows how each part is spelled. Must not know a provider's name. A text file is a document, which
the model reads and cites; what cannot be said is left out with a warning.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from byokd.catalog.quirks.cohere_chat import CohereChatQuirks
from byokd.dialects.base.encoder import Draft
from byokd.dialects.base.json import place
from byokd.dialects.base.media import data_uri, warn_not_echoed
from byokd.dialects.base.tool_arguments import arguments_text
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
"""Names in `providerState`: what was said of a source, and what was meant to be done with tools."""

_READABLE: Final = re.compile(r"text/.+|application/(?:.+\+)?(?:json|xml|yaml|x-yaml|toml)")


@dataclass(slots=True)
class Written:
    """A conversation in the parts of the body.

    Attributes:
        system: texts of the system.
        messages: all others.
        documents: text files, which the model reads and cites.
    """

    system: list[str] = field(default_factory=list)
    messages: list[Json] = field(default_factory=list)
    documents: list[Json] = field(default_factory=list)


def write_conversation(made: Draft, quirks: CohereChatQuirks) -> Written:
    """Return the conversation of a draft."""
    writer = _Writer(made, quirks)
    for message in made.params.messages:
        writer.add(message)
    writer.show([])
    return writer.written


class _Writer:
    def __init__(self, made: Draft, quirks: CohereChatQuirks) -> None:
        self.written = Written()
        self._quirks = quirks
        self._warnings = made.warnings
        self._owner = made.owner
        self._shown: list[Part] = []  # images of tools, which wait until all results are written

    def add(self, message: Message) -> None:
        """Write one message of the conversation, which may take several of Cohere's."""
        parts = message.parts()
        if message.role == "assistant":
            self.show([])
            self._assistant(message, parts)
            return
        for part in parts:
            if isinstance(part, ToolResultPart):
                self._result(part)
        others = [part for part in parts if not isinstance(part, ToolResultPart)]
        if message.role == "system":
            self.written.system += [p.text for p in others if isinstance(p, TextPart) and p.text]
        elif others:
            self.show(others)

    # --- the user --------------------------------------------------------------------------------

    def show(self, parts: Sequence[Part]) -> None:
        """Write what a user says, after the images that tools have left to be shown."""
        if content := self._content([*self._shown, *parts]):
            self.written.messages.append({"role": "user", "content": content})
        self._shown = []

    def _content(self, parts: list[Part]) -> Json:
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
            self._warnings.dropped("messages", "images cannot be sent to this model")
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
        """Write a tool's answer, and keep the images in it, which only a user can show."""
        inner = (TextPart(text=part.content),) if isinstance(part.content, str) else part.content
        text = "".join(entry.text for entry in inner if isinstance(entry, TextPart))
        if part.is_error and not text.lower().startswith("error"):
            text = f"Error: {text}"
        if self._quirks.tools_supported:
            self.written.messages.append(
                {"role": "tool", "tool_call_id": part.call_id, "content": text}
            )
        else:
            told = f"Result of the tool: {text}"
            self.written.messages.append({"role": "user", "content": told})
        self._shown += [entry for entry in inner if isinstance(entry, ImagePart)]

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

    def _assistant(self, message: Message, parts: tuple[Part, ...]) -> None:
        written: JsonObject = {"role": "assistant"}
        said, calls = self._turn(parts), self._calls(parts)
        if plan := self._plan(message, parts):
            written[PLAN] = plan
        if said:
            plain = all(entry["type"] == "text" for entry in said)
            written["content"] = "".join(str(e["text"]) for e in said) if plain else [*said]
            written |= self._citations(parts, 1 if plain else len(said))
        if calls:
            written["tool_calls"] = [*calls]
        if any(isinstance(part, ImagePart | FilePart) for part in parts):
            warn_not_echoed(self._warnings)
        if said or calls:
            self.written.messages.append(written)

    def _plan(self, message: Message, parts: tuple[Part, ...]) -> str | None:
        """Return what this model meant to do with its tools."""
        states = [self._owner.state(message)]
        states += [self._owner.state(part) for part in parts if isinstance(part, ToolCallPart)]
        plans = (state.get(PLAN) for state in states)
        return next((plan for plan in plans if isinstance(plan, str) and plan), None)

    def _turn(self, parts: tuple[Part, ...]) -> list[JsonObject]:
        """Return what was thought and said, in order; thoughts only of this very model."""
        entries: list[JsonObject] = []
        for part in parts:
            if isinstance(part, TextPart) and part.text:
                entries.append({"type": "text", "text": part.text})
            elif isinstance(part, ReasoningPart) and part.text and self._owner.state(part):
                entries.append({"type": "thinking", "thinking": part.text})
            elif isinstance(part, ToolCallPart) and not self._quirks.tools_supported:
                told = f"I call the tool {part.name} with {arguments_text(part)}"
                entries.append({"type": "text", "text": f"\n{told}" if entries else told})
        return entries

    def _citations(self, parts: tuple[Part, ...], count: int) -> JsonObject:
        """Return what this model cited, of those of `count` entries of content that go back."""
        states = [self._owner.state(part) for part in parts if isinstance(part, CitationPart)]
        cited = [state[CITATION] for state in states if CITATION in state]
        kept = [entry for entry in cited if _index(entry) < count]
        return {"citations": kept} if kept else {}


def _index(citation: Json) -> int:
    """Return which entry of the content a citation counts its characters in."""
    return (place(citation.get("content_index")) if isinstance(citation, dict) else None) or 0


def _text_of(part: FilePart) -> str | None:
    """Return the text of a text file, or None where it is none, or is not at hand."""
    if part.data is None or not _READABLE.fullmatch(part.media_type.partition(";")[0].strip()):
        return None
    try:
        return b64decode(part.data).decode()
    except ValueError:
        return None
