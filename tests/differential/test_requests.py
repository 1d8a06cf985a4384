"""byokd and the vendor's own client send the same request for the same conversation.

Intended differences are rows of `vendors.toml` with a reason; a row that covers nothing fails.
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

# Deprecations and open sockets of the vendors' clients are not ours.
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]

VENDORS = list(vendors())
_ABSENT = "nothing"
_SNAKE = re.compile(r"_([a-z])")


def _theirs(vendor: Vendor, model: str, params: Params, *, stream: bool) -> HttpRequest:
    with serving() as loopback:
        with contextlib.suppress(
            Exception
        ):  # the server's answer is no chat; only the request counts
            vendor.ask(loopback.origin, model, params, stream=stream)
        assert len(loopback.requests) == 1
        return loopback.requests[0]


def _seen(vendor: Vendor, request: HttpRequest) -> dict[str, Any]:
    """Return the parts of a request by place: method, path, query, compared headers, body."""
    split = urlsplit(request.url)
    query = ",".join(sorted(split.query.split("&")))
    seen: dict[str, Any] = {"method": request.method, "path": split.path, "query": query}
    for name in vendor.headers:
        seen[f"header {name}"] = (request.headers.get(name) or _ABSENT).partition(";")[0]
    body = dict(places(json.loads(request.body)))
    if vendor.two_spellings:
        body = {_SNAKE.sub(lambda match: match[1].upper(), at): value for at, value in body.items()}
    return seen | body


def _differences(vendor: Vendor, row: str, *, stream: bool) -> dict[str, str]:
    """Return the places that differ, with both values."""
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
def test_request_is_that_of_the_vendors_client(vendor: Vendor, row: str, *, stream: bool) -> None:
    differences = _differences(vendor, row, stream=stream)
    intended = {place for place in differences for why in vendor.requests if why.covers(row, place)}
    lines = [f"{place}: {values}" for place, values in differences.items() if place not in intended]
    assert not lines, "\n" + "\n".join(lines)


@pytest.mark.parametrize("vendor", VENDORS, ids=str)
def test_every_intended_difference_occurs(vendor: Vendor) -> None:
    seen = defaultdict[str, set[str]](set)
    for row in CONVERSATIONS:
        for stream in (True, False):
            seen[row] |= _differences(vendor, row, stream=stream).keys()
    stale = [
        why
        for why in vendor.requests
        if not any(why.covers(row, place) for row, places_ in seen.items() for place in places_)
    ]
    assert not stale
