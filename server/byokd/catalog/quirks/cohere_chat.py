"""Quirks of Cohere's chat format."""

from __future__ import annotations

from typing import Literal

from byokd.catalog.quirks.shared import Quirks, ResponseFormat


class CohereChatQuirks(Quirks):
    """Quirks of Cohere's chat format.

    Attributes:
        reasoning_models: searched in the model id; to others no effort is sent.
        effort_field: `none` where no effort is sent; `effort_words` are numbers of tokens.
        tool_choice_required: the word for `required`.
        response_format: `none` where no JSON can be asked for.
        response_format_with_tools: whether JSON can be asked for beside tools.
    """

    reasoning_models: str | None = None
    effort_field: Literal["thinking", "none"] = "none"
    tool_choice_required: str = "required"
    response_format: ResponseFormat = "json_schema"
    response_format_with_tools: bool = True
