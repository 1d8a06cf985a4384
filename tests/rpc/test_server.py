"""The server over real pipes: every request is answered exactly once, whatever happens to it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from byokd.core.limits import (
    INITIALIZE_WARNINGS_MAX,
    OUTBOX_MAX_BYTES,
    PROMPTS_MAX,
    REQUESTS_IN_FLIGHT_MAX,
    STREAMS_MAX,
)
from byokd.protocol.error_data import PartialAnswer
from byokd.protocol.errors import ByokdError, KeyMissing
from byokd.protocol.events import TextDelta
from byokd.protocol.key import KeyChanged, KeyListResult
from byokd.protocol.lifecycle import MessageAction, PromptMeta, ShowMessageRequest
from byokd.protocol.parts import Answer, TextPart
from byokd.protocol.usage import Cost
from byokd.rpc.framing import frame
from rpc_harness import CHAT, PipeClient, ScriptedAnswer, ScriptedApp, connect
from waits import WAIT_MAX_S

pytestmark = pytest.mark.anyio

CANARY = "sk-test-0123456789abcdef"
NO_KEYS = KeyListResult(items=(), next_cursor=None)
INTERNAL, INVALID_REQUEST, CANCELLED, NOT_INITIALIZED = -32603, -32600, -32800, -32002
CHANGED = KeyChanged(key_id="k", provider="p", change="stored", state=None, reason=None)

PARTIAL = PartialAnswer(
    message=Answer(content=(TextPart(text="x"),)), usage=None, cost=Cost(), failed_attempts=()
)


async def never(*_: object) -> Any:
    await asyncio.Event().wait()


async def no_keys(*_: object) -> Any:
    return NO_KEYS


def raising(error: BaseException) -> Callable[..., Awaitable[Any]]:
    async def run(*_: object) -> Any:
        raise error

    return run


def code(answer: Any) -> int | None:
    return answer["error"]["code"] if "error" in answer else None


def text_of(answer: Any) -> str:
    return "".join(part["text"] for part in answer["result"]["message"]["content"])


# --- what pygls 2.1.1 gets wrong (see the comment in rpc/server.py) -----------------------------

REQUEST = '{"jsonrpc":"2.0","id":9,"method":"key/list","params":%s}'

# name, what is sent as the one frame, the answer's id and code (None: a result)
TRAPS: list[tuple[str, str | bytes, object, int | None]] = [
    ("a nested jsonrpc key", REQUEST % '{"_meta":{"jsonrpc":"2.0","method":"exit"}}', 9, None),
    ("a nested request", REQUEST % '{"_meta":{"jsonrpc":"2.0","id":9,"method":"m"}}', 9, None),
    ("keys that are no identifiers", REQUEST % '{"_meta":{"a-b":1,"class":2,"_x":3}}', 9, None),
    ("a type_name key", REQUEST % '{"_meta":{"type_name":"T"}}', 9, None),
    ("params of the wrong type", REQUEST % '{"limit":"many"}', 9, -32602),
    ("an unknown field", REQUEST % '{"nope":1}', 9, -32602),
    ("params by position", REQUEST % "[1,2]", 9, -32602),
    ("params as text", REQUEST % '"x"', 9, -32602),
    ("params null", REQUEST % "null", 9, None),
    ("params as vscode-jsonrpc wraps them", REQUEST % '[{"limit":5},null]', 9, None),
    ("params as neovim empties them", REQUEST % "[]", 9, None),
    ("not JSON", "{nope", None, -32700),
    ("not UTF-8", b'{"jsonrpc":"2.0","id":9,"method":"key/list","params":"\xff"}', 9, -32700),
    ("NaN", REQUEST % '{"limit":NaN}', 9, -32700),
    ("lone surrogate", REQUEST % r'{"cursor":"\ud800"}', 9, -32700),
    ("same key twice", REQUEST % '{"limit":1,"limit":2}', 9, -32700),
    ("no version", '{"id":9,"method":"key/list"}', 9, INVALID_REQUEST),
    ("wrong version", '{"jsonrpc":"1.0","id":9,"method":"key/list"}', 9, INVALID_REQUEST),
    ("null id", '{"jsonrpc":"2.0","id":null,"method":"key/list"}', None, INVALID_REQUEST),
    ("float id", '{"jsonrpc":"2.0","id":1.5,"method":"key/list"}', None, INVALID_REQUEST),
    ("object id", '{"jsonrpc":"2.0","id":{},"method":"key/list"}', None, INVALID_REQUEST),
    ("batch", f"[{REQUEST % 'null'}]", None, INVALID_REQUEST),
    ("unknown method", REQUEST.replace("key/list", "no/such") % "{}", 9, -32601),
    ("unknown $/ method", REQUEST.replace("key/list", "$/such") % "{}", 9, -32601),
    ("a notification's name as request", REQUEST.replace("key/list", "exit") % "{}", 9, -32601),
    ("an LSP method", REQUEST.replace("key/list", "textDocument/hover") % "{}", 9, -32601),
    ("too deep", REQUEST % ("[" * 200 + "]" * 200), 9, INVALID_REQUEST),
]


@pytest.mark.parametrize(
    ("body", "id_", "wanted"), [row[1:] for row in TRAPS], ids=[row[0] for row in TRAPS]
)
async def test_message_gets_one_answer(body: str | bytes, id_: object, wanted: int | None) -> None:
    async with connect() as (client, app):
        app.behaviours["key/list"] = no_keys
        await client.initialize()
        client.send(frame(body if isinstance(body, bytes) else body.encode()))
        answer = await client.answer(id_)
        await client.settled()
        assert code(answer) == wanted
        assert len(client.answers(id_)) == 1


async def test_params_reach_the_service_unchanged() -> None:
    async with connect() as (client, app):
        app.behaviours["key/list"] = no_keys
        await client.initialize()
        meta = {"a-b": 1, "class": 2, "_x": [{"jsonrpc": "2.0", "id": 1, "result": None}]}
        await client.call(1, "key/list", {"limit": 7, "_meta": meta})
        (_, params) = app.calls[-1]
        assert (params.limit, params.meta) == (7, meta)


# --- frames --------------------------------------------------------------------------------------

FRAMES: list[tuple[str, bytes, int, bool]] = [  # name, bytes, code of the answer, is it fatal
    ("huge length", b"Content-Length: 9999999999\r\n\r\n", INVALID_REQUEST, False),
    ("4301 digits", b"Content-Length: " + b"1" * 4050 + b"\r\n\r\n", -32700, True),
    ("conflicting lengths", b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n", -32700, True),
    ("a line without end", b"X" * 5000, -32700, True),
    ("json lines", b'{"jsonrpc":"2.0","id":1,"method":"initialize"}\n', -32700, True),
    ("empty body", b"Content-Length: 0\r\n\r\n", -32700, False),
    ("unknown charset", b"Content-Type: a; charset=x\nContent-Length: 2\n\n{}", -32700, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "wanted", "is_fatal"), [row[1:] for row in FRAMES], ids=[row[0] for row in FRAMES]
)
async def test_bad_frame_is_answered(*, data: bytes, wanted: int, is_fatal: bool) -> None:
    async with connect() as (client, app):
        await client.initialize()
        client.send(data)
        assert code(await client.answer(None)) == wanted
        if is_fatal:
            async with asyncio.timeout(WAIT_MAX_S):
                assert await client.served == 1
            assert app.closed == 1
        elif b"9999999999" not in data:
            await client.settled()


# --- lifecycle -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("methods", "wanted"),
    [
        (["provider/list"], NOT_INITIALIZED),
        (["no/such"], NOT_INITIALIZED),
        (["shutdown"], NOT_INITIALIZED),
        (["initialize"], None),
        (["initialize", "provider/list"], None),  # without initialized
        (["initialize", "initialize"], INVALID_REQUEST),
        (["initialize", "shutdown"], None),
        (["initialize", "shutdown", "provider/list"], INVALID_REQUEST),
        (["initialize", "shutdown", "shutdown"], INVALID_REQUEST),
        (["initialize", "shutdown", "initialize"], INVALID_REQUEST),
    ],
)
async def test_lifecycle_order(methods: list[str], wanted: int | None) -> None:
    async with connect() as (client, _):
        for id_, method in enumerate(methods):  # all are sent before the first answer
            client.send_request(id_, method, {} if method != "shutdown" else None)
        answers = [await client.answer(id_) for id_ in range(len(methods))]
        assert [code(answer) for answer in answers[:-1]] == [None] * (len(methods) - 1)
        assert code(answers[-1]) == wanted


@pytest.mark.parametrize(("with_shutdown", "wanted"), [(True, 0), (False, 1)])
async def test_exit_code(*, with_shutdown: bool, wanted: int) -> None:
    async with connect() as (client, app):
        await client.initialize()
        if with_shutdown:
            assert (await client.call(1, "shutdown"))["result"] is None
        client.notify("exit")
        async with asyncio.timeout(WAIT_MAX_S):
            assert await client.served == wanted
        assert app.closed == 1


async def test_end_of_input_ends_requests_and_app() -> None:
    async with connect() as (client, app):
        app.behaviours["key/list"] = never
        app.answers["s"] = lambda _: answer
        answer = ScriptedAnswer([[TextDelta("b", "x")]] * 2, pace=never)
        await client.initialize()
        client.send_request(1, "key/list")
        client.send_request(2, "chat/send", CHAT | {"streamId": "s"})
        await client.settled()
        client.close_stdin()
        async with asyncio.timeout(WAIT_MAX_S):
            assert await client.served == 0
        assert (app.closed, answer.closed) == (1, True)


INITIALIZE: list[tuple[Any, int | None]] = [
    ({}, None),
    (None, None),
    ({"capabilities": {}, "rootUri": None, "processId": None, "trace": "off"}, None),
    ({"initializationOptions": []}, None),  # Neovim's empty table
    ({"initializationOptions": "text"}, None),
    ({"initializationOptions": {"other": 1}}, None),
    ({"initializationOptions": {"byokd": []}}, None),
    ({"initializationOptions": {"byokd": {"future": True}}}, None),
    ({"clientInfo": {"name": "x", "title": "X"}}, None),
    ({"initializationOptions": {"byokd": {"account": "../x"}}}, -32602),
    ({"processId": "12"}, None),
    ({"processId": "many"}, -32602),
]


@pytest.mark.parametrize(("params", "wanted"), INITIALIZE)
async def test_initialize_params(params: Any, wanted: int | None) -> None:
    async with connect() as (client, _):
        answer = await client.call(1, "initialize", params)
        assert code(answer) == wanted
        if wanted is None:
            byokd = answer["result"]["capabilities"]["experimental"]["byokd"]
            assert byokd["protocolVersion"] == 1
            assert byokd["vault"]["state"] == "checking"
            assert answer["result"]["serverInfo"]["name"] == "byokd"
        else:
            assert code(await client.call(2, "initialize", {})) is None  # it may be repeated


async def test_session_has_account_and_client_name() -> None:
    async with connect() as (client, app):
        options = {"initializationOptions": {"byokd": {"account": "work"}}}
        await client.call(1, "initialize", options | {"clientInfo": {"name": "vim"}})
        assert app.session is not None
        assert (app.session.account, app.session.actor) == ("work", "vim")


async def test_services_are_built_after_initialized_and_not_before() -> None:
    async with connect() as (client, app):
        await client.call(1, "initialize", {})
        await client.call(2, "provider/list", {})
        assert app.builds == 0
        client.notify("initialized", {})
        client.notify("initialized", {})
        async with asyncio.timeout(WAIT_MAX_S):
            while not app.builds:
                await client.settled()
        assert app.builds == 1


async def test_services_that_cannot_be_built_give_an_error() -> None:
    async with connect() as (client, app):
        app.services = raising(OSError("disk"))  # type: ignore[assignment,method-assign]
        await client.initialize()
        assert code(await client.call(1, "key/list")) == INTERNAL


# --- exactly one answer --------------------------------------------------------------------------

OUTCOMES: list[tuple[str, Callable[..., Awaitable[Any]], int | None]] = [
    ("a result", no_keys, None),
    ("an error of byokd", raising(KeyMissing("store a key first")), -31010),
    ("the root of the error tree", raising(ByokdError("x")), INTERNAL),
    ("another exception", raising(ValueError(CANARY)), INTERNAL),
    ("a group of errors", raising(ExceptionGroup("g", [ValueError(CANARY)])), INTERNAL),
    ("an error with invalid data", raising(KeyMissing("x", http_status="?")), INTERNAL),
    ("an error whose data cannot be written", raising(KeyMissing("\ud800")), INTERNAL),
    ("a cancellation without a request for it", raising(asyncio.CancelledError()), INTERNAL),
]


@pytest.mark.parametrize(
    ("behaviour", "wanted"), [row[1:] for row in OUTCOMES], ids=[row[0] for row in OUTCOMES]
)
async def test_outcome_of_a_service_gives_one_answer(
    behaviour: Callable[..., Awaitable[Any]], wanted: int | None
) -> None:
    async with connect() as (client, app):
        app.behaviours["key/list"] = behaviour
        await client.initialize()
        answer = await client.call(1, "key/list")
        await client.settled()
        assert code(answer) == wanted
        assert len(client.answers(1)) == 1
        assert CANARY not in json.dumps(client.messages)
        assert "raceback" not in json.dumps(client.messages)
        if wanted is not None:
            data = answer["error"]["data"]
            assert data["errorId"]
            assert data["userMessage"] == answer["error"]["message"]
        app.behaviours["key/list"] = no_keys
        client.send_request(1, "key/list")  # the id is free again
        await client.until(lambda m: m.get("id") == 1 and "result" in m)


async def test_cancelled_request_is_answered_once() -> None:
    async with connect() as (client, app):
        app.behaviours["key/list"] = never
        await client.initialize()
        client.send_request(1, "key/list")
        await client.settled()
        client.notify("$/cancelRequest", {"id": 1})
        client.notify("$/cancelRequest", {"id": 1})
        assert code(await client.answer(1)) == CANCELLED
        client.notify("$/cancelRequest", {"id": 1})
        await client.settled()
        assert len(client.answers(1)) == 1


async def test_cancel_before_the_service_runs() -> None:
    async with connect() as (client, app):
        app.behaviours["key/list"] = no_keys
        await client.initialize()
        before = len(app.calls)
        messages = [
            {"jsonrpc": "2.0", "id": 1, "method": "key/list"},
            {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 1}},
        ]
        client.send(b"".join(frame(json.dumps(m).encode()) for m in messages))
        assert code(await client.answer(1)) == CANCELLED
        assert len(app.calls) == before


async def test_service_that_ignores_its_cancel_still_answers() -> None:
    async def ignores_cancel(*_: object) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return NO_KEYS

    async with connect() as (client, app):
        app.behaviours["key/list"] = ignores_cancel
        await client.initialize()
        client.send_request(1, "key/list")
        await client.settled()
        client.notify("$/cancelRequest", {"id": 1})
        assert "result" in await client.answer(1)


@pytest.mark.parametrize("params", [None, {}, [], {"id": None}, {"id": {}}, {"id": "unknown"}, 5])
async def test_cancel_of_no_request_is_ignored(params: Any) -> None:
    async with connect() as (client, _):
        await client.initialize()
        client.notify("$/cancelRequest", params)
        await client.settled()
        assert [m["id"] for m in client.messages] == ["init", "ping-1"]


async def test_id_of_a_running_request_is_refused() -> None:
    async with connect() as (client, app):
        app.behaviours["key/list"] = never
        await client.initialize()
        client.send_request(1, "key/list")
        await client.settled()
        assert code(await client.call(1, "provider/list")) == INVALID_REQUEST
        assert (
            code(await client.call("1", "provider/list")) is None
        )  # a text is another id than a number
        client.notify("$/cancelRequest", {"id": 1})
        await client.until(lambda m: m.get("id") == 1 and code(m) == CANCELLED)
        assert [code(answer) for answer in client.answers(1)] == [INVALID_REQUEST, CANCELLED]


async def test_notifications_are_never_answered() -> None:
    async with connect() as (client, _):
        client.notify("key/list", {})  # before initialize too
        await client.initialize()
        for method in ("key/list", "no/such", "$/setTrace", "$/such", "initialize", "shutdown"):
            client.notify(method, {"nope": 1})
        client.send({"jsonrpc": "2.0", "id": "s:99", "result": 1})  # an answer to no request
        await client.settled()
        assert [m["id"] for m in client.messages] == ["init", "ping-1"]


async def test_running_requests_are_limited() -> None:
    async with connect() as (client, app):
        app.behaviours["key/list"] = never
        await client.initialize()
        for id_ in range(REQUESTS_IN_FLIGHT_MAX):
            client.send_request(id_, "key/list")
        answer = await client.call("more", "provider/list")
        assert code(answer) == -32001
        assert answer["error"]["data"]["retryable"] is True
        assert len(client.messages) == 2
        client.notify("$/cancelRequest", {"id": 0})
        await client.answer(0)
        assert code(await client.call("again", "provider/list")) is None


# --- chats ---------------------------------------------------------------------------------------


def chat(stream_id: str, **more: Any) -> dict[str, Any]:
    return CHAT | {"streamId": stream_id} | more


async def test_events_precede_the_answer() -> None:
    async with connect() as (client, app):
        batches = [[TextDelta("b", f"{n} ")] for n in range(200)]
        for name in "ab":
            app.answers[name] = lambda _: ScriptedAnswer(batches)
        await client.initialize()
        client.send_request("a", "chat/send", chat("a"))
        client.send_request("b", "chat/send", chat("b"))
        for name in "ab":
            answer = await client.answer(name)
            await client.settled()
            events_at = [
                index
                for index, message in enumerate(client.messages)
                if message.get("params", {}).get("streamId") == name
            ]
            assert max(events_at) < client.messages.index(answer)
            text = "".join(
                event["delta"]
                for index in events_at
                for event in client.messages[index]["params"]["events"]
            )
            assert text == text_of(answer)


@pytest.mark.parametrize(
    ("options", "params"),
    [({}, {"stream": False}), ({"optOutNotifications": ["chat/events"]}, {})],
)
async def test_chat_without_events(options: Any, params: Any) -> None:
    async with connect() as (client, app):
        app.answers["s"] = lambda _: ScriptedAnswer([[TextDelta("b", "x")]] * 3)
        await client.initialize(**options)
        answer = await client.call(1, "chat/send", chat("s", **params))
        assert text_of(answer) == "xxx"
        assert client.notifications("chat/events") == []


async def test_failed_chat_ends_with_its_error() -> None:
    async with connect() as (client, app):
        error = KeyMissing("store a key first", partial=PARTIAL)
        app.answers["s"] = lambda _: ScriptedAnswer([[TextDelta("b", "x")]], error=error)
        await client.initialize()
        answer = await client.call(1, "chat/send", chat("s"))
        assert code(answer) == -31010
        expected = PARTIAL.model_dump(mode="json", by_alias=True)
        assert answer["error"]["data"]["partial"] == expected
        assert client.messages[-1] is answer
        assert len(client.notifications("chat/events")) == 1
        app.answers["s"] = lambda _: ScriptedAnswer([])
        assert "result" in await client.call(2, "chat/send", chat("s"))  # the id is free again


@pytest.mark.parametrize("after", [0, 1])
async def test_cancelled_chat_returns_its_partial_message(after: int) -> None:
    async with connect() as (client, app):
        pace = asyncio.Semaphore(after)
        answer = ScriptedAnswer([[TextDelta("b", "x")]] * 9, pace=pace.acquire)
        app.answers["s"] = lambda _: answer
        await client.initialize()
        client.send_request(1, "chat/send", chat("s"))
        if after:
            await client.until(lambda m: m.get("method") == "chat/events")
        client.notify("$/cancelRequest", {"id": 1})
        done = await client.answer(1)
        assert done["result"]["finishReason"]["unified"] == "cancelled"
        assert text_of(done) == "x" * after
        assert answer.closed


async def test_chat_cancelled_while_services_are_built() -> None:
    async with connect() as (client, app):
        app.build_allowed = asyncio.Event()
        app.answers["s"] = lambda _: ScriptedAnswer([[TextDelta("b", "x")]], pace=never)
        await client.initialize()
        client.send_request(1, "chat/send", chat("s"))
        client.notify("$/cancelRequest", {"id": 1})
        await client.settled()
        assert client.answers(1) == []
        app.build_allowed.set()
        result = (await client.answer(1))["result"]
        assert result["finishReason"]["unified"] == "cancelled"


async def test_id_of_a_running_stream_is_refused() -> None:
    async with connect() as (client, app):
        app.answers["s"] = lambda _: ScriptedAnswer([[TextDelta("b", "x")]], pace=never)
        await client.initialize()
        client.send_request(1, "chat/send", chat("s"))
        assert code(await client.call(2, "chat/send", chat("s"))) == -31050
        client.notify("$/cancelRequest", {"id": 1})
        assert "result" in await client.answer(1)


async def test_running_streams_are_limited() -> None:
    async with connect() as (client, app):
        await client.initialize()
        for n in range(STREAMS_MAX + 1):
            app.answers[f"s{n}"] = lambda _: ScriptedAnswer([[]], pace=never)
            client.send_request(n, "chat/send", chat(f"s{n}"))
        assert code(await client.answer(STREAMS_MAX)) == -32001
        assert len(client.messages) == 2
        client.notify("$/cancelRequest", {"id": 0})
        await client.answer(0)
        app.answers["t"] = lambda _: ScriptedAnswer([])
        assert "result" in await client.call("t", "chat/send", chat("t"))


async def test_chat_pauses_while_the_client_does_not_read() -> None:
    async with connect() as (client, app):
        answer = ScriptedAnswer([[TextDelta("b", "x" * 10_000)]] * 200)
        app.answers["s"] = lambda _: answer
        app.behaviours["key/list"] = no_keys
        await client.initialize()
        client.stop_reading()
        client.send_request(1, "chat/send", chat("s"))
        for _ in range(2000):
            await asyncio.sleep(0)
        assert 0 < answer.batches_sent < 60  # at most 256 KiB, a full pipe and the write in between
        client.send_request(2, "key/list")
        for _ in range(2000):
            await asyncio.sleep(0)
        assert app.calls[-1][0] == "key/list"
        client.start_reading()
        chat_answer = await client.answer(1)
        assert text_of(chat_answer) == "x" * 2_000_000
        batches = [params["events"] for params in client.notifications("chat/events")]
        assert sum(len(event["delta"]) for batch in batches for event in batch) == 2_000_000
        assert client.messages.index(client.answers(2)[0]) < client.messages.index(chat_answer)


async def test_requests_are_not_read_while_answers_are_unread() -> None:
    async with connect() as (client, _):
        await client.initialize()
        client.stop_reading()
        much = "x" * (OUTBOX_MAX_BYTES - 500_000)
        client.connection._outbox.send(json.dumps({"method": "much", "params": much}).encode())
        os.set_blocking(client.write_fd, False)
        request = frame(json.dumps({"jsonrpc": "2.0", "id": "x" * 100, "method": "no"}).encode())
        sent, blocked, rest = 0, 0, b""
        while blocked < 500:  # until the server reads no more
            rest = rest or request * 300
            try:
                written = os.write(client.write_fd, rest)
                sent, blocked, rest = sent + written, 0, rest[written:]
            except BlockingIOError:
                blocked += 1
            await asyncio.sleep(0)
        held = client.connection._outbox.held_bytes
        print(
            f"\nunread answers: {sent // len(request)} requests taken, {held / 2**20:.1f} MiB held"
        )
        assert OUTBOX_MAX_BYTES <= held < OUTBOX_MAX_BYTES + 1024
        client.start_reading()
        async with asyncio.timeout(WAIT_MAX_S):
            while client.connection._outbox.full:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0)


UNKNOWN: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"protocolVersion": 1, "capabilities": {"prompt": True}, "clientInfo": {"name": "x"}}, []),
    ({"optOutNotification": ["key/changed"]}, ["optOutNotification"]),
    ({"capabilities": {"prompts": True}, "acount": "x"}, ["capabilities.prompts", "acount"]),
    ({"features": {"sharedpool": {"a": 1}}}, ["features.sharedpool"]),
    ({"clientInfo": {"name": "x", "title": "y"}}, ["clientInfo.title"]),
    ({"client_info": {"name": "x"}}, ["client_info"]),
]


@pytest.mark.parametrize(("options", "unknown"), UNKNOWN)
async def test_unknown_options_are_warned_of_and_not_refused(
    caplog: pytest.LogCaptureFixture, options: dict[str, Any], unknown: list[str]
) -> None:
    async with connect() as (client, _):
        answer = await client.initialize(**options)
        warnings = answer["result"]["capabilities"]["experimental"]["byokd"]["warnings"]
    places = [f"initializationOptions.byokd.{name}" for name in unknown if "_" not in name]
    places += ["a field of initializationOptions.byokd" for name in unknown if "_" in name]
    assert warnings == [f"{place} is not known and is ignored" for place in places]
    assert [record.message for record in caplog.records if "initialize" in record.message] == [
        f"initialize: {warning}" for warning in warnings
    ]


@pytest.mark.parametrize("count", [INITIALIZE_WARNINGS_MAX, INITIALIZE_WARNINGS_MAX + 1])
async def test_warnings_of_options_are_bounded_and_quote_no_secret(count: int) -> None:
    async with connect() as (client, _):
        names = [f"sk-canary-{number}" for number in range(count)]
        answer = await client.initialize(**dict.fromkeys(names, "sk-canary"))
        warnings = answer["result"]["capabilities"]["experimental"]["byokd"]["warnings"]
        assert len(warnings) == INITIALIZE_WARNINGS_MAX
        assert "canary" not in json.dumps(answer)


# --- notifications and prompts -------------------------------------------------------------------

PROMPT = ShowMessageRequest(
    type=2,
    message="disabled",
    actions=(MessageAction(title="A"), MessageAction(title="B")),
    meta=PromptMeta(topic="key", reason="rejected"),
)


async def test_opted_out_notification_is_not_sent() -> None:
    async with connect() as (client, app):
        await client.initialize(optOutNotifications=["vault/changed"])
        assert app.session is not None
        app.session.client.notify("vault/changed", CHANGED)
        app.session.client.notify("key/changed", CHANGED)
        await client.settled()
        assert client.notifications("vault/changed") == []
        assert client.notifications("key/changed") == [
            {"keyId": "k", "provider": "p", "change": "stored", "state": None, "reason": None}
        ]


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ({"result": {"title": "B"}}, "B"),
        ({"result": {"title": "never offered"}}, None),
        ({"result": None}, None),
        ({"result": []}, None),
        ({"error": {"code": -32601, "message": "no"}}, None),
    ],
)
async def test_prompt_returns_the_chosen_action(reply: Any, wanted: str | None) -> None:
    async with connect() as (client, app):
        await client.initialize(capabilities={"prompt": True})
        assert app.session is not None
        prompt = asyncio.create_task(app.session.client.prompt(PROMPT))
        request = await client.until(lambda m: m.get("method") == "window/showMessageRequest")
        assert request["id"] == "s:1"
        assert request["params"] == PROMPT.model_dump(mode="json", by_alias=True)
        client.send({"jsonrpc": "2.0", "id": request["id"]} | reply)
        assert await prompt == wanted


async def test_client_without_prompts_is_not_asked() -> None:
    async with connect() as (client, app):
        await client.initialize()
        assert app.session is not None
        assert await app.session.client.prompt(PROMPT) is None
        assert len(client.messages) == 1


async def test_prompt_of_a_closed_client_is_dismissed() -> None:
    async with connect() as (client, app):
        await client.initialize(capabilities={"prompt": True})
        assert app.session is not None
        prompt = asyncio.create_task(app.session.client.prompt(PROMPT))
        await client.until(lambda m: m.get("method") == "window/showMessageRequest")
        client.close_stdin()
        assert await prompt is None


async def test_prompts_are_shown_one_at_a_time() -> None:
    async with connect() as (client, app):
        await client.initialize(capabilities={"prompt": True})
        assert app.session is not None
        prompts = [asyncio.create_task(app.session.client.prompt(PROMPT)) for _ in range(3)]
        for number, wanted in enumerate(("A", "B", "A"), start=1):
            shown = await client.until(lambda m, id_=f"s:{number}": m.get("id") == id_)  # type: ignore[misc]
            await client.settled()
            assert _shown(client) == number, "the next one waits for the answer"
            assert not app.session.client.can_prompt
            client.send({"jsonrpc": "2.0", "id": shown["id"], "result": {"title": wanted}})
        assert await asyncio.gather(*prompts) == ["A", "B", "A"]
        assert app.session.client.can_prompt


async def test_prompt_without_an_answer_is_withdrawn_and_the_next_is_shown() -> None:
    app = ScriptedApp()
    app.prompt_timeout_ms = 1
    async with connect(app) as (client, _):
        await client.initialize(capabilities={"prompt": True})
        assert app.session is not None
        prompts = [asyncio.create_task(app.session.client.prompt(PROMPT)) for _ in range(2)]
        assert await asyncio.gather(*prompts) == [None, None]
        await client.settled()
        sent = [(m["method"], m["params"].get("id")) for m in client.messages if "method" in m]
        assert sent == [
            ("window/showMessageRequest", None),
            ("$/cancelRequest", "s:1"),
            ("window/showMessageRequest", None),
            ("$/cancelRequest", "s:2"),
        ]


@pytest.mark.parametrize("count", [PROMPTS_MAX, PROMPTS_MAX + 1])
async def test_waiting_prompts_are_bounded(count: int) -> None:
    async with connect() as (client, app):
        await client.initialize(capabilities={"prompt": True})
        assert app.session is not None
        prompts = [asyncio.create_task(app.session.client.prompt(PROMPT)) for _ in range(count)]
        await client.until(lambda m: m.get("id") == "s:1")
        await client.settled()
        assert sum(prompt.done() for prompt in prompts) == count - PROMPTS_MAX
        client.close_stdin()
        assert await asyncio.gather(*prompts) == [None] * count
        assert _shown(client) == 1, "a closed client is asked nothing more"


def _shown(client: PipeClient) -> int:
    return sum(m.get("method") == "window/showMessageRequest" for m in client.messages)


async def test_pygls_cannot_write_past_the_outbox() -> None:
    async with connect(ScriptedApp()) as (client, _):
        protocol = client.connection._server.protocol
        senders: list[Callable[..., Any]] = [protocol.notify, protocol.send_request]
        for send in senders:
            with pytest.raises(RuntimeError):
                send("x", {})
        with pytest.raises(RuntimeError):
            protocol.structure_message({"jsonrpc": "2.0"})
        assert client.messages == []
