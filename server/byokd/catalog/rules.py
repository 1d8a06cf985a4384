"""Names of the conversation rules."""

from __future__ import annotations

from typing import Literal, TypeAlias

RuleName: TypeAlias = Literal[
    "without_reasoning",
    "inline_media",
    "media_types",
    "tool_names",
    "tool_schemas",
    "answer_schema",
    "simple_schemas",
    "blank_text",
    "pair_tool_calls",
    "call_ids",
    "system_first",
    "later_system_as_user",
    "system_merged",
    "system_as_user",
    "unsent_turns",
    "some_turn",
    "begin_with_user",
    "end_with_user",
    "trim_end",
    "alternate_roles",
    "bridge_tool_results",
]
"""A rule that a conversation must follow before it is encoded (`dialects.base.conversation`).

Rules are applied in the order of this list.
"""
