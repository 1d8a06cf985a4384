"""Values that a model refuses: the nearest accepted one, or none, and what the warning says."""

from __future__ import annotations

import pytest

from byokd.catalog.quirks.anthropic_messages import AnthropicMessagesQuirks
from byokd.dialects.base.claude_family import sampling_fields
from byokd.dialects.base.params import nearest_value
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import SendParams


@pytest.mark.parametrize(
    ("requested", "sent", "texts"),
    [
        (None, None, []),
        (0.5, 0.5, []),
        (1.0, 1.0, []),
        (1.5, 1.0, ["temperature was set to 1.0, the nearest accepted value"]),
        (0.0, 0.1, ["temperature was set to 0.1, the nearest accepted value"]),
    ],
)
def test_nearest_value_is_sent_with_a_warning(
    requested: float | None, sent: float | None, texts: list[str]
) -> None:
    warnings = Warnings(strict=False)
    assert nearest_value("temperature", requested, warnings, minimum=0.1, maximum=1.0) == sent
    assert [warning.message for warning in warnings.warnings] == texts


@pytest.mark.parametrize(
    ("quirks", "thinks", "sent", "texts"),
    [
        ({}, True, {"temperature": 1.0, "top_p": 0.5}, []),
        ({"unsupported": ("top_p",)}, False, {"temperature": 1.0},
         ["topP is not supported by this model"]),
        ({"reasoning_drops": ("top_p",)}, False, {"temperature": 1.0, "top_p": 0.5}, []),
        ({"reasoning_drops": ("top_p",)}, True, {"temperature": 1.0},
         ["topP is not supported by this model while it thinks"]),
        ({"temperature_excludes_top_p": True}, False, {"temperature": 1.0},
         ["topP is not supported by this model together with temperature"]),
    ],
)  # fmt: skip
def test_warning_names_why_a_field_is_dropped(
    quirks: JsonObject, *, thinks: bool, sent: JsonObject, texts: list[str]
) -> None:
    warnings = Warnings(strict=False)
    params = SendParams.model_validate(
        {
            "streamId": "s",
            "provider": "any",
            "model": "any-model",
            "messages": [{"role": "user", "content": "a"}],
        }
    )
    fields = sampling_fields(
        {"temperature": 1.0, "top_p": 0.5, "stop_sequences": None},
        params,
        AnthropicMessagesQuirks.model_validate(quirks),
        {"top_p": "topP"},
        warnings,
        thinks=thinks,
    )
    assert fields == sent
    assert [warning.message for warning in warnings.warnings] == texts
