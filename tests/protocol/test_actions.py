"""Actions get the provider, the key and the time to wait from the error that they belong to."""

from __future__ import annotations

import pytest

from byokd.protocol.actions import (
    AcceptOriginAction,
    Action,
    EnableKeyAction,
    OpenUrlAction,
    PickModelAction,
    PromptKeyAction,
    WaitAction,
)
from byokd.protocol.errors import RateLimited

FACTS: dict[str, object] = {"provider": "mistral", "key_id": "key_a", "retry_after_ms": 12_000}
ACCEPT = AcceptOriginAction(key_id="key_b", from_="https://a.test", to="https://b.test")
URL = "https://console.mistral.ai"

ACTIONS: list[tuple[Action, Action]] = [
    (WaitAction(), WaitAction(retry_after_ms=12_000)),
    (EnableKeyAction(), EnableKeyAction(key_id="key_a")),
    (PickModelAction(), PickModelAction(provider="mistral")),
    (PromptKeyAction(url=URL), PromptKeyAction(url=URL, provider="mistral", key_id="key_a")),
    (PromptKeyAction(provider="other"), PromptKeyAction(provider="other", key_id="key_a")),
    (OpenUrlAction(url=URL), OpenUrlAction(url=URL)),
    (ACCEPT, ACCEPT),
]


@pytest.mark.parametrize(("action", "expected"), ACTIONS)
def test_empty_fields_come_from_the_error(action: Action, expected: Action) -> None:
    assert RateLimited("wait a little", action=action, **FACTS).data().action == expected


def test_fields_stay_empty_where_the_error_does_not_know_them() -> None:
    assert RateLimited("wait a little", action=WaitAction()).data().action == WaitAction()


def test_action_has_wire_names() -> None:
    assert ACCEPT.model_dump(mode="json", by_alias=True) == {
        "type": "acceptOrigin",
        "url": None,
        "choices": None,
        "details": None,
        "keyId": "key_b",
        "from": "https://a.test",
        "to": "https://b.test",
    }
