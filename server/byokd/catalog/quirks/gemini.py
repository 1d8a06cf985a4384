"""Quirks of Google's generateContent format."""

from __future__ import annotations

from typing import Literal

from byokd.catalog.quirks.shared import Quirks, ResponseFormat


class GeminiQuirks(Quirks):
    """Quirks of Google's generateContent format.

    Attributes:
        effort_field: `thinkingLevel` sends the word, `thinkingBudget` the word as a number.
        signature_sentinel: takes the place of the signature that an earlier tool call has lost.
        system_instruction: whether the model takes one; else its text opens the first message.
        schema_form: whether schemas go as JSON Schema or in OpenAPI's subset.
        tool_result_images: whether the result of a tool may hold images.
        response_format: `none` where JSON can only be asked for by an instruction.
        response_format_with_tools: whether JSON can be asked for beside tools.
        temperature_max: the highest temperature.
        reasoning_in_completion: whether the reported output tokens include reasoning.
        searches_by_prompt: whether searches are billed once for a prompt, not for each query.
    """

    effort_field: Literal["thinkingLevel", "thinkingBudget", "none"] = "none"
    signature_sentinel: str = ""
    system_instruction: bool = True
    schema_form: Literal["json_schema", "openapi"] = "json_schema"
    tool_result_images: bool = True
    response_format: ResponseFormat = "json_schema"
    response_format_with_tools: bool = True
    temperature_max: float | None = None
    reasoning_in_completion: bool = True
    searches_by_prompt: bool = False
