"""Quirks of the OpenAI chat format."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, JsonValue

from byokd.catalog.quirks.openai import OpenAIQuirks


class OpenAIChatQuirks(OpenAIQuirks):
    # Moonshot refuses a digit at the beginning (MoonshotAI/kimi-cli#2531, 2026-07), also behind
    # gateways.
    tool_name_pattern: str = "[a-zA-Z_][a-zA-Z0-9_-]{0,63}"
    max_tokens_field: Literal["max_tokens", "max_completion_tokens", "max_output_tokens"] = (
        "max_tokens"
    )
    seed_field: str = "seed"
    # fields that are sent for the effort `none` instead of the word
    thinking_off: dict[str, JsonValue] = Field(default={})
    # fields beside every other effort, where thoughts are hidden otherwise
    thinking_shown: dict[str, JsonValue] = Field(default={})
    stream_usage: bool = True  # send `stream_options.include_usage`
    # How earlier reasoning goes back. `state`: in the field that it came in, as its state says;
    # `think_tags`: in the text; `thinking_parts`: a content part `{"type": "thinking", "thinking":
    # [text part]}`; `none`: not at all.
    reasoning_echo: Literal[
        "state", "reasoning_content", "reasoning", "reasoning_details", "think_tags",
        "thinking_parts", "none",
    ] = "state"  # fmt: skip
    reasoning_echo_models: str | None = None  # searched in the model id; for others it is `state`
    reasoning_echo_always: bool = False  # send it also on assistant messages that had none
    # what to send there; not empty, it is sent also on each message with tool calls that had none
    reasoning_placeholder: str = ""
    # what the first call of an answer gets if it has lost its thought signature (Gemini)
    unsigned_call: dict[str, JsonValue] = Field(default={})
    strict_alternation: bool = False  # roles alternate; the first and the last are the user's
    user_after_tool_forbidden: bool = False  # an assistant message must follow a tool result
    assistant_prefix: bool = False  # mark an answer at the end as one to be continued
    cache_control: bool = False  # mark what repeats for the prompt cache
    reasoning_in_completion: bool = True  # reported output tokens include reasoning

    def echoes_reasoning(self, model: str) -> bool:
        return self.echo_of(model) not in {"state", "none"}  # by a state only beside an answer

    def echo_of(self, model: str) -> str:
        """Return how earlier reasoning goes back to a model."""
        models = self.reasoning_echo_models
        matches = models is None or re.search(models, model) is not None
        return self.reasoning_echo if matches else "state"
