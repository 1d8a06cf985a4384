"""Writes a conversation as Gemini's contents.

Knows how each part is spelled, and that turns alternate between user and model. Must not know a
provider's name: what a model cannot take is a quirk. What the provider attached to a part goes back
with that very part, to the model that made it and to no other.
"""

from __future__ import annotations

import re
from typing import Final

from byokd.catalog.record import Quirks
from byokd.dialects.base.call import Call
from byokd.dialects.base.call_ids import WireIds
from byokd.dialects.base.tool_arguments import arguments_object, call_as_words
from byokd.dialects.base.tool_pairing import paired
from byokd.dialects.base.warnings import Warnings
from byokd.dialects.gemini.parts import KEPT, SIGNATURE
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.parts import (
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_DATA_URI: Final = re.compile(r"data:([^;,]+);base64,", re.IGNORECASE)


def write_contents(
    call: Call, model: str, quirks: Quirks, notes: Warnings, words: str | None = None
) -> tuple[list[JsonObject], list[JsonObject]]:
    """Return the parts of the system instruction, and the contents in order.

    Args:
        call: whose conversation it is.
        model: the model's id as states name it.
        quirks: what holds for the model.
        notes: takes what cannot be sent.
        words: what else to tell the model, behind the system's own words.
    """
    writer = _Writer(call, model, quirks, notes)
    for message in paired(call.params.messages, quirks, notes):
        writer.add(message)
    writer.flush()
    if words is not None:
        writer.system.append({"text": words})
    if quirks.signature_sentinel:
        _sign_steps(writer.contents, quirks.signature_sentinel, notes)
    if not quirks.system_instruction and writer.system:
        _open_with(writer.contents, writer.system)
        return [], writer.contents
    return writer.system, writer.contents


class _Writer:
    def __init__(self, call: Call, model: str, quirks: Quirks, notes: Warnings) -> None:
        self.system: list[JsonObject] = []
        self.contents: list[JsonObject] = []
        self._quirks = quirks
        self._notes = notes
        self._ids = WireIds(quirks.tool_call_id_pattern)
        self._provider, self._model = call.provider.id, model
        self._called: dict[str, tuple[int, str, bool]] = {}  # call id → order, name, has an id
        self._results: list[tuple[int, JsonObject, list[JsonObject]]] = []

    def add(self, message: Message) -> None:
        """Write one message of the conversation."""
        parts = message.parts()
        if message.role == "assistant":
            self.flush()
            self._put("model", [entry for part in parts for entry in self._model_part(part)])
            return
        if message.role == "system" and not self.contents:
            self.system += [
                {"text": part.text} for part in parts if isinstance(part, TextPart) and part.text
            ]
            return
        others: list[JsonObject] = []
        for part in parts:
            if isinstance(part, ToolResultPart):
                self._result(part)
            else:
                others += self._user_part(part)
        if others:
            self.flush()
            self._put("user", others)

    def flush(self) -> None:
        """Write the results of one step together, in the order of their calls.

        As many as were called must stand in one content, and ids may be missing on both sides.
        """
        results = sorted(self._results, key=lambda result: result[0])
        self._results = []
        shown = [entry for _, _, images in results for entry in images]
        self._put("user", [written for _, written, _ in results] + shown)

    def _put(self, role: str, parts: list[JsonObject]) -> None:
        if not parts:
            return
        last = self.contents[-1] if self.contents else None
        held = last["parts"] if last is not None and last["role"] == role else None
        if isinstance(held, list):
            held += parts
        else:
            self.contents.append({"role": role, "parts": [*parts]})

    # --- the user --------------------------------------------------------------------------------

    def _user_part(self, part: Part) -> list[JsonObject]:
        if isinstance(part, TextPart):
            return [{"text": part.text}] if part.text else []
        if isinstance(part, ImagePart | FilePart):
            return self._media(part)
        return []  # reasoning and citations of others are not the user's words

    def _media(self, part: ImagePart | FilePart) -> list[JsonObject]:
        if isinstance(part, ImagePart) and not self._quirks.images:
            self._notes.dropped("messages", "images cannot be sent to this model")
            return []
        if part.data is not None:
            return [_inline(part.media_type or "image/png", part.data)]
        url = part.url or ""
        if found := _DATA_URI.match(url):
            return [_inline(found.group(1), url[found.end() :])]
        kind: JsonObject = {"mimeType": part.media_type} if part.media_type else {}
        return [{"fileData": kind | {"fileUri": url}}]

    # --- tools -----------------------------------------------------------------------------------

    def _result(self, part: ToolResultPart) -> None:
        """Write a tool's answer: an object, under the name and id of its call."""
        inner = (TextPart(text=part.content),) if isinstance(part.content, str) else part.content
        text = "".join(entry.text for entry in inner if isinstance(entry, TextPart))
        images = [
            entry for one in inner if isinstance(one, ImagePart) for entry in self._media(one)
        ]
        order, name, has_id = self._called.get(part.call_id, (len(self._called), "unknown", False))
        if not self._quirks.tools_supported:
            self._results.append((order, {"text": f"Result of the tool: {text}"}, images))
            return
        written: JsonObject = {"id": self._ids.of_result(part.call_id)} if has_id else {}
        written |= {"name": name, "response": {"error" if part.is_error else "output": text}}
        if images and self._quirks.tool_result_images:
            inside = [entry for entry in images if "inlineData" in entry]
            images = [entry for entry in images if entry not in inside]
            written |= {"parts": [*inside]} if inside else {}
        self._results.append((order, {"functionResponse": written}, images))

    def _call(self, part: ToolCallPart, state: JsonObject) -> list[JsonObject]:
        arguments = arguments_object(part)
        if not self._quirks.tools_supported:
            return [{"text": call_as_words(part)}]
        # A call that this model made without an id has none; the others are told apart by theirs.
        has_id = not state or bool(state.get("callId"))
        self._called[part.call_id] = (len(self._called), part.name, has_id)
        native = state.get("callId") == part.call_id
        named: JsonObject = {}
        if has_id:
            named = {"id": self._ids.of_call(part.call_id, native=native)}
        return [{"functionCall": named | {"name": part.name, "args": arguments}}]

    # --- the model -------------------------------------------------------------------------------

    def _model_part(self, part: Part) -> list[JsonObject]:
        """Write a part of an answer, and behind it what stood there and only Google can read."""
        state = self._own(part)
        written: list[JsonObject] = []
        if isinstance(part, TextPart):
            written = [{"text": part.text}] if part.text else []
        elif isinstance(part, ReasoningPart):
            own = state and part.text and part.kind != "redacted"
            written = [{"text": part.text, "thought": True}] if own else []
        elif isinstance(part, ToolCallPart):
            written = self._call(part, state)
        elif isinstance(part, ImagePart | FilePart):
            written = self._media(part)
        signature = state.get(SIGNATURE)
        if signature and written:
            written[0][SIGNATURE] = signature
        kept = state.get(KEPT)
        return written + [entry for entry in _objects(kept) if entry]

    def _own(self, part: Part) -> JsonObject:
        """Return a part's state if this provider and model made it, else nothing."""
        state = part.provider_state or {}
        own = state.get("provider") == self._provider and state.get("model") == self._model
        return state if own else {}


def _sign_steps(contents: list[JsonObject], sentinel: str, notes: Warnings) -> None:
    """Put a sentinel where the first call of a step has lost its signature.

    Gemini 3 refuses a step without one (documented 2025-11): other models' calls have none, and
    some clients drop them. Calls beside the first one are not signed by Google either.
    """
    for content in contents:
        first = next((part for part in _objects(content["parts"]) if "functionCall" in part), None)
        if first is not None and SIGNATURE not in first:
            first[SIGNATURE] = sentinel
            notes.notice(
                "messages", "an earlier tool call has no thought signature of this model's own"
            )


def _open_with(contents: list[JsonObject], system: list[JsonObject]) -> None:
    """Put the system's words before the first words of the user, for models that take no other."""
    words = "\n\n".join(str(part["text"]) for part in system)
    if contents and contents[0]["role"] == "user":
        held = contents[0]["parts"]
        contents[0]["parts"] = [{"text": f"{words}\n\n"}, *(held if isinstance(held, list) else [])]
    else:
        contents.insert(0, {"role": "user", "parts": [{"text": words}]})


def _inline(media_type: str, data: str) -> JsonObject:
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _objects(value: Json) -> list[JsonObject]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
