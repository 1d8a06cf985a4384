"""Echo rules: what a provider requires of its own earlier answers in the next request.

A rule returns the fields of the error, or None for a good request. Which provider has which rule
is in `providers/*.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final

from byokd.sandbox.styles.messages_text import objects, text_of
from byokd.sandbox.turn import ErrorFields, JsonObject, Rule, signature

# --- Messages ------------------------------------------------------------------------------------


def _blocks(body: JsonObject, role: str) -> Iterator[tuple[int, int, JsonObject]]:
    """Yield message index, block index and block of all blocks of a role."""
    for at, message in enumerate(objects(body.get("messages"))):
        if message.get("role") == role:
            for index, block in enumerate(objects(message.get("content"))):
                yield at, index, block


def _thinking_first(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    """If thinking is enabled, the turn with a tool call must begin with its thinking."""
    if (body.get("thinking") or {}).get("type") != "enabled":
        return None
    return _first_kind(body, lambda block: str(block.get("type")), "tool_result")


def _first_kind(
    body: JsonObject, kind_of: Callable[[JsonObject], str], result: str
) -> ErrorFields | None:
    messages = objects(body.get("messages"))
    for at in range(len(messages) - 1, 0, -2):
        if not any(kind_of(block) == result for block in objects(messages[at].get("content"))):
            return None
        first = next(iter(objects(messages[at - 1].get("content"))), {})
        if kind_of(first) not in {"thinking", "redacted_thinking", "reasoningContent"}:
            return {"at": f"messages.{at - 1}.content.0", "found": _documented_kind(kind_of(first))}
    return None


def _documented_kind(kind: str) -> str:
    return {"toolUse": "tool_use"}.get(kind, kind)


def _thinking_signed(body: JsonObject, model: str, _options: JsonObject) -> ErrorFields | None:
    for at, index, block in _blocks(body, "assistant"):
        if block.get("type") == "thinking":
            signed = signature(model, str(block.get("thinking")))
            if block.get("signature") != signed:
                return {"at": f"messages.{at}.content.{index}"}
    return None


def _results_next(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    """Each tool call must have its result in the next message."""
    messages = objects(body.get("messages"))
    for at, message in enumerate(messages):
        call_ids = [b["id"] for b in objects(message.get("content")) if b.get("type") == "tool_use"]
        following = objects(messages[at + 1].get("content")) if at + 1 < len(messages) else []
        result_ids = {block.get("tool_use_id") for block in following}
        if missing := [call for call in call_ids if call not in result_ids]:
            return {"at": f"messages.{at}", "ids": ", ".join(missing)}
    return None


# --- Converse ------------------------------------------------------------------------------------


def _kind(block: JsonObject) -> str:
    return next(iter(block), "")


def _reasoning_first(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    more = body.get("additionalModelRequestFields") or {}
    if (more.get("thinking") or {}).get("type") != "enabled":
        return None
    return _first_kind(body, _kind, "toolResult")


def _reasoning_signed(body: JsonObject, model: str, _options: JsonObject) -> ErrorFields | None:
    for at, index, block in _blocks(body, "assistant"):
        reasoning = (block.get("reasoningContent") or {}).get("reasoningText")
        if reasoning and reasoning.get("signature") != signature(model, str(reasoning.get("text"))):
            return {"at": f"messages.{at}.content.{index}"}
    return None


def _tool_results_next(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    messages = objects(body.get("messages"))
    for at, message in enumerate(messages):
        content = objects(message.get("content"))
        call_ids = [block["toolUse"]["toolUseId"] for block in content if "toolUse" in block]
        following = objects(messages[at + 1].get("content")) if at + 1 < len(messages) else []
        result_ids = {(block.get("toolResult") or {}).get("toolUseId") for block in following}
        if missing := [call for call in call_ids if call not in result_ids]:
            return {"at": f"messages.{at + 1}.content", "ids": ", ".join(missing)}
    return None


def _tool_config(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    used = any("toolUse" in block for _, _, block in _blocks(body, "assistant"))
    return {} if used and "toolConfig" not in body else None


# --- generateContent -----------------------------------------------------------------------------


def _steps(body: JsonObject) -> Iterator[tuple[int, list[JsonObject], list[JsonObject]]]:
    """Yield index, calls and responses of each step after the last user text."""
    contents = objects(body.get("contents"))
    parts = [objects(content.get("parts")) for content in contents]
    user_turns = [
        at
        for at, content in enumerate(contents)
        if content.get("role") == "user" and any("text" in part for part in parts[at])
    ]
    for at in range(user_turns[-1] + 1 if user_turns else 0, len(contents)):
        calls = [part for part in parts[at] if "functionCall" in part]
        if calls:
            following = parts[at + 1] if at + 1 < len(parts) else []
            yield at, calls, [part for part in following if "functionResponse" in part]


def _call_signed(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    """The first call of each step must have a signature."""
    for at, calls, _ in _steps(body):
        if "thoughtSignature" not in calls[0]:
            return {"name": calls[0]["functionCall"].get("name"), "position": at + 1}
    return None


def _signature_kept(body: JsonObject, model: str, options: JsonObject) -> ErrorFields | None:
    """A signature must be the provider's own, or the sentinel for a lost one."""
    for _, calls, _ in _steps(body):
        signed = signature(model, str(calls[0]["functionCall"].get("name")))
        if calls[0].get("thoughtSignature") not in {signed, options.get("sentinel")}:
            return {}
    return None


