"""The server of recordings: recorded bodies in recorded chunks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from byokd.core.http import HttpRequest
from byokd.sandbox.replay import Recording, Replay
from byokd.transport.http import HttpTransport

pytestmark = pytest.mark.anyio

STREAM = {"content-type": "text/event-stream"}
ODD = {
    "Content-Type": "application/json", "content-encoding": "gzip", "content-length": "9999",
    "transfer-encoding": "chunked", "connection": "close", "retry-after": "3",
}  # fmt: skip
RECORDINGS: dict[str, dict[str, Any]] = {
    "whole": {"status": 200, "headers": {"content-type": "application/json"}},
    "stream": {"status": 200, "headers": STREAM},
    "pieces": {"status": 200, "headers": STREAM, "chunk_sizes": [1, 2, 3]},
    "refused": {"status": 429, "headers": ODD},
}
BODY = b'data: {"a": "\xc3\xa9"}\n\n'


@pytest.fixture
async def replay(tmp_path: Path) -> AsyncIterator[Replay]:
    for name, response in RECORDINGS.items():
        folder = tmp_path / "someone" / name
        folder.mkdir(parents=True)
        request = {"method": "POST", "path": "/api/v1/chat/completions?x=1", "host": "a.test"}
        (folder / "request.json").write_text(json.dumps(request))
        (folder / "response.json").write_text(json.dumps(response))
        (folder / "body.bin").write_bytes(BODY)
    async with Replay(tmp_path) as running:
        yield running


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    transport = HttpTransport()
    yield transport
    await transport.aclose()


@pytest.mark.parametrize("name", RECORDINGS)
async def test_recording_is_served(replay: Replay, transport: HttpTransport, name: str) -> None:
    url = replay.base_url("someone", name, "/chat/completions")
    assert url == f"{replay.url}/someone/{name}/api/v1"
    response = await transport.send(HttpRequest("POST", f"{url}/chat/completions", body=b"{}"))
    assert (response.status, response.body) == (RECORDINGS[name]["status"], BODY)
    names = {header for header, _ in response.headers}
    assert "content-encoding" not in names
    assert len(names & {"content-length", "transfer-encoding"}) == 1
    assert ("content-length" in names) is (name in {"whole", "refused"})
    assert response.headers.get("retry-after") == ("3" if name == "refused" else None)
    assert replay.requests[0].path.endswith("/api/v1/chat/completions")


async def test_chunks_have_recorded_sizes(replay: Replay) -> None:
    folder = Path(replay._root) / "someone" / "pieces"
    assert list(Recording.read(folder).chunks()) == [
        BODY[:1], BODY[1:3], BODY[3:6], BODY[6:],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/", "/someone", "/someone/none/x", "/%2e%2e/someone/whole", "/%2e/x"]
)
async def test_unrecorded_path_is_404(replay: Replay, transport: HttpTransport, path: str) -> None:
    assert (await transport.send(HttpRequest("GET", replay.url + path))).status == 404
