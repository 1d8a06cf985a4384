"""`byokd sandbox` as a process: the printed addresses, and providers that answer there."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process

import byokd
from byokd.catalog.loader import load
from byokd.cli import sandbox
from byokd.core.http import Headers, HttpRequest, HttpResponse
from byokd.transport.http import HttpTransport
from sandbox_env import KEY
from waits import WAIT_MAX_S

pytestmark = pytest.mark.anyio

_ENVIRONMENT = {"PYTHONPATH": str(Path(byokd.__file__).parents[1])}


@asynccontextmanager
async def _running(*words: str, lines: int) -> AsyncIterator[tuple[Process, dict[str, list[str]]]]:
    """Run the command; yield the process and the columns of its first lines by name."""
    command = [sys.executable, "-m", "byokd", "sandbox", *words]
    async with await anyio.open_process(command, env=_ENVIRONMENT) as process:
        assert process.stdout is not None
        output = b""
        with anyio.fail_after(WAIT_MAX_S):
            while output.count(b"\n") < lines:
                output += await process.stdout.receive()
        rows = [row.split() for row in output.decode().splitlines()]
        try:
            yield process, {name: columns for name, *columns in rows}
        finally:
            process.send_signal(signal.SIGINT)
        with anyio.fail_after(WAIT_MAX_S):
            assert await process.wait() == 0


async def _ask(url: str, body: object) -> HttpResponse:
    headers = Headers([("authorization", f"Bearer {KEY}"), ("content-type", "application/json")])
    async with aclosing(HttpTransport()) as transport:
        return await transport.send(HttpRequest("POST", url, headers, json.dumps(body).encode()))


def test_one_long_url_does_not_widen_the_other_lines(capsys: pytest.CaptureFixture[str]) -> None:
    urls = ["http://127.0.0.1:9/v1", "http://127.0.0.1:9/" + "x" * 80]
    sandbox.show([("name", url, "model") for url in urls])
    short, long = capsys.readouterr().out.splitlines()
    assert len(short) < len(long)
    assert short.split() == ["name", urls[0], "model"]
    assert long.split() == ["name", urls[1], "model"]


async def test_each_provider_answers_at_its_printed_address() -> None:
    async with _running(lines=1 + len(load())) as (_, rows):
        assert set(load()) < set(rows)
        chats = [r for r in load().values() if r.chat_path == "/chat/completions"]
        chats = [record for record in chats if record.auth.scheme == "bearer"]
        for record in chats:
            url, model = rows[record.id]
            body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
            answer = await _ask(url.replace("{accountId}", "0" * 32) + record.chat_path, body)
            assert (answer.status, b"hello" in answer.body) == (200, True)


async def test_recordings_are_served_at_printed_addresses(tmp_path: Path) -> None:
    folder = tmp_path / "someone" / "text"
    folder.mkdir(parents=True)
    request = {"method": "POST", "path": "/v1/chat/completions"}
    (folder / "request.json").write_text(json.dumps(request))
    (folder / "response.json").write_text(json.dumps({"status": 200, "headers": {}}))
    (folder / "body.bin").write_bytes(b"recorded")
    async with _running("--replay", str(tmp_path), lines=1) as (_, rows):
        url, method = rows["someone/text"]
        assert (method, (await _ask(url, {})).body) == ("POST", b"recorded")


async def test_taken_port_is_reported() -> None:
    async with _running(lines=1) as (_, rows):
        port = rows["generic"][0].split(":")[2].partition("/")[0]
        command = [sys.executable, "-m", "byokd", "sandbox", "--port", port]
        second = await anyio.run_process(command, env=_ENVIRONMENT, check=False)
        assert (second.returncode, second.stdout) == (1, b"")
        assert second.stderr.startswith(b"error: cannot listen on port " + port.encode())
