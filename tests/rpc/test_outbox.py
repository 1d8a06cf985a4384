"""The outbox: the order of its output, and which producers wait, over scripted and real pipes."""

from __future__ import annotations

import asyncio
import json
import os
import random
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings, strategies as st

from byokd.core.limits import OUTBOX_MAX_BYTES, OUTBOX_STREAM_MAX_BYTES, OUTBOX_WRITE_BYTES
from byokd.protocol.errors import Conflict
from byokd.protocol.events import (
    ChatEvents,
    Citation,
    Event,
    Finish,
    FinishReason,
    Raw,
    ReasoningDelta,
    ReasoningEnd,
    Retry,
    Start,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallEnd,
    UsageSnapshot,
    Warn,
)
from byokd.protocol.parts import Source, Span
from byokd.protocol.usage import Cost, Usage
from byokd.rpc import codec
from byokd.rpc.events import DELTA_END, write_event
from byokd.rpc.framing import FrameReader
from byokd.rpc.outbox import Outbox
from byokd.rpc.stdout import WriteListener, open_stdout
from waits import WAIT_MAX_S

ANSWER = codec.response(1, None)


class SlowPipe:
    """A writer that completes a write when the test calls `written`."""

    def __init__(self, listener: WriteListener) -> None:
        self.listener = listener
        self.chunks: list[bytes] = []
        self.open = False  # writes complete at once
        self.closed = False

    def write(self, data: bytes) -> bool:
        self.chunks.append(data)
        return self.open

    def close(self) -> None:
        self.closed = True

    def drain(self) -> None:
        """Complete writes until nothing is left."""
        self.open = True
        self.listener.written()


def slow() -> tuple[Outbox, SlowPipe]:
    """Return an outbox whose first write is not complete."""
    pipes: list[SlowPipe] = []

    def open_slow(listener: WriteListener) -> SlowPipe:
        pipes.append(SlowPipe(listener))
        return pipes[0]

    outbox = Outbox(open_slow)
    outbox.send(b'"first"')
    return outbox, pipes[0]


def messages(data: bytes) -> list[Any]:
    """Return the messages in frames."""
    reader, parsed = FrameReader(), []
    reader.feed(data)
    while (body := reader.next()) is not None:
        assert isinstance(body, bytes)
        parsed.append(json.loads(body))
    return parsed


def text_of(received: list[Any], stream_id: str) -> str:
    """Join the deltas of a stream, and check that its events are numbered without a gap."""
    seq, text = 0, ""
    for message in received:
        params = message.get("params", {}) if isinstance(message, dict) else {}
        if params.get("streamId") == stream_id:
            assert params["seq"] == seq
            seq += len(params["events"])
            text += "".join(event.get("delta", "") for event in params["events"])
    return text


EVENTS: tuple[Event, ...] = (
    Start("p", "m", None, (Warn(type="dropped", message="x"),)),
    TextStart("b"),
    TextDelta("b", 'quo"te \\ \n \u2028 😀 é \x00'),
    TextEnd("b", {"some_thing": 1}),
    ReasoningDelta("r", "hm"),
    ReasoningEnd("r", "summary"),
    ToolCallDelta("c", '{"a":'),
    ToolCallEnd("c", "f", {"snake_case": [1, None]}),
    Citation(Source(url="u"), Span(start=0, end=1)),
    UsageSnapshot(Usage(input_fresh=3)),
    Retry(1, "rateLimited", 20),
    Raw({"any_thing": "é"}),
    Finish(FinishReason(unified="stop"), None, Cost()),
)


def test_events_are_encoded_by_the_contract() -> None:
    assert {type(event) for event in EVENTS} >= set(get_args(Event)) - {
        kind for kind in get_args(Event) if kind.__name__ in {"ReasoningStart", "ToolCallStart"}
    }
    encoded = [write_event(event) for event in EVENTS]
    bodies = [event.head + event.text + (DELTA_END if event.key else b"") for event in encoded]
    body = b'{"streamId":"s","seq":0,"events":[%b]}' % b",".join(bodies)
    parsed = ChatEvents.model_validate_json(body, by_alias=True, by_name=False)
    assert parsed.events == EVENTS


