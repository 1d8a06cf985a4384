"""Calls in the Messages format, to a made-up provider or to the shipped record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from byokd.catalog.loader import load
from byokd.catalog.record import Provider
from byokd.dialects.base.call import Call
from byokd.protocol.chat import SendParams
from dialects import records

PATH: Final = "/v1/messages"

RECORD: Final[Provider] = next(
    record for record in load().values() if record.dialect == "anthropic_messages"
)


def call(params: dict[str, Any] | None = None, **quirks: Any) -> Call:
    """Return a call to a provider without variants."""
    small = records.call(params, **quirks)
    return replace(small, provider=small.provider.model_copy(update={"chat_path": PATH}))


def real(model: str, params: dict[str, Any] | None = None) -> Call:
    """Return a call to the shipped record."""
    defaults = {
        "streamId": "stream-1",
        "provider": RECORD.id,
        "model": model,
        "messages": [{"role": "user", "content": "hi"}],
        "cache": "off",
    }
    return Call(RECORD, "https://host.test", SendParams.model_validate(defaults | (params or {})))
