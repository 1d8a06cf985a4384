"""Writes images, documents and videos as Converse blocks.

Nothing is fetched: links cannot be sent, except objects in S3.
"""

from __future__ import annotations

import re
from typing import Final

from byokd.catalog.quirks.bedrock_converse import BedrockConverseQuirks
from byokd.dialects.base.media import LINKED_IMAGE, is_text, read_media
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import JsonObject
from byokd.protocol.parts import FilePart, ImagePart

_IMAGES: Final = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_DOCUMENTS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    f"{_OFFICE}wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    f"{_OFFICE}spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_VIDEOS: Final = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")
_SPACES: Final = re.compile(r" {2,}")
_NAME_MAX_CHARS: Final = 180  # of 200: a number may follow


class Media:
    """Writes media of one conversation, in which names of documents must differ."""

    def __init__(self, quirks: BedrockConverseQuirks, warnings: Warnings) -> None:
        self._quirks = quirks
        self._warnings = warnings
        self._names: set[str] = set()

    def image(self, part: ImagePart) -> list[JsonObject]:
        if not self._quirks.images:
            return self._dropped("images are not supported by this model")
        media_type, source = _source(part.media_type, part.data, part.url)
        kind = _IMAGES.get(media_type or "image/png")
        if kind is None:
            return self._dropped(f"images of type {media_type} are not supported by this model")
        if source is None:
            return self._dropped(LINKED_IMAGE)
        return [{"image": {"format": kind, "source": source}}]

    def file(self, part: FilePart) -> list[JsonObject]:
        media_type, source = _source(part.media_type, part.data, part.url)
        if media_type in _IMAGES:
            return self.image(ImagePart(media_type=media_type, data=part.data, url=part.url))
        if self._quirks.files == "none":
            return self._dropped("files are not supported by this model")
        if source is None:
            return self._dropped("this provider accepts files only as data, not as links")
        if media_type in _VIDEOS:
            return [{"video": {"format": _VIDEOS[media_type], "source": source}}]
        kind = _document_format(media_type, part.name)
        if kind is None:
            return self._dropped(f"files of type {media_type} are not supported by this model")
        name = self._name(part.name)
        return [{"document": {"format": kind, "name": name, "source": source}}]

    def _dropped(self, reason: str) -> list[JsonObject]:
        self._warnings.dropped("messages", reason)
        return []

    def _name(self, file_name: str | None) -> str:
        """Return a name of the allowed letters, another for each document."""
        stem = (file_name or "").rpartition(".")[0] or file_name or ""
        plain = _SPACES.sub(" ", _NOT_IN_A_NAME.sub(" ", stem)).strip()[:_NAME_MAX_CHARS]
        name = first = plain or "document"
        number = 2
        while name in self._names:
            name, number = f"{first} {number}", number + 1
        self._names.add(name)
        return name


def _source(
    media_type: str | None, data: str | None, url: str | None
) -> tuple[str, JsonObject | None]:
    """Return the media type without parameters, and the source: base64, or an object in S3."""
    plain, data = read_media(media_type, data, url)
    if data is not None:
        return plain, {"bytes": data}
    if url is not None and url.startswith("s3://"):
        return plain, {"s3Location": {"uri": url}}
    return plain, None


def _document_format(media_type: str, name: str | None) -> str | None:
    """Return a document's format by its type, else its extension; any other text is `txt`."""
    if known := _DOCUMENTS.get(media_type):
        return known
    extension = (name or "").rpartition(".")[2].lower()
    if extension in _DOCUMENTS.values():
        return extension
    return "txt" if is_text(media_type) else None