def test_half_of_a_surrogate_pair_is_replaced() -> None:
    event = write_event(TextDelta("b", "a\ud83d"))
    assert json.loads(b'"%b"' % event.text) == "a\ufffd"


@pytest.mark.anyio
async def test_idle_outbox_writes_a_message_at_once() -> None:
    outbox, pipe = slow()
    pipe.drain()
    outbox.open("s")
    await outbox.events("s", [TextDelta("b", "x")])
    outbox.send(ANSWER)
    assert len(pipe.chunks) == 3
    assert outbox.held_bytes == 0


@pytest.mark.anyio
async def test_waiting_messages_are_merged_into_one_write() -> None:
    outbox, pipe = slow()
    outbox.open("s")
    events: list[Event] = [
        TextStart("b"),
        TextDelta("b", "1"),
        TextDelta("b", "2"),
        TextDelta("c", "3"),
        ReasoningDelta("c", "4"),
        ReasoningDelta("c", "5"),
        TextDelta("b", "6"),
        TextDelta("b", ""),
        TextEnd("b"),
        TextDelta("b", "7"),
    ]
    for event in events:
        await outbox.events("s", [event])
    outbox.send(ANSWER)
    pipe.drain()
    assert len(pipe.chunks) == 2
    answer, batch = messages(pipe.chunks[1])
    assert answer == json.loads(ANSWER)
    assert batch["params"]["seq"] == 0
    assert [(e["type"], e.get("delta")) for e in batch["params"]["events"]] == [
        ("textStart", None),
        ("textDelta", "12"),
        ("textDelta", "3"),
        ("reasoningDelta", "45"),
        ("textDelta", "6"),
        ("textEnd", None),
        ("textDelta", "7"),
    ]
    await outbox.events("s", [TextDelta("b", "8")])
    assert messages(pipe.chunks[-1])[0]["params"]["seq"] == 7


@pytest.mark.anyio
async def test_chat_answer_follows_its_last_event_and_other_answers_come_first() -> None:
    outbox, pipe = slow()
    outbox.open("s")
    await outbox.events("s", [TextDelta("b", "x")])
    await outbox.answer(ANSWER, "s")
    await outbox.answer(codec.response(2, None))
    pipe.drain()
    received = messages(b"".join(pipe.chunks))
    assert [m.get("id", m.get("method")) for m in received[1:]] == [2, "chat/events", 1]


@pytest.mark.anyio
async def test_stream_id_is_free_when_its_answer_is_written() -> None:
    outbox, pipe = slow()
    outbox.open("s")
    with pytest.raises(Conflict):
        outbox.open("s")
    await outbox.events("s", [TextDelta("b", "x")])
    await outbox.answer(ANSWER, "s")
    with pytest.raises(Conflict):
        outbox.open("s")
    pipe.drain()
    outbox.open("s")
    await outbox.answer(ANSWER, "s")
    outbox.open("s")


@pytest.mark.anyio
async def test_streams_take_turns() -> None:
    outbox, pipe = slow()
    size = OUTBOX_WRITE_BYTES
    for name in "abc":
        outbox.open(name)
        await outbox.events(name, [TextDelta("b", name * size), TextDelta("b", "!")])
    pipe.drain()
    order = [m["params"]["streamId"] for m in messages(b"".join(pipe.chunks))[1:]]
    assert order == ["a", "b", "c", "a", "b", "c"]
    assert all(len(chunk) < 2 * OUTBOX_WRITE_BYTES for chunk in pipe.chunks)


async def waits(work: Any) -> asyncio.Task[Any] | None:
    """Start a coroutine; return its task if it has to wait."""
    task = asyncio.ensure_future(work)
    for _ in range(3):
        await asyncio.sleep(0)
    return None if task.done() else task


