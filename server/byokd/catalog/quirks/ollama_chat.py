"""Quirks of Ollama's chat format."""

from __future__ import annotations

from typing import Literal

from byokd.catalog.quirks.shared import Quirks, ResponseFormat


class OllamaChatQuirks(Quirks):
    reasoning_models: str | None = None  # searched in the model id; others get no effort
    effort_field: Literal["think", "none"] = "none"  # `think`: the effort's word, or false
    response_format: ResponseFormat = "json_schema"
    response_format_with_tools: bool = True  # JSON can be requested beside tools
