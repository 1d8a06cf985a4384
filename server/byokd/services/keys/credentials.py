"""An opened key with the provider's record and address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from byokd.catalog.record import Provider
from byokd.catalog.surfaces import record_at, split_chat_path
from byokd.core.secret import Secret
from byokd.dialects.base.call import Fault
from byokd.dialects.base.urls import fill
from byokd.protocol.actions import Action
from byokd.protocol.chat import SendParams
from byokd.protocol.errors import BY_KIND, ByokdError, InvalidParams, Kind
from byokd.services.chat.redaction import StreamRedactor
from byokd.services.error_actions import action_for
from byokd.services.keys.origin import BaseUrl, read_base_url
from byokd.services.keys.prober import Candidate, plain_fields_of
from byokd.services.keys.spelling import read_spelling
from byokd.vault import KeyRow, OpenedKey

INTEGRITY: Final = "integrity"
"""The reason of a key whose row differs from the audit log."""

_NO_KEY_SENT: Final = (
    "{} wants a sign-in of its own or a key, and no key was sent: sign in where the server runs, "
    "or store a key if it has keys"
)


@dataclass(frozen=True, slots=True)
class Credential:
    """One opened key.

    Attributes:
        record: for a chat, in the chosen dialect; else in that of the address.
        base_url: canonical, templates filled.
        at_default_origin: whether the address comes from the record.
        fields: empty for a provider that needs no key.
        row: None for the shared pool and for a provider that needs no key.
        dialect: from the key's base URL, if that is the address of a chat.
        cache_secret: see `vault.OpenedKey`; None where no key of a store is used.
    """

    record: Provider
    base_url: str
    at_default_origin: bool
    fields: Mapping[str, Secret | str]
    row: KeyRow | None = None
    dialect: str | None = None
    cache_secret: bytes | None = field(default=None, repr=False)

    @property
    def key_id(self) -> str | None:
        return self.row.key_id if self.row else None

    @property
    def plain_fields(self) -> dict[str, str]:
        return plain_fields_of(self.fields)

    @property
    def sealed_origin(self) -> str | None:
        return self.row.origin if self.row else None

    @property
    def candidate(self) -> Candidate:
        return Candidate(
            self.record,
            self.base_url,
            self.at_default_origin,
            self.fields,
            self.sealed_origin,
            self.key_id,
        )

    def redactor(self, params: SendParams | None = None) -> StreamRedactor:
        return self.candidate.redactor(params)

    def action_for(self, kind: Kind) -> Action | None:
        return action_for(kind, self.record)

    def error_of(self, fault: Fault) -> ByokdError:
        """Return the error of a fault, which may still hold the key (see `redactor`)."""
        kind, message = fault.kind, fault.message
        if kind == "keyInvalid" and not self.fields:
            kind, message = "keyForbidden", fault.hint or _NO_KEY_SENT.format(self.record.name)
        error = BY_KIND[kind](
            message,
            retryable=fault.retryable,
            retry_after_ms=fault.retry_after_ms,
            http_status=fault.http_status,
            provider_code=fault.provider_code,
            provider_message=fault.provider_message,
            provider_request_id=fault.provider_request_id,
            key_id=self.key_id,
        )
        is_page = kind == "keyInvalid" and fault.foreign
        return error.add(action=self.action_for("network" if is_page else kind))


def credential_of(record: Provider, opened: OpenedKey) -> Credential:
    row = opened.row
    base = base_url_of(record, row.base_url, opened.fields, allow_insecure=row.allow_insecure)
    base_url, dialect = split_chat_path(record, base.url) if row.base_url else (base.url, None)
    here = record_at(record, base_url, plain_fields_of(opened.fields))
    at_default = row.base_url is None
    return Credential(here, base_url, at_default, opened.fields, row, dialect, opened.cache_secret)


def base_url_of_row(record: Provider, row: KeyRow) -> str:
    """Return the base URL of a key without opening it; its origin if the record does not fit."""
    plain = {name: value for name, value in row.fields.items() if value is not None}
    try:
        base = base_url_of(record, row.base_url, plain, allow_insecure=row.allow_insecure)
    except InvalidParams:
        return row.origin
    return split_chat_path(record, base.url)[0] if row.base_url else base.url


def base_url_of(
    record: Provider,
    own: str | None,
    fields: Mapping[str, Secret | str],
    *,
    allow_insecure: bool = False,
) -> BaseUrl:
    """Return the key's own base URL, or the record's with its fields filled.

    Raises:
        InvalidParams: there is neither, or no key may be sent there.
    """
    if own is not None:
        return read_base_url(own, allow_insecure=allow_insecure)
    if record.base_url is None or record.base_url_required:
        raise InvalidParams(
            f"give a base URL: {record.name} has no address of its own",
            details=[{"pointer": "/baseUrl", "reason": "is required"}],
        )
    url, _ = read_spelling(fill(record.base_url, plain_fields_of(fields)))
    return read_base_url(url)
