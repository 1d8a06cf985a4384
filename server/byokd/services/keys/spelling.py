"""Reads a base URL as people write and paste it, before it is checked.

Nothing is resolved or sent. What cannot be read is left as it is, for `read_base_url` to refuse.
"""

from __future__ import annotations

import re
from typing import Final

_QUOTES: Final = "\"'`<>\u201c\u201d\u2018\u2019"
_ASSIGNMENT: Final = re.compile(r"(?:export\s+)?[A-Z][A-Z0-9_]{2,63}\s*=\s*")
_ONE_SLASH: Final = re.compile(r"(https?):/{0,1}(?=[^/\d])", re.IGNORECASE)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PARTS: Final = re.compile(
    r"(?P<scheme>https?://)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._{}-]+)(?P<port>:\d{1,5})?"
    r"(?P<path>/[^?#\\]*)?(?P<rest>[?#].*)?",
    re.IGNORECASE | re.DOTALL,
)
_HARMLESS_REST: Final = re.compile(r"[?#][A-Za-z0-9_=&.,:~/+%!-]*(?:#[A-Za-z0-9_=&.~/+%!-]*)?")
_LOOPBACK: Final = re.compile(r"localhost|.+\.localhost|127(?:\.\d{1,3}){3}|\[::1\]", re.IGNORECASE)
_ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  # read, not bound
_SLASHES: Final = re.compile(r"/{2,}")


def read_spelling(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the URL that is meant, and what was changed, in words that follow `baseUrl: `."""
    written = text.strip()
    url = _ASSIGNMENT.sub("", written, count=1) if _ASSIGNMENT.match(written) else written
    url = url.rstrip(",;").strip(_QUOTES).strip()
    url = _ONE_SLASH.sub(r"\1://", url, count=1) if "://" not in url else url
    if "://" not in url:
        url = url.removeprefix("//")
    match = _PARTS.fullmatch(url)
    if match is None or (match["scheme"] is None and not _is_host(match)):
        return url, ()
    rest = match["rest"] or ""
    if rest and not _HARMLESS_REST.fullmatch(rest):
        return url, ()
    host, notes = match["host"], []
    if host in _ANY_ADDRESS:
        host = _ANY_ADDRESS[host]
        notes.append(f"{match['host']} is where a server listens; read as {host}")
    scheme = match["scheme"]
    if scheme is None:
        scheme = "http://" if _LOOPBACK.fullmatch(host) else "https://"
        notes.append(f"has no scheme; read as {scheme}")
    if rest:
        notes.append("what follows ? or # was left out")
    path = match["path"] or ""
    if _SLASHES.search(path):
        path = _SLASHES.sub("/", path)
        notes.append("doubled slashes were removed")
    return f"{scheme}{host}{match['port'] or ''}{path}", tuple(notes)


def _is_host(match: re.Match[str]) -> bool:
    """Tell whether a text without a scheme begins with a host, and is not just a word."""
    host = match["host"]
    has_mark = "." in host or "[" in host or match["port"] is not None
    return has_mark or _LOOPBACK.fullmatch(host) is not None