@pytest.mark.anyio
@pytest.mark.parametrize(("extra", "has_to_wait"), [(0, False), (1, True)])
async def test_stream_over_its_limit_waits(*, extra: int, has_to_wait: bool) -> None:
    outbox, pipe = slow()
    outbox.open("s")
    outbox.open("t")
    head = len(write_event(TextDelta("b", "")).head)
    text = "x" * (OUTBOX_STREAM_MAX_BYTES - head + extra)
    task = await waits(outbox.events("s", [TextDelta("b", text)]))
    assert (task is not None) == has_to_wait
    assert await waits(outbox.events("t", [TextDelta("b", "x")])) is None
    pipe.drain()
    if task is not None:
        await task


@pytest.mark.anyio
@pytest.mark.parametrize(("extra", "has_to_wait"), [(0, False), (1, True)])
async def test_answer_waits_while_the_outbox_is_full(*, extra: int, has_to_wait: bool) -> None:
    outbox, pipe = slow()
    framed = len(b"Content-Length: 33000000\r\n\r\n")
    body = bytes(OUTBOX_MAX_BYTES - outbox.held_bytes - framed + extra)
    task = await waits(outbox.answer(body))
    assert (task is not None) == has_to_wait
    assert outbox.full != has_to_wait
    assert outbox.held_bytes <= OUTBOX_MAX_BYTES
    pipe.drain()
    if task is not None:
        await task
    assert outbox.held_bytes == 0


@pytest.mark.anyio
async def test_message_over_the_limit_is_written_alone() -> None:
    outbox, pipe = slow()
    task = await waits(outbox.answer(bytes(OUTBOX_MAX_BYTES + 1)))
    assert task is not None
    pipe.drain()
    await task
    assert len(pipe.chunks[-1]) > OUTBOX_MAX_BYTES


@pytest.mark.anyio
async def test_on_space_is_called_when_the_outbox_is_no_longer_full() -> None:
    full: list[bool] = []
    pipes: list[SlowPipe] = []

    def open_slow(listener: WriteListener) -> SlowPipe:
        pipes.append(SlowPipe(listener))
        return pipes[0]

    outbox = Outbox(open_slow, on_space=lambda: full.append(outbox.full))
    outbox.send(b'"first"')
    outbox.send(bytes(OUTBOX_MAX_BYTES))
    assert outbox.full
    pipes[0].drain()
    assert full == [False]


@pytest.mark.anyio
async def test_closed_client_ends_all_waits() -> None:
    broken: list[bool] = []
    read_fd, write_fd = os.pipe()
    outbox = Outbox(partial(open_stdout, write_fd), on_broken=lambda: broken.append(True))
    outbox.open("s")
    task = await waits(outbox.events("s", [TextDelta("b", "x" * 1_000_000)]))
    assert task is not None
    os.close(read_fd)
    async with asyncio.timeout(WAIT_MAX_S):
        await task
        await outbox.flush()
    await outbox.events("s", [TextDelta("b", "x")])
    await outbox.answer(ANSWER, "s")
    outbox.send(ANSWER)
    assert broken == [True]
    os.close(write_fd)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_no_event_is_lost_or_reordered(seed: int) -> None:
    asyncio.run(_shuffle(random.Random(seed)))  # noqa: S311 - no secret is drawn


async def _shuffle(rng: random.Random) -> None:
    outbox, pipe = slow()
    names = ["a", "b", "c"]
    sent = dict.fromkeys(names, "")

    async def stream(name: str) -> None:
        outbox.open(name)
        for n in range(30):
            text = f"{n}," * rng.choice([1, 1, 5, 2000])
            sent[name] += text
            await outbox.events(name, [TextDelta(rng.choice("xy"), text)])
            if rng.random() < 0.3:
                await asyncio.sleep(0)
        await outbox.answer(codec.response(name, None), name)

    async def read() -> None:
        while True:
            await asyncio.sleep(0)
            if pipe.chunks and rng.random() < 0.5:
                pipe.listener.written()

    reader = asyncio.create_task(read())
    await asyncio.gather(*map(stream, names))
    await outbox.flush()
    reader.cancel()
    received = messages(b"".join(pipe.chunks))
    for name in names:
        assert text_of(received, name) == sent[name]
        of_stream = [m for m in received if isinstance(m, dict) and _belongs(m, name)]
        assert of_stream[-1] == {"jsonrpc": "2.0", "id": name, "result": None}


