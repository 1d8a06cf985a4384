"""Puts back what a client dropped: the opaque states of tool calls and the thoughts before them.

Knows how an answer with calls is kept for a while, and where its states belong when the
conversation comes back without them. Must not know what a state means: a dialect made it, and the
dialect decides whether it may go to this model.

Kept in memory only, by account, provider, model, the words that the conversation opened with, and
call id: some providers count ids anew in each conversation. What the client did echo stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from byokd.core.limits import STATE_CACHE_CALLS_MAX, STATE_CACHE_MAX_BYTES, STATE_CACHE_TTL_MS
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import SendParams
from byokd.protocol.parts import Message, Part, ReasoningPart, TextPart, ToolCallPart
from byokd.services.chat.ttl_cache import TtlCache

_Conversation: TypeAlias = tuple[str, str, str, bytes]
"""Account, provider, model and a digest of what the user said first."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """One call of an answer.

    Attributes:
        call: as it was made.
        before: what stood between it and the call before.
        after: what stood behind it, where it is the last one.
        message_state: the state of the whole answer.
    """

    call: ToolCallPart
    before: tuple[Part, ...]
    after: tuple[Part, ...]
    message_state: JsonObject | None


class ProviderStateCache:
    """Remembers the tool calls of answers."""

    def __init__(self) -> None:
        self._calls: TtlCache[tuple[_Conversation, str], _Kept] = TtlCache(
            entries_max=STATE_CACHE_CALLS_MAX,
            bytes_max=STATE_CACHE_MAX_BYTES,
            ttl_ms=STATE_CACHE_TTL_MS,
            renews=True,
        )

    def keep(self, account: str, params: SendParams, answer: Message, now_ms: int) -> None:
        """Remember the calls of an answer to this question."""
        chat, parts = _conversation(account, params), answer.parts()
        places = [at for at, part in enumerate(parts) if isinstance(part, ToolCallPart)]
        start = 0
        for at in places:
            call, after = parts[at], parts[at + 1 :] if at == places[-1] else ()
            if isinstance(call, ToolCallPart):
                kept = _Kept(call, parts[start:at], after, answer.provider_state)
                size_bytes = _size_bytes(kept)
                self._calls.put((chat, call.call_id), kept, now_ms, size_bytes=size_bytes)
            start = at + 1

    def restored(self, account: str, params: SendParams, now_ms: int) -> SendParams:
        """Return the question with the states put back that its client dropped."""
        chat = _conversation(account, params)
        messages = tuple(self._message(message, chat, now_ms) for message in params.messages)
        if all(new is old for new, old in zip(messages, params.messages, strict=True)):
            return params
        return params.model_copy(update={"messages": messages})

    def _message(self, message: Message, chat: _Conversation, now_ms: int) -> Message:
        if message.role != "assistant":
            return message
        parts: list[Part] = []
        segment: list[Part] = []
        state = message.provider_state
        after: tuple[Part, ...] = ()
        for part in message.parts():
            segment.append(part)
            if not isinstance(part, ToolCallPart):
                continue
            kept = self._kept(chat, part, now_ms)
            if kept is not None:
                segment = [*_whole(kept.before, segment[:-1]), _call(kept, part)]
                state = state or kept.message_state
            after = kept.after if kept is not None else ()
            parts += segment
            segment = []
        parts += _whole(after, segment)
        if state is message.provider_state and parts == [*message.parts()]:
            return message
        return message.model_copy(update={"content": tuple(parts), "provider_state": state})

    def _kept(self, chat: _Conversation, sent: ToolCallPart, now_ms: int) -> _Kept | None:
        kept = self._calls.get((chat, sent.call_id), now_ms)
        made = (kept.call.name, kept.call.arguments) if kept is not None else None
        return kept if made == (sent.name, sent.arguments) else None


def _conversation(account: str, params: SendParams) -> _Conversation:
    first = next((message for message in params.messages if message.role == "user"), None)
    texts = first.parts() if first is not None else ()
    said = "\0".join(part.text for part in texts if isinstance(part, TextPart))
    digest = sha256(said.encode("utf-8", "surrogatepass")).digest()
    return account, params.provider, params.model, digest


def _call(kept: _Kept, sent: ToolCallPart) -> ToolCallPart:
    if sent.provider_state is not None or kept.call.provider_state is None:
        return sent
    return sent.model_copy(update={"provider_state": kept.call.provider_state})


def _whole(kept: Sequence[Part], sent: Sequence[Part]) -> Sequence[Part]:
    """Return what stands beside a call: as it was where the text is the same, else with thoughts.

    Thoughts that came with their state are the client's word, and nothing is put beside them.
    """
    thoughts = [part for part in kept if isinstance(part, ReasoningPart)]
    echoed = any(isinstance(part, ReasoningPart) and part.provider_state for part in sent)
    if echoed or not thoughts:
        return sent
    plain = all(isinstance(part, ReasoningPart | TextPart) for part in sent)
    if plain and _text(sent) == _text(kept):
        return kept
    return [*thoughts, *(part for part in sent if not isinstance(part, ReasoningPart))]


def _text(parts: Sequence[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def _size_bytes(kept: _Kept) -> int:
    parts = (kept.call, *kept.before, *kept.after)
    return sum(len(part.model_dump_json()) for part in parts)
