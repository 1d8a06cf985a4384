"""What an answer says about the key: every body of the table against its label.

Two confusions matter: a rejection that is none costs a good key, and a missed one keeps a dead key.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from byokd.catalog.loader import load
from byokd.core.http import Headers, HttpHead
from byokd.dialects.errors.classify import classify
from recorded import VECTORS

_CLASSES = (
    "authOk", "authInvalid", "authUnsure", "authDead", "forbiddenScope", "notFromProvider",
    "neutral",
)  # fmt: skip
_EACH = 12
_TABLE: list[dict[str, Any]] = [
    case
    for path in sorted((VECTORS / "errors").glob("*.json"))
    for case in json.loads(path.read_text(encoding="utf-8"))
    if case["provider"] in load()
]
_EDGE = (
    '{"title":"Error 1010: Access denied","detail":"blocked","status":403,"cloudflare_error":true}'
)
_REFUSAL = '{"error":{"message":"invalid api key","code":"invalid_api_key"}}'
_PAGE = "<!DOCTYPE html><html><title>Just a moment...</title></html>"

# Each row: what answered, status, headers, body. None of it is the provider's word on a key.
_NOBODY: list[tuple[str, int, dict[str, str], str]] = [
    ("a challenge", 403, {"cf-mitigated": "challenge", "content-type": "text/html"}, _PAGE),
    ("a challenge with JSON", 403, {"cf-mitigated": "challenge"}, _REFUSAL),
    ("an edge rule", 403, {"content-type": "text/plain"}, "error code: 1020"),
    ("an edge rule in JSON", 403, {}, _EDGE),
    ("a sign-in page", 401, {"content-type": "text/html"}, "<html>Sign in</html>"),
    ("a network that wants a sign-in", 511, {}, _REFUSAL),
    ("a proxy", 407, {"proxy-authenticate": "Basic"}, _REFUSAL),
    ("a proxy that says 401", 401, {"proxy-authenticate": "Negotiate"}, _REFUSAL),
    ("a redirect", 302, {"location": "https://elsewhere.example/"}, _REFUSAL),
    ("nobody", 401, {}, ""),
    ("a limit", 429, {}, _REFUSAL.replace("invalid_api_key", "rate_limit_exceeded")),
    ("a server that failed", 502, {}, "Bad gateway"),
]


def _read(
    provider: str, status: int, headers: dict[str, str], body: Any, *, in_stream: bool = False
) -> str:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    head = HttpHead(status, Headers(headers.items()))
    return classify(load()[provider], head, raw, in_stream=in_stream).health


def test_rejections_are_classified_apart() -> None:
    confusion: Counter[tuple[str, str]] = Counter()
    rows: Counter[str] = Counter()
    for case in _TABLE:
        verdict = _read(
            case["provider"],
            case["status"],
            case["headers"],
            case["body"],
            in_stream=case["inStream"],
        )
        confusion[case["expect"]["health"], verdict] += 1
        rows[case["provider"]] += 1
    print(f"\n{len(_TABLE)} bodies of {len(rows)} providers, the fewest {min(rows.values())}")
    for label in _CLASSES:
        print(f"{label:16}", " ".join(f"{confusion[label, verdict]:4}" for verdict in _CLASSES))
    assert {name: rows[name] for name in load() if rows[name] < _EACH} == {}
    assert {pair: n for pair, n in confusion.items() if pair[0] != pair[1]} == {}
    rejecting = {case["provider"] for case in _TABLE if case["expect"]["health"] == "authInvalid"}
    assert rejecting == set(load()), "each provider has a wrong key among its bodies"


@pytest.mark.parametrize("provider", load())
def test_unrelated_error_never_counts_against_a_key(provider: str) -> None:
    counted = {
        name
        for name, status, headers, body in _NOBODY
        if _read(provider, status, headers, body) not in {"notFromProvider", "neutral"}
    }
    assert counted == set()


@pytest.mark.parametrize("provider", load())
def test_rejection_inside_a_good_answer_never_counts(provider: str) -> None:
    for body in (_REFUSAL, f"data: {_REFUSAL}\n\n"):
        assert _read(provider, 200, {}, body, in_stream=True) in {"notFromProvider", "neutral"}
        assert _read(provider, 200, {}, body) in {"notFromProvider", "neutral"}
