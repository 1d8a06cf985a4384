"""Every vector of the Converse format, whichever way the network cuts it; bounds and recordings.

A vector names its frames as `[event, payload]` (or holds a whole `body`, or bytes as `hex`), and
expects `events` (adjacent deltas merged), `reply`, and `wholeFrom`: how many frames (of a body:
bytes) must have come before it may be taken for a whole answer, null for never.
"""

from __future__ import annotations

import json
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

import chunking
import replay
from byokd.core.http import Headers, HttpHead
from byokd.core.limits import (
    BLOCKS_MAX,
    ERROR_BODY_MAX_BYTES,
    EVENTSTREAM_PAYLOAD_MAX_BYTES,
    JSON_MAX_DEPTH,
    RESPONSE_BODY_MAX_BYTES,
    TOOL_CALLS_MAX,
)
from byokd.dialects.base.call import Decoder, Reply
from byokd.dialects.bedrock_converse import decoder
from byokd.protocol.events import Event, Raw, TextDelta
from dialects import converse, vectors
from dialects.frames import event, frame_ends, prelude, stream

_OK = HttpHead(200, Headers([("content-type", "application/vnd.amazon.eventstream")]))
_FOLDER = vectors.FOLDER / "bedrock_converse"
_PATHS = sorted(_FOLDER.glob("*.json"))


class Vector:
    """One body, what is given with it, and what is expected of it."""

    def __init__(self, path: Path) -> None:
        self.read: dict[str, Any] = json.loads(path.read_text("utf-8"))
        self.name = path.stem
        frames = [stream([(name, payload)]) for name, payload in self.read.get("frames", ())]
        self.ends = [0, *accumulate(map(len, frames))]
        if "hex" in self.read:
            frames = [bytes.fromhex(self.read["hex"])]
        elif "body" in self.read:
            frames = [self.read["body"].encode()]
        self.body = b"".join(frames)

    def decoder(self) -> Decoder:
        headers = Headers(self.read.get("headers", {}).items())
        head = HttpHead(self.read.get("status", 200), headers)
        return decoder(converse.call(self.read.get("params")), head)

    @property
    def whole_from(self) -> int | None:
        """The shortest length of a body that is whole."""
        told: int | None = self.read["wholeFrom"]
        framed = told is not None and "frames" in self.read
        return self.ends[told] if framed and told is not None else told


_VECTORS = [Vector(path) for path in _PATHS]


def test_there_are_vectors() -> None:
    assert len(_VECTORS) > 20


@pytest.mark.parametrize("vector", _VECTORS, ids=lambda vector: vector.name)
def test_vector(vector: Vector) -> None:
    body = vector.body
    events, reply = chunking.run(vector.decoder(), [body])
    expected = {"events": vector.read["events"], "reply": vector.read["reply"]}
    assert vectors.plain(events, reply) == expected
    assert chunking.run(vector.decoder(), chunking.one_by_one(body)) == (events, reply)
    for at in range(7, len(body), 7):
        assert chunking.run(vector.decoder(), (body[:at], body[at:])) == (events, reply)


@pytest.mark.parametrize("vector", _VECTORS, ids=lambda vector: vector.name)
def test_a_cut_vector_is_whole_only_where_it_says_so(vector: Vector) -> None:
    lengths = list(range(len(vector.body) + 1))
    short = dict(chunking.short_replies(vector.decoder(), vector.body, lengths))
    assert all((short[n].fault is None) == (short[n].finish_reason is not None) for n in lengths)
    whole = [n for n in lengths if short[n].fault is None]
    assert next(iter(whole), None) == vector.whole_from
    if "frames" in vector.read:
        assert set(whole) <= set(vector.ends)


# --- bounds and damage ----------------------------------------------------------------------------

_STOP = ("messageStop", {"stopReason": "end_turn"})


def _delta(index: int, **delta: Any) -> tuple[str, Any]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}


def _tool(index: int) -> tuple[str, Any]:
    tool = {"toolUseId": f"t{index}", "name": "f"}
    return "contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": tool}}


def _run(body: bytes) -> tuple[list[Event], Reply]:
    return chunking.run(decoder(converse.call(), _OK), [body])


