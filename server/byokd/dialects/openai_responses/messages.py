"""Writes a conversation as the items of a Responses request.

Knows how each part is spelled as an item. Must not know a provider's name: what a provider cannot
take is a quirk, and is left out with a warning.

What an answer held goes back in the order in which it came: thoughts before the calls and words
they led to, and the calls that the provider ran itself. Ids are kept where they carry something
(reasoning and what the provider ran); a message or a call without one is never missed by the
provider, when a client has left out something beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from byokd.catalog.quirks.openai_responses import OpenAIResponsesQuirks
from byokd.dialects.base.conversation.pairing import ADDED, NO_RESULT
from byokd.dialects.base.encoder import Draft
from byokd.dialects.base.media import data_uri, warn_not_echoed
from byokd.dialects.base.tool_arguments import arguments_text
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
"""What states of this format are marked with: the chat format of one provider cannot read them."""

_REASONING_FIELDS: Final = ("type", "id", "summary", "content", "encrypted_content")


def write_input(made: Draft, quirks: OpenAIResponsesQuirks) -> list[JsonObject]:
    """Return the items of the conversation, in order."""
    writer = _Writer(made, quirks)
    for message in made.params.messages:
        writer.add(message)
    return writer.items


class _Writer:
    def __init__(self, made: Draft, quirks: OpenAIResponsesQuirks) -> None:
        self.items: list[JsonObject] = []
        self._quirks = quirks
        self._warnings = made.warnings
        self._owner = made.owner
        self._custom: set[str] = set()  # call ids of tools that take free text
        parts = (part for message in made.params.messages for part in message.parts())
        self._called: set[str] = set()  # call ids, as the client knows them, that were written
        self._unanswered: set[str] = set()  # call ids, as they are sent, without a result
        self._answered = {part.call_id for part in parts if isinstance(part, ToolResultPart)}

    def add(self, message: Message) -> None:
        """Write one message of the conversation, which may take several items."""
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
        """Return content: one string where that is all there is, because every server takes it."""
        written = [entry for part in parts if (entry := self._part(part)) is not None]
        texts = [str(entry["text"]) for entry in written if entry["type"] == "input_text"]
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
        return None  # reasoning and citations of others are not the user's words

    def _image(self, part: ImagePart) -> JsonObject | None:
        if not self._quirks.images:
            self._warnings.dropped("messages", "images cannot be sent to this provider")
            return None
        if part.data is None and self._quirks.image_data_uri_only:
            self._warnings.dropped("messages", "this provider takes images only as data")
            return None
        kind = part.media_type or "image/png"
        url = part.url if part.data is None else data_uri(kind, part.data)
        # Servers that check against OpenAI's types demand a detail, which OpenAI itself does not.
        return {"type": "input_image", "image_url": url, "detail": "auto"}

    def _file(self, part: FilePart) -> JsonObject | None:
        if self._quirks.files == "none":
            self._warnings.dropped("messages", "files cannot be sent to this provider")
            return None
        if part.data is None:
            return {"type": "input_file", "file_url": part.url}
        data = data_uri(part.media_type, part.data)
        return {"type": "input_file", "filename": part.name or "document", "file_data": data}

    # --- tools -----------------------------------------------------------------------------------

    def _result(self, part: ToolResultPart) -> list[ImagePart]:
        """Write a tool's answer, and return images that only a user can show here."""
        inner = (TextPart(text=part.content),) if isinstance(part.content, str) else part.content
        text = "".join(entry.text for entry in inner if isinstance(entry, TextPart))
        if part.is_error and not text.lower().startswith("error"):
            inner = (TextPart(text=f"Error: {text}"), *_images(inner))
            text = f"Error: {text}"
        images = _images(inner)
        if part.call_id not in self._called:
            # Without its call it is refused ("No tool call found", 400 of OpenAI).
            if self._quirks.tools_supported:
                note = "a result without its tool call was sent as words"
                self._warnings.notice("messages", note)
            self.items.append({"role": "user", "content": f"Result of the tool: {text}"})
            return images
        inside = self._quirks.tool_result_images
        custom = part.call_id in self._custom
        self.items.append(
            {
                "type": "custom_tool_call_output" if custom else "function_call_output",
                "call_id": part.call_id,
                "output": self._content(tuple(inner)) if inside and images else text,
            }
        )
        return [] if inside else images

    def _call(self, part: ToolCallPart) -> JsonObject | None:
        """Return a call, or None for one of free text that the provider answered itself.

        xAI tells of its own searches so, and refuses to read of them again with a 422
        (router-for-me/CLIProxyAPI#3704, 2026-06).
        """
        if not self._quirks.tools_supported:
            told = f"I call the tool {part.name} with {arguments_text(part)}"
            return {"type": "message", "role": "assistant", "content": told}
        state = self._owner.state(part)
        if state.get("type") == "custom_tool_call" and part.call_id not in self._answered:
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
        """Write what the model said, called and thought, each where it came.

        Where a thought cannot go back, nothing that the provider's own items need it for can:
        without encrypted content it only stands in a memory that we do not use.
        """
        echoes = all(map(_readable, (item for part in parts for item in self._kept(part))))
        begun = len(self.items)
        for part in parts:
            if isinstance(part, TextPart) and part.text:
                self.items.append(self._said(part))
            elif isinstance(part, ToolCallPart) and (called := self._call(part)) is not None:
                self.items.append(called)
            kept = [*self._kept(part)] if echoes else []
            if isinstance(part, ImagePart | FilePart) and not kept:
                warn_not_echoed(self._warnings)
            elif isinstance(part, ImagePart):
                kept = [item | {"result": part.data} for item in kept]
            self.items += map(_clean, kept)
        # A turn that was broken off may end in a thought, which is refused without what follows it
        # ("without its required following item", 400 of OpenAI, seen by many clients since 2025).
        while len(self.items) > begun and self.items[-1].get("type") == "reasoning":
            self.items.pop()
        self._answer_rest(self.items[begun:])

    def _answer_rest(self, items: list[JsonObject]) -> None:
        """Answer calls that nobody answered: a call without an output is refused with a 400."""
        for item in items:
            if item.get("type") == "function_call" and item["call_id"] in self._unanswered:
                told: JsonObject = {"type": "function_call_output", "output": NO_RESULT}
                self.items.append(told | {"call_id": item["call_id"]})
                self._warnings.notice("messages", ADDED)

    def _said(self, part: TextPart) -> JsonObject:
        state = self._owner.state(part)
        if state.get("refusal"):
            refused: Json = [{"type": "refusal", "refusal": part.text}]
            return {"type": "message", "role": "assistant", "content": refused}
        phase = state.get("phase")
        # llama.cpp knows an assistant's words by their type alone (2026-10).
        said: JsonObject = {"type": "message", "role": "assistant", "content": part.text}
        return said | ({"phase": phase} if phase else {})

    def _kept(self, part: Part) -> Iterator[JsonObject]:
        """Yield the items that came with a part and that only the provider can read."""
        kept = self._owner.state(part).get("items")
        for item in kept if isinstance(kept, list) else ():
            if isinstance(item, dict):
                yield item


def _images(parts: tuple[TextPart | ImagePart, ...]) -> list[ImagePart]:
    return [part for part in parts if isinstance(part, ImagePart)]


def _readable(item: JsonObject) -> bool:
    """Tell whether an item says by itself what it holds (open models send thoughts in clear)."""
    return item.get("type") != "reasoning" or bool(
        item.get("encrypted_content") or item.get("content")
    )


def _clean(item: JsonObject) -> JsonObject:
    """Return an item as the provider takes it back: of reasoning, its status and nulls are not."""
    if item.get("type") != "reasoning":
        return item
    kept = {name: item[name] for name in _REASONING_FIELDS if item.get(name)}
    return kept | {"summary": item.get("summary") or []}
