"""The rule that removes blank text."""

from __future__ import annotations

from typing import Any

import pytest

from dialects.conversations import (
    OWN,
    assistant,
    call,
    conversation,
    result,
    ruled,
    says,
    shape,
    system,
    text,
    user,
)

_CASES: dict[str, tuple[list[Any], list[Any]]] = {
    "nothing is blank": ([user("a"), assistant(" b ")], [user("a"), assistant(" b ")]),
    "a blank message": ([user("a"), assistant(" \n"), user("")], [user("a")]),
    "a blank part": (
        [says("assistant", text("\n\n"), call("c"))],
        [says("assistant", call("c"))],
    ),
    "white space between two texts": (
        [says("assistant", text("a"), text("\n"), text("\n"), text("b"), text(" "), call("c"))],
        [says("assistant", text("a\n\n"), text("b"), call("c"))],
    ),
    "white space beside a text with a state": (
        [says("assistant", text("a", providerState=OWN), text("\n"), text("b"))],
        [says("assistant", text("a", providerState=OWN), text("b"))],
    ),
    "a part with a state": (
        [says("assistant", text(" ", providerState=OWN))],
        [says("assistant", text("", providerState=OWN))],
    ),
    "a part of a system message": ([system("a", " ", "b")], [system("a", " ", "b")]),
    "a blank system message": ([system(" ", ""), user("a")], [user("a")]),
    "the text of a result": (
        [says("tool", result("c", " "), result("d", [text(" ")]))],
        [says("tool", result("c", " "), result("d", [text(" ")]))],
    ),
}


@pytest.mark.parametrize(("before", "after"), _CASES.values(), ids=_CASES)
def test_blank_text(before: list[Any], after: list[Any]) -> None:
    changed, kinds = ruled("blank_text", conversation(before), strict=True)
    assert shape(changed) == shape(after)
    assert kinds == []
    assert ruled("blank_text", changed) == (changed, [])


@pytest.mark.parametrize("blank", [user(" "), assistant("\n\n"), says("user", text(""))])
def test_blank_messages_alone_become_a_turn_of_the_user(blank: Any) -> None:
    changed, kinds = ruled("blank_text", conversation([system("s"), blank]), strict=True)
    assert shape(changed) == shape([system("s"), user(".")])
    assert kinds == ["notice"]
