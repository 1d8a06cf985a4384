"""AWS Signature Version 4, checked against AWS's published examples."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

from byokd.core.http import HttpRequest

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNSIGNED: Final = frozenset({"authorization", "user-agent", "accept-encoding", "connection"})


def sign(
    request: HttpRequest,
    *,
    access_key_id: str,
    secret_access_key: str,
    session_token: str | None,
    region: str,
    service: str,
    now_ms: int,
) -> HttpRequest:
    """Return the request with `x-amz-date`, any session token, and `authorization`."""
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    dated = request.with_header("x-amz-date", stamp)
    if session_token:
        dated = dated.with_header("x-amz-security-token", session_token)
    names, canonical = _canonical(dated)
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}"
    key = signing_key(secret_access_key, stamp[:8], region, service)
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return dated.with_header(
        "authorization",
        f"{_ALGORITHM} Credential={access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}",
    )


def signing_key(secret_access_key: str, date: str, region: str, service: str) -> bytes:
    """Return the key of one day (`YYYYMMDD`), region and service."""
    key = f"AWS4{secret_access_key}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _canonical(request: HttpRequest) -> tuple[str, str]:
    split = urlsplit(request.url)
    headers = {"host": split.netloc} | {
        name: " ".join(value.split()) for name, value in request.headers if name not in _UNSIGNED
    }
    names = ";".join(sorted(headers))
    lines = [
        request.method,
        # Encoded once more than it is sent, as every AWS service but S3 expects: `%3A` → `%253A`.
        quote(split.path or "/", safe="/~"),
        _canonical_query(split.query),
        *(f"{name}:{headers[name]}" for name in sorted(headers)),
        "",
        names,
        hashlib.sha256(request.body).hexdigest(),
    ]
    return names, "\n".join(lines)


def _canonical_query(query: str) -> str:
    # Sorted by name and value; the URL is already percent-encoded.
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return "&".join(f"{name}={value}" for name, _, value in sorted(pairs))
