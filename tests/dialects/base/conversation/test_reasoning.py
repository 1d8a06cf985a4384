"""The rule that sends no reasoning of earlier answers back."""

from __future__ import annotations

from typing import Any

import pytest

from byokd.protocol.errors import Unsupported
from dialects.conversations import (
    OWN,
    assistant,
    call,
    conversation,
    ruled,
    says,
    shape,
    text,
    user,
)

_ENCRYPTED = {"type": "reasoning", "encrypted_content": "x"}
_SEARCH = {"type": "web_search_call", "id": "ws_1"}


def _thought(**state: Any) -> dict[str, Any]:
    return {"type": "reasoning", "text": "hm", "providerState": OWN | state}


_CASES: dict[str, tuple[list[Any], list[Any]]] = {
    "reasoning alone": (
        [user("a"), says("assistant", _thought()), user("b")],
        [user("a"), user("b")],
    ),
    "beside text and a call": (
        [says("assistant", _thought(), text("a"), call("c"))],
        [says("assistant", text("a"), call("c"))],
    ),
    "a signature on a call": (
        [
            says(
                "assistant", call("c", providerState=OWN | {"thoughtSignature": "s", "callId": "c"})
            )
        ],
        [says("assistant", call("c", providerState=OWN | {"callId": "c"}))],
    ),
    "a signature behind a gateway": (
        [says("assistant", call("c", providerState=OWN | {"extra_content": {"google": {}}}))],
        [says("assistant", call("c", providerState=OWN))],
    ),
    "items beside a text": (
        [says("assistant", text("a", providerState=OWN | {"items": [_ENCRYPTED, _SEARCH]}))],
        [says("assistant", text("a", providerState=OWN | {"items": [_SEARCH]}))],
    ),
    "items of reasoning alone": (
        [says("assistant", text("a", providerState=OWN | {"items": [_ENCRYPTED]}))],
        [says("assistant", text("a", providerState=OWN))],
    ),
}


@pytest.mark.parametrize(("before", "after"), _CASES.values(), ids=_CASES)
def test_reasoning_is_removed(before: list[Any], after: list[Any]) -> None:
    changed, kinds = ruled("without_reasoning", conversation(before))
    assert shape(changed) == shape(after)
    assert kinds == ["adjusted"]
    assert ruled("without_reasoning", changed) == (changed, [])
    with pytest.raises(Unsupported):
        ruled("without_reasoning", conversation(before), strict=True)


@pytest.mark.parametrize(
    "messages",
    [[user("a"), assistant("b")], [says("assistant", call("c", providerState=OWN))]],
    ids=["plain", "a state without reasoning"],
)
def test_conversation_without_reasoning_is_not_copied(messages: list[Any]) -> None:
    before = conversation(messages)
    assert ruled("without_reasoning", before)[0] is before