def _responses_match(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    return next(({} for _, calls, responses in _steps(body) if len(calls) != len(responses)), None)


# --- Responses -----------------------------------------------------------------------------------


def _reasoning_followed(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    """A reasoning item must be followed by another item of the model."""
    items = objects(body.get("input"))
    for item, following in zip(items, [*items[1:], {}], strict=True):
        own = following.get("type") in {"function_call", "custom_tool_call", "reasoning"}
        if item.get("type") == "reasoning" and not (own or following.get("role") == "assistant"):
            return {"id": item.get("id")}
    return None


def _reasoning_known(body: JsonObject, model: str, _options: JsonObject) -> ErrorFields | None:
    """Encrypted reasoning must come back unchanged with its own id."""
    for item in objects(body.get("input")):
        if item.get("type") == "reasoning":
            signed = signature(model, str(item.get("id")))
            encrypted = str(item.get("encrypted_content") or "")
            if encrypted != signed:
                return {"id": item.get("id"), "content": f"{encrypted[:4]}...{encrypted[-4:]}"}
    return None


def _call_reasoned(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    """A call that has its item's id must come with the reasoning before it."""
    items = objects(body.get("input"))
    has_reasoning = False
    for item in items:
        if item.get("type") == "reasoning":
            has_reasoning = True
        elif item.get("role") == "user":
            has_reasoning = False
        elif item.get("type") == "function_call" and item.get("id") and not has_reasoning:
            return {"id": item.get("id")}
    return None


def _outputs_match(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    items = objects(body.get("input"))
    call_ids = {i.get("call_id") for i in items if i.get("type") == "function_call"}
    result_ids = {i.get("call_id") for i in items if i.get("type") == "function_call_output"}
    missing = sorted(str(call_id) for call_id in call_ids ^ result_ids)
    return (
        {"id": missing[0], "what": "output" if missing[0] in call_ids else "call"}
        if missing
        else None
    )


# --- chat completions ----------------------------------------------------------------------------


def _messages_of(body: JsonObject, role: str) -> Iterator[tuple[int, JsonObject]]:
    for at, message in enumerate(objects(body.get("messages"))):
        if message.get("role") == role:
            yield at, message


def _calls_answered(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    """Each call must have its result before the next message of another role."""
    messages = objects(body.get("messages"))
    for at, message in enumerate(messages):
        open_ids = [call.get("id") for call in objects(message.get("tool_calls"))]
        for following in messages[at + 1 :] if open_ids else ():
            if following.get("role") != "tool":
                break
            if following.get("tool_call_id") in open_ids:
                open_ids.remove(following.get("tool_call_id"))
        if open_ids:
            return {"ids": ", ".join(map(str, open_ids)), "at": at}
    return None


def _results_known(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    known: set[Any] = set()
    for at, message in enumerate(objects(body.get("messages"))):
        known |= {call.get("id") for call in objects(message.get("tool_calls"))}
        if message.get("role") == "tool" and message.get("tool_call_id") not in known:
            return {"at": at, "id": message.get("tool_call_id")}
    return None


def _field_required(body: JsonObject, _model: str, options: JsonObject) -> ErrorFields | None:
    """Every assistant message must have this field, unless thinking is off."""
    if (body.get("thinking") or {}).get("type") == "disabled":
        return None
    field = options["field"]
    return next(({"at": at} for at, m in _messages_of(body, "assistant") if field not in m), None)


def _field_refused(body: JsonObject, _model: str, options: JsonObject) -> ErrorFields | None:
    for at, message in enumerate(objects(body.get("messages"))):
        for field in options["fields"]:
            if field in message:
                return {"at": at, "field": field, "role": message.get("role")}
    return None


def _fields_known(body: JsonObject, _model: str, options: JsonObject) -> ErrorFields | None:
    known = set(options["fields"])
    known_in_body = set(options.get("body") or body)
    for field in body:
        if field not in known_in_body:
            return {"field": field, "at": "", "role": "", "loc": ["body", field]}
    for at, message in enumerate(objects(body.get("messages"))):
        role = str(message.get("role"))
        for field in message:
            if field not in known:
                return {"field": field, "at": at, "role": role,
                        "loc": ["body", "messages", at, role, field]}  # fmt: skip
    return None


def _ids_match(body: JsonObject, _model: str, options: JsonObject) -> ErrorFields | None:
    for message in objects(body.get("messages")):
        for call in objects(message.get("tool_calls")):
            if not re.fullmatch(options["pattern"], str(call.get("id"))):
                return {"id": call.get("id")}
    return None


def _no_user_after_tool(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    roles = [message.get("role") for message in objects(body.get("messages"))]
    return {} if ("tool", "user") in pairwise(roles) else None


def _details_kept(body: JsonObject, model: str, _options: JsonObject) -> ErrorFields | None:
    """Signed reasoning details of a turn with calls must come back unchanged."""
    for at, message in _messages_of(body, "assistant"):
        if not message.get("tool_calls"):
            continue
        details = objects(message.get("reasoning_details"))
        text = "".join(str(detail.get("text") or "") for detail in details)
        signed = next((d["signature"] for d in details if d.get("signature")), None)
        if signed != signature(model, text):
            return {"at": at}
    return None


def _calls_not_empty(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    return next(
        ({"at": at} for at, m in _messages_of(body, "assistant") if m.get("tool_calls") == []), None
    )


def _alternating(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    """After system messages, user and assistant alternate, and a user message is last."""
    roles = [message.get("role") for message in objects(body.get("messages"))]
    while roles and roles[0] == "system":
        del roles[0]
    expected = ["user" if n % 2 == 0 else "assistant" for n in range(len(roles))]
    return None if roles == expected and len(roles) % 2 else {}


def _arguments_object(body: JsonObject, _model: str, _options: JsonObject) -> ErrorFields | None:
    for _, message in _messages_of(body, "assistant"):
        for call in objects(message.get("tool_calls")):
            if not isinstance((call.get("function") or {}).get("arguments"), dict):
                return {}
    return None


def _text_content(body: JsonObject, _model: str, options: JsonObject) -> ErrorFields | None:
    for at, message in enumerate(objects(body.get("messages"))):
        content = message.get("content")
        listed = isinstance(content, list) and bool(text_of(content))
        if listed and message.get("role") in options["roles"]:
            return {"at": at}
    return None


RULES: Final[dict[str, Rule]] = {
    "thinking_first": _thinking_first,
    "thinking_signed": _thinking_signed,
    "results_next": _results_next,
    "reasoning_first": _reasoning_first,
    "reasoning_signed": _reasoning_signed,
    "tool_results_next": _tool_results_next,
    "tool_config": _tool_config,
    "call_signed": _call_signed,
    "signature_kept": _signature_kept,
    "responses_match": _responses_match,
    "reasoning_followed": _reasoning_followed,
    "reasoning_known": _reasoning_known,
    "call_reasoned": _call_reasoned,
    "outputs_match": _outputs_match,
    "calls_answered": _calls_answered,
    "results_known": _results_known,
    "field_required": _field_required,
    "field_refused": _field_refused,
    "fields_known": _fields_known,
    "ids_match": _ids_match,
    "no_user_after_tool": _no_user_after_tool,
    "details_kept": _details_kept,
    "calls_not_empty": _calls_not_empty,
    "alternating": _alternating,
    "arguments_object": _arguments_object,
    "text_content": _text_content,
}
"""The rules by the name that providers' files use."""
