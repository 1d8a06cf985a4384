"""Speech in OpenAI-style answers: its format by its first bytes, and its longest sound."""

from __future__ import annotations

from base64 import b64encode

import pytest

from byokd.core.limits import RESPONSE_BODY_MAX_BYTES
from byokd.dialects.openai_chat.speech import Speech
from byokd.protocol.errors import ProviderError

_FORMATS = [
    (b"RIFF\x04\0\0\0WAVE", "audio/wav"),
    (b"fLaC\0", "audio/flac"),
    (b"OggS\0", "audio/ogg"),
    (b"ID3\x04", "audio/mpeg"),
    (b"\xff\xfb\x90", "audio/mpeg"),
    (b"\0\x01\x02\x03", "audio/pcm"),
    (b"", "audio/pcm"),
]


@pytest.mark.parametrize(("sound", "media_type"), _FORMATS)
def test_format_of_speech_is_read_from_its_first_bytes(sound: bytes, media_type: str) -> None:
    speech = Speech()
    speech.add({"id": "a", "data": b64encode(sound).decode(), "transcript": "Hi"})
    part = speech.part()
    assert part is not None
    assert part.media_type == media_type
    assert part.data == b64encode(sound).decode()


def test_longest_speech_is_read_and_one_byte_more_is_refused() -> None:
    speech = Speech()
    half = b"a" * (RESPONSE_BODY_MAX_BYTES // 2)
    for _ in range(2):
        speech.add({"data": b64encode(half).decode()})
    part = speech.part()
    assert part is not None
    assert part.data == b64encode(half + half).decode()
    with pytest.raises(ProviderError, match="a speech of more than"):
        speech.add({"data": b64encode(b"a").decode()})
