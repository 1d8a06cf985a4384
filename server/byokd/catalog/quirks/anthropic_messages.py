"""Quirks of Anthropic's Messages format."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from byokd.catalog.quirks.shared import Effort, Quirks, ResponseFormat


class AnthropicMessagesQuirks(Quirks):
    """Quirks of Anthropic's Messages format.

    Attributes:
        effort_field: how thinking is asked for: by a number of tokens, by a word, or not at all.
        effort_levels: the word that some models take beside the number.
        reasoning_drops: fields that are left out while the model thinks.
        tool_choice_required: `auto` where a tool cannot be demanded.
        tool_choice_named: whether one tool can be chosen by name.
        parallel_tool_calls: False forbids more than one call in an answer.
        response_format: `json_schema` where the model is held to a schema.
        files: `none` where the model takes no documents.
        cache_control: mark what repeats for the prompt cache.
        cache_tools: mark the tools, too.
        temperature_max: the highest temperature.
        temperature_excludes_top_p: whether only one of both is taken.
    """

    effort_field: Literal["thinking_budget", "thinking_adaptive", "none"] = "none"
    effort_levels: dict[Effort, str] = Field(default={})
    reasoning_drops: tuple[str, ...] = ()
    tool_choice_required: str = "required"
    tool_choice_named: bool = True
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat = "json_schema"
    files: Literal["file", "none"] = "none"
    cache_control: bool = False
    cache_tools: bool = False
    temperature_max: float | None = None
    temperature_excludes_top_p: bool = False

    @property
    def takes_files(self) -> bool:
        """Whether a file of the user can be sent."""
        return self.files != "none"
