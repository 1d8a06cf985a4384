"""Says which one thing to change in a base URL that leads to no API.

The texts name the contract's fields; the command line writes its own options in their place.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from byokd.protocol.base import JsonObject
from byokd.protocol.errors import ByokdError
from byokd.services.keys.origin import place_of

# nginx, Go's net/http, Apache: what a TLS port answers to plain http (seen 2026-11).
_TLS_ONLY: Final = re.compile(
    rb"plain HTTP request was sent to HTTPS|HTTP request to an HTTPS server|"
    rb"speaking plain HTTP to an SSL",
    re.IGNORECASE,
)


def connection_advice(base_url: str, error: ByokdError) -> str:
    """Return what to change after a failure without an answer; else the error's own sentence."""
    details = error.fields.get("details")
    facts: JsonObject = details if isinstance(details, dict) else {}
    reason, split = facts.get("reason"), urlsplit(base_url)
    place, host = place_of(base_url), split.netloc
    no_tls = reason == "reset" or (reason == "tls" and "certificate" not in facts)
    # A connection on this machine is made at once: what takes long is the handshake.
    no_tls = no_tls or (place == "loopback" and facts.get("phase") == "connect")
    no_http = reason == "reset" or (error.kind == "providerError" and not facts)
    if error.kind == "providerRedirect":
        return _redirect_advice(base_url, facts.get("to"))
    if split.scheme == "https" and no_tls and place in {"loopback", "private"}:
        other = base_url.replace("https://", "http://", 1)
        more = ", and allowInsecureOrigin to true" if place == "private" else ""
        return f"no TLS at {host}: if that server speaks plain http, set baseUrl to {other}{more}"
    if split.scheme == "http" and no_http:
        return tls_advice(base_url)
    if reason == "refused" and place == "loopback":
        return f"nothing answers at {host}: start the server, or correct the port in baseUrl"
    return error.user_message


def is_tls_only(status: int, body: bytes) -> bool:
    """Tell whether an answer says that the port speaks TLS, and the request did not."""
    return status == 400 and _TLS_ONLY.search(body[:4096]) is not None  # noqa: PLR2004


def tls_advice(base_url: str) -> str:
    other = base_url.replace("http://", "https://", 1)
    host = urlsplit(base_url).netloc
    return f"no plain http at {host}: if that server speaks TLS, set baseUrl to {other}"


def _redirect_advice(base_url: str, target: object) -> str:
    here = urlsplit(base_url)
    if isinstance(target, str):
        there = urlsplit(target)
        if (there.scheme, there.hostname) == ("https", here.hostname) and here.scheme == "http":
            port = f":{there.port}" if there.port else ""
            return (
                f"{here.netloc} sends requests on to https: set baseUrl to"
                f" https://{there.hostname}{port}{here.path}"
            )
        if there.netloc != here.netloc:
            return (
                f"{here.netloc} sends requests on to {there.netloc}, which a key does not follow:"
                " set baseUrl to the address there"
            )
    return f"{here.netloc} sends requests for {here.path or '/'} on: correct the path in baseUrl"


def path_advice(base_url: str, tried: int) -> str:
    """Return what to change where a server answers, and no API was found at its usual paths."""
    split = urlsplit(base_url)
    places = f"under {split.path or '/'}" + (f" or {tried} other paths" if tried else "")
    return (
        f"the server at {split.netloc} answers, and has no API {places}:"
        " set baseUrl to its address up to the version, such as /v1"
    )
