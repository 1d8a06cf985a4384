"""The simulated providers: their files, credentials and rules."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

import replay
from byokd.catalog.loader import load
from byokd.core.http import Headers, HttpRequest, HttpResponse
from byokd.dialects.base.sigv4 import sign
from byokd.sandbox import Sandbox, models
from byokd.sandbox.echo import RULES
from byokd.sandbox.provider import GENERIC, behaviour
from byokd.sandbox.styles.registry import STYLES
from byokd.sandbox.turn import Answer, ChatRequest, Turn
from byokd.transport.http import HttpTransport
from tampering import SPOILERS

pytestmark = pytest.mark.anyio

KEY = "sandbox-key-0123456789abcdef"
SIGNED = next(r for r in load().values() if r.auth.otherwise is not None)
SERVICE = (SIGNED.auth.otherwise and SIGNED.auth.otherwise.signing_name) or ""
NO_TOOLS, NO_TOOLS_SURFACE = next(
    (record, surface)
    for record in load().values()
    for surface in record.surfaces
    if surface.quirks.get("strict_alternation")
)
GEMINI = next(r for r in load().values() if r.dialect == "gemini")
QUESTION = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
async def transport() -> AsyncIterator[HttpTransport]:
    transport = HttpTransport()
    yield transport
    await transport.aclose()


# --- the files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", [GENERIC, *load()])
def test_provider_file_is_usable(provider: str) -> None:
    own = behaviour(provider)
    words: dict[str, Any] = {"model": "m", "key": "k", "retry_after": 7}
    for name in own.errors.keys() - {"headers"}:
        failure = own.failure(name, **words)
        assert failure.status >= 400
        assert b"{retry_after}" not in failure.body + str(dict(failure.headers)).encode()
    for listing in own.listings:
        document = json.loads(own.list_body(listing))
        assert not listing.item or "sandbox-echo" in json.dumps(document)
    for echo in own.echoes:
        assert echo.rule in RULES
        assert set(own.error_answer(echo.error).headers) >= {"content-type"}


def test_every_rule_is_used_by_a_provider() -> None:
    assert {echo.rule for provider in load() for echo in behaviour(provider).echoes} == set(RULES)
    assert set(SPOILERS) == set(RULES)


def _fields(value: Any, inside: str = "") -> set[str]:
    """Return the paths of all fields of an object."""
    held = value.items() if isinstance(value, dict) else ()
    return {
        path
        for name, inner in held
        for path in (f"{inside}/{name}", *_fields(inner, f"{inside}/{name}"))
    }


@pytest.mark.skipif(not replay.load(), reason=replay.absent())
def test_errors_have_the_shape_of_recorded_ones() -> None:
    """One of the two may say more: forms have grown over the years."""
    compared = 0
    for recording in replay.load():
        if recording.name.startswith("error-") and recording.body.lstrip()[:1] == b"{":
            recorded, own = _fields(json.loads(recording.body)), behaviour(recording.provider)
            bodies = [
                own.failure(name, dialect, model="m", key="k", retry_after=1).body
                for name in own.errors.keys() - {"headers"}
                for dialect in own.shapes
            ]
            bodies += [own.error_answer(echo.error, model="m").body for echo in own.echoes]
            forms = [_fields(json.loads(body)) for body in bodies if body.startswith(b"{")]
            assert any(form <= recorded or form >= recorded for form in forms), recording.id
            compared += 1
    assert compared > 30


# --- formats beside the decoders -----------------------------------------------------------------


@pytest.mark.parametrize("dialect", STYLES)
def test_cut_answer_has_no_end(dialect: str) -> None:
    style = STYLES[dialect]
    ask = ChatRequest("sandbox-echo", "hello", streams=True)
    spoken = models.answer(ask)
    assert spoken is not None
    broken = Answer(spoken.blocks, finish=None)
    begun = b"".join(style.stream(Turn(ask, broken)))
    whole = b"".join(style.stream(Turn(ask, spoken)))
    assert whole.startswith(begun)
    assert len(begun) < len(whole)
    json.loads(style.whole(Turn(ask, spoken)))


@pytest.mark.parametrize("dialect", STYLES)
@pytest.mark.parametrize(
    "body", [{}, {"model": 1}, {"messages": []}, {"model": "m", "messages": 1}]
)
def test_invalid_request_reads_as_none(dialect: str, body: dict[str, Any]) -> None:
    assert STYLES[dialect].read(body, "/v1/chat") is None


async def test_gemini_without_sse_streams_one_array(
    sandbox: Sandbox, transport: HttpTransport
) -> None:
    path = "/models/sandbox-echo:streamGenerateContent"
    body = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
    response = await transport.send(
        HttpRequest(
            "POST",
            sandbox.base_url_as(GEMINI.id) + path,
            Headers([(GEMINI.auth.header, KEY)]),
            json.dumps(body).encode(),
        )
    )
    chunks = json.loads(response.body)
    parts = [part for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
    assert "".join(part["text"] for part in parts) == "You said: hello"
    assert response.headers.get("content-type") == "application/json"


async def test_repeated_role_is_refused(sandbox: Sandbox, transport: HttpTransport) -> None:
    url = f"{sandbox.base_url_as(NO_TOOLS.id)}{NO_TOOLS_SURFACE.chat_path}"
    headers = Headers([("authorization", f"Bearer {KEY}")])
    body = {"model": "sandbox-echo", "messages": [{"role": "user", "content": "hello"}]}
    statuses = []
    for _ in range(2):
        request = HttpRequest("POST", url, headers, json.dumps(body).encode())
        statuses.append((await transport.send(request)).status)
        SPOILERS["alternating"](body, {})
    assert statuses == [200, 400]


# --- credentials --------------------------------------------------------------------------------


async def _signed(
    sandbox: Sandbox, transport: HttpTransport, moment_s: int, **changed: Any
) -> HttpResponse:
    """Send a signed request, with the changes applied after signing."""
    url = sandbox.base_url_as(SIGNED.id) + "/model/a:b%3A0-sandbox-echo/converse"
    headers = Headers([("content-type", "application/json")])
    signed = sign(
        HttpRequest("POST", url, headers, json.dumps(QUESTION).encode()),
        access_key_id=changed.get("key_id", KEY),
        secret_access_key=changed.get("secret", KEY),
        session_token=changed.get("token"),
        region="eu-west-1",
        service=changed.get("service", SERVICE),
        now_ms=moment_s * 1000,
    )
    body = changed.get("body", signed.body)
    return await transport.send(HttpRequest("POST", signed.url, signed.headers, body))


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({}, None),
        ({"token": "a-session-token"}, None),
        ({"key_id": "another-key-id-0123"}, "UnrecognizedClientException"),
        ({"secret": "another-secret-0123"}, "InvalidSignatureException"),
        ({"service": "s3"}, "InvalidSignatureException"),
        ({"body": b"{}"}, "InvalidSignatureException"),
        ({"late_s": 301}, "InvalidSignatureException"),
        ({"late_s": 290}, None),
    ],
    ids=str,
)
async def test_signature_is_verified(
    sandbox: Sandbox, transport: HttpTransport, changed: dict[str, Any], error: str | None
) -> None:
    import time

    moment_s = int(time.time()) - changed.get("late_s", 0)
    response = await _signed(sandbox, transport, moment_s, **changed)
    assert response.status == (403 if error else 200)
    assert response.headers.get("x-amzn-errortype") == error


async def test_unknown_provider_is_404(sandbox: Sandbox, transport: HttpTransport) -> None:
    for path in ("/as/nobody/v1/models", "/as/", "/as/%2e%2e/v1/models"):
        assert (await transport.send(HttpRequest("GET", sandbox.origin + path))).status == 404
    with pytest.raises(KeyError):
        sandbox.base_url_as("nobody")
