"""Orders everything that is written to stdout, and bounds what waits to be written.

Answers and notifications go before stream data, streams take turns, and the answer of a chat goes
after its last event. Nothing is dropped: producers wait. Messages queued during a write are written
together, with adjacent deltas of one block merged.
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
from byokd.rpc.stdout import StdoutWriter, WriteListener

if TYPE_CHECKING:
    from byokd.protocol.events import Event

_EVENTS_END: Final = b"]}}"


class Outbox:
    """The queue of unwritten messages.

    Args:
        open_writer: returns the writer of stdout, given the listener for its outcomes.
        on_space: called when the outbox is no longer `full`.
        on_broken: called when the client closed its end.
    """

    def __init__(
        self,
        open_writer: Callable[[WriteListener], StdoutWriter],
        *,
        on_space: Callable[[], None] = lambda: None,
        on_broken: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_space = on_space
        self._on_broken = on_broken
        self._control: deque[bytes] = deque()
        self._streams: dict[str, _Stream] = {}
        self._ready: deque[_Stream] = deque()  # streams with unwritten data, in turns
        self._in_chunk: list[tuple[_Stream, int]] = []  # streams in the chunk being written
        self._chunk_bytes = 0  # size of that chunk; 0 if no write is running
        self._waiting: set[asyncio.Future[None]] = set()
        self._closed = False
        self.held_bytes = (
            0  # accepted and not written; `send` does not wait, so it may exceed the bound
        )
        self.peak_bytes = 0  # the largest value of held_bytes
        self._writer = open_writer(self)

    @property
    def full(self) -> bool:
        """Whether reading requests must pause until `on_space` is called."""
        return self.held_bytes >= OUTBOX_MAX_BYTES and not self._closed

    def send(self, body: bytes) -> None:
        """Queue a message without waiting for space."""
        if not self._closed:
            self._enqueue(frame(body))

    def open(self, stream_id: str) -> None:
        """Begin a stream at event 0. Raises `Conflict` if a stream with this id is not finished."""
        if stream_id in self._streams:
            raise Conflict("this streamId is in use; choose another")
        self._streams[stream_id] = _Stream(stream_id)

    async def events(self, stream_id: str, events: Iterable[Event]) -> None:
        """Queue events of an open stream; wait while its unwritten bytes exceed their limit."""
        stream = self._streams[stream_id]
        encoded = [write_event(event) for event in events]
        if self.held_bytes:
            await self._wait_for_space(sum(len(event.head) + len(event.text) for event in encoded))
        if self._closed:
            return
        was_empty = not stream.batches
        before = stream.held_bytes
        for event in encoded:
            stream.add(event)
        self._hold(stream.held_bytes - before)
        if was_empty and stream.batches:
            self._ready.append(stream)
        self._pump()
        while stream.held_bytes > OUTBOX_STREAM_MAX_BYTES and not self._closed:
            await self._wait_for_write()

    async def answer(self, body: bytes, stream_id: str | None = None) -> None:
        """Queue an answer, after the last event of the stream that it ends; wait for space."""
        framed = frame(body)
        await self._wait_for_space(len(framed))
        stream = self._streams.get(stream_id) if stream_id is not None else None
        if stream is not None and stream.batches:
            stream.end(framed)  # its id is free again when this is written
            self._hold(len(framed))
        elif not self._closed:
            if stream is not None:
                del self._streams[stream.id]
            self._enqueue(framed)

    async def flush(self) -> None:
        while self.held_bytes and not self._closed:
            await self._wait_for_write()

    def _hold(self, size: int) -> None:
        self.held_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)

    def close(self) -> None:
        """Drop what is unwritten and end all waits."""
        if not self._closed:
            self._closed = True
            self._writer.close()
            self._control.clear()
            self._ready.clear()
            self.held_bytes = 0
            self._wake()

    # --- called by the writer ---

    def written(self) -> None:
        self._settle()
        self._pump()
        self._wake()

    def broken(self) -> None:
        self.close()
        self._on_broken()

    # --- internal ---

    def _enqueue(self, framed: bytes) -> None:
        self._control.append(framed)
        self._hold(len(framed))
        self._pump()

    def _pump(self) -> None:
        """Write chunks until a write is pending or nothing is left."""
        while (self._control or self._ready) and not self._chunk_bytes:
            chunk = self._next_chunk()
            self._chunk_bytes = len(chunk)
            try:
                if not self._writer.write(chunk):
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
            self._in_chunk.append((stream, accounted))
            self._hold(len(framed) - accounted)  # the framing counts as well
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
        for stream, accounted in self._in_chunk:
            stream.held_bytes -= accounted
        self._in_chunk.clear()
        if was_full and not self.full:
            self._on_space()

    async def _wait_for_space(self, size: int) -> None:
        """Wait until `size` bytes fit; a message over the limit fits if nothing else is held."""
        while self.held_bytes and self.held_bytes + size > OUTBOX_MAX_BYTES and not self._closed:
            await self._wait_for_write()

    async def _wait_for_write(self) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(done)
        try:
            await done
        finally:
            self._waiting.discard(done)

    def _wake(self) -> None:
        for done in self._waiting:
            if not done.done():
                done.set_result(None)


class _Batch:
    __slots__ = ("count", "open_key", "parts", "size")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.count = 0
        self.size = 0
        self.open_key: tuple[str, str] | None = None  # of a delta that more text can be added to


class _Stream:
    """The unwritten events, and then the answer, of one chat."""

    __slots__ = ("_prefix", "_seq", "batches", "ended", "held_bytes", "id")

    def __init__(self, stream_id: str) -> None:
        self.id = stream_id
        self.ended = False
        self._prefix = (
            b'{"jsonrpc":"2.0","method":"chat/events","params":{"streamId":%b,"seq":'
            % to_json(stream_id)
        )
        self._seq = 0
        self.batches: deque[_Batch | bytes] = deque()  # bytes are the framed answer
        self.held_bytes = 0

    def add(self, event: Written) -> None:
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
        self.ended = True
        self.batches.append(framed)
        self.held_bytes += len(framed)

    def take(self) -> tuple[bytes, int]:
        """Return the next frame, and how many of the held bytes it accounts for."""
        batch = self.batches.popleft()
        if isinstance(batch, bytes):
            return batch, len(batch)
        accounted = batch.size
        # numbered here, not in add(), so that merged deltas leave no gap in `seq`
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
