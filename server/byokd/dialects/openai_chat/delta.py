"""Reads one choice of an OpenAI-style answer into blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pydantic_core import to_json

from byokd.core.limits import JSON_MAX_DEPTH
from byokd.dialects.base.content import Blocks, ReasoningDetail, ToolCall, parse_arguments
from byokd.dialects.base.json import as_index, as_json_text, as_objects, as_text, within_depth
from byokd.dialects.openai_chat.speech import Speech
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.events import ReasoningKind
from byokd.protocol.parts import ImagePart, Source, Span

_REASONING: Final = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
"""Fields of reasoning text. OpenRouter and several gateways send the same text in two (recorded
2025-2026), so only the first is read."""

_DETAIL_FIELDS: Final = ("reasoning_details", "thinking_blocks")
_DETAIL_TEXTS: Final = ("text", "summary", "thinking")
_DETAIL_CONTENT: Final = (*_DETAIL_TEXTS, "data", "signature")
_NO_IDS: Final = frozenset({"null", "None"})
"""Texts that mean no id (Mistral sent "null" for every call in 2024)."""

_CALL_FIELDS: Final = frozenset({"index", "id", "type", "function", "custom", "name", "arguments"})
_CALLS: Final = frozenset({"tool_calls", "function_call"})
_CONTENT: Final = frozenset({"content", "refusal", *_REASONING, *_DETAIL_FIELDS, *_CALLS})
_EXTRAS: Final = frozenset({"annotations", "images", "executed_tools", "audio"})
_CUSTOM_OPENS, _CUSTOM_ENDS = '{"input":"', '"}'
"""Around the input of a custom tool, these make JSON arguments."""

_DATA_URI: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.-]+)*;base64,")


class Delta:
    """Adds the deltas of one answer to its blocks."""

    __slots__ = (
        "_annotated",
        "_blocks",
        "_by_index",
        "_custom",
        "_legacy",
        "_listed",
        "_message_chars",
        "_speech",
        "_text",
    )

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._text = blocks.text  # inline `<think>` tags stay in the text
        self._by_index: dict[int, ToolCall] = {}
        self._custom: list[ToolCall] = []  # calls of custom tools, whose input continues to the end
        self._legacy: ToolCall | None = None  # the only call of the old `function_call` field
        self._speech: Speech | None = None
        self._listed = 0
        self._message_chars = 0
        self._annotated: set[str | None] = set()

    def choice(self, choice: JsonObject) -> None:
        """Read a choice: its delta, and what its message has beyond all deltas.

        Perplexity's streams have both, and the message repeats what came so far (recorded 2025). So
        beside a delta with content it is only read at the end.
        """
        delta = choice.get("delta")
        if isinstance(delta, dict):
            content = delta.get("content")
            if (
                isinstance(content, str)
                and content
                and (len(delta) == 1 or (len(delta) == 2 and "role" in delta))  # noqa: PLR2004
            ):
                self._text(content)
                if "message" not in choice:
                    return
                has_content = True
            else:
                before = len(self._blocks.events)
                self._fields(delta)
                has_content = len(self._blocks.events) > before
            if has_content and not choice.get("finish_reason"):
                return
        if isinstance(message := choice.get("message"), dict):
            self._message(message)
        whole = not message or self._blocks.empty
        if delta is None and whole and (text := as_text(choice.get("text"))):
            self._text(text)  # a gateway that answers in the older format of completions

    def _message(self, message: JsonObject) -> None:
        """Read a whole message; what deltas had is left out.

        It is beside an empty delta in whole answers (Perplexity, recorded 2025), and in the last
        chunk of some streams.
        """
        if self._blocks.empty:
            self._fields(message)
            return
        chars = sum(len(text) for text in map(message.get, _CONTENT) if isinstance(text, str))
        more_calls = not (self._blocks.calls or _CALLS.isdisjoint(message))
        if chars <= self._message_chars and not more_calls:
            return  # a message that repeats the last one is not compared again
        self._message_chars = chars
        rest = {name: value for name, value in message.items() if name in _CONTENT}
        if self._blocks.calls:
            rest = {name: value for name, value in rest.items() if name not in _CALLS}
        thought = self._blocks.written("reasoning")
        for name in (*_REASONING, *_DETAIL_FIELDS):
            if name in rest and thought:
                rest[name] = _beyond(rest[name], thought)
        if text := self._blocks.written("text"):
            rest["content"] = _beyond(rest.get("content"), text)
        if self._blocks.written("refusal"):
            rest.pop("refusal", None)
        self._fields(rest)

    def native(self, chunk: JsonObject) -> None:
        """Read a chunk of Cloudflare's native format, which some of its models send (2026)."""
        self._fields({"content": chunk.get("response"), "tool_calls": chunk.get("tool_calls")})

    def finish(self) -> None:
        """Complete calls of custom tools, and speech."""
        for call in self._custom:
            self._blocks.arguments(call, _CUSTOM_ENDS)
        if self._speech and (part := self._speech.part()):
            self._blocks.media(part)

    def sources(self, chunk: JsonObject) -> None:
        """Read the lists of sources beside the choices, which may grow from chunk to chunk.

        `citations`: xAI, OpenRouter; with titled `search_results`: Perplexity; `web_search`: GLM;
        `search_info`: DashScope.
        """
        info = chunk.get("search_info")
        nested = info.get("search_results") if isinstance(info, dict) else None
        lists = (chunk.get("search_results"), chunk.get("web_search"), nested)
        titled = [entry for entries in lists for entry in as_objects(entries)]
        titles = {_url(entry): as_text(entry.get("title")) for entry in titled}
        cited = chunk.get("citations")
        longer = isinstance(cited, list) and len(cited) >= len(titled)
        listed: list[Json] = cited if longer and isinstance(cited, list) else [*titled]
        for entry in listed[self._listed :]:
            url = entry if isinstance(entry, str) else _url(entry)
            if url not in self._annotated:
                own = as_text(entry.get("title")) if isinstance(entry, dict) else None
                self._blocks.citation(Source(url=url, title=titles.get(url) or own), None)
        self._listed = max(self._listed, len(listed))

    # --- text and reasoning ----------------------------------------------------------------------

    def _fields(self, delta: JsonObject) -> None:
        self._reasoning(delta)
        content = delta.get("content")
        if content:
            if isinstance(content, str):
                self._text(content)
            else:
                self._content(content)
        if (refusal := delta.get("refusal")) and isinstance(refusal, str):
            self._blocks.refusal(refusal)
        if calls := delta.get("tool_calls"):
            # TGI sent one call as an object where a list belongs (versions before 3).
            for entry in as_objects(calls if isinstance(calls, list) else [calls]):
                self._tool_call(entry)
        if isinstance(legacy := delta.get("function_call"), dict):
            self._function_call(legacy)
        if not _EXTRAS.isdisjoint(delta):
            self._extras(delta)

    def _extras(self, delta: JsonObject) -> None:
        """Read sources, Groq's search results (2026), images (OpenRouter, 2025) and speech."""
        for entry in as_objects(delta.get("annotations")):
            self._annotation(entry)
        for entry in as_objects(delta.get("images")):
            self._image(entry)
        for tool in as_objects(delta.get("executed_tools")):
            searched = tool.get("search_results")
            results = searched.get("results") if isinstance(searched, dict) else None
            for entry in as_objects(results):
                if _url(entry) not in self._annotated:
                    self._annotation(entry)
        if isinstance(audio := delta.get("audio"), dict):
            self._speech = self._speech or Speech()
            self._speech.add(audio)

    def _content(self, content: Json) -> None:
        """Read Mistral's list of typed chunks, or a JSON mode's object."""
        if not isinstance(content, list):
            self._text(to_json(content).decode())
            return
        for entry in content:
            if isinstance(entry, str):
                self._text(entry)
            elif isinstance(entry, dict) and "thinking" in entry:
                thought = entry["thinking"]
                for piece in _texts(thought if isinstance(thought, list) else [thought]):
                    self._blocks.reasoning(piece, source="thinking_parts")
            elif isinstance(entry, dict) and (text := as_text(entry.get("text"))):
                if entry.get("type") == "reasoning":
                    self._blocks.reasoning(text, source="reasoning")
                else:
                    self._text(text)
            elif isinstance(entry, dict):
                self._image(entry)

    def _image(self, entry: JsonObject) -> None:
        """Read `image_url`: a URL, or an object with one."""
        inner = entry.get("image_url")
        address = as_text(inner.get("url") if isinstance(inner, dict) else inner)
        if address is None:
            return
        if inline := _DATA_URI.match(address):
            part = ImagePart(media_type=inline[1], data=address[inline.end() :])
        else:
            part = ImagePart(url=address)
        self._blocks.media(part)

    def _reasoning(self, delta: JsonObject) -> None:
        has_text = False
        for name in _REASONING:
            if thought := delta.get(name):
                for piece in _texts([thought]):
                    self._blocks.reasoning(piece, source=name)
                    has_text = True
            if has_text:
                break
        for name in _DETAIL_FIELDS:
            if name in delta:
                for entry in as_objects(delta[name]):
                    self._detail(name, entry, has_text=has_text)

    def _detail(self, field: str, entry: JsonObject, *, has_text: bool) -> None:
        """Store an entry of reasoning; add its text unless another field had it."""
        has_content = any(entry.get(name) for name in _DETAIL_CONTENT)
        if not has_content or not within_depth(entry, JSON_MAX_DEPTH):
            return
        text_name = next((name for name in _DETAIL_TEXTS if isinstance(entry.get(name), str)), None)
        text = entry.get(text_name) if text_name else None
        if isinstance(text, str) and text and not has_text:
            kind: ReasoningKind = "summary" if text_name == "summary" else "raw"
            self._blocks.reasoning(text, kind, source=field)
        pieces = [text] if isinstance(text, str) else []
        self._blocks.add_detail(ReasoningDetail(field, dict(entry), text_name, pieces))

    # --- tool calls ------------------------------------------------------------------------------

    def _tool_call(self, entry: JsonObject) -> None:
        """Read a call or a piece of one; later pieces never overwrite its name and id."""
        native_id = as_text(entry.get("id")) or ""
        if native_id in _NO_IDS:
            native_id = ""
        name, arguments, is_custom = _named(entry)
        call = self._call_of(as_index(entry.get("index")), native_id, name, arguments)
        if call is None:
            return
        if is_custom and all(call is not known for known in self._custom):
            self._custom.append(call)
            arguments = _CUSTOM_OPENS + arguments
        call.native_id = call.native_id or native_id
        call.name = call.name or name
        extra: JsonObject = {
            key: value for key, value in entry.items() if key not in _CALL_FIELDS and value
        }
        if extra and within_depth(extra, JSON_MAX_DEPTH):
            call.extra |= extra
        self._blocks.arguments(call, arguments)

    def _call_of(
        self, index: int | None, native_id: str, name: str, arguments: str
    ) -> ToolCall | None:
        """Return the call of a piece, or None for an empty piece.

        By index (OpenRouter repeats index 0 with another id for another call, recorded 2025), else
        by id. Else a name begins a call, and a piece without one continues the last.
        """
        calls = self._blocks.calls
        if index is not None:
            call = self._by_index.get(index)
        elif native_id:
            call = next((call for call in calls if call.native_id == native_id), None)
        else:
            call = None if name or not calls else calls[-1]
        if call is not None and not _is_another(call, native_id, name, arguments):
            return call
        if call is None and not (native_id or name or arguments):
            return None
        call = self._blocks.tool_call(native_id)
        if index is not None:
            self._by_index[index] = call
        return call

    def _function_call(self, entry: JsonObject) -> None:
        """Read the old `function_call`, which has no id."""
        name, arguments = as_text(entry.get("name")) or "", as_json_text(entry.get("arguments"))
        if self._legacy is None:
            if not (name or arguments):
                return
            self._legacy = self._blocks.tool_call("")
        self._legacy.name = self._legacy.name or name
        self._blocks.arguments(self._legacy, arguments)

    # --- citations -------------------------------------------------------------------------------

    def _annotation(self, entry: JsonObject) -> None:
        inner = entry.get("url_citation")
        cited = inner if isinstance(inner, dict) else entry
        url = _url(cited)
        if url is None:
            return
        start, end = as_index(cited.get("start_index")), as_index(cited.get("end_index"))
        span = None
        if start is not None and end is not None and 0 <= start < end:
            span = Span(start=start, end=end)
        self._annotated.add(url)
        self._blocks.citation(Source(url=url, title=as_text(cited.get("title"))), span)


