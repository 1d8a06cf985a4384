"""Quirks of Cohere's chat format."""

from __future__ import annotations

from typing import Literal

from byokd.catalog.quirks.shared import Quirks, ResponseFormat


class CohereChatQuirks(Quirks):
    tool_name_pattern: str = "[a-zA-Z_][a-zA-Z0-9_]{0,63}"
    reasoning_models: str | None = None  # searched in the model id; others get no effort
    # `thinking`: `effort_words` are numbers of tokens
    effort_field: Literal["thinking", "none"] = "none"
    tool_choice_required: str = "required"  # the word for `required`
    response_format: ResponseFormat = "json_schema"  # `none`: JSON cannot be requested
    response_format_with_tools: bool = True  # JSON can be requested beside tools
