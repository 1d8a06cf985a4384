"""Probe requests, and the verdicts of their answers."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from byokd.catalog.loader import load
from byokd.catalog.record import Condition, Models, Probe, Provider, VerdictRow
from byokd.catalog.surfaces import record_at
from byokd.core.http import Headers, HttpHead
from byokd.provider_api.probe import probe_request, read_probe
from recorded import BARE, VECTORS, record
from replay import Recording, absent, recordings

BASE = "https://a.example/v1"
ELSEWHERE = "https://companion.example/verify/{accountId}"
RECORDED = [r for r in recordings("error") if r.head.status in {401, 403} or "grok" in r.id]


def _with(probe: Probe, **more: Any) -> Provider:
    return BARE.model_copy(update={"probe": probe, **more})


@pytest.mark.parametrize(
    ("probe", "at_default", "expected"),
    [
        (Probe(path="/key"), True, ("GET", f"{BASE}/key", b"")),
        (Probe(path="/v1/check", method="POST", body="{}"), True, ("POST", f"{BASE}/check", b"{}")),
        (Probe(url=ELSEWHERE), True, ("GET", "https://companion.example/verify/acc", b"")),
        (Probe(url=ELSEWHERE, path="/key"), False, ("GET", f"{BASE}/key", b"")),
        (Probe(url=ELSEWHERE, method="POST", body="{}"), False, ("GET", f"{BASE}/list", b"")),
        (Probe(), True, ("GET", f"{BASE}/list", b"")),
    ],
    ids=["path", "post", "companion", "path elsewhere", "companion elsewhere", "none"],
)
def test_probe_request_by_record_and_origin(
    probe: Probe,
    at_default: bool,  # noqa: FBT001  # a column of the table
    expected: tuple[str, str, bytes],
) -> None:
    provider = _with(probe, models=Models(path="/list"), headers={"X-Version": "1"})
    request = probe_request(provider, BASE, {"accountId": "acc"}, at_default_origin=at_default)
    assert (request.method, request.url, request.body) == expected
    assert request.headers.get("x-version") == "1"
    assert (request.headers.get("content-type") is not None) == bool(request.body)
    assert request.headers.get("authorization") is None


def test_fallback_probe_has_its_own_rows() -> None:
    row = VerdictRow(when=Condition(status=(403,)), verdict="invalid")
    second = Probe(path="/second", verdicts=(row,))
    provider = _with(Probe(path="/first", fallback=second))
    request = probe_request(provider, BASE, {}, at_default_origin=True, probe=second)
    assert request.url == f"{BASE}/second"
    head, body = HttpHead(403), b'{"error":{"message":"no permission"}}'
    assert read_probe(provider, head, body).verdict == "validRestricted"
    assert read_probe(provider, head, body, probe=second).verdict == "invalid"


ANSWERS: list[tuple[str, int, Any, str]] = [
    ("a list", 200, {"data": [{"id": "m"}]}, "valid"),
    ("a bare list", 200, ["m"], "valid"),
    ("an account", 200, {"label": "work", "error": None}, "valid"),
    ("an empty answer", 200, "", "unknown"),
    ("a text", 200, "ok", "unknown"),
    ("a portal", 200, "<html><title>Sign in</title></html>", "unreachable"),
    ("an error in a 200", 200, {"error": {"code": "invalid_api_key", "message": "x"}}, "invalid"),
    ("a refusal in a 200", 200, {"code": 401, "msg": "token expired", "success": False}, "invalid"),
    ("unavailable in a 200", 200, {"code": "x", "error": "temporarily unavailable"}, "unknown"),
    ("wrong key", 401, {"error": {"message": "Incorrect API key provided"}}, "invalid"),
    ("wrong key as 400", 400,
     {"code": "invalid-argument", "error": "Incorrect API key"}, "invalid"),
    ("a text on 401", 401, "Missing API key", "unknown"),
    ("a page on 401", 401, "<html></html>", "unknown"),
    ("missing scopes", 401,
     {"error": {"message": "Missing scopes: api.model.read"}}, "validRestricted"),
    ("no permission", 403,
     {"error": {"type": "permission_error", "message": "no"}}, "validRestricted"),
    ("unmarked", 403, {"detail": "Not authenticated"}, "invalid"),
    ("country", 403,
     {"error": {"message": "Country, region, or territory not served"}}, "wrongRegion"),
    ("a block page", 403, "<html></html>", "unreachable"),
    ("no money", 402, {"error": {"message": "Insufficient Balance"}}, "noFunds"),
    ("no quota", 429, {"error": {"code": "insufficient_quota", "message": "x"}}, "noFunds"),
    ("slow down", 429, {"error": {"message": "Rate limit reached"}}, "rateLimited"),
    ("no such path", 404, {"error": {"message": "Not Found"}}, "unknown"),
    ("broken", 500, {"error": {"message": "oops"}}, "unknown"),
    ("gateway", 502, "<html></html>", "unknown"),
    ("redirect", 302, "", "unreachable"),
    ("proxy", 407, "", "unreachable"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "status", "body", "verdict"), ANSWERS, ids=[row[0] for row in ANSWERS]
)
def test_verdict_by_general_rows(name: str, status: int, body: Any, verdict: str) -> None:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    reading = read_probe(BARE, HttpHead(status), raw)
    assert reading.verdict == verdict, name
    assert reading.message
    assert not reading.message.endswith(".")
    if verdict == "invalid" and status != 200:
        assert reading.fault is not None
        assert reading.fault.health == "authInvalid"
    if status == 200 and reading.fault is not None:
        assert reading.fault.health in {"neutral", "notFromProvider"}


BY_RECORD: list[tuple[str, int, Any, str]] = [
    ("cohere", 200, {"valid": False, "organization_id": "o"}, "invalid"),
    ("cohere", 200, {"valid": True, "organization_id": "o"}, "valid"),
    ("grok", 200, {"name": "k", "api_key_blocked": True, "acls": []}, "invalid"),
    ("grok", 200, {"name": "k", "api_key_disabled": True}, "invalid"),
    ("grok", 200, {"name": "k", "api_key_blocked": False, "acls": ["api-key:model:*"]}, "valid"),
    ("deepseek", 200, {"is_available": False, "balance_infos": []}, "noFunds"),
    ("deepseek", 200, {"is_available": True, "balance_infos": []}, "valid"),
    ("openrouter", 200, {"data": {"label": "l", "limit_remaining": 0.0}}, "noFunds"),
    ("openrouter", 200, {"data": {"label": "l", "limit_remaining": None}}, "valid"),
    ("fireworks", 403,
     {"error": {"code": "FORBIDDEN", "message": "Fire Pass API keys are not authorized"}},
     "validRestricted"),
    ("fireworks", 500, {"error": {"message": "Error listing deployed models"}}, "valid"),
    ("google", 400,
     {"error": {"code": 400, "message": "x", "details": [{"reason": "API_KEY_INVALID"}]}},
     "invalid"),
    ("openai", 401,
     {"error": {"message": "Insufficient permissions. Missing scopes: x"}}, "validRestricted"),
    ("bedrock", 403,
     {"message": "User is not authorized to perform: bedrock:ListFoundationModels"},
     "validRestricted"),
    ("bedrock", 403,
     {"message": "The security token included in the request is invalid."}, "invalid"),
    ("bedrock", 403,
     {"message": "The request signature we calculated does not match the signature you provided."},
     "invalid"),
    ("bedrock", 403,
     {"message": "Signature expired: 20260601T100000Z is now earlier than 20260601T101000Z",
      "__type": "InvalidSignatureException"}, "unknown"),
    ("bedrock", 403,
     {"Message": "Authentication failed: Please make sure your API Key is valid."}, "invalid"),
    ("cloudflare-workers-ai", 200,
     {"success": True, "errors": [], "result": {"status": "active"}}, "valid"),
    ("cloudflare-workers-ai", 200,
     {"success": True, "errors": [], "result": {"status": "expired"}}, "invalid"),
    ("hf-inference-endpoints", 503, "", "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("provider_id", "status", "body", "verdict"), BY_RECORD)
def test_verdict_by_record(provider_id: str, status: int, body: Any, verdict: str) -> None:
    provider = record(provider_id)
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    assert read_probe(provider, HttpHead(status), raw).verdict == verdict


PROBE_VECTORS = json.loads((VECTORS / "probes.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", PROBE_VECTORS, ids=lambda row: f"{row['provider']}: {row['name']}")
def test_probe_vector_has_its_verdict(row: dict[str, Any]) -> None:
    provider = record_at(load()[row["provider"]], row.get("at", ""))
    probe = provider.probe if row["probe"] == "first" else provider.probe.fallback
    body = row["body"]
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    head = HttpHead(row["status"], Headers(row["headers"].items()))
    reading = read_probe(provider, head, raw, probe=probe)
    assert {
        "verdict": reading.verdict,
        "message": reading.message,
        "modelsSeen": reading.models_seen,
        "details": reading.details,
    } == row["expect"]


def test_each_provider_has_a_good_and_a_bad_key_in_the_vectors() -> None:
    verdicts = {(row["provider"], row["expect"]["verdict"]) for row in PROBE_VECTORS}
    for name in load():
        assert {(name, "unreachable"), (name, "rateLimited"), (name, "invalid")} <= verdicts
        assert (name, "valid") in verdicts or name == "ollama", name


@pytest.mark.parametrize("name", ["qwen", "glm", "azure-openai", "mistral"])
def test_refusal_that_may_be_a_wrong_address_names_the_address(name: str) -> None:
    refused = [
        row
        for row in PROBE_VECTORS
        if (row["provider"], row["expect"]["verdict"]) == (name, "invalid")
    ]
    messages = [row["expect"]["message"] for row in refused if row["status"] == 401]
    assert messages
    assert all(re.search("base URL|resource|of their own", text) for text in messages), messages


@pytest.mark.skipif(not RECORDED, reason=absent())
@pytest.mark.parametrize("recording", RECORDED, ids=lambda recording: recording.id)
def test_recorded_refusal_is_never_valid(recording: Recording) -> None:
    for provider in (BARE, record(recording.provider)):
        reading = read_probe(provider, recording.head, recording.body)
        assert reading.verdict in {"invalid", "validRestricted", "unknown"}


LISTS = recordings("models_count")


@pytest.mark.skipif(not LISTS, reason=absent())
@pytest.mark.parametrize("recording", LISTS, ids=lambda recording: recording.id)
def test_models_of_a_recorded_list_are_counted(recording: Recording) -> None:
    reading = read_probe(BARE, recording.head, recording.body)
    assert reading.verdict == "valid"
    assert reading.models_seen == recording.expect["models_count"]


def test_details_are_short_and_redacted() -> None:
    probe = Probe(details={name: f"/{name}" for name in ("a", "b", "c", "d", "e", "none")})
    answer = {"a": "sk-test-0123456789abcdef", "b": 3, "c": {"x": 1}, "d": ["r", 1], "e": "x" * 999}
    reading = read_probe(_with(probe), HttpHead(200, Headers()), json.dumps(answer).encode())
    assert reading.details == {"a": "***", "b": 3, "d": ["r"], "e": "x" * 256}
