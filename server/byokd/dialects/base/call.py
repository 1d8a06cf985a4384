"""What a dialect receives and returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from byokd.catalog.record import HealthClass, Provider, Refused
from byokd.catalog.rules import RuleName
from byokd.core.http import HttpHead, HttpRequest
from byokd.protocol.chat import Effort, SendParams
from byokd.protocol.errors import Kind
from byokd.protocol.events import Event, FinishReason, Warn
from byokd.protocol.parts import Answer
from byokd.protocol.usage import Usage


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """What its provider's own list states of a model, which wins over the record.

    None where the list states nothing.

    Attributes:
        efforts: the words that the model takes besides `none`; empty if it takes no effort.
        thinks_always: False if there is an off switch: `none` can be sent.
        input_modalities: such as `text` and `image`.
    """

    efforts: tuple[Effort, ...] | None = None
    thinks_always: bool | None = None
    input_modalities: tuple[str, ...] | None = None
    context_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One chat to encode.

    Attributes:
        base_url: without a trailing slash, templates filled.
        fields: the key's plain fields, such as a region.
        rules: conversation rules besides those of the dialect and the record.
        cache_key: the same for all requests of a conversation, for the provider's prompt cache.
        model: what the provider's list states of the model; None without a list.
    """

    provider: Provider
    base_url: str
    params: SendParams
    fields: Mapping[str, str] = field(default_factory=dict)
    rules: frozenset[RuleName] = frozenset()
    model: ModelLimits | None = None
    cache_key: str | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request without its credential, and the warnings of encoding."""

    request: HttpRequest
    warnings: tuple[Warn, ...] = ()

    @property
    def streamed(self) -> bool:
        # May differ from the client's `stream`.
        return self.request.headers.get("accept") != "application/json"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a provider refuses: a parameter, the form of a conversation, or a chat path.

    Attributes:
        path: the parameter's names from the outside in, as the provider spells them, or empty.
        of: what of it is refused: the parameter, its value, or a value that forces a tool call.
        least: the smallest accepted number, if the provider names it.
        most: the largest.
        accepted: the accepted words, if the provider lists them.
        value: JSON text of the value to send instead.
        beside: the field of the body without which it is accepted, or empty.
        rule: the conversation rule to apply.
        surface: the dialect of the surface to use.
        quirks: name and JSON text of the quirks to encode with.
        left: the tokens that remain for the answer, where the output cap does not fit.
        excess: by how many tokens the request is too long, where the output cap may be the reason.
        once: what is learnt holds for this chat only.
        words: the words of the error that say so, if they stand inside a sentence of it: a
            conversation that holds them as well was only repeated.
    """

    path: tuple[str, ...] = ()
    of: Refused = "parameter"
    least: int | None = None
    most: int | None = None
    accepted: tuple[str, ...] = ()
    value: bytes | None = None
    beside: str = ""
    rule: RuleName | None = None
    surface: str | None = None
    quirks: tuple[tuple[str, bytes], ...] = ()
    left: int | None = None
    excess: int | None = None
    once: bool = False
    words: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """The classification of a provider's error.

    `hint` is the record's sentence for the person; `message` is then the same.
    `provider_time_ms` is the provider's wall clock, set if a wrong local clock would cause the
    same error. `foreign`: a proxy, portal or web page answered in place of the provider.
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
    foreign: bool = False
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer.

    With a `fault`, `message` and `usage` hold what came before it, and `finish_reason` is None.
    `cost` is decimal text, if the answer states it. If `priced` is false, more was used than
    `usage` can express, and the cost is unknown. `billed` is the usage that is charged, if it
    differs.
    """

    message: Answer
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
    """Turns the body of one answer into events of content, usage (from `close`) and raw chunks.

    The engine adds `start`, `retry` and `finish`.
    """

    @property
    def done(self) -> bool:
        """Whether further bytes are ignored: after the terminal marker, or past a limit.

        After an error inside the answer it stays false, because usage may follow.
        """
        ...

    @property
    def ending(self) -> bool:
        """Whether the finish or an error was stated: only usage and errors can follow."""
        ...

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes, cut anywhere, complete."""
        ...

    def close(self) -> tuple[list[Event], Reply]:
        """Return the last events and the reply; called once, when the body ends or breaks.

        Only a whole answer has its open blocks closed.
        """
        ...


class Dialect(Protocol):
    """One wire format: a module of functions, named in `DIALECTS`."""

    def encode(self, call: Call, now_ms: int) -> Encoded:
        """Return the request.

        Raises:
            Unsupported: a strict call would lose something.
        """
        ...

    def decoder(self, call: Call, head: HttpHead) -> Decoder:
        """Return a decoder for an answer of any status, streamed or whole."""
        ...
