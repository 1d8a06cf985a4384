"""Rules for system messages."""

from __future__ import annotations

from typing import Any

import pytest

from byokd.catalog.rules import RuleName
from byokd.protocol.errors import Unsupported
from dialects.conversations import (
    assistant,
    conversation,
    result,
    ruled,
    says,
    shape,
    system,
    text,
    user,
)

_CASES: list[tuple[RuleName, str, list[Any], list[Any], list[str]]] = [
    ("system_first", "already first", [system("s"), user("a")], [system("s"), user("a")], []),
    ("system_first", "later", [user("a"), system("s"), assistant("b")],
     [system("s"), user("a"), assistant("b")], ["adjusted"]),
    ("system_first", "first and later", [system("s"), user("a"), system("t")],
     [system("s"), system("t"), user("a")], ["adjusted"]),
    ("system_first", "none", [user("a")], [user("a")], []),
    ("later_system_as_user", "first", [system("s"), user("a")], [system("s"), user("a")], []),
    ("later_system_as_user", "later", [system("s"), user("a"), system("t")],
     [system("s"), user("a"), user("System message:\nt")], ["adjusted"]),
    ("later_system_as_user", "after an answer", [assistant("a"), system("t"), user("b")],
     [assistant("a"), user("System message:\nt"), user("b")], ["adjusted"]),
    ("system_merged", "two", [system("s"), system("t"), user("a")],
     [system("s\n\nt"), user("a")], []),
    ("system_merged", "two parts", [system("s", "t"), user("a")],
     [system("s", "t"), user("a")], []),
    ("system_merged", "parts of two", [system("s", "t"), system("u"), user("a")],
     [system("st\n\nu"), user("a")], []),
    ("system_merged", "blank ones", [system(" "), system("u"), system("\n"), user("a")],
     [system("u"), user("a")], []),
    ("later_system_as_user", "in parts", [user("a"), system("t", "u")],
     [user("a"), user("System message:\ntu")], ["adjusted"]),
    ("system_merged", "an empty one", [system(""), user("a")], [user("a")], []),
    ("system_merged", "a later one stays", [user("a"), system("s")], [user("a"), system("s")], []),
    ("system_as_user", "before a user", [system("s"), user("a")],
     [says("user", text("s\n\n"), text("a"))], ["adjusted"]),
    ("system_as_user", "two", [system("s"), system("t"), user("a")],
     [says("user", text("s\n\nt\n\n"), text("a"))], ["adjusted"]),
    ("system_as_user", "before an answer", [system("s"), assistant("a")],
     [user("s"), assistant("a")], ["adjusted"]),
    ("system_as_user", "before a result of a tool", [system("s"), says("user", result("c"))],
     [says("user", text("s\n\n")), says("user", result("c"))], ["adjusted"]),
    ("system_as_user", "alone", [system("s")], [user("s")], ["adjusted"]),
    ("system_as_user", "an empty one", [system(""), user("a")], [user("a")], []),
    ("system_as_user", "none", [user("a")], [user("a")], []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "name", "before", "after", "warned"), _CASES, ids=[f"{c[0]}-{c[1]}" for c in _CASES]
)
def test_system_rule(
    rule: RuleName, name: str, before: list[Any], after: list[Any], warned: list[str]
) -> None:
    changed, kinds = ruled(rule, conversation(before))
    assert shape(changed) == shape(after), name
    assert kinds == warned
    if warned:
        with pytest.raises(Unsupported):
            ruled(rule, conversation(before), strict=True)
    else:
        assert ruled(rule, conversation(before), strict=True)[0] == changed


@pytest.mark.parametrize("rule", ["system_first", "later_system_as_user", "system_as_user"])
def test_system_rule_changes_nothing_twice(rule: RuleName) -> None:
    before = conversation([system("s"), user("a"), system("t"), assistant("b")])
    once, _ = ruled(rule, before)
    assert ruled(rule, once) == (once, [])
