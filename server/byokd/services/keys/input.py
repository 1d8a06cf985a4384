"""Takes a key in: what a client sent becomes checked fields and one canonical address.

Knows what a form field must look like before anything is asked or stored, and that people paste
whole addresses into forms. Must not send, store or show anything. A value never appears in an
error: JSON pointers and reasons do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from byokd.catalog.pasted import read_pasted
from byokd.catalog.record import Provider
from byokd.catalog.surfaces import named_by
from byokd.core.secret import Secret, clean
from byokd.crypto.seal import SealingKey, info
from byokd.dialects.base.auth import key_problems
from byokd.dialects.base.urls import fill
from byokd.protocol.errors import InvalidParams
from byokd.protocol.key import FieldInput, Fields
from byokd.protocol.sealed import SecretInput
from byokd.services.keys.credentials import base_url_of
from byokd.services.keys.prober import Candidate, plain
from byokd.services.runtime.session import Session


@dataclass(frozen=True, slots=True)
class SealContext:
    """Where a sealed secret says it belongs; opening fails when any of it is different.

    Attributes:
        method: of the request.
        provider: as it was sent; None where the request names a key instead.
        key_id: as it was sent.
        base_url: as it was sent.
    """

    method: str
    provider: str | None
    key_id: str | None
    base_url: str | None


@dataclass(frozen=True, slots=True)
class Address:
    """Where a key goes.

    Attributes:
        base_url: canonical; without the path of a chat, where one was pasted with it.
        origin: what the key is sealed to.
        own: the base URL as it was given where it is not the record's, else None.
    """

    base_url: str
    origin: str
    own: str | None


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A key that was sent: its checked fields, where it goes, and what was changed on the way.

    Attributes:
        record: whose key it is said to be.
        fields: by name, the secret ones as `Secret`.
        address: where it goes.
        notes: what was cleaned or read, as `<field>: <what>`.
    """

    record: Provider
    fields: Mapping[str, Secret | str]
    address: Address
    notes: tuple[str, ...]

    @property
    def candidate(self) -> Candidate:
        """The same, for a probe."""
        goes = self.address
        return Candidate(
            self.record, goes.base_url, goes.own is None, self.fields, sealed_origin=goes.origin
        )


def parse_key(
    session: Session,
    record: Provider,
    given: Fields,
    sealing: SealingKey,
    asked: SealContext,
    *,
    base_url: str | None,
    allow_insecure: bool,
) -> ParsedKey:
    """Return a key from what was sent; a pasted address fills the fields that it names.

    Raises:
        InvalidParams: with a pointer and a reason for whatever does not fit.
    """
    given, base_url, read = _unfold(record, given, base_url)
    placed = base_url is not None
    fields, cleaned = take_fields(session, record, given, sealing, asked, placed=placed)
    goes = address(record, fields, base_url, allow_insecure=allow_insecure)
    return ParsedKey(record, fields, goes, (*read, *cleaned))


def check_found(
    record: Provider,
    given: Mapping[str, Secret | str],
    *,
    base_url: str | None,
    allow_insecure: bool,
) -> ParsedKey:
    """Return a key whose fields are in the house already, such as one that an import found.

    Raises:
        InvalidParams: as `take_key`.
    """
    plain: Fields = {name: value for name, value in given.items() if isinstance(value, str)}
    unfolded, base_url, read = _unfold(record, plain, base_url)
    fields: dict[str, Secret | str] = {
        name: value.strip() for name, value in unfolded.items() if isinstance(value, str)
    }
    notes: list[str] = []
    for name, value in given.items():
        if isinstance(value, Secret):
            fields[name], cleaned = value.cleaned()
            notes += [f"{name}: {what}" for what in cleaned]
    _refuse(key_problems(record, fields, placed=base_url is not None))
    goes = address(record, fields, base_url, allow_insecure=allow_insecure)
    return ParsedKey(record, fields, goes, (*read, *notes))


def open_secret(
    session: Session, given: SecretInput, sealing: SealingKey, *, method: str, field: str
) -> Secret:
    """Return a secret that belongs to no provider, such as a passphrase, as it was typed.

    Raises:
        InvalidParams: it was sealed for another use.
    """
    if given.sealed is None:
        return Secret(given.plain or "")
    return sealing.open(given.sealed, info(method, account=session.account, field=field))


def _unfold(
    record: Provider, given: Fields, base_url: str | None
) -> tuple[Fields, str | None, list[str]]:
    """Read pasted addresses: the base URL, and plain fields that hold one.

    Raises:
        InvalidParams: an address says something else than a field beside it.
    """
    fields, notes = dict(given), list[str]()
    plain = {field.name: given.get(field.name) for field in record.fields if not field.secret}
    whole = {name: text for name, text in plain.items() if isinstance(text, str) and "://" in text}
    for source, text in [("baseUrl", base_url or ""), *whole.items()]:
        reading = read_pasted(record, text)
        if reading is None:
            continue
        fields.pop(source, None)
        for name, value in reading.fields.items():
            typed = fields.setdefault(name, value)
            if isinstance(typed, str) and typed.strip().lower() not in {"", value.lower()}:
                where = "/baseUrl" if source == "baseUrl" else f"/fields/{source}"
                _refuse([(where, f"names another {name} than the field {name}")])
            fields[name] = value
        base_url = reading.base_url if source == "baseUrl" else base_url or reading.base_url
        notes.append(f"{source}: read {', '.join(reading.fields)} from it")
    return fields, base_url, notes


