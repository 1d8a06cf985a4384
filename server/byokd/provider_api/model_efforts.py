"""Reads which reasoning efforts a model takes from an entry of a model list, in all known forms."""

from __future__ import annotations

from typing import Final

from byokd.dialects.base.json_pointer import at_pointer
from byokd.protocol.base import Json, JsonObject

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""The contract's words, ascending."""

# Anthropic `capabilities.effort` (SDK 2.14); OpenRouter `reasoning.supported_efforts`; LM Studio
# `capabilities.reasoning.allowed_options`; Codex `supported_reasoning_levels`; GitHub Copilot
# `capabilities.supports.reasoning_effort`; the others are of gateways. Checked 2026-11-28.
_PLACES: Final = (
    "/capabilities/effort", "/reasoning/supported_efforts", "/reasoning/efforts",
    "/capabilities/reasoning/allowed_options", "/capabilities/reasoning/efforts",
    "/capabilities/reasoning_effort", "/capabilities/reasoning_efforts",
    "/capabilities/supports/reasoning_effort", "/supported_reasoning_efforts",
    "/supported_reasoning_levels", "/supported_efforts", "/reasoning_efforts",
    "/reasoning_effort_levels", "/thinking_levels", "/capabilities/thinking/levels",
    "/model_info/supported_reasoning_efforts",
)  # fmt: skip
_SPELLINGS: Final = {
    "off": "none", "disabled": "none", "false": "none", "extra_high": "xhigh",
    "extra-high": "xhigh", "x-high": "xhigh", "x_high": "xhigh", "maximum": "max", "min": "minimal",
}  # fmt: skip
_NAMES: Final = ("effort", "id", "name", "value", "level")
_FLAGS: Final = tuple((word, f"supports_{word}_reasoning_effort") for word in EFFORTS)


def efforts(item: JsonObject, place: str | None = None) -> tuple[str, ...] | None:
    """Return the efforts in ascending order; empty if none can be requested, None if unknown."""
    places = ((place,) if place else ()) + _PLACES
    for value in (at_pointer(item, pointer) for pointer in places):
        if (stated := _stated(value)) is not None:
            return _with_off_switch(item, stated)
    by_option = _by_option(item)
    return by_option if by_option is not None else _by_flag(item)


def _stated(value: Json) -> tuple[str, ...] | None:
    if isinstance(value, dict):
        if value.get("supported") is False:
            return ()
        value = [word for word, state in value.items() if _is_on(state)]
    if not isinstance(value, list):
        return None
    return _ordered(value)


def _is_on(state: Json) -> bool:
    return state is True or (isinstance(state, dict) and state.get("supported") is True)


def _ordered(values: list[Json] | list[str]) -> tuple[str, ...] | None:
    """Return the known words of a list of words or of objects; None if there are none."""
    words = {_word(value) for value in values}
    return tuple(effort for effort in EFFORTS if effort in words) or None


def _word(value: Json) -> str | None:
    if isinstance(value, dict):
        value = next((value[name] for name in _NAMES if isinstance(value.get(name), str)), None)
    if not isinstance(value, str):
        return None
    word = value.lower()
    return _SPELLINGS.get(word, word)


def _with_off_switch(item: JsonObject, stated: tuple[str, ...]) -> tuple[str, ...]:
    """Apply `reasoning.mandatory` (OpenRouter): whether thinking cannot be switched off."""
    mandatory = at_pointer(item, "/reasoning/mandatory")
    if not stated or not isinstance(mandatory, bool):
        return stated
    others = tuple(effort for effort in stated if effort != "none")
    return others if mandatory else ("none", *others)


def _by_option(item: JsonObject) -> tuple[str, ...] | None:
    """Read `reasoning_options: [{type: "effort", values: […]}]` (models.dev)."""
    options = item.get("reasoning_options")
    for option in options if isinstance(options, list) else []:
        if isinstance(option, dict) and option.get("type") == "effort":
            return _stated(option.get("values"))
    return None


def _by_flag(item: JsonObject) -> tuple[str, ...] | None:
    """Read LiteLLM's flags: they say what a model takes beside low, medium and high."""
    info = item.get("model_info")
    if not isinstance(info, dict):
        return None
    flags = {word: info.get(name) for word, name in _FLAGS if isinstance(info.get(name), bool)}
    if not flags or info.get("supports_reasoning") is False:
        return None
    known = dict.fromkeys(("low", "medium", "high"), True) | flags
    return tuple(effort for effort in EFFORTS if known.get(effort))
