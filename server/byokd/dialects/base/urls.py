"""Joins a base URL and a path, with templates and version segments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from byokd.protocol.errors import InvalidParams

_TEMPLATE: Final = re.compile(r"\{([A-Za-z][A-Za-z0-9]{0,63})\}")
_HOST_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_VERSION_AT_END: Final = re.compile(r"/v\d{1,2}(?:(?:alpha|beta)\d{0,2})?$")
_OUTSIDE_VERSION: Final = "../"
_VERSION_AT_START: Final = re.compile(r"^/v\d{1,2}(?:(?:alpha|beta)\d{0,2})?(?=/|$)")


def fill(template: str, fields: Mapping[str, str]) -> str:
    """Return the URL with each `{field}` replaced by the field's percent-encoded value.

    A value in the host must be one DNS label, so that no field can change the host.

    Raises:
        InvalidParams: a field is missing, or is no DNS label in the host.
    """
    host_ends = _host_end(template)

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        text = fields.get(name, "")
        if not text:
            raise _refusal(name, "is needed for the address")
        if match.start() >= host_ends:
            return quote(text, safe="")
        if not _HOST_LABEL.fullmatch(text):
            raise _refusal(name, "must be letters, digits and hyphens: it is part of a host name")
        return text

    return _TEMPLATE.sub(value, template)


def join_url(base_url: str, path: str, fields: Mapping[str, str] | None = None) -> str:
    """Return the URL of `path` under `base_url`.

    If the base ends in a version (`/v1`, `/v4`, `/v1beta`) and the path starts with one, the base's
    is used: a pasted base URL has it or not. A path with `../` replaces it; each further `../`
    removes one segment before it. The base loses query and fragment.

    Raises:
        InvalidParams: a template cannot be filled.
    """
    known = fields or {}
    split = urlsplit(fill(base_url, known))
    base = f"{split.scheme}://{split.netloc}{split.path}".rstrip("/")
    if path.startswith(_OUTSIDE_VERSION):
        base, path = _VERSION_AT_END.sub("", base), path.removeprefix(_OUTSIDE_VERSION)
        base, path = _above(base, path)
    # With a host in front every template of the path is after the host.
    rest = "/" + fill("//h/" + path.lstrip("/"), known).removeprefix("//h/")
    if _VERSION_AT_END.search(base):
        rest = _VERSION_AT_START.sub("", rest)
    return base + rest if rest != "/" else base


def _above(base: str, path: str) -> tuple[str, str]:
    """Apply the `../` at the start of a path, never above the host."""
    host_ends = _host_end(base)
    while path.startswith(_OUTSIDE_VERSION):
        path = path.removeprefix(_OUTSIDE_VERSION)
        base = base[: max(base.rfind("/"), host_ends)]
    return base, path


def with_query(url: str, name: str, value: str) -> str:
    """Return the URL with a query parameter added or replaced."""
    address, _, query = url.partition("?")
    pair = f"{quote(name, safe='')}={quote(value, safe='')}"
    pairs = [entry for entry in query.split("&") if entry and entry.partition("=")[0] != name]
    return f"{address}?{'&'.join([*pairs, pair])}"


def _host_end(template: str) -> int:
    start = template.find("://")
    after = template.find("/", start + 3 if start >= 0 else 2)
    return after if after >= 0 else len(template)


def _refusal(name: str, reason: str) -> InvalidParams:
    details = [{"pointer": f"/fields/{name}", "reason": reason}]
    return InvalidParams(f"the field {name} {reason}", details=details)
