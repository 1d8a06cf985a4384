"""A chat request and its answer, independent of wire formats and providers."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
ErrorFields: TypeAlias = dict[str, Any]
Rule: TypeAlias = Callable[[JsonObject, str, JsonObject], ErrorFields | None]
"""A rule for requests: takes the body, the model and the options of the provider's row; returns
the error's fields, or None for a good request."""

_CHARS_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    schema: JsonObject


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A chat request.

    Attributes:
        text: of the last user message.
        chars: of the whole conversation.
        answered: whether the conversation ends with tool results.
        schema: of a JSON answer.
        thinks: whether the model reasons and shows it.
        counts: whether a streamed answer reports usage.
        framed: whether a stream has the format's events; otherwise it is one JSON array.
    """

    model: str
    text: str = ""
    chars: int = 0
    messages: int = 1
    tools: tuple[Tool, ...] = ()
    results: tuple[str, ...] = ()
    answered: bool = False
    schema: JsonObject | None = None
    thinks: bool = True
    streams: bool = False
    counts: bool = True
    framed: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; `call_id` is unique in its conversation."""

    call_id: str
    name: str
    arguments: JsonObject


@dataclass(frozen=True, slots=True)
class Block:
    """Reasoning, text or a call's arguments, in the pieces in which it is streamed."""

    kind: Literal["reasoning", "text", "call"]
    pieces: tuple[str, ...]
    call: Call | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a model.

    Attributes:
        finish: None if the answer breaks off.
        sources: the citations of the last text, as `url` and `title`.
        pause_s: between two pieces.
    """

    blocks: tuple[Block, ...]
    finish: Literal["stop", "length", "calls"] | None = "stop"
    sources: tuple[JsonObject, ...] = ()
    pause_s: float = 0.0

    def text_of_kind(self, kind: str) -> str:
        return "".join(block.text for block in self.blocks if block.kind == kind)

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(block.call for block in self.blocks if block.call is not None)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a turn; `prompt` includes `cached`, and `completion` includes `reasoning`."""

    prompt: int
    cached: int
    completion: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class Traits:
    """How one provider's variant of a wire format differs.

    Attributes:
        reasoning: the field or form of reasoning.
        call_id: the form of a call id: a text with `{id}`, or `nine` for nine letters or digits.
        whole_calls: a tool call comes in one piece.
        bare_calls: a tool call comes without index and type.
        usage: where a stream reports usage: in a separate chunk if it was `asked` for, with the
            `finish`, in a chunk `after` it, or in `every` chunk.
        reasoning_apart: completion tokens exclude reasoning tokens.
        extra: fields of the last chunk and of a whole answer.
        extra_usage: fields of the usage, such as a cost.
    """

    reasoning: str = "reasoning_content"
    call_id: str = "{id}"
    whole_calls: bool = False
    bare_calls: bool = False
    usage: Literal["asked", "finish", "after", "every"] = "asked"
    reasoning_apart: bool = False
    extra: JsonObject = field(default_factory=dict)
    extra_usage: JsonObject = field(default_factory=dict)

    def id_of(self, call: Call) -> str:
        if self.call_id == "nine":
            return hashlib.sha256(call.call_id.encode()).hexdigest()[:9]
        return self.call_id.replace("{id}", call.call_id)


@dataclass(frozen=True, slots=True)
class Turn:
    request: ChatRequest
    answer: Answer
    traits: Traits = field(default_factory=Traits)
    now_s: int = 0

    @property
    def usage(self) -> Usage:
        """A token is one piece of the answer, or 4 characters of the prompt; half are cached."""
        prompt = 1 + self.request.chars // _CHARS_PER_TOKEN
        counts = {"reasoning": 0, "text": 0, "call": 0}
        for block in self.answer.blocks:
            counts[block.kind] += len(block.pieces) + (block.kind == "call")
        return Usage(prompt, prompt // 2, sum(counts.values()), counts["reasoning"])


def signature(model: str, *texts: str) -> str:
    digest = hashlib.sha256("\0".join((model, *texts)).encode()).digest()
    return b64encode(digest).decode()
