"""Data URIs and media types of images and files. Nothing is fetched."""

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

_DATA_URI: Final = re.compile(r"data:([a-z0-9.+/-]*)(?:;[^,;]+)*;base64,", re.IGNORECASE)


def data_uri(media_type: str, data: str) -> str:
    """Return base64 data as a data URI."""
    return f"data:{media_type};base64,{data}"


def read_media(media_type: str | None, data: str | None, url: str | None) -> tuple[str, str | None]:
    """Return a part's media type in lower case without parameters, and its base64 data if inline.

    A base64 data URI in `url` counts as inline data; its media type wins over `media_type`.
    """
    if url is not None and (match := _DATA_URI.match(url)):
        media_type, data = match.group(1) or media_type, url[match.end() :]
    return (media_type or "").partition(";")[0].strip().lower(), data


def is_image(media_type: str) -> bool:
    """Tell whether a media type is one of an image."""
    return media_type.lower().startswith("image/")


def standard_type(media_type: str) -> str:
    """Return the registered name of a media type in lower case (`image/jpg` is `image/jpeg`)."""
    return _SAME_TYPE.get(media_type, media_type)


def image_type_of(data: str) -> str | None:
    """Return the media type that base64 data begins like, or None."""
    return next((kind for start, kind in _STARTS.items() if data.startswith(start)), None)


def warn_not_echoed(warnings: Warnings) -> None:
    """Report that images and files of an assistant's message are not sent."""
    warnings.dropped("messages", "an assistant's images and files cannot be sent back")
