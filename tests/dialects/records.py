"""A made-up provider, and calls to it."""

from __future__ import annotations

from functools import cache
from typing import Any

from byokd.catalog.record import Models, Probe, Provider, Source
from byokd.dialects.base.call import Call, Encoded
from byokd.protocol.chat import SendParams

ID = "anyone"


def record(**quirks: Any) -> Provider:
    """Return a record with these quirks."""
    return _record(quirks) if quirks else _plain_record()


@cache
def _plain_record() -> Provider:
    """Return the record without quirks: it is immutable, and thousands of tests read it."""
    return _record({})


def _record(quirks: dict[str, Any]) -> Provider:
    return Provider(
        id=ID,
        name="Anyone",
        kind="custom",
        dialect="openai_chat",
        fields=(),
        tool_calling="yes",
        pricing="none",
        probe=Probe(),
        models=Models(),
        quirks=quirks,
        sources=(Source(url="https://example.test/docs", checked="2026-11-01"),),
    )


def call(params: dict[str, Any] | None = None, **quirks: Any) -> Call:
    """Return a call; `params` are in wire form, over those of a minimal call."""
    return _call(params, quirks) if params or quirks else _plain_call()


@cache
def _plain_call() -> Call:
    return _call(None, {})


def _call(params: dict[str, Any] | None, quirks: dict[str, Any]) -> Call:
    defaults = {
        "streamId": "stream-1",
        "provider": ID,
        "model": "any-model",
        "messages": [{"role": "user", "content": "hi"}],
    }
    sent = SendParams.model_validate(defaults | (params or {}))
    return Call(record(**quirks), "https://host.test/v1", sent)


def without_stand_ins(messages: list[Any]) -> list[Any]:
    """Return messages on the wire without the results that byokd made for unanswered calls."""
    return [message for message in messages if "The tool gave no result." not in str(message)]


def warned(encoded: Encoded) -> list[str]:
    """Return the warnings as `type parameter`, without those about such results."""
    stand_in = "a tool call without a result"
    rest = [warn for warn in encoded.warnings if not warn.message.startswith(stand_in)]
    return [f"{warn.type} {warn.parameter}" for warn in rest]
