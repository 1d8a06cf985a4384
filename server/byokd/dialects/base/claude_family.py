"""What Anthropic's and Amazon's formats share: sampling, tool choice and thinking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from byokd.dialects.base.params import drop_unsupported, nearest_value
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import SendParams, ToolChoice

_BUDGET_MIN: Final = 1024  # tokens; also the minimum that must remain for the answer


class ClaudeQuirks(Protocol):
    """The quirks that both formats have."""

    @property
    def unsupported(self) -> tuple[str, ...]: ...

    @property
    def reasoning_drops(self) -> tuple[str, ...]: ...

    @property
    def temperature_max(self) -> float | None: ...

    @property
    def temperature_excludes_top_p(self) -> bool: ...

    @property
    def tool_choice_required(self) -> str: ...

    @property
    def tool_choice_named(self) -> bool: ...


def sampling_fields(
    requested: JsonObject,
    params: SendParams,
    quirks: ClaudeQuirks,
    client_names: Mapping[str, str],
    warnings: Warnings,
    *,
    thinks: bool,
) -> JsonObject:
    """Return the requested fields without null ones and those that the model refuses.

    `client_names`: the client's name of each field, by its wire name.
    """
    fields: JsonObject = {name: value for name, value in requested.items() if value is not None}
    if quirks.temperature_excludes_top_p and "temperature" in fields:
        top_p = [name for name in fields if client_names.get(name) == "topP"]
        drop_unsupported(fields, top_p, client_names, warnings, when=" together with temperature")
    drop_unsupported(fields, quirks.unsupported, client_names, warnings)
    if thinks:
        drop_unsupported(
            fields, quirks.reasoning_drops, client_names, warnings, when=" while it thinks"
        )
    if params.seed is not None:
        warnings.dropped("seed", "seed is not supported by this provider")
    return fields


def nearest_temperature(
    params: SendParams, quirks: ClaudeQuirks, warnings: Warnings
) -> float | None:
    maximum = quirks.temperature_max
    return nearest_value(
        "temperature",
        params.temperature,
        warnings,
        minimum=None if maximum is None else 0.0,
        maximum=maximum,
    )


def possible_tool_choice(
    choice: str | ToolChoice | None, quirks: ClaudeQuirks, warnings: Warnings, *, thinks: bool
) -> str | ToolChoice | None:
    """Return the nearest choice that the model accepts; none is forced while it thinks."""
    if choice in {None, "auto", "none"}:
        return choice
    if thinks:
        warnings.adjusted("toolChoice", "a tool call cannot be forced while the model thinks")
        return "auto"
    if isinstance(choice, ToolChoice) and quirks.tool_choice_named:
        return choice
    if quirks.tool_choice_required == "auto":
        warnings.adjusted("toolChoice", "this model cannot be forced to call a tool")
        return "auto"
    if isinstance(choice, ToolChoice):
        warnings.adjusted("toolChoice", "this model cannot be forced to call a named tool")
    return "required"


def adaptive_thinking(word: str) -> JsonObject:
    """Return an effort, with a summary of the thoughts, which newer models omit otherwise.

    Omitting is the default since Opus 4.7 and Sonnet 5, on Bedrock too
    (anthropics/claude-code#79060, 2026-07; theopenco/llmgateway#2593, 2026-06).
    """
    mode: JsonObject = {"type": "adaptive", "display": "summarized"}
    return {"thinking": mode, "output_config": {"effort": word}}


def thinking_budget(tokens: int, max_output_tokens: int | None, warnings: Warnings) -> JsonObject:
    """Return a thinking budget, which is part of the output cap and must fit in it."""
    if max_output_tokens is not None:
        if max_output_tokens <= _BUDGET_MIN:
            warnings.dropped("reasoning", f"thinking needs maxOutputTokens above {_BUDGET_MIN}")
            return {}
        largest = max(_BUDGET_MIN, max_output_tokens - _BUDGET_MIN)
        if tokens > largest:
            warnings.adjusted(
                "reasoning", f"thinking was cut to {largest} tokens to fit maxOutputTokens"
            )
            tokens = largest
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}
