"""Fuzzing with invalid messages in valid frames: one answer for each id, no crash, no growth."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from byokd.core.limits import MIB
from byokd.rpc.framing import FrameReader, frame
from rpc.test_process import INITIALIZE, answers, daemon, message
from rpc_harness import connect
from waits import WAIT_MAX_S

pytestmark = [pytest.mark.anyio]

_METHODS = (
    "provider/list", "key/list", "key/store", "chat/send", "vault/status", "no/such", "initialize",
    "$/cancelRequest", "", "a" * 300, "\u0000", "__class__",
)  # fmt: skip
_PARAMS: Sequence[Any] = (
    None, {}, [], 0, "x", {"jsonrpc": "2.0", "id": 5, "method": "m"}, {"a-b": 1, "class": 2},
    {"__proto__": {}}, [[[[]]]], {"keyId": "x" * 999}, {"limit": 10**20}, {"_meta": {"a": 1}},
    {"cursor": "\U0001f600"}, {"streamId": "s", "messages": []},
)  # fmt: skip
_BODIES = (
    b"", b"{", b"[]", b"null", b"1e999", b'"', b"\xff\xfe", b"{}" * 9, b"[" * 5000,
    b'{"a":1,"a":2}',
    b'{"jsonrpc":"2.0","id":{},"method":"m"}', b'{"jsonrpc":"2.0","id":1.5,"method":"m"}',
    b'[{"jsonrpc":"2.0","id":1,"method":"m"}]', b'{"jsonrpc":"2.0","method":"m","params":NaN}',
    b'{"jsonrpc":"2.0","id":"s:1","result":1}', b'{"jsonrpc":"2.0","method":"no/such"}',
    b'{"jsonrpc":"1.0","id":[],"method":"m"}', b"\x00" * 64, b'{"id":"\\ud800"}',
)  # fmt: skip
_HEADERS = (
    "Content-Length: {0}\r\n\r\n", "content-length:{0}\n\n",
    "CONTENT-LENGTH: {0}\r\nX-Y: z\r\n\r\n",
    "\r\n\nContent-Length: 000{0}\r\n\r\n", "X: y\nContent-Length: {0}\nContent-Length: {0}\n\n",
    "Content-Type: a; charset=utf-16\r\nContent-Length: {0}\r\n\r\n",
)  # fmt: skip


def _request(id_: object, method: str, params: Any) -> bytes:
    body = {"jsonrpc": "2.0", "id": id_, "method": method}
    return json.dumps(body if params is None else body | {"params": params}).encode()


def _corrupted(body: bytes, at: int, by: int) -> bytes:
    """Change, drop or double a byte."""
    at %= len(body)
    change = (bytes([by % 256]), b"", body[at : at + 1] * 2)[by % 3]
    return body[:at] + change + body[at + 1 :]


def _framed(body: bytes, header: int) -> bytes:
    return _HEADERS[header % len(_HEADERS)].format(len(body)).encode() + body


_Request = st.tuples(
    st.sampled_from(_METHODS), st.sampled_from(_PARAMS), st.integers(0, 5), st.none()
)
_Corrupted = st.tuples(
    st.sampled_from(_METHODS),
    st.sampled_from(_PARAMS),
    st.integers(0, 5),
    st.tuples(st.integers(0, 500), st.integers(0, 255)),
)
_Garbage = st.one_of(st.sampled_from(_BODIES), st.binary(max_size=60))


async def _exchange(items: Iterable[Any], chunk_bytes: int) -> None:
    """Send requests and garbage in chunks of this size, and count the answers of each request."""
    sent: set[str] = set()
    valid: set[str] = set()
    data = b""
    for number, item in enumerate(items):
        if isinstance(item, bytes):
            data += frame(item)
            continue
        method, params, header, corruption = item
        id_ = (
            f"<{number:03}{number:03}{number:03}>"  # one changed byte cannot give another item's id
        )
        body = _request(id_, method, params)
        sent.add(id_)
        if corruption is None and header != 5:
            valid.add(id_)
        data += _framed(body if corruption is None else _corrupted(body, *corruption), header)
    async with connect() as (client, _app):
        await client.initialize()
        for at in range(0, len(data), chunk_bytes):
            client.send(data[at : at + chunk_bytes])
            await asyncio.sleep(0)
        await client.settled()
        async with asyncio.timeout(WAIT_MAX_S):
            while not valid <= {message.get("id") for message in client.messages}:
                await client.settled()
        answers_of = Counter(
            message["id"]
            for message in client.messages
            if "method" not in message and message.get("id") is not None
        )
        assert {id_ for id_ in sent if answers_of[id_] > 1} == set()
        assert {id_ for id_ in valid if answers_of[id_] != 1} == set()


_SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=25, deadline=None, suppress_health_check=_SUPPRESSED)
@given(
    st.lists(st.one_of(_Request, _Corrupted, _Garbage), min_size=5, max_size=40),
    st.sampled_from([1, 7, 64, 4096, 1 << 20]),
)
async def test_each_request_is_answered_once_among_garbage(
    items: list[Any], chunk_bytes: int
) -> None:
    await _exchange(items, chunk_bytes)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(max_examples=1500, deadline=None, suppress_health_check=_SUPPRESSED)
@given(
    st.lists(st.one_of(_Request, _Corrupted, _Garbage), min_size=5, max_size=60),
    st.sampled_from([1, 7, 64, 4096, 1 << 20]),
)
async def test_each_request_is_answered_once_among_much_garbage(
    items: list[Any], chunk_bytes: int
) -> None:
    await _exchange(items, chunk_bytes)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=200), st.sampled_from(_BODIES))), st.randoms())
def test_frame_reader_never_fails_and_stores_no_more_than_it_got(
    chunks: list[bytes], random: Random
) -> None:
    reader, fed_bytes = FrameReader(), 0
    for chunk in chunks:
        data = chunk if random.random() < 0.5 else frame(chunk)
        fed_bytes += len(data)
        reader.feed(data)
        while reader.next() is not None:
            assert len(reader._buffer) <= fed_bytes
        assert len(reader._buffer) <= fed_bytes


# --- the real process ----------------------------------------------------------------------------


def _resident_mib(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    [line] = [line for line in text.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024 / MIB


async def _exchange_garbage(count: int, *, resident_max_mib: int) -> tuple[int, float]:
    """Send many messages, mostly garbage; return the number of answers and the memory in MiB."""
    random = Random(7)  # noqa: S311 - the same garbage each time
    sent = 0
    async with daemon() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout
        answers_of: Counter[object] = Counter()
        over = asyncio.Event()

        async def read() -> None:
            reader = FrameReader()
            while data := await stdout.read(1 << 16):
                reader.feed(data)
                while (body := reader.next()) is not None:
                    assert isinstance(body, bytes)
                    parsed = json.loads(body)
                    if "method" not in parsed:
                        answers_of[parsed["id"]] += 1
                if answers_of["last"]:
                    over.set()

        reading = asyncio.create_task(read())
        stdin.write(INITIALIZE)
        for number in range(count):
            if number % 10 == 0:
                sent += 1
                stdin.write(message(f"<{number}>", random.choice(_METHODS[5:7]), {}))
            elif number % 3 == 0:
                stdin.write(frame(random.choice(_BODIES)))
            else:
                body = _request(None, random.choice(_METHODS), random.choice(_PARAMS))
                body = body.replace(b'"id": null', b'"id": [1]')
                stdin.write(frame(_corrupted(body, random.randrange(400), random.randrange(256))))
            await stdin.drain()
        stdin.write(message("last", "provider/list"))
        async with asyncio.timeout(120):
            await over.wait()
        resident = _resident_mib(process.pid)
        stdin.write(message("end", "shutdown") + frame(b'{"jsonrpc":"2.0","method":"exit"}'))
        await asyncio.wait_for(process.wait(), WAIT_MAX_S)
        await reading
        assert process.returncode == 0
    numbered = {id_: n for id_, n in answers_of.items() if isinstance(id_, str) and id_[0] == "<"}
    assert len(numbered) == sent
    assert set(numbered.values()) == {1}
    assert resident < resident_max_mib
    return sum(answers_of.values()), resident


_needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads the memory of a process from /proc"
)


@_needs_proc
async def test_process_survives_garbage() -> None:
    await _exchange_garbage(3_000, resident_max_mib=200)


@pytest.mark.long
@pytest.mark.timeout(900)
@_needs_proc
async def test_process_survives_much_garbage() -> None:
    answered, resident = await _exchange_garbage(100_000, resident_max_mib=200)
    print(f"\n100000 messages, {answered} answers, {resident:.0f} MiB resident")


_ENDINGS = {
    "4301 digits": b"Content-Length: " + b"9" * 3999 + b"\r\n\r\n",
    "over ssize_t": b"Content-Length: 99999999999999999999\r\n\r\n",
    "a thousand million million": b"Content-Length: 1000000000000000\r\n\r\n",
    "a header without an end": b"X" * (8 * MIB),
    "negative": b"Content-Length: -1\r\n\r\n",
}


@pytest.mark.parametrize("data", _ENDINGS.values(), ids=_ENDINGS.keys())
async def test_unreadable_length_ends_the_process_with_an_error(data: bytes) -> None:
    async with daemon() as process:
        assert process.stdin is not None
        try:
            out, stderr = await asyncio.wait_for(process.communicate(INITIALIZE + data), WAIT_MAX_S)
        except (BrokenPipeError, ConnectionResetError):
            return
    assert process.returncode == 1
    assert answers(out)[None]["error"]["code"] == -32700
    assert b"Traceback" not in stderr
