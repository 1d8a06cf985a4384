"""Feeds a body to a decoder in every way the network may cut it.

However a body is cut, the events and the reply must be the same. A body that is cut short ends in
a good reply only where the provider had stated the end of the answer.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterable, Iterator

from byokd.catalog.quirks.shared import Quirks
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call, Decoder, Reply
from byokd.protocol.events import Event, ReasoningDelta, TextDelta, ToolCallDelta

WHOLE_CUTS_MAX_BYTES = 16 * 1024
_SEEDED_CUTS = 256
_FED_AGAIN_MAX_BYTES = 64
_IMMUTABLE = (Call, HttpHead, Quirks)


def run(decoder: Decoder, pieces: Iterable[bytes]) -> tuple[list[Event], Reply]:
    """Feed pieces, close, and return all events (deltas merged) and the reply."""
    events: list[Event] = []
    for piece in pieces:
        events += decoder.feed(piece)
        if decoder.done:
            break
    last, reply = decoder.close()
    return merged(events + last), reply


def merged(events: list[Event]) -> list[Event]:
    """Join adjacent deltas of one block, as the outbox may do."""
    joined: list[Event] = []
    for event in events:
        last = joined[-1] if joined else None
        if isinstance(event, TextDelta) and isinstance(last, TextDelta):
            joined[-1] = TextDelta(event.block_id, last.delta + event.delta)
        elif isinstance(event, ReasoningDelta) and isinstance(last, ReasoningDelta):
            joined[-1] = ReasoningDelta(event.block_id, last.delta + event.delta)
        elif (
            isinstance(event, ToolCallDelta)
            and isinstance(last, ToolCallDelta)
            and last.call_id == event.call_id
        ):
            joined[-1] = ToolCallDelta(event.call_id, last.delta + event.delta)
        else:
            joined.append(event)
    return joined


def one_by_one(body: bytes) -> Iterator[bytes]:
    """Yield the body a byte at a time."""
    return (body[at : at + 1] for at in range(len(body)))


def in_sizes(body: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Yield the body in pieces of these sizes, and then the rest."""
    at = 0
    for size in sizes:
        yield body[at : at + size]
        at += size
    yield body[at:]


def cuts(body: bytes, seed: str, whole_max_bytes: int = WHOLE_CUTS_MAX_BYTES) -> list[int]:
    """Return the lengths at which a body is cut: all, or for a long one line edges and a sample."""
    if len(body) <= whole_max_bytes:
        return list(range(len(body)))
    at = body.find(b"\n")
    edges: set[int] = set()
    while at >= 0:
        edges |= {at - 2, at - 1, at, at + 1, at + 2}
        at = body.find(b"\n", at + 1)
    drawn = random.Random(seed)  # noqa: S311 - the same cuts every time
    edges |= {drawn.randrange(len(body)) for _ in range(_SEEDED_CUTS)}
    return sorted(cut for cut in edges if 0 <= cut < len(body))


class Snapshot:
    """A deep copy of a decoder that shares immutable values; cheaper than `copy.deepcopy`."""

    def __init__(self, decoder: Decoder) -> None:
        fields = vars(decoder)
        self._shared = {n: value for n, value in fields.items() if isinstance(value, _IMMUTABLE)}
        fields.update(dict.fromkeys(self._shared))
        try:
            self._data = pickle.dumps(decoder, pickle.HIGHEST_PROTOCOL)
        finally:
            fields.update(self._shared)

    def decoder(self) -> Decoder:
        """Return a new decoder with the state that was copied."""
        copied: Decoder = pickle.loads(self._data)  # noqa: S301
        vars(copied).update(self._shared)
        return copied


def short_replies(decoder: Decoder, body: bytes, lengths: list[int]) -> Iterator[tuple[int, Reply]]:
    """Yield, for each length, the reply to a body that ended there."""
    at, start = 0, Snapshot(decoder)
    for length in lengths:
        if length - at > _FED_AGAIN_MAX_BYTES:  # few bytes are fed faster than a decoder is copied
            decoder.feed(body[at:length])
            at, start = length, Snapshot(decoder)
        cut = start.decoder()
        cut.feed(body[at:length])
        yield length, cut.close()[1]
