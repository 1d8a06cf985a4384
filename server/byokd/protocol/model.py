"""`model/list`: what can be called.

Knows what is told about a model, and how old the telling is. Any model id may be called, listed
or not.
"""

from __future__ import annotations

from typing import Literal

from byokd.protocol.base import AtMs, KeyId, PageParams, ProviderId, Result, Value


class ModelPrice(Value):
    """Money per million tokens, as decimal text; null where unknown."""

    currency: str = "USD"
    input: str | None = None
    output: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None
    as_of: str | None = None


class ModelInfo(Value):
    """One model. A fact that nobody states is null."""

    provider: str
    id: str
    name: str | None
    source: Literal["live", "catalog", "user"]
    seen_at: AtMs | None
    chat: bool | None
    context_tokens: int | None
    output_tokens: int | None
    input_modalities: tuple[str, ...] | None
    tools: bool | None
    reasoning: bool | None
    price: ModelPrice | None
    deprecated: bool | None


class ModelListParams(PageParams):
    """List models of one provider, or of all that have a key; `refresh` asks the provider now."""

    provider: ProviderId | None = None
    key_id: KeyId | None = None
    refresh: bool = False


class ModelListFailure(Value):
    """Why a provider's live list could not be had; what was known before is still listed."""

    provider: str
    kind: str
    message: str


class ModelListResult(Result):
    """A page of models; `stale` when any list here is older than asked for."""

    items: tuple[ModelInfo, ...]
    next_cursor: str | None
    stale: bool
    failures: tuple[ModelListFailure, ...]
