"""`chat/send`: a conversation and its answer, the same for every provider."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, field_validator, model_validator

from byokd.core.limits import REQUESTER_MAX_CHARS
from byokd.protocol.base import (
    JsonObject,
    KeyId,
    ModelId,
    Params,
    ProviderId,
    Result,
    Value,
    exactly_one,
)
from byokd.protocol.events import FinishReason, Warn
from byokd.protocol.parts import Answer, Message
from byokd.protocol.usage import Cost, FailedAttempt, Usage

StreamId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Tool(Value):
    """A function that the model may call; `input_schema` is JSON Schema."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    description: str | None = None
    input_schema: JsonObject


class ToolChoice(Value):
    """The model must call this tool."""

    name: str


class Reasoning(Value):
    """How much the model reasons, on one scale for every provider."""

    effort: Effort


class ResponseFormat(Value):
    """The answer must be JSON and match the schema, if there is one."""

    type: Literal["json"] = "json"
    schema_: JsonObject | None = Field(default=None, alias="schema")
    name: str | None = None


class SendParams(Params):
    """Send a conversation to a model.

    The client chooses `stream_id`, unique per connection: events may arrive before the response. A
    parameter that the provider does not take is dropped with a warning, or refused if `strict` is
    set. `dialect` selects one of the wire formats in `provider/list`; without it the provider's
    record decides.

    `provider_options` are raw fields for this provider, merged last: objects are merged, lists of
    tools are appended to, and any other raw field wins. A raw field that replaces a parameter is
    reported in a warning, or refused if `strict` is set. `stream`, the client's tools and what the
    token count needs are never replaced.

    `cache` is about the provider's prompt cache: `auto` marks what repeats and names the
    conversation where the provider has that, `off` does neither, `5m` and `1h` also ask for this
    lifetime. `_meta.client` names what made the request, such as an extension of the editor.
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
    cache: Literal["auto", "off", "5m", "1h"] = "auto"
    provider_options: JsonObject | None = None
    dialect: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")] | None = None
    strict: bool = False
    include_raw: bool = False

    @field_validator("meta")
    @classmethod
    def _check_requester(cls, meta: JsonObject | None) -> JsonObject | None:
        requester = (meta or {}).get("client")
        fits = isinstance(requester, str) and 1 <= len(requester) <= REQUESTER_MAX_CHARS
        if requester is not None and not (fits and str(requester).isprintable()):
            raise ValueError(f"client is a text of 1 to {REQUESTER_MAX_CHARS} printable characters")
        return meta

    @property
    def requester(self) -> str | None:
        """The part of the client that made the request, such as an extension, by its own word."""
        requester = (self.meta or {}).get("client")
        return requester if isinstance(requester, str) else None


class Route(Value):
    """What answered, after how many attempts. `key_id` is null if no stored key was used.

    `failed_attempts` lists the earlier attempts for which the provider reported usage or a cost;
    they are not in the `usage` and `cost` of the answer.
    """

    provider: str
    model: str
    key_id: str | None
    attempts: int
    failed_attempts: tuple[FailedAttempt, ...] = ()


class SendResult(Result):
    """The authoritative answer; a client may ignore the events."""

    message: Answer
    finish_reason: FinishReason
    usage: Usage | None
    cost: Cost
    route: Route
    warnings: tuple[Warn, ...]
    provider_request_id: str | None


class CountTokensParams(Params):
    """Count the input tokens of a conversation (`messages`, with `tools`) or of a `text` alone.

    `exact` sends the conversation to the provider where it counts for free; elsewhere, and for a
    `text`, the count is an estimate. An estimate opens no key and no connection.
    """

    model_config = exactly_one("messages", "text")

    provider: ProviderId
    model: ModelId
    key_id: KeyId | None = None
    messages: tuple[Message, ...] | None = Field(default=None, min_length=1)
    text: str | None = None
    tools: tuple[Tool, ...] = ()
    reasoning: Reasoning | None = None
    exact: bool = False

    @model_validator(mode="after")
    def _one_subject(self) -> CountTokensParams:
        if (self.messages is None) == (self.text is None):
            raise ValueError("give either messages or text")
        return self


class CountTokensResult(Result):
    """`basis` says, for people, what the count is based on."""

    input_tokens: int
    method: Literal["exact", "estimate"]
    basis: str
