"""A hostile provider: each behaviour has one known outcome, bounded memory and leaks no key.

A raw socket server picks its behaviour by the model's name; a second listener must never get a
connection. Behaviours that must time out run against a daemon with short timeouts, all others
against one with timeouts so long that a busy machine does not reach them.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import re
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from byokd.core.limits import MIB
from daemon import Daemon, Json, RpcError, running
from sandbox_env import GENERIC, unlocked

pytestmark = pytest.mark.anyio

KEY = "hostile-key-0123456789abcdef"
RSS_GROWTH_MAX_BYTES = 32 * MIB
"""The most memory that one behaviour may add at its peak, and that all together may leave."""

AT_ONCE = 6
TIMEOUTS = {
    "short": """
[timeouts]
connect_ms = 500
first_byte_ms = 400
first_content_ms = 600
idle_ms = 600
total_ms = 8000
""",
    "long": """
[timeouts]
connect_ms = 100000
first_byte_ms = 100000
first_content_ms = 100000
idle_ms = 100000
total_ms = 110000
""",
}

Step = bytes | str | Iterable[bytes]
"""Bytes, chunks of bytes, or `hang`, `reset`, `close`, `drip` (send the next step byte by byte)."""


def _head(status: str = "200 OK", *lines: str, kind: str = "text/event-stream") -> bytes:
    head = [f"HTTP/1.1 {status}", f"content-type: {kind}", "connection: close", *lines]
    return ("\r\n".join(head) + "\r\n\r\n").encode()


def _whole(status: str, body: bytes, kind: str = "application/json") -> bytes:
    return _head(status, f"content-length: {len(body)}", kind=kind) + body


def _event(delta: Json, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "1", "choices": [choice]}).encode() + b"\n\n"


def _error(message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode()


def _call(index: int, arguments: str = "{}") -> bytes:
    function = {"name": "f", "arguments": arguments}
    return _event({"tool_calls": [{"index": index, "id": f"c{index}", "function": function}]})


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _endless(data: bytes) -> Iterator[bytes]:
    return itertools.repeat(data)


ELSEWHERE = b"@elsewhere@"
SAY = _event({"content": "Hi"})
DONE = _event({}, "stop") + b"data: [DONE]\n\n"
CHUNKED = _head("200 OK", "transfer-encoding: chunked")
ESCAPES = "\x1b]52;c;aGk=\x07\x1b[2J\x1b]8;;http://evil.example\x1b\\click\u202e\x9b31m"
NO_LENGTH = _head()


def _redirect(status: int, scheme: str) -> tuple[Step, ...]:
    head = f"HTTP/1.1 {status} Moved\r\nlocation: {scheme}://".encode()
    return (head + ELSEWHERE + b"/v1/chat/completions\r\ncontent-length: 0\r\n\r\n",)


WIDE = 'data: {"choices": [{"delta": {"content": "\U0001f98a\u20ac\u00e9"}}]}\n\n'.encode()
PORTAL = b"<!doctype html><p>no</p>"
# An HTML page says nothing about the key, except with status 401 (Perplexity, seen 2025).
PAGES = ((401, "keyInvalid"), (403, "network"), (407, "network"), (511, "network"))

# Depends on whether the head arrived in the same packet.
BROKEN = "providerError or streamInterrupted"

BEHAVIOURS: dict[str, tuple[tuple[Step, ...], str]] = {
    # --- redirects: never followed
    **{
        f"redirect-{status}-{scheme}": (_redirect(status, scheme), "providerRedirect")
        for status, scheme in itertools.product((301, 302, 303, 307, 308), ("http", "https"))
    },
    "status-304": ((b"HTTP/1.1 304 Not Modified\r\n\r\n",), "providerRedirect"),
    # --- heads
    "endless-headers": ((b"HTTP/1.1 200 OK\r\n", _endless(b"a: b\r\n" * 99)), "providerError"),
    "endless-header": ((b"HTTP/1.1 200 OK\r\na: ", _endless(b"x" * 4096)), "providerError"),
    "endless-status-line": ((_endless(b"H" * 4096),), "providerError"),
    "slow-head": (("drip", NO_LENGTH), "timeout"),
    "no-head": (("hang",), "timeout"),
    "half-a-head": ((NO_LENGTH[:20], "hang"), "timeout"),
    "endless-1xx": ((_endless(b"HTTP/1.1 103 Early Hints\r\na: b\r\n\r\n"),), "timeout"),
    "websocket": ((b"HTTP/1.1 101 S\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",),
                  "providerError"),
    "http-0.9": ((b"<html>hello</html>", "close"), "providerError"),
    "tls-junk": ((b"\x15\x03\x01\x00\x02\x02\x28", "close"), "providerError"),
    "random-bytes": ((bytes(range(256)) * 8, "close"), "providerError"),
    "two-lengths": ((_head("200 OK", "content-length: 3", "content-length: 9") + b"abc",),
                    "providerError"),
    "length-and-chunks": (
        (_head("200 OK", "content-length: 3", "transfer-encoding: chunked") + b"abc",),
        "providerError"),
    "negative-length": ((_head("200 OK", "content-length: -1"), "close"), "providerError"),
    "close-at-once": (("close",), "network"),
    "reset-at-once": (("reset",), "network"),
    "reset-in-head": ((NO_LENGTH[:20], "reset"), "network"),
    "status-204": ((b"HTTP/1.1 204 No Content\r\n\r\n",), "streamInterrupted"),
    # --- bodies
    "gzip-bomb": ((_head("200 OK", "content-encoding: gzip") + gzip.compress(bytes(MIB)), "close"),
                  "providerError"),
    "captive-portal": ((_whole("200 OK", b"<!doctype html><title>Sign in</title>", "text/html"),),
                       "network"),
    "length-too-long": ((_head("200 OK", "content-length: 99999") + SAY, "close"),
                        "streamInterrupted"),
    "length-too-short": ((_head("200 OK", "content-length: 9") + SAY + DONE,), BROKEN),
    "bad-chunk": ((CHUNKED, _chunk(SAY), b"zz\r\nxx\r\n", "close"), BROKEN),
    "huge-chunk-size": ((CHUNKED, _chunk(SAY), b"f" * 4096, "hang"), BROKEN),
    "early-close": ((CHUNKED, _chunk(SAY), "close"), "streamInterrupted"),
    "reset-in-body": ((CHUNKED, _chunk(SAY), "reset"), "streamInterrupted"),
    "silent-body": ((NO_LENGTH, "hang"), "timeout"),
    "silent-in-the-middle": ((NO_LENGTH, SAY, "hang"), "timeout"),
    "slow-body": ((NO_LENGTH, "drip", b": " + b"x" * 999), "timeout"),
    "endless-comments": ((NO_LENGTH, _endless(b": still here\n\n" * 999)), "timeout"),
    "endless-line": ((NO_LENGTH, _endless(b"x" * 65536)), "providerError"),
    "endless-data-line": ((NO_LENGTH, b"data: ", _endless(b"x" * 65536)), "providerError"),
    "endless-event": ((NO_LENGTH, _endless((b"data: " + b"x" * 990 + b"\n") * 64)),
                      "providerError"),
    "endless-json": ((_head(kind="application/json"), b'{"choices": [', _endless(b" " * 65536)),
                     "providerError"),
    "invalid-utf-8": ((NO_LENGTH, b'data: {"choices": [{"delta": {"content": "\xff\xfe"}}]}\n\n',
                       DONE, "close"), "ok"),
    "deep-json": ((NO_LENGTH, SAY, b"data: " + b"[" * 100_000 + b"]" * 100_000 + b"\n\n", DONE,
                   "close"), "providerError"),
    "deep-delta": ((NO_LENGTH, b'data: {"choices": [{"delta": ' + b'{"a":' * 50_000 + b"1"
                    + b"}" * 50_000 + b"}]}\n\n", "close"), "providerError"),
    "a-million-calls": ((NO_LENGTH, (_call(index) for index in range(1_000_000)), DONE),
                        "providerError"),
    "deflate-bomb": ((_head("200 OK", "content-encoding: deflate") + zlib.compress(bytes(MIB)),
                      "close"), "providerError"),
    "other-encoding": ((_head("200 OK", "content-encoding: br") + bytes(range(256)), "close"),
                       "providerError"),
    "line-separators": ((NO_LENGTH, _event({"content": "a\u2028b\x85c\x0bd"}), DONE, "close"),
                        "ok"),
    "split-utf-8": ((CHUNKED, *(_chunk(bytes([byte])) for byte in WIDE + DONE), b"0\r\n\r\n"),
                    "ok"),
    "trailers": ((CHUNKED, _chunk(SAY + DONE), b"0\r\nlocation: http://", ELSEWHERE, b"\r\n\r\n"),
                 "ok"),
    "refresh": ((_head("200 OK", "refresh: 0; url=http://127.0.0.1:1/", "location: //127.0.0.1:1/")
                 + SAY + DONE, "close"), "ok"),
    # --- errors that contain the key, escapes or no end
    **{
        f"html-{status}": ((_whole(f"{status} No", PORTAL, "text/html"),), kind)
        for status, kind in PAGES
    },
    "echoed-key": ((_whole("401 Unauthorized", _error(f"wrong key: {KEY}")),), "keyInvalid"),
    "echoed-key-in-400": ((_head("400 Bad Request", kind="application/json")
                           + _error(f"{KEY} is not it"), "close"), "badRequest"),
    "echoed-key-in-stream": ((NO_LENGTH, SAY, b"data: " + _error(KEY) + b"\n\n", "close"),
                             "badRequest"),
    "echoed-key-in-text": ((_head("500 No", kind="text/plain") + KEY.encode(), "close"),
                           "providerError"),
    "escapes": ((_whole("400 Bad Request", _error(ESCAPES)),), "badRequest"),
    "endless-error": ((_head("400 Bad Request"), _endless(b"x" * 65536)), "badRequest"),
    "bad-error": ((_whole("400 Bad Request", b"\xff\xfe{" * 99),), "badRequest"),
    # --- unusual answers that are valid
    "cookies": ((_head("200 OK", *[f"set-cookie: a{n}=b; domain=evil.example" for n in range(40)])
                 + SAY + DONE, "close"), "ok"),
    "some-1xx": ((b"HTTP/1.1 103 Early\r\n\r\n" * 5 + NO_LENGTH + SAY + DONE, "close"), "ok"),
    "a-huge-argument": ((NO_LENGTH, _call(0, json.dumps({"a": "x" * MIB})),
                         _event({}, "tool_calls"), "close"), "ok"),
}  # fmt: skip


@dataclass
class Hostile:
    """The server and the second listener, with what each received."""

    port: int = 0
    elsewhere: int = 0
    heads: list[bytes] = field(default_factory=list)
    received_elsewhere: list[bytes] = field(default_factory=list)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Behave as the model of the request says."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        body = json.loads(await reader.readexactly(int(length[1]) if length else 0) or b"{}")
        steps = MODELS if "model" not in body else BEHAVIOURS[body["model"]][0]
        drip = False
        for step in steps:
            if step in ("hang", "reset", "close"):
                if step == "hang":
                    await reader.read()
                elif step == "reset":
                    linger = struct.pack("ii", 1, 0)
                    sock = writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return
            if step == "drip":
                drip = True
                continue
            for data in [step] if isinstance(step, bytes) else step:
                assert isinstance(data, bytes)
                await self._send(writer, reader, data, drip=drip)

    async def _send(
        self, writer: asyncio.StreamWriter, reader: asyncio.StreamReader, data: bytes, *, drip: bool
    ) -> None:
        data = data.replace(ELSEWHERE, b"127.0.0.1:%d" % self.elsewhere)
        for start in range(len(data)) if drip else ():
            writer.write(data[start : start + 1])
            try:
                async with asyncio.timeout(0.05):
                    if await reader.read(1) == b"":
                        raise ConnectionError
            except TimeoutError:
                continue
        if not drip:
            writer.write(data)
            await writer.drain()


MODELS = (_whole("200 OK", json.dumps({"data": [{"id": "m"}]}).encode()),)


@asynccontextmanager
async def _listening() -> AsyncIterator[Hostile]:
    hostile = Hostile()
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await hostile.converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def accept_elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hostile.received_elsewhere.append(await reader.read(65536))
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    elsewhere = await asyncio.start_server(accept_elsewhere, "127.0.0.1", 0)
    hostile.port, hostile.elsewhere = (s.sockets[0].getsockname()[1] for s in (server, elsewhere))
    try:
        yield hostile
    finally:
        for each in (server, elsewhere):
            each.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _daemon(tmp_path: Path, timeouts: str) -> AsyncIterator[Daemon]:
    config = tmp_path / "config.toml"
    config.write_text(TIMEOUTS[timeouts], encoding="utf-8")
    arguments = ("--config", str(config), "--log-level", "debug")
    async with running(*arguments, data_dir=tmp_path / "data", module="byokd") as daemon:
        await unlocked(daemon)
        yield daemon
        assert await daemon.close() == 0


async def _store(daemon: Daemon, hostile: Hostile) -> str:
    new = {
        "provider": GENERIC,
        "fields": {"apiKey": {"plain": KEY}},
        "baseUrl": f"http://127.0.0.1:{hostile.port}/v1",
        "probe": "skip",
    }
    key_id: str = (await daemon.request("key/store", new))["key"]["keyId"]
    return key_id


async def _end(daemon: Daemon, key_id: str, name: str) -> str:
    """Send one chat; return the kind of its error, or `ok`."""
    params = {
        "streamId": name,
        "provider": GENERIC,
        "model": name,
        "keyId": key_id,
        "messages": [{"role": "user", "content": "hello"}],
    }
    try:
        await daemon.request("chat/send", params)
    except RpcError as error:
        return error.kind
    return "ok"


def _forget_peak(daemon: Daemon) -> None:
    """Reset the peak of the daemon's memory."""
    clear = Path(f"/proc/{daemon.process.pid}/clear_refs")
    if not clear.exists():
        pytest.skip("there is no /proc to read the memory of a process from")
    clear.write_text("5", encoding="ascii")


