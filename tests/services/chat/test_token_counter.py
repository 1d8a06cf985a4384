"""`chat/countTokens`: which counts ask the provider, what is sent, and when it is an estimate."""

from __future__ import annotations

import json
from typing import Any, Final, cast

import pytest

from byokd.catalog.loader import load
from byokd.catalog.record import Provider
from byokd.core.secret import Secret
from byokd.protocol.chat import CountTokensParams, CountTokensResult, SendParams
from byokd.protocol.errors import ByokdError, NetworkFailed
from byokd.services.chat.token_counter import TokenCounter
from byokd.services.keys.credentials import Credential
from byokd.services.keys.resolver import CredentialResolver
from byokd.services.runtime.session import Session
from scripted_transport import CannedResponse, ScriptedResult, ScriptedTransport
from services.chat.engine_fixture import JSON, SESSION

pytestmark = pytest.mark.anyio

_BASE: Final = "http://127.0.0.1:9"
_KEY: Final = "counted-key-0123456789abcdef"
_TOOL: Final = {"name": "look", "description": "looks", "inputSchema": {"type": "object"}}

# provider, path of the chat's base, URL, fields of the body, answer
_EXACT: Final[tuple[tuple[str, str, str, set[str], dict[str, Any]], ...]] = (
    (
        "anthropic", "", "/v1/messages/count_tokens",
        {"/model", "/messages", "/system", "/tools"}, {"input_tokens": 41},
    ),
    (
        "google", "/v1beta", "/v1beta/models/m-1:countTokens",
        {
            "/generateContentRequest/model", "/generateContentRequest/contents",
            "/generateContentRequest/systemInstruction", "/generateContentRequest/tools",
        },
        {"totalTokens": 41, "promptTokensDetails": []},
    ),
    (
        "bedrock", "", "/model/m-1/count-tokens",
        {"/input/converse/messages", "/input/converse/system", "/input/converse/toolConfig"},
        {"inputTokens": 41},
    ),
    (
        "openai", "/v1", "/v1/responses/input_tokens",
        {"/model", "/input", "/tools"},
        {"object": "response.input_tokens", "input_tokens": 41},
    ),
)  # fmt: skip


class _Keys:
    """Stands in for `CredentialResolver`; counts how often a key is opened."""

    def __init__(self, record: Provider, base_url: str) -> None:
        self.opened = 0
        self._record, self._base_url = record, base_url

    def record(self, _session: Session, _provider: str) -> Provider:
        return self._record

    async def resolve(self, _session: Session, _params: SendParams) -> Credential:
        self.opened += 1
        fields: dict[str, Secret | str] = {
            self._record.auth.field: Secret(_KEY),
            "apiKey": Secret(_KEY),
            "region": "eu-west-1",
        }
        return Credential(self._record, self._base_url, at_default_origin=False, fields=fields)


def _params(**more: Any) -> CountTokensParams:
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    small = {"provider": "anthropic", "model": "m-1", "messages": messages, "tools": [_TOOL]}
    return CountTokensParams.model_validate(small | more)


async def _count(
    record: Provider, script: list[ScriptedResult], base: str = "", **more: Any
) -> tuple[CountTokensResult, ScriptedTransport, _Keys]:
    keys, transport = _Keys(record, _BASE + base), ScriptedTransport(script)
    counter = TokenCounter(cast("CredentialResolver", keys), transport)
    return await counter.count(SESSION, _params(provider=record.id, **more)), transport, keys


def _answer(body: Any, status: int = 200) -> CannedResponse:
    return CannedResponse(status, JSON, (json.dumps(body).encode(),))


def _pointers(value: Any, above: str = "") -> set[str]:
    """Return the pointers to the outermost fields, below fields that hold one object alone."""
    if isinstance(value, dict) and len(value) == 1 and above.count("/") < 2:
        (name,) = value
        if isinstance(value[name], dict):
            return _pointers(value[name], f"{above}/{name}")
    return {f"{above}/{name}" for name in value}


@pytest.mark.parametrize("row", _EXACT, ids=[row[0] for row in _EXACT])
async def test_exact_count_is_the_providers(
    row: tuple[str, str, str, set[str], dict[str, Any]],
) -> None:
    provider, base, path, fields, answer = row
    result, transport, _ = await _count(load()[provider], [_answer(answer)], base, exact=True)
    assert (result.input_tokens, result.method) == (41, "exact")
    (request,) = transport.requests
    assert request.url == _BASE + path
    sent = json.loads(request.body)
    assert fields <= _pointers(sent)
    assert not {pointer for pointer in _pointers(sent) if "stream" in pointer or "max" in pointer}
    assert load()[provider].name in result.basis