def _beyond(whole: Json, received: str) -> Json:
    """Return what a whole text has after the received part; None if it is no continuation."""
    return whole[len(received) :] if isinstance(whole, str) and whole.startswith(received) else None


def _is_another(call: ToolCall, native_id: str, name: str, arguments: str) -> bool:
    if native_id and call.native_id:
        return native_id != call.native_id
    if not (name and call.name and arguments) or native_id or call.native_id:
        return False
    # Neither has an id: a second whole call under the same index, or a name that is repeated.
    ended = bool(call.pieces) and call.pieces[-1].rstrip().endswith("}")
    return name != call.name or (
        ended
        and arguments.lstrip().startswith("{")
        and parse_arguments("".join(call.pieces))[1] is None
    )


def _named(entry: JsonObject) -> tuple[str, str, bool]:
    """Return the name and arguments in a piece, and whether its tool is a custom one."""
    function, custom = entry.get("function"), entry.get("custom")
    if isinstance(custom, dict) and not isinstance(function, dict):
        # Custom tools get free text (OpenAI, recorded 2025), which is escaped as JSON.
        escaped = to_json(as_text(custom.get("input")) or "").decode()[1:-1]
        return as_text(custom.get("name")) or "", escaped, True
    named = function if isinstance(function, dict) else entry
    return as_text(named.get("name")) or "", as_json_text(named.get("arguments")), False


def _texts(values: list[Json]) -> Iterator[str]:
    """Yield texts, `{"text": …}` and `{"content": …}`."""
    for value in values:
        if isinstance(value, dict):
            value = value.get("text") or value.get("content")  # noqa: PLW2901 - unpacked
        if isinstance(value, str) and value:
            yield value


def _url(entry: Json) -> str | None:
    if not isinstance(entry, dict):
        return None
    return as_text(entry.get("url")) or as_text(entry.get("link"))
