"""Small conversations for the tables of conversation rules, and their short form."""

from __future__ import annotations

from typing import Any, TypeAlias

from byokd.catalog.quirks.openai_chat import OpenAIChatQuirks
from byokd.catalog.rules import RuleName
from byokd.dialects.base.conversation import Conversation, apply_rule
from byokd.dialects.base.provider_state import StateOwner
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.chat import Tool
from byokd.protocol.parts import Message

Case: TypeAlias = tuple[RuleName, str, list[Any], dict[str, Any], list[Any], list[str]]
"""A rule, a name, messages, quirks, the messages after the rule, and the types of warnings."""

OWNER = StateOwner("p", "m")
OWN = {"provider": "p", "model": "m"}


def system(*texts: str) -> dict[str, Any]:
    """Return a system message; several texts are several parts."""
    return (
        says("system", *(text(part) for part in texts))
        if len(texts) > 1
        else _plain("system", *texts)
    )


def user(words: str) -> dict[str, Any]:
    """Return a user's message."""
    return _plain("user", words)


def assistant(words: str) -> dict[str, Any]:
    """Return an assistant's message."""
    return _plain("assistant", words)


def says(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    """Return a message of parts."""
    return {"role": role, "content": [*parts]}


def text(words: str, **more: Any) -> dict[str, Any]:
    """Return a text part."""
    return {"type": "text", "text": words, **more}


def call(call_id: str, name: str = "f", **more: Any) -> dict[str, Any]:
    """Return a tool call without arguments."""
    return {"type": "toolCall", "callId": call_id, "name": name, "arguments": {}, **more}


def result(call_id: str, content: Any = "ok") -> dict[str, Any]:
    """Return the result of a tool."""
    return {"type": "toolResult", "callId": call_id, "content": content}


def conversation(messages: list[Any], tools: list[Any] | None = None) -> Conversation:
    """Return a conversation from its wire form."""
    return Conversation(
        tuple(Message.model_validate(message) for message in messages),
        OWNER,
        tuple(Tool.model_validate(tool) for tool in tools or ()),
    )


def ruled(
    rule: RuleName, before: Conversation, *, strict: bool = False, **quirks: Any
) -> tuple[Conversation, list[str]]:
    """Apply one rule; return the conversation and the kinds of its warnings."""
    warnings = Warnings(strict=strict)
    after = apply_rule(rule, before, OpenAIChatQuirks.model_validate(quirks), warnings)
    return after, [warning.type for warning in warnings.warnings]


def check_rule(
    rule: RuleName,
    before: list[Any],
    after: list[Any],
    warned: list[str],
    quirks: dict[str, Any],
) -> None:
    """Check what a rule makes of messages, and that it changes nothing the second time."""
    changed, kinds = ruled(rule, conversation(before), strict=True, **quirks)
    assert shape(changed) == shape(after)
    assert kinds == warned
    assert ruled(rule, changed, strict=True, **quirks) == (changed, [])


def shape(shown: Conversation | list[Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the role and the parts of each message, of a conversation or its wire form."""
    if isinstance(shown, list):
        shown = conversation(shown)
    return [
        (message.role, [part.model_dump(mode="json", by_alias=True) for part in message.parts()])
        for message in shown.messages
    ]


def _plain(role: str, words: str) -> dict[str, Any]:
    return {"role": role, "content": words}
