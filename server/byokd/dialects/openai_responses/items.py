"""Reads the output items of a Responses answer into blocks: in pieces, or whole.

Knows the kinds of items and where each keeps what it says. Must not know frames, errors or the end
of an answer.

The same thing is told up to four times: in deltas, when its part is done, when its item is done
and at the end. The first telling counts; a later one adds what is missing. Items are told apart by
kind and `output_index`, because gateways were seen to change the ids from event to event and from
stream to end (OpenRouter, recorded 2025).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pydantic_core import to_json

from byokd.core.limits import BLOCKS_MAX, JSON_MAX_DEPTH
from byokd.dialects.base.content import Blocks, ReasoningDetail, TextBlock, ToolCall
from byokd.dialects.base.json import place, within_depth
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import ProviderError
from byokd.protocol.events import ReasoningKind
from byokd.protocol.parts import ImagePart, Source, Span

_CALL, _CUSTOM = "function_call", "custom_tool_call"
_UNSUPPORTED: Final = frozenset(
    {"computer_call", "local_shell_call", "shell_call", "apply_patch_call", "mcp_approval_request"}
)
"""What the client is to do, and for which this protocol has no words; only `providerOptions` can
have asked for it."""
_CUSTOM_OPENS: Final = '{"input":"'
_PICTURE: Final = "image_generation_call"
_PAID_APART: Final = frozenset({"code_interpreter_call", "file_search_call", _PICTURE})
"""Tools of the provider whose price is in no count of tokens or searches."""

_Index: TypeAlias = int | str | None
"""Where an item stands in the list of all, or its id at a server that numbers nothing."""


@dataclass(slots=True)
class _Item:
    """One output item, as far as it has come."""

    kind: str
    item_id: str | None
    call: ToolCall | None = None
    said: dict[tuple[str, int], int] = field(default_factory=dict)  # characters of each text
    cited: dict[int, int] = field(default_factory=dict)  # annotations of each text
    place: tuple[str, int] | None = None  # which text of a thought is being written
    thought: TextBlock | None = None
    done: bool = False


class Items:
    """Puts items into blocks. One per answer.

    Args:
        blocks: where to.
        origin: what every state begins with.

    Attributes:
        searches: searches that the provider ran.
        paid_apart: whether it ran anything else that costs.
        unsupported: what the model waits for and cannot be given, by its name; None usually.

    Raises:
        ProviderError: more items, blocks or tool calls than their bounds.
    """

    __slots__ = (
        "_blocks",
        "_by_place",
        "_items",
        "_origin",
        "paid_apart",
        "searches",
        "unsupported",
    )

    def __init__(self, blocks: Blocks, origin: JsonObject) -> None:
        self.searches = 0
        self.paid_apart = False
        self._blocks = blocks
        self._origin = origin
        self._items: list[_Item] = []
        self.unsupported: str | None = None
        self._by_place: dict[tuple[str, _Index], _Item] = {}

    @property
    def calls_wait(self) -> bool:
        """Whether there are calls for the client to run.

        A tool of free text that the provider answered itself is followed by what it said about it
        (xAI's own search comes in that form, recorded 2026).
        """
        waits = False
        for item in self._items:
            waits = item.kind == _CUSTOM or (waits and item.kind != "message")
            if item.kind == _CALL:
                return True
        return waits

    # --- pieces ----------------------------------------------------------------------------------

    def text(self, event: JsonObject) -> None:
        """Read a delta of the answer's text."""
        delta = event.get("delta")
        if isinstance(delta, str) and delta:
            self._say(self._at(event, "message"), ("text", _number(event, "content_index")), delta)

    def refusal(self, event: JsonObject) -> None:
        """Read a delta of a refusal."""
        delta = event.get("delta")
        if isinstance(delta, str) and delta:
            place = ("refusal", _number(event, "content_index"))
            self._say(self._at(event, "message"), place, delta)

    def summary(self, event: JsonObject) -> None:
        """Read a delta of a summary of what was thought."""
        self._thought(event, "summary", "summary_index")

    def reasoning(self, event: JsonObject) -> None:
        """Read a delta of what was thought, in the model's own words."""
        self._thought(event, "raw", "content_index")

    def arguments(self, event: JsonObject) -> None:
        """Read a delta of a call's arguments."""
        call = self._at(event, _CALL).call
        delta = event.get("delta")
        if call is not None and isinstance(delta, str):
            self._blocks.arguments(call, delta)

    def free_text(self, event: JsonObject) -> None:
        """Read a delta of the text that a tool of free text is given, as JSON arguments."""
        call = self._at(event, _CUSTOM).call
        delta = event.get("delta")
        if call is not None and isinstance(delta, str) and delta:
            opening = "" if call.pieces else _CUSTOM_OPENS
            self._blocks.arguments(call, opening + to_json(delta).decode()[1:-1])

    def annotation(self, event: JsonObject) -> None:
        """Read a source, while the text that cites it is still coming."""
        item, index = self._at(event, "message"), _number(event, "content_index")
        item.cited[index] = item.cited.get(index, 0) + 1
        self._cite(event.get("annotation"))

    # --- items -----------------------------------------------------------------------------------

    def added(self, event: JsonObject) -> None:
        """Begin an item."""
        told = event.get("item")
        if isinstance(told, dict):
            self._begin(told, _index(event))

    def finished(self, event: JsonObject) -> None:
        """Read a whole item, of which most or nothing may have come."""
        told = event.get("item")
        if not isinstance(told, dict):
            return
        index = _index(event)
        item = self._by_place.get((_kind(told), index))
        if item is None or (item.done and item.item_id != _text(told.get("id"))):
            item = self._begin(told, index)
        self._complete(item, told)

    def all(self, output: Json) -> None:
        """Read the list of all items at the end: the nth of a kind here was the nth of the stream.

        Neither ids nor places are the same at every gateway.
        """
        unseen: dict[str, list[_Item]] = {}
        for item in self._items:
            unseen.setdefault(item.kind, []).append(item)
        for index, told in enumerate(output if isinstance(output, list) else ()):
            if isinstance(told, dict):
                seen = unseen.get(_kind(told))
                item = seen.pop(0) if seen else self._begin(told, f"end {index}")
                self._complete(item, told)

    # --- how -------------------------------------------------------------------------------------

    def _at(self, event: JsonObject, kind: str) -> _Item:
        """Return the item of a delta; one that was never announced begins with it."""
        index = _index(event)
        item = self._by_place.get((kind, index))
        if item is not None:
            return item
        return self._begin({"type": kind, "id": event.get("item_id")}, index)

    def _begin(self, told: JsonObject, index: _Index) -> _Item:
        kind, item_id = _kind(told), _text(told.get("id"))
        known = self._by_place.get((kind, index))
        if known is not None and not known.done and item_id and known.item_id == item_id:
            return known
        if len(self._items) >= BLOCKS_MAX:
            raise ProviderError(f"the provider sent more than {BLOCKS_MAX} items")
        item = _Item(kind, item_id)
        if kind in {_CALL, _CUSTOM}:
            item.call = self._blocks.tool_call(_native_id(told))
            item.call.name = _text(told.get("name")) or ""
            if kind == _CUSTOM:
                item.call.extra["type"] = kind
            self._blocks.arguments(item.call, "")
        elif kind == "message":
            self._blocks.split()
        elif kind in _UNSUPPORTED:
            self.unsupported = kind
        self._items.append(item)
        self._by_place[kind, index] = item
        return item

    def _complete(self, item: _Item, told: JsonObject) -> None:
        if item.done:
            return
        item.done = True
        if item.kind == "message":
            self._complete_message(item, told)
        elif item.kind == "reasoning":
            self._complete_thought(item, told)
        elif item.call is not None:
            self._complete_call(item.call, told)
        else:
            self._complete_other(told)

    def _complete_message(self, item: _Item, told: JsonObject) -> None:
        for index, part in _parts(told.get("content")):
            for channel in ("text", "refusal"):
                self._rest(item, (channel, index), part.get(channel))
            annotations = part.get("annotations")
            if isinstance(annotations, list):
                for annotation in annotations[item.cited.get(index, 0) :]:
                    self._cite(annotation)
        opened = self._blocks.opened
        if (phase := _text(told.get("phase"))) and opened is not None and opened.kind == "text":
            self._blocks.mark({"phase": phase})

    def _complete_thought(self, item: _Item, told: JsonObject) -> None:
        for name, kind in (("content", "raw"), ("summary", "summary")):
            for index, part in _parts(told.get(name)):
                self._rest(item, (kind, index), part.get("text"))
        if not within_depth(told, JSON_MAX_DEPTH):
            return
        if item.thought is None or item.thought is self._blocks.opened:
            self._blocks.keep("items", told)
        else:  # other things were said before the thought was done (OpenRouter, recorded 2025)
            item.thought.details.append(ReasoningDetail("items", told, None, []))

    def _complete_call(self, call: ToolCall, told: JsonObject) -> None:
        call.native_id = call.native_id or _native_id(told)
        call.name = call.name or _text(told.get("name")) or ""
        if space := _text(told.get("namespace")):
            call.extra["namespace"] = space
        if "type" in call.extra:
            whole = to_json({"input": told.get("input") or ""}).decode()
        else:
            whole = _as_text(told.get("arguments"))
        came = "".join(call.pieces)
        if whole.startswith(came):
            self._blocks.arguments(call, whole[len(came) :])
        else:
            call.pieces[:] = [whole] if whole else call.pieces

    def _complete_other(self, told: JsonObject) -> None:
        """Keep what the provider ran itself; its next answer needs it where it stood."""
        kind, action, picture = _kind(told), told.get("action"), told.get("result")
        if kind == "web_search_call":
            # Opening a page and searching in it are told in the same form, and cost nothing.
            self.searches += not isinstance(action, dict) or action.get("type") in {"search", None}
        self.paid_apart = self.paid_apart or kind in _PAID_APART
        if not within_depth(told, JSON_MAX_DEPTH):
            return
        if kind != _PICTURE or not isinstance(picture, str):
            self._blocks.keep("items", told)
            return
        rest: Json = [{name: value for name, value in told.items() if name != "result"}]
        form = f"image/{_text(told.get('output_format')) or 'png'}"
        state = self._origin | {"items": rest}
        self._blocks.media(ImagePart(media_type=form, data=picture, provider_state=state))

    # --- words -----------------------------------------------------------------------------------

    def _say(self, item: _Item, place: tuple[str, int], delta: str) -> None:
        item.said[place] = item.said.get(place, 0) + len(delta)
        if place[0] == "text":
            self._blocks.text(delta)
        else:
            self._blocks.refusal(delta)

    def _thought(self, event: JsonObject, kind: ReasoningKind, index: str) -> None:
        delta = event.get("delta")
        if isinstance(delta, str) and delta:
            self._think(self._at(event, "reasoning"), (kind, _number(event, index)), delta)

    def _think(self, item: _Item, place: tuple[str, int], delta: str) -> None:
        item.said[place] = item.said.get(place, 0) + len(delta)
        kind: ReasoningKind = "summary" if place[0] == "summary" else "raw"
        if item.place == place:
            self._blocks.reasoning(delta, kind)
            return
        item.place = place
        self._blocks.split()  # each paragraph of a summary is a block of its own
        self._blocks.reasoning(delta, kind)
        item.thought = self._blocks.opened

    def _rest(self, item: _Item, place: tuple[str, int], whole: Json) -> None:
        """Add what is missing of a text."""
        rest = whole[item.said.get(place, 0) :] if isinstance(whole, str) else ""
        if not rest:
            return
        if item.kind == "reasoning":
            self._think(item, place, rest)
        else:
            self._say(item, place, rest)

    def _cite(self, annotation: Json) -> None:
        if not isinstance(annotation, dict):
            return
        url, title = _text(annotation.get("url")), _text(annotation.get("title"))
        document = _text(annotation.get("filename")) or _text(annotation.get("file_id"))
        if not (url or document):
            return
        start, end = place(annotation.get("start_index")), place(annotation.get("end_index"))
        span = None
        if start is not None and end is not None and 0 <= start < end:
            span = Span(start=start, end=end)
        self._blocks.citation(Source(url=url, title=title, document=document), span)


def _parts(value: Json) -> list[tuple[int, JsonObject]]:
    listed = enumerate(value if isinstance(value, list) else ())
    return [(index, part) for index, part in listed if isinstance(part, dict)]


def _kind(told: JsonObject) -> str:
    return _text(told.get("type")) or "message"


def _native_id(told: JsonObject) -> str:
    """Return the id that a result must name; a gateway that sends none knows the item's own."""
    return _text(told.get("call_id")) or _text(told.get("id")) or ""


def _as_text(value: Json) -> str:
    """Return arguments as JSON text; some servers send the object itself."""
    if value is None:
        return ""
    return value if isinstance(value, str) else to_json(value).decode()


def _index(event: JsonObject) -> _Index:
    value = place(event.get("output_index"))
    if value is not None:
        return value
    told = event.get("item")  # llama.cpp numbers nothing, and its ids stay (2026-10)
    return _text(told.get("id") if isinstance(told, dict) else event.get("item_id"))


def _number(event: JsonObject, name: str) -> int:
    return place(event.get(name)) or 0


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
