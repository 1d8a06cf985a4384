"""Other base URLs at the same origin under which an API may be, for a probe that found none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from byokd.catalog.record import Provider
from byokd.core.limits import BASE_URLS_TRIED_MAX

_VERSION: Final = re.compile(r"/v\d{1,2}(?:(?:alpha|beta)\d{0,2})?(?=/|$)")
# What people copy with a base URL: paths of requests, and pages that servers show.
_ENDINGS: Final = re.compile(
    r"/(?:chat/completions|completions|responses|messages|embeddings|models|engines|chat|generate|"
    r"tags|show|ps|props|slots|version|health|healthz|metrics|docs|redoc|swagger|ui|dashboard|"
    r"playground|login|admin|webui|index\.html|openapi\.json|keys|settings)/?$",
    re.IGNORECASE,
)
_USUAL: Final = ("/v1", "", "/api/v1", "/openai/v1", "/api")
"""vLLM, LM Studio and most others; llama.cpp; gateways; gateways; Open WebUI."""
_ABOVE: Final = re.compile(r"/(?:api|openai)$")


def other_base_urls(record: Provider, base_url: str) -> tuple[str, ...]:
    """Return at most `BASE_URLS_TRIED_MAX` base URLs to try, the likeliest first.

    All of them have the origin of `base_url`.
    """
    split = urlsplit(base_url)
    origin = f"{split.scheme}://{split.netloc}"
    urls = (origin + path for path in _paths(record, split.path.rstrip("/")))
    return tuple(dict.fromkeys(url for url in urls if url != base_url))[:BASE_URLS_TRIED_MAX]


def _paths(record: Provider, path: str) -> Iterator[str]:
    stem = path
    while (shorter := _ENDINGS.sub("", stem)) != stem:
        stem = shorter
    if version := _VERSION.search(path):
        stem = path[: version.start()]
        yield path[: version.end()]
    yield f"{stem}/v1"
    usual = urlsplit(record.base_url).path if record.base_url else ""
    if usual and "{" not in usual:
        yield stem + usual
    above = _ABOVE.sub("", stem)
    if above != stem:
        yield f"{above}/v1"
    yield from (above + suffix for suffix in _USUAL)
    yield stem
    yield from _USUAL
