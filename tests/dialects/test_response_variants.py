"""Recorded answers in other shapes: other framing, other spellings, and misplaced values.

The content is the same, so the expectations of the recording hold. An answer in which values were
replaced by nonsense is an answer or a fault; it never raises.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import chunking
import replay
import response_variants
from byokd.dialects.base.call import Decoder, Reply
from byokd.dialects.registry import find_dialect
from dialects import records

_HERE = [recording for recording in replay.load() if not replay.not_applicable(recording)]
_PROVIDERS = sorted({recording.provider for recording in _HERE})
_CALL = records.call()
_QUICK, _LONG = 4, 400
_QUICK_MAX_BYTES, _LONG_MAX_BYTES = 6 * 1024, 1024 * 1024


def _decoder(recording: replay.Recording) -> Decoder:
    return find_dialect(replay.DIALECTS[recording.api]).decoder(_CALL, recording.head)


def _answers(
    provider: str, max_bytes: int = _LONG_MAX_BYTES
) -> Iterator[tuple[replay.Recording, response_variants.Answer]]:
    for recording in _HERE:
        if recording.provider != provider or len(recording.body) > max_bytes:
            continue
        if (answer := response_variants.parsed_answer(recording.body)) is not None:
            yield recording, answer


def _differences(recording: replay.Recording, reply: Reply) -> list[str]:
    return replay.differences(recording, replay.from_reply(reply))


def _in_pieces(body: bytes) -> list[list[bytes]]:
    sizes = (7, 1000) if len(body) < chunking.WHOLE_CUTS_MAX_BYTES else (1000,)
    return [[body], *([body[at : at + n] for at in range(0, len(body), n)] for n in sizes)]


@pytest.mark.parametrize("provider", _PROVIDERS)
def test_other_framing_gives_the_same_answer(provider: str) -> None:
    _check_framings(provider, _QUICK_MAX_BYTES)


@pytest.mark.long
@pytest.mark.parametrize("provider", _PROVIDERS)
def test_other_framing_of_any_size_gives_the_same_answer(provider: str) -> None:
    _check_framings(provider, _LONG_MAX_BYTES)


def _check_framings(provider: str, max_bytes: int) -> None:
    differing = []
    for recording, answer in _answers(provider, max_bytes):
        for name, body in response_variants.framings(answer):
            for pieces in _in_pieces(body):
                reply = chunking.run(_decoder(recording), pieces)[1]
                differing += [
                    f"{recording.id}, {name}: {entry}" for entry in _differences(recording, reply)
                ]
    assert not differing, "\n" + "\n".join(differing)


@pytest.mark.parametrize("provider", _PROVIDERS)
def test_other_spelling_gives_the_same_answer(provider: str) -> None:
    _check_spellings(provider, _QUICK_MAX_BYTES)


@pytest.mark.long
@pytest.mark.parametrize("provider", _PROVIDERS)
def test_other_spelling_of_any_size_gives_the_same_answer(provider: str) -> None:
    _check_spellings(provider, _LONG_MAX_BYTES)


def _check_spellings(provider: str, max_bytes: int) -> None:
    differing = []
    for recording, answer in _answers(provider, max_bytes):
        for name, changed in response_variants.shapes(answer):
            reply = chunking.run(_decoder(recording), [response_variants.written(changed)])[1]
            differences = _differences(recording, reply)
            if name.startswith("words"):
                differences = [entry for entry in differences if not entry.startswith("finish: ")]
            differing += [f"{recording.id}, {name}: {entry}" for entry in differences]
    assert not differing, "\n" + "\n".join(differing)


def _check_nonsense(provider: str, count: int) -> int:
    tried = 0
    for recording, answer in _answers(provider):
        for body in response_variants.spoiled(answer, recording.id, count):
            events, reply = chunking.run(_decoder(recording), [body])
            assert (reply.fault is None) == (reply.finish_reason is not None)
            replay.from_reply(reply)
            tried += len(events) >= 0
    return tried


@pytest.mark.parametrize("provider", _PROVIDERS)
def test_nonsense_ends_in_an_answer_or_a_fault(provider: str) -> None:
    assert _check_nonsense(provider, _QUICK)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("provider", _PROVIDERS)
def test_much_nonsense_ends_in_an_answer_or_a_fault(provider: str) -> None:
    print(f"{provider}: {_check_nonsense(provider, _LONG)} answers spoiled")
