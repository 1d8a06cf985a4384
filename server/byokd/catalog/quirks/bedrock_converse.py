"""Quirks of the Converse format."""

from __future__ import annotations

from typing import Literal

from byokd.catalog.quirks.shared import Quirks, ResponseFormat


class BedrockConverseQuirks(Quirks):
    """Quirks of the Converse format, by the maker of a model.

    Attributes:
        effort_field: `thinking_budget` and `thinking_adaptive` are Claude's, by a number of tokens
            and by a word; `max_reasoning_effort` is Nova's, `reasoning_config` Qwen's; any other is
            a field that takes the word.
        reasoning_drops: fields that are left out while the model reasons.
        reasoning_echo: `none` where reasoning of the model may not go back.
        tool_choice_required: `auto` where a tool cannot be demanded.
        tool_choice_named: whether one tool can be chosen by name.
        stream_tools: whether an answer to a call with tools can be streamed.
        tool_result_json: send a result that is a JSON object as one.
        tool_result_images: whether a result may hold images.
        tool_result_status: whether a result may say that it is an error.
        user_after_tool_forbidden: nothing of the user may be beside the result of a tool.
        response_format: `json_schema` where the model is held to a schema.
        files: `none` where the model takes no documents.
        cache_control: mark what repeats for the prompt cache.
        cache_tools: mark the tools, too.
        temperature_max: the highest temperature.
        temperature_excludes_top_p: whether only one of both is taken.
        cache_in_prompt: whether the reported input tokens include cached ones.
    """

    effort_field: Literal[
        "reasoning_effort", "thinking_budget", "thinking_adaptive", "max_reasoning_effort",
        "reasoning_config", "none",
    ] = "none"  # fmt: skip
    reasoning_drops: tuple[str, ...] = ()
    reasoning_echo: Literal["reasoning_content", "none"] = "none"
    tool_choice_required: str = "required"
    tool_choice_named: bool = True
    stream_tools: bool = True
    tool_result_json: bool = False
    tool_result_images: bool = True
    tool_result_status: bool = True
    user_after_tool_forbidden: bool = False
    response_format: ResponseFormat = "json_schema"
    files: Literal["file", "none"] = "none"
    cache_control: bool = False
    cache_tools: bool = False
    temperature_max: float | None = None
    temperature_excludes_top_p: bool = False
    cache_in_prompt: bool = True

    @property
    def takes_files(self) -> bool:
        """Whether a file of the user can be sent."""
        return self.files != "none"