@pytest.mark.parametrize(("name", "most"), [("tool calls", TOOL_CALLS_MAX), ("blocks", BLOCKS_MAX)])
def test_bound_of_blocks(name: str, most: int) -> None:
    def made(count: int) -> bytes:
        if name == "tool calls":
            return stream([*map(_tool, range(count)), _STOP])
        return stream([*(_delta(n, citation={"title": "t"}) for n in range(count)), _STOP])

    assert _run(made(most))[1].fault is None
    machine = decoder(converse.call(), _OK)
    machine.feed(made(most + 1))
    assert machine.done
    fault = machine.close()[1].fault
    assert fault is not None
    assert fault.kind == "providerError"


def test_bound_of_a_frame() -> None:
    machine = decoder(converse.call(), _OK)
    machine.feed(prelude(EVENTSTREAM_PAYLOAD_MAX_BYTES + 17, 0))
    assert machine.done
    fault = machine.close()[1].fault
    assert fault is not None
    assert (fault.kind, fault.retryable) == ("providerError", False)


def test_bound_of_a_whole_body() -> None:
    body = b'{"output":{"message":{"content":[{"text":"a"}]}},"stopReason":"end_turn"}'
    for size, whole in ((RESPONSE_BODY_MAX_BYTES, True), (RESPONSE_BODY_MAX_BYTES + 1, False)):
        machine = decoder(converse.call(), HttpHead(200))
        machine.feed(body)
        machine.feed(b" " * (size - len(body)))
        assert (machine.close()[1].fault is None) == whole


def test_only_the_beginning_of_an_error_body_is_kept() -> None:
    machine = decoder(converse.call(), HttpHead(500))
    machine.feed(b'{"message":"' + b"a" * ERROR_BODY_MAX_BYTES * 2)
    machine.feed(b'"}')
    fault = machine.close()[1].fault
    assert fault is not None
    assert fault.http_status == 500


@pytest.mark.parametrize(("depth", "reads"), [(JSON_MAX_DEPTH, True), (JSON_MAX_DEPTH + 1, False)])
def test_bound_of_nesting(depth: int, reads: bool) -> None:  # noqa: FBT001 - a row of the table
    arguments = "[" * depth + "]" * depth
    _, reply = _run(stream([_tool(0), _delta(0, toolUse={"input": arguments}), _STOP]))
    call = reply.message.parts()[0]
    assert call.type == "toolCall"
    assert (call.parse_error is None) == reads


def test_damage_ends_the_answer_and_keeps_what_came() -> None:
    good = stream([_delta(0, text="a")])
    bad = bytearray(stream([_delta(0, text="b"), _STOP]))
    bad[-30] ^= 1
    for pieces in ([good + bytes(bad)], chunking.one_by_one(good + bytes(bad))):
        events, reply = chunking.run(decoder(converse.call(), _OK), pieces)
        assert [event.delta for event in events if isinstance(event, TextDelta)] == ["ab"]
        assert reply.fault is not None
        assert (reply.fault.kind, reply.fault.retryable) == ("streamInterrupted", True)


def test_raw_chunks_are_named_and_without_padding() -> None:
    body = stream([("contentBlockDelta", {"delta": {"text": "a"}, "p": "abc"}), _STOP])
    machine = decoder(converse.call({"includeRaw": True}), _OK)
    events = machine.feed(body)
    assert events[0] == Raw({"contentBlockDelta": {"delta": {"text": "a"}}})
    deep = event("x", b'{"a":' + b"[" * JSON_MAX_DEPTH + b"]" * JSON_MAX_DEPTH + b"}")
    assert machine.feed(deep) == [Raw(None)]


def test_the_end_is_near_after_the_stop_and_after_an_exception() -> None:
    for said in (_STOP, ("throttlingException", {"message": "slow"})):
        machine = decoder(converse.call(), _OK)
        assert not machine.ending
        machine.feed(stream([said]))
        assert machine.ending
        assert not machine.done


# --- recordings -----------------------------------------------------------------------------------

_RECORDED = [one for one in replay.load() if one.api == "bedrock-converse"]


@pytest.mark.parametrize("recording", _RECORDED, ids=lambda recording: recording.name)
def test_a_recording_cut_at_its_frames_is_whole_after_the_stop(
    recording: replay.Recording,
) -> None:
    body = recording.body
    ends = frame_ends(body) if body.startswith(b"\0") else set()
    stopped = body.find(b"messageStop")
    lengths = {end + by for end in ends for by in (-2, -1, 0, 1, 2)}
    within = sorted(length for length in lengths if length <= len(body))
    start = decoder(converse.call(), recording.head)
    for length, reply in chunking.short_replies(start, body, within):
        assert (reply.fault is None) == (reply.finish_reason is not None)
        assert (reply.fault is None) == (length in ends and length > stopped > 0)
