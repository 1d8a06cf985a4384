"""Gathers the speech in an OpenAI-style answer, which comes in pieces, into one part of it.

Knows what a piece holds and how sound files begin. Must not know how an answer ends. What was said
is kept in words too: the speech goes back by its id, to the model that spoke, and the words to any.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final

from byokd.core.limits import RESPONSE_BODY_MAX_BYTES
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import ProviderError
from byokd.protocol.parts import FilePart

SPEECH: Final = "audio"
"""Under which an id and the words stand in the opaque state of the part."""

_BEGINNINGS: Final = (
    (b"RIFF", "audio/wav"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\xff", "audio/mpeg"),
)
_BARE: Final = "audio/pcm"
"""What streams hold: samples of 16 bits without a header (OpenAI's `pcm16`, recorded 2026)."""


def spoken(part: FilePart) -> dict[str, str]:
    """Return the id and the words of a speech; nothing where a file is none."""
    told = (part.provider_state or {}).get(SPEECH)
    found = told if isinstance(told, dict) else {}
    return {name: said for name, said in found.items() if isinstance(said, str)}


class Speech:
    """The speech of one answer, as far as it has come."""

    __slots__ = ("_data", "_id", "_words")

    def __init__(self) -> None:
        self._id = ""
        self._words: list[str] = []
        self._data = bytearray()

    def add(self, piece: JsonObject) -> None:
        """Add a piece: an id, some words, some sound, or a time until which the id is known.

        Raises:
            ProviderError: the sound is longer than an answer may be.
        """
        said = {name: told for name, told in piece.items() if isinstance(told, str)}
        self._id = self._id or said.get("id", "")
        self._words.append(said.get("transcript", ""))
        try:
            self._data += b64decode(said.get("data", ""))
        except ValueError:
            return
        if len(self._data) > RESPONSE_BODY_MAX_BYTES:
            most = RESPONSE_BODY_MAX_BYTES
            raise ProviderError(f"the provider sent a speech of more than {most} bytes")

    def part(self) -> FilePart | None:
        """Return the speech, or None where there was none."""
        words = "".join(self._words)
        if not (self._data or words):
            return None
        state: JsonObject = {SPEECH: {"id": self._id, "transcript": words}}
        sounds = bytes(self._data)
        kind = next((kind for start, kind in _BEGINNINGS if sounds.startswith(start)), _BARE)
        return FilePart(media_type=kind, data=b64encode(sounds).decode(), provider_state=state)
