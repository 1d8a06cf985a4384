"""The rules that a conversation must follow before a dialect encodes it.

Those of the dialect, of the model's family, of the record's quirk `rules` and of `Call.rules`
apply. A rule that changes nothing returns the same object. What a rule warns of when it changes
something:

without_reasoning     adjusted
inline_media          silent: the same bytes are sent
media_types           notice, if the client named another type
tool_names            silent: the client gets its own names back
tool_schemas          adjusted, if a condition becomes text
answer_schema         silent: the same schema in other terms, or none where it says nothing
simple_schemas        adjusted, if a constraint becomes text
blank_text            silent: only white space is removed; notice, if nothing else is there
pair_tool_calls       notice, if a result is added or becomes text
call_ids              silent: the client never sees these ids
system_first          adjusted
later_system_as_user  adjusted
system_merged         silent: the same text is sent
system_as_user        adjusted
unsent_turns          notice
some_turn             notice
begin_with_user       notice
end_with_user         notice
trim_end              silent: only white space is removed
alternate_roles       silent: the same text is sent
bridge_tool_results   notice

A strict call refuses what is `adjusted`. No rule gives `dropped`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cache
from typing import Final, TypeAlias

from byokd.catalog.quirks.shared import Quirks
from byokd.catalog.rules import RuleName as RuleName
from byokd.dialects.base.call import Call
from byokd.dialects.base.conversation.media import inline_media, media_types
from byokd.dialects.base.conversation.pairing import pair_tool_calls
from byokd.dialects.base.conversation.reasoning import without_reasoning
from byokd.dialects.base.conversation.roles import alternate_roles, bridge_tool_results
from byokd.dialects.base.conversation.system import (
    later_system_as_user,
    system_as_user,
    system_first,
    system_merged,
)
from byokd.dialects.base.conversation.text import blank_text
from byokd.dialects.base.conversation.tools import (
    answer_schema,
    call_ids,
    simple_schemas,
    tool_names,
    tool_schemas,
)
from byokd.dialects.base.conversation.turns import (
    begin_with_user,
    end_with_user,
    some_turn,
    trim_end,
    unsent_turns,
)
from byokd.dialects.base.conversation.value import Conversation as Conversation
from byokd.dialects.base.provider_state import StateOwner
from byokd.dialects.base.warnings import Warnings

Rule: TypeAlias = Callable[[Conversation, Quirks, Warnings], Conversation]

RULES: Final[dict[RuleName, Rule]] = {
    "without_reasoning": without_reasoning,
    "inline_media": inline_media,
    "media_types": media_types,
    "tool_names": tool_names,
    "tool_schemas": tool_schemas,
    "answer_schema": answer_schema,
    "simple_schemas": simple_schemas,
    "blank_text": blank_text,
    "pair_tool_calls": pair_tool_calls,
    "call_ids": call_ids,
    "system_first": system_first,
    "later_system_as_user": later_system_as_user,
    "system_merged": system_merged,
    "system_as_user": system_as_user,
    "unsent_turns": unsent_turns,
    "some_turn": some_turn,
    "begin_with_user": begin_with_user,
    "end_with_user": end_with_user,
    "trim_end": trim_end,
    "alternate_roles": alternate_roles,
    "bridge_tool_results": bridge_tool_results,
}
"""Every rule, in the order in which rules are applied."""

EVERYWHERE: Final[tuple[RuleName, ...]] = (
    "inline_media",
    "media_types",
    "tool_names",
    "tool_schemas",
    "answer_schema",
    "blank_text",
    "call_ids",
    "unsent_turns",
)
"""The rules that every format applies to every call."""


def apply_rule(
    name: RuleName, conversation: Conversation, quirks: Quirks, warnings: Warnings
) -> Conversation:
    return RULES[name](conversation, quirks, warnings)


def apply_rules(
    names: Collection[RuleName], call: Call, owner: StateOwner, quirks: Quirks, warnings: Warnings
) -> Call:
    """Return the call with the conversation after all rules that apply to it."""
    params = call.params
    before = Conversation(
        params.messages, owner, params.tools, params.tool_choice, params.response_format
    )
    after = before
    for name in _ordered(frozenset((*EVERYWHERE, *names, *quirks.rules, *call.rules))):
        after = apply_rule(name, after, quirks, warnings)
    if after is before:
        return call
    changed = {
        "messages": after.messages,
        "tools": after.tools,
        "tool_choice": after.tool_choice,
        "response_format": after.response_format,
    }
    return replace(call, params=params.model_copy(update=changed))


@cache
def _ordered(names: frozenset[RuleName]) -> tuple[RuleName, ...]:
    return tuple(name for name in RULES if name in names)
