"""Translates answers of Cohere's chat API v1 into v2 events.

Gateways and private deployments may answer in v1 (recorded 2024-2025): one JSON document a line
with an `event_type`, or one document with the text at its top.
"""

from __future__ import annotations

from typing import Final

from pydantic_core import to_json

from byokd.dialects.base.json import as_objects
from byokd.protocol.base import Json, JsonObject

_COUNTS: Final = ("billed_units", "tokens", "cached_tokens")
"""The fields of v1's `meta` that v2 has in `usage`."""


def is_v1(document: JsonObject) -> bool:
    return "event_type" in document or (
        isinstance(document.get("text"), str)
        and any(name in document for name in ("generation_id", "response_id", "chat_history"))
    )


def as_v2(document: JsonObject) -> list[JsonObject]:
    """Return the v2 events of a v1 event or a whole v1 answer."""
    kind = document.get("event_type")
    if kind is None:
        return [*_content(document), _end(document)]
    if kind == "stream-start":
        return [{"type": "message-start", "id": document.get("generation_id")}]
    if kind == "stream-end":
        # It repeats the whole answer; only the end is new.
        value = document.get("response")
        response = value if isinstance(value, dict) else {}
        reason = document.get("finish_reason") or response.get("finish_reason")
        return [_end(response | {"finish_reason": reason})]
    if kind == "tool-calls-generation":
        return [*_plan(document), *_calls(document)]
    return _content(document)


def _content(document: JsonObject) -> list[JsonObject]:
    calls = _calls(document)
    text = document.get("text")
    events: list[JsonObject] = []
    if calls:
        events += _plan(document)
    elif isinstance(text, str) and document.get("event_type") in (None, "text-generation"):
        events.append(_event("content-delta", {"content": {"text": text}}))
    cited = document.get("citations")
    return [*events, *calls, *(_citation(entry) for entry in as_objects(cited))]


def _plan(document: JsonObject) -> list[JsonObject]:
    return [_event("tool-plan-delta", {"tool_plan": document.get("text")})]


def _calls(document: JsonObject) -> list[JsonObject]:
    # v1 sends whole calls without ids.
    return [
        {"index": index}
        | _event(
            "tool-call-start",
            {
                "tool_calls": {
                    "function": {
                        "name": entry.get("name"),
                        "arguments": to_json(entry.get("parameters") or {}).decode(),
                    }
                }
            },
        )
        for index, entry in enumerate(as_objects(document.get("tool_calls")))
    ]


def _citation(entry: JsonObject) -> JsonObject:
    ids = entry.get("document_ids")
    sources: list[Json] = [
        {"type": "document", "id": name} for name in (ids if isinstance(ids, list) else [])
    ]
    rest = {name: value for name, value in entry.items() if name != "document_ids"}
    return _event("citation-start", {"citations": rest | {"sources": sources}})


def _end(document: JsonObject) -> JsonObject:
    meta = document.get("meta")
    counts = meta if isinstance(meta, dict) else {}
    usage: JsonObject = {name: counts[name] for name in _COUNTS if name in counts}
    return {
        "type": "message-end",
        "id": document.get("generation_id") or document.get("response_id"),
        "delta": {"finish_reason": document.get("finish_reason"), "usage": usage},
    }


def _event(kind: str, message: JsonObject) -> JsonObject:
    return {"type": kind, "delta": {"message": message}}
