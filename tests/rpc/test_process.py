"""The daemon as a process: its output, its end, and that no secret is in its logs."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from byokd.__main__ import Arguments, parse
from byokd.core.limits import PARENT_POLL_MS, SHUTDOWN_TIMEOUT_MS
from byokd.rpc.framing import FrameReader, frame
from byokd.rpc.parent_watch import is_alive
from catalog_file import catalog_file
from catalog_server import configured
from daemon import running
from waits import WAIT_MAX_S

pytestmark = pytest.mark.anyio

HARNESS = Path(__file__).resolve().parents[1] / "rpc_harness.py"
SERVER = HARNESS.parents[1] / "server"
CANARY = "sk-test-0123456789abcdef"
STORE = {"provider": "p", "fields": {"apiKey": {"plain": CANARY}}}


def message(id_: object, method: str, params: Any = None) -> bytes:
    body = {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}
    return frame(json.dumps(body).encode())


INITIALIZE = message(0, "initialize", {"processId": None})


def command(*options: str) -> list[str]:
    return [sys.executable, "-I", "-X", "utf8", str(HARNESS), "--stdio", *options]


def answers(data: bytes) -> dict[object, Any]:
    """Return the messages by id; bytes that are not a frame fail."""
    reader, by_id = FrameReader(), {}
    reader.feed(data)
    while (body := reader.next()) is not None:
        assert isinstance(body, bytes), data
        parsed = json.loads(body)
        by_id[parsed["id"]] = parsed
    assert len(reader._buffer) == 0
    return by_id


@asynccontextmanager
async def daemon(*options: str, **how: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command(*options), stdin=pipe, stdout=pipe, stderr=pipe, **how
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("level", ["debug", "warning"])
async def test_stray_prints_break_no_frame_and_logs_have_no_secret(level: str) -> None:
    sent = INITIALIZE + message(1, "key/store", STORE) + message(2, "key/probe", STORE | {"x": 1})
    sent += message(3, "key/store", STORE | {"fields": CANARY}) + message(4, CANARY, CANARY)
    sent += message(5, "key/list") + message(6, "shutdown") + frame(b'{"method":"x"' + b" " * 9)
    async with daemon("--log-level", level) as process:
        assert process.stdin is not None
        process.stdin.write(sent)
        received: dict[object, Any] = {}
        data = b""
        assert process.stdout is not None
        while len(received) < 8:
            data += await process.stdout.read(65536)
            received = answers(data)
        process.stdin.write(frame(b'{"jsonrpc":"2.0","method":"exit"}'))
        rest, stderr = await process.communicate()
    assert answers(rest) == {}
    assert process.returncode == 0
    codes = {id_: answer.get("error", {}).get("code") for id_, answer in received.items()}
    assert codes == {
        0: None,
        1: -32603,
        2: -32602,
        3: -32602,
        4: -32601,
        5: -32603,
        6: None,
        None: -32700,
    }
    assert b"a stray print" in stderr
    assert b"a stray child" in stderr
    assert received[1]["error"]["data"]["errorId"].encode() in stderr
    assert CANARY.encode() not in data + stderr
    assert b"Traceback" not in data + stderr


async def exit_code(process: asyncio.subprocess.Process) -> int | None:
    """Wait until the process ends, print how long that took, and return its exit code."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with asyncio.timeout(WAIT_MAX_S):
        await process.wait()
    print(f"\nended after {loop.time() - start:.2f} s")
    return process.returncode


async def start_session(process: asyncio.subprocess.Process, sent: bytes = INITIALIZE) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(sent)
    assert (await process.stdout.readline()).startswith(b"Content-Length")


async def test_end_of_input_ends_the_process() -> None:
    async with daemon() as process:
        await start_session(process)
        assert process.stdin is not None
        process.stdin.close()
        assert await exit_code(process) == 0


async def test_end_of_the_client_ends_the_process() -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)  # noqa: ASYNC220 - killed
    async with daemon() as process:
        await start_session(process, message(0, "initialize", {"processId": sleeper.pid}))
        sleeper.kill()
        sleeper.wait()
        assert await exit_code(process) == 0
    assert sleeper.stdin is not None
    sleeper.stdin.close()


