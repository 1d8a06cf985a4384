"""Rules for how a conversation begins and ends."""

from __future__ import annotations

import pytest

from dialects.conversations import (
    OWN,
    Case,
    assistant,
    call,
    check_rule,
    result,
    says,
    system,
    text,
    user,
)

_IMAGE = {"type": "image", "mediaType": "image/png", "data": "AAAA"}
_FILE = {"type": "file", "mediaType": "application/pdf", "data": "AAAA"}
_FOREIGN = {"type": "reasoning", "text": "hm", "providerState": {"provider": "x", "model": "y"}}
_THOUGHT = {"type": "reasoning", "text": "hm", "providerState": OWN}
_CITED = {"type": "citation", "source": {"url": "https://a.test"}}
_DOT, _GO_ON = user("."), user("Go on.")

_CASES: list[Case] = [
    ("begin_with_user", "it does", [user("a")], {}, [user("a")], []),
    ("begin_with_user", "after a system message", [system("s"), user("a")], {},
     [system("s"), user("a")], []),
    ("begin_with_user", "an answer is first", [assistant("a"), user("b")], {},
     [_DOT, assistant("a"), user("b")], ["notice"]),
    ("begin_with_user", "an answer after a system message", [system("s"), assistant("a")], {},
     [system("s"), _DOT, assistant("a")], ["notice"]),
    ("begin_with_user", "only a system message", [system("s")], {}, [system("s"), _DOT],
     ["notice"]),
    ("begin_with_user", "empty text is nothing", [user(""), assistant("a")], {},
     [_DOT, user(""), assistant("a")], ["notice"]),
    ("begin_with_user", "an answer that is not sent", [says("assistant", _FOREIGN), user("b")], {},
     [says("assistant", _FOREIGN), user("b")], []),
    ("begin_with_user", "an image", [says("user", _IMAGE)], {}, [says("user", _IMAGE)], []),
    ("begin_with_user", "an image that is not sent", [says("user", _IMAGE)], {"images": False},
     [_DOT, says("user", _IMAGE)], ["notice"]),
    ("begin_with_user", "an image of the assistant", [says("assistant", _IMAGE), user("b")], {},
     [says("assistant", _IMAGE), user("b")], []),
    ("begin_with_user", "a file", [says("user", _FILE)], {"files": "file"}, [says("user", _FILE)],
     []),
    ("begin_with_user", "a file that is not sent", [says("user", _FILE)], {"files": "none"},
     [_DOT, says("user", _FILE)], ["notice"]),
    ("begin_with_user", "a file of the assistant", [says("assistant", _FILE), user("b")],
     {"files": "file"}, [says("assistant", _FILE), user("b")], []),
    ("begin_with_user", "a call is first", [says("assistant", call("c")), user("b")], {},
     [_DOT, says("assistant", call("c")), user("b")], ["notice"]),
    ("begin_with_user", "no message is sent", [user("")], {}, [_DOT, user("")], ["notice"]),
    ("begin_with_user", "a result of a tool", [says("tool", result("c"))], {},
     [says("tool", result("c"))], []),
    ("end_with_user", "it does", [user("a")], {}, [user("a")], []),
    ("end_with_user", "an answer is last", [user("a"), assistant("b")], {},
     [user("a"), assistant("b"), _GO_ON], ["notice"]),
    ("end_with_user", "a result of a tool", [says("assistant", call("c")),
                                             says("tool", result("c"))], {},
     [says("assistant", call("c")), says("tool", result("c"))], []),
    ("end_with_user", "an answer that is not sent", [user("a"), says("assistant", _FOREIGN)],
     {}, [user("a"), says("assistant", _FOREIGN)], []),
    ("end_with_user", "an empty turn of the user is last", [assistant("a"), user("")], {},
     [assistant("a"), user(""), _GO_ON], ["notice"]),
    ("end_with_user", "no message is sent", [user("")], {}, [user("")], []),
    ("trim_end", "an answer is last", [user("a"), assistant("b \n")], {},
     [user("a"), assistant("b")], []),
    ("trim_end", "a user is last", [assistant("a "), user("b ")], {},
     [assistant("a "), user("b ")], []),
    ("trim_end", "nothing to trim", [user("a"), assistant(" b")], {},
     [user("a"), assistant(" b")], []),
    ("trim_end", "no message is sent", [user("")], {}, [user("")], []),
    ("trim_end", "an empty turn of the user is last", [assistant("a "), user("")], {},
     [assistant("a"), user("")], []),
    ("trim_end", "before an image", [user("a"), says("assistant", text("b "), _IMAGE)], {},
     [user("a"), says("assistant", text("b"), _IMAGE)], []),
    ("trim_end", "before citations", [user("a"), says("assistant", text("b "), _CITED)], {},
     [user("a"), says("assistant", text("b"), _CITED)], []),
    ("trim_end", "before reasoning of another", [says("assistant", text("b "), _FOREIGN)], {},
     [says("assistant", text("b"), _FOREIGN)], []),
    ("trim_end", "before reasoning that goes back", [says("assistant", text("b "), _THOUGHT)], {},
     [says("assistant", text("b "), _THOUGHT)], []),
    ("trim_end", "before a call", [says("assistant", text("b "), call("c"))], {},
     [says("assistant", text("b "), call("c"))], []),
    ("trim_end", "before blocks of its state",
     [says("assistant", text("b ", providerState=OWN | {"blocks": [{"type": "x"}]}))], {},
     [says("assistant", text("b ", providerState=OWN | {"blocks": [{"type": "x"}]}))], []),
]  # fmt: skip


@pytest.mark.parametrize("case", _CASES, ids=[f"{c[0]}-{c[1]}" for c in _CASES])
def test_turn_rule(case: Case) -> None:
    rule, _, before, quirks, after, warned = case
    check_rule(rule, before, after, warned, quirks)
