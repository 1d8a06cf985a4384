"""Reads the credential of a request and verifies its signature.

The secret of an AWS access key id is the id itself, so that no keys need to be registered.
"""

from __future__ import annotations

import re
import time
from calendar import timegm
from typing import Final, Literal, TypeAlias

from aiohttp import web

from byokd.catalog.record import Auth
from byokd.core.http import Headers, HttpRequest
from byokd.dialects.base.sigv4 import sign

Problem: TypeAlias = Literal["", "no_key", "bad_signature"]

_SIGNED: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
    r"SignedHeaders=([^,]+), Signature=[0-9a-f]{64}"
)
_SKEW_S: Final = 300
_BEARER: Final = "Bearer "


def read_credential(request: web.BaseRequest, body: bytes, auth: Auth) -> tuple[str, Problem]:
    """Return the key and a problem, which is empty if there is none."""
    scheme: Auth | None = auth
    while scheme is not None and scheme.scheme != "none":
        value = request.headers.get(scheme.header, "")
        if scheme.scheme == "sigv4":
            if match := _SIGNED.fullmatch(value):
                return match[1], _signature_problem(request, body, scheme, match)
        elif scheme.scheme == "header" and value:
            return value, ""
        elif scheme.scheme == "bearer" and value.startswith(_BEARER):
            return value.removeprefix(_BEARER), ""
        scheme = scheme.otherwise
    return "", "no_key"


def _signature_problem(
    request: web.BaseRequest, body: bytes, auth: Auth, match: re.Match[str]
) -> Problem:
    key_id, _, region, service, names = match.groups()
    stamp = request.headers.get("x-amz-date", "")
    if service != auth.signing_name or not re.fullmatch(r"\d{8}T\d{6}Z", stamp):
        return "bad_signature"
    moment_s = timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
    signed = [(name, request.headers.get(name, "")) for name in names.split(";") if name != "host"]
    expected = sign(
        HttpRequest(
            request.method, f"http://{request.host}{request.raw_path}", Headers(signed), body
        ),
        access_key_id=key_id,
        secret_access_key=key_id,
        session_token=None,
        region=region,
        service=service,
        now_ms=moment_s * 1000,
    )
    matches = expected.headers.get("authorization") == match[0]
    return "" if matches and abs(time.time() - moment_s) <= _SKEW_S else "bad_signature"
