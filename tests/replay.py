"""Recorded provider answers: loads them, and compares byokd's answers with them.

An answer is compared in its wire form, `{"result": SendResult}` or `{"error": ErrorData}`. The
expected values come from three places: `expect.json` beside each recording, which an independent
reader wrote; `replay_reading`, which reads counts, cost and finish reason from the recorded body;
and `vectors/replay_errors.json`, which says what each recorded error means.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

import replay_reading
from byokd.catalog.loader import load as load_catalog
from byokd.catalog.record import Provider
from byokd.catalog.surfaces import choose_surface, dialects
from byokd.core.http import Headers, HttpHead
from byokd.dialects.base.call import Reply

JsonDict = dict[str, Any]

VARIABLE: Final = "BYOKD_RECORDINGS"
_DEFAULT: Final = Path(__file__).resolve().parents[2] / "shared" / "recordings"
_ABSENT: Final = "no recordings: set BYOKD_RECORDINGS or put them at ../shared/recordings"
_SECRET: Final = "replayed-key-0123456789"
_PLAIN: Final = {"region": "us-east-1"}
_VECTORS: Final = Path(__file__).with_name("vectors")

_PLACES: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "input": (
        ("prompt_tokens",),
        ("input_tokens",),
        ("inputTokens",),
        ("promptTokenCount",),
        ("tokens", "input_tokens"),
        ("prompt_eval_count",),
    ),
    "output": (
        ("completion_tokens",),
        ("output_tokens",),
        ("outputTokens",),
        ("candidatesTokenCount",),
        ("tokens", "output_tokens"),
        ("eval_count",),
    ),
    "total": (("total_tokens",), ("totalTokens",), ("totalTokenCount",)),
    "cached": (
        ("prompt_tokens_details", "cached_tokens"),
        ("input_tokens_details", "cached_tokens"),
        ("prompt_cache_hit_tokens",),
        ("cache_read_input_tokens",),
        ("cached_tokens",),
        ("num_cached_tokens",),
        ("cacheReadInputTokens",),
        ("cachedContentTokenCount",),
    ),
    "cache_write": (
        ("prompt_tokens_details", "cache_write_tokens"),
        ("prompt_tokens_details", "cache_creation_input_tokens"),
        ("cache_creation_input_tokens",),
        ("cacheWriteInputTokens",),
    ),
    "reasoning": (
        ("completion_tokens_details", "reasoning_tokens"),
        ("output_tokens_details", "reasoning_tokens"),
        ("reasoning_tokens",),
        ("thoughtsTokenCount",),
    ),
    "cost": (("cost",),),
}


@dataclass(frozen=True)
class Recording:
    """One recorded exchange. `chunk_sizes` are the socket reads, where they were recorded."""

    folder: Path
    provider: str
    name: str
    api: str
    stream: bool
    status: int
    headers: tuple[tuple[str, str], ...]
    chunk_sizes: tuple[int, ...]
    method: str
    path: str
    request: Any
    expect: JsonDict

    @property
    def id(self) -> str:
        return f"{self.provider}/{self.name}"

    @property
    def body(self) -> bytes:
        return (self.folder / "body.bin").read_bytes()

    @property
    def head(self) -> HttpHead:
        return HttpHead(self.status, Headers(self.headers))


def folder() -> Path | None:
    """Return the folder of the recordings, or None."""
    path = Path(os.environ.get(VARIABLE) or _DEFAULT)
    return path if (path / "index.json").is_file() else None


def absent() -> str:
    """Return the reason for skipping tests where there are no recordings."""
    return _ABSENT


def load(root: Path | None = None) -> list[Recording]:
    """Return all recordings; none where there is no folder."""
    root = root or folder()
    if root is None:
        return []
    index = json.loads((root / "index.json").read_text("utf-8"))
    return [_load(root / entry["provider"] / entry["name"], entry) for entry in index]


def recordings(expected: str) -> list[Recording]:
    """Return the recordings whose `expect.json` has this field."""
    return [recording for recording in load() if recording.expect.get(expected)]


def _load(where: Path, entry: JsonDict) -> Recording:
    request = json.loads((where / "request.json").read_text("utf-8"))
    response = json.loads((where / "response.json").read_text("utf-8"))
    return Recording(
        folder=where,
        provider=entry["provider"],
        name=entry["name"],
        api=entry["api"],
        stream=bool(entry.get("stream")),
        status=int(response.get("status") or entry["status"]),
        headers=tuple((str(k), str(v)) for k, v in (response.get("headers") or {}).items()),
        chunk_sizes=tuple(response.get("chunk_sizes") or ()),
        method=request.get("method") or "POST",
        path=request.get("path") or "/",
        request=request.get("body"),
        expect=json.loads((where / "expect.json").read_text("utf-8")),
    )


DIALECTS: Final = {
    "openai-chat": "openai_chat",
    "openai-responses": "openai_responses",
    "anthropic-messages": "anthropic_messages",
    "google-generate": "gemini",
    "bedrock-converse": "bedrock_converse",
    "cohere-chat": "cohere_chat",
    "ollama": "ollama_chat",
    "cloudflare-run": "openai_chat",
    "openai-completions": "openai_chat",
}
"""The dialect that reads the answers of an API.

