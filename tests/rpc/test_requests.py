"""The table of running requests: an id is a text or a number, and nothing else equals it."""

from __future__ import annotations

import pytest

from byokd.protocol.errors import InvalidRequest
from byokd.rpc.requests import Requests


@pytest.mark.parametrize("unknown", [None, True, 1.0, [], {}, "1", 2])
def test_find_returns_only_running_requests(unknown: object) -> None:
    requests = Requests()
    entry = requests.add(1)
    assert requests.find(1) is entry
    assert requests.find(unknown) is None


def test_id_is_free_when_its_request_is_answered() -> None:
    requests = Requests()
    entry = requests.add("a")
    with pytest.raises(InvalidRequest):
        requests.add("a")
    requests.remove(entry)
    assert requests.add("a") is not entry