def _belongs(message: dict[str, Any], name: str) -> bool:
    stream_id = message.get("params", {}).get("streamId")
    return name in (message.get("id"), stream_id)


@pytest.mark.anyio
async def test_file_is_written_by_a_thread(tmp_path: Path) -> None:
    path = tmp_path / "out"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    outbox = Outbox(partial(open_stdout, fd))
    outbox.open("s")
    for n in range(100):
        await outbox.events("s", [TextDelta("b", f"{n},")])
    await outbox.answer(ANSWER, "s")
    await outbox.flush()
    outbox.close()
    received = messages(path.read_bytes())
    assert text_of(received, "s") == "".join(f"{n}," for n in range(100))
    os.close(fd)


# --- a client that stops reading, over a real pipe -----------------------------------------------

STREAMS, PINGS = 32, 20
LINE = "a line of text, with é\n" * 20


class Producers:
    """Streams that produce as fast as they can, and a ping that shows that the loop runs."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.sent = [0] * STREAMS
        self.held_max_bytes = 0
        self.pings = 0
        self.over = False
        self._loop = asyncio.get_running_loop()
        self.tasks = [asyncio.create_task(self._produce(n)) for n in range(STREAMS)]
        self._ping()

    async def _produce(self, n: int) -> None:
        self.outbox.open(f"s{n}")
        while not self.over:
            self.sent[n] += 1
            await self.outbox.events(f"s{n}", [TextDelta("b", f"{self.sent[n]} {LINE}")])
            self.held_max_bytes = max(self.held_max_bytes, self.outbox.held_bytes)
            await asyncio.sleep(0)
        await self.outbox.answer(codec.response(n, None), f"s{n}")

    def _ping(self) -> None:
        self.pings += 1
        if not self.over:
            self._loop.call_later(0.005, self._ping)

    async def pinged(self, count: int) -> None:
        """Wait for more pings, while the client reads nothing."""
        end = self.pings + count
        async with asyncio.timeout(WAIT_MAX_S):
            while self.pings < end:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0)

    async def all_waiting(self) -> None:
        """Wait until every stream waits for space."""
        async with asyncio.timeout(WAIT_MAX_S):
            while len(self.outbox._waiting) < STREAMS:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0)


@pytest.mark.anyio
async def test_client_that_stops_reading_blocks_only_its_streams() -> None:
    read_fd, write_fd = os.pipe()
    os.set_blocking(read_fd, False)
    outbox = Outbox(partial(open_stdout, write_fd))
    producers = Producers(outbox)
    await producers.all_waiting()
    sent = list(producers.sent)
    await producers.pinged(PINGS)  # the loop is not blocked
    assert producers.sent == sent  # the producers are blocked, and none was cancelled
    assert not any(task.done() for task in producers.tasks)

    chunks: list[bytes] = []
    loop = asyncio.get_running_loop()
    outbox.send(codec.response("ping", None))
    producers.over = True
    loop.add_reader(read_fd, lambda: chunks.append(os.read(read_fd, 1 << 20)))
    async with asyncio.timeout(WAIT_MAX_S):
        await asyncio.gather(*producers.tasks)
        await outbox.flush()
    loop.remove_reader(read_fd)
    outbox.close()
    os.close(write_fd)
    os.set_blocking(read_fd, True)
    while data := os.read(read_fd, 1 << 20):
        chunks.append(data)
    os.close(read_fd)
    received = messages(b"".join(chunks))
    for n in range(STREAMS):
        text = "".join(f"{k + 1} {LINE}" for k in range(producers.sent[n]))
        assert text_of(received, f"s{n}") == text
        assert sum(message.get("id") == n for message in received) == 1
    assert producers.held_max_bytes <= OUTBOX_MAX_BYTES