def _memory_bytes(daemon: Daemon, name: str) -> int:
    """Return the daemon's memory: now (`VmRSS`) or at its peak (`VmHWM`)."""
    status = Path(f"/proc/{daemon.process.pid}/status")
    match = re.search(rf"{name}:\s+(\d+) kB", status.read_text(encoding="ascii"))
    assert match
    return int(match[1]) * 1024


@pytest.mark.parametrize("timeouts", TIMEOUTS)
async def test_behaviours_have_their_outcome_in_bounded_memory(
    tmp_path: Path, timeouts: str
) -> None:
    names = [name for name in BEHAVIOURS if _timeouts_for(name) == timeouts]
    heavy = [name for name in names if name.startswith(("endless-", "a-"))]
    async with _listening() as hostile, _daemon(tmp_path, timeouts) as daemon:
        key_id = await _store(daemon, hostile)
        assert await _end(daemon, key_id, "cookies") == "ok"  # loads all that is loaded lazily
        before = _memory_bytes(daemon, "VmRSS")
        slots = asyncio.Semaphore(AT_ONCE)

        async def end(name: str) -> str:
            async with slots:
                return await _end(daemon, key_id, name)

        light = [name for name in names if name not in heavy]
        outcomes = dict(zip(light, await asyncio.gather(*map(end, light)), strict=True))
        peaks: dict[str, int] = {}
        repeated = [name for name in heavy if name == "endless-json"] * 4
        for name in [*heavy, *repeated]:  # one at a time, to measure its memory
            _forget_peak(daemon)
            base = _memory_bytes(daemon, "VmRSS")
            outcomes[name] = await end(name)
            peak = _memory_bytes(daemon, "VmHWM") - base
            peaks[name] = max(peak, peaks.get(name, 0))
        assert await end("some-1xx") == "ok", "the daemon must still work"
        growth = _memory_bytes(daemon, "VmRSS") - before
    print(f"{len(outcomes)} behaviours; the daemon grew by {growth / MIB:.1f} MiB")
    print("at the peak, in MiB:", {name: round(size / MIB, 1) for name, size in peaks.items()})
    wrong = {name: kind for name, kind in outcomes.items() if kind not in BEHAVIOURS[name][1]}
    assert not wrong
    assert all(size <= RSS_GROWTH_MAX_BYTES for size in peaks.values())
    assert growth <= RSS_GROWTH_MAX_BYTES
    assert not hostile.received_elsewhere
    assert all(b"cookie:" not in head.lower() for head in hostile.heads)
    output = b"".join(daemon.wire) + daemon.stderr
    assert KEY.encode() not in output
    assert b"\x1b" not in output


def _timeouts_for(name: str) -> str:
    return "short" if BEHAVIOURS[name][1] == "timeout" else "long"
