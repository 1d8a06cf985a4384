"""Reads the output items of a Responses answer into blocks.

The same content comes up to four times: in deltas, in its part, in its item and at the end; later
ones add only what is missing. Items are identified by kind and `output_index`, because gateways
change their ids (OpenRouter, recorded 2025).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pydantic_core import to_json

from byokd.core.limits import BLOCKS_MAX, JSON_MAX_DEPTH
from byokd.dialects.base.content import Blocks, ReasoningDetail, TextBlock, ToolCall
from byokd.dialects.base.json import as_index, as_json_text, as_text, within_depth
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import ProviderError
from byokd.protocol.events import ReasoningKind
from byokd.protocol.parts import ImagePart, Source, Span

_CALL, _CUSTOM = "function_call", "custom_tool_call"
_UNSUPPORTED: Final = frozenset(
    {"computer_call", "local_shell_call", "shell_call", "apply_patch_call", "mcp_approval_request"}
)
"""Items that the client would have to answer; this protocol has no part for them. Only
`providerOptions` can enable them."""
_CUSTOM_OPENS: Final = '{"input":"'
_IMAGE: Final = "image_generation_call"
_PAID_APART: Final = frozenset({"code_interpreter_call", "file_search_call", _IMAGE})
"""Tools that the provider runs, with a price apart from tokens and searches."""

_Index: TypeAlias = int | str | None
"""The `output_index` of an item, or its id if the server sends no indexes."""


@dataclass(slots=True)
class _Item:
    """One output item.

    Attributes:
        lengths: characters so far of each text, by kind and index.
        cited: annotations so far of each text, by index.
        writing: the kind and index of the reasoning text in `block`.
        done: whether the whole item was read.
    """

    kind: str
    item_id: str | None
    call: ToolCall | None = None
    lengths: dict[tuple[str, int], int] = field(default_factory=dict)
    cited: dict[int, int] = field(default_factory=dict)
    writing: tuple[str, int] | None = None
    block: TextBlock | None = None
    done: bool = False


class Items:
    """Adds items to blocks.

    Attributes:
        searches: the number of searches that the provider ran.
        paid_apart: whether it ran a tool of `_PAID_APART`.
        unsupported: the kind of item that the client cannot answer.
    """

    __slots__ = (
        "_blocks",
        "_by_key",
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
        self._by_key: dict[tuple[str, _Index], _Item] = {}

    @property
    def calls_wait(self) -> bool:
        """Whether there are calls for the client to run."""
        waits = False
        # A message follows a custom call that the provider ran (xAI's search, recorded 2026).
        for item in self._items:
            waits = item.kind == _CUSTOM or (waits and item.kind != "message")
            if item.kind == _CALL:
                return True
        return waits

    # --- pieces ----------------------------------------------------------------------------------

    def text(self, event: JsonObject) -> None:
        delta = event.get("delta")
        if isinstance(delta, str) and delta:
            self._add_text(
                self._at(event, "message"), ("text", _number(event, "content_index")), delta
            )

    def refusal(self, event: JsonObject) -> None:
        delta = event.get("delta")
        if isinstance(delta, str) and delta:
            key = ("refusal", _number(event, "content_index"))
            self._add_text(self._at(event, "message"), key, delta)

    def summary(self, event: JsonObject) -> None:
        self._reasoning_delta(event, "summary", "summary_index")

    def reasoning(self, event: JsonObject) -> None:
        self._reasoning_delta(event, "raw", "content_index")

    def arguments(self, event: JsonObject) -> None:
        call = self._at(event, _CALL).call
        delta = event.get("delta")
        if call is not None and isinstance(delta, str):
            self._blocks.arguments(call, delta)

    def free_text(self, event: JsonObject) -> None:
        """Read a delta of a custom tool's input as JSON arguments."""
        call = self._at(event, _CUSTOM).call
        delta = event.get("delta")
        if call is not None and isinstance(delta, str) and delta:
            opening = "" if call.pieces else _CUSTOM_OPENS
            self._blocks.arguments(call, opening + to_json(delta).decode()[1:-1])

    def annotation(self, event: JsonObject) -> None:
        item, index = self._at(event, "message"), _number(event, "content_index")
        item.cited[index] = item.cited.get(index, 0) + 1
        self._cite(event.get("annotation"))

    # --- items -----------------------------------------------------------------------------------

    def added(self, event: JsonObject) -> None:
        fields = event.get("item")
        if isinstance(fields, dict):
            self._begin(fields, _index(event))

    def finished(self, event: JsonObject) -> None:
        """Read a whole item, and add what is missing."""
        fields = event.get("item")
        if not isinstance(fields, dict):
            return
        index = _index(event)
        item = self._by_key.get((_kind(fields), index))
        if item is None or (item.done and item.item_id != as_text(fields.get("id"))):
            item = self._begin(fields, index)
        self._complete(item, fields)

    def all(self, output: Json) -> None:
        """Read all items at the end, matched to the stream's by their order within a kind."""
        # Some gateways change ids and indexes.
        unseen: dict[str, list[_Item]] = {}
        for item in self._items:
            unseen.setdefault(item.kind, []).append(item)
        for index, fields in enumerate(output if isinstance(output, list) else ()):
            if isinstance(fields, dict):
                seen = unseen.get(_kind(fields))
                item = seen.pop(0) if seen else self._begin(fields, f"end {index}")
                self._complete(item, fields)

    def _at(self, event: JsonObject, kind: str) -> _Item:
        """Return the item of a delta; begin it if no event did."""
        index = _index(event)
        item = self._by_key.get((kind, index))
        if item is not None:
            return item
        return self._begin({"type": kind, "id": event.get("item_id")}, index)

    def _begin(self, fields: JsonObject, index: _Index) -> _Item:
        kind, item_id = _kind(fields), as_text(fields.get("id"))
        known = self._by_key.get((kind, index))
        if known is not None and not known.done and item_id and known.item_id == item_id:
            return known
        if len(self._items) >= BLOCKS_MAX:
            raise ProviderError(f"the provider sent more than {BLOCKS_MAX} items")
        item = _Item(kind, item_id)
        if kind in {_CALL, _CUSTOM}:
            item.call = self._blocks.tool_call(_native_id(fields))
            item.call.name = as_text(fields.get("name")) or ""
            if kind == _CUSTOM:
                item.call.extra["type"] = kind
            self._blocks.arguments(item.call, "")
        elif kind == "message":
            self._blocks.end_block()
        elif kind in _UNSUPPORTED:
            self.unsupported = kind
        self._items.append(item)
        self._by_key[kind, index] = item
        return item

    def _complete(self, item: _Item, fields: JsonObject) -> None:
        if item.done:
            return
        item.done = True
        if item.kind == "message":
            self._complete_message(item, fields)
        elif item.kind == "reasoning":
            self._complete_reasoning(item, fields)
        elif item.call is not None:
            self._complete_call(item.call, fields)
        else:
            self._complete_other(fields)

    def _complete_message(self, item: _Item, fields: JsonObject) -> None:
        for index, part in _parts(fields.get("content")):
            for channel in ("text", "refusal"):
                self._add_rest(item, (channel, index), part.get(channel))
            annotations = part.get("annotations")
            if isinstance(annotations, list):
                for annotation in annotations[item.cited.get(index, 0) :]:
                    self._cite(annotation)
        opened = self._blocks.open_block
        if (phase := as_text(fields.get("phase"))) and opened is not None and opened.kind == "text":
            self._blocks.seal({"phase": phase})

    def _complete_reasoning(self, item: _Item, fields: JsonObject) -> None:
        for name, kind in (("content", "raw"), ("summary", "summary")):
            for index, part in _parts(fields.get(name)):
                self._add_rest(item, (kind, index), part.get("text"))
        if not within_depth(fields, JSON_MAX_DEPTH):
            return
        if item.block is None or item.block is self._blocks.open_block:
            self._blocks.add_opaque("items", fields)
        else:  # other content came before the item was done (OpenRouter, recorded 2025)
            item.block.details.append(ReasoningDetail("items", fields, None, []))

    def _complete_call(self, call: ToolCall, fields: JsonObject) -> None:
        call.native_id = call.native_id or _native_id(fields)
        call.name = call.name or as_text(fields.get("name")) or ""
        if space := as_text(fields.get("namespace")):
            call.extra["namespace"] = space
        if "type" in call.extra:
            whole = to_json({"input": fields.get("input") or ""}).decode()
        else:
            whole = as_json_text(fields.get("arguments"))
        received = "".join(call.pieces)
        if whole.startswith(received):
            self._blocks.arguments(call, whole[len(received) :])
        else:
            call.pieces[:] = [whole] if whole else call.pieces

    def _complete_other(self, fields: JsonObject) -> None:
        """Store an item that the provider ran, which is sent back at the same position."""
        kind, action, image = _kind(fields), fields.get("action"), fields.get("result")
        if kind == "web_search_call":
            # Opening a page and searching in it have the same form, and cost nothing.
            self.searches += not isinstance(action, dict) or action.get("type") in {"search", None}
        self.paid_apart = self.paid_apart or kind in _PAID_APART
        if not within_depth(fields, JSON_MAX_DEPTH):
            return
        if kind != _IMAGE or not isinstance(image, str):
            self._blocks.add_opaque("items", fields)
            return
        rest: Json = [{name: value for name, value in fields.items() if name != "result"}]
        media_type = f"image/{as_text(fields.get('output_format')) or 'png'}"
        state = self._origin | {"items": rest}
        self._blocks.media(ImagePart(media_type=media_type, data=image, provider_state=state))

    # --- text ------------------------------------------------------------------------------------

    def _add_text(self, item: _Item, key: tuple[str, int], delta: str) -> None:
        item.lengths[key] = item.lengths.get(key, 0) + len(delta)
        if key[0] == "text":
            self._blocks.text(delta)
        else:
            self._blocks.refusal(delta)

    def _reasoning_delta(self, event: JsonObject, kind: ReasoningKind, index: str) -> None:
        delta = event.get("delta")
        if isinstance(delta, str) and delta:
            self._add_reasoning(self._at(event, "reasoning"), (kind, _number(event, index)), delta)

    def _add_reasoning(self, item: _Item, key: tuple[str, int], delta: str) -> None:
        item.lengths[key] = item.lengths.get(key, 0) + len(delta)
        kind: ReasoningKind = "summary" if key[0] == "summary" else "raw"
        if item.writing == key:
            self._blocks.reasoning(delta, kind)
            return
        item.writing = key
        self._blocks.end_block()  # each paragraph of a summary is a block of its own
        self._blocks.reasoning(delta, kind)
        item.block = self._blocks.open_block

    def _add_rest(self, item: _Item, key: tuple[str, int], whole: Json) -> None:
        rest = whole[item.lengths.get(key, 0) :] if isinstance(whole, str) else ""
        if not rest:
            return
        if item.kind == "reasoning":
            self._add_reasoning(item, key, rest)
        else:
            self._add_text(item, key, rest)

    def _cite(self, annotation: Json) -> None:
        if not isinstance(annotation, dict):
            return
        url, title = as_text(annotation.get("url")), as_text(annotation.get("title"))
        document = as_text(annotation.get("filename")) or as_text(annotation.get("file_id"))
        if not (url or document):
            return
        start, end = as_index(annotation.get("start_index")), as_index(annotation.get("end_index"))
        span = None
        if start is not None and end is not None and 0 <= start < end:
            span = Span(start=start, end=end)
        self._blocks.citation(Source(url=url, title=title, document=document), span)


def _parts(value: Json) -> list[tuple[int, JsonObject]]:
    listed = enumerate(value if isinstance(value, list) else ())
    return [(index, part) for index, part in listed if isinstance(part, dict)]


def _kind(fields: JsonObject) -> str:
    return as_text(fields.get("type")) or "message"


def _native_id(fields: JsonObject) -> str:
    """Return the id for results; gateways without `call_id` accept the item's id."""
    return as_text(fields.get("call_id")) or as_text(fields.get("id")) or ""


def _index(event: JsonObject) -> _Index:
    value = as_index(event.get("output_index"))
    if value is not None:
        return value
    item = event.get("item")  # llama.cpp sends no indexes, and its ids do not change (2026-10)
    return as_text(item.get("id") if isinstance(item, dict) else event.get("item_id"))


def _number(event: JsonObject, name: str) -> int:
    return as_index(event.get(name)) or 0
