"""The events of a chat stream: slotted dataclasses, because each piece of text is one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from byokd.protocol.base import EVENT_CONFIG, Json, JsonObject, Params, Value
from byokd.protocol.kinds import Kind
from byokd.protocol.parts import Source, Span
from byokd.protocol.usage import Cost, Usage

UnifiedReason: TypeAlias = Literal[
    "stop", "length", "toolCalls", "contentFilter", "cancelled", "error", "other"
]


class FinishReason(Value):
    """Why the answer ended: byokd's reason, and the provider's own word in `raw`."""

    unified: UnifiedReason
    raw: str | None = None


class Warn(Value):
    """A part of the request that was not sent as written.

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
    block_id: str
    type: Literal["textStart"] = "textStart"


@dataclass(frozen=True, slots=True)
class TextDelta(_Event):
    block_id: str
    delta: str
    type: Literal["textDelta"] = "textDelta"


@dataclass(frozen=True, slots=True)
class TextEnd(_Event):
    block_id: str
    provider_state: JsonObject | None = None
    type: Literal["textEnd"] = "textEnd"


ReasoningKind: TypeAlias = Literal["raw", "summary", "redacted"]


@dataclass(frozen=True, slots=True)
class ReasoningStart(_Event):
    block_id: str
    kind: ReasoningKind = "raw"
    type: Literal["reasoningStart"] = "reasoningStart"


@dataclass(frozen=True, slots=True)
class ReasoningDelta(_Event):
    block_id: str
    delta: str
    type: Literal["reasoningDelta"] = "reasoningDelta"


@dataclass(frozen=True, slots=True)
class ReasoningEnd(_Event):
    """A block of reasoning is complete; send its `provider_state` back unchanged."""

    block_id: str
    kind: ReasoningKind = "raw"
    provider_state: JsonObject | None = None
    type: Literal["reasoningEnd"] = "reasoningEnd"


@dataclass(frozen=True, slots=True)
class ToolCallStart(_Event):
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
    """A tool call is complete: its parsed arguments, or why they cannot be parsed."""

    call_id: str
    name: str
    arguments: Json
    parse_error: str | None = None
    raw_arguments: str | None = None
    provider_state: JsonObject | None = None
    type: Literal["toolCallEnd"] = "toolCallEnd"


@dataclass(frozen=True, slots=True)
class Citation(_Event):
    source: Source
    span: Span | None = None
    type: Literal["citation"] = "citation"


@dataclass(frozen=True, slots=True)
class UsageSnapshot(_Event):
    """Cumulative usage: the last snapshot counts, snapshots are not summed."""

    usage: Usage
    type: Literal["usage"] = "usage"


@dataclass(frozen=True, slots=True)
class Retry(_Event):
    """The request is repeated; happens only before the first content."""

    attempt: int
    kind: Kind
    delay_ms: int
    type: Literal["retry"] = "retry"


@dataclass(frozen=True, slots=True)
class Raw(_Event):
    """The provider's chunk, sent if `include_raw` is set."""

    chunk: Json
    type: Literal["raw"] = "raw"


@dataclass(frozen=True, slots=True)
class Finish(_Event):
    """The answer is complete; sent only if the call succeeds."""

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
"""Any event. Adjacent deltas of one block may arrive merged."""


class ChatEvents(Params):
    """`chat/events`: `seq` is the number of the first event here, counted from 0 without gaps."""

    stream_id: str
    seq: int
    events: tuple[Annotated[Event, Field(discriminator="type")], ...]


def write(event: Event) -> bytes:
    return _writer().dump_json(event, by_alias=True)


@cache
def _writer() -> TypeAdapter[Event]:
    return TypeAdapter(Event)
