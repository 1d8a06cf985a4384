"""`provider/list` and `provider/readAddress`: what providers need, and where their keys go."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from byokd.core.limits import KEY_FIELD_MAX_CHARS, PASTED_URL_MAX_CHARS
from byokd.protocol.base import PageParams, Params, ProviderId, Result, Value


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
    `keyPrefixes` are how its keys begin, as far as they begin alike: a hint for which provider a
    key is, never a check of one.
    `layer` says where its record comes from: the package, a refreshed catalog, the person's file in
    place of a shipped one (`override`), or a provider of the person's own. `asOf` is its day.
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
    key_prefixes: tuple[str, ...]
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


PlainFields = dict[
    Annotated[str, StringConstraints(max_length=64)],
    Annotated[str, StringConstraints(max_length=KEY_FIELD_MAX_CHARS)],
]


class ProviderReadAddressParams(Params):
    """Read an address as `key/store` would, without a key and without a request.

    `base_url` is what a person pasted, null for the provider's own address. `fields` are those that
    are no secret.
    """

    provider: ProviderId
    base_url: Annotated[str, StringConstraints(max_length=PASTED_URL_MAX_CHARS)] | None = None
    fields: PlainFields = Field(default_factory=dict)
    allow_insecure_origin: bool = False


class HeaderInfo(Value):
    """A header of each request. A field in braces is filled from the key; a secret one never here.

    `value` is null for a signature, which each request has of its own. `otherwise` marks a header
    that replaces the one before it where that one's field is empty.
    """

    name: str
    value: str | None
    otherwise: bool


class ProviderReadAddressResult(Result):
    """What an address means. Nothing was sent.

    `fields` are the given ones and those read from the address, `base_url` the key's own address,
    null for the usual one. `origin` and `chat_url` are null while `missing` fields are needed for
    them; a part of `chat_url` in braces depends on the chat.
    """

    fields: dict[str, str]
    base_url: str | None
    origin: str | None
    dialect: str
    chat_url: str | None
    headers: tuple[HeaderInfo, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]
