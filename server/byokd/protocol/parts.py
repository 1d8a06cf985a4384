"""Messages and their parts, in a form that is the same for every provider.

Every part may carry `provider_state`, which clients send back unchanged.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from byokd.protocol.base import Json, JsonObject, Value

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


class _Part(Value):
    provider_state: JsonObject | None = None


class TextPart(_Part):
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
    """The model's reasoning: its own text, a summary, or redacted."""

    type: Literal["reasoning"] = "reasoning"
    text: str
    kind: Literal["raw", "summary", "redacted"] = "raw"


class ToolCallPart(_Part):
    """A tool call for the client to run.

    `arguments` is parsed JSON. If the model's JSON is invalid, it is null, `parse_error` says why
    and `raw_arguments` is the text.
    """

    type: Literal["toolCall"] = "toolCall"
    call_id: str
    name: str
    arguments: Json = None
    parse_error: str | None = None
    raw_arguments: str | None = None


class ToolResultPart(_Part):
    type: Literal["toolResult"] = "toolResult"
    call_id: str
    content: str | tuple[Annotated[TextPart | ImagePart, Field(discriminator="type")], ...]
    is_error: bool = False


class Source(Value):
    url: str | None = None
    title: str | None = None
    document: str | None = None


class Span(Value):
    """A range of the text in characters; `end` is exclusive."""

    start: int
    end: int


class CitationPart(_Part):
    type: Literal["citation"] = "citation"
    source: Source
    span: Span | None = None


Part: TypeAlias = Annotated[
    TextPart | ImagePart | FilePart | ReasoningPart | ToolCallPart | ToolResultPart | CitationPart,
    Field(discriminator="type"),
]


AnswerPart: TypeAlias = Annotated[
    TextPart | ImagePart | FilePart | ReasoningPart | ToolCallPart | CitationPart,
    Field(discriminator="type"),
]


class Message(Value):
    """One message. A plain string as `content` is one text part."""

    role: Role
    content: str | tuple[Part, ...]
    provider_state: JsonObject | None = None

    def parts(self) -> tuple[Part, ...]:
        return (TextPart(text=self.content),) if isinstance(self.content, str) else self.content


class Answer(Message):
    """The message of an assistant, as parts; it can be sent back as it is."""

    role: Literal["assistant"] = "assistant"
    content: tuple[AnswerPart, ...]
