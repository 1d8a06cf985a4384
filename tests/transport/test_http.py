"""The real transport over real sockets, with servers that send exactly these bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from byokd import __version__
from byokd.core.http import Headers, HttpRequest
from byokd.core.limits import (
    MIB,
    RESPONSE_BODY_MAX_BYTES,
    RESPONSE_HEADER_FIELDS_MAX,
    RESPONSE_HEADERS_MAX_BYTES,
)
from byokd.protocol.errors import (
    ByokdError,
    NetworkFailed,
    ProviderError,
    ProviderRedirect,
    StreamInterrupted,
    TimedOut,
    Unsupported,
)
from byokd.transport import http
from byokd.transport.http import HttpTransport
from byokd.transport.interface import Timeouts, Transport
from waits import WAIT_MAX_S, skip_time

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    Serve = Callable[..., AbstractAsyncContextManager[Any]]

pytestmark = pytest.mark.anyio

KEY = "sk-test-canary-0123456789"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LONG = Timeouts(connect_ms=60_000, first_byte_ms=60_000)
SHORT = Timeouts(connect_ms=60_000, first_byte_ms=200)


def _request(url: str, body: bytes = b"{}") -> HttpRequest:
    return HttpRequest("POST", url, Headers([("authorization", f"Bearer {KEY}")]), body)


async def _fails(
    transport: Transport,
    url: str,
    timeouts: Timeouts = LONG,
    body_max_bytes: int = RESPONSE_BODY_MAX_BYTES,
) -> ByokdError:
    with pytest.raises(ByokdError) as caught:
        await transport.send(_request(url), timeouts=timeouts, body_max_bytes=body_max_bytes)
    assert KEY not in caught.value.data().model_dump_json()
    assert caught.value.__context__ is None
    return caught.value


# --- requests ------------------------------------------------------------------------------------


async def test_no_library_adds_a_header(serve: Serve, transport: HttpTransport) -> None:
    async with serve(OK) as upstream:
        await transport.send(_request(upstream.url))
    head, _, body = upstream.requests[0].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    assert first == "POST /v1 HTTP/1.1"
    assert body == b"{}"
    assert sorted(line.lower() for line in lines) == [
        "accept-encoding: identity",
        "accept: */*",
        f"authorization: bearer {KEY}",
        "content-length: 2",
        f"host: 127.0.0.1:{upstream.port}",
        f"user-agent: byokd/{__version__}",
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/model/a.b-v1%3A0/converse",  # Bedrock: the signature covers the escape
        "/a%2Fb/c%20d?x=%2F&y=a%20b+c&z=%3A%26",
        "/models/llama-3:free?page=1%2B2",
    ],
)
async def test_url_is_sent_without_requoting(
    serve: Serve, transport: HttpTransport, path: str
) -> None:
    async with serve(OK) as upstream:
        await transport.send(HttpRequest("GET", f"http://127.0.0.1:{upstream.port}{path}"))
    assert upstream.requests[0].startswith(f"GET {path} HTTP/1.1\r\n".encode())
    assert b"content-length" not in upstream.requests[0].lower()


@pytest.mark.parametrize("size", [0, MIB, MIB + 1, 5 * MIB])
async def test_large_bodies_arrive_whole(serve: Serve, transport: HttpTransport, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with serve(OK) as upstream:
        await transport.send(_request(upstream.url, body))
    head, _, sent = upstream.requests[0].partition(b"\r\n\r\n")
    assert sent == body
    assert b"transfer-encoding" not in head.lower()


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "schlüssel", "a\x00b"])
async def test_header_with_a_forbidden_character_is_not_sent(
    serve: Serve, transport: HttpTransport, value: str
) -> None:
    async with serve(OK) as upstream:
        with pytest.raises(Unsupported) as caught:
            await transport.send(
                HttpRequest("GET", upstream.url, Headers([("authorization", value)]))
            )
    assert (upstream.connections, value in str(caught.value)) == (0, False)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://[::1/", "https://", "no address"])
async def test_unusable_url_is_unsupported(transport: HttpTransport, url: str) -> None:
    assert isinstance(await _fails(transport, url), Unsupported)


async def test_proxy_variables_are_ignored(
    serve: Serve, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serve(OK) as upstream:
        assert (await transport.send(_request(upstream.url))).body == b"ok"


# --- connections ---------------------------------------------------------------------------------


async def test_connection_is_reused(serve: Serve, transport: HttpTransport) -> None:
    async with serve(OK) as upstream:
        for _ in range(3):
            await transport.send(_request(upstream.url))
        assert (upstream.connections, len(upstream.requests)) == (1, 3)
        await transport.send(_request(upstream.url), fresh=True)
        assert upstream.connections == 2
        await transport.send(_request(upstream.url))
        assert upstream.connections == 2


async def test_fresh_connection_is_closed_after_the_answer(
    serve: Serve, transport: HttpTransport
) -> None:
    async with serve(OK) as upstream:
        await transport.send(_request(upstream.url), fresh=True)
        with anyio.fail_after(WAIT_MAX_S):
            await upstream.gone.wait()


async def test_cookies_are_not_sent_back(serve: Serve, transport: HttpTransport) -> None:
    async with serve(OK.replace(b"\r\n\r\n", b"\r\nset-cookie: a=b; path=/\r\n\r\n")) as upstream:
        response = await transport.send(_request(upstream.url))
        await transport.send(_request(upstream.url))
    assert response.headers.get("set-cookie") == "a=b; path=/"
    assert b"cookie" not in upstream.requests[1].lower()


async def test_localhost_must_be_loopback(
    serve: Serve, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(OK) as upstream:
        url = f"http://localhost:{upstream.port}/"
        assert (await transport.send(_request(url), fresh=True)).body == b"ok"

        def resolve_elsewhere(
            _host: str, port: int, *_: object, **__: object
        ) -> list[tuple[Any, ...]]:
            tcp = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*tcp, ("127.0.0.1", port)), (*tcp, ("192.0.2.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve_elsewhere)
        with pytest.raises(NetworkFailed) as caught:
            await transport.send(_request(url), fresh=True)
    assert caught.value.data().details == {"reason": "dns"}
    assert upstream.connections == 1


# --- cancel --------------------------------------------------------------------------------------

PARTS = {
    "before the head": ("hang",),
    "after the head": (CHUNKED, "hang"),
    "in the body": (CHUNKED + b"3\r\nabc\r\n", "hang"),
}


@pytest.mark.parametrize("steps", PARTS.values(), ids=PARTS.keys())
@pytest.mark.parametrize("fresh", [False, True], ids=["pooled", "fresh"])
async def test_cancel_closes_the_socket(
    serve: Serve, transport: HttpTransport, steps: tuple[Any, ...], fresh: object
) -> None:
    async with serve(*steps) as upstream, anyio.create_task_group() as tasks:

        async def read() -> None:
            async with transport.stream(_request(upstream.url), fresh=bool(fresh)) as stream:
                async for _ in stream.chunks():
                    pass

        tasks.start_soon(read)
        await upstream.reached.wait()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True), anyio.fail_after(WAIT_MAX_S):
            await upstream.gone.wait()


async def test_leaving_early_closes_the_socket(serve: Serve, transport: HttpTransport) -> None:
    async with serve(CHUNKED + b"3\r\nabc\r\n", "hang") as upstream:
        async with transport.stream(_request(upstream.url)) as stream:
            assert await anext(stream.chunks()) == b"abc"
        with anyio.fail_after(WAIT_MAX_S):
            await upstream.gone.wait()


# --- failures -----------------------------------------------------------------------------------

UPGRADE = b"HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"


def _with(line: bytes) -> bytes:
    return OK.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n")


FAILURES: list[tuple[str, tuple[Any, ...], type[ByokdError], dict[str, str]]] = [
    ("no head", ("hang",), TimedOut, {"phase": "firstByte"}),
    ("half a head", (b"HTTP/1.1 200", "hang"), TimedOut, {"phase": "firstByte"}),
    ("closed before the head", ("close",), NetworkFailed, {"reason": "reset"}),
    ("reset before the head", ("reset",), NetworkFailed, {"reason": "reset"}),
    ("reset in the head", (b"HTTP/1.1 200 OK\r\na:", "reset"), NetworkFailed, {"reason": "reset"}),
    ("not HTTP", (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "close"), ProviderError, {}),
    ("bad header", (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "close"), ProviderError, {}),
    ("two lengths", (_with(b"content-length: 3"), "close"), ProviderError, {}),
    ("another protocol", (UPGRADE, "close"), ProviderError, {}),
    ("gzip", (_with(b"content-encoding: gzip"),), ProviderError, {}),
    ("brotli", (_with(b"Content-Encoding: BR"),), ProviderError, {}),
    ("too short", (OK.replace(b": 2", b": 9"), "close"), StreamInterrupted, {}),
    ("cut chunk", (CHUNKED + b"5\r\nab", "close"), StreamInterrupted, {}),
    ("no last chunk", (CHUNKED + b"2\r\nab\r\n", "close"), StreamInterrupted, {}),
    # aiohttp reads head and body of one packet in one go, and refuses both
    ("bad chunk", (CHUNKED + b"zz\r\nab\r\n", "close"), ProviderError, {}),
    ("reset in the body", (CHUNKED + b"2\r\nab\r\n", "reset"), StreamInterrupted, {}),
]  # fmt: skip


@pytest.mark.parametrize("row", FAILURES, ids=lambda row: row[0])
async def test_failure_becomes_the_right_error(
    serve: Serve,
    transport: HttpTransport,
    row: tuple[str, tuple[Any, ...], type[ByokdError], dict[str, str]],
) -> None:
    _, steps, error, details = row
    async with serve(*steps) as upstream:
        timeouts = SHORT if error is TimedOut else LONG
        failure = await _fails(transport, upstream.url, timeouts)
    assert type(failure) is error
    assert (failure.data().details or {}) == details


async def test_closed_port_is_refused(transport: HttpTransport) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        failure = await _fails(transport, f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert failure.data().details == {"reason": "refused"}


async def test_unknown_name_is_a_dns_failure(transport: HttpTransport) -> None:
    failure = await _fails(transport, "https://nobody.invalid/", Timeouts())
    assert failure.data().details == {"reason": "dns"}


async def test_server_that_never_reads_is_a_timeout(
    serve: Serve, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time limit expires while the body is being sent."""
    slices = http._slices

    async def slices_and_expire(body: bytes) -> AsyncIterator[bytes]:
        async for piece in slices(body):
            yield piece
            skip_time(monkeypatch)

    monkeypatch.setattr(http, "_slices", slices_and_expire)
    async with serve("deaf") as upstream:
        with pytest.raises(TimedOut) as caught:
            await transport.send(_request(upstream.url, b"x" * (8 * MIB)), timeouts=LONG)
    assert caught.value.data().details == {"phase": "firstByte"}


