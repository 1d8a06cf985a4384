"""Signatures against the examples that AWS publishes: the access key, the secret and the results
below are from its documentation and its signing test suite. `vectors/sigv4/botocore.json` holds
what botocore 1.44.5 made of the requests that are really sent, model ids with colons and ARNs.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from byokd.core.http import Headers, HttpRequest
from byokd.dialects.base.sigv4 import sign, signing_key
from dialects import vectors

ACCESS = "AKIDEXAMPLE"
EXAMPLE = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
AT_MS = 1_440_938_160_000  # 2015-08-30T12:36:00Z

FORM = Headers([("content-type", "application/x-www-form-urlencoded; charset=utf-8")])
SUITE = [
    (
        "get-vanilla",
        HttpRequest("GET", "https://example.amazonaws.com/"),
        "service",
        "host;x-amz-date",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    (
        "get-vanilla-query-order-key-case",
        HttpRequest("GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1"),
        "service",
        "host;x-amz-date",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    (
        "post-vanilla",
        HttpRequest("POST", "https://example.amazonaws.com/"),
        "service",
        "host;x-amz-date",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    (
        "the documentation's ListUsers",
        HttpRequest("GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", FORM),
        "iam",
        "content-type;host;x-amz-date",
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    ),
]


def _sign(request: HttpRequest, service: str = "service", token: str | None = None) -> HttpRequest:
    return sign(
        request,
        access_key_id=ACCESS,
        secret_access_key=EXAMPLE,
        session_token=token,
        region="us-east-1",
        service=service,
        now_ms=AT_MS,
    )


@pytest.mark.parametrize(("name", "request_", "service", "names", "signature"), SUITE)
def test_signature_matches_the_published_suite(
    name: str, request_: HttpRequest, service: str, names: str, signature: str
) -> None:
    signed = _sign(request_, service)
    assert signed.headers.get("x-amz-date") == "20150830T123600Z", name
    assert signed.headers.get("authorization") == (
        f"AWS4-HMAC-SHA256 Credential={ACCESS}/20150830/us-east-1/{service}/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


def test_signing_key_matches_the_published_one() -> None:
    key = signing_key(EXAMPLE, "20150830", "us-east-1", "iam")
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


def test_session_token_is_signed() -> None:
    header = _sign(HttpRequest("GET", "https://example.amazonaws.com/"), token="t0ken").headers
    assert header.get("x-amz-security-token") == "t0ken"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in (
        header.get("authorization") or ""
    )


def test_path_body_and_time_are_signed() -> None:
    url = "https://example.amazonaws.com/model/a.b-v1%3A0/converse"
    once = _sign(HttpRequest("POST", url, body=b"{}")).headers.get("authorization")
    for other in (
        HttpRequest("POST", url.replace("%3A", ":"), body=b"{}"),
        HttpRequest("POST", url, body=b"{ }"),
        HttpRequest("PUT", url, body=b"{}"),
    ):
        assert _sign(other).headers.get("authorization") != once


_ROWS = json.loads((vectors.FOLDER / "sigv4" / "botocore.json").read_text("utf-8"))


@pytest.mark.parametrize("row", _ROWS, ids=[row["name"] for row in _ROWS])
def test_botocore_signs_the_same(row: dict[str, Any]) -> None:
    headers = Headers([(name, value) for name, value in row["headers"]])
    signed = sign(
        HttpRequest(row["method"], row["url"], headers, row["body"].encode()),
        access_key_id=ACCESS,
        secret_access_key=EXAMPLE,
        session_token=row["token"],
        region=row["region"],
        service="bedrock",
        now_ms=AT_MS,
    )
    assert signed.headers.get("authorization") == row["authorization"]
