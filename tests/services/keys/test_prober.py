"""Verdicts after the fallback probe, a wrong clock, and a key with another provider's prefix."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest
from pydantic_core import to_json

from byokd.catalog.loader import load
from byokd.core.secret import Secret
from byokd.protocol.key import ProbeResult
from byokd.services.keys.prober import Candidate, Prober
from scripted_transport import CannedResponse, ScriptedTransport

pytestmark = pytest.mark.anyio

_HERE = "https://api.example.test/v1"
_REFUSED = 401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}
_GOOD = 200, {"object": "list", "data": [{"id": "m"}]}
_LATER = 429, {"error": {"message": "Rate limit reached"}}
_REST = "0123456789abcdef0123456789abcdef"


def _answer(status: int, document: Any, **headers: str) -> CannedResponse:
    return CannedResponse(status, headers, (to_json(document),))


# Provider, prefix of the key, whether at the default origin, answer; verdict, likely owner.
_ROWS: list[tuple[str, str, bool, tuple[int, Any], str, str | None]] = [
    ("grok", "gsk_", True, _REFUSED, "wrongProvider", "groq"),
    ("groq", "xai-", True, _REFUSED, "wrongProvider", "grok"),
    ("openai", "sk-ant-", True, _REFUSED, "wrongProvider", "anthropic"),
    ("deepseek", "sk-or-", True, _REFUSED, "wrongProvider", "openrouter"),
    ("mistral", "hf_", True, _REFUSED, "wrongProvider", "hf-router"),
    ("hf-inference-endpoints", "hf_", True, _REFUSED, "invalid", None),
    ("openai", "sk-proj-", True, _REFUSED, "invalid", None),
    ("openai", "sk-", True, _REFUSED, "invalid", None),
    # The prefix decides nothing where the provider accepts the key or gives no verdict.
    ("openai", "sk-ant-", True, _GOOD, "valid", None),
    ("openai", "sk-ant-", True, _LATER, "rateLimited", None),
    # A gateway may take keys of any provider.
    ("openai", "sk-ant-", False, _REFUSED, "invalid", None),
]


@pytest.mark.parametrize(("name", "begin", "default", "answer", "verdict", "owner"), _ROWS)
async def test_refused_key_with_another_providers_prefix_is_reported(
    name: str,
    begin: str,
    default: bool,  # noqa: FBT001 - a row of the table
    answer: tuple[int, Any],
    verdict: str,
    owner: str | None,
) -> None:
    key = begin + _REST
    record = load()[name]
    candidate = Candidate(record, _HERE, default, {record.auth.field: Secret(key)})
    result = await Prober(ScriptedTransport([_answer(*answer)])).probe(candidate)
    assert (result.verdict, result.details.get("looksLike")) == (verdict, owner)
    assert key not in result.model_dump_json()
    if owner is not None:
        assert load()[owner].name in result.message


@pytest.mark.parametrize(
    ("off_s", "verdict", "words"),
    [
        (0, "invalid", "check the secret access key"),
        (240, "invalid", "check the secret access key"),
        (-900, "unknown", "clock is 15 minutes ahead of"),
        (900, "unknown", "clock is 1"),
        (None, "invalid", "check the secret access key"),
    ],
)
async def test_refused_signature_with_a_wrong_clock_is_no_verdict(
    off_s: int | None, verdict: str, words: str
) -> None:
    record = load()["bedrock"]
    dated = {} if off_s is None else {"date": formatdate(time.time() + off_s, usegmt=True)}
    body = {"message": "The request signature we calculated does not match the one you provided."}
    refused = CannedResponse(
        403, dated | {"x-amzn-errortype": "SignatureDoesNotMatch"}, (to_json(body),)
    )
    fields: dict[str, Secret | str] = {
        "accessKeyId": "AKIAVECTOR",
        "secretAccessKey": Secret("s" * 40),
        "region": "eu-west-1",
    }
    candidate = Candidate(record, _HERE, at_default_origin=True, fields=fields)
    result = await Prober(ScriptedTransport([refused] * 2)).probe(candidate)
    assert result.verdict == verdict
    assert words in result.message


async def _at_an_endpoint(*answers: CannedResponse) -> tuple[ProbeResult, list[tuple[str, str]]]:
    """Probe a key whose base URL is a VPC endpoint, where only the runtime answers."""
    fields: dict[str, Secret | str] = {"region": "eu-west-1", "apiKey": Secret("test-key-" + _REST)}
    transport = ScriptedTransport(list(answers))
    candidate = Candidate(load()["bedrock"], "https://vpce.example.test", False, fields)  # noqa: FBT003
    result = await Prober(transport).probe(candidate)
    return result, [(request.method, request.url) for request in transport.requests]


_NO_LIST = _answer(404, {"message": "x"}, **{"x-amzn-errortype": "UnknownOperationException"})


@pytest.mark.parametrize(
    ("status", "type_", "message", "verdict"),
    [
        (400, "ValidationException", "The provided model identifier is invalid.", "valid"),
        (404, "ResourceNotFoundException", "Could not resolve the model.", "valid"),
        (403, "AccessDeniedException", "x is not authorized to perform: y", "validRestricted"),
        (403, "UnrecognizedClientException", "The security token is invalid.", "invalid"),
        (403, "AccessDeniedException", "Bearer Token has expired", "invalid"),
        (503, "ServiceUnavailableException", "later", "unknown"),
    ],
)
async def test_endpoint_without_a_model_list_gets_the_fallback_probe(
    status: int, type_: str, message: str, verdict: str
) -> None:
    refusal = _answer(status, {"message": message}, **{"x-amzn-errortype": type_})
    result, requests = await _at_an_endpoint(_NO_LIST, refusal)
    assert result.verdict == verdict
    assert requests[1] == ("POST", "https://vpce.example.test/model/none/converse")
