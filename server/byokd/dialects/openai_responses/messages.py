"""Writes a conversation as the items of a Responses request.

The items of an answer go back in their order: reasoning before its calls and text, and the calls
that the provider ran itself. Only these keep their ids: without one the provider does not miss
items that a client has left out beside a message or call.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from byokd.catalog.quirks.openai_responses import OpenAIResponsesQuirks
from byokd.dialects.base.conversation.pairing import ADDED, NO_RESULT, UNPAIRED
from byokd.dialects.base.encoder import Draft
from byokd.dialects.base.media import data_uri, warn_not_echoed
from byokd.dialects.base.openai_family import image_url
from byokd.dialects.base.tool_arguments import arguments_text, call_as_text
from byokd.dialects.base.tool_results import (
    marked_text,
    result_as_text,
    result_images,
    result_parts,
    result_text,
)
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.parts import (
    FilePart,
    ImagePart,
    Message,
    Part,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

DIALECT: Final = "openai_responses"
"""The `dialect` of this format's states, which the chat format of a provider cannot read."""

_REASONING_FIELDS: Final = ("type", "id", "summary", "content", "encrypted_content")


def write_input(draft: Draft, quirks: OpenAIResponsesQuirks) -> list[JsonObject]:
    writer = _Writer(draft, quirks)
    for message in draft.params.messages:
        writer.add(message)
    return writer.items


