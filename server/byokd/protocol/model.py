"""`model/…`: lists of models. A model may be called even if no list has it."""

from __future__ import annotations

from typing import Literal

from byokd.protocol.actions import Action
from byokd.protocol.base import AtMs, KeyId, PageParams, Params, ProviderId, Result, Value
from byokd.protocol.kinds import Kind


class ModelPrice(Value):
    """Prices per million tokens as decimal text; null if unknown."""

    currency: str = "USD"
    input: str | None = None
    output: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None
    as_of: str | None = None


class FactSource(Value):
    """Where a fact is from, and the day on which it was current (null for the person's own)."""

    source: Literal["live", "record", "catalog", "user"]
    as_of: str | None = None


class FactSources(Value):
    """The source of each fact that is known."""

    price: FactSource | None = None
    context: FactSource | None = None
    output: FactSource | None = None
    inputs: FactSource | None = None
    efforts: FactSource | None = None
    ends_at: FactSource | None = None
    deprecated: FactSource | None = None


class ModelUnavailable(Value):
    """Why a model cannot be used now.

    `kind` is that of the error that a call would get, `key_id` the key that cannot be used.
    """

    kind: Kind
    key_id: str | None = None
    action: Action | None = None


class ModelInfo(Value):
    """One model. An unknown fact is null.

    `source` is `live` (in the provider's list, fetched at `seen_at`), `catalog` (in the bundled
    catalog), `static` (in the provider's record, because it serves no list) or `user` (in the
    configuration, whose facts win). `key_id` is the key to call it with, null for the default key.
    `efforts` are the reasoning efforts that can be requested. `ends_at` is when the provider
    switches the model off; `retired` that it has done so. `unlisted` is set for a model that the
    provider's list does not have.
    """

    provider: str
    key_id: str | None = None
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
    efforts: tuple[str, ...] | None = None
    ends_at: AtMs | None = None
    retired: bool | None = None
    unlisted: bool = False
    unavailable: ModelUnavailable | None = None
    facts: FactSources = FactSources()


class ModelListParams(PageParams):
    """List the models of one provider, or of all providers that have a key.

    `all_providers` adds the bundled catalog's models of the other providers. The last list fetched
    is returned at once; if it is old, it is fetched again in the background, and `model/changed`
    reports a difference. `refresh` fetches first and waits; it has no effect with a `cursor`.
    `include_unlisted` adds the catalog's models that the provider's list lacks, and retired ones.
    """

    provider: ProviderId | None = None
    key_id: KeyId | None = None
    all_providers: bool = False
    refresh: bool = False
    include_unlisted: bool = False


class ModelListFailure(Value):
    """Why a list could not be fetched. `seen_at` is the time of the last list, still returned."""

    provider: str
    key_id: str | None = None
    kind: Kind
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