async def test_client_that_is_not_visible_is_not_watched() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])  # noqa: ASYNC220 - over at once
    gone.wait()
    assert not is_alive(gone.pid)
    async with daemon() as process:
        await start_session(process, message(0, "initialize", {"processId": gone.pid}))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await process.wait()


async def test_closed_stdout_ends_the_process() -> None:
    async with daemon() as process:
        await start_session(process)
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        assert process.stdin is not None
        process.stdin.write(message(1, "provider/list") * 50)
        assert await exit_code(process) == 1


async def test_broken_frame_is_answered_and_ends_the_process() -> None:
    async with daemon() as process:
        out, _ = await process.communicate(b"hello\r\n\r\n")
        assert answers(out)[None]["error"]["code"] == -32700
        assert process.returncode == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
async def test_signal_ends_the_process_cleanly(name: str) -> None:
    async with daemon() as process:
        await start_session(process)
        process.send_signal(getattr(signal, name))
        assert await exit_code(process) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
async def test_ctrl_c_in_the_clients_terminal_does_not_end_the_process() -> None:
    async with daemon(start_new_session=True) as process:
        await start_session(process)
        for _ in range(3):
            os.killpg(process.pid, signal.SIGINT)  # what the terminal sends to all of its processes
        assert process.stdin is not None
        process.stdin.write(message(1, "provider/list"))
        assert process.stdout is not None
        data = await process.stdout.readuntil(b'"nextCursor"')
        assert b'"id":1' in data
        process.send_signal(signal.SIGTERM)
        assert await exit_code(process) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
async def test_ignored_hangup_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does
    try:
        async with daemon() as process:
            await start_session(process)
            process.send_signal(signal.SIGHUP)
            out, _ = await process.communicate(message(1, "provider/list"))
            assert b'"id":1' in out
            assert process.returncode == 0
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_closed_stderr_blocks_nothing_and_costs_no_cpu() -> None:
    async with daemon("--log-level", "debug") as process:
        await start_session(process)
        process._transport.get_pipe_transport(2).close()  # type: ignore[attr-defined]
        enable = {"keyId": "key_" + "a" * 26}
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"".join(message(n, "key/enable", enable) for n in range(1, 101)))
        data = b""
        async with asyncio.timeout(WAIT_MAX_S):
            while data.count(b"-32603") < 100:
                data += await process.stdout.read(1 << 16)
        if sys.platform == "linux":
            before_s = _cpu_s(process.pid)
            used_s = _use_cpu()
            # a loop that never sleeps would get as much as this process
            assert _cpu_s(process.pid) - before_s < used_s / 4
        process.stdin.close()
        assert await exit_code(process) == 0


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _use_cpu() -> float:
    """Compute for 0.3 s of CPU time; return the CPU time used."""
    began = time.process_time()
    while time.process_time() - began < 0.3:
        sum(range(100_000))
    return time.process_time() - began


async def test_unread_stderr_blocks_nothing() -> None:
    async with daemon() as process:
        enable = {"keyId": "key_" + "a" * 26}
        sent = INITIALIZE + b"".join(message(n, "key/enable", enable) for n in range(1, 1001))
        process._transport.get_pipe_transport(2).pause_reading()  # type: ignore[attr-defined]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(sent)
        data = b""
        async with asyncio.timeout(WAIT_MAX_S):
            while data.count(b"Content-Length") < 1001:
                data += await process.stdout.read(1 << 16)
        assert data.count(b"-32603") > 200
        process._transport.get_pipe_transport(2).resume_reading()  # type: ignore[attr-defined]


async def test_files_are_read_and_written_by_threads(tmp_path: Path) -> None:
    sent = INITIALIZE + message(1, "provider/list") + message(2, "shutdown")
    sent += frame(b'{"jsonrpc":"2.0","method":"exit"}')
    source, sink = tmp_path / "in", tmp_path / "out"
    source.write_bytes(sent)
    with source.open("rb") as stdin, sink.open("wb") as stdout:
        process = await asyncio.create_subprocess_exec(*command(), stdin=stdin, stdout=stdout)
        await process.wait()
    assert process.returncode == 0
    assert set(answers(sink.read_bytes())) == {0, 1, 2}


