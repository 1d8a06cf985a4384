"""Writes images and documents as blocks; links are sent as links, never fetched."""

from __future__ import annotations

from base64 import b64decode
from typing import Final

from byokd.catalog.quirks.anthropic_messages import AnthropicMessagesQuirks
from byokd.dialects.base.media import is_text, read_media
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import JsonObject
from byokd.protocol.parts import FilePart, ImagePart

_IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_PDF: Final = "application/pdf"
_PLAIN: Final = "text/plain"


class Media:
    """Writes media; what cannot be sent is dropped with a warning."""

    def __init__(self, quirks: AnthropicMessagesQuirks, warnings: Warnings) -> None:
        self._quirks = quirks
        self._warnings = warnings

    def image(self, part: ImagePart) -> list[JsonObject]:
        """Write an image, whose type the rule `media_types` has checked."""
        if not self._quirks.images:
            return self._dropped("images are not supported by this model")
        if part.data is None:
            return [{"type": "image", "source": {"type": "url", "url": part.url}}]
        if part.media_type not in _IMAGES:
            return self._dropped(
                f"images of type {part.media_type} are not supported by this model"
            )
        return [{"type": "image", "source": _base64(part.media_type, part.data)}]

    def file(self, part: FilePart) -> list[JsonObject]:
        if self._quirks.files == "none":
            return self._dropped("files are not supported by this model")
        media_type, data = read_media(part.media_type, part.data, None)
        if data is None:
            if media_type != _PDF:
                return self._dropped("this model accepts files as links only if they are PDFs")
            source: JsonObject = {"type": "url", "url": part.url}
        elif media_type == _PDF:
            source = _base64(_PDF, data)
        else:
            text = _text_of(media_type, data)
            if text is None:
                return self._dropped(f"files of type {media_type} are not supported by this model")
            source = {"type": "text", "media_type": _PLAIN, "data": text}
        block: JsonObject = {"type": "document", "source": source}
        return [block | ({"title": part.name} if part.name else {})]

    def _dropped(self, reason: str) -> list[JsonObject]:
        self._warnings.dropped("messages", reason)
        return []


def _base64(media_type: str, data: str) -> JsonObject:
    return {"type": "base64", "media_type": media_type, "data": data}


def _text_of(media_type: str, data: str) -> str | None:
    if not is_text(media_type):
        return None
    try:
        return b64decode(data).decode("utf-8-sig") or None
    except ValueError:
        return None
