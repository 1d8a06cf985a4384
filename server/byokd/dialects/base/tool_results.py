"""Results of earlier tool calls as text."""

from __future__ import annotations

from byokd.protocol.parts import ImagePart, TextPart, ToolResultPart


def result_parts(part: ToolResultPart) -> tuple[TextPart | ImagePart, ...]:
    return (TextPart(text=part.content),) if isinstance(part.content, str) else part.content


def result_text(part: ToolResultPart) -> str:
    if isinstance(part.content, str):
        return part.content
    return "".join(inner.text for inner in part.content if isinstance(inner, TextPart))


def result_images(part: ToolResultPart) -> list[ImagePart]:
    if isinstance(part.content, str):
        return []
    return [inner for inner in part.content if isinstance(inner, ImagePart)]


def marked_text(part: ToolResultPart) -> str:
    """Return the text with "Error: " before that of an error, for formats without a flag."""
    text = result_text(part)
    return f"Error: {text}" if part.is_error and not text.lower().startswith("error") else text


def result_as_text(text: str) -> str:
    """Return the text of a result as a sentence, for models without tools."""
    return f"Result of the tool: {text}"
