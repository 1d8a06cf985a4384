"""Reads the output items of a Responses answer into blocks.

The same content comes up to four times: in deltas, at their end, in its item and in the response;
later ones add only what is missing. Gateways change ids (OpenRouter, recorded 2025) and places
(Bedrock's `content_index` counts from the reasoning on, recorded 2026), so items and texts are
matched by what they hold where their places differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pydantic_core import to_json

from byokd.core.limits import BLOCKS_MAX, JSON_MAX_DEPTH
from byokd.dialects.base.content import Blocks, ReasoningDetail, TextBlock, ToolCall
from byokd.dialects.base.json import as_index, as_json_text, as_text, text_of, within_depth
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
_SEARCH_RESULTS: Final = "search_results"
_RESULTS: Final = "_results"
"""How kinds of items with results of the provider's own tools end (Perplexity, 2026-09)."""
_IMAGE: Final = "image_generation_call"
_PAID_APART: Final = frozenset({"code_interpreter_call", "file_search_call", _IMAGE})
"""Tools that the provider runs, with a price apart from tokens and searches."""

_NEAR: Final = 64
"""Among so many items one with the same content is looked for."""

_Key: TypeAlias = tuple[str, int]
"""A text of an item: its channel (`text`, `refusal`, `raw`, `summary`) and its index."""

_CHANNELS: Final = {
    "message": (("content", "text", "text"), ("content", "refusal", "refusal")),
    "reasoning": (("content", "text", "raw"), ("summary", "text", "summary")),
}
"""The texts of an item by its kind: their list, their field, and their channel."""

_PARTS: Final = (
    ("message", {"output_text", "text"}, "text", "content_index"),
    ("message", {"refusal"}, "refusal", "content_index"),
    ("reasoning", {"reasoning_text"}, "raw", "content_index"),
    ("reasoning", {"summary_text"}, "summary", "summary_index"),
)
"""The kinds of items, types of their parts, channels and indexes of the ends of parts."""

_Index: TypeAlias = int | str | None
"""The `output_index` of an item, or its id if the server sends no indexes."""


@dataclass(slots=True)
class _Item:
    """One output item.

    Attributes:
        texts: what came of each text, by channel and index.
        ended: the texts whose end was stated.
        cited: annotations so far of each text, by index.
        writing: the kind and index of the reasoning text in `block`.
        done: whether the whole item was read.
    """

    kind: str
    item_id: str | None
    call: ToolCall | None = None
    texts: dict[_Key, list[str]] = field(default_factory=dict)
    ended: set[_Key] = field(default_factory=set)
    cited: dict[int, int] = field(default_factory=dict)
    writing: _Key | None = None
    block: TextBlock | None = None
    done: bool = False

    def received(self, *channels: str) -> str:
        """Return the text of the channels so far, of all channels if none is named."""
        return "".join(
            piece
            for (channel, _), pieces in self.texts.items()
            if not channels or channel in channels
            for piece in pieces
        )

    def began(self, fields: JsonObject) -> bool:
        """Tell whether a whole item goes on from what came of this one."""
        if self.call is not None:
            native_id, pieces = _native_id(fields), "".join(self.call.pieces)
            if self.call.native_id and native_id == self.call.native_id:
                return True
            return bool(pieces) and _arguments(fields).startswith(pieces)
        wholes = _wholes(fields)
        begun = ((self.received(channel), whole) for channel, whole in wholes.items())
        return any(text and whole.startswith(text) for text, whole in begun) or (
            bool(self.texts) and self.received() in wholes.values()
        )


