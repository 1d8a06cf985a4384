"""One question and its answer, in no provider's words.

Knows what a style needs to read a request and to write an answer. Must not know a wire format, a
provider, sockets or time.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

JsonObject: TypeAlias = dict[str, Any]

_CHARS_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that may be called."""

    name: str
    schema: JsonObject


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request asks.

    Attributes:
        model: the model named.
        text: the last words of the person.
        chars: how much text the conversation holds.
        messages: how many messages it has, the person's and the model's.
        tools: what may be called now.
        results: what tools have answered, in order.
        answered: whether the conversation ends with the results of tools.
        schema: the form that the answer must have.
        thinks: whether the model may think, and shows it.
        streams: whether the answer comes in pieces.
        counts: whether a streamed answer says what it used.
        framed: whether pieces come as the format's events, and not as one JSON array.
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
    """A call of a tool; `call_id` is unique in its conversation."""

    call_id: str
    name: str
    arguments: JsonObject


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of thought, of text, or the arguments of a call, in the pieces it is said in."""

    kind: Literal["thought", "text", "call"]
    pieces: tuple[str, ...]
    call: Call | None = None

    @property
    def text(self) -> str:
        """The whole of it."""
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Script:
    """What a model says.

    Attributes:
        blocks: in order.
        finish: why it ends; None where it breaks off.
        sources: what the last text is cited from, as `url` and `title`.
        pause_s: how long to wait between two pieces.
    """

    blocks: tuple[Block, ...]
    finish: Literal["stop", "length", "calls"] | None = "stop"
    sources: tuple[JsonObject, ...] = ()
    pause_s: float = 0.0

    def said(self, kind: str) -> str:
        """Return all that was said of one kind."""
        return "".join(block.text for block in self.blocks if block.kind == kind)

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls, in order."""
        return tuple(block.call for block in self.blocks if block.call is not None)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a turn used, in tokens; `cached` is part of `prompt`, `thought` of `completion`."""

    prompt: int
    cached: int
    completion: int
    thought: int


@dataclass(frozen=True, slots=True)
class Traits:
    """How a provider speaks a format that others speak too.

    Attributes:
        reasoning: the field or form in which thoughts come.
        call_id: the form of a call's id: `{id}` within text, or `nine` for nine letters or digits.
        whole_calls: whether a call comes in one piece.
        bare_calls: whether a call comes without index and type.
        usage: where a stream counts: in a chunk of its own when `asked`, with the `finish`, in a
            chunk `after` it, or in `every` one.
        thought_apart: whether thoughts are counted beside the answer's tokens, not among them.
        extra: fields of the last chunk, and of a whole answer.
        extra_usage: fields beside the counts, such as a cost.
    """

    reasoning: str = "reasoning_content"
    call_id: str = "{id}"
    whole_calls: bool = False
    bare_calls: bool = False
    usage: Literal["asked", "finish", "after", "every"] = "asked"
    thought_apart: bool = False
    extra: JsonObject = field(default_factory=dict)
    extra_usage: JsonObject = field(default_factory=dict)

    def id_of(self, call: Call) -> str:
        """Return a call's id as this provider writes one."""
        if self.call_id == "nine":
            return hashlib.sha256(call.call_id.encode()).hexdigest()[:9]
        return self.call_id.replace("{id}", call.call_id)


@dataclass(frozen=True, slots=True)
class Turn:
    """A question, its answer, and who gives it: what a style writes.

    Attributes:
        ask: the question.
        script: the answer.
        traits: of the provider.
        now_s: the time of day.
    """

    ask: Ask
    script: Script
    traits: Traits = field(default_factory=Traits)
    now_s: int = 0

    @property
    def usage(self) -> Usage:
        """Count a piece as a token, four characters of the prompt as one, half of them cached."""
        prompt = 1 + self.ask.chars // _CHARS_PER_TOKEN
        said = {"thought": 0, "text": 0, "call": 0}
        for block in self.script.blocks:
            said[block.kind] += len(block.pieces) + (block.kind == "call")
        return Usage(prompt, prompt // 2, sum(said.values()), said["thought"])


def signature(model: str, *texts: str) -> str:
    """Return what a provider signs its own words with: the same for the same words only."""
    digest = hashlib.sha256("\0".join((model, *texts)).encode()).digest()
    return b64encode(digest).decode()