byokd sends no request to the last two APIs. Models and gateways were seen to answer chats in their
forms.
"""


def key_fields(record: Provider) -> JsonDict:
    """Return the fields of a key for a record, as `key/store` takes them."""
    return {
        field.name: {"plain": _SECRET} if field.secret else _PLAIN.get(field.name, "replayed")
        for field in record.fields
        if field.required or field.name == record.auth.field or record.one_of
    }


def provider_tools(recording: Recording) -> list[Any]:
    """Return the tools of a recorded request, if all of them are run by its provider."""
    body = recording.request if isinstance(recording.request, dict) else {}
    tools = body.get("tools")
    if recording.api != "openai-responses" or not isinstance(tools, list):
        return []
    kinds = {tool.get("type") for tool in tools}
    return [] if kinds & {"function", "custom", None} else tools


def not_applicable(recording: Recording) -> str:
    """Return why no dialect reads the answer of a recording, or "" where one does."""
    if recording.api not in DIALECTS:
        return f"other API: {recording.api}"
    return ""


def record_for(recording: Recording) -> Provider:
    """Return the record to send a recording's request with.

    It is the provider's own, if it has a surface of the recording's API, else the generic record
    or the first that has one.
    """
    catalog = load_catalog()
    own = catalog[recording.provider]
    if recording.api not in DIALECTS:
        return own
    dialect = DIALECTS[recording.api]
    generic = [one for one in catalog.values() if one.base_url is None and one.base_url_required]
    candidates = (own, *(one for one in generic if one.kind == "singleField"), *catalog.values())
    return next(
        choose_surface(one, "", "", dialect) for one in candidates if dialect in dialects(one)
    )


# --- from a reply to the wire form ---------------------------------------------------------------


def from_reply(reply: Reply) -> JsonDict:
    """Return a decoder's reply in the wire form of the daemon's answer, without a cost."""
    message = reply.message.model_dump(mode="json", by_alias=True)
    usage = reply.usage.model_dump(mode="json", by_alias=True) if reply.usage else None
    if reply.fault is not None:
        fault = reply.fault
        return {
            "error": {
                "kind": fault.kind,
                "retryable": fault.retryable,
                "health": fault.health,
                "httpStatus": fault.http_status,
                "providerCode": fault.provider_code,
                "providerMessage": fault.provider_message,
                "partial": {"message": message, "usage": usage},
            }
        }
    reason = reply.finish_reason
    assert reason is not None
    return {
        "result": {
            "message": message,
            "usage": usage,
            "finishReason": reason.model_dump(mode="json", by_alias=True),
        }
    }


# --- differences ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExpectedError:
    """What a recorded error means, judged from the provider's own words.

    `health` is internal and compared only where the decoder's fault is known.
    """

    kind: str
    retryable: bool
    health: str
    why: str = ""


@cache
def expected_errors() -> dict[str, ExpectedError]:
    """Return the meaning of each recorded error, by recording."""
    table = json.loads((_VECTORS / "replay_errors.json").read_text("utf-8"))
    return {name: ExpectedError(**row) for name, row in table.items()}


@dataclass(frozen=True)
class KnownDifference:
    """A value that byokd gets wrong today: `difference` is reported as long as it does."""

    recording: str
    what: str
    right: Any
    byokd: Any
    why: str

    @property
    def difference(self) -> str:
        return "".join(_same(self.what, self.right, self.byokd))


@cache
def known_differences() -> tuple[KnownDifference, ...]:
    """Return what byokd is known to get wrong. A row whose difference is gone must be removed."""
    rows = json.loads((_VECTORS / "replay_known.json").read_text("utf-8"))
    return tuple(KnownDifference(**row) for row in rows)


def differences(recording: Recording, answer: JsonDict, *, declared: bool = False) -> list[str]:
    """Return the differences of an answer from its recording that are not known.

    `declared` tells whether the request declared the recorded `provider_tools`; then no call is the
    client's.
    """
    if declared and provider_tools(recording):
        recording = replace(recording, expect=recording.expect | {"tool_calls": []})
    known = {row.difference for row in known_differences() if row.recording == recording.id}
    return [line for line in all_differences(recording, answer) if line not in known]


def all_differences(recording: Recording, answer: JsonDict) -> list[str]:
    """Return every difference of an answer from its recording."""
    expect = recording.expect
    error, result = answer.get("error"), answer.get("result")
    if (error is not None) != ("error" in expect):
        got = f"{error['kind']}: {error.get('providerMessage')}" if error else "a result"
        return [f"error: expected {expect.get('error')}, got {got}"]
    if error is not None:
        partial = error.get("partial") or {}
        message, usage = partial.get("message") or {"content": []}, partial.get("usage")
        lines = _error(expect["error"], error)
    else:
        assert result is not None
        message, usage = result["message"], result["usage"]
        lines = _finish(recording, result["finishReason"]) + _cost(recording, result)
    lines += _message(expect, message) + _usage(expect.get("usage") or {}, usage)
    return lines + _buckets(replay_reading.buckets(recording.api, recording.body), usage)


def error_differences(recording: Recording, error: JsonDict) -> list[str]:
    """Return how the meaning of an error differs from the table. `health` is optional."""
    expected = expected_errors()[recording.id]
    lines = _same("kind", expected.kind, error["kind"])
    lines += _same("retryable", expected.retryable, error["retryable"])
    if "health" in error:
        lines += _same("health", expected.health, error["health"])
    known = {row.difference for row in known_differences() if row.recording == recording.id}
    return [line for line in lines if line not in known]


def _finish(recording: Recording, reason: JsonDict) -> list[str]:
    unified = replay_reading.unified(recording.expect, recording.body)
    return _same("finish", recording.expect.get("finish"), reason["raw"]) + _same(
        "finish.unified", unified, reason["unified"]
    )


def _cost(recording: Recording, result: JsonDict) -> list[str]:
    """Compare the cost that the provider reports, where the answer has a cost."""
    if "cost" not in result:
        return []
    cost, headers = result["cost"], {name.lower(): value for name, value in recording.headers}
    reported = replay_reading.cost(recording.body, headers)
    amount = Decimal(cost["amount"]) if cost["source"] == "provider" else None
    if reported == amount:
        return []
    return _same("cost", *(None if each is None else str(each) for each in (reported, amount)))


def _message(expect: JsonDict, message: JsonDict) -> list[str]:
    parts = message["content"]
    texts = [part for part in parts if part["type"] == "text"]
    refusals = [part for part in texts if (part.get("providerState") or {}).get("refusal")]
    text = "".join(part["text"] for part in texts if part not in refusals)
    reasoning = "".join(part["text"] for part in parts if part["type"] == "reasoning")
    calls = [_call(part) for part in parts if part["type"] == "toolCall"]
    citations = sum(part["type"] == "citation" for part in parts)
    lines = _same("text", expect.get("text") or "", text)
    lines += _same("reasoning", expect.get("reasoning") or "", reasoning)
    lines += _same("tool calls", expect.get("tool_calls") or [], calls)
    lines += _same("citations", expect.get("citations", 0), citations)
    if "refusal" in expect:
        lines += _same("refusal", expect["refusal"], "".join(part["text"] for part in refusals))
    return lines


def _call(part: JsonDict) -> JsonDict:
    broken = part.get("parseError") is not None
    arguments = {"__unparseable__": part["rawArguments"]} if broken else part["arguments"]
    return {"name": part["name"], "arguments": arguments}


def _usage(expect: JsonDict, usage: JsonDict | None) -> list[str]:
    """Compare the provider's own counts, which `usage.raw` passes on."""
    if usage is None:
        return _same("usage", expect, {})
    raw = usage.get("raw") or {}
    lines: list[str] = []
    for name, number in expect.items():
        if name in _PLACES:
            lines += _same(f"usage.{name}", number, next(_numbers(raw, _PLACES[name]), None))
    return lines


