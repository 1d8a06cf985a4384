"""Writes images and documents as blocks of the Messages format.

Knows the media types that the format names. Must not fetch anything: a link is sent as a link.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Final

from byokd.catalog.quirks.anthropic_messages import AnthropicMessagesQuirks
from byokd.dialects.base.media import read_media
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import JsonObject
from byokd.protocol.parts import FilePart, ImagePart

_IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_SAME: Final = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg"}
_STARTS: Final = {
    "/9j/": "image/jpeg",
    "iVBOR": "image/png",
    "R0lG": "image/gif",
    "UklGR": "image/webp",
}
"""How images begin in base64. A type that does not fit the bytes is refused."""

_PDF: Final = "application/pdf"
_PLAIN: Final = "text/plain"
_WRITTEN: Final = ("json", "xml", "yaml", "javascript", "typescript", "toml", "x-sh", "csv")
"""Words in media types of text that does not call itself text."""


class Media:
    """Writes what is not text; what cannot be sent is nothing and a warning."""

    def __init__(self, quirks: AnthropicMessagesQuirks, notes: Warnings) -> None:
        self._quirks = quirks
        self._notes = notes

    def image(self, part: ImagePart) -> list[JsonObject]:
        """Return the block of an image."""
        if not self._quirks.images:
            return self._dropped("images cannot be sent to this model")
        media_type, data = _read(part.media_type, part.data, part.url)
        if data is None:
            return [{"type": "image", "source": {"type": "url", "url": part.url}}]
        begun = (kind for start, kind in _STARTS.items() if data.startswith(start))
        media_type = next(begun, media_type or "image/png")
        if media_type not in _IMAGES:
            return self._dropped(f"images of type {media_type} cannot be sent to this model")
        return [{"type": "image", "source": _base64(media_type, data)}]

    def file(self, part: FilePart) -> list[JsonObject]:
        """Return the block of a document, or of an image that came as a file."""
        media_type, data = _read(part.media_type, part.data, part.url)
        if media_type.startswith("image/"):
            return self.image(ImagePart(media_type=media_type, data=part.data, url=part.url))
        if self._quirks.files == "none":
            return self._dropped("files cannot be sent to this model")
        if data is None:
            if media_type != _PDF:
                return self._dropped("of files that are only a link this model takes PDFs")
            source: JsonObject = {"type": "url", "url": part.url}
        elif media_type == _PDF:
            source = _base64(_PDF, data)
        else:
            text = _written(media_type, data)
            if text is None:
                return self._dropped(f"files of type {media_type} cannot be sent to this model")
            source = {"type": "text", "media_type": _PLAIN, "data": text}
        written: JsonObject = {"type": "document", "source": source}
        return [written | ({"title": part.name} if part.name else {})]

    def _dropped(self, why: str) -> list[JsonObject]:
        self._notes.dropped("messages", why)
        return []


def _read(media_type: str | None, data: str | None, url: str | None) -> tuple[str, str | None]:
    """Return the media type without parameters, and base64 where the part is no link."""
    plain, data = read_media(media_type, data, url)
    return _SAME.get(plain, plain), data


def _base64(media_type: str, data: str) -> JsonObject:
    return {"type": "base64", "media_type": media_type, "data": data}


def _written(media_type: str, data: str) -> str | None:
    """Return the text of a file that is text, whatever its type is called, else None."""
    if not (media_type.startswith("text/") or any(word in media_type for word in _WRITTEN)):
        return None
    try:
        return b64decode(data).decode("utf-8-sig") or None
    except ValueError:
        return None
