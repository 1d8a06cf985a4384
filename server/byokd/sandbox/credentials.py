"""Whether a request carries a key as its provider wants it.

Knows the schemes of a record, from the provider's side; a signature is checked by making it again,
with the published algorithm. Must not know a provider. Of AWS's keys, the secret that belongs to an
access key id is that id itself, so that there is nothing to register.
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


def presented(request: web.BaseRequest, body: bytes, auth: Auth) -> tuple[str, Problem]:
    """Return the key that a request carries, and what is wrong with how it does."""
    scheme: Auth | None = auth
    while scheme is not None and scheme.scheme != "none":
        held = request.headers.get(scheme.header, "")
        if scheme.scheme == "sigv4":
            if found := _SIGNED.fullmatch(held):
                return found[1], _signature_problem(request, body, scheme, found)
        elif scheme.scheme == "header" and held:
            return held, ""
        elif scheme.scheme == "bearer" and held.startswith(_BEARER):
            return held.removeprefix(_BEARER), ""
        scheme = scheme.otherwise
    return "", "no_key"


def _signature_problem(
    request: web.BaseRequest, body: bytes, auth: Auth, found: re.Match[str]
) -> Problem:
    """Sign the request again, as it came, and compare."""
    key_id, _, region, service, names = found.groups()
    stamp = request.headers.get("x-amz-date", "")
    if service != auth.signing_name or not re.fullmatch(r"\d{8}T\d{6}Z", stamp):
        return "bad_signature"
    moment_s = timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
    signed = [(name, request.headers.get(name, "")) for name in names.split(";") if name != "host"]
    again = sign(
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
    same = again.headers.get("authorization") == found[0]
    return "" if same and abs(time.time() - moment_s) <= _SKEW_S else "bad_signature"
