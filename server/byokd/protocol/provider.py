"""`provider/list`: who can be asked, and what each needs.

Knows what a client shows before there is any key. Must not know how a request is made.
"""

from __future__ import annotations

from typing import Literal

from byokd.protocol.base import PageParams, Result, Value


class FieldInfo(Value):
    """One input of the key form. A secret field travels sealed and is never shown again.

    `env` names the variables in which other programs keep it. Where `address_only`, a base URL of
    one's own takes the place of the field.
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
    """One provider, as a person reads it. `dialects` are all it speaks, the usual one first."""

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
    """A page of providers."""

    items: tuple[ProviderInfo, ...]
    next_cursor: str | None
