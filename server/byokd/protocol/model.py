"""`model/…`: what can be called.

Knows what is told about a model, and how old the telling is. Any model id may be called, listed
or not.
"""

from __future__ import annotations

from typing import Literal

from byokd.protocol.base import AtMs, KeyId, PageParams, Params, ProviderId, Result, Value


class ModelPrice(Value):
    """Money per million tokens, as decimal text; null where unknown."""

    currency: str = "USD"
    input: str | None = None
    output: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None
    as_of: str | None = None


class ModelInfo(Value):
    """One model. A fact that nobody states is null.

    `source` is `live` (the provider lists it; `seen_at` says when it was asked), `catalog` (the
    bundled facts), `static` (named by the provider's record, where it serves no list) or `user`
    (named in the configuration, whose facts win).
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
    """List models of one provider, or of all that have a key.

    `all_providers` adds the others, as the bundled catalog knows them. What was seen before is
    answered at once, however old; where it is old it is asked for again meanwhile, and
    `model/changed` tells of a difference. `refresh` asks now and waits; with a `cursor` it does
    nothing, so that pages belong together.
    """

    provider: ProviderId | None = None
    key_id: KeyId | None = None
    all_providers: bool = False
    refresh: bool = False


class ModelListFailure(Value):
    """Why a provider's live list could not be had.

    What was known before is still listed; `seen_at` says how old that is, null where nothing was.
    """

    provider: str
    kind: str
    message: str
    seen_at: AtMs | None


class ModelListResult(Result):
    """A page of models; `stale` when any live list here is older than is called fresh."""

    items: tuple[ModelInfo, ...]
    next_cursor: str | None
    stale: bool
    failures: tuple[ModelListFailure, ...]


class ModelRefreshParams(Params):
    """Ask one provider for its list now, or all that have a key."""

    provider: ProviderId | None = None
    key_id: KeyId | None = None


class RefreshedList(Value):
    """One list that was asked for: how many models it names, and when they were seen.

    `changed` tells whether they are other than before.
    """

    provider: str
    key_id: str | None
    models: int
    seen_at: AtMs
    changed: bool


class ModelRefreshResult(Result):
    """The lists that came, and why the others did not."""

    refreshed: tuple[RefreshedList, ...]
    failures: tuple[ModelListFailure, ...]


class ModelChanged(Params):
    """`model/changed`: a provider lists other models, or says other things of them, than before."""

    provider: str
    key_id: str | None
    models: int
    seen_at: AtMs
