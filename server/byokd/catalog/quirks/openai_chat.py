"""Quirks of the OpenAI chat format."""

from __future__ import annotations

from typing import Literal

from byokd.catalog.quirks.openai import OpenAIQuirks


class OpenAIChatQuirks(OpenAIQuirks):
    """Quirks of the OpenAI chat format.

    Attributes:
        max_tokens_field: the name of the output cap.
        seed_field: the name of the seed.
        stream_usage: whether `stream_options.include_usage` is sent.
        reasoning_echo: the form in which earlier reasoning goes back. `think_tags`: in the text;
            `thinking_parts`: a content part `{"type": "thinking", "thinking": [text part]}`.
        reasoning_echo_models: searched in the model id; to others none goes back.
        reasoning_echo_always: send the field empty on assistant messages that had none.
        strict_alternation: roles must alternate, begin with the user and end with the user.
        user_after_tool_forbidden: an assistant's message must follow the result of a tool.
        assistant_prefix: mark an answer at the end as one to be continued.
        cache_control: mark what repeats for the prompt cache.
        reasoning_in_completion: whether the reported output tokens include reasoning.
    """

    max_tokens_field: Literal["max_tokens", "max_completion_tokens", "max_output_tokens"] = (
        "max_tokens"
    )
    seed_field: str = "seed"
    stream_usage: bool = True
    reasoning_echo: Literal[
        "reasoning_content", "reasoning", "reasoning_details", "think_tags", "thinking_parts",
        "none",
    ] = "none"  # fmt: skip
    reasoning_echo_models: str | None = None
    reasoning_echo_always: bool = False
    strict_alternation: bool = False
    user_after_tool_forbidden: bool = False
    assistant_prefix: bool = False
    cache_control: bool = False
    reasoning_in_completion: bool = True
