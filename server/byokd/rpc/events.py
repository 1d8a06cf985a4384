"""Stream events as JSON, made for speed: deltas by template, everything else by their types.

Knows the wire form of an event and which of them may be merged. Must not know who sends them when.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from pydantic_core import to_json

from byokd.protocol.events import Event, ReasoningDelta, TextDelta, ToolCallDelta, write

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
    if isinstance(event, TextDelta | ReasoningDelta):
        return Written(
            (event.type, event.block_id), _head(event.type, "blockId", event.block_id), _text(event)
        )
    if isinstance(event, ToolCallDelta):
        return Written(
            (event.type, event.call_id), _head(event.type, "callId", event.call_id), _text(event)
        )
    return Written(None, write(event), b"")


def _text(event: TextDelta | ReasoningDelta | ToolCallDelta) -> bytes:
    try:
        return to_json(event.delta)[1:-1]
    except ValueError:  # half of a surrogate pair has no UTF-8 form
        return to_json(event.delta.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))[
            1:-1
        ]


@lru_cache(maxsize=256)  # a block's deltas share their head, and few blocks are open at once
def _head(kind: str, id_name: str, id_: str) -> bytes:
    return b'{"type":"%b","%b":%b,"delta":"' % (kind.encode(), id_name.encode(), to_json(id_))
