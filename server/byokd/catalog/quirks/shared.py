"""The quirks that every dialect reads."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, StringConstraints

from byokd.catalog.rules import RuleName

Pointer: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(/[^/]+)*$")]
"""A JSON pointer (RFC 6901); the empty one is the whole body."""

Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "max"]
"""How much a client asks a model to think."""

ResponseFormat: TypeAlias = Literal["json_schema", "json_object", "none"]
"""The strictest form of JSON answer that can be asked for."""


class Quirks(BaseModel):
    """What a provider wants to be sent differently; what it sends is accepted in any spelling.

    Each flag has its evidence in the records that set it.

    Attributes:
        rules: conversation rules to apply beside those of the dialect.
        max_tokens_default: the output cap to send where the client names none.
        unsupported: fields, by their names on the wire, that are dropped with a warning.
        always_stream: ask for a stream also where the client wants one answer.
        extra_body: fields of every body; the client's own raw fields are merged over them.
        tools_supported: whether the model takes tools; else calls and results are sent as text.
        tool_call_id_pattern: a regular expression for the whole id of a call.
        tool_schema_drops: keywords that may not be at the top of a tool's schema.
        images: whether the model takes images.
        effort_words: the word or number to send for the client's effort; an effort that is not
            here goes as it is, and one with "" is dropped with a warning.
        cost_pointer: where a body (of a stream: a chunk) has the cost, in USD times `cost_divisor`.
        cost_divisor: by what that cost is divided.
        cost_extra_pointer: where there is a cost to add, if `cost_extra_when` points at true.
        cost_extra_when: see there.
        cost_header: the header of an answer that has the cost.
    """

    # Built when it is first validated: nothing of it is needed before the first chat.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    rules: tuple[RuleName, ...] = ()
    max_tokens_default: int | None = None
    unsupported: tuple[str, ...] = ()
    always_stream: bool = False
    extra_body: dict[str, str | int | bool] = {}
    tools_supported: bool = True
    tool_call_id_pattern: str | None = None
    tool_schema_drops: tuple[str, ...] = ()
    images: bool = True
    effort_words: dict[Effort, str] = {}
    cost_pointer: Pointer | None = None
    cost_divisor: int = 1
    cost_extra_pointer: Pointer | None = None
    cost_extra_when: Pointer | None = None
    cost_header: str | None = None

    @property
    def takes_files(self) -> bool:
        """Whether a file of the user can be sent."""
        return True
