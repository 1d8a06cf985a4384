"""`chat/send`: what is asked and what is answered.

Knows the neutral form of a conversation. Must not know a provider's form of it.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from byokd.protocol.base import JsonObject, KeyId, ModelId, Params, ProviderId, Result, Value
from byokd.protocol.events import FinishReason, Warn
from byokd.protocol.parts import Message
from byokd.protocol.usage import Cost, Usage

StreamId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "max"]


class Tool(Value):
    """A function the model may call; `input_schema` is JSON Schema."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    description: str | None = None
    input_schema: JsonObject


class ToolChoice(Value):
    """Exactly this tool must be called."""

    name: str


class Reasoning(Value):
    """How much to think, on one scale for every provider."""

    effort: Effort


class ResponseFormat(Value):
    """The answer must be JSON, of this schema where one is given."""

    type: Literal["json"] = "json"
    schema_: JsonObject | None = Field(default=None, alias="schema")
    name: str | None = None


class SendParams(Params):
    """Ask a model.

    `stream_id` is the client's and unique per connection, so that events can be routed before any
    response. A parameter that cannot be sent is dropped with a warning, or refused when `strict`.
    `provider_options` are raw fields for that provider, merged last. `dialect` asks for one of the
    wire formats that `provider/list` names; without it the provider's record chooses.
    """

    stream_id: StreamId
    stream: bool = True
    provider: ProviderId
    model: ModelId
    key_id: KeyId | None = None
    route: Literal["byok", "shared", "auto"] = "auto"
    messages: tuple[Message, ...] = Field(min_length=1)
    tools: tuple[Tool, ...] = ()
    tool_choice: Literal["auto", "none", "required"] | ToolChoice | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    reasoning: Reasoning | None = None
    response_format: ResponseFormat | None = None
    cache: Literal["auto", "off"] = "auto"
    provider_options: JsonObject | None = None
    dialect: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")] | None = None
    strict: bool = False
    include_raw: bool = False


class Route(Value):
    """Who really answered, and how many tries it took. `key_id` is null without a stored key."""

    provider: str
    model: str
    key_id: str | None
    attempts: int


class SendResult(Result):
    """The authoritative answer; a client that ignores events still has everything."""

    message: Message
    finish_reason: FinishReason
    usage: Usage | None
    cost: Cost
    route: Route
    warnings: tuple[Warn, ...]
    provider_request_id: str | None
