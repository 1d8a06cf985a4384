"""Reads an Ollama answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from byokd.catalog.quirks.ollama_chat import OllamaChatQuirks
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call, Reply
from byokd.dialects.base.decoder import AnswerDecoder
from byokd.dialects.base.finish import stated_reason
from byokd.dialects.base.json import as_json_text, as_objects, as_text
from byokd.dialects.base.usage import Counts, read_cost, reported_count, usage_of
from byokd.dialects.framing.body import json_lines
from byokd.protocol.base import JsonObject
from byokd.protocol.events import Warn
from byokd.protocol.usage import Usage

_INPUT, _OUTPUT = "prompt_eval_count", "eval_count"
_COUNTS: Final = (
    _INPUT, _OUTPUT, "total_duration", "load_duration", "prompt_eval_duration", "eval_duration",
)  # fmt: skip
_DEFAULT_WINDOWS: Final = frozenset({2048, 4096, 32768, 262144})
"""Default context lengths of servers: first 2048, then 4096, now by the memory of the graphics card
(Ollama's FAQ and context length pages, 2025-2026)."""


class OllamaDecoder(AnswerDecoder):
    """Decodes one answer; the line with `done: true` is the last."""

    def __init__(self, call: Call, head: HttpHead) -> None:
        quirks = call.provider.quirks_as(OllamaChatQuirks, call.params.model)
        super().__init__(call, head, quirks, choose=json_lines)

    def _event(self, chunk: JsonObject, name: str) -> None:  # noqa: ARG002 - events have no names
        message = chunk.get("message")
        if isinstance(message, dict) and self._fault is None and "object" not in chunk:
            self._answered = True
            self._message(message)
            self._check_failure(message)
        if not isinstance(message, dict) or "error" in chunk or "object" in chunk:
            self._foreign(chunk)
        if chunk.get("done") is True:
            self._end(chunk)
        elif "done" not in chunk and self._answered and not self._call.params.stream:
            self._ended = True  # a document that holds a message is whole when it parses

    def _message(self, message: JsonObject) -> None:
        thought, text = message.get("thinking"), message.get("content")
        if thought and isinstance(thought, str):
            self._blocks.reasoning(thought, source="thinking")
        if text and isinstance(text, str):
            self._blocks.text(text)
        if calls := message.get("tool_calls"):
            for entry in as_objects(calls):
                self._tool_call(entry)

    def _tool_call(self, entry: JsonObject) -> None:
        """Read a whole tool call; servers before 2026 send no id."""
        function = entry.get("function")
        named = function if isinstance(function, dict) else entry
        call = self._blocks.tool_call(as_text(entry.get("id")) or "")
        call.name = as_text(named.get("name")) or ""
        self._blocks.arguments(call, as_json_text(named.get("arguments")))

    def _end(self, chunk: JsonObject) -> None:
        self._answered = self._ended = self._done = True
        self._native_reason = stated_reason(chunk.get("done_reason"))
        self._check_failure(chunk)
        self._model = as_text(chunk.get("model"))
        counts: JsonObject = {
            name: chunk[name] for name in _COUNTS if reported_count(chunk.get(name)) is not None
        }
        self._store_usage(counts, chunk)
        self._cost = read_cost(chunk, chunk, self._quirks) or self._cost

    # --- the end ----------------------------------------------------------------------------------

    def _read_usage(self, raw: JsonObject) -> Usage | None:
        # The input includes the cache; old servers leave it out if all of it was cached.
        prompt, output = (reported_count(raw.get(name)) for name in (_INPUT, _OUTPUT))
        return usage_of(Counts(prompt, output), raw)

    def _waits_for_calls(self) -> bool:
        return True  # the format has no word for it

    def _reply(self, usage: Usage | None) -> Reply:
        reply = super()._reply(usage)
        return replace(reply, warnings=(*reply.warnings, *self._context_filled(usage)))

    def _context_filled(self, usage: Usage | None) -> tuple[Warn, ...]:
        """Return a warning if the prompt has a length to which servers may have cut it.

        Servers before 2026 cut a long prompt silently.
        """
        options = (self._call.params.provider_options or {}).get("options")
        window = options.get("num_ctx") if isinstance(options, dict) else None
        count = (usage.input_fresh if usage is not None else 0) or 0
        if isinstance(window, int) and not isinstance(window, bool) and window > 0:
            filled = count >= window
        else:
            filled = count in _DEFAULT_WINDOWS
        if not filled:
            return ()
        text = (
            f"the prompt fills the whole context of {count} tokens, so a part of it may have been "
            "cut: ask for a larger num_ctx in providerOptions.options"
        )
        return (Warn(type="notice", parameter="messages", message=text),)
