"""The rule that pairs tool calls and results.

A conversation may end while a tool runs, or lose messages in its client.
"""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.shared import Quirks
from byokd.dialects.base.conversation.value import Conversation
from byokd.dialects.base.tool_results import result_images, result_text
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.parts import Message, Part, TextPart, ToolCallPart, ToolResultPart

# A call without a result is refused with a 400 ("must be followed by tool messages": OpenAI,
# DeepSeek and Qwen; "number of function response parts": Gemini, microsoft/vscode#299295; "found
# without `tool_result` blocks": Bedrock, pydantic-ai#3253), and so is a result without its call
# (Cohere).
NO_RESULT: Final = "The tool gave no result."
UNPAIRED: Final = "a tool result without its call was sent as text"
ADDED: Final = "a tool call without a result got one that says so"


def pair_tool_calls(conversation: Conversation, quirks: Quirks, warnings: Warnings) -> Conversation:
    """Put the results of each message's calls into one message right after it.

    A missing result is added; a result without its call becomes text. Where tools are not
    supported nothing changes: dialects then send both as text.
    """
    if not quirks.tools_supported or _is_paired(conversation.messages):
        return conversation
    remaining = [*conversation.messages]
    written: list[Message] = []
    for at, message in enumerate(conversation.messages):
        calls = _calls(message)
        written.append(
            remaining[at]
            if message.role == "assistant"
            else _results_as_text(remaining[at], warnings)
        )
        if calls:
            results = _take_results(calls, remaining, at + 1)
            for call_id in (call_id for call_id in calls if call_id not in results):
                warnings.notice("messages", ADDED)
                missing = ToolResultPart(call_id=call_id, content=NO_RESULT, is_error=True)
                results[call_id] = missing
            written.append(Message(role="tool", content=tuple(results.values())))
    return conversation.with_messages(
        tuple(message for message in written if message.content != ())
    )


def _is_paired(messages: tuple[Message, ...]) -> bool:
    """Tell whether the rule would change nothing, as in most conversations."""
    calls: dict[str, None] = {}
    for message in messages:
        results = _result_ids(message)
        if message.content == () or ((calls or results) and not _answers(message, results, calls)):
            return False
        calls = _calls(message)
    return not calls


def _answers(message: Message, results: list[str], calls: dict[str, None]) -> bool:
    return (
        message.role == "tool"
        and message.provider_state is None
        and len(results) == len(message.content) == len(calls)
        and calls.keys() == set(results)
    )


def _calls(message: Message) -> dict[str, None]:
    if message.role != "assistant" or isinstance(message.content, str):
        return {}
    return {part.call_id: None for part in message.content if isinstance(part, ToolCallPart)}


def _result_ids(message: Message) -> list[str]:
    if isinstance(message.content, str):
        return []
    return [part.call_id for part in message.content if isinstance(part, ToolResultPart)]


def _take_results(
    calls: dict[str, None], remaining: list[Message], start: int
) -> dict[str, ToolResultPart]:
    """Remove the results of these calls from the messages up to the next ones with calls."""
    results: dict[str, ToolResultPart] = {}
    for at in range(start, len(remaining)):
        message = remaining[at]
        if _calls(message):
            break
        others: list[Part] = []
        for part in message.parts():
            belongs = isinstance(part, ToolResultPart) and part.call_id in calls
            if isinstance(part, ToolResultPart) and belongs and part.call_id not in results:
                results[part.call_id] = part
            else:
                others.append(part)
        if len(others) < len(message.parts()):
            remaining[at] = message.model_copy(update={"content": tuple(others)})
    return results


def _results_as_text(message: Message, warnings: Warnings) -> Message:
    parts = message.parts()
    if not any(isinstance(part, ToolResultPart) for part in parts):
        return message
    warnings.notice("messages", UNPAIRED)
    content: list[Part] = []
    for part in parts:
        content += _result_as_parts(part) if isinstance(part, ToolResultPart) else (part,)
    return Message(role="user", content=tuple(content))


def _result_as_parts(part: ToolResultPart) -> tuple[Part, ...]:
    text = TextPart(text=f"Result of a tool: {result_text(part)}")
    return (text, *result_images(part))
