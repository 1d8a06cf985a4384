"""Params as clients send them, and faults that name a pointer and a reason but no value."""

from __future__ import annotations

from typing import Any

import pytest

from byokd.protocol.chat import SendParams
from byokd.protocol.errors import InvalidParams
from byokd.protocol.key import KeyListParams, KeyProbeParams, KeyStoreParams
from byokd.rpc.params import check, params_object

CANARY = "sk-test-0123456789abcdef"
CHAT: dict[str, Any] = {"streamId": "s", "provider": "p", "model": "m"}

WRAPPED: list[tuple[Any, Any]] = [
    (None, {}),
    ({}, {}),
    ([], {}),
    ([None], {}),
    ([{"a": 1}], {"a": 1}),
    ([{"a": 1}, None], {"a": 1}),
    ({"a": 1}, {"a": 1}),
]


@pytest.mark.parametrize(("params", "wanted"), WRAPPED)
def test_params_are_read_as_an_object(params: Any, wanted: Any) -> None:
    assert params_object(params) == wanted


@pytest.mark.parametrize("params", [1, "a", True, [1], [{}, {}], [{}, 1], [None, {}], [[{}]]])
def test_positional_params_are_refused(params: Any) -> None:
    with pytest.raises(InvalidParams):
        params_object(params)


FAULTS: list[tuple[type[Any], Any, list[str]]] = [
    (KeyListParams, {"limit": 0}, ["/limit"]),
    (KeyListParams, {"limit": 1001}, ["/limit"]),
    (KeyListParams, {"nope": CANARY}, ["/nope"]),
    (KeyListParams, {"key_id": CANARY}, ["/key_id"]),
    (KeyStoreParams, {}, ["/provider"]),
    (KeyStoreParams, {"make_default": True, "provider": "p"}, ["/make_default"]),
    (KeyStoreParams, {"provider": CANARY.upper()}, ["/provider"]),
    (
        KeyStoreParams,
        {"provider": "p", "fields": {"a/b~": {"plain": [CANARY]}}},
        ["/fields/a~1b~0/plain", "/fields/a~1b~0"],
    ),
    (
        KeyStoreParams,
        {"provider": "p", "fields": {"k": {"plain": CANARY, "sealed": CANARY}}},
        ["/fields/k", "/fields/k"],
    ),
    (KeyProbeParams, {}, [""]),
    (
        SendParams,
        CHAT | {"messages": [{"role": "user", "content": [{"type": CANARY}]}]},
        ["/messages/0/content", "/messages/0/content/0", "/messages"],
    ),
    (
        SendParams,
        CHAT | {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        ["/messages/0/content", "/messages/0/content/0/text", "/messages"],
    ),
    (SendParams, CHAT | {"messages": [{}] * 100}, [f"/messages/{n // 2}/" for n in range(16)]),
]


@pytest.mark.parametrize(("wanted", "params", "pointers"), FAULTS)
def test_fault_names_its_pointer(wanted: type[Any], params: Any, pointers: list[str]) -> None:
    with pytest.raises(InvalidParams) as raised:
        check(params, wanted)
    details: Any = raised.value.data().details
    assert len(details) == len(pointers)
    assert all(
        fault["pointer"].startswith(start) for fault, start in zip(details, pointers, strict=True)
    )
    assert all(
        fault["reason"] == fault["reason"][:1].lower() + fault["reason"][1:] for fault in details
    )
    text = repr(raised.value.data()).lower()
    assert CANARY not in text.replace(f"/{CANARY}", "")
