"""Stream events as JSON, made for speed: deltas by template, everything else by their types.

Knows the wire form of an event and which of them may be merged. Must not know who sends them when.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic_core import to_json

if TYPE_CHECKING:
    from byokd.protocol.events import Event

DELTA_END: Final = b'"}'
"""Closes what `Written.head` and any number of `Written.text` opened."""


class Written(NamedTuple):
    """One event as bytes.

    `key` says what it can be merged with: the type and block of a delta, None for other events.
    A delta is `head`, `text` and `DELTA_END`; the texts of equal keys may simply follow each
    other, because escaped JSON text does not depend on what stands before it. Any other event is
    its `head` alone.
    """

    key: tuple[str, str] | None
    head: bytes
    text: bytes


def write_event(event: Event) -> Written:
    """Encode one event."""
    if event.type == "textDelta":
        return _delta(event.type, "blockId", event.block_id, event.delta)
    if event.type == "reasoningDelta":
        return _delta(event.type, "blockId", event.block_id, event.delta)
    if event.type == "toolCallDelta":
        return _delta(event.type, "callId", event.call_id, event.delta)
    from byokd.protocol.events import write  # built when the first chat needs it

    return Written(None, write(event), b"")


def _delta(kind: str, id_name: str, id_: str, text: str) -> Written:
    try:
        written = to_json(text)
    except ValueError:  # half of a surrogate pair has no UTF-8 form
        written = to_json(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return Written((kind, id_), _head(kind, id_name, id_), written[1:-1])


@lru_cache(maxsize=256)  # a block's deltas share their head, and few blocks are open at once
def _head(kind: str, id_name: str, id_: str) -> bytes:
    return b'{"type":"%b","%b":%b,"delta":"' % (kind.encode(), id_name.encode(), to_json(id_))