async def test_start_failure_is_logged_with_its_text() -> None:
    async with daemon("--config", "bad") as process:
        out, stderr = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert b"the daemon cannot start: name a better file" in stderr


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], Arguments()),
        (["--stdio"], Arguments()),
        (["--stdio", "--data-dir", "d", "--config=c"], Arguments(data_dir="d", config="c")),
        (["--log-level", "debug"], Arguments(log_level="debug")),
        (["--stdio", "--clientProcessId=12"], Arguments()),
        (["--log-level", "loud"], None),
        (["--data-dir"], None),
        (["--data-dir="], None),
        (["keys"], None),
        (["--stdio", "keys"], None),
        (["--help"], None),
    ],
)
async def test_daemon_arguments_are_parsed(arguments: list[str], wanted: Arguments | None) -> None:
    assert parse(arguments) == wanted


async def test_shutdown_fits_into_two_seconds() -> None:
    assert SHUTDOWN_TIMEOUT_MS < 2000
    assert PARENT_POLL_MS < 2000


def imported_by(program: str, *arguments: str) -> set[str]:
    """Run a program in a new process; return the modules that it imported."""
    start = "import sys; sys.path.insert(0, sys.argv[1]);"
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"{start}{program};print(*sys.modules)",
            str(SERVER),
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_nothing_heavy_is_imported_before_initialize() -> None:
    heavy = {
        "lsprotocol.types",
        "httpx",
        "aiohttp",
        "cryptography",
        "keyring",
        "sqlite3",
        "click",
        "rich",
        "byokd.app",
        "byokd.cli",
        "byokd.protocol.chat",
        "byokd.protocol.key",
    }
    assert heavy.isdisjoint(imported_by("import byokd.__main__, byokd.rpc.serve"))


_LIST = (
    "from byokd.app import create_app; from byokd.protocol.lifecycle import Features;"
    "from byokd.protocol.methods import PROVIDER_LIST; from byokd.rpc.routes import ROUTES;"
    "from byokd.services.runtime.session import Session;"
    "session = Session('a', None, None, Features(), False);"
    "app = create_app(sys.argv[2], sys.argv[3], {});"
    "items = app.providers.list(session, PROVIDER_LIST.params_type()()).items;"
)


@pytest.mark.anyio
async def test_refreshed_catalog_adds_nothing_heavy_to_the_start(tmp_path: Path) -> None:
    config = configured(tmp_path)
    day = (dt.datetime.now(dt.UTC) + dt.timedelta(1)).date().isoformat()
    file = tmp_path / "new.catalog"
    file.write_bytes(catalog_file(day=day))
    store = tmp_path / "store"
    async with running("--config", str(config), data_dir=store, module="byokd") as daemon:
        await daemon.initialize()
        assert (await daemon.request("catalog/refresh", {"from": str(file)}))["applied"]
        await daemon.close()
    heavy = {
        "httpx",
        "aiohttp",
        "keyring",
        "sqlite3",
        "byokd.composition",
        "byokd.catalog.refresh",
        "byokd.catalog.comparison",
        "byokd.catalog.patterns",
        "byokd.catalog.models",
        "byokd.catalog.errors",
        "byokd.services.catalog.service",
        "byokd.protocol.chat",
        "byokd.protocol.key",
        "byokd.vault",
    }
    program = f"{_LIST}assert items[0].layer == 'refreshed'"
    imported = imported_by(program, str(store), str(config))
    assert heavy.isdisjoint(imported)
    assert "byokd.catalog_store" in imported


def test_application_lists_providers_without_network_store_and_keyring(tmp_path: Path) -> None:
    program = f"{_LIST}assert items"
    heavy = {
        "httpx",
        "aiohttp",
        "keyring",
        "sqlite3",
        "byokd.composition",
        "byokd.config.files",
        "byokd.protocol.chat",
        "byokd.protocol.key",
        "byokd.services.keys.service",
        "byokd.vault",
    }
    imported = imported_by(program, str(tmp_path), str(tmp_path / "config.toml"))
    assert "byokd.rpc.routes" in imported
    assert heavy.isdisjoint(imported)
