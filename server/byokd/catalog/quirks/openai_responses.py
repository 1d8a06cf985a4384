"""Quirks of the OpenAI Responses format."""

from __future__ import annotations

from byokd.catalog.quirks.openai import OpenAIQuirks


class OpenAIResponsesQuirks(OpenAIQuirks):
    max_tokens_least: int = 1  # the smallest output cap that is accepted
    tool_result_images: bool = True  # a result may hold images
