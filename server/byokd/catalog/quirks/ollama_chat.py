"""Quirks of Ollama's chat format."""

from __future__ import annotations

from typing import Literal

from byokd.catalog.quirks.shared import Quirks, ResponseFormat


class OllamaChatQuirks(Quirks):
    """Quirks of Ollama's chat format.

    Attributes:
        reasoning_models: searched in the model id; others cannot be told to reason.
        effort_field: `think` sends the word of the effort, or false for `none`.
        response_format: the strictest form of JSON answer that can be asked for.
        response_format_with_tools: whether it can be asked for beside tools.
    """

    reasoning_models: str | None = None
    effort_field: Literal["think", "none"] = "none"
    response_format: ResponseFormat = "json_schema"
    response_format_with_tools: bool = True
