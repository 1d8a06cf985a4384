"""`provider/readAddress`: what a pasted address means, and what would be sent there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

from byokd.catalog.record import Auth, Provider
from byokd.catalog.surfaces import record_at, split_chat_path, with_surface
from byokd.core.http import USER_AGENT
from byokd.dialects.base.headers import record_headers
from byokd.dialects.base.urls import join_url
from byokd.protocol.errors import InvalidParams
from byokd.protocol.key import Fields
from byokd.protocol.provider import (
    HeaderInfo,
    ProviderReadAddressParams,
    ProviderReadAddressResult,
)
from byokd.services.keys.input import Address, expand_pasted, resolve_address, spelled
from byokd.services.providers import ProviderService
from byokd.services.runtime.session import Session

_TEMPLATE: Final = re.compile(r"\{([A-Za-z][A-Za-z0-9]{0,63})\}")
_BASE_URL: Final = "baseUrl"


class AddressService:
    def __init__(self, providers: ProviderService) -> None:
        self._providers = providers

    async def read(
        self, session: Session, params: ProviderReadAddressParams
    ) -> ProviderReadAddressResult:
        """Read an address as `key/store` does; sends nothing.

        Raises:
            InvalidParams: no key may be sent there, or the address contradicts a field.
        """
        provider = self._providers.get(params.provider, session)
        _refuse_secrets(provider, params.fields)
        typed: Fields = {name: text.strip() for name, text in params.fields.items() if text.strip()}
        base_url, spelling_notes = spelled(provider, (params.base_url or "").strip() or None)
        expanded, base_url, read_notes = expand_pasted(provider, typed, base_url)
        fields = {name: text for name, text in expanded.items() if isinstance(text, str)}
        missing = _missing(provider, base_url, fields)
        address = None
        if not missing:
            address = resolve_address(
                provider, fields, base_url, allow_insecure=params.allow_insecure_origin
            )
        there = provider if address is None else _record_there(provider, address, fields)
        return ProviderReadAddressResult(
            fields=fields,
            base_url=address.own if address else base_url,
            origin=address.origin if address else None,
            dialect=there.dialect,
            chat_url=_chat_url(there, address.base_url, fields) if address else None,
            headers=tuple(_headers(there, fields)),
            missing=missing,
            notes=(*spelling_notes, *read_notes),
        )


def _refuse_secrets(provider: Provider, names: Mapping[str, str]) -> None:
    for name in names:
        field = provider.field(name)
        if field is None or field.secret:
            reason = "is secret; leave it out" if field else "is not a field of this provider"
            details = [{"pointer": "/fields", "reason": reason}]
            raise InvalidParams(f"a field here {reason}", details=details)


def _missing(
    provider: Provider, base_url: str | None, fields: Mapping[str, str]
) -> tuple[str, ...]:
    """Return what the address still needs: fields by name, or `baseUrl`."""
    if base_url is None and (provider.base_url is None or provider.base_url_required):
        return (_BASE_URL,)
    names = dict.fromkeys(_TEMPLATE.findall(base_url or provider.base_url or ""))
    return tuple(name for name in names if not fields.get(name))


def _record_there(provider: Provider, address: Address, fields: Mapping[str, str]) -> Provider:
    """Return the record with the surface that the address selects."""
    dialect = split_chat_path(provider, address.own or "")[1]
    surface = next((each for each in provider.surfaces if each.dialect == dialect), None)
    if surface is not None and dialect != provider.dialect:
        return with_surface(provider, surface)
    return record_at(provider, address.base_url, fields)


def _chat_url(record: Provider, base_url: str, fields: Mapping[str, str]) -> str:
    """Return the URL of a chat; what depends on the chat, such as the model, stays in braces."""
    open_names = [name for name in _TEMPLATE.findall(record.chat_path) if not fields.get(name)]
    shown = {name: f"{{{name}}}" for name in open_names}
    url = join_url(base_url, record.chat_path, {**fields, **shown})
    for text in shown.values():
        url = url.replace(quote(text, safe=""), text)
    return url


def _headers(record: Provider, fields: Mapping[str, str]) -> Iterator[HeaderInfo]:
    auth: Auth | None = record.auth
    otherwise = False
    while auth is not None and auth.scheme != "none":
        name = "authorization" if auth.scheme == "bearer" else auth.header
        field = f"{{{auth.field}}}"
        value = {"bearer": f"Bearer {field}", "header": field}.get(auth.scheme)
        yield HeaderInfo(name=name, value=value, otherwise=otherwise)
        auth, otherwise = auth.otherwise, True
    templates = {name.lower(): text for name, text in record.headers.items()}
    for name, text in {**templates, **record_headers(record, fields)}.items():
        yield HeaderInfo(name=name, value=text, otherwise=False)
    yield HeaderInfo(name="user-agent", value=USER_AGENT, otherwise=False)
