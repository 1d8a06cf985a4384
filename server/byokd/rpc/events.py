"""Encodes stream events as JSON: deltas by a template, for speed, other events by their types."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic_core import to_json

if TYPE_CHECKING:
    from byokd.protocol.events import Event

DELTA_END: Final = b'"}'
"""Ends a delta, after `Written.head` and any number of `Written.text`."""


class Written(NamedTuple):
    """One event as bytes.

    `key` is the type and the block of a delta, None for other events. A delta is `head`, `text` and
    `DELTA_END`; deltas with equal keys are merged by joining their texts, because escaped JSON text
    does not depend on its neighbours. Any other event is its `head` alone.
    """

    key: tuple[str, str] | None
    head: bytes
    text: bytes


def write_event(event: Event) -> Written:
    if event.type == "textDelta":
        return _delta(event.type, "blockId", event.block_id, event.delta)
    if event.type == "reasoningDelta":
        return _delta(event.type, "blockId", event.block_id, event.delta)
    if event.type == "toolCallDelta":
        return _delta(event.type, "callId", event.call_id, event.delta)
    from byokd.protocol.events import write  # the types are built by the first chat

    return Written(None, write(event), b"")


def _delta(kind: str, id_name: str, id_: str, text: str) -> Written:
    try:
        written = to_json(text)
    except ValueError:  # half of a surrogate pair has no UTF-8 form
        written = to_json(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return Written((kind, id_), _head(kind, id_name, id_), written[1:-1])


@lru_cache(maxsize=256)  # the deltas of a block share their head, and few blocks are open at once
def _head(kind: str, id_name: str, id_: str) -> bytes:
    return b'{"type":"%b","%b":%b,"delta":"' % (kind.encode(), id_name.encode(), to_json(id_))
