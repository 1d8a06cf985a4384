"""Rules for images and files: inline data, and media types that fit the bytes."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.shared import Quirks
from byokd.dialects.base.conversation.value import Conversation
from byokd.dialects.base.media import is_image, read_media, standard_type, type_of_bytes
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.parts import FilePart, ImagePart, Part

_MEDIA: Final = (ImagePart, FilePart)
_ANY_BYTES: Final = "application/octet-stream"
_UNNAMED: Final = "image/png"
"""What an image is sent as where neither its bytes nor the client name a type."""


def inline_media(
    conversation: Conversation,
    quirks: Quirks,  # noqa: ARG001 - the signature of a rule
    warnings: Warnings,  # noqa: ARG001 - the same bytes are sent
) -> Conversation:
    """Send a base64 data URI as inline data."""

    def inlined(part: Part) -> Part:
        if not isinstance(part, ImagePart | FilePart) or part.url is None:
            return part
        media_type, data = read_media(part.media_type, part.data, part.url)
        if data is None or data == part.data:
            return part
        return part.model_copy(update={"media_type": media_type, "data": data, "url": None})

    return conversation.with_parts(_MEDIA, inlined)


def media_types(
    conversation: Conversation,
    quirks: Quirks,  # noqa: ARG001 - the signature of a rule
    warnings: Warnings,
) -> Conversation:
    """Name images and files by their bytes, else they are refused; send image files as images."""

    def typed(part: Part) -> Part:
        return _typed(part, warnings) if isinstance(part, FilePart | ImagePart) else part

    return conversation.with_parts(_MEDIA, typed)


def _typed(part: ImagePart | FilePart, warnings: Warnings) -> Part:
    named = standard_type(read_media(part.media_type, None, None)[0])
    by_bytes = None if part.data is None else type_of_bytes(part.data)
    if isinstance(part, ImagePart) and by_bytes is not None and not is_image(by_bytes):
        by_bytes = None  # a result of a tool may hold no file
    actual = by_bytes or named or _UNNAMED
    if by_bytes is not None and named not in {"", _ANY_BYTES, by_bytes}:
        kind = "an image" if isinstance(part, ImagePart) else "a file"
        warnings.notice("messages", f"{kind} of type {named} was sent as {by_bytes}")
    if isinstance(part, FilePart) and is_image(actual):
        return ImagePart(media_type=actual, data=part.data, url=part.url)
    unchanged = part.data is None or (isinstance(part, FilePart) and by_bytes in {None, named})
    if unchanged or part.media_type == actual:
        return part
    return part.model_copy(update={"media_type": actual})
