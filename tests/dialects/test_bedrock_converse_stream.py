"""What only the Converse decoder reads: damaged frames, padding, exceptions; and recordings."""

from __future__ import annotations

from typing import Any

import pytest

import chunking
import replay
from byokd.core.limits import JSON_MAX_DEPTH
from byokd.dialects.bedrock_converse import decoder
from byokd.protocol.events import Raw, TextDelta
from dialects import converse
from dialects.answers import FORMATS
from dialects.frames import event, frame_ends, stream

_OK = FORMATS["bedrock_converse"].head
_STOP = ("messageStop", {"stopReason": "end_turn"})


def _delta(index: int, **delta: Any) -> tuple[str, Any]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}


def test_damaged_frame_ends_the_answer_and_keeps_its_text() -> None:
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


def test_answer_is_ending_after_the_stop_and_after_an_exception() -> None:
    for end in (_STOP, ("throttlingException", {"message": "slow"})):
        machine = decoder(converse.call(), _OK)
        assert not machine.ending
        machine.feed(stream([end]))
        assert machine.ending
        assert not machine.done


# --- recordings -----------------------------------------------------------------------------------

_RECORDED = [entry for entry in replay.load() if entry.api == "bedrock-converse"]


@pytest.mark.parametrize("recording", _RECORDED, ids=lambda recording: recording.name)
def test_recording_cut_at_its_frames_is_whole_after_the_stop(
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
