"""What a message is made of.

Knows the part types and the opaque state that a provider attaches to them. Must not know how any
provider spells them. Every part may carry `provider_state`: clients echo it back unchanged.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from byokd.protocol.base import Json, JsonObject, Value

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


class _Part(Value):
    provider_state: JsonObject | None = None


class TextPart(_Part):
    """Text, as the model wrote it."""

    type: Literal["text"] = "text"
    text: str


class ImagePart(_Part):
    """An image: `data` (base64, with `media_type`) or `url`, exactly one."""

    type: Literal["image"] = "image"
    media_type: str | None = None
    data: str | None = None
    url: str | None = None


class FilePart(_Part):
    """A document: `data` (base64, with `media_type`) or `url`, exactly one."""

    type: Literal["file"] = "file"
    media_type: str
    data: str | None = None
    url: str | None = None
    name: str | None = None


class ReasoningPart(_Part):
    """What the model thought: its own words, a summary of them, or nothing readable."""

    type: Literal["reasoning"] = "reasoning"
    text: str
    kind: Literal["raw", "summary", "redacted"] = "raw"


class ToolCallPart(_Part):
    """A call the client must run.

    `arguments` is parsed JSON; where the model's JSON is broken it is null, `parse_error` says why
    and `raw_arguments` holds what was sent.
    """

    type: Literal["toolCall"] = "toolCall"
    call_id: str
    name: str
    arguments: Json = None
    parse_error: str | None = None
    raw_arguments: str | None = None


class ToolResultPart(_Part):
    """What a tool answered: text, or text and images."""

    type: Literal["toolResult"] = "toolResult"
    call_id: str
    content: str | tuple[Annotated[TextPart | ImagePart, Field(discriminator="type")], ...]
    is_error: bool = False


class Source(Value):
    """What a citation points to."""

    url: str | None = None
    title: str | None = None
    document: str | None = None


class Span(Value):
    """A range of the text, in characters from its start; `end` is the first one past it."""

    start: int
    end: int


class CitationPart(_Part):
    """A source for what was said."""

    type: Literal["citation"] = "citation"
    source: Source
    span: Span | None = None


Part: TypeAlias = Annotated[
    TextPart | ImagePart | FilePart | ReasoningPart | ToolCallPart | ToolResultPart | CitationPart,
    Field(discriminator="type"),
]


class Message(Value):
    """One turn. A plain string stands for one text part."""

    role: Role
    content: str | tuple[Part, ...]
    provider_state: JsonObject | None = None

    def parts(self) -> tuple[Part, ...]:
        """Return the content as parts, whichever way it was given."""
        return (TextPart(text=self.content),) if isinstance(self.content, str) else self.content
