"""The generic provider of the sandbox over real HTTP."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import byokd
from byokd.core.http import Headers, HttpRequest, HttpResponse
from byokd.protocol.errors import ByokdError, StreamInterrupted
from byokd.sandbox import Sandbox
from byokd.transport.http import HttpTransport
from byokd.transport.interface import Timeouts
from waits import WAIT_MAX_S

pytestmark = pytest.mark.anyio

KEY = "sandbox-key-0123456789abcdef"
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "unit": {"enum": ["C", "F"]},
                "notes": {"type": "array", "items": {"type": "boolean"}},
            },
        },
    },
}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    transport = HttpTransport()
    yield transport
    await transport.aclose()


def _request(sandbox: Sandbox, model: str, key: str = KEY, **more: Any) -> HttpRequest:
    body = {"model": model, "messages": [{"role": "user", "content": "Weather in Lisbon?"}]} | more
    return HttpRequest(
        "POST",
        f"{sandbox.base_url}/chat/completions",
        Headers([("authorization", f"Bearer {key}"), ("content-type", "application/json")]),
        json.dumps(body).encode(),
    )


def _events(response: HttpResponse) -> list[dict[str, Any]]:
    *lines, last_event, remainder = response.body.decode().split("\n\n")
    assert (last_event, remainder) == ("data: [DONE]", "")
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def _joined(events: list[dict[str, Any]], field: str) -> str:
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    return "".join(delta.get(field) or "" for delta in deltas)


# --- answers -------------------------------------------------------------------------------------


async def test_echo_answers_streamed_and_whole(sandbox: Sandbox, transport: HttpTransport) -> None:
    options = {"include_usage": True}
    streamed = await transport.send(
        _request(sandbox, "sandbox-echo", stream=True, stream_options=options)
    )
    assert streamed.headers.get("content-type") == "text/event-stream; charset=utf-8"
    events = _events(streamed)
    whole = json.loads((await transport.send(_request(sandbox, "sandbox-echo"))).body)
    text = "You said: Weather in Lisbon?"
    assert _joined(events, "content") == text == whole["choices"][0]["message"]["content"]
    assert [choice["finish_reason"] for event in events for choice in event["choices"]][-1] == (
        "stop"
    )
    assert events[-1]["choices"] == []
    assert events[-1]["usage"] == whole["usage"]
    assert whole["usage"]["prompt_tokens_details"]["cached_tokens"] > 0


async def test_usage_is_sent_only_on_request(sandbox: Sandbox, transport: HttpTransport) -> None:
    response = await transport.send(_request(sandbox, "sandbox-echo", stream=True))
    assert all("usage" not in event for event in _events(response))


@pytest.mark.parametrize(("model", "count"), [("sandbox-tools", 1), ("sandbox-tools-3", 3)])
async def test_tools_are_called_and_results_repeated(
    sandbox: Sandbox, transport: HttpTransport, model: str, count: int
) -> None:
    events = _events(await transport.send(_request(sandbox, model, stream=True, tools=[TOOL])))
    whole = json.loads((await transport.send(_request(sandbox, model, tools=[TOOL]))).body)
    calls = whole["choices"][0]["message"]["tool_calls"]
    assert len({call["id"] for call in calls}) == len(calls) == count
    expected = {"city": "Lisbon", "days": 1, "unit": "C", "notes": [True]}
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [expected] * count
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"
    pieces = [
        part
        for event in events
        for part in event["choices"][0]["delta"].get("tool_calls", [])
        if part["index"] == count - 1
    ]
    assert json.loads("".join(piece["function"]["arguments"] for piece in pieces)) == expected
    messages = [
        {"role": "user", "content": "Weather in Lisbon?"},
        {"role": "assistant", "tool_calls": calls},
        *({"role": "tool", "tool_call_id": call["id"], "content": "18"} for call in calls),
    ]
    answer = await transport.send(_request(sandbox, model, tools=[TOOL], messages=messages))
    choice = json.loads(answer.body)["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"] == "The tool says: " + "; ".join(["18"] * count)


async def test_reasoning_citations_and_json_answers(
    sandbox: Sandbox, transport: HttpTransport
) -> None:
    events = _events(await transport.send(_request(sandbox, "sandbox-reasoning", stream=True)))
    assert _joined(events, "reasoning_content").startswith("The person wants")
    assert _joined(events, "content").startswith("You said")
    whole = json.loads((await transport.send(_request(sandbox, "sandbox-reasoning"))).body)
    assert whole["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0

    cited = json.loads((await transport.send(_request(sandbox, "sandbox-citations"))).body)
    assert len(cited["citations"]) == 2
    assert cited["choices"][0]["message"]["annotations"][0]["type"] == "url_citation"

    schema = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
    json_format = {"type": "json_schema", "json_schema": {"schema": schema}}
    answer = await transport.send(_request(sandbox, "sandbox-json", response_format=json_format))
    text = json.loads(answer.body)["choices"][0]["message"]["content"]
    assert json.loads(text) == {"place": "Lisbon"}


@pytest.mark.parametrize(
    ("model", "pieces"), [("sandbox-burst-5000", 5000), ("sandbox-paced-200hz-20", 20)]
)
async def test_answer_has_the_requested_number_of_words(
    sandbox: Sandbox, transport: HttpTransport, model: str, pieces: int
) -> None:
    events = _events(await transport.send(_request(sandbox, model, stream=True)))
    assert _joined(events, "content").count(" word") == pieces


async def test_model_list_holds_every_model(sandbox: Sandbox, transport: HttpTransport) -> None:
    headers = Headers([("authorization", f"Bearer {KEY}")])
    response = await transport.send(HttpRequest("GET", f"{sandbox.base_url}/models", headers))
    ids = [model["id"] for model in json.loads(response.body)["data"]]
    assert "sandbox-echo" in ids
    for model in ids:
        assert (await transport.send(_request(sandbox, model))).status == 200


# --- keys ----------------------------------------------------------------------------------------


async def test_keys_are_accepted_rejected_and_revoked(
    sandbox: Sandbox, transport: HttpTransport
) -> None:
    async def status(key: str) -> int:
        return (await transport.send(_request(sandbox, "sandbox-echo", key))).status

    assert [await status(KEY), await status("other-key-0123456789"), await status("")] == [
        200, 401, 401,
    ]  # fmt: skip
    sandbox.set_key_valid(KEY, valid=False)
    assert await status(KEY) == 401
    sandbox.set_key_valid(KEY, valid=True)
    sandbox.reject_next(2)
    sandbox.fail_next(1, 503)
    assert [await status(KEY) for _ in range(4)] == [401, 401, 503, 200]


async def test_requests_are_recorded_without_credentials(
    sandbox: Sandbox, transport: HttpTransport
) -> None:
    await transport.send(_request(sandbox, "sandbox-echo"))
    recorded = sandbox.requests[0]
    assert (recorded.credential, recorded.model, recorded.status) == (KEY, "sandbox-echo", 200)
    assert "authorization" in recorded.header_names
    assert KEY not in repr(sandbox.requests)


async def test_invalid_chat_is_refused(sandbox: Sandbox, transport: HttpTransport) -> None:
    good = _request(sandbox, "sandbox-echo")
    for body in (b"", b"[]", b"{", b'{"model": 1, "messages": []}', b'{"model": "m"}'):
        response = await transport.send(HttpRequest("POST", good.url, good.headers, body))
        assert (response.status, "error" in json.loads(response.body)) == (400, True)
    assert (await transport.send(_request(sandbox, "no-such-model"))).status == 404
    elsewhere = HttpRequest("GET", f"{sandbox.base_url}/nowhere", good.headers)
    assert (await transport.send(elsewhere)).status == 404


# --- faults --------------------------------------------------------------------------------------

STATUSES = [
    ("sandbox-fault-401", 401, "invalid_api_key", None),
    ("sandbox-fault-402", 402, "insufficient_quota", None),
    ("sandbox-fault-403", 403, "missing_scope", None),
    ("sandbox-fault-413", 413, "context_length_exceeded", None),
    ("sandbox-fault-429", 429, "rate_limit_exceeded", "1"),
    ("sandbox-429-30", 429, "rate_limit_exceeded", "30"),
    ("sandbox-fault-500", 500, None, None),
    ("sandbox-fault-503", 503, "overloaded", "1"),
    ("sandbox-fault-529", 529, None, None),
]


@pytest.mark.parametrize("row", STATUSES, ids=lambda row: row[0])
async def test_fault_status_has_its_body(
    sandbox: Sandbox, transport: HttpTransport, row: tuple[str, int, str | None, str | None]
) -> None:
    model, status, code, retry_after = row
    for stream in (True, False):
        response = await transport.send(_request(sandbox, model, stream=stream))
        assert (response.status, response.headers.get("retry-after")) == (status, retry_after)
        assert json.loads(response.body)["error"]["code"] == code


async def test_echo_key_fault_quotes_the_key(sandbox: Sandbox, transport: HttpTransport) -> None:
    response = await transport.send(_request(sandbox, "sandbox-fault-echo-key"))
    assert (response.status, KEY.encode() in response.body) == (401, True)


BROKEN = [
    ("sandbox-cut", "streamInterrupted"),
    ("sandbox-redirect", "providerRedirect"),
    ("sandbox-gzip", "providerError"),
    ("sandbox-slow-head", "timeout"),
]


@pytest.mark.parametrize(("model", "kind"), BROKEN)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_broken_answer_raises_its_kind(
    sandbox: Sandbox, transport: HttpTransport, model: str, kind: str, stream: object
) -> None:
    timeouts = Timeouts(60_000, 200 if kind == "timeout" else 60_000)
    with pytest.raises(ByokdError) as caught:
        await transport.send(_request(sandbox, model, stream=bool(stream)), timeouts=timeouts)
    assert caught.value.kind == kind
    assert len(sandbox.requests) == 1


async def test_html_garbage_and_late_answers(sandbox: Sandbox, transport: HttpTransport) -> None:
    html = await transport.send(_request(sandbox, "sandbox-html"))
    assert (html.status, html.body[:9]) == (403, b"<!doctype")
    assert (await transport.send(_request(sandbox, "sandbox-html-200"))).status == 200
    for stream in (True, False):
        error = await transport.send(_request(sandbox, "sandbox-error-in-200", stream=stream))
        assert (error.status, b"engine_failed" in error.body) == (200, True)
        garbage = await transport.send(_request(sandbox, "sandbox-garbage", stream=stream))
        assert (garbage.status, b'"choices": [}' in garbage.body) == (200, True)
    for model in ("sandbox-slow-head-50", "sandbox-slow-content-50"):
        late = await transport.send(_request(sandbox, model, stream=True))
        assert late.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("model", ["sandbox-silent", "sandbox-slow-content"])
async def test_disconnected_client_is_noticed(
    sandbox: Sandbox, transport: HttpTransport, model: str
) -> None:
    async with transport.stream(_request(sandbox, model, stream=True)) as stream:
        assert stream.head.status == 200
    recorded = sandbox.requests[0]
    with anyio.fail_after(WAIT_MAX_S):
        while not recorded.client_left:
            await anyio.lowlevel.checkpoint()


async def test_closing_ends_hanging_answers(transport: HttpTransport) -> None:
    async with Sandbox() as sandbox, anyio.create_task_group() as tasks:

        async def read() -> None:
            with pytest.raises(StreamInterrupted):
                await transport.send(_request(sandbox, "sandbox-silent", stream=True))

        tasks.start_soon(read)
        while not sandbox.requests:
            await anyio.lowlevel.checkpoint()
        with anyio.fail_after(WAIT_MAX_S):
            await sandbox.__aexit__(None, None, None)


# --- keys and control ---


async def _status(transport: HttpTransport, sandbox: Sandbox, key: str) -> int:
    return (await transport.send(_request(sandbox, "sandbox-echo", key))).status


async def test_key_dies_after_its_uses(transport: HttpTransport) -> None:
    async with Sandbox() as sandbox:
        for key in ("sandbox-key-dies-after-3-a", "sandbox-key-dies-after-3-b"):
            statuses = [await _status(transport, sandbox, key) for _ in range(5)]
            assert statuses == [200, 200, 200, 401, 401]
        assert await _status(transport, sandbox, "sandbox-key-dies-after-0-x") == 401
        assert await _status(transport, sandbox, "sandbox-key-dies-after-x") == 200
        sandbox.set_key_valid("sandbox-key-dies-after-3-a", valid=True)
        statuses = [await _status(transport, sandbox, "sandbox-key-dies-after-3-a") for _ in "1234"]
        assert statuses == [200] * 4, "a key that is given back does not die again"


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ("no-funds-1", 402),
        ("rate-limit", 429),
        ("forbidden-x-y", 403),
        ("overloaded-1", 503),
        ("server-error-1", 500),
        ("no-fundss", 200),
        ("mine-no-funds", 200),
    ],
)
async def test_key_asks_for_an_error(transport: HttpTransport, wish: str, status: int) -> None:
    async with Sandbox() as sandbox:
        for _ in range(2):
            assert await _status(transport, sandbox, f"sandbox-key-{wish}") == status
        assert await _status(transport, sandbox, f"other-{wish}") == 401


async def _control(
    transport: HttpTransport,
    sandbox: Sandbox,
    path: str,
    body: object,
    **headers: str,
) -> tuple[int, dict[str, str]]:
    names = {"content-type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    request = HttpRequest(
        "POST",
        f"{sandbox.origin}/control/{path}",
        Headers(list(names.items())),
        body if isinstance(body, bytes) else json.dumps(body).encode(),
    )
    response = await transport.send(request)
    return response.status, json.loads(response.body)


async def test_control_takes_a_key_back_and_gives_it_again(transport: HttpTransport) -> None:
    async with Sandbox() as sandbox:
        for body, status in (
            ({"key": KEY, "valid": False}, 401),
            ({"key": KEY, "valid": True}, 200),
            ({"key": KEY, "error": "no_funds"}, 402),
            ({"key": KEY, "error": "rate_limit"}, 429),
            ({"key": KEY, "valid": True}, 200),
        ):
            assert await _control(transport, sandbox, "keys", body) == (200, {})
            assert await _status(transport, sandbox, KEY) == status
        assert await _status(transport, sandbox, "unknown-1") == 401
        await _control(transport, sandbox, "keys", {"key": "unknown-1", "valid": True})
        assert await _status(transport, sandbox, "unknown-1") == 200


async def test_control_fails_the_next_requests(transport: HttpTransport) -> None:
    async with Sandbox() as sandbox:
        body = {"count": 2, "status": 503}
        assert await _control(transport, sandbox, "failures", body) == (200, {})
        assert [await _status(transport, sandbox, KEY) for _ in range(3)] == [503, 503, 200]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("keys", {"key": KEY, "valid": False}, {"origin": "http://evil.example"}, 403),
        ("keys", {"key": KEY, "valid": False}, {"host": "evil.example"}, 403),
        ("keys", {"key": KEY, "valid": False}, {"content_type": "text/plain"}, 415),
        ("keys", {"key": KEY}, {}, 400),
        ("keys", {"key": KEY, "valid": False, "error": "no_funds"}, {}, 400),
        ("keys", {"key": KEY, "error": "nothing"}, {}, 400),
        ("keys", {"key": KEY, "valid": False, "more": 1}, {}, 400),
        ("keys", [], {}, 400),
        ("keys", b"{", {}, 400),
        ("failures", {"count": 1, "status": 200}, {}, 400),
        ("everything", {}, {}, 404),
    ],
)
async def test_control_refuses_what_it_should_not_do(
    transport: HttpTransport, path: str, body: object, headers: dict[str, str], status: int
) -> None:
    async with Sandbox() as sandbox:
        answered, error = await _control(transport, sandbox, path, body, **headers)
        assert answered == status
        assert error["error"]
        assert KEY not in error["error"]
        assert await _status(transport, sandbox, KEY) == 200
        assert len(sandbox.requests) == 1, "only requests for a provider are recorded"


# --- as a process --------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["stdin", "SIGTERM"])
async def test_process_ends_with_stdin_and_sigterm(transport: HttpTransport, end: str) -> None:
    async with await anyio.open_process(
        [sys.executable, "-m", "byokd.sandbox", "--port", "0", "--key", "mine-"],
        env={"PYTHONPATH": str(Path(byokd.__file__).parents[1])},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ready = json.loads(await process.stdout.receive())
        running = Sandbox()
        running.base_url = ready["baseUrl"]
        assert (await transport.send(_request(running, "sandbox-echo", "mine-1"))).status == 200
        assert (await transport.send(_request(running, "sandbox-echo", KEY))).status == 401
        if end == "stdin":
            await process.stdin.aclose()
        else:
            process.send_signal(signal.SIGTERM)
        with anyio.fail_after(WAIT_MAX_S):
            assert await process.wait() == 0
