"""A key is sent only to the origin it was stored for, and to companions of an unmoved default."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic_core import to_json

from byokd.catalog.loader import load
from byokd.core.http import HttpRequest
from byokd.core.secret import Secret
from byokd.protocol.errors import Conflict, InvalidParams
from byokd.services.keys.origin import origin_of, shown_origin
from byokd.services.keys.prober import Candidate, Prober
from byokd.services.keys.sending import authorized
from byokd.services.keys.stored_probe import StoredKeyProber
from dialects.converse import RECORD as CONVERSE
from scripted_transport import CannedResponse, ScriptedTransport

pytestmark = pytest.mark.anyio

_KEY: dict[str, Secret | str] = {"apiKey": Secret("test-key-0123456789abcdef")}
_REGIONAL = _KEY | {"region": "eu-west-1"}
_RECORD = load()["openai-compatible"]
_OLD = "https://old.example:443"
_BEDROCK = "https://bedrock-runtime.eu-west-1.amazonaws.com"
_PLANE = "https://bedrock.eu-west-1.amazonaws.com"


def _candidate(base_url: str, sealed: str | None, **more: Any) -> Candidate:
    values: dict[str, Any] = {"record": _RECORD, "at_default_origin": True, "fields": _KEY} | more
    return Candidate(base_url=base_url, sealed_origin=sealed, key_id="key_1", **values)


def _send(candidate: Candidate, url: str, *, companions: bool = True) -> HttpRequest:
    return authorized(candidate, HttpRequest("GET", url), 0, companions=companions)


@pytest.mark.parametrize("sealed", [_OLD, None])
def test_key_is_sent_to_its_own_origin(sealed: str | None) -> None:
    request = _send(_candidate("https://old.example/v1", sealed), "https://OLD.example:443/v1?q=1")
    assert request.headers.get("authorization") == "Bearer test-key-0123456789abcdef"


@pytest.mark.parametrize(
    ("sealed", "now"),
    [
        ("https://old.example:443", "https://new.example"),
        ("https://old.example:443", "https://old.example:8443"),
        ("https://old.example:443", "https://old.example.evil.example"),
        ("http://127.0.0.1:1", "http://127.0.0.1:2"),
        ("https://127.0.0.1:1", "http://127.0.0.1:1"),
    ],
)
@pytest.mark.parametrize("default", [True, False])
def test_moved_record_is_a_conflict_that_names_both_origins(
    sealed: str,
    now: str,
    default: bool,  # noqa: FBT001 - a row of the table
) -> None:
    candidate = _candidate(f"{now}/v1", sealed, at_default_origin=default)
    with pytest.raises(Conflict) as caught:
        _send(candidate, f"{now}/v1/models")
    data = caught.value.data()
    assert data.user_message == (
        f"this key was stored for {shown_origin(sealed)}; its provider is now at {now}: "
        + (
            "use it there if you know why, or store the key again and delete this one"
            if default
            else "store the key again for the new address and delete this one"
        )
    )
    assert (data.key_id, data.provider, data.retryable) == ("key_1", _RECORD.id, False)
    assert data.action is not None
    assert data.action.type == ("acceptOrigin" if default else "promptKey")
    assert data.details == {"reason": "origin", "from": sealed, "to": origin_of(now)}


def test_moved_record_does_not_reach_a_companion_origin() -> None:
    record = CONVERSE.model_copy(update={"base_url": "https://new.example"})
    candidate = _candidate(
        "https://new.example", f"{_BEDROCK}:443", record=record, fields=_REGIONAL
    )
    for url in (f"{_PLANE}/foundation-models", f"{_BEDROCK}/models", "https://new.example/models"):
        with pytest.raises(Conflict):
            _send(candidate, url)


@pytest.mark.parametrize(
    ("url", "default", "companions", "sent"),
    [
        (f"{_PLANE}/foundation-models", True, True, True),
        (f"{_PLANE}/foundation-models", True, False, False),
        (f"{_PLANE}/foundation-models", False, True, False),
        ("https://bedrock.us-east-1.amazonaws.com/foundation-models", True, True, False),
        ("https://evil.example/models", True, True, False),
        (f"{_BEDROCK}/model/m/converse", False, False, True),
    ],
)
def test_companion_origin_is_for_probes_and_lists_of_a_default_key(
    *, url: str, default: bool, companions: bool, sent: bool
) -> None:
    candidate = _candidate(
        _BEDROCK, f"{_BEDROCK}:443", record=CONVERSE, fields=_REGIONAL, at_default_origin=default
    )
    if sent:
        assert _send(candidate, url, companions=companions).headers.get("authorization")
    else:
        with pytest.raises(Conflict, match="correct the record"):
            _send(candidate, url, companions=companions)


async def test_probe_of_a_moved_record_sends_nothing_and_is_no_verdict() -> None:
    transport = ScriptedTransport([CannedResponse(200, {}, (to_json({"data": []}),))])
    with pytest.raises(Conflict):
        await Prober(transport).probe(_candidate("https://new.example/v1", _OLD))
    assert not transport.requests


async def test_health_probe_of_a_moved_record_decides_nothing() -> None:
    class OpenedKey:
        async def read(self, _work: object) -> SimpleNamespace:
            row = SimpleNamespace(base_url=None, allow_insecure=False, origin=_OLD, key_id="key_1")
            return SimpleNamespace(row=row, fields=_KEY, cache_secret=None)

    record = _RECORD.model_copy(
        update={"base_url": "https://new.example/v1", "base_url_required": False}
    )
    providers = SimpleNamespace(get=lambda *_: record)
    transport = ScriptedTransport([])
    prober = StoredKeyProber(cast("Any", providers), cast("Any", OpenedKey()), Prober(transport))
    row = SimpleNamespace(provider=record.id, key_id="key_1")
    session = SimpleNamespace(account="default")
    with pytest.raises(Conflict):
        await prober.probe(cast("Any", session), cast("Any", row))
    assert await prober.probe_if_possible(cast("Any", session), cast("Any", row)) is None
    assert not transport.requests


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://H.example/v1/m:x%2Fy?a=b#c", "https://h.example:443"),
        ("https://h.example?a=https://other.example", "https://h.example:443"),
        ("http://10.0.0.1:8080/v1", "http://10.0.0.1:8080"),
        ("https://[2001:DB8::1]/v1", "https://[2001:db8::1]:443"),
    ],
)
def test_origin_of_a_request(url: str, origin: str) -> None:
    assert origin_of(url) == origin
    assert origin_of(shown_origin(origin)) == origin


@pytest.mark.parametrize(
    "url",
    ["", "/v1", "https://", "https://a@b.example/", "https://a.example\\@b.example/", "ftp://h"],
)
def test_origin_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(InvalidParams):
        origin_of(url)
