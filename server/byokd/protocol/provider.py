"""`provider/list`: the providers, and the fields that a client asks the user for."""

from __future__ import annotations

from typing import Literal

from byokd.protocol.base import PageParams, Result, Value


class FieldInfo(Value):
    """One input of the form for a key. A secret field is sent sealed and never returned.

    `env` lists environment variables that other programs use for it. An `address_only` field is not
    needed if a base URL is given.
    """

    name: str
    label: str
    secret: bool
    required: bool
    pattern: str | None
    hint: str | None
    env: tuple[str, ...] = ()
    address_only: bool = False


class HostInfo(Value):
    """Another address of a provider, such as a region or a plan: a choice for a key's base URL.

    `baseUrl` may hold fields in braces, which `key/store` fills.
    """

    name: str
    base_url: str
    note: str


class ProviderInfo(Value):
    """One provider. `dialects` are its wire formats, the default first.

    `hosts` are other addresses of the same provider; a key is stored for one of them by `baseUrl`.
    `layer` says where its record comes from: the package, a refreshed catalog, the person's file in
    place of a shipped one (`override`), or a provider of the person's own. `asOf` is its day.
    `keyPrefixes` are how its keys begin, where no other provider's do: a client may propose the
    provider of a pasted key by the longest one.
    """

    id: str
    name: str
    kind: Literal["managed", "singleField", "multiField", "custom"]
    stage: Literal["stable", "preview"]
    dialect: str
    dialects: tuple[str, ...]
    base_url: str | None
    base_url_required: bool
    base_url_hint: str | None
    base_url_env: tuple[str, ...] = ()
    hosts: tuple[HostInfo, ...] = ()
    fields: tuple[FieldInfo, ...]
    keyless: bool
    key_url: str | None
    key_prefix_hint: str | None
    key_prefixes: tuple[str, ...] = ()
    docs_url: str | None
    tool_calling: str
    pricing: str
    tags: tuple[str, ...]
    notes: tuple[str, ...]
    chat_available: bool
    layer: Literal["bundled", "refreshed", "override", "own"]
    as_of: str


class ProviderListParams(PageParams):
    """List the providers."""


class ProviderListResult(Result):
    items: tuple[ProviderInfo, ...]
    next_cursor: str | None
