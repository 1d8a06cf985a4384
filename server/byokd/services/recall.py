"""Puts back what a client dropped: the opaque states of tool calls and the thoughts before them.

Knows how an answer with calls is kept for a while, and where its states belong when the
conversation comes back without them. Must not know what a state means: a dialect made it, and the
dialect decides whether it may go to this model.

Kept in memory only, by account, provider, model, the words that the conversation opened with, and
call id: some providers count ids anew in each conversation. What the client did echo stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from byokd.limits import RECALL_CALLS_MAX, RECALL_MAX_BYTES, RECALL_TTL_MS
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import SendParams
from byokd.protocol.parts import Message, Part, ReasoningPart, TextPart, ToolCallPart
from byokd.services.recent import Recent

_Key: TypeAlias = tuple[str, str, str, bytes, str]


@dataclass(frozen=True, slots=True)
class _Kept:
    """One call of an answer: what stood between it and the call before, and the message's state."""

    call: ToolCallPart
    before: tuple[Part, ...]
    message_state: JsonObject | None


class Recall:
    """Remembers the tool calls of answers."""

    def __init__(self) -> None:
        self._calls: Recent[_Key, _Kept] = Recent(
            entries_max=RECALL_CALLS_MAX,
            bytes_max=RECALL_MAX_BYTES,
            ttl_ms=RECALL_TTL_MS,
            renews=True,
        )

    def keep(self, account: str, params: SendParams, answer: Message, now_ms: int) -> None:
        """Remember the calls of an answer to this question."""
        before: list[Part] = []
        for part in answer.parts():
            if not isinstance(part, ToolCallPart):
                before.append(part)
                continue
            kept = _Kept(part, tuple(before), answer.provider_state)
            key = _key(account, params, part.call_id)
            self._calls.put(key, kept, now_ms, size_bytes=_size_bytes(kept))
            before = []

    def restored(self, account: str, params: SendParams, now_ms: int) -> SendParams:
        """Return the question with the states put back that its client dropped."""
        messages = tuple(
            self._message(message, account, params, now_ms) for message in params.messages
        )
        if all(new is old for new, old in zip(messages, params.messages, strict=True)):
            return params
        return params.model_copy(update={"messages": messages})

    def _message(self, message: Message, account: str, params: SendParams, now_ms: int) -> Message:
        if message.role != "assistant":
            return message
        parts: list[Part] = []
        segment: list[Part] = []
        state = message.provider_state
        for part in message.parts():
            segment.append(part)
            if not isinstance(part, ToolCallPart):
                continue
            kept = self._calls.get(_key(account, params, part.call_id), now_ms)
            if kept is not None and _is_same(kept.call, part):
                segment = [*_before(kept, segment[:-1]), _call(kept, part)]
                state = state or kept.message_state
            parts += segment
            segment = []
        parts += segment
        if state is message.provider_state and parts == [*message.parts()]:
            return message
        return message.model_copy(update={"content": tuple(parts), "provider_state": state})


def _key(account: str, params: SendParams, call_id: str) -> _Key:
    return account, params.provider, params.model, _opening(params.messages), call_id


def _opening(messages: Sequence[Message]) -> bytes:
    """Return what tells one conversation from another: what the user said first."""
    first = next((message for message in messages if message.role == "user"), None)
    texts = first.parts() if first is not None else ()
    said = "\0".join(part.text for part in texts if isinstance(part, TextPart))
    return sha256(said.encode("utf-8", "surrogatepass")).digest()


def _is_same(kept: ToolCallPart, sent: ToolCallPart) -> bool:
    return (kept.name, kept.arguments) == (sent.name, sent.arguments)


def _call(kept: _Kept, sent: ToolCallPart) -> ToolCallPart:
    if sent.provider_state is not None or kept.call.provider_state is None:
        return sent
    return sent.model_copy(update={"provider_state": kept.call.provider_state})


def _before(kept: _Kept, sent: list[Part]) -> Sequence[Part]:
    """Return what stands before a call: as it was where the text is the same, else with thoughts.

    Thoughts that came with their state are the client's word, and nothing is put beside them.
    """
    thoughts = [part for part in kept.before if isinstance(part, ReasoningPart)]
    echoed = any(isinstance(part, ReasoningPart) and part.provider_state for part in sent)
    if echoed or not thoughts:
        return sent
    plain = all(isinstance(part, ReasoningPart | TextPart) for part in sent)
    if plain and _text(sent) == _text(kept.before):
        return kept.before
    return [*thoughts, *(part for part in sent if not isinstance(part, ReasoningPart))]


def _text(parts: Sequence[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def _size_bytes(kept: _Kept) -> int:
    return sum(len(part.model_dump_json()) for part in _parts(kept))


def _parts(kept: _Kept) -> Iterator[Part]:
    yield kept.call
    yield from kept.before
