"""Adds a credential to a request by the record's scheme, and checks the fields of a key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from byokd.catalog.record import Auth, Field, Provider
from byokd.core.http import HttpRequest
from byokd.core.limits import KEY_FIELD_MAX_CHARS, KEY_MAX_CHARS, KEY_MIN_CHARS
from byokd.core.secret import Secret
from byokd.dialects.base.sigv4 import sign
from byokd.protocol.errors import InvalidParams

Fields: TypeAlias = Mapping[str, Secret | str]
"""A key's fields by name, secret ones as `Secret`."""

_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e]+")
_NOT_ASCII: Final = "must be printable ASCII without spaces or line breaks"
_PLAIN: Final = re.compile(rf"[^\x00-\x1f\x7f]{{1,{KEY_FIELD_MAX_CHARS}}}")
_KEY: Final = re.compile(rf"[\x21-\x7e]{{{KEY_MIN_CHARS},{KEY_MAX_CHARS}}}")
_LONG_KEY: Final = re.compile(rf"[\x21-\x7e]{{{KEY_MIN_CHARS},{KEY_FIELD_MAX_CHARS}}}")
_ACCESS, _SECRET, _TOKEN, _REGION = "accessKeyId", "secretAccessKey", "sessionToken", "region"


def authorize(request: HttpRequest, provider: Provider, fields: Fields, now_ms: int) -> HttpRequest:
    """Return the complete request with its credential; a signature covers its bytes.

    If an optional field is empty, the record's `otherwise` applies, or nothing is added: some local
    servers refuse an empty `Bearer `.

    Raises:
        InvalidParams: a field is missing, or is no valid header value.
    """
    auth: Auth | None = provider.auth
    while auth is not None and auth.scheme != "none":
        if auth.scheme == "sigv4":
            return _signed(request, auth, fields, now_ms)
        if value := _text(fields, auth.field):
            if auth.scheme == "header":
                return request.with_header(auth.header, value)
            return request.with_header("authorization", f"Bearer {value}")
        _refuse_if_required(provider, auth.field)
        auth = auth.otherwise
    return request


def _signed(request: HttpRequest, auth: Auth, fields: Fields, now_ms: int) -> HttpRequest:
    for name in (_ACCESS, _SECRET, _REGION):
        if not _text(fields, name):
            raise _refusal(name, "is required")
    return sign(
        request,
        access_key_id=_text(fields, _ACCESS),
        secret_access_key=_text(fields, _SECRET),
        session_token=_text(fields, _TOKEN) or None,
        region=_text(fields, _REGION),
        service=auth.signing_name or "",
        now_ms=now_ms,
    )


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    text = value.reveal() if isinstance(value, Secret) else value
    # Refused here because HTTP libraries quote an invalid value in their errors.
    if text and not _HEADER_VALUE.fullmatch(text):
        raise _refusal(name, _NOT_ASCII)
    return text


def _refuse_if_required(provider: Provider, name: str) -> None:
    field = provider.field(name)
    if field is not None and field.required:
        raise _refusal(name, "is required")


def _refusal(name: str, reason: str) -> InvalidParams:
    details = [{"pointer": f"/fields/{name}", "reason": reason}]
    return InvalidParams(f"the field {name} {reason}", details=details)


def key_problems(
    provider: Provider, fields: Fields, *, placed: bool = False
) -> list[tuple[str, str]]:
    """Return the problems of a key's fields: (JSON pointer, reason), never values.

    With `placed` the key has its own base URL, and fields that only fill the record's may be
    missing. A record's `pattern` is advice for a form and not checked: providers change the shape
    of their keys without notice (Google did in 2026).
    """
    unknown = [name for name in fields if provider.field(name) is None]
    problems = [
        (f"/fields/{_pointed(name)}", "is not a field of this provider") for name in unknown
    ]
    for field in provider.fields:
        value = fields.get(field.name, "")
        reason = _field_problem(provider, field, value)
        if reason and not (placed and field.address_only and not value):
            problems.append((f"/fields/{field.name}", reason))
    present = {name for name, value in fields.items() if value not in (Secret(""), "")}
    if provider.one_of and not any(present.issuperset(names) for names in provider.one_of):
        choices = ", or ".join(" and ".join(names) for names in provider.one_of)
        problems.append(("/fields", f"give {choices}"))
    return problems


def _pointed(name: str) -> str:
    return name[:64].replace("~", "~0").replace("/", "~1")


def _field_problem(provider: Provider, field: Field, value: Secret | str) -> str | None:
    secret = value if isinstance(value, Secret) else Secret(value)
    if secret == Secret(""):
        return "is required" if field.required else None
    if not field.secret:
        return None if secret.matches(_PLAIN) else "must be text without control characters"
    # The parts of a multi-field key may be tokens that carry a whole policy.
    longest = KEY_FIELD_MAX_CHARS if provider.kind == "multiField" else KEY_MAX_CHARS
    if secret.matches(_LONG_KEY if longest == KEY_FIELD_MAX_CHARS else _KEY):
        return None
    if not secret.matches(_HEADER_VALUE):
        return _NOT_ASCII
    return f"must have {KEY_MIN_CHARS} to {longest} characters"
