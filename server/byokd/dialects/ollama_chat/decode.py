"""Reads an Ollama answer: lines of JSON, one whole document, or an error.

Knows every shape in which versions of the server have been seen to answer, and what the last line
says about the end. Must not know a provider, a clock or a socket.

This is the hot path: a delta costs a line split, one JSON parse and one event.
"""

from __future__ import annotations

from typing import Final

from pydantic_core import from_json, to_json

from byokd.core.http import HttpHead
from byokd.core.limits import ERROR_BODY_MAX_BYTES, JSON_MAX_DEPTH, SSE_EVENT_MAX_BYTES
from byokd.dialects.base.call import Call, Fault, Reply
from byokd.dialects.base.content import Blocks
from byokd.dialects.base.json import documents, within_depth
from byokd.dialects.errors.classify import classify
from byokd.dialects.framing.body import GARBLED, INTERRUPTED, SILENT
from byokd.dialects.framing.json_lines import LineReader
from byokd.dialects.framing.sse import BOM
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import ProviderError
from byokd.protocol.events import Event, FinishReason, Raw, UnifiedReason, UsageSnapshot, Warn
from byokd.protocol.parts import Message
from byokd.protocol.usage import Usage

_OK: Final = range(200, 300)
_COUNTABLE: Final = 2**53
"""Beyond this no number is a count of tokens."""
_READ, _WRITTEN = "prompt_eval_count", "eval_count"
_COUNTS: Final = (
    _READ, _WRITTEN, "total_duration", "load_duration", "prompt_eval_duration", "eval_duration",
)  # fmt: skip
_DEFAULT_WINDOWS: Final = frozenset({2048, 4096, 32768, 262144})
"""What servers load a model with where nobody says: 2048 once, then 4096, now by the memory of the
graphics card (Ollama's FAQ and context length pages, 2025-2026)."""
_UNIFIED: Final[dict[str, UnifiedReason]] = {"stop": "stop", "length": "length"}


