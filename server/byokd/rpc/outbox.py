"""The only writer of stdout: what goes out, in which order, and who has to wait.

Knows frames, streams and bounds. Must not know methods, or how a descriptor is written to.

When nothing is under way, a message is written at once. While a write is under way, what arrives
waits and goes out together, adjacent deltas of one block as one. Answers and notifications go
before stream data, streams take turns, and the answer of a chat goes after its last event.
Nothing is ever dropped: who produces too much waits in `events()` or `answer()`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from pydantic_core import to_json

from byokd.core.limits import OUTBOX_MAX_BYTES, OUTBOX_STREAM_MAX_BYTES, OUTBOX_WRITE_BYTES
from byokd.protocol.errors import Conflict
from byokd.rpc.events import DELTA_END, Written, write_event
from byokd.rpc.framing import frame
from byokd.rpc.stdout import Listener, StdoutWriter

if TYPE_CHECKING:
    from byokd.protocol.events import Event

_EVENTS_END: Final = b"]}}"


class Outbox:
    """Orders what goes out.

    `held_bytes` counts what was accepted and is not yet written; it exceeds `OUTBOX_MAX_BYTES`
    only by messages sent with `send()`, whose causes the door stops reading when `full`.
    `peak_bytes` is the most that was ever held.
    """

    def __init__(
        self,
        open_pipe: Callable[[Listener], StdoutWriter],
        *,
        on_room: Callable[[], None] = lambda: None,
        on_broken: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_room = on_room
        self._on_broken = on_broken
        self._control: deque[bytes] = deque()
        self._streams: dict[str, _Stream] = {}
        self._ready: deque[_Stream] = deque()  # streams with something to write, in turns
        self._under_way: list[tuple[_Stream, int]] = []  # streams in the chunk being written
        self._chunk_bytes = 0  # size of that chunk; 0 when idle
        self._waiting: set[asyncio.Future[None]] = set()
        self._closed = False
        self.held_bytes = self.peak_bytes = 0
        self._pipe = open_pipe(self)

    @property
    def full(self) -> bool:
        """Whether causing more output should wait; `on_room` is called when that changes."""
        return self.held_bytes >= OUTBOX_MAX_BYTES and not self._closed

    def send(self, body: bytes) -> None:
        """Send a message that cannot wait. Returns at once."""
        if not self._closed:
            self._enqueue(frame(body))

    def open(self, stream_id: str) -> None:
        """Begin a stream at event 0.

        Raises:
            Conflict: a stream of this name is not over yet.
        """
        if stream_id in self._streams:
            raise Conflict("this streamId is in use; choose another")
        self._streams[stream_id] = _Stream(stream_id)

    async def events(self, stream_id: str, events: Iterable[Event]) -> None:
        """Send events of an open stream; wait while its unwritten bytes are over their bound."""
        stream = self._streams[stream_id]
        written = [write_event(event) for event in events]
        if self.held_bytes:
            await self._room(sum(len(one.head) + len(one.text) for one in written))
        if self._closed:
            return
        was_empty = not stream.batches
        before = stream.held_bytes
        for one in written:
            stream.add(one)
        self._hold(stream.held_bytes - before)
        if was_empty and stream.batches:
            self._ready.append(stream)
        self._pump()
        while stream.held_bytes > OUTBOX_STREAM_MAX_BYTES and not self._closed:
            await self._change()

    async def answer(self, body: bytes, stream_id: str | None = None) -> None:
        """Send an answer, after every event of the stream it ends; wait for room."""
        framed = frame(body)
        await self._room(len(framed))
        stream = self._streams.get(stream_id) if stream_id is not None else None
        if stream is not None and stream.batches:
            stream.end(framed)  # its name is free again when this has left
            self._hold(len(framed))
        elif not self._closed:
            if stream is not None:
                del self._streams[stream.id]
            self._enqueue(framed)

    async def flush(self) -> None:
        """Wait until everything is written, or the other end is gone."""
        while self.held_bytes and not self._closed:
            await self._change()

    def _hold(self, size: int) -> None:
        self.held_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)

    def close(self) -> None:
        """Write no more, and let everybody go who waits."""
        if not self._closed:
            self._closed = True
            self._pipe.close()
            self._control.clear()
            self._ready.clear()
            self.held_bytes = 0
            self._wake()

    # --- what the pipe tells ---

    def written(self) -> None:
        """The chunk under way is complete; the next one goes."""
        self._settle()
        self._pump()
        self._wake()

    def broken(self) -> None:
        """The client is gone."""
        self.close()
        self._on_broken()

    # --- inside ---

    def _enqueue(self, framed: bytes) -> None:
        self._control.append(framed)
        self._hold(len(framed))
        self._pump()

    def _pump(self) -> None:
        """Write chunk after chunk until the pipe is slow or nothing is left."""
        while (self._control or self._ready) and not self._chunk_bytes:
            chunk = self._next_chunk()
            self._chunk_bytes = len(chunk)
            try:
                if not self._pipe.write(chunk):
                    return
            except OSError:
                self.broken()
                return
            self._settle()

    def _next_chunk(self) -> bytes:
        frames: list[bytes] = []
        size = 0
        while self._control and size < OUTBOX_WRITE_BYTES:
            frames.append(self._control.popleft())
            size += len(frames[-1])
        while self._ready and size < OUTBOX_WRITE_BYTES:
            stream = self._ready.popleft()
            framed, accounted = stream.take()
            self._under_way.append((stream, accounted))
            self._hold(len(framed) - accounted)  # what framing adds is held as well
            frames.append(framed)
            size += len(framed)
            if stream.batches:
                self._ready.append(stream)
            elif stream.ended:
                del self._streams[stream.id]
        return frames[0] if len(frames) == 1 else b"".join(frames)

    def _settle(self) -> None:
        was_full = self.held_bytes >= OUTBOX_MAX_BYTES
        self.held_bytes -= self._chunk_bytes
        self._chunk_bytes = 0
        for stream, accounted in self._under_way:
            stream.held_bytes -= accounted
        self._under_way.clear()
        if was_full and not self.full:
            self._on_room()

    async def _room(self, size: int) -> None:
        """Wait until `size` more fits; a message over the bound goes when nothing else is held."""
        while self.held_bytes and self.held_bytes + size > OUTBOX_MAX_BYTES and not self._closed:
            await self._change()

    async def _change(self) -> None:
        """Wait until something was written."""
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(news)
        try:
            await news
        finally:
            self._waiting.discard(news)

    def _wake(self) -> None:
        for news in self._waiting:
            if not news.done():
                news.set_result(None)


class _Batch:
    """Events that will share one frame."""

    __slots__ = ("count", "open_key", "parts", "size")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.count = 0
        self.size = 0
        self.open_key: tuple[str, str] | None = None  # of a delta that can still grow


class _Stream:
    """The unwritten part of one chat."""

    __slots__ = ("_prefix", "_seq", "batches", "ended", "held_bytes", "id")

    def __init__(self, stream_id: str) -> None:
        self.id = stream_id
        self.ended = False
        self._prefix = (
            b'{"jsonrpc":"2.0","method":"chat/events","params":{"streamId":%b,"seq":'
            % to_json(stream_id)
        )
        self._seq = 0
        self.batches: deque[_Batch | bytes] = deque()  # bytes: the answer, framed
        self.held_bytes = 0

    def add(self, event: Written) -> None:
        """Add an event, merged into the last one where both are deltas of one block."""
        batch = self.batches[-1] if self.batches else None
        if not isinstance(batch, _Batch) or batch.size >= OUTBOX_WRITE_BYTES:
            batch = _Batch()
            self.batches.append(batch)
        size = batch.size
        if event.key is not None and event.key == batch.open_key:
            batch.parts.append(event.text)
            batch.size += len(event.text)
        else:
            _close(batch)
            if batch.count:
                batch.parts.append(b",")
                batch.size += 1
            batch.parts += (event.head, event.text)
            batch.size += len(event.head) + len(event.text)
            batch.count += 1
            batch.open_key = event.key
        self.held_bytes += batch.size - size

    def end(self, framed: bytes) -> None:
        """Put the answer behind the last event."""
        self.ended = True
        self.batches.append(framed)
        self.held_bytes += len(framed)

    def take(self) -> tuple[bytes, int]:
        """Return the next frame, and how many of the held bytes it stands for.

        Events are numbered here, as they leave, so that merging never makes a gap.
        """
        batch = self.batches.popleft()
        if isinstance(batch, bytes):
            return batch, len(batch)
        accounted = batch.size
        _close(batch)
        body = b'%b%d,"events":[%b%b' % (
            self._prefix,
            self._seq,
            b"".join(batch.parts),
            _EVENTS_END,
        )
        self._seq += batch.count
        return frame(body), accounted


def _close(batch: _Batch) -> None:
    if batch.open_key is not None:
        batch.parts.append(DELTA_END)
        batch.size += len(DELTA_END)
        batch.open_key = None
