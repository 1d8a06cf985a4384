"""Each wire format, written by the sandbox and read by the daemon's decoder.

The two were written independently from the same documentation.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

import chunking
from byokd.catalog.loader import load
from byokd.catalog.record import Provider
from byokd.catalog.surfaces import choose_surface, dialects
from byokd.core.http import HttpHead, HttpRequest, HttpResponse
from byokd.core.secret import Secret
from byokd.dialects.base.auth import authorize
from byokd.dialects.base.call import Call, Reply
from byokd.dialects.registry import DIALECTS, find_dialect
from byokd.protocol.chat import SendParams
from byokd.protocol.errors import ByokdError
from byokd.protocol.parts import ToolCallPart
from byokd.provider_api.model_lists import models_request, read_models
from byokd.sandbox import Sandbox
from byokd.sandbox.provider import behaviour
from byokd.sandbox.styles.registry import STYLES
from byokd.transport.http import HttpTransport
from byokd.transport.interface import Timeouts

pytestmark = pytest.mark.anyio

KEY = "sandbox-key-0123456789abcdef"
PLAIN = {"region": "us-east-1", "accountId": "0" * 32, "resourceName": "sandbox"}
NOW_MS = 1_790_000_000_000
TOOLS = [
    {
        "name": "weather",
        "inputSchema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
]
SURFACES = [
    pytest.param(record.id, dialect, id=f"{record.id}-{dialect}")
    for record in load().values()
    for dialect in dialects(record)
    if dialect in DIALECTS
]
ECHO = "You said: Weather in Lisbon?"
THOUGHT = "The person wants an answer."


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
async def transport() -> AsyncIterator[HttpTransport]:
    transport = HttpTransport()
    yield transport
    await transport.aclose()


def _call(sandbox: Sandbox, provider: str, dialect: str, name: str, **more: Any) -> Call:
    record = load()[provider]
    base_url = sandbox.base_url_as(provider, **PLAIN)
    params = SendParams.model_validate(
        {
            "streamId": "s1",
            "provider": provider,
            "model": behaviour(provider).prefix_of(dialect) + name,
            "messages": [{"role": "user", "content": "Weather in Lisbon?"}],
            "maxOutputTokens": 32000,
        }
        | more
    )
    provider_record = choose_surface(record, params.model, base_url, dialect)
    return Call(provider_record, base_url, params, PLAIN)


def _request(call: Call, key: str = KEY) -> HttpRequest:
    encoded = find_dialect(call.provider.dialect).encode(call, NOW_MS).request
    return _signed(call.provider, encoded, key)


def _signed(provider: Provider, request: HttpRequest, key: str) -> HttpRequest:
    fields: dict[str, Secret | str] = dict(PLAIN)
    fields |= {field.name: Secret(key) for field in provider.fields if field.secret}
    return authorize(request, provider, fields, NOW_MS)


def _read(call: Call, response: HttpResponse) -> Reply:
    head = HttpHead(response.status, response.headers)
    decoder = find_dialect(call.provider.dialect).decoder(call, head)
    return chunking.run(decoder, [response.body])[1]


def _kinds(reply: Reply) -> dict[str, str]:
    """Return the text of each kind of block; of calls, the arguments."""
    texts: dict[str, str] = {}
    for part in reply.message.parts():
        text = getattr(part, "text", None) or json.dumps(getattr(part, "arguments", None))
        texts[part.type] = texts.get(part.type, "") + text
    return texts


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(("provider", "dialect"), SURFACES)
async def test_answer_is_decoded(
    sandbox: Sandbox, transport: HttpTransport, provider: str, dialect: str, *, stream: bool
) -> None:
    async def ask(name: str, **more: Any) -> Reply:
        call = _call(sandbox, provider, dialect, name, stream=stream, **more)
        reply = _read(call, await transport.send(_request(call)))
        assert reply.fault is None
        return reply

    echo = await ask("sandbox-echo")
    assert _kinds(echo) == {"text": ECHO}
    assert echo.finish_reason is not None
    assert echo.finish_reason.unified == "stop"
    assert echo.usage is not None
    assert (echo.usage.output_text or 0) > 0
    assert (echo.usage.input_fresh or 0) + echo.usage.input_cache_read > 0
    burst = await ask("sandbox-burst-50")
    assert burst.finish_reason is not None
    assert (burst.finish_reason.unified, _kinds(burst)["text"].count(" word")) == ("length", 50)
    if _call(sandbox, provider, dialect, "m").provider.quirks_for("").tools_supported:
        calls = await ask("sandbox-tools-3", tools=TOOLS)
        assert _kinds(calls)["toolCall"] == '{"city": "Lisbon"}' * 3
        ids = [part.call_id for part in calls.message.parts() if isinstance(part, ToolCallPart)]
        assert len(set(ids)) == len(ids) == 3
    agent = _kinds(await ask("sandbox-agent", reasoning={"effort": "high"}))
    tags = behaviour(provider).traits.reasoning in {"none", "think_tags"}
    assert agent.get("reasoning", "").startswith(THOUGHT) or (tags and dialect == "openai_chat")


@pytest.mark.parametrize("provider", load())
async def test_model_list_has_the_providers_form(
    sandbox: Sandbox, transport: HttpTransport, provider: str
) -> None:
    record = load()[provider]
    base_url = sandbox.base_url_as(provider, **PLAIN)
    recipes = [r for r in (record.models, *record.models.also) if r.path or r.url]
    for recipe in recipes:
        at_home = models_request(
            record, base_url, PLAIN, at_default_origin=True, list_record=recipe
        )
        if at_home is None:
            continue
        # The same path on the sandbox, whatever the host.
        path = "/" + at_home.url.split("//", 1)[1].partition("/")[2]
        path = path if at_home.url.startswith(sandbox.origin) else f"/as/{provider}{path}"
        request = HttpRequest("GET", sandbox.origin + path, at_home.headers)
        response = await transport.send(_signed(record, request, KEY))
        assert response.status == 200
        listed = [
            model.id for model in read_models(record, response.body, list_record=recipe).models
        ]
        assert any(model.endswith("sandbox-agent") for model in listed)


# --- faults and errors ---------------------------------------------------------------------------

FORMATS = {dialect: record.id for record in load().values() for dialect in dialects(record)}
BROKEN = {
    "sandbox-cut": {"streamInterrupted"},
    "sandbox-garbage": {"providerError", "streamInterrupted"},
    "sandbox-error-in-200": {"providerError", "providerOverloaded"},
    "sandbox-gzip": {"providerError"},
    "sandbox-redirect": {"providerRedirect"},
    "sandbox-slow-head": {"timeout"},
    "sandbox-html": {"network", "providerError", "keyForbidden"},
}


PATIENT = Timeouts(60_000, 60_000)
IMPATIENT = Timeouts(60_000, 100)


def test_every_dialect_has_a_provider() -> None:
    assert set(FORMATS) == set(DIALECTS) <= set(STYLES)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("dialect", FORMATS)
async def test_broken_answers_are_faults_in_every_dialect(
    sandbox: Sandbox, transport: HttpTransport, dialect: str, *, stream: bool
) -> None:
    for name, kinds in BROKEN.items():
        call = _call(sandbox, FORMATS[dialect], dialect, name, stream=stream)
        try:
            timeouts = IMPATIENT if name == "sandbox-slow-head" else PATIENT
            response = await transport.send(_request(call), timeouts=timeouts)
        except ByokdError as error:
            kind: str = error.kind
        else:
            reply = _read(call, response)
            assert reply.fault is not None
            kind = reply.fault.kind
        assert kind in kinds, name


@pytest.mark.parametrize("dialect", FORMATS)
async def test_slow_answers_are_complete_in_every_dialect(
    sandbox: Sandbox, transport: HttpTransport, dialect: str
) -> None:
    for name in ("sandbox-slow-head-30", "sandbox-slow-content-30"):
        call = _call(sandbox, FORMATS[dialect], dialect, name)
        assert _kinds(_read(call, await transport.send(_request(call)))) == {"text": ECHO}


KINDS = {
    "bad-key": {"keyInvalid"},
    "no-funds": {"insufficientFunds", "keyForbidden"},
    "no-model": {"modelNotFound"},
    "overflow": {"contextOverflow"},
    "rate-limit": {"rateLimited", "providerOverloaded"},
    "server-error": {"providerError"},
    "overloaded": {"providerOverloaded"},
    "bad-request": {"badRequest"},
    "forbidden": {"keyForbidden"},
}
"""What each error is to a client, whoever tells it."""

UNSIGNED = "keyForbidden"
"""What a refused key may be where no key is needed: the server itself is not signed in."""


@pytest.mark.parametrize(("provider", "dialect"), SURFACES)
async def test_errors_have_the_expected_kind(
    sandbox: Sandbox, transport: HttpTransport, provider: str, dialect: str
) -> None:
    for name, kinds in KINDS.items():
        call = _call(sandbox, provider, dialect, f"sandbox-fault-{name}")
        reply = _read(call, await transport.send(_request(call)))
        assert reply.fault is not None
        unsigned = {UNSIGNED} if name == "bad-key" and load()[provider].keyless else set()
        assert reply.fault.kind in kinds | unsigned, (name, reply.fault.provider_message)


@pytest.mark.parametrize("provider", load())
async def test_wrong_key_is_refused(
    sandbox: Sandbox, transport: HttpTransport, provider: str
) -> None:
    dialect = load()[provider].dialect
    call = _call(sandbox, provider, dialect, "sandbox-echo")
    refused = _read(call, await transport.send(_request(call, "another-key-0123456789")))
    assert refused.fault is not None
    unsigned = {UNSIGNED} if load()[provider].keyless else set()
    assert refused.fault.kind in {"keyInvalid"} | unsigned
    keyless = find_dialect(dialect).encode(call, NOW_MS).request
    answer = await transport.send(keyless)
    assert (answer.status == 200) is load()[provider].keyless
