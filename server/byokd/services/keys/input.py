"""Parses the key that a client sent into checked fields and one canonical address.

Errors name JSON pointers and reasons and never contain a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from byokd.catalog.pasted import read_pasted
from byokd.catalog.record import Provider
from byokd.catalog.surfaces import record_at, split_chat_path
from byokd.core.secret import Secret, clean
from byokd.crypto.seal import SealingKey, info
from byokd.dialects.base.auth import key_problems
from byokd.dialects.base.urls import fill
from byokd.protocol.errors import InvalidParams
from byokd.protocol.key import FieldInput, Fields
from byokd.provider_api.base_urls import other_base_urls
from byokd.services.keys.credentials import base_url_of
from byokd.services.keys.prober import Candidate, plain_fields_of
from byokd.services.keys.spelling import read_spelling
from byokd.services.runtime.session import Session
from byokd.vault import KeyRow


@dataclass(frozen=True, slots=True)
class SealContext:
    """What a sealed secret is bound to: the method, and provider, key and base URL as sent."""

    method: str
    provider: str | None
    key_id: str | None
    base_url: str | None


@dataclass(frozen=True, slots=True)
class Address:
    """Where a key is sent.

    Attributes:
        base_url: canonical, without the path of a chat if one was pasted with it.
        origin: what the key is sealed to.
        own: the key's own base URL; None if it is the record's.
    """

    base_url: str
    origin: str
    own: str | None


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A key whose input was checked.

    `notes` say what was cleaned or read from the input, as `<field>: <what>`.
    """

    record: Provider
    fields: Mapping[str, Secret | str]
    address: Address
    notes: tuple[str, ...]

    def base_url_at(self, located: str) -> str:
        """Return what to store for an API at `located`: a path that names a dialect stays."""
        own = self.address.own or ""
        dialect = split_chat_path(self.record, own)[1]
        if dialect in {None, self.record.dialect}:
            return located
        return located + own.removeprefix(self.address.base_url)

    @property
    def candidate(self) -> Candidate:
        plain = plain_fields_of(self.fields)
        return Candidate(
            record_at(self.record, self.address.base_url, plain),
            self.address.base_url,
            self.address.own is None,
            self.fields,
            sealed_origin=self.address.origin,
        )


def parse_key(
    session: Session,
    record: Provider,
    fields: Fields,
    sealing: SealingKey,
    context: SealContext,
    *,
    base_url: str | None,
    allow_insecure: bool,
) -> ParsedKey:
    """Return a key from a request's fields; a pasted address fills the fields it contains.

    Raises:
        InvalidParams: with a pointer and a reason for each wrong field.
    """
    base_url, spelling_notes = spelled(record, base_url)
    fields, base_url, read_notes = expand_pasted(record, fields, base_url)
    opened, clean_notes = _open_fields(session, record, fields, sealing, context)
    _refuse(key_problems(record, opened, placed=base_url is not None))
    address = resolve_address(record, opened, base_url, allow_insecure=allow_insecure)
    return ParsedKey(record, opened, address, (*spelling_notes, *read_notes, *clean_notes))


def check_detected(
    record: Provider,
    fields: Mapping[str, Secret | str],
    *,
    base_url: str | None,
    allow_insecure: bool,
) -> ParsedKey:
    """As `parse_key`, for fields that are not sealed, such as imported ones."""
    plain: Fields = {name: value for name, value in fields.items() if isinstance(value, str)}
    base_url, spelling_notes = spelled(record, base_url)
    expanded, base_url, read_notes = expand_pasted(record, plain, base_url)
    checked: dict[str, Secret | str] = {
        name: value.strip() for name, value in expanded.items() if isinstance(value, str)
    }
    clean_notes: list[str] = []
    for name, value in fields.items():
        if isinstance(value, Secret):
            checked[name], removed = value.cleaned()
            clean_notes += [f"{name}: {what}" for what in removed]
    _refuse(key_problems(record, checked, placed=base_url is not None))
    address = resolve_address(record, checked, base_url, allow_insecure=allow_insecure)
    return ParsedKey(record, checked, address, (*spelling_notes, *read_notes, *clean_notes))


def spelled(record: Provider, base_url: str | None) -> tuple[str | None, tuple[str, ...]]:
    """Return the base URL that is meant, and notes; a portal's address stays as it is."""
    if base_url is None or read_pasted(record, base_url) is not None:
        return base_url, ()
    url, changes = read_spelling(base_url)
    return url, tuple(f"baseUrl: {change}" for change in changes)


def is_spelling_of(record: Provider, base_url: str, row: KeyRow) -> bool:
    """Tell whether a base URL is another way to write that of a stored key."""
    plain = {name: value for name, value in row.fields.items() if value is not None}
    try:
        address = resolve_address(
            record, plain, spelled(record, base_url)[0], allow_insecure=row.allow_insecure
        )
    except InvalidParams:
        return False
    near = {address.own, address.base_url, *other_base_urls(record, address.base_url)[:1]}
    return address.origin == row.origin and row.base_url in near


