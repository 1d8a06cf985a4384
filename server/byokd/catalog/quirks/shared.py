"""The quirks that every dialect reads."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints

from byokd.catalog.rules import RuleName
from byokd.protocol.chat import Effort

Pointer: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(/[^/]+)*$")]
HeaderName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^x-[a-z0-9-]{1,62}$")]
"""A JSON pointer (RFC 6901); the empty one is the whole body."""

CacheLifetime: TypeAlias = Literal["5m", "1h"]
"""How long a client asks a provider to keep a prompt in its cache."""

ResponseFormat: TypeAlias = Literal["json_schema", "json_object", "none"]
"""The strictest form of JSON answer that can be asked for."""


class Quirks(BaseModel):
    """What a provider needs to be sent differently; answers are read in any spelling.

    Each flag has its evidence in the records that set it.
    """

    # Built when it is first validated: nothing of it is needed before the first chat.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    rules: tuple[RuleName, ...] = ()  # conversation rules besides those of the dialect
    max_tokens_default: int | None = None  # the output cap if the client names none
    unsupported: tuple[str, ...] = ()  # wire fields that are dropped with a warning
    always_stream: bool = False  # request a stream also for a whole answer
    # in every body; the client's raw fields are merged over them
    extra_body: dict[str, str | int | bool] = {}
    tools_supported: bool = True  # False: calls and results are sent as text
    tool_call_id_pattern: str | None = None  # regular expression for the whole id of a call
    # regular expression for the whole name of a tool; OpenAI's is what most providers take
    tool_name_pattern: str = "[a-zA-Z0-9_-]{1,64}"
    # keywords refused at the top of a tool's schema; these by OpenAI, and most of them by Anthropic
    tool_schema_drops: tuple[str, ...] = ("oneOf", "anyOf", "allOf", "enum", "not")
    images: bool = True
    # The efforts that a model takes, unless its provider's list states them; another one becomes
    # the nearest. Empty: it takes none; None: it takes all.
    efforts: tuple[Effort, ...] | None = None
    # how an effort is written where it differs from the word; tokens where the field is a number
    effort_words: dict[Effort, str] = {}
    # where a name of the conversation goes, for the prompt cache: a field, a header
    cache_key_field: str = ""
    cache_key_header: HeaderName | None = None
    # the lifetimes that a mark of the prompt cache may have
    cache_ttls: tuple[CacheLifetime, ...] = ()
    # fields of the body that ask for a lifetime, where there are no marks
    cache_fields: dict[CacheLifetime, dict[str, JsonValue]] = {}
    # to the cost in the body (or a chunk), in USD times `cost_divisor`
    cost_pointer: Pointer | None = None
    cost_divisor: int = 1
    # to a cost to add if `cost_extra_when` points at true
    cost_extra_pointer: Pointer | None = None
    cost_extra_when: Pointer | None = None
    cost_header: str | None = None  # the header that holds the cost

    @property
    def takes_files(self) -> bool:
        return True

    def echoes_reasoning(self, model: str) -> bool:  # noqa: ARG002 - formats override this
        """Tell whether the text of earlier reasoning is sent back to a model."""
        return False