def _buckets(expected: replay_reading.Buckets | None, usage: JsonDict | None) -> list[str]:
    """Compare each bucket with the one computed from the recorded body."""
    if expected is None or usage is None:
        return [] if expected is usage else _same("usage", expected, usage)
    return [line for name, count in expected.items() for line in _same(name, count, usage[name])]


def _numbers(raw: JsonDict, places: tuple[tuple[str, ...], ...]) -> Iterator[Any]:
    for place in places:
        value: Any = raw
        for step in place:
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            yield value


def _error(expect: JsonDict, error: JsonDict) -> list[str]:
    lines = _same("error status", expect.get("status"), error.get("httpStatus"))
    expected = _plain(expect.get("message_contains") or "")
    text = _plain(error.get("providerMessage") or "")
    if expected not in text:
        lines.append(f"error message: {expected!r} is not in {text!r}")
    if expect.get("code") is not None:
        lines += _same("error code", str(expect["code"]), str(error.get("providerCode")))
    return lines


def _plain(text: str) -> str:
    return " ".join(text.split())


def _same(what: str, expected: object, got: object) -> list[str]:
    return [] if expected == got else [f"{what}: expected {expected!r:.300}, got {got!r:.300}"]


# --- events --------------------------------------------------------------------------------------


def event_differences(events: list[JsonDict], result: JsonDict) -> list[str]:
    """Return where the events of a streamed chat do not add up to its result."""
    if not events:
        return ["there are no events"]
    by_type: dict[str, list[JsonDict]] = defaultdict(list)
    for event in events:
        by_type[event["type"]].append(event)
    lines = []
    if events[0]["type"] != "start" or events[-1]["type"] != "finish":
        lines.append("the events do not begin with start and end with finish")
    else:
        for name in ("finishReason", "usage", "cost"):
            lines += _same(f"finish event: {name}", result[name], events[-1][name])
    parts = result["message"]["content"]
    for kind in ("text", "reasoning"):
        whole = "".join(part["text"] for part in parts if part["type"] == kind)
        deltas = "".join(event["delta"] for event in by_type[f"{kind}Delta"])
        lines += _same(f"{kind} events", whole, deltas)
        lines += _same(f"{kind} blocks", *_ids(by_type, kind, "blockId"))
    lines += _same("tool call events", *_ids(by_type, "toolCall", "callId"))
    calls = [part for part in parts if part["type"] == "toolCall"]
    lines += _same("tool calls", [_call_values(part) for part in calls], _ended_calls(by_type))
    for part in calls:
        lines += _call_deltas(part, by_type["toolCallDelta"])
    citations = sum(part["type"] == "citation" for part in parts)
    lines += _same("citation events", citations, len(by_type["citation"]))
    if by_type["usage"]:
        lines += _same("last usage event", result["usage"], by_type["usage"][-1]["usage"])
    return lines


def _ids(by_type: dict[str, list[JsonDict]], kind: str, name: str) -> tuple[list[str], list[str]]:
    """Return the ids of the start and of the end events of a kind, sorted."""
    starts, ends = by_type[f"{kind}Start"], by_type[f"{kind}End"]
    return sorted(event[name] for event in starts), sorted(event[name] for event in ends)


def _call_values(part: JsonDict) -> tuple[Any, ...]:
    return part["callId"], part["name"], part["arguments"], part.get("parseError")


def _ended_calls(by_type: dict[str, list[JsonDict]]) -> list[tuple[Any, ...]]:
    return [_call_values(event) for event in by_type["toolCallEnd"]]


def _call_deltas(part: JsonDict, deltas: list[JsonDict]) -> list[str]:
    """Compare the deltas of one call, joined, with its arguments."""
    call_id = part["callId"]
    text = "".join(event["delta"] for event in deltas if event["callId"] == call_id)
    if part.get("parseError") is not None:
        return _same(f"deltas of {call_id}", part["rawArguments"], text)
    try:
        arguments = json.loads(text or "{}")
    except ValueError:
        arguments = text
    return _same(f"deltas of {call_id}", part["arguments"], arguments)
