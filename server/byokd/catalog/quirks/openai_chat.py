"""Quirks of the OpenAI chat format."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, JsonValue

from byokd.catalog.quirks.openai import OpenAIQuirks


class OpenAIChatQuirks(OpenAIQuirks):
    max_tokens_field: Literal["max_tokens", "max_completion_tokens", "max_output_tokens"] = (
        "max_tokens"
    )
    seed_field: str = "seed"
    # fields that are sent for the effort `none` instead of the word
    thinking_off: dict[str, JsonValue] = Field(default={})
    stream_usage: bool = True  # send `stream_options.include_usage`
    # How earlier reasoning goes back. `think_tags`: in the text; `thinking_parts`: a content part
    # `{"type": "thinking", "thinking": [text part]}`.
    reasoning_echo: Literal[
        "reasoning_content", "reasoning", "reasoning_details", "think_tags", "thinking_parts",
        "none",
    ] = "none"  # fmt: skip
    reasoning_echo_models: str | None = None  # searched in the model id; to others none goes back
    reasoning_echo_always: bool = False  # send it empty on assistant messages that had none
    strict_alternation: bool = False  # roles alternate; the first and the last are the user's
    user_after_tool_forbidden: bool = False  # an assistant message must follow a tool result
    assistant_prefix: bool = False  # mark an answer at the end as one to be continued
    cache_control: bool = False  # mark what repeats for the prompt cache
    reasoning_in_completion: bool = True  # reported output tokens include reasoning

    def echoes_reasoning(self, model: str) -> bool:
        models = self.reasoning_echo_models
        matches = models is None or re.search(models, model) is not None
        return matches and self.reasoning_echo != "none"
