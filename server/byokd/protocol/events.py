"""The events of one chat, in the order a client may see them.

Knows the vocabulary: noun plus start, delta or end. Must not know a provider or JSON-RPC.
Plain slotted dataclasses, because one is made for every piece of text; pydantic reads the same
classes for the schema and for writing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from byokd.protocol.base import EVENT_CONFIG, Json, JsonObject, Params, Value
from byokd.protocol.parts import Source, Span
from byokd.protocol.usage import Cost, Usage

UnifiedReason: TypeAlias = Literal[
    "stop", "length", "toolCalls", "contentFilter", "cancelled", "error", "other"
]


class FinishReason(Value):
    """Why the answer ended: one of ours, beside the provider's own word."""

    unified: UnifiedReason
    raw: str | None = None


class Warn(Value):
    """Something that was not done as asked.

    `type` is a display value: `dropped`, `renamed`, `adjusted`, `unsupported`, `notice`.
    """

    type: str
    parameter: str | None = None
    message: str


class _Event:
    __slots__ = ()
    __pydantic_config__: ClassVar[Any] = EVENT_CONFIG


@dataclass(frozen=True, slots=True)
class Start(_Event):
    """The provider has begun to answer."""

    provider: str
    model: str
    key_id: str | None
    warnings: tuple[Warn, ...] = ()
    type: Literal["start"] = "start"


@dataclass(frozen=True, slots=True)
class TextStart(_Event):
    """A block of text opens."""

    block_id: str
    type: Literal["textStart"] = "textStart"


@dataclass(frozen=True, slots=True)
class TextDelta(_Event):
    """More text for a block."""

    block_id: str
    delta: str
    type: Literal["textDelta"] = "textDelta"


@dataclass(frozen=True, slots=True)
class TextEnd(_Event):
    """A block of text is whole."""

    block_id: str
    provider_state: JsonObject | None = None
    type: Literal["textEnd"] = "textEnd"


ReasoningKind: TypeAlias = Literal["raw", "summary", "redacted"]


@dataclass(frozen=True, slots=True)
class ReasoningStart(_Event):
    """A block of reasoning opens."""

    block_id: str
    kind: ReasoningKind = "raw"
    type: Literal["reasoningStart"] = "reasoningStart"


@dataclass(frozen=True, slots=True)
class ReasoningDelta(_Event):
    """More reasoning for a block."""

    block_id: str
    delta: str
    type: Literal["reasoningDelta"] = "reasoningDelta"


@dataclass(frozen=True, slots=True)
class ReasoningEnd(_Event):
    """A block of reasoning is whole; its opaque state must be echoed back."""

    block_id: str
    kind: ReasoningKind = "raw"
    provider_state: JsonObject | None = None
    type: Literal["reasoningEnd"] = "reasoningEnd"


@dataclass(frozen=True, slots=True)
class ToolCallStart(_Event):
    """A tool call opens: its id and name are known."""

    call_id: str
    name: str
    type: Literal["toolCallStart"] = "toolCallStart"


@dataclass(frozen=True, slots=True)
class ToolCallDelta(_Event):
    """More of the arguments' JSON text."""

    call_id: str
    delta: str
    type: Literal["toolCallDelta"] = "toolCallDelta"


@dataclass(frozen=True, slots=True)
class ToolCallEnd(_Event):
    """A tool call is whole: parsed arguments, or the reason why they do not parse."""

    call_id: str
    name: str
    arguments: Json
    parse_error: str | None = None
    raw_arguments: str | None = None
    provider_state: JsonObject | None = None
    type: Literal["toolCallEnd"] = "toolCallEnd"


@dataclass(frozen=True, slots=True)
class Citation(_Event):
    """A source for what was said."""

    source: Source
    span: Span | None = None
    type: Literal["citation"] = "citation"


@dataclass(frozen=True, slots=True)
class UsageSnapshot(_Event):
    """Usage so far, cumulative: the last one wins, they are never summed."""

    usage: Usage
    type: Literal["usage"] = "usage"


@dataclass(frozen=True, slots=True)
class Retry(_Event):
    """The request is tried again; only ever before the first content."""

    attempt: int
    kind: str
    delay_ms: int
    type: Literal["retry"] = "retry"


@dataclass(frozen=True, slots=True)
class Raw(_Event):
    """The provider's own chunk, when asked for."""

    chunk: Json
    type: Literal["raw"] = "raw"


@dataclass(frozen=True, slots=True)
class Finish(_Event):
    """The answer is whole; sent only when the call succeeds."""

    finish_reason: FinishReason
    usage: Usage | None
    cost: Cost
    type: Literal["finish"] = "finish"


Event: TypeAlias = (
    Start
    | TextStart
    | TextDelta
    | TextEnd
    | ReasoningStart
    | ReasoningDelta
    | ReasoningEnd
    | ToolCallStart
    | ToolCallDelta
    | ToolCallEnd
    | Citation
    | UsageSnapshot
    | Retry
    | Raw
    | Finish
)
"""Any event. Adjacent deltas of one block may arrive merged; nothing else changes on the way."""


class ChatEvents(Params):
    """`chat/events`: `seq` is the number of the first event here, counted without gaps from 0."""

    stream_id: str
    seq: int
    events: tuple[Annotated[Event, Field(discriminator="type")], ...]


def write(event: Event) -> bytes:
    """Return one event as JSON, by its wire names."""
    return _writer().dump_json(event, by_alias=True)


@cache
def _writer() -> TypeAdapter[Event]:
    return TypeAdapter(Event)
