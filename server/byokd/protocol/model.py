"""`model/…`: lists of models. A model may be called even if no list has it."""

from __future__ import annotations

from typing import Literal

from byokd.protocol.base import AtMs, KeyId, PageParams, Params, ProviderId, Result, Value


class ModelPrice(Value):
    """Prices per million tokens as decimal text; null if unknown."""

    currency: str = "USD"
    input: str | None = None
    output: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None
    as_of: str | None = None


class ModelInfo(Value):
    """One model. An unknown fact is null.

    `source` is `live` (in the provider's list, fetched at `seen_at`), `catalog` (in the bundled
    catalog), `static` (in the provider's record, because it serves no list) or `user` (in the
    configuration, whose facts win).
    """

    provider: str
    id: str
    name: str | None
    source: Literal["live", "catalog", "user", "static"]
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
    """List the models of one provider, or of all providers that have a key.

    `all_providers` adds the bundled catalog's models of the other providers. The last list fetched
    is returned at once; if it is old, it is fetched again in the background, and `model/changed`
    reports a difference. `refresh` fetches first and waits; it has no effect with a `cursor`.
    """

    provider: ProviderId | None = None
    key_id: KeyId | None = None
    all_providers: bool = False
    refresh: bool = False


class ModelListFailure(Value):
    """Why a list could not be fetched. `seen_at` is the time of the last list, still returned."""

    provider: str
    kind: str
    message: str
    seen_at: AtMs | None


class ModelListResult(Result):
    """`stale` is whether any provider's list on this page is old."""

    items: tuple[ModelInfo, ...]
    next_cursor: str | None
    stale: bool
    failures: tuple[ModelListFailure, ...]


class ModelRefreshParams(Params):
    provider: ProviderId | None = None
    key_id: KeyId | None = None


class RefreshedList(Value):
    """`models` is the number of models in the list."""

    provider: str
    key_id: str | None
    models: int
    seen_at: AtMs
    changed: bool


class ModelRefreshResult(Result):
    refreshed: tuple[RefreshedList, ...]
    failures: tuple[ModelListFailure, ...]


class ModelChanged(Params):
    """The models in a provider's list, or facts about them, changed; `models` is their number."""

    provider: str
    key_id: str | None
    models: int
    seen_at: AtMs
