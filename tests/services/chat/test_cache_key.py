"""The name of a conversation for the provider's prompt cache."""

from __future__ import annotations

import json
from typing import Any

import pytest

from byokd.services.chat.cache_key import cache_key
from services.chat.engine_fixture import RECORD, WHOLE, ask, engine, params

pytestmark = pytest.mark.anyio

_SECRET = b"s" * 32
_TALK = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "hello"},
]


def _name(
    messages: Any = _TALK, *, secret: bytes = _SECRET, account: str = "a", **more: Any
) -> Any:
    return cache_key(secret, account, params(messages=messages, **more))


def test_name_is_the_same_for_all_turns_and_tools_of_a_conversation() -> None:
    later = [*_TALK, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "more"}]
    assert _name() == _name(later) == _name(tools=[{"name": "f", "inputSchema": {}}])
    assert _name() == _name(model="another"), "the provider knows the model anyway"


@pytest.mark.parametrize(
    "changed",
    [
        {"secret": b"t" * 32},
        {"account": "b"},
        {"messages": [_TALK[0], {"role": "user", "content": "hello!"}]},
        {"messages": [{"role": "system", "content": "be long"}, _TALK[1]]},
        {"messages": [_TALK[1]]},
    ],
    ids=["secret", "account", "first message", "system", "no system"],
)
def test_name_is_another_for_another_start_account_or_store(changed: dict[str, Any]) -> None:
    assert _name(**changed) != _name()


def test_name_shows_nothing_and_is_short() -> None:
    assert len(_name()) == 32
    assert int(_name(), 16)


def test_no_name_without_a_secret_or_with_the_cache_off() -> None:
    assert cache_key(None, "a", params()) is None
    assert _name(cache="off") is None


async def test_name_is_in_the_request_of_a_stored_key() -> None:
    quirks = RECORD.quirks | {"cache_key_field": "prompt_cache_key"}
    record = RECORD.model_copy(update={"quirks": quirks})
    chat, transport, key = engine([WHOLE, WHOLE], record=record)
    key.cache_secret = _SECRET
    await ask(chat)
    await ask(chat, cache="off")
    sent = [json.loads(request.body).get("prompt_cache_key") for request in transport.requests]
    assert sent == [cache_key(_SECRET, "default", params()), None]
