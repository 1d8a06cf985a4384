"""The codec: what is decoded, what is refused, and how messages are encoded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from byokd.core.limits import MESSAGE_MAX_DEPTH, MESSAGE_MAX_VALUES, REQUEST_ID_MAX_CHARS
from byokd.protocol.errors import Internal
from byokd.protocol.key import KeyChanged
from byokd.protocol.lifecycle import (
    LogMessage,
    MessageAction,
    PromptMeta,
    ShowMessageRequest,
)
from byokd.protocol.provider import ProviderListResult
from byokd.rpc import codec
from byokd.rpc.codec import SAFE_INT_MAX, Notification, Refused, Reply, Request, decode

R = b'{"jsonrpc":"2.0","id":1,"method":"m","params":%b}'

DECODED: list[tuple[str, bytes, object]] = [
    ("request", R % b"{}", Request(1, "m", {})),
    ("no params", b'{"jsonrpc":"2.0","id":"a","method":"m"}', Request("a", "m", None)),
    ("notification", b'{"jsonrpc":"2.0","method":"m","params":[1]}', Notification("m", [1])),
    ("reply", b'{"jsonrpc":"2.0","id":"s:1","result":{"title":"x"}}', Reply("s:1", {"title": "x"})),
    ("error reply", b'{"jsonrpc":"2.0","id":"s:1","error":{"code":1}}', Reply("s:1", None)),
    ("white space", b' { "jsonrpc" : "2.0" ,\r\n"method" : "m" } ', Notification("m", None)),
    ("zero", b'{"jsonrpc":"2.0","id":0,"method":"m"}', Request(0, "m", None)),
    ("negative", b'{"jsonrpc":"2.0","id":-3,"method":"m"}', Request(-3, "m", None)),
    (
        "a message inside params is data",
        R % b'{"jsonrpc":"2.0","id":9,"method":"x","a-b":1,"class":2,"type_name":"T","_x":3}',
        Request(
            1,
            "m",
            {
                "jsonrpc": "2.0",
                "id": 9,
                "method": "x",
                "a-b": 1,
                "class": 2,
                "type_name": "T",
                "_x": 3,
            },
        ),
    ),
    ("emoji by escape", R % rb'"\ud83d\ude00"', Request(1, "m", "😀")),
    ("text like JSON", R % rb'"[[{\"a\":1,\"a\":1}]],\\"', Request(1, "m", '[[{"a":1,"a":1}]],\\')),
    ("big int in params", R % (b"1" + b"0" * 29), Request(1, "m", 10**29)),
    (
        "longest id",
        b'{"jsonrpc":"2.0","id":"%b","method":"m"}' % (b"i" * REQUEST_ID_MAX_CHARS),
        Request("i" * REQUEST_ID_MAX_CHARS, "m", None),
    ),
    (
        "largest id",
        b'{"jsonrpc":"2.0","id":%d,"method":"m"}' % SAFE_INT_MAX,
        Request(SAFE_INT_MAX, "m", None),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("body", "wanted"), [r[1:] for r in DECODED], ids=[r[0] for r in DECODED])
def test_message_is_decoded(body: bytes, wanted: object) -> None:
    assert decode(body) == wanted


def deep(levels: int) -> bytes:
    """Return a request with this many levels, its own object included."""
    return R % (b"[" * (levels - 1) + b"]" * (levels - 1))


def many(values: int) -> bytes:
    """Return a request with this many values: the object, its four members, and array items."""
    return R % (b"[" + b",".join([b"{}"] * (values - 5)) + b"]")


# name, body, kind of the error, id of the answer
REFUSED: list[tuple[str, bytes, str, object]] = [
    ("empty", b"", "parse", None),
    ("not JSON", b"hello", "parse", None),
    ("cut off", b'{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":', "parse", 7),
    ("trailing comma", R % b"[1,]", "parse", 1),
    ("two values", b"{}{}", "parse", None),
    ("byte order mark", b"\xef\xbb\xbf" + R % b"1", "parse", 1),
    ("not UTF-8", R % b'"\xff"', "parse", 1),
    ("surrogate in UTF-8", R % b'"\xed\xa0\x80"', "parse", 1),
    ("lone high surrogate", R % rb'"\ud800"', "parse", 1),
    ("lone low surrogate", R % rb'"\ude00"', "parse", 1),
    ("NaN", R % b"NaN", "parse", 1),
    ("Infinity", R % b"-Infinity", "parse", 1),
    ("overflow", R % b"1e999", "parse", 1),
    ("control character", R % b'"\x01"', "parse", 1),
    ("single quotes", b"{'jsonrpc':'2.0'}", "parse", None),
    ("same key twice", R % b'{"a":1,"a":1}', "parse", 1),
    ("same key, one escaped", R % rb'{"a":1,"\u0061":2}', "parse", 1),
    ("same key, deep", R % b'[[{"b":[{"a":1,"c":":","a":2}]}]]', "parse", 1),
    ("two ids", b'{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}', "parse", None),
    ("batch", b"[" + R % b"1" + b"]", "invalidRequest", None),
    ("empty batch", b"[]", "invalidRequest", None),
    ("number", b"1", "invalidRequest", None),
    ("null", b"null", "invalidRequest", None),
    ("no version", b'{"id":1,"method":"m"}', "invalidRequest", 1),
    ("wrong version", b'{"jsonrpc":"1.0","id":1,"method":"m"}', "invalidRequest", 1),
    ("version as number", b'{"jsonrpc":2.0,"id":"x","method":"m"}', "invalidRequest", "x"),
    ("no method", b'{"jsonrpc":"2.0","id":1}', "invalidRequest", 1),
    ("method not text", b'{"jsonrpc":"2.0","id":1,"method":5}', "invalidRequest", 1),
    ("nothing at all", b"{}", "invalidRequest", None),
    ("null id", b'{"jsonrpc":"2.0","id":null,"method":"m"}', "invalidRequest", None),
    ("fractional id", b'{"jsonrpc":"2.0","id":1.5,"method":"m"}', "invalidRequest", None),
    ("float id", b'{"jsonrpc":"2.0","id":1.0,"method":"m"}', "invalidRequest", None),
    ("boolean id", b'{"jsonrpc":"2.0","id":true,"method":"m"}', "invalidRequest", None),
    ("object id", b'{"jsonrpc":"2.0","id":{},"method":"m"}', "invalidRequest", None),
    (
        "id past the limit",
        b'{"jsonrpc":"2.0","id":"%b","method":"m"}' % (b"i" * (REQUEST_ID_MAX_CHARS + 1)),
        "invalidRequest",
        None,
    ),
    (
        "unsafe id",
        b'{"jsonrpc":"2.0","id":%d,"method":"m"}' % (SAFE_INT_MAX + 1),
        "invalidRequest",
        None,
    ),
    ("too deep", deep(MESSAGE_MAX_DEPTH + 1), "invalidRequest", 1),
    ("far too deep", deep(100_000), "invalidRequest", 1),
    ("deep and broken", R % (b"[" * 100_000), "parse", 1),
    ("too many values", many(MESSAGE_MAX_VALUES + 1), "invalidRequest", 1),
    ("flood of objects", R % (b"[" + b'{"a":1},' * 500_000 + b"1]"), "invalidRequest", 1),
    ("flood of strings", R % (b"[" + b'"",' * 2_000_000 + b"1]"), "invalidRequest", 1),
    ("5000 digits", R % (b"9" * 5000), "parse", 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "kind", "id_"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_body_is_refused(body: bytes, kind: str, id_: object) -> None:
    with pytest.raises(Refused) as refused:
        decode(body)
    assert (refused.value.error.kind, refused.value.id) == (kind, id_)


def test_body_at_the_limits_is_decoded() -> None:
    assert isinstance(decode(deep(MESSAGE_MAX_DEPTH)), Request)
    assert isinstance(decode(many(MESSAGE_MAX_VALUES)), Request)
    text = json.dumps(
        ",[{:" * MESSAGE_MAX_VALUES
    ).encode()  # punctuation inside a string is no value
    assert isinstance(decode(R % text), Request)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(params=JSON, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_params_are_decoded_unchanged(*, params: Any, ascii_only: bool, indent: int | None) -> None:
    message = {"params": params, "method": "m", "id": "x", "jsonrpc": "2.0"}
    body = json.dumps(message, ensure_ascii=ascii_only, indent=indent).encode()
    assert decode(body) == Request("x", "m", params)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80))
def test_garbage_raises_refused_only(data: bytes) -> None:
    with pytest.raises(Refused):
        decode(data)
    with pytest.raises(Refused):
        decode(R % b"1" + data + b"}")


def test_messages_are_encoded() -> None:
    error = Internal("it broke")
    changed = KeyChanged(key_id="k", provider="p", change="stored", state=None, reason=None)
    about = PromptMeta(topic="catalog", reason="old")
    actions = (MessageAction(title="this"),)
    prompt = ShowMessageRequest(type=2, message="which", actions=actions, meta=about)
    written = [
        codec.response("a", ProviderListResult(items=(), next_cursor=None)),
        codec.response(2, None),
        codec.error_response(None, -32603, error),
        codec.notification("key/changed", changed),
        codec.notification("window/logMessage", LogMessage(type=1, message="é\u2028")),
        codec.request("s:1", "window/showMessageRequest", prompt),
    ]
    assert [json.loads(body) for body in written] == [
        {"jsonrpc": "2.0", "id": "a", "result": {"items": [], "nextCursor": None}},
        {"jsonrpc": "2.0", "id": 2, "result": None},
        {
            "jsonrpc": "2.0",
            "id": None,
            "error": {
                "code": -32603,
                "message": "it broke",
                "data": error.data().model_dump(by_alias=True),
            },
        },
        {
            "jsonrpc": "2.0",
            "method": "key/changed",
            "params": {
                "keyId": "k",
                "provider": "p",
                "change": "stored",
                "state": None,
                "reason": None,
            },
        },
        {
            "jsonrpc": "2.0",
            "method": "window/logMessage",
            "params": {"type": 1, "message": "é\u2028"},
        },
        {
            "jsonrpc": "2.0",
            "id": "s:1",
            "method": "window/showMessageRequest",
            "params": {
                "type": 2,
                "message": "which",
                "actions": [{"title": "this"}],
                "_meta": {
                    "topic": "catalog",
                    "keyId": None,
                    "provider": None,
                    "label": None,
                    "reason": "old",
                },
            },
        },
    ]
