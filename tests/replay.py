"""Recorded provider answers: finds them, loads them, and says where an answer differs from them.

An answer is compared in its wire form, `{"result": SendResult}` or `{"error": ErrorData}`, so that
the decoder's tests and those that drive the real process use the same eyes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from byokd.core.http import Headers, HttpHead
from byokd.dialects.base.call import Reply

JsonDict = dict[str, Any]

VARIABLE: Final = "BYOKD_RECORDINGS"
_BESIDE: Final = Path(__file__).resolve().parents[2] / "shared" / "recordings"
_FLAG_NOTICE: Final = "no recordings: set BYOKD_RECORDINGS or put them at ../shared/recordings"

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
    """Return where the recordings are, or None."""
    named = os.environ.get(VARIABLE)
    found = Path(named) if named else _BESIDE
    return found if (found / "index.json").is_file() else None


def absent() -> str:
    """Return what a suite prints that finds no recordings."""
    return _FLAG_NOTICE


def load(root: Path | None = None) -> list[Recording]:
    """Return all recordings, or none where there is no folder."""
    root = root or folder()
    if root is None:
        return []
    index = json.loads((root / "index.json").read_text("utf-8"))
    return [_load(root / entry["provider"] / entry["name"], entry) for entry in index]


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
"""Who reads the answers of an API.

The last two are not asked for by byokd; models and gateways were seen to answer in their forms to
those who asked for a chat.
"""


def not_applicable(recording: Recording) -> str:
    """Return why no dialect reads a recording's answer, or "" where one does."""
    if recording.api not in DIALECTS:
        return f"other API: {recording.api}"
    return ""


# --- from a reply to the wire form ---------------------------------------------------------------


def from_reply(reply: Reply) -> JsonDict:
    """Return a decoder's reply as the wire form of what the daemon would answer."""
    message = reply.message.model_dump(mode="json", by_alias=True)
    usage = reply.usage.model_dump(mode="json", by_alias=True) if reply.usage else None
    if reply.fault is not None:
        fault = reply.fault
        return {
            "error": {
                "kind": fault.kind,
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


# --- what differs --------------------------------------------------------------------------------


def differences(recording: Recording, answer: JsonDict) -> list[str]:
    """Return what an answer says otherwise than the recording; nothing where they agree."""
    expect = recording.expect
    error, result = answer.get("error"), answer.get("result")
    found: list[str] = []
    if (error is not None) != ("error" in expect):
        said = f"{error['kind']}: {error.get('providerMessage')}" if error else "a whole answer"
        return [f"error: expected {expect.get('error')}, got {said}"]
    if error is not None:
        found += _error(expect["error"], error)
        partial = error.get("partial") or {}
        message, usage = partial.get("message") or {"content": []}, partial.get("usage")
    else:
        assert result is not None
        message, usage = result["message"], result["usage"]
        found += _same("finish", expect.get("finish"), result["finishReason"]["raw"])
    found += _message(expect, message)
    return found + _usage(expect.get("usage") or {}, usage)


def _message(expect: JsonDict, message: JsonDict) -> list[str]:
    parts = message["content"]
    texts = [part for part in parts if part["type"] == "text"]
    refused = [part for part in texts if (part.get("providerState") or {}).get("refusal")]
    said = "".join(part["text"] for part in texts if part not in refused)
    thought = "".join(part["text"] for part in parts if part["type"] == "reasoning")
    calls = [_call(part) for part in parts if part["type"] == "toolCall"]
    found = _same("text", expect.get("text") or "", said)
    found += _same("reasoning", expect.get("reasoning") or "", thought)
    found += _same("tool calls", expect.get("tool_calls") or [], calls)
    if "refusal" in expect:
        found += _same("refusal", expect["refusal"], "".join(part["text"] for part in refused))
    if "citations" in expect:
        cited = sum(part["type"] == "citation" for part in parts)
        found += _same("citations", expect["citations"], cited)
    return found


def _call(part: JsonDict) -> JsonDict:
    broken = part.get("parseError") is not None
    arguments = {"__unparseable__": part["rawArguments"]} if broken else part["arguments"]
    return {"name": part["name"], "arguments": arguments}


def _usage(expect: JsonDict, usage: JsonDict | None) -> list[str]:
    if usage is None:
        return _same("usage", expect, {})
    raw = usage.get("raw") or {}
    found: list[str] = []
    for name, number in expect.items():
        if name in _PLACES:
            found += _same(f"usage.{name}", number, next(_numbers(raw, _PLACES[name]), None))
    return found + _buckets(expect, usage)


def _buckets(expect: JsonDict, usage: JsonDict) -> list[str]:
    """Check that nothing is counted twice: the buckets add up to the provider's own numbers."""
    found: list[str] = []
    cached = usage["inputCacheRead"] + usage["inputCacheWrite"]
    # What Google's own tools read is input too, beside the prompt and inside the total.
    tools = (usage.get("raw") or {}).get("toolUsePromptTokenCount", 0)
    if "input" in expect:
        whole = expect["input"] + tools + (cached if cached > expect["input"] else 0)
        found += _same("input buckets", whole, usage["inputFresh"] + cached)
    if "output" in expect:
        got = usage["outputText"] + usage["outputReasoning"]
        beside = expect["output"] + usage["outputReasoning"]
        apart = expect.get("total") == expect.get("input", 0) + tools + beside
        found += _same("output buckets", beside if apart else expect["output"], got)
    return found


def _numbers(raw: JsonDict, places: tuple[tuple[str, ...], ...]) -> Iterator[Any]:
    for place in places:
        value: Any = raw
        for step in place:
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            yield value


def _error(expect: JsonDict, error: JsonDict) -> list[str]:
    found = _same("error status", expect.get("status"), error.get("httpStatus"))
    words = _plain(expect.get("message_contains") or "")
    said = _plain(error.get("providerMessage") or "")
    if words not in said:
        found.append(f"error message: {words!r} is not in {said!r}")
    if expect.get("code") is not None:
        found += _same("error code", str(expect["code"]), str(error.get("providerCode")))
    return found


def _plain(text: str) -> str:
    return " ".join(text.split())


def _same(what: str, expected: object, got: object) -> list[str]:
    return [] if expected == got else [f"{what}: expected {expected!r:.300}, got {got!r:.300}"]
