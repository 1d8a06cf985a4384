"""Quirks of Anthropic's Messages format."""

from __future__ import annotations

from typing import Literal

from byokd.catalog.quirks.shared import Quirks, ResponseFormat
from byokd.protocol.chat import Effort


class AnthropicMessagesQuirks(Quirks):
    tool_name_pattern: str = "[a-zA-Z0-9_-]{1,128}"
    # by a number of tokens, by a word, or not at all
    effort_field: Literal["thinking_budget", "thinking_adaptive", "none"] = "none"
    effort_levels: tuple[Effort, ...] = ()  # the efforts that are also sent beside the number
    thinking_off: str = "disabled"  # the type of thinking for the effort `none`
    reasoning_drops: tuple[str, ...] = ()  # fields left out while the model thinks
    tool_choice_required: str = "required"  # `auto`: a tool call cannot be forced
    tool_choice_named: bool = True  # one tool can be chosen by name
    parallel_tool_calls: bool | None = None  # False: at most one call in an answer
    response_format: ResponseFormat = "json_schema"  # `json_schema`: the schema is enforced
    files: Literal["file", "none"] = "none"  # `none`: no documents
    cache_control: bool = False  # mark what repeats for the prompt cache
    cache_tools: bool = False  # mark the tools, too
    temperature_max: float | None = None
    temperature_excludes_top_p: bool = False  # only one of both may be sent

    @property
    def takes_files(self) -> bool:
        return self.files != "none"
