"""The whole door on real pipes: every request is answered exactly once, whatever happens to it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from byokd.core.limits import OUTBOX_MAX_BYTES, REQUESTS_IN_FLIGHT_MAX, STREAMS_MAX
from byokd.protocol.errors import ByokdError, KeyMissing
from byokd.protocol.events import TextDelta
from byokd.protocol.key import KeyChanged, KeyListResult
from byokd.protocol.lifecycle import MessageAction, ShowMessageRequest
from byokd.rpc.framing import frame
from rpc_harness import CHAT, ScriptedAnswer, ScriptedApp, door

pytestmark = pytest.mark.anyio

CANARY = "sk-test-0123456789abcdef"
NO_KEYS = KeyListResult(items=(), next_cursor=None)
INTERNAL, INVALID_REQUEST, CANCELLED, NOT_INITIALIZED = -32603, -32600, -32800, -32002
CHANGED = KeyChanged(key_id="k", provider="p", change="stored", state=None, reason=None)


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


# --- what pygls 2.1.1 gets wrong (see the module docstring of rpc/server.py) ----------------------

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
async def test_trap(body: str | bytes, id_: object, wanted: int | None) -> None:
    async with door() as (client, app):
        app.does["key/list"] = no_keys
        await client.initialize()
        client.say(frame(body if isinstance(body, bytes) else body.encode()))
        answer = await client.answer(id_)
        await client.settled()
        assert code(answer) == wanted
        assert len(client.answers(id_)) == 1


async def test_params_arrive_as_they_were_sent() -> None:
    async with door() as (client, app):
        app.does["key/list"] = no_keys
        await client.initialize()
        meta = {"a-b": 1, "class": 2, "_x": [{"jsonrpc": "2.0", "id": 1, "result": None}]}
        await client.call(1, "key/list", {"limit": 7, "_meta": meta})
        (_, params) = app.asked[-1]
        assert (params.limit, params.meta) == (7, meta)


# --- frames --------------------------------------------------------------------------------------

FRAMES: list[tuple[str, bytes, int, bool]] = [  # name, bytes, code of the answer, is it the end
    ("huge length", b"Content-Length: 9999999999\r\n\r\n", INVALID_REQUEST, False),
    ("4301 digits", b"Content-Length: " + b"1" * 4050 + b"\r\n\r\n", -32700, True),
    ("conflicting lengths", b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n", -32700, True),
    ("a line without end", b"X" * 5000, -32700, True),
    ("json lines", b'{"jsonrpc":"2.0","id":1,"method":"initialize"}\n', -32700, True),
    ("empty body", b"Content-Length: 0\r\n\r\n", -32700, False),
    ("unknown charset", b"Content-Type: a; charset=x\nContent-Length: 2\n\n{}", -32700, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "wanted", "is_end"), [row[1:] for row in FRAMES], ids=[row[0] for row in FRAMES]
)
async def test_frame(*, data: bytes, wanted: int, is_end: bool) -> None:
    async with door() as (client, app):
        await client.initialize()
        client.say(data)
        assert code(await client.answer(None)) == wanted
        if is_end:
            async with asyncio.timeout(2):
                assert await client.served == 1
            assert app.closed == 1
        elif b"9999999999" not in data:
            await client.settled()


# --- lifecycle -----------------------------------------------------------------------------------

SHAKE: list[Any] = ["initialize"]


@pytest.mark.parametrize(
    ("said", "wanted"),
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
async def test_order(said: list[str], wanted: int | None) -> None:
    async with door() as (client, _):
        for id_, method in enumerate(said):
            client.ask(id_, method, {} if method != "shutdown" else None)  # all in one go
        answers = [await client.answer(id_) for id_ in range(len(said))]
        assert [code(one) for one in answers[:-1]] == [None] * (len(said) - 1)
        assert code(answers[-1]) == wanted


@pytest.mark.parametrize(("with_shutdown", "wanted"), [(True, 0), (False, 1)])
async def test_exit(*, with_shutdown: bool, wanted: int) -> None:
    async with door() as (client, app):
        await client.initialize()
        if with_shutdown:
            assert (await client.call(1, "shutdown"))["result"] is None
        client.tell("exit")
        async with asyncio.timeout(2):
            assert await client.served == wanted
        assert app.closed == 1


async def test_end_of_input_ends_everything_in_time() -> None:
    async with door() as (client, app):
        app.does["key/list"] = never
        app.answers["s"] = lambda _: answer
        answer = ScriptedAnswer([[TextDelta("b", "x")]] * 2, pace=never)
        await client.initialize()
        client.ask(1, "key/list")
        client.ask(2, "chat/send", CHAT | {"streamId": "s"})
        await client.settled()
        client.hang_up()
        async with asyncio.timeout(2):
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
async def test_initialize(params: Any, wanted: int | None) -> None:
    async with door() as (client, _):
        answer = await client.call(1, "initialize", params)
        assert code(answer) == wanted
        if wanted is None:
            byokd = answer["result"]["capabilities"]["experimental"]["byokd"]
            assert byokd["protocolVersion"] == 1
            assert byokd["vault"]["state"] == "checking"
            assert answer["result"]["serverInfo"]["name"] == "byokd"
        else:
            assert code(await client.call(2, "initialize", {})) is None  # it may try again


async def test_the_session_is_what_initialize_said() -> None:
    async with door() as (client, app):
        given = {"initializationOptions": {"byokd": {"account": "work"}}}
        await client.call(1, "initialize", given | {"clientInfo": {"name": "vim"}})
        assert app.session is not None
        assert (app.session.account, app.session.actor) == ("work", "vim")
        assert not app.session.can_prompt


async def test_rooms_are_opened_after_initialized_and_not_before() -> None:
    async with door() as (client, app):
        await client.call(1, "initialize", {})
        await client.call(2, "provider/list", {})
        assert app.opened == 0
        client.tell("initialized", {})
        client.tell("initialized", {})
        async with asyncio.timeout(2):
            while not app.opened:
                await client.settled()
        assert app.opened == 1


async def test_rooms_that_do_not_open_are_an_answer() -> None:
    async with door() as (client, app):
        app.services = raising(OSError("disk"))  # type: ignore[assignment,method-assign]
        await client.initialize()
        assert code(await client.call(1, "key/list")) == INTERNAL


# --- exactly one answer --------------------------------------------------------------------------

ENDS: list[tuple[str, Callable[..., Awaitable[Any]], int | None]] = [
    ("a result", no_keys, None),
    ("one of our errors", raising(KeyMissing("store a key first")), -31010),
    ("the root of our errors", raising(ByokdError("x")), INTERNAL),
    ("a foreign error", raising(ValueError(CANARY)), INTERNAL),
    ("a group of errors", raising(ExceptionGroup("g", [ValueError(CANARY)])), INTERNAL),
    ("an error with data that does not fit", raising(KeyMissing("x", http_status="?")), INTERNAL),
    ("an error whose data cannot be written", raising(KeyMissing("\ud800")), INTERNAL),
    ("a cancellation that nobody asked for", raising(asyncio.CancelledError()), INTERNAL),
]


@pytest.mark.parametrize(
    ("behaviour", "wanted"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS]
)
async def test_however_a_handler_ends(
    behaviour: Callable[..., Awaitable[Any]], wanted: int | None
) -> None:
    async with door() as (client, app):
        app.does["key/list"] = behaviour
        await client.initialize()
        answer = await client.call(1, "key/list")
        await client.settled()
        assert code(answer) == wanted
        assert len(client.answers(1)) == 1
        assert CANARY not in json.dumps(client.heard)
        assert "raceback" not in json.dumps(client.heard)
        if wanted is not None:
            data = answer["error"]["data"]
            assert data["errorId"]
            assert data["userMessage"] == answer["error"]["message"]
        app.does["key/list"] = no_keys
        client.ask(1, "key/list")  # the id is free again
        await client.until(lambda m: m.get("id") == 1 and "result" in m)


async def test_cancel() -> None:
    async with door() as (client, app):
        app.does["key/list"] = never
        await client.initialize()
        client.ask(1, "key/list")
        await client.settled()
        client.tell("$/cancelRequest", {"id": 1})
        client.tell("$/cancelRequest", {"id": 1})
        assert code(await client.answer(1)) == CANCELLED
        client.tell("$/cancelRequest", {"id": 1})
        await client.settled()
        assert len(client.answers(1)) == 1


async def test_cancel_before_the_handler_runs() -> None:
    async with door() as (client, app):
        app.does["key/list"] = no_keys
        await client.initialize()
        before = len(app.asked)
        messages = [
            {"jsonrpc": "2.0", "id": 1, "method": "key/list"},
            {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 1}},
        ]
        client.say(b"".join(frame(json.dumps(m).encode()) for m in messages))
        assert code(await client.answer(1)) == CANCELLED
        assert len(app.asked) == before


async def test_a_handler_that_survives_its_cancel_still_answers_once() -> None:
    async def stubborn(*_: object) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return NO_KEYS

    async with door() as (client, app):
        app.does["key/list"] = stubborn
        await client.initialize()
        client.ask(1, "key/list")
        await client.settled()
        client.tell("$/cancelRequest", {"id": 1})
        assert "result" in await client.answer(1)


@pytest.mark.parametrize("params", [None, {}, [], {"id": None}, {"id": {}}, {"id": "unknown"}, 5])
async def test_a_cancel_that_means_nothing_is_ignored(params: Any) -> None:
    async with door() as (client, _):
        await client.initialize()
        client.tell("$/cancelRequest", params)
        await client.settled()
        assert [m["id"] for m in client.heard] == ["init", "ping-1"]


async def test_a_live_id_cannot_be_used_twice() -> None:
    async with door() as (client, app):
        app.does["key/list"] = never
        await client.initialize()
        client.ask(1, "key/list")
        await client.settled()
        assert code(await client.call(1, "provider/list")) == INVALID_REQUEST
        assert code(await client.call("1", "provider/list")) is None  # text is another id
        client.tell("$/cancelRequest", {"id": 1})
        await client.until(lambda m: m.get("id") == 1 and code(m) == CANCELLED)
        assert [code(one) for one in client.answers(1)] == [INVALID_REQUEST, CANCELLED]


async def test_notifications_are_never_answered() -> None:
    async with door() as (client, _):
        client.tell("key/list", {})  # before initialize too
        await client.initialize()
        for method in ("key/list", "no/such", "$/setTrace", "$/such", "initialize", "shutdown"):
            client.tell(method, {"nope": 1})
        client.say({"jsonrpc": "2.0", "id": "s:99", "result": 1})  # an answer to nothing
        await client.settled()
        assert [m["id"] for m in client.heard] == ["init", "ping-1"]


async def test_requests_in_flight_have_a_bound() -> None:
    async with door() as (client, app):
        app.does["key/list"] = never
        await client.initialize()
        for id_ in range(REQUESTS_IN_FLIGHT_MAX):
            client.ask(id_, "key/list")
        answer = await client.call("more", "provider/list")
        assert code(answer) == -32001
        assert answer["error"]["data"]["retryable"] is True
        assert len(client.heard) == 2
        client.tell("$/cancelRequest", {"id": 0})
        await client.answer(0)
        assert code(await client.call("again", "provider/list")) is None


# --- chats ---------------------------------------------------------------------------------------


def chat(stream_id: str, **more: Any) -> dict[str, Any]:
    return CHAT | {"streamId": stream_id} | more


async def test_all_events_precede_the_answer() -> None:
    async with door() as (client, app):
        batches = [[TextDelta("b", f"{n} ")] for n in range(200)]
        for name in "ab":
            app.answers[name] = lambda _: ScriptedAnswer(batches)
        await client.initialize()
        client.ask("a", "chat/send", chat("a"))
        client.ask("b", "chat/send", chat("b"))
        for name in "ab":
            answer = await client.answer(name)
            await client.settled()
            place = client.heard.index(answer)
            mine = [
                at
                for at, m in enumerate(client.heard)
                if m.get("params", {}).get("streamId") == name
            ]
            assert max(mine) < place
            text = "".join(
                event["delta"] for at in mine for event in client.heard[at]["params"]["events"]
            )
            assert text == answer["result"]["message"]["content"]


@pytest.mark.parametrize(
    ("options", "params"),
    [({}, {"stream": False}), ({"optOutNotifications": ["chat/events"]}, {})],
)
async def test_a_chat_without_events(options: Any, params: Any) -> None:
    async with door() as (client, app):
        app.answers["s"] = lambda _: ScriptedAnswer([[TextDelta("b", "x")]] * 3)
        await client.initialize(**options)
        answer = await client.call(1, "chat/send", chat("s", **params))
        assert answer["result"]["message"]["content"] == "xxx"
        assert client.notes("chat/events") == []


async def test_a_failed_chat_ends_in_its_error() -> None:
    async with door() as (client, app):
        error = KeyMissing("store a key first", partial={"message": None, "usage": None})
        app.answers["s"] = lambda _: ScriptedAnswer([[TextDelta("b", "x")]], error=error)
        await client.initialize()
        answer = await client.call(1, "chat/send", chat("s"))
        assert code(answer) == -31010
        assert answer["error"]["data"]["partial"] == {"message": None, "usage": None}
        assert client.heard[-1] is answer
        assert len(client.notes("chat/events")) == 1
        app.answers["s"] = lambda _: ScriptedAnswer([])
        assert "result" in await client.call(2, "chat/send", chat("s"))  # the name is free again


@pytest.mark.parametrize("after", [0, 1])
async def test_a_cancelled_chat_is_a_success_with_what_there_is(after: int) -> None:
    async with door() as (client, app):
        go = asyncio.Semaphore(after)
        answer = ScriptedAnswer([[TextDelta("b", "x")]] * 9, pace=go.acquire)
        app.answers["s"] = lambda _: answer
        await client.initialize()
        client.ask(1, "chat/send", chat("s"))
        if after:
            await client.until(lambda m: m.get("method") == "chat/events")
        client.tell("$/cancelRequest", {"id": 1})
        got = await client.answer(1)
        assert got["result"]["finishReason"]["unified"] == "cancelled"
        assert got["result"]["message"]["content"] == "x" * after
        assert answer.closed


async def test_a_chat_cancelled_while_the_rooms_open() -> None:
    async with door() as (client, app):
        app.opening = asyncio.Event()
        app.answers["s"] = lambda _: ScriptedAnswer([[TextDelta("b", "x")]], pace=never)
        await client.initialize()
        client.ask(1, "chat/send", chat("s"))
        client.tell("$/cancelRequest", {"id": 1})
        await client.settled()
        assert client.answers(1) == []
        app.opening.set()
        got = await client.answer(1)
        assert got["result"]["finishReason"]["unified"] == "cancelled"


async def test_a_stream_name_cannot_be_used_twice_at_once() -> None:
    async with door() as (client, app):
        app.answers["s"] = lambda _: ScriptedAnswer([[TextDelta("b", "x")]], pace=never)
        await client.initialize()
        client.ask(1, "chat/send", chat("s"))
        assert code(await client.call(2, "chat/send", chat("s"))) == -31050
        client.tell("$/cancelRequest", {"id": 1})
        assert "result" in await client.answer(1)


async def test_streams_have_a_bound() -> None:
    async with door() as (client, app):
        await client.initialize()
        for n in range(STREAMS_MAX + 1):
            app.answers[f"s{n}"] = lambda _: ScriptedAnswer([[]], pace=never)
            client.ask(n, "chat/send", chat(f"s{n}"))
        assert code(await client.answer(STREAMS_MAX)) == -32001
        assert len(client.heard) == 2
        client.tell("$/cancelRequest", {"id": 0})
        await client.answer(0)
        app.answers["t"] = lambda _: ScriptedAnswer([])
        assert "result" in await client.call("t", "chat/send", chat("t"))


async def test_a_chat_of_a_client_that_does_not_read_stands_still() -> None:
    async with door() as (client, app):
        big = [[TextDelta("b", "x" * 10_000)]] * 200
        answer = ScriptedAnswer(big)
        app.answers["s"] = lambda _: answer
        app.does["key/list"] = no_keys
        await client.initialize()
        client.ignore()
        client.ask(1, "chat/send", chat("s"))
        for _ in range(2000):
            await asyncio.sleep(0)
        assert 0 < answer.given < 60  # 256 KiB, a pipe and what is on its way
        client.ask(2, "key/list")
        for _ in range(2000):
            await asyncio.sleep(0)
        assert app.asked[-1][0] == "key/list"
        client.listen()
        got = await client.answer(1)
        assert got["result"]["message"]["content"] == "x" * 2_000_000
        assert (
            len("".join(e["delta"] for p in client.notes("chat/events") for e in p["events"]))
            == 2_000_000
        )
        assert client.heard.index(client.answers(2)[0]) < client.heard.index(got)


async def test_a_client_that_does_not_read_its_answers_is_not_read_either() -> None:
    async with door() as (client, _):
        await client.initialize()
        client.ignore()
        much = "x" * (OUTBOX_MAX_BYTES - 500_000)
        client.connection._outbox.send(json.dumps({"method": "much", "params": much}).encode())
        os.set_blocking(client.write_fd, False)
        request = frame(json.dumps({"jsonrpc": "2.0", "id": "x" * 100, "method": "no"}).encode())
        said, stuck, rest = 0, 0, b""
        while stuck < 500:  # until the door takes no more
            rest = rest or request * 300
            try:
                taken = os.write(client.write_fd, rest)
                said, stuck, rest = said + taken, 0, rest[taken:]
            except BlockingIOError:
                stuck += 1
            await asyncio.sleep(0)
        held = client.connection._outbox.held_bytes
        print(
            f"\nunread answers: {said // len(request)} requests taken, {held / 2**20:.1f} MiB held"
        )
        assert OUTBOX_MAX_BYTES <= held < OUTBOX_MAX_BYTES + 1024
        client.listen()
        async with asyncio.timeout(10):
            while client.connection._outbox.full:  # noqa: ASYNC110 - there is no news to wait for
                await asyncio.sleep(0)


# --- the way back --------------------------------------------------------------------------------

QUESTION = ShowMessageRequest(
    type=2, message="disabled", actions=(MessageAction(title="A"), MessageAction(title="B"))
)


async def test_opt_out() -> None:
    async with door() as (client, app):
        await client.initialize(optOutNotifications=["vault/changed"])
        assert app.session is not None
        app.session.client.notify("vault/changed", CHANGED)
        app.session.client.notify("key/changed", CHANGED)
        await client.settled()
        assert client.notes("vault/changed") == []
        assert client.notes("key/changed") == [
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
async def test_prompt(reply: Any, wanted: str | None) -> None:
    async with door() as (client, app):
        await client.initialize(capabilities={"prompt": True})
        assert app.session is not None
        asked = asyncio.create_task(app.session.client.prompt(QUESTION))
        request = await client.until(lambda m: m.get("method") == "window/showMessageRequest")
        assert request["id"] == "s:1"
        assert request["params"] == QUESTION.model_dump(mode="json", exclude={"meta"})
        client.say({"jsonrpc": "2.0", "id": request["id"]} | reply)
        assert await asked == wanted


async def test_no_prompt_for_a_client_that_cannot_ask() -> None:
    async with door() as (client, app):
        await client.initialize()
        assert app.session is not None
        assert await app.session.client.prompt(QUESTION) is None
        assert len(client.heard) == 1


async def test_a_prompt_of_a_client_that_leaves_is_dismissed() -> None:
    async with door() as (client, app):
        await client.initialize(capabilities={"prompt": True})
        assert app.session is not None
        asked = asyncio.create_task(app.session.client.prompt(QUESTION))
        await client.until(lambda m: m.get("method") == "window/showMessageRequest")
        client.hang_up()
        assert await asked is None


async def test_nothing_can_be_sent_past_the_outbox() -> None:
    async with door(ScriptedApp()) as (client, _):
        protocol = client.connection._server.protocol
        ways: list[Callable[..., Any]] = [protocol.notify, protocol.send_request]
        for way in ways:
            with pytest.raises(RuntimeError):
                way("x", {})
        with pytest.raises(RuntimeError):
            protocol.structure_message({"jsonrpc": "2.0"})
        assert client.heard == []
