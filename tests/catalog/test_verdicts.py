"""Verdicts of probe answers by the rows of the records, where the status alone would be wrong."""

from __future__ import annotations

import json

import pytest

from byokd.catalog.loader import load
from byokd.core.http import Headers, HttpHead
from byokd.provider_api.probe import read_probe

JSON, HTML = "application/json", "text/html"
PAGE = "<html><title>401 Authorization Required</title></html>"
PORTAL = "<html><title>Welcome to the hotel</title></html>"

CASES = (
    ("cohere", 200, JSON, {"valid": True}, "valid"),
    ("cohere", 200, JSON, {"valid": False}, "invalid"),
    ("deepseek", 200, JSON, {"is_available": True, "balance_infos": []}, "valid"),
    ("deepseek", 200, JSON, {"is_available": False, "balance_infos": []}, "noFunds"),
    ("grok", 200, JSON, {"api_key_blocked": False, "team_blocked": False}, "valid"),
    ("grok", 200, JSON, {"api_key_blocked": True, "team_blocked": False}, "invalid"),
    ("grok", 200, JSON, {"api_key_blocked": False, "team_blocked": True}, "validRestricted"),
    ("grok", 400, JSON, {"code": "invalid-argument", "error": "Incorrect API key provided: x"},
     "invalid"),
    ("openrouter", 200, JSON, {"data": {"limit_remaining": None}}, "valid"),
    ("openrouter", 200, JSON, {"data": {"limit_remaining": 0}}, "noFunds"),
    ("openrouter", 200, JSON, {"data": {"limit_remaining": False}}, "valid"),
    ("openrouter", 200, JSON, {"data": {"is_management_key": True}}, "validRestricted"),
    ("openai", 401, JSON, {"error": {"message": "Missing scopes: model.read", "code": None}},
     "validRestricted"),
    ("fireworks", 403, JSON, {"error": {"code": "FORBIDDEN", "message": "Fire Pass API keys are "
                                        "not authorized for this route."}}, "validRestricted"),
    ("fireworks", 500, JSON, {"error": {"message": "Error listing deployed models"}}, "valid"),
    ("google", 400, JSON, {"error": {"code": 400, "message": "API key not valid.",
                                     "status": "INVALID_ARGUMENT"}}, "invalid"),
    ("cloudflare-workers-ai", 200, JSON, {"success": True, "result": {"status": "active"}},
     "valid"),
    ("cloudflare-workers-ai", 200, JSON, {"success": True, "result": {"status": "expired"}},
     "invalid"),
    ("cloudflare-workers-ai", 403, JSON, {"success": False, "errors": [{"code": 9109}]},
     "unknown"),
    ("hf-inference-endpoints", 503, JSON, {"error": "starting"}, "unknown"),
    ("ollama", 400, JSON, {"error": {"message": "[] is too short - 'messages'"}}, "valid"),
    ("ollama", 400, JSON, {"error": {"message": "model is required"}}, "valid"),
    ("ollama", 400, JSON, {"error": {"message": "the plain HTTP request was sent"}}, "unknown"),
    ("ollama", 401, JSON, {"error": "unauthorized"}, "invalid"),
    ("ollama", 404, JSON, {"error": "no such path"}, "unknown"),
    ("perplexity", 401, HTML, PAGE, "invalid"),
    ("perplexity", 401, JSON, {"error": {"type": "invalid_api_key", "code": 401, "message": "no"}},
     "invalid"),
    ("perplexity", 400, JSON, {"error": {"type": "invalid_request", "code": 400,
                                         "message": "validation failed"}}, "valid"),
    ("perplexity", 400, JSON, {"error": {"message": 'model "none" is not supported'}}, "valid"),
    ("perplexity", 400, JSON, {"error": {"message": "bad gateway header"}}, "unknown"),
    ("perplexity", 404, JSON, {"error": {"message": "not found"}}, "unknown"),
    ("glm", 404, JSON, {"error": {"code": "404", "message": "no such path"}}, "unknown"),
)  # fmt: skip


@pytest.mark.parametrize(("provider", "status", "form", "body", "verdict"), CASES)
def test_verdict(provider: str, status: int, form: str, body: object, verdict: str) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    head = HttpHead(status, Headers([("content-type", form)]))
    assert read_probe(load()[provider], head, text.encode()).verdict == verdict


@pytest.mark.parametrize("provider", load())
@pytest.mark.parametrize("status", [200, 401, 403])
def test_captive_portal_gives_no_verdict_on_the_key(provider: str, status: int) -> None:
    head = HttpHead(status, Headers([("content-type", HTML)]))
    verdict = read_probe(load()[provider], head, PORTAL.encode()).verdict
    assert verdict in {"unknown", "unreachable"}


def test_token_of_the_other_kind_has_its_own_probe() -> None:
    record = load()["cloudflare-workers-ai"]
    head = HttpHead(401, Headers([("content-type", JSON)]))
    refused = b'{"success": false, "errors": [{"code": 1000, "message": "Invalid API Token"}]}'
    assert read_probe(record, head, refused).verdict == "unknown"
    other = record.probe.fallback
    assert other is not None
    assert read_probe(record, head, refused, probe=other).verdict == "invalid"
