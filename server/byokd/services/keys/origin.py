"""Canonical base URLs and origins: which addresses a key may be sent to.

A URL that two programs could read differently is refused. Nothing is resolved with DNS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

from byokd.protocol.errors import InvalidParams
from byokd.transport.addresses import AddressKind, address_kind

URL_MAX_CHARS: Final = 2048

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#\\]+)(?P<path>/[^?#\\]*)?", re.IGNORECASE
)
_BEGINNING = re.compile(r"https?://[^/?#\\]+(?=[/?]|$)")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:@%\[\]]+)(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_QUAD = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH_SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@{}-]|%[0-9A-Fa-f]{2})+")
# WHATWG URL, "double-dot URL path segment": an encoded dot counts as a plain one (2026-11-24).
_DOTS = re.compile(r"(?:\.|%2[Ee]){1,2}")
_HOST_MAX_CHARS = 253
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """A base URL in canonical form.

    Attributes:
        url: without a trailing slash and without a default port.
        origin: `scheme://host:port`, always with the port; a key is sealed to it.
    """

    url: str
    origin: str


def read_base_url(text: str, *, allow_insecure: bool = False) -> BaseUrl:
    """Return the canonical form of a base URL.

    Plain http is for loopback only, and with `allow_insecure` for private addresses.

    Raises:
        InvalidParams: the text is no such URL, or no key may be sent there.
    """
    trimmed = text.strip()
    match = _URL.fullmatch(trimmed)
    if match is None or len(trimmed) > URL_MAX_CHARS or not trimmed.isascii():
        raise _base_url_error(
            "write it as https://host/path, without a query, a fragment or a user name"
        )
    scheme = match["scheme"].lower()
    authority = _AUTHORITY.fullmatch(match["authority"])
    if authority is None:
        raise _base_url_error("its host has unexpected characters")
    host, place = _host(authority["host"].lower())
    _check_scheme(scheme, place, allow_insecure=allow_insecure)
    port = int(authority["port"] or _PORTS[scheme])
    if not 0 < port < 65536:  # noqa: PLR2004 - the range of a TCP port
        raise _base_url_error("its port is not between 1 and 65535")
    authority_text = host if port == _PORTS[scheme] else f"{host}:{port}"
    return BaseUrl(
        f"{scheme}://{authority_text}{_path(match['path'] or '')}", f"{scheme}://{host}:{port}"
    )


def origin_of(url: str) -> str:
    """Return the origin of a request's URL, as `BaseUrl.origin`. Raises as `read_base_url`."""
    match = _BEGINNING.match(url)
    if match is None:
        raise _base_url_error("its host has unexpected characters")
    return read_base_url(match[0], allow_insecure=True).origin


def shown_origin(origin: str) -> str:
    """Return an origin as people write it, without the scheme's default port."""
    return read_base_url(origin, allow_insecure=True).url


def is_loopback(base_url: str) -> bool:
    """Tell whether a canonical base URL leads to this machine."""
    return place_of(base_url) == "loopback"


def place_of(base_url: str) -> AddressKind:
    """Return where a canonical base URL leads, as far as its host says; names are public."""
    match = _URL.fullmatch(base_url)
    authority = _AUTHORITY.fullmatch(match["authority"]) if match else None
    return "public" if authority is None else _host(authority["host"].lower())[1]


def _host(host: str) -> tuple[str, AddressKind]:
    if host.startswith("["):
        try:
            address = IPv6Address(host[1:-1])
        except ValueError:
            raise _base_url_error("its IPv6 address is malformed") from None
        return f"[{address.compressed}]", address_kind(address)
    if _QUAD.fullmatch(host):
        try:
            return host, address_kind(ip_address(host))
        except ValueError:
            raise _base_url_error("its IPv4 address is malformed") from None
    labels = host.split(".")
    # Some programs read `127.1`, `2130706433` and `0x7f.1` as addresses, others as names.
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        raise _base_url_error("write an address as four decimal numbers")
    if len(host) > _HOST_MAX_CHARS or not all(_LABEL.fullmatch(label) for label in labels):
        raise _base_url_error("its host has a character or an empty label that no host has")
    loopback = host == "localhost" or host.endswith(".localhost")
    return host, "loopback" if loopback else "public"


def _check_scheme(scheme: str, place: AddressKind, *, allow_insecure: bool) -> None:
    if place == "forbidden":
        raise _base_url_error("that address cannot be a provider")
    if scheme == "https" or place == "loopback":
        return
    if place == "private":
        if allow_insecure:
            return
        raise _base_url_error(
            "use https, or set allowInsecureOrigin to send a key in clear on this network"
        )
    raise _base_url_error("use https: a key is sent over plain http to this machine only")


def _path(path: str) -> str:
    inner = path[1:].rstrip("/")
    segments = inner.split("/") if inner else []
    for segment in segments:
        if _DOTS.fullmatch(segment) or not _PATH_SEGMENT.fullmatch(segment):
            raise _base_url_error("its path has an ambiguous segment")
    return "".join(f"/{segment}" for segment in segments)


def _base_url_error(reason: str) -> InvalidParams:
    return InvalidParams(
        f"this base URL is not accepted: {reason}",
        details=[{"pointer": "/baseUrl", "reason": reason}],
    )
