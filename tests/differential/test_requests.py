"""The same conversation, sent by byokd and by the vendor's own client: the same request.

Each client speaks to a server on loopback that keeps what it was asked. What differs and is meant
stands in `vendors.toml` with its reason; a row there that covers nothing fails as well.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import defaultdict
from typing import Any
from urllib.parse import urlsplit

import pytest

from byokd.catalog.loader import load
from byokd.core.http import HttpRequest
from byokd.protocol.errors import ByokdError
from differential.conversations import CONVERSATIONS, Params
from differential.loopback import serving
from differential.vendors import Vendor, encoded, places, signed, vendors

# The clients are others' code: what they deprecate or leave open is not ours to mend.
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]

VENDORS = list(vendors())
_ABSENT = "nothing"
_SNAKE = re.compile(r"_([a-z])")


def _theirs(vendor: Vendor, model: str, params: Params, *, stream: bool) -> HttpRequest:
    with serving() as loopback:
        with contextlib.suppress(Exception):  # they are told nonsense; that they asked is enough
            vendor.ask(loopback.origin, model, params, stream=stream)
        assert len(loopback.requests) == 1
        return loopback.requests[0]


def _seen(vendor: Vendor, request: HttpRequest) -> dict[str, Any]:
    """Return a request by its places: method, path, query, headers that matter, body."""
    split = urlsplit(request.url)
    query = ",".join(sorted(split.query.split("&")))
    seen: dict[str, Any] = {"method": request.method, "path": split.path, "query": query}
    for name in vendor.headers:
        seen[f"header {name}"] = (request.headers.get(name) or _ABSENT).partition(";")[0]
    body = dict(places(json.loads(request.body)))
    if vendor.two_spellings:
        body = {_SNAKE.sub(lambda found: found[1].upper(), at): value for at, value in body.items()}
    return seen | body


def _differences(vendor: Vendor, row: str, *, stream: bool) -> dict[str, str]:
    """Return each place that differs, with what both say there."""
    params = CONVERSATIONS[row]
    model = (vendor.reasoning_model if row == "reasoning" else "") or vendor.model
    path = urlsplit(load()[vendor.provider].base_url or "").path
    call = vendor.call(f"http://127.0.0.1{path}", model, params, stream=stream)
    try:
        request = encoded(call).request
    except ByokdError as refusal:
        return {"refused": str(refusal)}
    ours = _seen(vendor, signed(call, request))
    theirs = _seen(vendor, _theirs(vendor, model, params, stream=stream))
    return {
        place: f"ours {ours.get(place, _ABSENT)!r:.200}, theirs {theirs.get(place, _ABSENT)!r:.200}"
        for place in ours | theirs
        if ours.get(place, _ABSENT) != theirs.get(place, _ABSENT)
    }


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("row", CONVERSATIONS)
@pytest.mark.parametrize("vendor", VENDORS, ids=str)
def test_the_request_is_the_one_that_their_client_sends(
    vendor: Vendor, row: str, *, stream: bool
) -> None:
    found = _differences(vendor, row, stream=stream)
    meant = [place for place in found for why in vendor.requests if why.covers(row, place)]
    unmeant = [f"{place}: {told}" for place, told in found.items() if place not in meant]
    assert not unmeant, "\n" + "\n".join(unmeant)


@pytest.mark.parametrize("vendor", VENDORS, ids=str)
def test_each_meant_difference_is_there(vendor: Vendor) -> None:
    seen = defaultdict[str, set[str]](set)
    for row in CONVERSATIONS:
        for stream in (True, False):
            seen[row] |= _differences(vendor, row, stream=stream).keys()
    stale = [
        why
        for why in vendor.requests
        if not any(why.covers(row, place) for row, found in seen.items() for place in found)
    ]
    assert not stale
