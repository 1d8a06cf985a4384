"""Rules for images and files: inline data, and media types that fit the bytes."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.shared import Quirks
from byokd.dialects.base.conversation.value import Conversation
from byokd.dialects.base.media import image_type_of, is_image, read_media, standard_type
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.parts import FilePart, ImagePart, Part

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

    return conversation.with_parts(inlined)


def media_types(
    conversation: Conversation,
    quirks: Quirks,  # noqa: ARG001 - the signature of a rule
    warnings: Warnings,
) -> Conversation:
    """Name images by their bytes, else they are refused; send image files as images."""

    def typed(part: Part) -> Part:
        if isinstance(part, FilePart) and is_image(part.media_type):
            part = ImagePart(media_type=part.media_type, data=part.data, url=part.url)
        if not isinstance(part, ImagePart) or part.data is None:
            return part
        named = standard_type(read_media(part.media_type, None, None)[0])
        actual = image_type_of(part.data) or named or _UNNAMED
        if named not in {"", actual}:
            warnings.notice("messages", f"an image of type {named} was sent as {actual}")
        if part.media_type == actual:
            return part
        return part.model_copy(update={"media_type": actual})

    return conversation.with_parts(typed)