def resolve_address(
    record: Provider,
    fields: Mapping[str, Secret | str],
    base_url: str | None,
    *,
    allow_insecure: bool = False,
) -> Address:
    """Return where a key is sent: to `base_url`, or to the record's address.

    `base_url` may contain fields in braces; the record's own address counts as none.

    Raises:
        InvalidParams: there is no address, or no key may be sent there.
    """
    if base_url is None:
        base = base_url_of(record, None, fields)
        return Address(base.url, base.origin, None)
    own = fill(base_url, plain_fields_of(fields))
    base = base_url_of(record, own, fields, allow_insecure=allow_insecure)
    if _has_default(record, fields) and base == base_url_of(record, None, fields):
        return Address(base.url, base.origin, None)
    return Address(split_chat_path(record, base.url)[0], base.origin, base.url)


def base_url_has_old_field(
    record: Provider,
    base_url: str | None,
    before: Mapping[str, str | None],
    after: Mapping[str, Secret | str],
) -> bool:
    """Tell whether a changed field's old value is a part of the key's own base URL.

    Such a URL would still lead to the old address. Only fields of the record's address count.
    """
    filling = [name for name in before if f"{{{name}}}" in (record.base_url or "")]
    return any(
        re.search(
            rf"[/.]{re.escape(quote(value, safe=''))}(?![^/.:])", base_url or "", re.IGNORECASE
        )
        for name in filling
        if (value := before[name]) and value != after.get(name)
    )


def _has_default(record: Provider, fields: Mapping[str, Secret | str]) -> bool:
    if record.base_url is None or record.base_url_required:
        return False
    known = (field.name for field in record.fields if field.address_only)
    return all(fields.get(name) for name in known)


def expand_pasted(
    record: Provider, fields: Fields, base_url: str | None
) -> tuple[Fields, str | None, list[str]]:
    """Return fields, base URL and notes.

    Raises:
        InvalidParams: a pasted address contradicts a field.
    """
    expanded = dict(fields)
    notes: list[str] = []
    plain = {field.name: fields.get(field.name) for field in record.fields if not field.secret}
    urls = {name: text for name, text in plain.items() if isinstance(text, str) and "://" in text}
    for source, text in [("baseUrl", base_url or ""), *urls.items()]:
        reading = read_pasted(record, text)
        if reading is None:
            continue
        expanded.pop(source, None)
        for name, value in reading.fields.items():
            typed = expanded.setdefault(name, value)
            if isinstance(typed, str) and typed.strip().lower() not in {"", value.lower()}:
                pointer = "/baseUrl" if source == "baseUrl" else f"/fields/{source}"
                _refuse([(pointer, f"names another {name} than the field {name}")])
            expanded[name] = value
        base_url = reading.base_url if source == "baseUrl" else base_url or reading.base_url
        names = ", ".join(reading.fields)
        place = reading.base_url or "the usual address"
        notes.append(f"{source}: " + (f"read {names} from it" if names else f"read as {place}"))
    return expanded, base_url, notes


def _open_fields(
    session: Session,
    record: Provider,
    fields: Fields,
    sealing: SealingKey,
    context: SealContext,
) -> tuple[dict[str, Secret | str], list[str]]:
    opened: dict[str, Secret | str] = {}
    notes: list[str] = []
    for name, value in fields.items():
        opened[name], removed = _open_field(session, record, name, value, sealing, context)
        notes += [f"{name}: {what}" for what in removed]
    return opened, notes


def _open_field(
    session: Session,
    record: Provider,
    name: str,
    value: FieldInput,
    sealing: SealingKey,
    context: SealContext,
) -> tuple[Secret | str, tuple[str, ...]]:
    known = record.field(name)
    if isinstance(value, str):
        if known is not None and known.secret:
            _refuse([(f"/fields/{name}", "is secret; send it as sealed or plain")])
        return value.strip(), ()
    if value.sealed is not None:
        sealed = _open_sealed(session, record, name, value.sealed, sealing, context)
        secret, removed = sealed.cleaned()
    else:
        secret, removed = clean(value.plain or "")
    if known is not None and not known.secret:
        _refuse([(f"/fields/{name}", "is not secret; send it as text")])
    return secret, removed


def _open_sealed(
    session: Session,
    record: Provider,
    name: str,
    sealed: str,
    sealing: SealingKey,
    context: SealContext,
) -> Secret:
    bound = partial(
        info,
        context.method,
        account=session.account,
        key_id=context.key_id,
        base_url=context.base_url,
        field=name,
    )
    try:
        return sealing.open(sealed, bound(provider=context.provider or record.id))
    except InvalidParams:
        if context.provider is not None:
            raise
        return sealing.open(sealed, bound(provider=None))


def _refuse(problems: list[tuple[str, str]]) -> None:
    if problems:
        pointer, reason = problems[0]
        raise InvalidParams(
            f"the field {pointer.removeprefix('/fields/')} {reason}",
            details=[{"pointer": pointer, "reason": reason} for pointer, reason in problems],
        )
