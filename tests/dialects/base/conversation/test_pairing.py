"""Every call has its result and every result its call, in each format that wants it so.

The table is in the neutral form: how a result is written is tested with its dialect.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from byokd.catalog.quirks.shared import Quirks
from byokd.core.limits import BLOCKS_MAX
from byokd.dialects.base.conversation import pairing
from byokd.dialects.base.conversation.pairing import pair_tool_calls
from byokd.dialects.base.conversation.value import Conversation
from byokd.dialects.base.provider_state import StateOwner
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.parts import Message
from dialects.sample_calls import SampleCall, rows


def _says(role: str, *parts: Any) -> dict[str, Any]:
    return {"role": role, "content": [*parts]}


def _call(call_id: str) -> dict[str, Any]:
    return {"type": "toolCall", "callId": call_id, "name": "f", "arguments": {}}


def _result(call_id: str, text: str = "ok") -> dict[str, Any]:
    return {"type": "toolResult", "callId": call_id, "content": text}


_HI, _ON, _SO = {"role": "user", "content": "hi"}, {"role": "user", "content": "go on"}, "so"
_TEXT = {"type": "text", "text": _SO}

_PAIRS: dict[str, tuple[list[Any], str]] = {
    "as it should be": ([_HI, _says("assistant", _call("a")), _says("tool", _result("a"))],
                        "user assistant[a] tool(a)"),
    "in two messages": (
        [_says("assistant", _call("a"), _call("b")), _says("tool", _result("a")),
         _says("tool", _result("b")), _ON], "assistant[ab] tool(ab) user"),
    "one is missing": (
        [_says("assistant", _call("a"), _call("b")), _says("tool", _result("b")), _ON],
        "assistant[ab] tool(b-a) user"),
    "all are missing": (
        [_HI, _says("assistant", _call("a")), _ON], "user assistant[a] tool(-a) user"),
    "at the end": ([_HI, _says("assistant", _TEXT, _call("a"))], "user assistant[a] tool(-a)"),
    "after words of the user": (
        [_says("assistant", _call("a")), _ON, _says("tool", _result("a"))],
        "assistant[a] tool(a) user"),
    "after more of the answer": (
        [_says("assistant", _call("a")), _says("assistant", _TEXT), _says("tool", _result("a"))],
        "assistant[a] tool(a) assistant"),
    "beside words of the user": (
        [_says("assistant", _call("a")), _says("user", _result("a"), _TEXT)],
        "assistant[a] tool(a) user"),
    "without its call": ([_HI, _says("tool", _result("z"))], "user user"),
    "a second one": ([_says("assistant", _call("a")), _says("tool", _result("a"), _result("a"))],
                     "assistant[a] tool(a) user"),
    "of an earlier call with that id": (
        [_says("assistant", _call("a")), _says("tool", _result("a", "1")),
         _says("assistant", _call("a")), _says("tool", _result("a", "2"))],
        "assistant[a] tool(a) assistant[a] tool(a)"),
    "too late": (
        [_says("assistant", _call("a")), _says("assistant", _call("b")),
         _says("tool", _result("a"), _result("b"))],
        "assistant[a] tool(-a) assistant[b] tool(b) user"),
}  # fmt: skip


def _shape(messages: tuple[Message, ...]) -> str:
    shown: list[str] = []
    for message in messages:
        parts = message.parts()
        calls = "".join(part.call_id for part in parts if part.type == "toolCall")
        results = "".join(
            ("-" if part.is_error else "") + part.call_id
            for part in parts
            if part.type == "toolResult"
        )
        shown.append(message.role + (f"[{calls}]" if calls else "") + (results and f"({results})"))
    return " ".join(shown)


def _conversation(messages: list[Any]) -> Conversation:
    return Conversation(
        tuple(Message.model_validate(message) for message in messages), StateOwner("p", "m")
    )


def _paired(messages: list[Any], quirks: Quirks | None = None) -> Conversation:
    """Apply the rule strictly: nothing is lost, so that a strict call is sent as well."""
    warnings = Warnings(strict=True)
    return pair_tool_calls(_conversation(messages), quirks or Quirks(), warnings)


@pytest.mark.parametrize(("messages", "shape"), _PAIRS.values(), ids=list(_PAIRS))
def test_pairs(messages: list[Any], shape: str) -> None:
    assert _shape(_paired(messages).messages) == shape
    without_tools = Quirks(tools_supported=False)
    assert _paired(messages, without_tools) == _conversation(messages)


def test_each_of_many_calls_gets_a_result_in_the_order_of_the_calls() -> None:
    many = [_says("assistant", _call(str(n))) for n in range(BLOCKS_MAX)]
    paired = _paired(many).messages
    assert paired[::2] == _conversation(many).messages
    parts = [part for message in paired[1::2] for part in message.parts()]
    results = [part.call_id for part in parts if part.type == "toolResult"]
    assert results == [str(n) for n in range(BLOCKS_MAX)]


_CUT = [
    _HI,
    _says("assistant", _call("one"), _call("two")),
    _says("tool", _result("two", "kept-result")),
    _says("tool", _result("zzz", "lost-result")),
    _ON,
]
_TOOLS = [{"name": "f", "inputSchema": {"type": "object"}}]


@pytest.mark.parametrize("row", rows(), ids=str)
def test_conversation_with_missing_results_is_sent(row: SampleCall) -> None:
    """In every format both results are sent, and a notice for the missing one."""
    body = row.body(messages=_CUT, tools=_TOOLS)
    sent = str(body)
    assert "kept-result" in sent
    assert "lost-result" in sent
    record = row.call().provider
    quirks = record.quirks_for(row.model)
    if quirks.tools_supported:
        # Ollama's own format asks for no result (and knows calls without ids).
        assert record.dialect == "ollama_chat" or "The tool gave no result." in sent
        warnings = row.encoded(messages=_CUT, tools=_TOOLS, strict=True).warnings
        assert {warning.type for warning in warnings} <= {"notice"}


def test_shortcut_for_paired_conversations_gives_the_same_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All conversations of three messages out of thirteen."""
    alphabet = [
        _HI,
        _says("assistant", _TEXT),
        _says("assistant", _call("a")),
        _says("assistant", _call("a"), _call("b")),
        _says("assistant", _call("a"), _call("a")),
        _says("assistant", _result("a")),
        _says("tool", _result("a")),
        _says("tool", _result("b"), _result("a")),
        _says("tool", _result("a"), _result("a")),
        _says("user", _result("a"), _TEXT),
        _says("user", _result("a")),
        _says("user"),
        _says("tool", _result("a")) | {"providerState": {"k": 1}},
    ]
    messages = [Message.model_validate(message) for message in alphabet]
    talks = [Conversation(talk, StateOwner("p", "m")) for talk in product(messages, repeat=3)]

    def paired(talk: Conversation) -> tuple[Conversation, Any]:
        warnings = Warnings(strict=False)
        return pair_tool_calls(talk, Quirks(), warnings), warnings.warnings

    short = [paired(talk) for talk in talks]
    monkeypatch.setattr(pairing, "_is_paired", lambda _: False)
    assert short == [paired(talk) for talk in talks]
    assert any(after is talk for talk, (after, _) in zip(talks, short, strict=True))