class Items:
    """Adds items to blocks.

    Attributes:
        searches: the number of searches that the provider ran.
        paid_apart: whether it ran a tool of `_PAID_APART`.
        unsupported: the kind of item that the client cannot answer.
    """

    __slots__ = (
        "_blocks",
        "_by_id",
        "_by_key",
        "_echoes_calls",
        "_items",
        "_origin",
        "paid_apart",
        "searches",
        "unsupported",
    )

    def __init__(self, blocks: Blocks, origin: JsonObject, *, echoes_calls: bool = True) -> None:
        """`echoes_calls` tells whether the provider takes calls back that it ran itself."""
        self.searches = 0
        self.paid_apart = False
        self._blocks = blocks
        self._origin = origin
        self._echoes_calls = echoes_calls
        self._items: list[_Item] = []
        self.unsupported: str | None = None
        self._by_key: dict[tuple[str, _Index], _Item] = {}
        self._by_id: dict[tuple[str, str], _Item] = {}

    @property
    def all_done(self) -> bool:
        """Whether there are items, and all of them came whole."""
        return bool(self._items) and all(item.done for item in self._items)

    @property
    def calls_wait(self) -> bool:
        """Whether there are calls for the client to run."""
        waits = False
        # A message follows a custom call that the provider ran (xAI's search, recorded 2026).
        for item in self._items:
            if item.call is not None and item.call.held:
                continue  # the provider ran it
            waits = item.kind == _CUSTOM or (waits and item.kind != "message")
            if item.kind == _CALL and item.call is not None:
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

    # --- ends of pieces, which repeat them -------------------------------------------------------

    def text_end(self, event: JsonObject) -> None:
        self._text_end(event, "message", "text", "content_index")

    def refusal_end(self, event: JsonObject) -> None:
        self._text_end(event, "message", "refusal", "content_index")

    def summary_end(self, event: JsonObject) -> None:
        self._text_end(event, "reasoning", "summary", "summary_index")

    def reasoning_end(self, event: JsonObject) -> None:
        self._text_end(event, "reasoning", "raw", "content_index")

    def arguments_end(self, event: JsonObject) -> None:
        self._arguments_end(event, _CALL)

    def free_text_end(self, event: JsonObject) -> None:
        self._arguments_end(event, _CUSTOM)

    def _text_end(self, event: JsonObject, kind: str, channel: str, index: str) -> None:
        whole = event.get("refusal" if channel == "refusal" else "text")
        if isinstance(whole, str) and whole:
            item = self._ending(event, kind, lambda item: _is_begun(item, channel, whole))
            if not item.done:
                self._end_text(item, (channel, _number(event, index)), whole)

    def _arguments_end(self, event: JsonObject, kind: str) -> None:
        if event.get("arguments") or event.get("input"):
            fields = event | {"type": kind}
            whole = _arguments(fields)
            item = self._ending(event, kind, lambda item: whole.startswith("".join(_pieces(item))))
            if item.call is not None and not item.done:
                self._complete_call(item.call, fields)

    def part_end(self, event: JsonObject) -> None:
        """Read the end of a part, which repeats its text."""
        part = event.get("part")
        if not isinstance(part, dict):
            return
        for kind, part_types, channel, index in _PARTS:
            if part.get("type") in part_types:
                self._text_end(event | part, kind, channel, index)

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
        self._complete(self._streamed(fields, index) or self._begin(fields, index), fields)

    def _streamed(self, fields: JsonObject, index: _Index) -> _Item | None:
        """Return the item that a whole one repeats: by its id, its place or its content."""
        kind, item_id = _kind(fields), as_text(fields.get("id"))
        placed = self._by_key.get((kind, index))
        if placed is not None and item_id and placed.item_id == item_id:
            return placed
        if item_id and (named := self._by_id.get((kind, item_id))) and not named.done:
            return named
        if placed is not None and not placed.done and placed.began(fields):
            return placed
        waiting = [item for item in self._items[-_NEAR:] if item.kind == kind and not item.done]
        begun = next((item for item in waiting if item.began(fields)), None)
        return begun or (None if placed is None or placed.done else placed)

    def all(self, output: Json) -> None:
        """Read all items at the end.

        They are matched to the stream's by id or content, else by their order within a kind. A text
        stands for one message with it.
        """
        if isinstance(output, str):
            output = [{"type": "message", "content": output}]
        unseen: dict[str, list[_Item]] = {}
        for item in self._items:
            unseen.setdefault(item.kind, []).append(item)
        for index, fields in enumerate(output if isinstance(output, list) else ()):
            if isinstance(fields, dict):
                seen = unseen.get(_kind(fields))
                item = _take(seen, fields) if seen else self._begin(fields, f"end {index}")
                self._complete(item, fields)

    def _placed(self, event: JsonObject, kind: str) -> _Item | None:
        """Return the item at the place of an event, or with its id."""
        index, item_id = _index(event), event.get("item_id")
        item = self._by_key.get((kind, index))
        if item is not None and (item_id is None or item.item_id == item_id):
            return item
        named = self._by_id.get((kind, item_id)) if isinstance(item_id, str) else None
        if named is not None and not named.done:
            return named
        return item

    def _ending(self, event: JsonObject, kind: str, is_begun: Callable[[_Item], bool]) -> _Item:
        """Return the item whose end an event states, perhaps at another place."""
        if (item := self._placed(event, kind)) is not None:
            return item
        waiting = [item for item in self._items[-_NEAR:] if item.kind == kind and not item.done]
        return next(filter(is_begun, waiting), None) or self._at(event, kind)

    def _at(self, event: JsonObject, kind: str) -> _Item:
        """Return the item of a delta; begin it if no event did."""
        if (item := self._placed(event, kind)) is not None:
            return item
        if kind in {_CALL, _CUSTOM}:  # a call that began at another place, and has no arguments yet
            for waiting in reversed(self._items[-_NEAR:]):
                if waiting.kind == kind and not waiting.done and not _pieces(waiting):
                    return waiting
        return self._begin({"type": kind, "id": event.get("item_id")}, _index(event))

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
        if item_id:
            self._by_id[kind, item_id] = item
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
            if self._echoes_calls and within_depth(fields, JSON_MAX_DEPTH):
                item.call.item = ("items", fields)
        else:
            self._complete_other(fields)

    def _complete_message(self, item: _Item, fields: JsonObject) -> None:
        self._complete_texts(item, fields)
        for index, part in _parts(fields.get("content")):
            annotations = part.get("annotations")
            if isinstance(annotations, list):
                for annotation in annotations[item.cited.get(index, 0) :]:
                    self._cite(annotation)
        opened = self._blocks.open_block
        if (phase := as_text(fields.get("phase"))) and opened is not None and opened.kind == "text":
            self._blocks.seal({"phase": phase})

    def _complete_reasoning(self, item: _Item, fields: JsonObject) -> None:
        self._complete_texts(item, fields)
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
        whole = _arguments(fields)
        received = "".join(call.pieces)
        if whole.startswith(received):
            self._blocks.arguments(call, whole[len(received) :])
        else:
            call.pieces[:] = [whole] if whole else call.pieces

    def _complete_other(self, fields: JsonObject) -> None:
        """Store an item that the provider ran, which is sent back at the same position."""
        kind, action, image = _kind(fields), fields.get("action"), fields.get("result")
        if kind.endswith(_RESULTS):
            self._cite_results(kind, fields)
            return
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

    def _cite_results(self, kind: str, fields: JsonObject) -> None:
        """Read what the provider found as sources; it takes no such item back (Perplexity)."""
        self.searches += kind == _SEARCH_RESULTS
        for _, entry in _parts(fields.get("results") or fields.get("contents")):
            self._cite(entry)

    # --- text ------------------------------------------------------------------------------------

    def _add_text(self, item: _Item, key: _Key, delta: str) -> None:
        item.texts.setdefault(key, []).append(delta)
        if key[0] == "text":
            self._blocks.text(delta)
        else:
            self._blocks.refusal(delta)

    def _reasoning_delta(self, event: JsonObject, kind: ReasoningKind, index: str) -> None:
        delta = event.get("delta")
        if isinstance(delta, str) and delta:
            self._add_reasoning(self._at(event, "reasoning"), (kind, _number(event, index)), delta)

    def _add_reasoning(self, item: _Item, key: _Key, delta: str) -> None:
        item.texts.setdefault(key, []).append(delta)
        kind: ReasoningKind = "summary" if key[0] == "summary" else "raw"
        if item.writing == key:
            self._blocks.reasoning(delta, kind)
            return
        item.writing = key
        self._blocks.end_block()  # each paragraph of a summary is a block of its own
        self._blocks.reasoning(delta, kind)
        item.block = self._blocks.open_block

    def _complete_texts(self, item: _Item, fields: JsonObject) -> None:
        """Add what a whole item has beyond the texts that came of it."""
        for name, text_name, channel in _CHANNELS[item.kind]:
            texts = {
                (channel, index): text
                for index, part in _parts(fields.get(name))
                if (text := as_text(part.get(text_name)))
            }
            whole = "".join(texts.values())
            # Reasoning that was streamed as text may end as a summary (OpenRouter, recorded 2025).
            received = item.received(channel)
            if not received and item.received() == whole:
                continue
            if received.startswith(whole):
                continue
            if not whole.startswith(received):
                for key, text in texts.items():
                    self._end_text(item, key, text)
                continue
            left = len(received)
            for key, text in texts.items():
                self._add(item, key, text[left:])
                left = max(0, left - len(text))

    def _end_text(self, item: _Item, key: _Key, whole: str) -> None:
        """Add what a whole text has beyond its pieces, which may have another place."""
        begun = _begun(item, key, whole)
        received = "".join(item.texts[begun]) if begun is not None else ""
        item.ended |= {key} if begun is None else {key, begun}
        if whole.startswith(received):
            self._add(item, begun or key, whole[len(received) :])

    def _add(self, item: _Item, key: _Key, text: str) -> None:
        if not text:
            return
        if item.kind == "reasoning":
            self._add_reasoning(item, key, text)
        else:
            self._add_text(item, key, text)

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


