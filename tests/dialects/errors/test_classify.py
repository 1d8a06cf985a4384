"""Classification of error bodies: our own table, every recorded one, and hostile ones.

Each case of the table is classified with its provider's record. Where the general rows are enough,
it is classified with a record without rows too, and must come out the same.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from byokd.catalog.errors import load_errors
from byokd.catalog.loader import load
from byokd.catalog.record import Probe, Provider
from byokd.core.http import Headers, HttpHead
from byokd.core.limits import (
    ERROR_BODY_MAX_BYTES,
    JSON_MAX_DEPTH,
    PROVIDER_MESSAGE_MAX_BYTES,
    RETRY_AFTER_MAX_MS,
)
from byokd.dialects.base.call import Fault
from byokd.dialects.errors.classify import classify
from cpu_time import cost
from recorded import BARE, VECTORS, record
from replay import Recording, absent, recordings

CASES = [
    pytest.param(case, id=f"{path.stem}: {case['provider']}: {case['name']}")
    for path in sorted((VECTORS / "errors").glob("*.json"))
    for case in json.loads(path.read_text(encoding="utf-8"))
]
RECORDED = recordings("error")


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def _provider(case: dict[str, Any]) -> Provider:
    return BARE if case["provider"] == "bare" else record(case["provider"])


def _classified(case: dict[str, Any], provider: Any) -> dict[str, Any]:
    head = HttpHead(case["status"], Headers(case["headers"].items()))
    fault = classify(provider, head, _bytes(case["body"]), in_stream=case["inStream"])
    assert fault.http_status == case["status"]
    return {
        "kind": fault.kind,
        "health": fault.health,
        "retryable": fault.retryable,
        "retryAfterMs": fault.retry_after_ms,
    }


@pytest.mark.parametrize("case", CASES)
def test_error_body_is_classified_as_the_table_says(case: dict[str, Any]) -> None:
    assert _classified(case, _provider(case)) == case["expect"]
    if not case["needsRecord"]:
        assert _classified(case, BARE) == case["expect"]


def test_every_provider_has_eight_errors_in_the_table() -> None:
    rows = Counter(str(case.id).split(": ")[1] for case in CASES)
    assert {name: rows[name] for name in load() if rows[name] < 8} == {}


@pytest.mark.parametrize("case", CASES)
def test_error_inside_a_good_answer_never_counts_against_the_key(case: dict[str, Any]) -> None:
    """An answer with a good status proves the key."""
    provider = _provider(case)
    fault = classify(provider, HttpHead(200), _bytes(case["body"]), in_stream=True)
    assert fault.health in {"neutral", "notFromProvider"}


@pytest.mark.parametrize("case", CASES)
def test_message_is_one_plain_sentence(case: dict[str, Any]) -> None:
    provider = _provider(case)
    head = HttpHead(case["status"], Headers(case["headers"].items()))
    message = classify(provider, head, _bytes(case["body"])).message
    assert message
    assert not message.endswith(".")
    assert "\n" not in message
    assert not {"HTTP", "JSON", "status", "{name}"} & set(message.split())


def _frame(recording: Recording) -> tuple[HttpHead, bytes]:
    """Return the part of a recorded answer that a decoder would classify."""
    head, body = recording.head, recording.body
    if "eventstream" in (head.headers.get("content-type") or ""):
        exception_type = re.search(rb":exception-type\x07..(\w+?)\r", body, re.DOTALL)
        payload = re.search(rb"\{.*\}", body, re.DOTALL)
        assert exception_type is not None
        assert payload is not None
        return HttpHead(
            200, head.headers.with_pair("x-amzn-errortype", exception_type[1].decode())
        ), payload[0]
    if head.status != 200:
        return head, body
    text = body.decode().replace("\r\n", "\n")
    frames = [frame for frame in text.split("\n\n") if re.search(r'"error" ?: ?["{]', frame)]
    return head, frames[0].strip().encode()


@pytest.mark.skipif(not RECORDED, reason=absent())
@pytest.mark.parametrize("recording", RECORDED, ids=lambda recording: recording.id)
def test_recorded_error_is_classified(recording: Recording) -> None:
    expected = recording.expect["error"]
    head, body = _frame(recording)
    for provider in (BARE, record(recording.provider)):
        fault = classify(provider, head, body, in_stream=head.status == 200)
        assert fault.http_status == expected["status"]
        assert _flat(expected["message_contains"]) in _flat(fault.provider_message or "")
        if "code" in expected:
            assert fault.provider_code == str(expected["code"])
        if "type" in expected:
            assert fault.provider_type == expected["type"]
        if "metadata_raw" in expected:
            assert expected["metadata_raw"] in (fault.provider_message or "")
        _check_fault(fault)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _check_fault(fault: Fault) -> None:
    if fault.http_status == 200:
        assert fault.health in {"neutral", "notFromProvider"}
    assert fault.message
    assert not fault.message.endswith(".")
    assert fault.provider_message != fault.message


@pytest.mark.skipif(not RECORDED, reason=absent())
def test_twenty_providers_have_recorded_errors() -> None:
    print(f"\n{len(RECORDED)} recorded errors read")
    assert len({recording.provider for recording in RECORDED}) >= 20


_PAGE = b"<!DOCTYPE html><html><title>Sign in to the network</title></html>"


@pytest.mark.parametrize("status", [401, 403, 407, 451, 511])
@pytest.mark.parametrize("provider", [BARE, record("openai-compatible"), record("ollama")])
def test_page_of_a_network_asks_for_no_new_key(provider: Provider, status: int) -> None:
    fault = classify(provider, HttpHead(status, Headers([("content-type", "text/html")])), _PAGE)
    assert "new one" not in fault.message
    assert "sign-in" in fault.message
    assert fault.health == "notFromProvider"


# --- ids, masks, delays, bounds -----------------------------------------------------------------

MASKED = [
    "Incorrect API key provided: sk-test-0123456789abcdef.",
    "header was Bearer abcdefgh12345678",
    "key ab***yz is unknown",
    "Your api key: ****9f3b is invalid",
    "token 0a1b2c3d4e5f60718293a4b5c6d7e8f9 refused",
]
UNMASKED = [
    "model claude-3-5-sonnet-20240620 is not expected",
    "request 3fbd29f6-f17f-447c-8e5f-0f789bea5c4c failed",
    "see https://docs.example.com/guides/model-cards for hf-inference-endpoints",
    "accounts/fireworks/models/deepseek-v3p1-terminus is not a task-2 model",
    "Incorrect API key provided: ***********. You can find yours on your dashboard",
]


@pytest.mark.parametrize("text", MASKED)
def test_text_like_a_key_is_masked(text: str) -> None:
    message = classify(BARE, HttpHead(401), _bytes({"error": {"message": text}})).provider_message
    assert message is not None
    assert "***" in message
    for part in ("sk-test", "12345678", "ab*", "*yz", "9f3b", "0a1b2c"):
        assert part not in message


@pytest.mark.parametrize("text", UNMASKED)
def test_text_unlike_a_key_is_unchanged(text: str) -> None:
    message = classify(BARE, HttpHead(404), _bytes({"error": {"message": text}})).provider_message
    assert message == text


def test_control_characters_become_spaces() -> None:
    body = _bytes({"error": {"message": "a\u001b[31mb\u202ec\x00d\ne"}})
    assert classify(BARE, HttpHead(400), body).provider_message == "a [31mb c d\ne"


WRAPPED: list[tuple[Any, str]] = [
    (
        {"error": {"message": '{"error": {"code": 429, "message": "no more today"}}'}},
        "no more today",
    ),
    ({"error": {"message": '[{"error": {"message": "no more today"}}]'}}, "no more today"),
    ({"error": {"message": '{"detail": "no more'}}, "no more"),
    ({"error": {"message": "{not json"}}, "{not json"),
    ({"error": {"message": '{"limit": 5}'}}, '{"limit": 5}'),
    ({"error": "Incorrect%20API%20key%20provided"}, "Incorrect API key provided"),
    ({"error": "50%20 off"}, "50%20 off"),
    ({"detail": {"error": "payment required"}}, "payment required"),
]


@pytest.mark.parametrize(("body", "words"), WRAPPED)
def test_wrapped_message_is_unwrapped(body: Any, words: str) -> None:
    assert classify(BARE, HttpHead(400), _bytes(body)).provider_message == words


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"x-request-id": "req_1"}, {}, "req_1"),
        ({"request-id": "a-b", "cf-ray": "c"}, {}, "a-b"),
        ({"x-request-id": "Root=1;2"}, {"request_id": "r-2"}, "r-2"),
        ({"x-request-id": "a" * 128}, {}, "a" * 128),
        ({"x-request-id": "a" * 129}, {}, None),
        ({"cf-ray": "8f\n"}, {}, None),
    ],
)
def test_request_id_comes_from_headers_then_body(
    headers: dict[str, str], body: Any, expected: str | None
) -> None:
    fault = classify(BARE, HttpHead(400, Headers(headers.items())), _bytes({"error": "x"} | body))
    assert fault.provider_request_id == expected


@pytest.mark.parametrize("extra", [0, 1])
def test_message_is_cut_at_its_bound(extra: int) -> None:
    text = "é" * (PROVIDER_MESSAGE_MAX_BYTES // 2) + "x" * extra
    message = classify(BARE, HttpHead(400), _bytes({"error": {"message": text}})).provider_message
    assert message == "é" * (PROVIDER_MESSAGE_MAX_BYTES // 2)


@pytest.mark.parametrize(("extra", "code"), [(0, "invalid_api_key"), (1, "invalid_api_ke")])
def test_body_is_read_to_its_bound(extra: int, code: str) -> None:
    start, end = b'{"error":{"message":"', b'","code":"invalid_api_key'
    filler = b"a " * ((ERROR_BODY_MAX_BYTES - len(start) - len(end)) // 2 + 1)
    filler = filler[: ERROR_BODY_MAX_BYTES - len(start) - len(end) + extra]
    fault = classify(BARE, HttpHead(401), start + filler + end + b'"}}')
    assert fault.provider_code == code
    assert fault.health == "authInvalid"  # the envelope is the provider's, cut or not


@pytest.mark.parametrize("innermost", [b"1", b""])
@pytest.mark.parametrize(("extra", "health"), [(0, "authInvalid"), (1, "notFromProvider")])
def test_body_that_nests_too_deep_is_not_read(extra: int, health: str, innermost: bytes) -> None:
    # The document and `error` are two levels; an empty array is one as well.
    deep = JSON_MAX_DEPTH - 2 + extra
    body = b'{"error":{"message":"no","code":"invalid_api_key","x":' + b"[" * deep + innermost
    assert classify(BARE, HttpHead(401), body + b"]" * deep + b"}}").health == health


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (RETRY_AFTER_MAX_MS // 1000, RETRY_AFTER_MAX_MS),
        (RETRY_AFTER_MAX_MS // 1000 + 1, RETRY_AFTER_MAX_MS),
        (0, 0),
    ],
)
def test_delay_is_at_most_its_bound(seconds: int, expected: int) -> None:
    head = HttpHead(429, Headers({"retry-after": str(seconds)}.items()))
    assert classify(BARE, head, b"{}").retry_after_ms == expected


BODY_COST_MAX, PATTERN_COST_MAX = 50, 10
"""In units of `cpu_time`, about 10 ms."""

HOSTILE = [
    b"[" * ERROR_BODY_MAX_BYTES,
    b'{"error":' * 5000,
    b'{"error":{"message":' + b'[{"msg":' * 3000,
    b"data: {" * 9000,
    b"data: {}\n" * 9000,
    b"<" * ERROR_BODY_MAX_BYTES,
    b"\xff\xfe" * 4000,
    b'{"error":{"message":null,"code":[],"type":{},"details":[[],1,{"violations":[3]}],"metadata":3}}',
    b'{"error":{"metadata":{"raw":{"error":{"metadata":{"raw":{"error":"x"}}}}}}}',
    b'{"errors":[]}',
    b'{"error":[]}',
    b"[]",
    b"[[[]]]",
    b"null",
    b"1e999",
    b'{"message":"' + b"model " * 9000 + b'"}',
    b'{"message":"' + b"models ip address country " * 2500 + b'"}',
    b'{"message":"' + b"your api key: consumer request too large " * 1500 + b'"}',
    b'{"message":"' + b"a1" * 30000 + b'"}',
    b'{"message":"' + b"*" * 60000 + b'"}',
    b'{"message":"' + b"sk-" * 20000 + b'"}',
    b'{"message":"' + b"retry in 1" * 6000 + b'"}',
    b'{"message":"try again in ' + b"1" * 60000 + b's"}',
    b'{"error":{"code":' + b"9" * 5000 + b',"message":"x"}}',
    b'{"error":{"message":"\\ud800 lone"}}',
]


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 503])
@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bodies_are_read_quickly_and_never_raise(body: bytes, status: int) -> None:
    faults: list[Fault] = []

    def work() -> None:
        faults.append(classify(BARE, HttpHead(status), body))

    assert cost(work, BODY_COST_MAX) < BODY_COST_MAX
    fault = faults[0]
    assert len((fault.provider_message or "").encode()) <= PROVIDER_MESSAGE_MAX_BYTES
    json.dumps(fault.provider_message).encode()


@pytest.mark.parametrize("name", ["retry-after", "retry-after-ms", "date", "x-ratelimit-reset"])
@pytest.mark.parametrize("value", ["", "-1", "nan", "inf", "9" * 400, "Mon, 99 Foo", "1h" * 400])
def test_hostile_headers_never_raise(name: str, value: str) -> None:
    pairs = {"retry-after": "Mon, 01 Jun 2026 10:00:30 GMT", "x-ratelimit-remaining": "0"}
    head = HttpHead(429, Headers((pairs | {name: value}).items()))
    assert (classify(BARE, head, b"{}").retry_after_ms or 0) >= 0


def _patterns() -> Iterator[str]:
    rows = [row for provider in load().values() for row in provider.errors]
    rows += load_errors()
    for row in rows:
        if row.when.message is not None:
            yield row.when.message
    for provider in load().values():
        probe: Probe | None = provider.probe
        while probe is not None:
            yield from (row.when.message for row in probe.verdicts if row.when.message)
            probe = probe.fallback


def _long_words(pattern: str) -> Iterator[str]:
    """Yield long texts that almost match: each literal run of the pattern, repeated."""
    words = re.findall(r"[a-z0-9' ]{3,}", pattern)
    for word in [*words, "".join(words), "a", " ", "model ", "1"]:
        yield (word * 4096)[:4096]


@pytest.mark.parametrize("pattern", sorted(set(_patterns())))
def test_pattern_is_searched_in_linear_time(pattern: str) -> None:
    compiled = re.compile(pattern, re.IGNORECASE)
    for text in _long_words(pattern):
        work = partial(compiled.search, text)
        assert cost(work, PATTERN_COST_MAX) < PATTERN_COST_MAX, text[:40]


@pytest.mark.parametrize("provider", load())
def test_longest_message_is_classified_quickly(provider: str) -> None:
    words = "consumer request too large models request ip address region "
    body = _bytes({"error": {"message": (words * 2000)[:ERROR_BODY_MAX_BYTES]}})
    work = partial(classify, load()[provider], HttpHead(400), body)
    assert cost(work, BODY_COST_MAX) < BODY_COST_MAX


KEY = "sk-proj-Zx81mQv0rT5bN2kLw9Ye7Gd4"
PLACES = [
    "error", "errors", "message", "detail", "details", "metadata", "raw", "code", "type",
    "status", "reason", "violations", "quotaId", "retryDelay", "headers", "innererror",
    "choices", "response", "delta", "x_groq", "loc", "msg",
]  # fmt: skip
SHAPES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(KEY),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(PLACES) | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)
NAMES = st.sampled_from([
    "retry-after", "retry-after-ms", "date", "x-ratelimit-reset", "x-ratelimit-remaining",
    "content-type", "anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-tokens-remaining",
    "x-amzn-errortype", "x-should-retry", "x-request-id", "cf-mitigated",
])  # fmt: skip
PAIRS = st.lists(
    st.tuples(NAMES, st.text(max_size=40) | st.sampled_from(["0", "1e9", "9" * 30, KEY])),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(
    provider=st.sampled_from(sorted(load())),
    status=st.integers(100, 599),
    pairs=PAIRS,
    body=st.binary(max_size=200) | SHAPES.map(lambda shape: json.dumps(shape).encode()),
    in_stream=st.booleans(),
)
def test_any_answer_is_classified_without_showing_a_key(
    provider: str, status: int, pairs: list[tuple[str, str]], body: bytes, *, in_stream: bool
) -> None:
    head = HttpHead(status, Headers(pairs))
    fault = classify(load()[provider], head, body, in_stream=in_stream)
    assert fault.message
    assert 0 <= (fault.retry_after_ms or 0) <= RETRY_AFTER_MAX_MS
    if in_stream or status in range(200, 300):
        assert fault.health in {"neutral", "notFromProvider"}
    texts = (fault.message, fault.provider_message, fault.provider_code, fault.provider_type)
    assert not any(KEY in (text or "") for text in texts)


def test_general_rows_have_conditions_and_sources() -> None:
    for row in load_errors():
        assert row.source
        assert row.when != type(row.when)(), "a row without a condition would swallow the rest"
        if row.when.message is not None:
            assert re.search(row.when.message, "") is None