@pytest.mark.parametrize("provider", sorted(load()))
async def test_estimate_opens_no_key_and_sends_nothing(provider: str) -> None:
    result, transport, keys = await _count(load()[provider], [])
    assert result.method == "estimate"
    assert result.input_tokens > 5
    assert (transport.requests, keys.opened) == ([], 0)


@pytest.mark.parametrize(
    "answer",
    [
        _answer({"error": {"message": "no such path"}}, 404),
        _answer({"error": {"message": "this model cannot count tokens"}}, 400),
        _answer({"input_tokens": "many"}),
        CannedResponse(200, JSON, (b"<html>",)),
    ],
    ids=["missing path", "refused", "no number", "no JSON"],
)
async def test_server_without_a_count_gives_an_estimate(answer: CannedResponse) -> None:
    result, transport, _ = await _count(load()["anthropic"], [answer], exact=True)
    assert result.method == "estimate"
    assert len(transport.requests) == 1


async def test_exact_count_of_a_provider_without_one_is_an_estimate() -> None:
    result, transport, keys = await _count(load()["mistral"], [], exact=True)
    assert result.method == "estimate"
    assert (transport.requests, keys.opened) == ([], 0)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (
            _answer({"error": {"type": "authentication_error", "message": f"bad {_KEY}"}}, 401),
            "keyInvalid",
        ),
        (
            _answer({"error": {"type": "rate_limit_error", "message": "slow down"}}, 429),
            "rateLimited",
        ),
        (NetworkFailed("no network", details={"reason": "dns"}), "network"),
    ],
    ids=["key", "rate", "network"],
)
async def test_failed_exact_count_is_an_error(script: ScriptedResult, kind: str) -> None:
    with pytest.raises(ByokdError) as raised:
        await _count(load()["anthropic"], [script], exact=True)
    data = raised.value.data()
    assert (data.kind, data.provider, data.model) == (kind, "anthropic", "m-1")
    assert _KEY not in repr(data)


async def test_text_alone_is_counted_without_a_template() -> None:
    record = load()["openai"]
    text, _, _ = await _count(record, [], messages=None, tools=[], text="hello there", exact=True)
    chat, _, _ = await _count(
        record, [], messages=[{"role": "user", "content": "hello there"}], tools=[]
    )
    assert text.input_tokens < chat.input_tokens


async def test_each_part_of_a_conversation_counts() -> None:
    record, image = load()["anthropic"], {"type": "image", "mediaType": "image/png", "data": "AAAA"}
    document = {"type": "file", "mediaType": "application/pdf", "data": "A" * 200_000}
    note = {"type": "file", "mediaType": "text/plain", "data": "A" * 4_000}
    call = {"type": "toolCall", "callId": "c", "name": "look", "arguments": {"at": "the sky " * 50}}
    result = {
        "type": "toolResult",
        "callId": "c",
        "content": [{"type": "text", "text": "blue " * 50}, image],
    }
    thought = {"type": "reasoning", "text": "look at the sky " * 20}

    async def tokens(*messages: dict[str, Any], **more: Any) -> int:
        small = {"role": "user", "content": "hi"}
        counted, _, _ = await _count(
            record, [], messages=[small, *messages], model="claude-4", **more
        )
        return counted.input_tokens

    plain = await tokens()
    assert await tokens({"role": "user", "content": [image]}) > plain + 1000
    assert await tokens({"role": "user", "content": [document]}) > plain + 7000
    assert plain + 500 < await tokens({"role": "user", "content": [note]}) < plain + 1500
    assert await tokens({"role": "assistant", "content": [call]}) > plain + 80
    assert await tokens({"role": "tool", "content": [result]}) > plain + 1050
    assert await tokens({"role": "assistant", "content": [thought]}) > plain + 60
    assert await tokens(reasoning={"effort": "high"}) > plain
    assert await tokens(tools=[]) < plain


def test_params_need_messages_or_a_text() -> None:
    for more in ({"messages": None}, {"text": "x"}):
        with pytest.raises(ValueError, match="either messages or text"):
            _params(**more)
