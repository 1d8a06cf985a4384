"""Quirks of the Converse format."""

from __future__ import annotations

from typing import Literal

from byokd.catalog.quirks.shared import Quirks, ResponseFormat


class BedrockConverseQuirks(Quirks):
    """Quirks of the Converse format; most depend on the maker of the model."""

    # `thinking_budget` and `thinking_adaptive`: Claude's, a number of tokens or a word;
    # `max_reasoning_effort`: Nova's; `reasoning_config`: Qwen's; else a field for the word
    effort_field: Literal[
        "reasoning_effort", "thinking_budget", "thinking_adaptive", "max_reasoning_effort",
        "reasoning_config", "none",
    ] = "none"  # fmt: skip
    thinking_off: str = "disabled"  # the type of Claude's thinking for the effort `none`
    reasoning_drops: tuple[str, ...] = ()  # fields left out while the model reasons
    # `none`: the model's reasoning may not go back
    reasoning_echo: Literal["reasoning_content", "none"] = "none"
    tool_choice_required: str = "required"  # `auto`: a tool call cannot be forced
    tool_choice_named: bool = True  # one tool can be chosen by name
    stream_tools: bool = True  # a call with tools can be streamed
    tool_result_json: bool = False  # send a result that is a JSON object as one
    tool_result_images: bool = True  # a result may hold images
    tool_result_status: bool = True  # a result may say that it is an error
    user_after_tool_forbidden: bool = False  # no user content beside a tool result
    response_format: ResponseFormat = "json_schema"  # `json_schema`: the schema is enforced
    files: Literal["file", "none"] = "none"  # `none`: no documents
    cache_control: bool = False  # mark what repeats for the prompt cache
    cache_tools: bool = False  # mark the tools, too
    temperature_max: float | None = None
    temperature_excludes_top_p: bool = False  # only one of both may be sent
    cache_in_prompt: bool = True  # reported input tokens include cached ones

    @property
    def takes_files(self) -> bool:
        return self.files != "none"
