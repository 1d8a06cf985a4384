"""What came back of one call, with the call's secrets hidden in all of it.

Knows where text is in events, replies and errors. Must not know any format, nor a secret
(`SecretRedactor` does), and ends with the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeAlias, TypeVar, cast

from byokd.core.redaction.secrets import Flow, SecretRedactor
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
_Key: TypeAlias = tuple[type[_Delta], str]

_OUR_WORDS: Final = frozenset({"type", "role", "kind", "unified"})
"""Fields that hold words of the contract: a key that is such a word must not break a message."""


class StreamRedactor:
    """Hides the secrets of one call.

    A text is streamed on at once, but for an end of it that may be the beginning of a secret; that
    waits for the next piece of its block, or for the block's end. A raw chunk that may hold a part
    of a secret becomes `***`.

    A call id that holds a secret is replaced by an id of ours: the same one in every event and in
    the response, and one that no other call of the conversation has.
    """

    def __init__(self, mask: SecretRedactor, params: SendParams | None = None) -> None:
        self._mask = mask
        self._params = params
        self._call_ids: dict[str, str] = {}
        self._flows: dict[_Key, Flow] = {}
        self._raws: list[Raw] = []
        self._holds = False

    def events(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return the events that can be shown now."""
        if self._mask.is_empty or (not self._holds and self._is_free(events)):
            return events
        shown: list[Event] = []
        found = has_raw = False
        for event in events:
            if isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta):
                flow = self._flow(event)
                text = flow.feed(event.delta)
                found = found or flow.masked
                if text is event.delta:
                    shown.append(self._identified(event))
                elif text:
                    shown.append(self._identified(replace(event, delta=text)))
            else:
                if isinstance(event, TextEnd | ReasoningEnd | ToolCallEnd):
                    last, masked = self._last(_key_of(event))
                    found = found or masked
                    shown += last
                has_raw = has_raw or isinstance(event, Raw)
                shown.append(self.value(event))
        if has_raw or self._raws:
            shown = self._with_raws(shown, found=found)
        self._holds = bool(self._raws) or any(flow.held for flow in self._flows.values())
        return shown

    def end(self) -> Sequence[Event]:
        """Return what is still held of blocks that did not end."""
        ends = [self._last(key) for key in [*self._flows]]
        last: list[Event] = [delta for deltas, _ in ends for delta in deltas]
        return self._with_raws(last, found=any(masked for _, masked in ends))

    def value(self, value: T) -> T:
        """Return any value of ours with every text in it masked; the same one, if none was."""
        if self._mask.is_empty:
            return value
        return cast("T", self._value(value))

    def text(self, text: str) -> str:
        """Return a text masked."""
        return self._mask.hide(text)

    def error(self, error: ByokdError) -> ByokdError:
        """Mask an error in place."""
        error.user_message = self.text(error.user_message)
        error.args = (error.user_message,)
        error.fields = self.value(error.fields)
        return error

    def _call_id(self, call_id: str) -> str:
        """Return the id that the client sees; the very same, where no secret is in it."""
        shown = self._call_ids.get(call_id)
        if shown is None:
            shown = call_id
            if self._mask.hide(call_id) != call_id:
                number, taken = len(self._call_ids), set(self._call_ids.values())
                stream_id = ""
                if self._params is not None:
                    stream_id = self._params.stream_id
                    parts = (part for each in self._params.messages for part in each.parts())
                    taken.update(part.call_id for part in parts if isinstance(part, ToolCallPart))
                shown = synthetic_id(f"{stream_id}\0masked", number, taken)
            self._call_ids[call_id] = shown
        return call_id if shown == call_id else shown

    def _identified(self, delta: _Delta) -> _Delta:
        """Return a delta whose call id can be shown."""
        if not isinstance(delta, ToolCallDelta):
            return delta
        call_id = self._call_id(delta.call_id)
        return delta if call_id is delta.call_id else replace(delta, call_id=call_id)

    def _is_free(self, events: Sequence[Event]) -> bool:
        """Tell that these are pieces of one block, and no secret in them; one look for them all."""
        texts: list[str] = []
        block = None
        for event in events:
            kind = type(event)  # several times as fast as asking for a union
            if kind is TextDelta or kind is ReasoningDelta:
                here = event.block_id  # type: ignore[union-attr]
            elif kind is ToolCallDelta:
                here = event.call_id  # type: ignore[union-attr]
            else:
                return False
            if block is None:
                block = kind, here
            elif block[1] != here or block[0] is not kind:
                return False
            texts.append(event.delta)  # type: ignore[union-attr]
        if block is not None and block[0] is ToolCallDelta and self._call_id(block[1]) != block[1]:
            return False
        return self._mask.is_free("".join(texts))

    def _flow(self, event: _Delta) -> Flow:
        key = _key_of(event)
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = Flow(self._mask)
        return flow

    def _last(self, key: _Key) -> tuple[list[_Delta], bool]:
        """Return what a block still holds, as its last delta, and whether a secret was in it."""
        flow = self._flows.pop(key, None)
        if flow is None:
            return [], False
        text = flow.end()
        return [self._identified(key[0](key[1], text))] if text else [], flow.masked

    def _with_raws(self, shown: list[Event], *, found: bool) -> list[Event]:
        """Let the raw chunks go or wait: they hold the same text as the deltas around them."""
        if found:
            chunks = [*self._raws, *(event for event in shown if isinstance(event, Raw))]
            rest = [event for event in shown if not isinstance(event, Raw)]
            self._raws = []
            return [*(Raw(MASK) for _ in chunks), *rest]
        if any(flow.held for flow in self._flows.values()):
            self._raws += [event for event in shown if isinstance(event, Raw)]
            return [event for event in shown if not isinstance(event, Raw)]
        waited, self._raws = self._raws, []
        return [*waited, *shown]

    def _value(self, value: object) -> object:
        match value:
            case str():
                return self._mask.hide(value)
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
        found = ((name, getattr(value, name)) for name in names if name not in _OUR_WORDS)
        masked = (
            (name, old, self._call_id(old) if name == "call_id" else self._value(old))
            for name, old in found
        )
        return {name: new for name, old, new in masked if new is not old}


_BLOCKS: Final[dict[type, type[_Delta]]] = {
    TextDelta: TextDelta,
    TextEnd: TextDelta,
    ReasoningDelta: ReasoningDelta,
    ReasoningEnd: ReasoningDelta,
    ToolCallDelta: ToolCallDelta,
    ToolCallEnd: ToolCallDelta,
}


def _key_of(event: _Delta | TextEnd | ReasoningEnd | ToolCallEnd) -> _Key:
    block = event.call_id if isinstance(event, ToolCallDelta | ToolCallEnd) else event.block_id
    return _BLOCKS[type(event)], block
