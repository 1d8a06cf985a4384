"""Quirks of Google's generateContent format."""

from __future__ import annotations

from typing import Literal

from byokd.catalog.quirks.shared import Quirks, ResponseFormat


class GeminiQuirks(Quirks):
    tool_name_pattern: str = "[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}"
    # `thinkingLevel` sends the word, `thinkingBudget` the word as a number
    effort_field: Literal["thinkingLevel", "thinkingBudget", "none"] = "none"
    signature_sentinel: str = ""  # replaces a lost signature of an earlier call
    system_instruction: bool = True  # False: its text opens the first message instead
    # JSON Schema, or OpenAPI's subset of it
    schema_form: Literal["json_schema", "openapi"] = "json_schema"
    tool_result_images: bool = True  # a result may hold images
    response_format: ResponseFormat = "json_schema"  # `none`: JSON only by an instruction
    response_format_with_tools: bool = True  # JSON can be requested beside tools
    temperature_max: float | None = None
    reasoning_in_completion: bool = True  # reported output tokens include reasoning
    searches_by_prompt: bool = False  # searches are billed once a prompt, not per query
