"""Quirks that OpenAI's two formats share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from byokd.catalog.quirks.shared import Quirks, ResponseFormat


class OpenAIQuirks(Quirks):
    # searched in the model id; where set, other models get no effort
    reasoning_models: str | None = None
    # fields left out while a model of `reasoning_models` reasons
    reasoning_drops: tuple[str, ...] = ()
    reasons_unasked: bool = True  # such a model reasons also without an effort
    # In the chat format. `reasoning_effort`: the word; `reasoning`: `{"effort": word}`;
    # `enable_thinking`: whether the word is not `none`; `thinking`: `{"type": "enabled"}` or
    # `"disabled"`; `thinking_effort`: the same, with `reasoning_effort` beside it. The Responses
    # format sends `reasoning`, or nothing if this is `none`.
    effort_field: Literal[
        "reasoning_effort", "reasoning", "thinking", "thinking_effort", "enable_thinking", "none",
    ] = "none"  # fmt: skip
    # Ids of models that are sent as other body fields, such as a new name or a preset.
    model_fields_sent: dict[str, dict[str, str]] = Field(default={})
    tool_choice_required: str = "required"  # the word for `required`; `auto` if there is none
    tool_choice_named: bool = True  # one tool can be chosen by name
    parallel_tool_calls: bool | None = None  # sent beside tools unless None
    tools_after_calls: bool = False  # declare tools of earlier calls if the client has none
    response_format: ResponseFormat = "json_schema"
    response_format_with_tools: bool = True  # False: beside tools an instruction instead
    json_object: bool = True  # False: for JSON without a schema an instruction instead
    temperature_max: float | None = None
    temperature_min_exclusive: bool = False  # 0 is refused
    text_content_as_string: bool = False  # send content that is text alone as one string
    image_data_uri_only: bool = False  # images that are links are refused
    # `file`: OpenAI's; `data_without_prefix`: GLM's `file_url` with plain base64; `document_url`:
    # Mistral's
    files: Literal["file", "data_without_prefix", "document_url", "none"] = "none"
    cache_in_prompt: bool = True  # reported input tokens include cached ones

    @property
    def takes_files(self) -> bool:
        return self.files != "none"