def _is_begun(item: _Item, channel: str, whole: str) -> bool:
    """Tell whether an item has the beginning of a whole text, whose end was not stated yet."""
    return any(
        key[0] == channel and key not in item.ended and whole.startswith("".join(pieces))
        for key, pieces in item.texts.items()
    )


def _begun(item: _Item, key: _Key, whole: str) -> _Key | None:
    """Return the place at which a whole text was streamed, or None.

    It is the same place, else one with its beginning, one with the same text in another channel
    of reasoning, or one whose text the provider has rewritten.
    """
    if key in item.texts:
        return key
    left = {other: "".join(item.texts[other]) for other in item.texts if other not in item.ended}
    beside = [other for other in left if other[0] == key[0]]
    begun = (other for other in beside if whole.startswith(left[other]))
    same = (other for other in left if item.kind == "reasoning" and left[other] == whole)
    return next(iter((*begun, *same, *beside)), None)


def _take(items: list[_Item], fields: JsonObject) -> _Item:
    """Remove and return the item that a whole one repeats, else the first."""
    item_id, near = as_text(fields.get("id")), items[:_NEAR]
    named = (at for at, item in enumerate(near) if item_id and item.item_id == item_id)
    begun = (at for at, item in enumerate(near) if item.began(fields))
    at = next(named, None)
    return items.pop(next(begun, 0) if at is None else at)


def _wholes(fields: JsonObject) -> dict[str, str]:
    """Return the texts of a whole item, joined by channel."""
    return {
        channel: "".join(text_of(part.get(text_name)) for _, part in _parts(fields.get(name)))
        for name, text_name, channel in _CHANNELS.get(_kind(fields), ())
    }


def _arguments(fields: JsonObject) -> str:
    if _kind(fields) == _CUSTOM:
        return to_json({"input": fields.get("input") or ""}).decode()
    return as_json_text(fields.get("arguments"))


def _pieces(item: _Item) -> list[str]:
    return [] if item.call is None else item.call.pieces


def _parts(value: Json) -> list[tuple[int, JsonObject]]:
    """Return the objects of a list with their indexes; servers write one text without a list."""
    if isinstance(value, str):
        return [(0, {"text": value})]
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
