"""Data URIs and media types of images and files."""

from __future__ import annotations

import re
from typing import Final

from byokd.dialects.base.warnings import Warnings

_SAME_TYPE: Final = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg"}
_STARTS: Final = {
    "/9j/": "image/jpeg",
    "iVBOR": "image/png",
    "R0lG": "image/gif",
    "UklGR": "image/webp",
}
"""How images begin in base64."""

_TEXT_WORDS: Final = ("json", "xml", "yaml", "javascript", "typescript", "toml", "x-sh", "csv")
"""Parts of media types of text that do not begin with `text/`."""

LINKED_IMAGE: Final = "this provider accepts images only as data, not as links"

_DATA_URI: Final = re.compile(r"data:([a-z0-9.+/-]*)(?:;[^,;]+)*;base64,", re.IGNORECASE)


def data_uri(media_type: str, data: str) -> str:
    return f"data:{media_type};base64,{data}"


def read_media(media_type: str | None, data: str | None, url: str | None) -> tuple[str, str | None]:
    """Return the media type, lower case without parameters, and the base64 data if inline.

    A base64 data URI in `url` counts as inline data; its media type wins over `media_type`.
    """
    if url is not None and (match := _DATA_URI.match(url)):
        media_type, data = match.group(1) or media_type, url[match.end() :]
    return (media_type or "").partition(";")[0].strip().lower(), data


def is_image(media_type: str) -> bool:
    return media_type.lower().startswith("image/")


def is_text(media_type: str) -> bool:
    return media_type.startswith("text/") or any(word in media_type for word in _TEXT_WORDS)


def standard_type(media_type: str) -> str:
    """Return the registered name of a media type (`image/jpg` is `image/jpeg`)."""
    return _SAME_TYPE.get(media_type, media_type)


def image_type_of(data: str) -> str | None:
    """Return the media type of base64 data by its first characters, or None."""
    return next((kind for start, kind in _STARTS.items() if data.startswith(start)), None)


def warn_not_echoed(warnings: Warnings) -> None:
    warnings.dropped("messages", "an assistant's images and files cannot be sent back")
