"""Opens, closes and orders the blocks of an answer, and joins them to a message.

One block of text or reasoning is open at a time. Tool calls may overlap and end with the answer.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from pydantic_core import from_json

from byokd.core.limits import BLOCKS_MAX, JSON_MAX_DEPTH, TOOL_CALLS_MAX
from byokd.dialects.base.call_ids import synthetic_id
from byokd.dialects.base.declared_tools import DeclaredTools
from byokd.dialects.base.json import within_depth
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import ProviderError
from byokd.protocol.events import (
    Citation,
    Event,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningKind,
    ReasoningStart,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from byokd.protocol.parts import (
    AnswerPart,
    CitationPart,
    FilePart,
    ImagePart,
    ReasoningPart,
    Source,
    Span,
    TextPart,
    ToolCallPart,
)

NOT_JSON: Final = "the arguments are not valid json"
TOO_DEEP: Final = f"the arguments nest deeper than {JSON_MAX_DEPTH} levels"
CUT_OFF: Final = "the answer broke off before the arguments began"
NO_NAME: Final = "the provider named no tool"


PROVIDER_CALLS: Final = "providerCalls"
"""The field of `providerState` that holds a call that the provider ran itself."""

_NO_TOOLS: Final = DeclaredTools()


@dataclass(slots=True)
class TextBlock:
    block_id: str
    kind: Literal["text"] | ReasoningKind
    state: JsonObject | None = None
    pieces: list[str] = field(default_factory=list)
    details: list[ReasoningDetail] = field(default_factory=list)
    sealed: bool = False  # the next piece begins another block, even of the same kind

    @property
    def content_kind(self) -> Literal["text", "reasoning", "refusal"]:
        if self.kind != "text":
            return "reasoning"
        return "refusal" if self.state and self.state.get("refusal") else "text"

    def final_state(self) -> JsonObject | None:
        """Return the `providerState`, which the client echoes back."""
        if not self.details:
            return self.state
        echo: dict[str, list[Json]] = {}
        for detail in self.details:
            echo.setdefault(detail.field, []).append(detail.whole())
        return (self.state or {}) | echo

    def part(self) -> TextPart | ReasoningPart:
        text = "".join(self.pieces)
        if self.kind == "text":
            return TextPart(text=text, provider_state=self.final_state())
        return ReasoningPart(text=text, kind=self.kind, provider_state=self.final_state())


@dataclass(slots=True)
class ReasoningDetail:
    """One entry of a list that is sent back to the provider unchanged, joined from deltas.

    Attributes:
        field: the name of the list.
        fields: the entry without its text.
        text_name: the name of the text that `pieces` hold; None without text.
    """

    field: str
    fields: JsonObject
    text_name: str | None
    pieces: list[str]

    def whole(self) -> Json:
        if self.text_name is None:
            return self.fields
        return self.fields | {self.text_name: "".join(self.pieces)}

    def merge(self, delta: ReasoningDetail) -> bool:
        """Add a delta of the same entry and return True, or return False."""
        same = (
            self.text_name is not None
            # A signature comes last, in a delta without text (Anthropic, recorded 2025).
            and delta.text_name in {self.text_name, None}
            and self.field == delta.field
            and all(self.fields.get(name) == delta.fields.get(name) for name in ("type", "index"))
        )
        if same:
            self.pieces += delta.pieces
            self.fields |= {
                name: value for name, value in delta.fields.items() if value not in (None, "")
            }
        return same


@dataclass(slots=True)
class ToolCall:
    """A tool call; `call_id` is "" until its start event."""

    index: int
    native_id: str = ""
    name: str = ""
    call_id: str = ""
    pieces: list[str] = field(default_factory=list)
    extra: JsonObject = field(default_factory=dict)
    end: ToolCallEnd | None = None
    held: bool = False  # it has no events, because the provider may have run it
    item: tuple[str, JsonObject] | None = None  # how a call that the provider ran is kept


_Block: TypeAlias = TextBlock | ToolCall | CitationPart | ImagePart | FilePart


class Blocks:
    """The blocks of one answer.

    Args:
        stream_id: the seed of synthetic call ids.
        taken: call ids that the conversation already uses.
        origin: the first fields of every `providerState`; they name its provider.
        declared: the tools of the request.

    Raises:
        ProviderError: there are more than `BLOCKS_MAX` blocks or `TOOL_CALLS_MAX` tool calls.
    """

    __slots__ = (
        "_blocks",
        "_calls",
        "_declared",
        "_open",
        "_origin",
        "_stream_id",
        "_taken",
        "events",
    )

    def __init__(
        self,
        stream_id: str,
        taken: Collection[str],
        origin: JsonObject,
        declared: DeclaredTools = _NO_TOOLS,
    ) -> None:
        self.events: list[Event] = []
        self._stream_id = stream_id
        self._taken = set(taken)
        self._origin = origin
        self._declared = declared
        self._blocks: list[_Block] = []
        self._calls: list[ToolCall] = []
        self._open: TextBlock | None = None

    def drain(self) -> list[Event]:
        events, self.events = self.events, []
        return events

    @property
    def calls(self) -> list[ToolCall]:
        return self._calls

    @property
    def client_calls(self) -> list[ToolCall]:
        """The calls that the client must run."""
        return [call for call in self._calls if not call.held]

    @property
    def open_block(self) -> TextBlock | None:
        return self._open

    @property
    def empty(self) -> bool:
        return not self._blocks

    def written(self, kind: Literal["text", "reasoning", "refusal"]) -> str:
        """Return all text of a kind so far."""
        return "".join(
            piece
            for block in self._blocks
            if isinstance(block, TextBlock) and block.content_kind == kind
            for piece in block.pieces
        )

    # --- content ----------------------------------------------------------------------------------

    def text(self, delta: str) -> None:
        """Add text, which must not be empty."""
        block = self._open
        if block is None or block.kind != "text" or block.state is not None:
            block = self._begin_text(None)
        block.pieces.append(delta)
        self.events.append(TextDelta(block.block_id, delta))

    def refusal(self, delta: str) -> None:
        """Add text of a refusal, marked in the block's state."""
        block = self._open
        if block is None or block.kind != "text" or block.state is None:
            block = self._begin_text(self._origin | {"refusal": True})
        block.pieces.append(delta)
        self.events.append(TextDelta(block.block_id, delta))

    def reasoning(self, delta: str, kind: ReasoningKind = "raw", source: str | None = None) -> None:
        """Add reasoning, which must not be empty; `source` is the provider's field."""
        block = self._open
        if (
            block is None
            or block.kind == "text"
            or (block.kind == "redacted" != kind)
            or block.sealed
        ):
            block = self._begin_reasoning(kind, source)
        block.pieces.append(delta)
        self.events.append(ReasoningDelta(block.block_id, delta))

    def add_detail(self, detail: ReasoningDetail) -> None:
        """Add an entry that is sent back unchanged with its reasoning."""
        block = self._open
        if block is None or block.kind == "text":
            block = self._begin_reasoning("redacted", None)
        if not (block.details and block.details[-1].merge(detail)):
            block.details.append(detail)

    def end_block(self) -> None:
        self._end_open()

    def seal(self, fields: JsonObject) -> None:
        """Add fields to the open block's state; it gets no further content."""
        block = self._open
        if block is not None:
            block.state = (block.state or self._origin) | fields
            block.sealed = True

    def add_opaque(self, name: str, entry: JsonObject) -> None:
        """Add a part that only the provider can read to list `name` of the open block's state."""
        block = self._open or self._begin_reasoning("redacted", None)
        block.details.append(ReasoningDetail(name, entry, None, []))
        self.seal({})

    def media(self, part: ImagePart | FilePart) -> None:
        """Add an image or a file, without events."""
        if part.provider_state is not None:
            state = self._origin | part.provider_state
            part = part.model_copy(update={"provider_state": state})
        self._end_open()
        self._add(part)

    def tool_call(self, native_id: str) -> ToolCall:
        """Begin a tool call; its start event waits for its name."""
        if len(self._calls) >= TOOL_CALLS_MAX:
            raise ProviderError(f"the provider sent more than {TOOL_CALLS_MAX} tool calls")
        call = ToolCall(len(self._calls), native_id)
        self._end_open()
        self._add(call)
        self._calls.append(call)
        return call

    def arguments(self, call: ToolCall, delta: str) -> None:
        """Add to a call's arguments; "" starts a call that has an id and a name."""
        if delta:
            call.pieces.append(delta)
        if call.held:
            return
        if call.call_id:
            if delta:
                self.events.append(ToolCallDelta(call.call_id, delta))
        elif call.name and (call.native_id or delta):
            self._announce(call)

    def citation(self, source: Source, span: Span | None, state: JsonObject | None = None) -> None:
        full_state = None if state is None else self._origin | state
        self._add(CitationPart(source=source, span=span, provider_state=full_state))
        self.events.append(Citation(source, span))

    # --- the end -------------------------------------------------------------------------------

    def finish(self, *, waits: bool = False) -> None:
        """Complete all blocks; `waits` tells whether the answer states that it waits for calls."""
        self._end_open()
        for call in self._calls:
            if not call.call_id:
                call.held = self._declared.may_be_run_by_provider(call.name)
        if self._waits_for_held(waits=waits):
            for call in self._calls:
                call.held = False
        for call in self._calls:
            if not (call.call_id or call.held):
                self._start_call(call)
            if call.held:
                self._end_held(call)
                continue
            call.end = self._end_of_call(call, broken=False)
            self.events.append(call.end)

    def parts(self) -> tuple[AnswerPart, ...]:
        return tuple(
            self._part(block)
            for block in self._blocks
            if not isinstance(block, ToolCall) or block.call_id or block.held
        )

    def _add(self, block: _Block) -> None:
        if len(self._blocks) >= BLOCKS_MAX:
            raise ProviderError(f"the provider sent more than {BLOCKS_MAX} blocks of content")
        self._blocks.append(block)

    def _begin(self, kind: Literal["text"] | ReasoningKind, state: JsonObject | None) -> TextBlock:
        self._end_open()
        block = TextBlock(f"b{len(self._blocks)}", kind, state)
        self._add(block)
        self._open = block
        return block

    def _begin_text(self, state: JsonObject | None) -> TextBlock:
        block = self._begin("text", state)
        self.events.append(TextStart(block.block_id))
        return block

    def _begin_reasoning(self, kind: ReasoningKind, source: str | None) -> TextBlock:
        state = self._origin | ({"field": source} if source else {})
        block = self._begin(kind, state)
        self.events.append(ReasoningStart(block.block_id, kind))
        return block

    def _end_open(self) -> None:
        block, self._open = self._open, None
        if block is None:
            return
        if block.kind == "text":
            self.events.append(TextEnd(block.block_id, block.final_state()))
        else:
            self.events.append(ReasoningEnd(block.block_id, block.kind, block.final_state()))

    def _announce(self, call: ToolCall) -> None:
        """Send the start of a call, unless the provider may have run it."""
        if self._declared.may_be_run_by_provider(call.name):
            call.held = True
        else:
            self._start_call(call)

    def _waits_for_held(self, *, waits: bool) -> bool:
        """Tell whether the client must run the held calls: a model may make up the name of a tool.

        The client must have declared tools, and nothing else may explain the calls: a call of a
        declared tool, text after them, or text and an end that is none of calls.
        """
        if not self._declared.by_client or self.client_calls:
            return False
        texts = [isinstance(block, TextBlock) and block.kind == "text" for block in self._blocks]
        last_call = max(
            (at for at, block in enumerate(self._blocks) if isinstance(block, ToolCall)), default=0
        )
        return not any(texts[last_call:]) and (waits or not any(texts))

    def _end_held(self, call: ToolCall) -> None:
        """Send a call that the provider ran as a block without text."""
        part = self._held_part(call)
        block_id = f"c{call.index}"
        self.events.append(ReasoningStart(block_id, part.kind))
        self.events.append(ReasoningEnd(block_id, part.kind, part.provider_state))

    def _held_part(self, call: ToolCall) -> ReasoningPart:
        entry: JsonObject = {"id": call.native_id, "name": call.name}
        name, item = call.item or (PROVIDER_CALLS, entry | {"arguments": "".join(call.pieces)})
        return ReasoningPart(text="", kind="redacted", provider_state=self._origin | {name: [item]})

    def _start_call(self, call: ToolCall) -> None:
        native = call.native_id
        free = native and native not in self._taken
        call.call_id = native if free else synthetic_id(self._stream_id, call.index, self._taken)
        self._taken.add(call.call_id)
        self.events.append(ToolCallStart(call.call_id, self._declared.client_name(call.name)))
        if text := "".join(call.pieces):
            self.events.append(ToolCallDelta(call.call_id, text))

    def _end_of_call(self, call: ToolCall, *, broken: bool) -> ToolCallEnd:
        raw = "".join(call.pieces)
        arguments, error = parse_arguments(raw)
        if broken and not raw.strip():
            error = CUT_OFF
        elif not call.name:
            error = NO_NAME
        return ToolCallEnd(
            call.call_id,
            self._declared.client_name(call.name),
            None if error else arguments,
            error,
            raw if error else None,
            self._origin | {"callId": call.native_id} | call.extra,
        )

    def _part(self, block: _Block) -> AnswerPart:
        if isinstance(block, TextBlock):
            return block.part()
        if not isinstance(block, ToolCall):
            return block
        if block.held:
            return self._held_part(block)
        end = block.end or self._end_of_call(block, broken=True)
        return ToolCallPart(
            call_id=end.call_id,
            name=end.name,
            arguments=end.arguments,
            parse_error=end.parse_error,
            raw_arguments=end.raw_arguments,
            provider_state=end.provider_state,
        )


def parse_arguments(raw: str) -> tuple[Json, str | None]:
    """Return a call's arguments, and an error text if they cannot be read."""
    if not raw.strip():
        # OpenAI, Qwen and Anthropic send "" for a tool without parameters (recorded 2025-2026).
        # Groq's llama sends "null", which stays null.
        return {}, None
    try:
        parsed: Json = from_json(raw, allow_inf_nan=False)
    except ValueError:
        return None, NOT_JSON
    if not within_depth(parsed, JSON_MAX_DEPTH):
        return None, TOO_DEEP
    return parsed, None