class OllamaDecoder:
    """Decodes one answer.

    The end is true where Ollama says so: in the line with `done: true`, which is the last. A body
    that stops before it was interrupted, also where the server stopped because the model's process
    died. A body that is no lines of JSON is held and read at its end.
    """

    def __init__(self, call: Call, head: HttpHead) -> None:
        self._call = call
        self._head = head
        origin: JsonObject = {"provider": call.provider.id, "model": call.params.model}
        parts = (part for message in call.params.messages for part in message.parts())
        taken = [part.call_id for part in parts if part.type == "toolCall"]
        self._blocks = Blocks(call.params.stream_id, taken, origin)
        self._include_raw = call.params.include_raw
        self._failed = head.status not in _OK
        self._lines = LineReader()
        self._held = bytearray()  # an error, or what is not lines of JSON
        self._answered = False
        self._done = False
        self._fault: Fault | None = None
        self._word: str | None = None
        self._counts: JsonObject = {}
        self._model: str | None = None

    @property
    def done(self) -> bool:
        """Whether nothing that follows can matter."""
        return self._done

    @property
    def ending(self) -> bool:
        """Whether the answer has said its end."""
        return self._done or self._fault is not None

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete."""
        if self._done:
            return []
        if self._failed:
            self._held += data[: ERROR_BODY_MAX_BYTES - len(self._held)]
            return []
        try:
            for line in self._lines.feed(data):
                self._line(line)
                if self._done:
                    break
        except ProviderError as error:  # a bound was passed
            self._fail(Fault(error.kind, "neutral", error.user_message))
            self._done = True
        return self._blocks.drain()

    def close(self) -> tuple[list[Event], Reply]:
        """Return the last events and the reply."""
        if not self._done:
            try:
                self._end()
            except ProviderError as error:
                self._fail(Fault(error.kind, "neutral", error.user_message))
        if not self._done:
            self._fail(INTERRUPTED if self._answered else SILENT)
        self._done = True
        if self._fault is None:
            self._blocks.finish()
        usage = _usage(self._counts)
        if usage is not None:
            self._blocks.events.append(UsageSnapshot(usage))
        return self._blocks.drain(), self._reply(usage)

    def _end(self) -> None:
        """Read what the end of the body leaves to be read."""
        if self._failed:
            self._fail(classify(self._call.provider, self._head, bytes(self._held)))
            return
        tail = self._lines.close()
        if self._answered and tail.strip():
            said = documents(tail)
            self._documents(said or [], tail)
            if said is None:
                self._fail(INTERRUPTED)
        elif not self._answered:
            self._hold(tail)
            self._whole_body(bytes(self._held).removeprefix(BOM).strip())

    def _whole_body(self, body: bytes) -> None:
        """Read a body that is one JSON document on several lines, or no JSON at all."""
        said = documents(body)
        self._documents(said or [], body)
        if self._answered or not body:
            return
        cut = said is None and body.startswith((b"{", b"["))
        self._fail(INTERRUPTED if cut else self._classified(body))

    # --- what a line says ------------------------------------------------------------------------

    def _line(self, line: bytes) -> None:
        try:
            chunk = None if self._held else from_json(line, allow_inf_nan=False)
        except ValueError:
            chunk = None
        if isinstance(chunk, dict):
            self._chunk(chunk, line)
        elif self._answered:
            said = documents(line)
            self._documents(said or [], line)
            if said is None:
                self._fail(GARBLED)
        else:
            self._hold(line + b"\n")

    def _hold(self, piece: bytes) -> None:
        if len(self._held) + len(piece) > SSE_EVENT_MAX_BYTES:
            raise ProviderError(
                f"the provider sent more than {SSE_EVENT_MAX_BYTES} bytes that cannot be read"
            )
        self._held += piece

    def _documents(self, said: list[Json], data: bytes) -> None:
        for document in said:
            if isinstance(document, dict) and not self._done:
                self._chunk(document, data)

    def _chunk(self, chunk: JsonObject, data: bytes) -> None:
        if self._include_raw:
            deep = not within_depth(chunk, JSON_MAX_DEPTH)
            self._blocks.events.append(Raw(None if deep else chunk))
        message = chunk.get("message")
        failed = bool(chunk.get("error")) or chunk.get("object") == "error"
        if isinstance(message, dict) and self._fault is None and not failed:
            self._answered = True
            self._message(message)
        if failed:
            self._answered = True
            self._fail(self._classified(data))
        if chunk.get("done") is True:
            self._finish(chunk)

    def _message(self, message: JsonObject) -> None:
        thought, text = message.get("thinking"), message.get("content")
        if thought and isinstance(thought, str):
            self._blocks.reasoning(thought, source="thinking")
        if text and isinstance(text, str):
            self._blocks.text(text)
        calls = message.get("tool_calls")
        for entry in calls if isinstance(calls, list) else ():
            if isinstance(entry, dict):
                self._call_tool(entry)

    def _call_tool(self, entry: JsonObject) -> None:
        """Add a call, which is always whole; those of servers before 2026 have no id."""
        native_id, function = entry.get("id"), entry.get("function")
        told = function if isinstance(function, dict) else entry
        name, arguments = told.get("name"), told.get("arguments")
        call = self._blocks.tool_call(native_id if isinstance(native_id, str) else "")
        call.name = name if isinstance(name, str) else ""
        self._blocks.arguments(call, _json_text(arguments))

    def _finish(self, chunk: JsonObject) -> None:
        """Read the last line."""
        self._answered = self._done = True
        word, model = chunk.get("done_reason"), chunk.get("model")
        self._word = word if word and isinstance(word, str) else None
        self._model = model if model and isinstance(model, str) else None
        self._counts = {
            name: chunk[name]
            for name in _COUNTS
            if isinstance(chunk.get(name), int | float) and not isinstance(chunk[name], bool)
        }

    # --- the end ---------------------------------------------------------------------------------

    def _classified(self, data: bytes) -> Fault:
        return classify(self._call.provider, self._head, data, in_stream=True)

    def _fail(self, fault: Fault) -> None:
        self._fault = self._fault or fault

    def _reply(self, usage: Usage | None) -> Reply:
        reason = _finish_reason(self._word, called=bool(self._blocks.calls))
        return Reply(
            message=Message(role="assistant", content=self._blocks.parts()),
            finish_reason=None if self._fault else reason,
            usage=usage,
            model=self._model,
            fault=self._fault,
            warnings=self._context_filled(usage),
        )

    def _context_filled(self, usage: Usage | None) -> tuple[Warn, ...]:
        """Tell that a prompt has exactly the size at which it is cut.

        Servers from before 2026 do not know `truncate` and cut what is too long without a word.
        """
        options = (self._call.params.provider_options or {}).get("options")
        window = options.get("num_ctx") if isinstance(options, dict) else None
        count = usage.input_fresh if usage is not None else 0
        named = isinstance(window, int) and not isinstance(window, bool) and window > 0
        if not (
            count >= window if named and isinstance(window, int) else count in _DEFAULT_WINDOWS
        ):
            return ()
        text = (
            f"the prompt fills the whole context of {count} tokens, so a part of it may have been "
            "cut: ask for a larger num_ctx in providerOptions.options"
        )
        return (Warn(type="notice", parameter="messages", message=text),)


def _json_text(value: Json) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else to_json(value).decode()


# --- what is counted ------------------------------------------------------------------------------


def _usage(raw: JsonObject) -> Usage | None:
    """Return what was read and written; tokens from the cache are among those that were read."""
    if not raw.keys() & {_READ, _WRITTEN}:
        return None
    return Usage(input_fresh=_count(raw, _READ), output_text=_count(raw, _WRITTEN), raw=raw)


def _count(raw: JsonObject, name: str) -> int:
    value = raw.get(name)
    return int(value) if isinstance(value, int | float) and 1 <= value < _COUNTABLE else 0


def _finish_reason(word: str | None, *, called: bool) -> FinishReason:
    """Return why the answer ended; it says `stop` with tool calls too (recorded 2025-2026)."""
    unified = _UNIFIED.get(word.lower(), "other") if word else "other"
    if called and (unified == "stop" or word is None):
        unified = "toolCalls"
    return FinishReason(unified=unified, raw=word)
