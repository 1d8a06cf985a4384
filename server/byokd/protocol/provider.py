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


class ProviderInfo(Value):
    """One provider. `dialects` are its wire formats, the default first."""

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
    fields: tuple[FieldInfo, ...]
    keyless: bool
    key_url: str | None
    key_prefix_hint: str | None
    docs_url: str | None
    tool_calling: str
    pricing: str
    tags: tuple[str, ...]
    notes: tuple[str, ...]
    chat_available: bool


class ProviderListParams(PageParams):
    """List the providers."""


class ProviderListResult(Result):
    items: tuple[ProviderInfo, ...]
    next_cursor: str | None
