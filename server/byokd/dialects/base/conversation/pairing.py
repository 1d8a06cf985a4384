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
UNPAIRED: Final = "a result without its tool call was sent as words"
ADDED: Final = "a tool call without a result was given one that says so"


def pair_tool_calls(conversation: Conversation, quirks: Quirks, warnings: Warnings) -> Conversation:
    """Put the results of each message's calls into one message right after it.

    A missing result is added; a result without its call becomes text. Where tools are not
    supported nothing changes: dialects then send both as text.
    """
    if not quirks.tools_supported or _is_paired(conversation.messages):
        return conversation
    left = [*conversation.messages]
    written: list[Message] = []
    for at, message in enumerate(conversation.messages):
        calls = _calls(message)
        written.append(left[at] if message.role == "assistant" else _as_words(left[at], warnings))
        if calls:
            results = _taken(calls, left, at + 1)
            for call_id in (call_id for call_id in calls if call_id not in results):
                warnings.notice("messages", ADDED)
                none = ToolResultPart(call_id=call_id, content=NO_RESULT, is_error=True)
                results[call_id] = none
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


def _taken(calls: dict[str, None], left: list[Message], start: int) -> dict[str, ToolResultPart]:
    """Remove the results of these calls from the messages up to the next ones with calls."""
    results: dict[str, ToolResultPart] = {}
    for at in range(start, len(left)):
        message = left[at]
        if _calls(message):
            break
        rest: list[Part] = []
        for part in message.parts():
            own = isinstance(part, ToolResultPart) and part.call_id in calls
            if isinstance(part, ToolResultPart) and own and part.call_id not in results:
                results[part.call_id] = part
            else:
                rest.append(part)
        if len(rest) < len(message.parts()):
            left[at] = message.model_copy(update={"content": tuple(rest)})
    return results


def _as_words(message: Message, warnings: Warnings) -> Message:
    parts = message.parts()
    if not any(isinstance(part, ToolResultPart) for part in parts):
        return message
    warnings.notice("messages", UNPAIRED)
    content: list[Part] = []
    for part in parts:
        content += _words(part) if isinstance(part, ToolResultPart) else (part,)
    return Message(role="user", content=tuple(content))


def _words(part: ToolResultPart) -> tuple[Part, ...]:
    text = TextPart(text=f"Result of a tool: {result_text(part)}")
    return (text, *result_images(part))
