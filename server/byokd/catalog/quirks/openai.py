"""Quirks that OpenAI's two formats share."""

from __future__ import annotations

from typing import Literal

from byokd.catalog.quirks.shared import Quirks, ResponseFormat


class OpenAIQuirks(Quirks):
    """Quirks of both formats.

    Attributes:
        reasoning_models: searched in the model id. Where it is set and does not match, no effort is
            sent.
        reasoning_drops: fields that are left out while a model of `reasoning_models` reasons.
        reasons_unasked: whether such a model reasons where the client names no effort.
        effort_field: the chat format's field for the effort. `reasoning_effort`: the word;
            `reasoning`: `{"effort": word}`; `enable_thinking`: whether the word is not `none`;
            `thinking`: `{"type": "enabled"}` or `"disabled"`, with `reasoning_effort` beside it
            where `effort_words` has the word. The Responses format sends `reasoning`, or nothing
            for `none`.
        tool_choice_required: the word for `required`; `auto` where it cannot be said.
        tool_choice_named: whether one tool can be chosen by name.
        parallel_tool_calls: sent beside tools unless None.
        tools_after_calls: declare the tools of earlier calls where the client declares none.
        response_format: the strictest form of JSON answer that can be asked for.
        response_format_with_tools: whether it can be asked for beside tools; else an instruction to
            the model takes its place.
        json_object: whether JSON without a schema can be asked for; else likewise.
        temperature_max: the highest temperature.
        temperature_min_exclusive: whether 0 is refused.
        text_content_as_string: send content that is text alone as one string.
        image_data_uri_only: whether images that are links are refused.
        files: the form of a file: OpenAI's `file`, GLM's `file_url` with plain base64, Mistral's
            `document_url`, or none.
        cache_in_prompt: whether the reported input tokens include cached ones.
    """

    reasoning_models: str | None = None
    reasoning_drops: tuple[str, ...] = ()
    reasons_unasked: bool = True
    effort_field: Literal[
        "reasoning_effort", "reasoning", "thinking", "enable_thinking", "none"
    ] = "none"
    tool_choice_required: str = "required"
    tool_choice_named: bool = True
    parallel_tool_calls: bool | None = None
    tools_after_calls: bool = False
    response_format: ResponseFormat = "json_schema"
    response_format_with_tools: bool = True
    json_object: bool = True
    temperature_max: float | None = None
    temperature_min_exclusive: bool = False
    text_content_as_string: bool = False
    image_data_uri_only: bool = False
    files: Literal["file", "data_without_prefix", "document_url", "none"] = "none"
    cache_in_prompt: bool = True

    @property
    def takes_files(self) -> bool:
        """Whether a file of the user can be sent."""
        return self.files != "none"