async def test_body_that_stops_is_a_timeout(
    serve: Serve, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CONTENT_IDLE_TIMEOUT_MS", 100)
    async with serve(CHUNKED + b"2\r\nab\r\n", "hang") as upstream:
        failure = await _fails(transport, upstream.url)
    assert failure.data().details == {"phase": "idle"}


async def test_informational_heads_are_skipped_within_the_timeout(
    serve: Serve, transport: HttpTransport
) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    async with serve(early * 3 + OK) as upstream:
        assert (await transport.send(_request(upstream.url))).body == b"ok"
    endless: list[Any] = [early] * 100_000
    async with serve(*endless) as upstream:
        failure = await _fails(transport, upstream.url, Timeouts(2_000, 500))
    assert failure.data().details == {"phase": "firstByte"}


async def test_slow_body_is_no_first_byte_timeout(
    serve: Serve, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timeout for the first byte ends with the head; a model may reason for minutes."""
    reasoned = asyncio.Event()
    steps = (CHUNKED, reasoned, b"2\r\nab\r\n", "hang")
    async with (
        serve(*steps) as upstream,
        transport.stream(_request(upstream.url), timeouts=LONG) as stream,
    ):
        skip_time(monkeypatch)
        for _ in range(10):  # a timer that is still running ends the stream here
            await anyio.lowlevel.checkpoint()
        reasoned.set()
        assert await anext(stream.chunks()) == b"ab"


@pytest.mark.parametrize("broken", [b"zz\r\n", b"f" * 4096, b"-1\r\n"])
async def test_broken_framing_ends_the_body_at_once(
    serve: Serve, transport: HttpTransport, broken: bytes
) -> None:
    read = asyncio.Event()
    steps = (CHUNKED + b"2\r\nab\r\n", read, broken, "hang")
    async with serve(*steps) as upstream, transport.stream(_request(upstream.url)) as stream:
        chunks = stream.chunks()
        assert await anext(chunks) == b"ab"
        read.set()
        with anyio.fail_after(WAIT_MAX_S), pytest.raises(StreamInterrupted):
            await anext(chunks)


async def test_bytes_before_a_break_are_yielded(serve: Serve, transport: HttpTransport) -> None:
    """A body that is complete except for its framing is read completely."""
    seen = b""
    steps = (CHUNKED + b"2\r\nab\r\n3\r\ncde\r\n", "reset")
    async with serve(*steps) as upstream, transport.stream(_request(upstream.url)) as stream:
        with anyio.fail_after(WAIT_MAX_S):
            await upstream.gone.wait()
        inside: Any = stream
        content = inside._response.stream._stream._response.content
        while content.exception() is None:  # the reset is in before anything was read
            await anyio.lowlevel.checkpoint()
        with pytest.raises(StreamInterrupted):  # noqa: PT012  # the loop is what raises
            async for chunk in stream.chunks():
                seen += chunk
    assert seen == b"abcde"


# --- redirects -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
async def test_redirect_is_not_followed(
    serve: Serve, transport: HttpTransport, status: int
) -> None:
    async with serve(OK) as sink:
        head = f"HTTP/1.1 {status} Moved\r\nlocation: {sink.url}\r\ncontent-length: 0\r\n\r\n"
        async with serve(head.encode()) as upstream:
            failure = await _fails(transport, upstream.url)
    assert isinstance(failure, ProviderRedirect)
    assert failure.data().http_status == status
    assert (sink.connections, sink.requests) == (0, [])


# --- bounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunked", "until close"])
async def test_bound_of_a_body(serve: Serve, transport: HttpTransport, framing: str) -> None:
    body = b"x" * 1000
    answer: tuple[Any, ...] = {
        "length": (b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + body,),
        "chunked": (CHUNKED + b"3e8\r\n" + body + b"\r\n0\r\n\r\n",),
        "until close": (b"HTTP/1.1 200 OK\r\n\r\n" + body, "close"),
    }[framing]
    async with serve(*answer) as upstream:
        response = await transport.send(_request(upstream.url), body_max_bytes=1000)
        failure = await _fails(transport, upstream.url, body_max_bytes=999)
    assert response.body == body
    assert isinstance(failure, ProviderError)
    assert not failure.data().retryable


async def test_long_error_body_is_cut(serve: Serve, transport: HttpTransport) -> None:
    answer = b"HTTP/1.1 500 X\r\ncontent-length: 1000\r\n\r\n" + b"x" * 1000
    async with serve(answer) as upstream:
        for cap, size in ((1001, 1000), (1000, 1000), (999, 999)):
            response = await transport.send(
                _request(upstream.url), body_max_bytes=5000, error_body_max_bytes=cap
            )
            assert (response.status, len(response.body)) == (500, size)


async def test_broken_error_body_keeps_its_status(serve: Serve, transport: HttpTransport) -> None:
    async with serve(b"HTTP/1.1 401 X\r\ncontent-length: 9\r\n\r\nno", "close") as upstream:
        response = await transport.send(_request(upstream.url))
    assert (response.status, response.body) == (401, b"no")


async def test_bound_of_the_headers(serve: Serve, transport: HttpTransport) -> None:
    fixed = len("content-length: 2\r\n") + len("x: \r\n")
    for extra, accepted in ((0, True), (1, False)):
        filling = b"a" * (RESPONSE_HEADERS_MAX_BYTES - fixed + extra)
        async with serve(OK.replace(b"\r\n\r\n", b"\r\nx: " + filling + b"\r\n\r\n")) as upstream:
            if accepted:
                response = await transport.send(_request(upstream.url))
                assert response.headers.get("x") == filling.decode()
            else:
                assert isinstance(await _fails(transport, upstream.url), ProviderError)


async def test_bound_of_the_number_of_header_fields(serve: Serve, transport: HttpTransport) -> None:
    for fields, accepted in (
        (RESPONSE_HEADER_FIELDS_MAX, True),
        (RESPONSE_HEADER_FIELDS_MAX + 1, False),
    ):
        lines = b"".join(b"\r\nx%d: 1" % i for i in range(fields - 1))
        async with serve(OK.replace(b"\r\n\r\n", lines + b"\r\n\r\n")) as upstream:
            if accepted:
                assert len((await transport.send(_request(upstream.url))).headers) == fields
            else:
                assert isinstance(await _fails(transport, upstream.url), ProviderError)


async def test_endless_headers_are_refused(serve: Serve, transport: HttpTransport) -> None:
    lines: list[Any] = [b"x: " + b"a" * 8000 + b"\r\n"] * 10_000
    async with serve(b"HTTP/1.1 200 OK\r\n", *lines) as upstream:
        failure = await _fails(transport, upstream.url)
    assert isinstance(failure, ProviderError)
