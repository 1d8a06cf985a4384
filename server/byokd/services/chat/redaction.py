"""Redacts the secrets of one call in its events, its reply and its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeAlias, TypeVar, cast

from byokd.core.redaction.secrets import IncrementalRedactor, SecretRedactor
from byokd.core.secret import MASK
from byokd.dialects.base.call_ids import synthetic_id
from byokd.protocol.base import Value
from byokd.protocol.chat import SendParams
from byokd.protocol.errors import ByokdError
from byokd.protocol.events import (
    Event,
    Raw,
    ReasoningDelta,
    ReasoningEnd,
    TextDelta,
    TextEnd,
    ToolCallDelta,
    ToolCallEnd,
)
from byokd.protocol.parts import ToolCallPart

T = TypeVar("T")
_Delta: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta
_BlockKey: TypeAlias = tuple[type[_Delta], str]

_CONTRACT_FIELDS: Final = frozenset({"type", "role", "kind", "unified"})
"""Fields that hold words of the contract: a key that is such a word must not break a message."""


class StreamRedactor:
    """Redacts the secrets of one call.

    Text is passed on at once, except an end that may begin a secret: that is held until the next
    delta of its block, or the block's end. A raw chunk that may hold part of one becomes `***`.

    A tool call id with a secret is replaced by one synthetic id, unique in the conversation.
    `params` is None where no tool call can come back.
    """

    def __init__(self, secrets: SecretRedactor, params: SendParams | None = None) -> None:
        self._secrets = secrets
        self._params = params
        self._call_ids: dict[str, str] = {}
        self._redactors: dict[_BlockKey, IncrementalRedactor] = {}
        self._raws: list[Raw] = []
        self._holds_text = False

    def events(self, events: Sequence[Event]) -> Sequence[Event]:
        if self._secrets.is_empty or (not self._holds_text and self._is_clean(events)):
            return events
        shown: list[Event] = []
        has_secret = has_raw = False
        for event in events:
            if isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta):
                redactor = self._redactor_of(event)
                text = redactor.feed(event.delta)
                has_secret = has_secret or redactor.redacted
                if text is event.delta:
                    shown.append(self._with_safe_id(event))
                elif text:
                    shown.append(self._with_safe_id(replace(event, delta=text)))
            else:
                if isinstance(event, TextEnd | ReasoningEnd | ToolCallEnd):
                    deltas, masked = self._end_block(_key_of(event))
                    has_secret = has_secret or masked
                    shown += deltas
                has_raw = has_raw or isinstance(event, Raw)
                shown.append(self.value(event))
        if has_raw or self._raws:
            shown = self._with_raws(shown, has_secret=has_secret)
        self._holds_text = bool(self._raws) or any(
            redactor.held for redactor in self._redactors.values()
        )
        return shown

    def end(self) -> Sequence[Event]:
        """Return what is still held of blocks that did not end."""
        ends = [self._end_block(key) for key in [*self._redactors]]
        shown: list[Event] = [delta for deltas, _ in ends for delta in deltas]
        return self._with_raws(shown, has_secret=any(masked for _, masked in ends))

    def value(self, value: T) -> T:
        """Return the same object if no text changed."""
        if self._secrets.is_empty:
            return value
        return cast("T", self._value(value))

    def text(self, text: str) -> str:
        return self._secrets.redact(text)

    def error(self, error: ByokdError) -> ByokdError:
        """Redact in place."""
        return error.replace_texts(self.text(error.user_message), self.value(error.fields))

    def _call_id(self, call_id: str) -> str:
        """Return the same object if it holds no secret."""
        shown = self._call_ids.get(call_id)
        if shown is None:
            has_secret = self._secrets.redact(call_id) != call_id
            shown = self._new_call_id() if has_secret else call_id
            self._call_ids[call_id] = shown
        return call_id if shown == call_id else shown

    def _new_call_id(self) -> str:
        used_ids = set(self._call_ids.values())
        stream_id = ""
        if self._params is not None:
            stream_id = self._params.stream_id
            parts = (part for message in self._params.messages for part in message.parts())
            used_ids.update(part.call_id for part in parts if isinstance(part, ToolCallPart))
        return synthetic_id(f"{stream_id}\0masked", len(self._call_ids), used_ids)

    def _with_safe_id(self, delta: _Delta) -> _Delta:
        if not isinstance(delta, ToolCallDelta):
            return delta
        call_id = self._call_id(delta.call_id)
        return delta if call_id is delta.call_id else replace(delta, call_id=call_id)

    def _is_clean(self, events: Sequence[Event]) -> bool:
        """Search the joined deltas of one block; False for any other events."""
        texts: list[str] = []
        block = None
        for event in events:
            kind = type(event)  # several times as fast as `isinstance` with a union
            if kind is TextDelta or kind is ReasoningDelta:
                block_id = event.block_id  # type: ignore[union-attr]
            elif kind is ToolCallDelta:
                block_id = event.call_id  # type: ignore[union-attr]
            else:
                return False
            if block is None:
                block = kind, block_id
            elif block[1] != block_id or block[0] is not kind:
                return False
            texts.append(event.delta)  # type: ignore[union-attr]
        if block is not None and block[0] is ToolCallDelta and self._call_id(block[1]) != block[1]:
            return False
        return self._secrets.is_clean("".join(texts))

    def _redactor_of(self, event: _Delta) -> IncrementalRedactor:
        key = _key_of(event)
        redactor = self._redactors.get(key)
        if redactor is None:
            redactor = self._redactors[key] = IncrementalRedactor(self._secrets)
        return redactor

    def _end_block(self, key: _BlockKey) -> tuple[list[_Delta], bool]:
        """Return the held text as a last delta, and whether a secret was redacted."""
        redactor = self._redactors.pop(key, None)
        if redactor is None:
            return [], False
        text = redactor.end()
        return [self._with_safe_id(key[0](key[1], text))] if text else [], redactor.redacted

    def _with_raws(self, shown: list[Event], *, has_secret: bool) -> list[Event]:
        """Pass on, hold or mask raw chunks: they repeat the deltas near them."""
        if has_secret:
            chunks = [*self._raws, *(event for event in shown if isinstance(event, Raw))]
            rest = [event for event in shown if not isinstance(event, Raw)]
            self._raws = []
            return [*(Raw(MASK) for _ in chunks), *rest]
        if any(redactor.held for redactor in self._redactors.values()):
            self._raws += [event for event in shown if isinstance(event, Raw)]
            return [event for event in shown if not isinstance(event, Raw)]
        held, self._raws = self._raws, []
        return [*held, *shown]

    def _value(self, value: object) -> object:
        match value:
            case str():
                return self._secrets.redact(value)
            case dict():
                return self._mapping(value)
            case list() | tuple():
                items = [self._value(item) for item in value]
                same = all(new is old for new, old in zip(items, value, strict=True))
                return value if same else type(value)(items)
            case Value():
                names = type(value).model_fields
                changed = self._changed(value, tuple(names))
                return value.model_copy(update=changed) if changed else value
            case _ if is_dataclass(value) and not isinstance(value, type):
                changed = self._changed(value, tuple(each.name for each in fields(value)))
                return replace(cast("Any", value), **changed) if changed else value
            case _:
                return value

    def _mapping(self, value: dict[Any, Any]) -> dict[Any, Any]:
        masked = {self._value(key): self._value(item) for key, item in value.items()}
        same = masked.keys() == value.keys() and all(masked[key] is value[key] for key in value)
        return value if same else masked

    def _changed(self, value: object, names: tuple[str, ...]) -> dict[str, object]:
        changed: dict[str, object] = {}
        for name in names:
            if name in _CONTRACT_FIELDS:
                continue
            old = getattr(value, name)
            new = self._call_id(old) if name == "call_id" else self._value(old)
            if new is not old:
                changed[name] = new
        return changed


_BLOCKS: Final[dict[type, type[_Delta]]] = {
    TextDelta: TextDelta,
    TextEnd: TextDelta,
    ReasoningDelta: ReasoningDelta,
    ReasoningEnd: ReasoningDelta,
    ToolCallDelta: ToolCallDelta,
    ToolCallEnd: ToolCallDelta,
}


def _key_of(event: _Delta | TextEnd | ReasoningEnd | ToolCallEnd) -> _BlockKey:
    block = event.call_id if isinstance(event, ToolCallDelta | ToolCallEnd) else event.block_id
    return _BLOCKS[type(event)], block