class _Writer:
    def __init__(self, draft: Draft, quirks: OpenAIResponsesQuirks) -> None:
        self.items: list[JsonObject] = []
        self._quirks = quirks
        self._warnings = draft.warnings
        self._owner = draft.owner
        self._custom: set[str] = set()  # call ids of tools with free text as input
        parts = (part for message in draft.params.messages for part in message.parts())
        self._called: set[str] = set()  # ids of calls that were written
        self._unanswered: set[str] = set()  # ids of calls without a result
        self._answered = {part.call_id for part in parts if isinstance(part, ToolResultPart)}

    def add(self, message: Message) -> None:
        parts = message.parts()
        if message.role == "assistant":
            self._assistant(parts)
            return
        results = [part for part in parts if isinstance(part, ToolResultPart)]
        others = tuple(part for part in parts if not isinstance(part, ToolResultPart))
        shown = [image for result in results for image in self._result(result)]
        if message.role == "system":
            text = "".join(part.text for part in others if isinstance(part, TextPart))
            self.items.append({"role": "system", "content": text})
        elif content := self._content((*shown, *others)):
            self.items.append({"role": "user", "content": content})

    # --- the user --------------------------------------------------------------------------------

    def _content(self, parts: tuple[Part, ...]) -> Json:
        written = [entry for part in parts if (entry := self._part(part)) is not None]
        texts = [str(entry["text"]) for entry in written if entry["type"] == "input_text"]
        # One string where it is text alone, because every server accepts that.
        if len(texts) == len(written) and (len(texts) <= 1 or self._quirks.text_content_as_string):
            return "".join(texts)
        return list(written)

    def _part(self, part: Part) -> JsonObject | None:
        if isinstance(part, TextPart):
            return {"type": "input_text", "text": part.text} if part.text else None
        if isinstance(part, ImagePart):
            return self._image(part)
        if isinstance(part, FilePart):
            return self._file(part)
        return None  # reasoning and citations are not the user's

    def _image(self, part: ImagePart) -> JsonObject | None:
        url = image_url(part, self._quirks, self._warnings)
        if url is None:
            return None
        # Servers that check against OpenAI's types demand a detail, which OpenAI itself does not.
        detail: JsonObject = {"detail": "auto"} if self._quirks.image_detail else {}
        return {"type": "input_image", "image_url": url, **detail}

    def _file(self, part: FilePart) -> JsonObject | None:
        if self._quirks.files == "none":
            self._warnings.dropped("messages", "files are not supported by this provider")
            return None
        if part.data is None:
            return {"type": "input_file", "file_url": part.url}
        data = data_uri(part.media_type, part.data)
        return {"type": "input_file", "filename": part.name or "document", "file_data": data}

    # --- tools -----------------------------------------------------------------------------------

    def _result(self, part: ToolResultPart) -> list[ImagePart]:
        """Write a tool result; return the images that only a user's message can hold."""
        text, images = marked_text(part), result_images(part)
        if part.call_id not in self._called:
            # Without its call it is refused ("No tool call found", 400 of OpenAI).
            if self._quirks.tools_supported:
                self._warnings.notice("messages", UNPAIRED)
            self.items.append({"role": "user", "content": result_as_text(text)})
            return images
        inside = self._quirks.tool_result_images
        parts = result_parts(part)
        if text != result_text(part):  # marked as an error
            parts = (TextPart(text=text), *images)
        custom = part.call_id in self._custom
        self._called.discard(part.call_id)  # a second result is refused
        self.items.append(
            {
                "type": "custom_tool_call_output" if custom else "function_call_output",
                "call_id": part.call_id,
                "output": self._content(parts) if inside and images else text,
            }
        )
        return [] if inside else images

    def _call(self, part: ToolCallPart) -> JsonObject | None:
        """Return a call, or None for a call of free text that the provider answered itself."""
        if not self._quirks.tools_supported:
            sentence = call_as_text(part, arguments_text(part))
            return {"type": "message", "role": "assistant", "content": sentence}
        state = self._owner.state(part)
        if state.get("type") == "custom_tool_call" and part.call_id not in self._answered:
            # xAI reports its own searches as such calls, and refuses to take them back with a 422
            # (router-for-me/CLIProxyAPI#3704, 2026-06).
            return None
        text = part.arguments.get("input") if isinstance(part.arguments, dict) else None
        if state.get("type") == "custom_tool_call" and isinstance(text, str):
            self._called.add(part.call_id)
            self._custom.add(part.call_id)
            written: JsonObject = {"type": "custom_tool_call", "call_id": part.call_id}
            return written | {"name": part.name, "input": text}
        self._called.add(part.call_id)
        if part.call_id not in self._answered:
            self._unanswered.add(part.call_id)
        written = {"type": "function_call", "call_id": part.call_id, "name": part.name}
        written["arguments"] = arguments_text(part)
        space = state.get("namespace")
        return written | ({"namespace": space} if space else {})

    # --- the assistant ---------------------------------------------------------------------------

    def _assistant(self, parts: tuple[Part, ...]) -> None:
        """Write the text, calls and reasoning of an answer, in order.

        The provider's own items go back all or none: reasoning without encrypted content is
        only in the provider's memory, which is not used, and the items after it need it.
        """
        items = (item for part in parts for item in self._state_items(part))
        echoes = all(map(_is_complete, items))
        start = len(self.items)
        for part in parts:
            if isinstance(part, TextPart) and part.text:
                self.items.append(self._text(part))
            elif isinstance(part, ToolCallPart) and (call := self._call(part)) is not None:
                self.items.append(call)
            own = [*self._state_items(part)] if echoes else []
            if isinstance(part, ImagePart | FilePart) and not own:
                warn_not_echoed(self._warnings)
            elif isinstance(part, ImagePart):
                own = [item | {"result": part.data} for item in own]
            self.items += map(_sendable, own)
        # An answer that was cut off may end in reasoning, which is refused without what follows it
        # ("without its required following item", 400 of OpenAI, seen by many clients since 2025).
        while len(self.items) > start and self.items[-1].get("type") == "reasoning":
            self.items.pop()
        self._answer_calls(self.items[start:])

    def _answer_calls(self, items: list[JsonObject]) -> None:
        for item in items:
            if item.get("type") == "function_call" and item.get("call_id") in self._unanswered:
                output: JsonObject = {"type": "function_call_output", "output": NO_RESULT}
                self.items.append(output | {"call_id": item["call_id"]})
                self._warnings.notice("messages", ADDED)

    def _text(self, part: TextPart) -> JsonObject:
        state = self._owner.state(part)
        if state.get("refusal"):
            refusal: Json = [{"type": "refusal", "refusal": part.text}]
            return {"type": "message", "role": "assistant", "content": refusal}
        phase = state.get("phase")
        # Without `type` llama.cpp does not read it as an assistant's message (2026-10).
        item: JsonObject = {"type": "message", "role": "assistant", "content": part.text}
        return item | ({"phase": phase} if phase else {})

    def _state_items(self, part: Part) -> Iterator[JsonObject]:
        items = self._owner.state(part).get("items")
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict):
                yield item


def _is_complete(item: JsonObject) -> bool:
    # Open models send reasoning in clear.
    return item.get("type") != "reasoning" or bool(
        item.get("encrypted_content") or item.get("content")
    )


def _sendable(item: JsonObject) -> JsonObject:
    if item.get("type") != "reasoning":
        return item
    # Reasoning goes back without its status and nulls.
    fields = {name: item[name] for name in _REASONING_FIELDS if item.get(name)}
    return fields | {"summary": item.get("summary") or []}
