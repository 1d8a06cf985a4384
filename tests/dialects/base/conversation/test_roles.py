"""Rules for which roles may follow each other."""

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
_THOUGHT = {"type": "reasoning", "text": "hm", "providerState": OWN}
_FOREIGN = {"type": "reasoning", "text": "hm", "providerState": {"provider": "x", "model": "y"}}
_CALLED, _ANSWERED = says("assistant", call("c")), says("tool", result("c"))
_BRIDGE = assistant("Understood.")
_NO_TOOLS = {"tools_supported": False}
_ECHO = {"reasoning_echo": "reasoning_content"}

_CASES: list[Case] = [
    ("alternate_roles", "they do", [system("s"), user("a"), assistant("b"), user("c")], {},
     [system("s"), user("a"), assistant("b"), user("c")], []),
    ("alternate_roles", "two users", [user("a"), user("b")], {}, [user("a\n\nb")], []),
    ("alternate_roles", "three users", [user("a"), user("b"), user("c")], {},
     [user("a\n\nb\n\nc")], []),
    ("alternate_roles", "two answers", [user("a"), assistant("b"), assistant("c")], {},
     [user("a"), assistant("b\n\nc")], []),
    ("alternate_roles", "two system messages", [system("s"), system("t")], {},
     [system("s\n\nt")], []),
    ("alternate_roles", "an empty system message", [system(""), system("t")], {},
     [system("t")], []),
    ("alternate_roles", "several texts stay parts", [user("a"), says("user", text("b"), text("c"))],
     {}, [says("user", text("a"), text("b"), text("c"))], []),
    ("alternate_roles", "an image stays a part", [user("a"), says("user", _IMAGE)], {},
     [says("user", text("a"), _IMAGE)], []),
    ("alternate_roles", "an image that is not sent", [user("a"), says("user", text("b"), _IMAGE)],
     {"images": False}, [says("user", text("a\n\nb"), _IMAGE)], []),
    ("alternate_roles", "a message that is not sent is between",
     [user("a"), assistant(""), user("b")], {}, [user("a\n\nb"), assistant("")], []),
    ("alternate_roles", "reasoning of another is between",
     [user("a"), says("assistant", _FOREIGN), user("b")], _ECHO,
     [user("a\n\nb"), says("assistant", _FOREIGN)], []),
    ("alternate_roles", "reasoning that goes back is between",
     [user("a"), says("assistant", _THOUGHT), user("b")], _ECHO,
     [user("a"), says("assistant", _THOUGHT), user("b")], []),
    ("alternate_roles", "an answer before a call", [user("a"), assistant("b"), _CALLED, _ANSWERED],
     {}, [user("a"), says("assistant", text("b"), call("c")), _ANSWERED], []),
    ("alternate_roles", "an answer after a call", [user("a"), _CALLED, assistant("b")], {},
     [user("a"), _CALLED, assistant("b")], []),
    ("alternate_roles", "a user after a result", [user("a"), _CALLED, _ANSWERED, user("b")], {},
     [user("a"), _CALLED, _ANSWERED, user("b")], []),
    ("alternate_roles", "a call that is sent as text", [user("a"), assistant("b"), _CALLED],
     _NO_TOOLS, [user("a"), assistant("b\n\nI call the tool f with {}")], []),
    ("alternate_roles", "a result that is sent as text", [_CALLED, _ANSWERED, user("b")],
     _NO_TOOLS, [_CALLED, user("Result of the tool: ok\n\nb")], []),
    ("alternate_roles", "results that are sent as text",
     [says("tool", result("c"), result("d", [text("e"), _IMAGE]))], _NO_TOOLS,
     [says("user", text("Result of the tool: ok\n\nResult of the tool: e"), _IMAGE)], []),
    ("bridge_tool_results", "an answer follows", [_CALLED, _ANSWERED, assistant("a")], {},
     [_CALLED, _ANSWERED, assistant("a")], []),
    ("bridge_tool_results", "nothing follows", [_CALLED, _ANSWERED], {}, [_CALLED, _ANSWERED], []),
    ("bridge_tool_results", "a user follows", [_CALLED, _ANSWERED, user("a")], {},
     [_CALLED, _ANSWERED, _BRIDGE, user("a")], ["notice"]),
    ("bridge_tool_results", "a user in the same message",
     [_CALLED, says("user", result("c"), text("a"))], {},
     [_CALLED, _ANSWERED, _BRIDGE, says("user", text("a"))], ["notice"]),
    ("bridge_tool_results", "an image of a result",
     [_CALLED, says("tool", result("c", [text("a"), _IMAGE]))], {},
     [_CALLED, says("tool", result("c", [text("a")])), _BRIDGE, says("user", _IMAGE)], ["notice"]),
    ("bridge_tool_results", "an image that is not sent",
     [_CALLED, says("tool", result("c", [text("a"), _IMAGE]))], {"images": False},
     [_CALLED, says("tool", result("c", [text("a"), _IMAGE]))], []),
    ("bridge_tool_results", "a file that is not sent", [_CALLED, _ANSWERED, says("user", _FILE)],
     {"files": "none"}, [_CALLED, _ANSWERED, says("user", _FILE)], []),
    ("bridge_tool_results", "results of two messages",
     [_CALLED, _ANSWERED, says("tool", result("d")), user("a")], {},
     [_CALLED, _ANSWERED, says("tool", result("d")), _BRIDGE, user("a")], ["notice"]),
    ("bridge_tool_results", "a message that is not sent is between",
     [_CALLED, _ANSWERED, assistant(""), user("a")], {},
     [_CALLED, _ANSWERED, assistant(""), _BRIDGE, user("a")], ["notice"]),
    ("bridge_tool_results", "reasoning that goes back is between",
     [_CALLED, _ANSWERED, says("assistant", _THOUGHT), user("a")], _ECHO,
     [_CALLED, _ANSWERED, says("assistant", _THOUGHT), user("a")], []),
    ("bridge_tool_results", "reasoning that another model gets back is between",
     [_CALLED, _ANSWERED, says("assistant", _THOUGHT), user("a")],
     _ECHO | {"reasoning_echo_models": "^x"},
     [_CALLED, _ANSWERED, says("assistant", _THOUGHT), _BRIDGE, user("a")], ["notice"]),
    ("bridge_tool_results", "a system message is between",
     [_CALLED, _ANSWERED, system("s"), user("a")], {},
     [_CALLED, _ANSWERED, system("s"), user("a")], []),
    ("bridge_tool_results", "results that are sent as text", [_CALLED, _ANSWERED, user("a")],
     _NO_TOOLS, [_CALLED, _ANSWERED, user("a")], []),
]  # fmt: skip


@pytest.mark.parametrize("case", _CASES, ids=[f"{c[0]}-{c[1]}" for c in _CASES])
def test_role_rule(case: Case) -> None:
    rule, _, before, quirks, after, warned = case
    check_rule(rule, before, after, warned, quirks)
