"""Classifies IP addresses: whether a key may be sent there."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final, Literal, TypeAlias

AddressKind: TypeAlias = Literal["loopback", "private", "forbidden", "public"]
"""`private` includes tailnets and carrier-grade NAT; `forbidden` can never be a provider."""

_FORBIDDEN: Final = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",  # this network, and the unspecified address
        "169.254.0.0/16",  # link-local, with the metadata services of most clouds
        "192.0.0.0/24",  # protocol assignments; Oracle's older metadata service
        "100.100.100.200/32",  # Alibaba's metadata service, inside carrier-grade NAT
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "::/128",
        "fd00:ec2::/32",  # Amazon's metadata and other services, inside unique local addresses
        "fd20:ce::254/128",  # Google's metadata service
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local, withdrawn in 2004
        "ff00::/8",  # multicast
    )
)
_PRIVATE: Final = tuple(
    ip_network(block)
    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
# Network translators read an IPv4 address out of these: RFC 6052, RFC 8215, and ::/96.
_TRANSLATED: Final = tuple(
    ip_network(block) for block in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")
)
_LAST_32_BITS: Final = 0xFFFF_FFFF


class ForbiddenAddress(OSError):
    """A name resolves only to addresses that no key may be sent to."""


def address_kind(address: IPv4Address | IPv6Address) -> AddressKind:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:  # the operating system connects to the IPv4 address
            return address_kind(address.ipv4_mapped)
        embedded = None if address.is_loopback else _embedded_ipv4(address)
        if embedded is not None and address_kind(embedded) != "public":
            return "forbidden"
    if address.is_loopback:
        return "loopback"
    if any(address in block for block in _FORBIDDEN if block.version == address.version):
        return "forbidden"
    private = any(address in block for block in _PRIVATE if block.version == address.version)
    return "private" if private else "public"


def _embedded_ipv4(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that a NAT64, 6to4 or Teredo gateway would forward to."""
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in block for block in _TRANSLATED):
        return IPv4Address(int(address) & _LAST_32_BITS)
    return None
