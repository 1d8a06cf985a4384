"""Data URIs and media types of images and files. Nothing is fetched."""

from __future__ import annotations

import re
from typing import Final

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
