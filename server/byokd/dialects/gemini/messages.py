"""Writes a conversation as Gemini's contents, in alternating turns of user and model.

The provider's state of a part goes back with that part, only to the model that made it.
"""

from __future__ import annotations

from collections.abc import Sequence

from byokd.catalog.quirks.gemini import GeminiQuirks
from byokd.dialects.base.encoder import Draft
from byokd.dialects.base.provider_state import UNSIGNED
from byokd.dialects.base.tool_arguments import arguments_object, call_as_text
from byokd.dialects.base.tool_results import result_as_text, result_images, result_text
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


def write_contents(draft: Draft, quirks: GeminiQuirks) -> tuple[list[JsonObject], list[JsonObject]]:
    """Return the parts of the system instruction, and the contents."""
    writer = _Writer(draft, quirks)
    for message in draft.params.messages:
        writer.add(message)
    writer.flush()
    if quirks.signature_sentinel:
        _sign_steps(writer.contents, quirks.signature_sentinel, draft.warnings)
    return writer.system, writer.contents


class _Writer:
    def __init__(self, draft: Draft, quirks: GeminiQuirks) -> None:
        self.system: list[JsonObject] = []
        self.contents: list[JsonObject] = []
        self._quirks = quirks
        self._warnings = draft.warnings
        self._owner = draft.owner
        self._called: dict[str, tuple[int, str, bool]] = {}  # call id → order, name, has an id
        self._results: list[tuple[int, JsonObject, list[JsonObject]]] = []

    def add(self, message: Message) -> None:
        parts = message.parts()
        if message.role == "assistant":
            self.flush()
            self._put("model", [entry for part in parts for entry in self._model_part(part)])
            return
        if message.role == "system":
            self.system += [
                {"text": part.text}
                for part in parts
                if isinstance(part, TextPart) and part.text.strip()
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

        There must be as many as calls, and ids may be missing on both sides.
        """
        results = sorted(self._results, key=lambda result: result[0])
        self._results = []
        self._put("user", [written for _, written, _ in results])
        self._put("user", [entry for _, _, images in results for entry in images])

    def _put(self, role: str, parts: list[JsonObject]) -> None:
        """Add parts to the last content if it is of this role, else to a new one.

        What follows results has a content of its own: in one content, 3.7 Flash refuses it
        (MoonshotAI/kimi-code#3274, 2026-08), and older models refused images there
        (google-gemini/gemini-cli#16137).
        """
        if not parts:
            return
        last = self.contents[-1] if self.contents else None
        turn_parts = last["parts"] if last is not None and last["role"] == role else None
        if isinstance(turn_parts, list) and _are_results(turn_parts) is _are_results(parts):
            turn_parts += parts
        else:
            self.contents.append({"role": role, "parts": [*parts]})

    # --- the user --------------------------------------------------------------------------------

    def _user_part(self, part: Part) -> list[JsonObject]:
        if isinstance(part, TextPart):
            return [{"text": part.text}] if part.text else []
        if isinstance(part, ImagePart | FilePart):
            return self._media(part)
        return []  # reasoning and citations are not the user's

    def _media(self, part: ImagePart | FilePart) -> list[JsonObject]:
        if isinstance(part, ImagePart) and not self._quirks.images:
            self._warnings.dropped("messages", "images are not supported by this model")
            return []
        if part.data is not None:
            return [_inline(part.media_type or "image/png", part.data)]
        kind: JsonObject = {"mimeType": part.media_type} if part.media_type else {}
        return [{"fileData": kind | {"fileUri": part.url}}]

    # --- tools -----------------------------------------------------------------------------------

    def _result(self, part: ToolResultPart) -> None:
        text = result_text(part)
        images = [entry for image in result_images(part) for entry in self._media(image)]
        order, name, has_id = self._called.get(part.call_id, (len(self._called), "unknown", False))
        if not self._quirks.tools_supported:
            self._results.append((order, {"text": result_as_text(text)}, images))
            return
        written: JsonObject = {"id": part.call_id} if has_id else {}
        written |= {"name": name, "response": {"error" if part.is_error else "output": text}}
        if images and self._quirks.tool_result_images:
            inside = [entry for entry in images if "inlineData" in entry]
            images = [entry for entry in images if entry not in inside]
            written |= {"parts": [*inside]} if inside else {}
        self._results.append((order, {"functionResponse": written}, images))

    def _call(self, part: ToolCallPart, state: JsonObject) -> list[JsonObject]:
        if not self._quirks.tools_supported:
            return [{"text": call_as_text(part)}]
        # A call that this model made without an id is sent without one.
        has_id = not state or bool(state.get("callId"))
        self._called[part.call_id] = (len(self._called), part.name, has_id)
        named: JsonObject = {"id": part.call_id} if has_id else {}
        return [{"functionCall": named | {"name": part.name, "args": arguments_object(part)}}]

    # --- the model -------------------------------------------------------------------------------

    def _model_part(self, part: Part) -> list[JsonObject]:
        state = self._owner.state(part)
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
        return written + [entry for entry in _objects(state.get(KEPT)) if entry]


def _sign_steps(contents: list[JsonObject], sentinel: str, warnings: Warnings) -> None:
    """Put a sentinel where the first call of a step has lost its signature.

    Gemini 3 refuses a step without one (documented 2025-11): other models' calls have none, and
    some clients drop them. Google signs only the first call of a step.
    """
    for content in contents:
        first = next((part for part in _objects(content["parts"]) if "functionCall" in part), None)
        if first is not None and SIGNATURE not in first:
            first[SIGNATURE] = sentinel
            warnings.notice("messages", UNSIGNED)


def _are_results(parts: Sequence[Json]) -> bool:
    return any(isinstance(part, dict) and "functionResponse" in part for part in parts)


def _inline(media_type: str, data: str) -> JsonObject:
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _objects(value: Json) -> list[JsonObject]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
