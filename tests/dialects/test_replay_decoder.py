"""Every recorded answer that a dialect reads, through its decoder alone and however it is cut.

One record without quirks reads them all: decoding needs no quirk.
"""

from __future__ import annotations

import json
import re

import pytest

import chunking
import replay
from byokd.dialects.base.call import Decoder
from byokd.dialects.registry import find_dialect
from dialects import records
from dialects.frames import frame_ends

_ALL = replay.load()
_HERE = [recording for recording in _ALL if not replay.not_applicable(recording)]
_QUICK_MAX_BYTES = 2048
_GROUPS = sorted({recording.provider for recording in _HERE})
_CALL = records.call()
_END = re.compile(
    rb'"(?:finish_reason|finishReason|stop_reason|blockReason)": ?"[A-Za-z_]+".*\}\r?$|\[DONE\]'
    rb'|"type": ?"response\.(?:completed|incomplete)".*\}\r?$'
    rb'|"done": ?true.*\}\r?$',
    re.MULTILINE,
)
_STOP = re.compile(
    rb'^data: .*"(?:message_stop|response\.completed|response\.incomplete)".*\}\r?\n\r?\n',
    re.MULTILINE,
)


def _decoder(recording: replay.Recording) -> Decoder:
    return find_dialect(replay.DIALECTS[recording.api]).decoder(_CALL, recording.head)


def test_recordings_are_loaded() -> None:
    if not _ALL:
        print(replay.absent())
        pytest.skip(replay.absent())
    skipped = [recording for recording in _ALL if replay.not_applicable(recording)]
    for recording in skipped:
        print(f"not replayed here: {recording.id}: {replay.not_applicable(recording)}")
    print(f"{len(_HERE)} replayed, {len(skipped)} for other dialects, {len(_ALL)} in all")
    assert _HERE


@pytest.mark.parametrize("recording", _HERE, ids=lambda recording: recording.id)
def test_recording_agrees_however_it_is_cut(recording: replay.Recording) -> None:
    body = recording.body
    whole = chunking.run(_decoder(recording), [body])
    assert replay.differences(recording, replay.from_reply(whole[1])) == []
    for pieces in (chunking.one_by_one(body), chunking.in_sizes(body, recording.chunk_sizes)):
        assert chunking.run(_decoder(recording), pieces) == whole


@pytest.mark.parametrize("provider", _GROUPS)
def test_recording_cut_short_is_never_whole(provider: str) -> None:
    _cut_short(provider, _QUICK_MAX_BYTES)


@pytest.mark.long
@pytest.mark.parametrize("provider", _GROUPS)
def test_recording_cut_short_at_every_byte_is_never_whole(provider: str) -> None:
    _cut_short(provider, chunking.WHOLE_CUTS_MAX_BYTES)


def _cut_short(provider: str, whole_max_bytes: int) -> None:
    for recording in (entry for entry in _HERE if entry.provider == provider):
        body = recording.body
        lengths = chunking.cuts(body, recording.id, whole_max_bytes)
        for length, reply in chunking.short_replies(_decoder(recording), body, lengths):
            assert (reply.fault is None) == (reply.finish_reason is not None)
            assert reply.fault is not None or _ended(body[:length]), (recording.id, length)


def _ended(body: bytes) -> bool:
    """Tell, without a decoder, whether a body states its end."""
    if body.startswith(b"\0"):
        return b"messageStop" in body and len(body) in frame_ends(body)
    try:
        json.loads(body)
    except ValueError:
        if _STOP.search(body):
            return True  # nothing after it is read
        last = body.rstrip().splitlines()[-1]
        complete = last.endswith((b"}", b"[DONE]")) or last.startswith(b":")
        return complete and _END.search(body) is not None
    return True