def take_fields(
    session: Session,
    record: Provider,
    given: Fields,
    sealing: SealingKey,
    asked: SealContext,
    *,
    placed: bool,
) -> tuple[dict[str, Secret | str], tuple[str, ...]]:
    """Open, clean and check what was sent; `placed` where it has a base URL of its own.

    Returns:
        The fields, and what was cleaned as `<field>: <what>`.

    Raises:
        InvalidParams: with a pointer and a reason for each field that does not fit.
    """
    fields: dict[str, Secret | str] = {}
    notes: list[str] = []
    for name, value in given.items():
        fields[name], cleaned = _field(session, record, name, value, sealing, asked)
        notes += [f"{name}: {what}" for what in cleaned]
    _refuse(key_problems(record, fields, placed=placed))
    return fields, tuple(notes)


def address(
    record: Provider,
    fields: Mapping[str, Secret | str],
    base_url: str | None,
    *,
    allow_insecure: bool = False,
) -> Address:
    """Return where a key with these fields goes: `base_url` if given, else the record's own.

    The default address typed by hand is the default address. A field may stand in an address as
    in the record's, `{accountId}`.

    Raises:
        InvalidParams: there is no address, or it is not one that a key may be sent to.
    """
    if base_url is None:
        base = base_url_of(record, None, fields)
        return Address(base.url, base.origin, None)
    own = fill(base_url, plain(fields))
    base = base_url_of(record, own, fields, allow_insecure=allow_insecure)
    if _has_default(record, fields) and base == base_url_of(record, None, fields):
        return Address(base.url, base.origin, None)
    return Address(named_by(record, base.url)[0], base.origin, base.url)


def _has_default(record: Provider, fields: Mapping[str, Secret | str]) -> bool:
    """Tell whether the record has an address of its own, and the fields to fill it."""
    if record.base_url is None or record.base_url_required:
        return False
    known = (field.name for field in record.fields if field.address_only)
    return all(fields.get(name) for name in known)


def stands_elsewhere(
    record: Provider,
    base_url: str | None,
    before: Mapping[str, str | None],
    now: Mapping[str, Secret | str],
) -> bool:
    """Tell whether a field was changed whose old value stands in a key's own base URL.

    Such a URL was filled when the key was stored, or says itself what the field says, such as a
    region: it would still lead to the old place.

    Args:
        record: whose key it is; only what its own address is made of can stand in another.
        base_url: the key's own.
        before: the fields as they are stored; None is a secret one.
        now: the fields as they would be.
    """
    filling = [name for name in before if f"{{{name}}}" in (record.base_url or "")]
    return any(
        re.search(
            rf"[/.]{re.escape(quote(value, safe=''))}(?![^/.:])", base_url or "", re.IGNORECASE
        )
        for name in filling
        if (value := before[name]) and value != now.get(name)
    )


def _field(
    session: Session,
    record: Provider,
    name: str,
    value: FieldInput,
    sealing: SealingKey,
    asked: SealContext,
) -> tuple[Secret | str, tuple[str, ...]]:
    known = record.field(name)
    if isinstance(value, str):
        if known is not None and known.secret:
            _refuse([(f"/fields/{name}", "is secret; send it as sealed or plain")])
        return value.strip(), ()
    if value.sealed is not None:
        secret, cleaned = _opened(session, record, name, value.sealed, sealing, asked).cleaned()
    else:
        secret, cleaned = clean(value.plain or "")
    if known is not None and not known.secret:
        _refuse([(f"/fields/{name}", "is not secret; send it as text")])
    return secret, cleaned


def _opened(
    session: Session,
    record: Provider,
    name: str,
    sealed: str,
    sealing: SealingKey,
    asked: SealContext,
) -> Secret:
    """Open a sealed secret.

    A request that names a key may leave its provider out of the binding: the key's id says more.
    """
    bound = partial(
        info,
        asked.method,
        account=session.account,
        key_id=asked.key_id,
        base_url=asked.base_url,
        field=name,
    )
    try:
        return sealing.open(sealed, bound(provider=asked.provider or record.id))
    except InvalidParams:
        if asked.provider is not None:
            raise
        return sealing.open(sealed, bound(provider=None))


def _refuse(problems: list[tuple[str, str]]) -> None:
    if problems:
        first = problems[0]
        raise InvalidParams(
            f"the field {first[0].removeprefix('/fields/')} {first[1]}",
            details=[{"pointer": pointer, "reason": reason} for pointer, reason in problems],
        )
