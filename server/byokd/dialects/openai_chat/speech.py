"""Joins the speech in an OpenAI-style answer to one part.

A later request sends its id to the same model, and its transcript to any other.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final

from byokd.core.limits import RESPONSE_BODY_MAX_BYTES
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import ProviderError
from byokd.protocol.parts import FilePart

SPEECH: Final = "audio"
"""The field of `providerState` that holds the id and the transcript."""

_MAGIC: Final = (
    (b"RIFF", "audio/wav"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\xff", "audio/mpeg"),
)
_NO_HEADER: Final = "audio/pcm"
"""The format of streams: samples of 16 bits without a header (OpenAI's `pcm16`, recorded 2026)."""


def spoken(part: FilePart) -> dict[str, str]:
    """Return the id and transcript of a speech; empty for other files."""
    state = (part.provider_state or {}).get(SPEECH)
    fields = state if isinstance(state, dict) else {}
    return {name: value for name, value in fields.items() if isinstance(value, str)}


class Speech:
    __slots__ = ("_data", "_id", "_transcript")

    def __init__(self) -> None:
        self._id = ""
        self._transcript: list[str] = []
        self._data = bytearray()

    def add(self, piece: JsonObject) -> None:
        """Add a piece: an id, transcript, sound, or when the id expires.

        Raises:
            ProviderError: the sound is longer than `RESPONSE_BODY_MAX_BYTES`.
        """
        texts = {name: value for name, value in piece.items() if isinstance(value, str)}
        self._id = self._id or texts.get("id", "")
        self._transcript.append(texts.get("transcript", ""))
        try:
            self._data += b64decode(texts.get("data", ""))
        except ValueError:
            return
        if len(self._data) > RESPONSE_BODY_MAX_BYTES:
            raise ProviderError(
                f"the provider sent a speech of more than {RESPONSE_BODY_MAX_BYTES} bytes"
            )

    def part(self) -> FilePart | None:
        transcript = "".join(self._transcript)
        if not (self._data or transcript):
            return None
        state: JsonObject = {SPEECH: {"id": self._id, "transcript": transcript}}
        sound = bytes(self._data)
        kind = next((kind for magic, kind in _MAGIC if sound.startswith(magic)), _NO_HEADER)
        return FilePart(media_type=kind, data=b64encode(sound).decode(), provider_state=state)
