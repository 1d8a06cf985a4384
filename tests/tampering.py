"""Spoilers: each breaks one rule that the sandbox checks in a request.

A spoiler changes the body in place. It raises if the part that it changes is missing, because then
the request did not send that part back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Spoil = Callable[[Json, Json], None]


def _assistant(body: Json) -> Json:
    """Return the assistant's message with the tool call."""
    messages = [m for m in body["messages"] if m["role"] == "assistant"]
    assert messages
    message: Json = messages[0]
    return message


def _reasoning_block(body: Json) -> Json:
    block: Json = _assistant(body)["content"][0]
    assert "thinking" in block or "reasoningContent" in block
    return block


def _drop_first_block(body: Json, _options: Json) -> None:
    _reasoning_block(body)
    del _assistant(body)["content"][0]


def _change_signature(body: Json, _options: Json) -> None:
    assert _reasoning_block(body)["signature"]
    _reasoning_block(body)["signature"] = "changed"


def _change_reasoning(body: Json, _options: Json) -> None:
    text = _reasoning_block(body)["reasoningContent"]["reasoningText"]
    assert text["signature"]
    text["text"] += " changed"


def _replace_results(text: Json) -> Spoil:
    def spoil(body: Json, _options: Json) -> None:
        body["messages"][-1]["content"] = [text]

    return spoil


def _no_tool_config(body: Json, _options: Json) -> None:
    del body["toolConfig"]


def _calls(body: Json) -> list[Json]:
    return [p for c in body["contents"] for p in c["parts"] if "functionCall" in p]


def _unsign_call(body: Json, _options: Json) -> None:
    del _calls(body)[0]["thoughtSignature"]


def _forge_call(body: Json, options: Json) -> None:
    assert _calls(body)[0]["thoughtSignature"] != options["sentinel"], (
        "the signature was not sent back"
    )
    _calls(body)[0]["thoughtSignature"] = "Y2hhbmdlZA=="


def _answer_twice(body: Json, _options: Json) -> None:
    parts = body["contents"][-1]["parts"]
    assert "functionResponse" in parts[0]
    parts.append(parts[0])


def _reasoning(body: Json) -> Json:
    return next(item for item in body["input"] if item.get("type") == "reasoning")


def _drop_what_followed(body: Json, _options: Json) -> None:
    _reasoning(body)
    own = {"function_call"}
    body["input"] = [
        item
        for item in body["input"]
        if item.get("type") not in own and item.get("role") != "assistant"
    ]


def _change_encrypted(body: Json, _options: Json) -> None:
    assert _reasoning(body)["encrypted_content"]
    _reasoning(body)["encrypted_content"] = "gAAAchanged=="


def _name_call_alone(body: Json, _options: Json) -> None:
    body["input"].remove(_reasoning(body))
    call = next(item for item in body["input"] if item.get("type") == "function_call")
    call["id"] = "fc_sandbox"


def _drop_output(body: Json, _options: Json) -> None:
    assert body["input"].pop()["type"] == "function_call_output"
    body["input"].append({"role": "user", "content": "and?"})


def _drop_tool_message(body: Json, _options: Json) -> None:
    assert body["messages"].pop()["role"] == "tool"
    body["messages"].append({"role": "user", "content": "and?"})


def _answer_unknown_call(body: Json, _options: Json) -> None:
    last = body["messages"][-1]
    assert last["role"] == "tool"
    body["messages"].append(last | {"tool_call_id": "unknown"})


def _drop_field(body: Json, options: Json) -> None:
    del _assistant(body)[options["field"]]


def _add_refused_field(body: Json, options: Json) -> None:
    assert options["fields"][0] not in _assistant(body)
    _assistant(body)[options["fields"][0]] = "The person wants an answer."


def _add_unknown_field(body: Json, _options: Json) -> None:
    _assistant(body)["surprise"] = True


def _rename_calls(body: Json, _options: Json) -> None:
    _assistant(body)["tool_calls"][0]["id"] = body["messages"][-1]["tool_call_id"] = "call_0_1"


def _add_user_after_tool(body: Json, _options: Json) -> None:
    assert body["messages"][-1]["role"] == "tool"
    body["messages"].append({"role": "user", "content": "and?"})


def _drop_details(body: Json, _options: Json) -> None:
    del _assistant(body)["reasoning_details"]


def _add_empty_calls(body: Json, _options: Json) -> None:
    body["messages"].append({"role": "assistant", "content": "Well.", "tool_calls": []})


def _add_second_user_message(body: Json, _options: Json) -> None:
    body["messages"].append({"role": "user", "content": "and?"})


def _arguments_as_text(body: Json, _options: Json) -> None:
    function = _assistant(body)["tool_calls"][0]["function"]
    assert isinstance(function["arguments"], dict)
    function["arguments"] = "{}"


def _content_as_list(body: Json, options: Json) -> None:
    message = next(m for m in reversed(body["messages"]) if m["role"] in options["roles"])
    assert isinstance(message["content"], str)
    message["content"] = [{"type": "text", "text": "in parts"}]


SPOILERS: dict[str, Spoil] = {
    "thinking_first": _drop_first_block,
    "thinking_signed": _change_signature,
    "results_next": _replace_results({"type": "text", "text": "and?"}),
    "reasoning_first": _drop_first_block,
    "reasoning_signed": _change_reasoning,
    "tool_results_next": _replace_results({"text": "and?"}),
    "tool_config": _no_tool_config,
    "call_signed": _unsign_call,
    "signature_kept": _forge_call,
    "responses_match": _answer_twice,
    "reasoning_followed": _drop_what_followed,
    "reasoning_known": _change_encrypted,
    "call_reasoned": _name_call_alone,
    "outputs_match": _drop_output,
    "calls_answered": _drop_tool_message,
    "results_known": _answer_unknown_call,
    "field_required": _drop_field,
    "field_refused": _add_refused_field,
    "fields_known": _add_unknown_field,
    "ids_match": _rename_calls,
    "no_user_after_tool": _add_user_after_tool,
    "details_kept": _drop_details,
    "calls_not_empty": _add_empty_calls,
    "alternating": _add_second_user_message,
    "arguments_object": _arguments_as_text,
    "text_content": _content_as_list,
}
"""The spoiler of each rule of `sandbox/providers/*.toml`."""
