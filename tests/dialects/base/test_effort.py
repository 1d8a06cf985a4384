"""The effort that is sent: the nearest that the model takes, by its list or its record."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import pytest

from byokd.dialects.base.call import ModelLimits
from byokd.dialects.base.effort import SCALE, nearest_effort
from byokd.dialects.registry import find_dialect
from byokd.protocol.chat import Effort
from byokd.protocol.errors import Unsupported
from dialects.sample_calls import SampleCall

_NEAREST: list[tuple[Effort, tuple[Effort, ...] | None, Effort | None]] = [
    ("high", ("low", "high"), "high"),
    ("xhigh", None, "xhigh"),
    ("xhigh", ("low", "medium", "high"), "high"),
    ("xhigh", ("none", "low", "medium", "high", "max"), "high"),  # equally near: the cheaper
    ("medium", ("low", "high", "max"), "low"),
    ("high", ("low", "medium", "xhigh"), "medium"),
    ("max", ("low", "medium", "xhigh"), "xhigh"),
    ("max", ("none", "high"), "high"),
    ("minimal", ("none", "high"), "high"),  # never switched off unasked
    ("minimal", ("low", "max"), "low"),
    ("none", ("low", "high"), "low"),
    ("none", ("none", "high"), "none"),
    ("low", ("none",), None),
    ("low", (), None),
    ("none", (), None),
]


@pytest.mark.parametrize(("requested", "taken", "sent"), _NEAREST)
def test_nearest_effort(
    requested: Effort, taken: tuple[Effort, ...] | None, sent: Effort | None
) -> None:
    assert nearest_effort(requested, taken) == sent


def test_scale_is_that_of_the_contract() -> None:
    assert get_args(Effort) == SCALE
    assert [nearest_effort(effort, SCALE) for effort in SCALE] == [*SCALE]


# --- what a list states ---------------------------------------------------------------------------

_UNKNOWN = ModelLimits()
_FEW = ModelLimits(efforts=("low", "high"))
_ALWAYS = ModelLimits(thinks_always=True)
_NEVER = ModelLimits(efforts=())
_SWITCH = ModelLimits(efforts=("low", "high"), thinks_always=False)

_LISTED: list[tuple[str, str, ModelLimits, Effort, Any, str]] = [
    # provider, model, what its list states, the effort, what is sent, the warning
    ("anthropic", "claude-opus-5-5", _UNKNOWN, "max",
     {"output_config": {"effort": "max"}}, ""),
    ("anthropic", "claude-opus-5-5", _FEW, "max",
     {"output_config": {"effort": "high"}}, "adjusted"),
    ("anthropic", "claude-opus-5-5", _SWITCH, "none", {"thinking": {"type": "disabled"}}, ""),
    ("anthropic", "claude-sonnet-5", _ALWAYS, "none",
     {"output_config": {"effort": "low"}}, "adjusted"),
    ("anthropic", "claude-opus-4-5", ModelLimits(efforts=("low", "medium")), "max",
     {"thinking": {"type": "enabled", "budget_tokens": 24576},
      "output_config": {"effort": "medium"}}, ""),
    ("anthropic", "claude-sonnet-4-5", _NEVER, "high",  # no words, but a budget
     {"thinking": {"type": "enabled", "budget_tokens": 16384}}, ""),
    ("glm", "glm-4.7", _NEVER, "high", {"thinking": {"type": "enabled"}}, ""),  # a switch
    ("qwen", "qwen3-max", _FEW, "none", {"enable_thinking": False}, ""),
    ("openai", "gpt-6-astra", _FEW, "medium",
     {"reasoning": {"effort": "low", "summary": "auto"}}, "adjusted"),
    ("openai", "gpt-4.1", _FEW, "high", {"reasoning": {"effort": "high", "summary": "auto"}}, ""),
    ("openai", "gpt-6-sol", _NEVER, "high", {}, "dropped"),
    ("google", "gemini-4-hydrogen", _FEW, "xhigh",
     {"generationConfig": {"thinkingConfig": {"thinkingLevel": "high", "includeThoughts": True}}},
     "adjusted"),
    ("google", "gemini-2.5-flash", _ALWAYS, "none",
     {"generationConfig": {"thinkingConfig": {"thinkingBudget": 512}}}, "adjusted"),
    ("grok", "grok-9-unheard-of", ModelLimits(efforts=("low", "max")), "max",
     {"reasoning": {"effort": "max", "summary": "auto"}}, ""),
    ("mistral", "ministral-9", _SWITCH, "none", {"reasoning_effort": "none"}, ""),
    ("mistral", "ministral-9", _FEW, "medium", {"reasoning_effort": "low"}, "adjusted"),
    ("openrouter", "some/model", _FEW, "max", {"reasoning": {"effort": "high"}}, "adjusted"),
    ("deepseek", "deepseek-flash", ModelLimits(efforts=("low", "medium", "high")), "medium",
     {"thinking": {"type": "enabled"}, "reasoning_effort": "medium"}, ""),
    ("qwen", "qwen3.8-max", _FEW, "xhigh", {"reasoning_effort": "high"}, "adjusted"),
    ("together", "some/model", _ALWAYS, "none", {"reasoning_effort": "low"}, "adjusted"),
    ("bedrock", "us.anthropic.claude-opus-5-5", _FEW, "medium",
     {"additionalModelRequestFields": {
         "thinking": {"type": "adaptive", "display": "summarized"},
         "output_config": {"effort": "low"}}}, "adjusted"),
    ("cohere", "command-a-reasoning-08-2025", _ALWAYS, "none",
     {"thinking": {"type": "enabled", "token_budget": 1024}}, "adjusted"),
    ("ollama", "qwen3:8b", _FEW, "max", {"think": "high"}, "adjusted"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "model", "limits", "effort", "sent", "warned"), _LISTED)
def test_list_of_the_provider_wins_over_the_record(
    provider: str, model: str, limits: ModelLimits, effort: Effort, sent: Any, warned: str
) -> None:
    call = SampleCall(provider, model, None, {}).call(reasoning={"effort": effort})
    encode = find_dialect(call.provider.dialect).encode
    encoded = encode(replace(call, model=limits), 0)
    body = json.loads(encoded.request.body)
    assert body | sent == body
    assert sent or not {"reasoning", "thinking", "reasoning_effort"} & body.keys()
    assert [warn.type for warn in encoded.warnings] == ([warned] if warned else [])
    strict = call.params.model_copy(update={"strict": True})
    if warned:
        with pytest.raises(Unsupported):
            encode(replace(call, model=limits, params=strict), 0)


_PICTURE = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is this?"},
                {"type": "image", "mediaType": "image/png", "data": "iVBORw0KGgo="},
            ],
        }
    ]
}


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-5.6"),
        ("deepseek", "deepseek-v4-pro"),
        ("deepseek", "deepseek-flash"),
        ("anthropic", "claude-opus-5-5"),
        ("google", "gemini-4-hydrogen"),
        ("bedrock", "us.anthropic.claude-opus-5-5"),
        ("cohere", "command-a-vision-07-2025"),
        ("ollama", "qwen3.8:27b"),
    ],
)
@pytest.mark.parametrize("sees", [True, False])
def test_images_are_sent_as_the_list_states(provider: str, model: str, *, sees: bool) -> None:
    call = SampleCall(provider, model, None, {}).call(**_PICTURE)
    limits = ModelLimits(input_modalities=("text", "image") if sees else ("text",))
    encoded = find_dialect(call.provider.dialect).encode(replace(call, model=limits), 0)
    assert (b"iVBORw0KGgo=" in encoded.request.body) is sees
    assert ("messages" in [warn.parameter for warn in encoded.warnings]) is not sees
