"""Quirks of the OpenAI Responses format."""

from __future__ import annotations

from typing import Literal

from byokd.catalog.quirks.openai import OpenAIQuirks


class OpenAIResponsesQuirks(OpenAIQuirks):
    max_tokens_least: int = 1  # the smallest output cap that is accepted
    tool_result_images: bool = True  # a result may hold images
    image_detail: bool = True  # False: an image's `detail` is refused
    encrypted_reasoning: bool = True  # reasoning can be asked for encrypted, to send it back
    reasoning_summary: bool = True  # a summary of reasoning can be asked for
    # where the form of an answer is: `text.format`, or `response_format` as in the chat format
    format_field: Literal["text", "response_format"] = "text"
    # A tool of the provider's that each call declares, and must use where the client has no tools
    # of its own; left out where the client chooses no tool, or sends raw `tools` or `tool_choice`.
    search_tool: str | None = None
