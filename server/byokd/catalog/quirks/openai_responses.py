"""Quirks of the OpenAI Responses format."""

from __future__ import annotations

from byokd.catalog.quirks.openai import OpenAIQuirks


class OpenAIResponsesQuirks(OpenAIQuirks):
    """Quirks of the OpenAI Responses format.

    Attributes:
        max_tokens_least: the smallest output cap that is taken.
        tool_result_images: whether the result of a tool may hold images.
    """

    max_tokens_least: int = 1
    tool_result_images: bool = True
