"""Restores what clients drop of an answer: the opaque state of tool calls and the reasoning there.

Some providers number their calls anew in each conversation, so the key has the conversation, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from byokd.core.limits import (
    STATE_CACHE_CALLS_MAX,
    STATE_CACHE_MAX_BYTES,
    STATE_CACHE_TTL_MS,
)
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import SendParams
from byokd.protocol.parts import Message, Part, ReasoningPart, TextPart, ToolCallPart
from byokd.services.chat.ttl_cache import TtlCache

_Conversation: TypeAlias = tuple[str, str, str, bytes]
"""Account, provider, model and a digest of the first user message."""


@dataclass(frozen=True, slots=True)
class _CachedCall:
    """A tool call with the parts before it and, if it is the last, those after."""

    call: ToolCallPart
    before: tuple[Part, ...]
    after: tuple[Part, ...]
    message_state: JsonObject | None  # of the whole answer


class ProviderStateCache:
    def __init__(self) -> None:
        self._calls: TtlCache[tuple[_Conversation, str], _CachedCall] = TtlCache(
            entries_max=STATE_CACHE_CALLS_MAX,
            bytes_max=STATE_CACHE_MAX_BYTES,
            ttl_ms=STATE_CACHE_TTL_MS,
            renews=True,
        )

    def keep(self, account: str, params: SendParams, answer: Message, now_ms: int) -> None:
        conversation, parts = _conversation(account, params), answer.parts()
        indexes = [index for index, part in enumerate(parts) if isinstance(part, ToolCallPart)]
        start = 0
        for index in indexes:
            call = parts[index]
            after = parts[index + 1 :] if index == indexes[-1] else ()
            if isinstance(call, ToolCallPart):
                entry = _CachedCall(call, parts[start:index], after, answer.provider_state)
                key = conversation, call.call_id
                self._calls.put(key, entry, now_ms, size_bytes=_size_bytes(entry))
            start = index + 1

    def restored(self, account: str, params: SendParams, now_ms: int) -> SendParams:
        """Return the same object if nothing was dropped."""
        conversation = _conversation(account, params)
        messages = tuple(
            self._restored_message(message, conversation, now_ms) for message in params.messages
        )
        if all(new is old for new, old in zip(messages, params.messages, strict=True)):
            return params
        return params.model_copy(update={"messages": messages})

    def _restored_message(
        self, message: Message, conversation: _Conversation, now_ms: int
    ) -> Message:
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
            entry = self._entry(conversation, part, now_ms)
            if entry is not None:
                before = _restored_segment(entry.before, segment[:-1])
                segment = [*before, _restored_call(entry, part)]
                state = state or entry.message_state
            after = entry.after if entry is not None else ()
            parts += segment
            segment = []
        parts += _restored_segment(after, segment)
        if state is message.provider_state and parts == [*message.parts()]:
            return message
        return message.model_copy(update={"content": tuple(parts), "provider_state": state})

    def _entry(
        self, conversation: _Conversation, sent: ToolCallPart, now_ms: int
    ) -> _CachedCall | None:
        entry = self._calls.get((conversation, sent.call_id), now_ms)
        if entry is None:
            return None
        is_same = (entry.call.name, entry.call.arguments) == (sent.name, sent.arguments)
        return entry if is_same else None


def _conversation(account: str, params: SendParams) -> _Conversation:
    first = next((message for message in params.messages if message.role == "user"), None)
    parts = first.parts() if first is not None else ()
    text = "\0".join(part.text for part in parts if isinstance(part, TextPart))
    digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
    return account, params.provider, params.model, digest


def _restored_call(entry: _CachedCall, sent: ToolCallPart) -> ToolCallPart:
    if sent.provider_state is not None or entry.call.provider_state is None:
        return sent
    return sent.model_copy(update={"provider_state": entry.call.provider_state})


def _restored_segment(cached: Sequence[Part], sent: Sequence[Part]) -> Sequence[Part]:
    """Restore the parts beside a call, but only their reasoning if the text changed."""
    reasoning = [part for part in cached if isinstance(part, ReasoningPart)]
    is_echoed = any(isinstance(part, ReasoningPart) and part.provider_state for part in sent)
    if is_echoed or not reasoning:
        return sent
    is_plain = all(isinstance(part, ReasoningPart | TextPart) for part in sent)
    if is_plain and _text(sent) == _text(cached):
        return cached
    return [*reasoning, *(part for part in sent if not isinstance(part, ReasoningPart))]


def _text(parts: Sequence[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def _size_bytes(entry: _CachedCall) -> int:
    parts = (entry.call, *entry.before, *entry.after)
    return sum(len(part.model_dump_json()) for part in parts)
