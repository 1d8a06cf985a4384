"""Maps request paths to providers and dialects.

All hosts of a provider, its companions' too, are under `/as/<provider>`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from posixpath import normpath
from typing import Final
from urllib.parse import urlsplit

from byokd.catalog.loader import load
from byokd.catalog.record import Auth
from byokd.sandbox.provider import GENERIC, Behaviour, Listing, behaviour

_UNDER: Final = "/as/"
_GENERIC_BASE: Final = "/v1"
_VERSION: Final = re.compile(r"^/v\d{1,2}(?=/)")
_MODEL: Final = "{model}"


@dataclass(frozen=True, slots=True)
class Chat:
    """A path that answers chats; a template matches one segment."""

    dialect: str
    path: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class ProviderRoute:
    behaviour: Behaviour
    auth: Auth
    keyless: bool
    chats: tuple[Chat, ...]

    def dialect(self, path: str) -> str | None:
        return next((chat.dialect for chat in self.chats if chat.path.match(path)), None)

    def listing(self, method: str, path: str) -> Listing | None:
        for listing in self.behaviour.listings:
            if listing.method == method and _pattern(listing.path, whole=True).match(path):
                return listing
        return None


def find(path: str) -> tuple[ProviderRoute, str] | None:
    """Return the provider of a path and the path at its host; outside `/as/` the generic one."""
    if not path.startswith(_UNDER):
        return _generic(), path
    provider, _, path_at_host = path.removeprefix(_UNDER).partition("/")
    return (_provider_route(provider), f"/{path_at_host}") if provider in load() else None


def base_path(provider: str, fields: Mapping[str, str]) -> str:
    """Raise `KeyError` for an unknown provider or a missing field of its base URL."""
    base = urlsplit(load()[provider].base_url or "").path
    filled = re.sub(r"\{(\w+)\}", lambda match: fields[match[1]], base)
    return f"{_UNDER}{provider}{filled}".rstrip("/")


def base_paths() -> dict[str, str]:
    """Return the path of every provider's base URL, with templates unfilled."""
    return {
        provider: f"{_UNDER}{provider}{urlsplit(record.base_url or '').path}".rstrip("/")
        for provider, record in load().items()
    }


@cache
def _generic() -> ProviderRoute:
    chats = (Chat("openai_chat", _pattern(f"{_GENERIC_BASE}/chat/completions", whole=True)),)
    return ProviderRoute(behaviour(GENERIC), Auth(), keyless=False, chats=chats)


@cache
def _provider_route(provider: str) -> ProviderRoute:
    record = load()[provider]
    base = urlsplit(record.base_url or "").path.rstrip("/")
    paths = [(record.dialect, _joined(base, record.chat_path))]
    paths += [(surface.dialect, _joined(base, surface.chat_path)) for surface in record.surfaces]
    own = behaviour(record.id)
    paths += list(own.chats.items())
    chats = tuple(
        Chat(dialect, _pattern(path.partition(_MODEL)[0], whole=_MODEL not in path))
        for dialect, path in paths
    )
    return ProviderRoute(own, record.auth, record.keyless, chats)


def _joined(base: str, path: str) -> str:
    """Join two paths; a version that both have is used once."""
    if _VERSION.search(f"{base[-3:]}/"):
        path = _VERSION.sub("", path)
    return normpath(f"{base}/{path.lstrip('/')}")


def _pattern(template: str, *, whole: bool) -> re.Pattern[str]:
    steps = re.split(r"\{\w+\}", template)
    return re.compile("[^/]+".join(map(re.escape, steps)) + ("$" if whole else ""))
