"""Where a key may be sent: one canonical origin from what a person typed as a base URL.

Knows which spellings of a URL are refused because two programs could read them differently, and
on which hosts plain http is allowed. Must not resolve a name or open a connection.
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
# WHATWG URL, "double-dot URL path segment": an encoded dot climbs as a plain one does (2026-11-24).
_DOTS = re.compile(r"(?:\.|%2[Ee]){1,2}")
_HOST_MAX_CHARS = 253
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """A base URL in its one spelling.

    Attributes:
        url: without a trailing slash, default port left out.
        origin: `scheme://host:port`, the port always written; this is what a key is sealed to.
    """

    url: str
    origin: str


def read_base_url(text: str, *, allow_insecure: bool = False) -> BaseUrl:
    """Return the canonical form of a base URL.

    Args:
        text: what was typed or what a record says, its templates filled.
        allow_insecure: plain http is also allowed to a private address.

    Raises:
        InvalidParams: the text is not such a URL, or leads where no key may go.
    """
    trimmed = text.strip()
    found = _URL.fullmatch(trimmed)
    if found is None or len(trimmed) > URL_MAX_CHARS or not trimmed.isascii():
        raise _refused("write it as https://host/path, without a query, a fragment or a user name")
    scheme = found["scheme"].lower()
    authority = _AUTHORITY.fullmatch(found["authority"])
    if authority is None:
        raise _refused("its host is not written plainly")
    host, place = _host(authority["host"].lower())
    _check_scheme(scheme, place, allow_insecure=allow_insecure)
    port = int(authority["port"] or _PORTS[scheme])
    if not 0 < port < 65536:  # noqa: PLR2004 - the range of a TCP port
        raise _refused("its port is not between 1 and 65535")
    shown = host if port == _PORTS[scheme] else f"{host}:{port}"
    return BaseUrl(f"{scheme}://{shown}{_path(found['path'] or '')}", f"{scheme}://{host}:{port}")


def origin_of(url: str) -> str:
    """Return the origin of a request's URL, as `BaseUrl.origin` writes it; path and query may vary.

    Raises:
        InvalidParams: the URL does not begin with a host that a key may be sent to.
    """
    match = _BEGINNING.match(url)
    if match is None:
        raise _refused("its host is not written plainly")
    return read_base_url(match[0], allow_insecure=True).origin


def shown_origin(origin: str) -> str:
    """Return an origin for a person: without the port where it is the scheme's usual one."""
    return read_base_url(origin, allow_insecure=True).url


def _host(host: str) -> tuple[str, AddressKind]:
    if host.startswith("["):
        try:
            address = IPv6Address(host[1:-1])
        except ValueError:
            raise _refused("its IPv6 address is not one") from None
        return f"[{address.compressed}]", address_kind(address)
    if _QUAD.fullmatch(host):
        try:
            return host, address_kind(ip_address(host))
        except ValueError:
            raise _refused("its IPv4 address is not one") from None
    labels = host.split(".")
    # Some programs read `127.1`, `2130706433` and `0x7f.1` as addresses, others as names.
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        raise _refused("write an address as four decimal numbers")
    if len(host) > _HOST_MAX_CHARS or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused("its host has a character or an empty label that no host has")
    loopback = host == "localhost" or host.endswith(".localhost")
    return host, "loopback" if loopback else "public"


def _check_scheme(scheme: str, place: AddressKind, *, allow_insecure: bool) -> None:
    if place == "forbidden":
        raise _refused("that address cannot be a provider")
    if scheme == "https" or place == "loopback":
        return
    if place == "private":
        if allow_insecure:
            return
        raise _refused(
            "use https, or set allowInsecureOrigin to send a key in clear on this network"
        )
    raise _refused("use https: a key is sent over plain http to this machine only")


def _path(path: str) -> str:
    inner = path[1:].rstrip("/")
    segments = inner.split("/") if inner else []
    for segment in segments:
        if _DOTS.fullmatch(segment) or not _PATH_SEGMENT.fullmatch(segment):
            raise _refused("its path has a segment that could be read in two ways")
    return "".join(f"/{segment}" for segment in segments)


def _refused(why: str) -> InvalidParams:
    return InvalidParams(
        f"this base URL is not accepted: {why}",
        details=[{"pointer": "/baseUrl", "reason": why}],
    )
