"""The values that go into a dialect and come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from byokd.catalog.record import HealthClass, Provider
from byokd.catalog.rules import RuleName
from byokd.core.http import HttpHead, HttpRequest
from byokd.protocol.chat import SendParams
from byokd.protocol.errors import Kind
from byokd.protocol.events import Event, FinishReason, Warn
from byokd.protocol.parts import Message
from byokd.protocol.usage import Usage


@dataclass(frozen=True, slots=True)
class Call:
    """One chat to be encoded.

    Attributes:
        provider: the record whose quirks apply.
        base_url: without a trailing slash, its templates filled.
        params: the client's.
        fields: the key's plain fields, such as a region.
        rules: conversation rules beside those of the dialect and the record.
    """

    provider: Provider
    base_url: str
    params: SendParams
    fields: Mapping[str, str] = field(default_factory=dict)
    rules: frozenset[RuleName] = frozenset()


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request without its credential, and the warnings of encoding."""

    request: HttpRequest
    warnings: tuple[Warn, ...] = ()

    @property
    def streamed(self) -> bool:
        """Whether the request asks for a stream, which may differ from what the client asked."""
        return self.request.headers.get("accept") != "application/json"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a provider refuses: a parameter, the form of a conversation, or a chat path.

    Attributes:
        path: a parameter's names from the outside in, as the provider spells them; empty for a
            conversation or a chat path.
        of_value: whether only the value that was sent is refused, not the parameter.
        least: the smallest number that is accepted, where the provider names it.
        most: the largest.
        value: JSON text of the value to send instead.
        rule: the conversation rule to apply.
        surface: the dialect of the surface to use.
    """

    path: tuple[str, ...] = ()
    of_value: bool = False
    least: int | None = None
    most: int | None = None
    value: bytes | None = None
    rule: RuleName | None = None
    surface: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What a provider's error means.

    `refusals` are the reasons that it names. `hint` is the record's sentence for the person;
    `message` is then the same. `provider_time_ms` is the provider's wall clock, set where a wrong
    clock of ours would cause the same error.
    """

    kind: Kind
    health: HealthClass
    message: str
    hint: str | None = None
    retryable: bool = False
    retry_after_ms: int | None = None
    http_status: int | None = None
    provider_code: str | None = None
    provider_type: str | None = None
    provider_message: str | None = None
    provider_request_id: str | None = None
    provider_time_ms: int | None = None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer.

    `fault` is set where the answer is or became an error; `message` and `usage` then hold what came
    before it. `finish_reason` is None exactly when there is a fault. `cost` is decimal text, set
    where the answer states it. `priced` is false where more was used than `usage` can express: the
    cost is unknown then. `billed` is the usage that is charged, where that differs.
    """

    message: Message
    finish_reason: FinishReason | None
    usage: Usage | None
    cost: str | None = None
    model: str | None = None
    response_id: str | None = None
    fault: Fault | None = None
    warnings: tuple[Warn, ...] = ()
    priced: bool = True
    billed: Usage | None = None


class Decoder(Protocol):
    """Turns the body of one answer into events.

    `feed` takes bytes cut anywhere. `close` is called once, at the end of the body or when it
    breaks; it closes open blocks where the answer is whole, and leaves them open where it is not.
    After the terminal marker, or past a bound, `done` is true and further bytes are ignored; after
    an error inside the answer it is not yet true, because usage may still come.

    A decoder makes events of content, usage (once, from `close`) and raw chunks. `start`, `retry`
    and `finish` are made by the engine.
    """

    @property
    def done(self) -> bool:
        """Whether nothing that follows can matter."""
        ...

    @property
    def ending(self) -> bool:
        """Whether the answer has reached its finish or an error: little more can come."""
        ...

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete."""
        ...

    def close(self) -> tuple[list[Event], Reply]:
        """Return the last events and the reply."""
        ...


class Dialect(Protocol):
    """One wire format: a module of functions, named in `DIALECTS`."""

    def encode(self, call: Call, now_ms: int) -> Encoded:
        """Return the request; raises `Unsupported` where a strict call would lose something."""
        ...

    def decoder(self, call: Call, head: HttpHead) -> Decoder:
        """Return a decoder for the answer with this head (any status, streamed or whole)."""
        ...
