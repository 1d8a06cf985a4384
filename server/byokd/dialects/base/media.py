"""Data URIs and media types of images and files."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Final

from byokd.dialects.base.warnings import Warnings

_SAME_TYPE: Final = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/x-ms-bmp": "image/bmp",
    "image/heif": "image/heic",
    "application/x-pdf": "application/pdf",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/mp3": "audio/mpeg",
    "audio/x-flac": "audio/flac",
}
_MAGIC: Final = tuple(
    (re.compile(pattern, re.DOTALL), media_type)
    for pattern, media_type in (
        (rb"\xff\xd8\xff", "image/jpeg"),
        (rb"\x89PNG", "image/png"),
        (rb"GIF8", "image/gif"),
        (rb"RIFF....WEBP", "image/webp"),
        (rb"BM....\0\0\0\0", "image/bmp"),
        (rb"II\*\0|MM\0\*", "image/tiff"),
        (rb"....ftyp(?:heic|heix|hevc|mif1|msf1)", "image/heic"),
        (rb"....ftypavif", "image/avif"),
        (rb"%PDF-", "application/pdf"),
        (rb"RIFF....WAVE", "audio/wav"),
        (rb"ID3[\x02-\x04]", "audio/mpeg"),
        (rb"fLaC", "audio/flac"),
    )
)
"""How files begin, for types that are told by it alone."""

_HEAD_CHARS: Final = 32  # of base64

_TEXT_WORDS: Final = frozenset(
    {
        "json", "json5", "jsonl", "ndjson", "xml", "yaml", "yml", "toml", "csv", "sql", "graphql",
        "javascript", "ecmascript", "typescript", "python", "ruby", "perl", "php", "sh",
        "shellscript", "latex", "tex",
    }
)  # fmt: skip
"""Parts of media types of text that do not begin with `text/`."""

_PARTS: Final = re.compile(r"[+.]|\bx-")

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
    """Tell whether a media type is one of text: `text/…`, or a word such as json in its name."""
    kind, _, name = media_type.partition("/")
    return kind == "text" or not _TEXT_WORDS.isdisjoint(_PARTS.split(name))


def standard_type(media_type: str) -> str:
    """Return the registered name of a media type (`image/jpg` is `image/jpeg`)."""
    return _SAME_TYPE.get(media_type, media_type)


def type_of_bytes(data: str) -> str | None:
    """Return the media type of base64 data by its first bytes, or None."""
    head = data[:_HEAD_CHARS].rstrip("=")
    try:
        first = b64decode(head + "=" * (-len(head) % 4))
    except ValueError:
        return None
    return next((kind for pattern, kind in _MAGIC if pattern.match(first)), None)


def warn_not_echoed(warnings: Warnings) -> None:
    warnings.dropped("messages", "an assistant's images and files cannot be sent back")
