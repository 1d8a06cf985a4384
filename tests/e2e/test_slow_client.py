"""A client that stops reading: the daemon keeps its head, bounds its memory, and loses nothing."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from byokd.core.limits import MIB, OUTBOX_MAX_BYTES
from daemon import running
from sandbox_env import chat_params, sandbox, store_key, unlocked

pytestmark = pytest.mark.anyio

_STREAMS = 32
_CHUNKS = 5000
_PAUSE_S = 5.0
# A write that blocks would hold the loop for the whole pause; a busy machine holds it for less.
_LAG_MAX_MS = 2000


async def test_32_streams_with_stdout_unread_for_5_s(tmp_path: Path) -> None:
    async with (
        sandbox() as provider,
        running("--log-level", "info", data_dir=tmp_path) as daemon,
    ):
        await unlocked(daemon)
        key = await store_key(daemon, provider)
        daemon.paused.clear()
        asked = [
            chat_params(f"sandbox-burst-{_CHUNKS}", key_id=key["keyId"]) for _ in range(_STREAMS)
        ]
        ids = [daemon.send("chat/send", params) for params in asked]
        async with asyncio.timeout(_PAUSE_S + 5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(_PAUSE_S):
                    await daemon.answer(ids[0])
        daemon.paused.set()
        results = [await daemon.answer(request_id) for request_id in ids[1:]]
        await daemon.until("unasked answer", lambda message: message["id"] == ids[0])
        assert await daemon.close() == 0
    for result, params in zip(results, asked[1:], strict=True):
        assert result["finishReason"]["unified"] in {"stop", "length"}
        batches = daemon.batches[params["streamId"]]
        events = [event for batch in batches for event in batch["events"]]
        assert [batch["seq"] for batch in batches] == _starts(batches)
        text = "".join(event["delta"] for event in events if event["type"] == "textDelta")
        assert text == result["message"]["content"][0]["text"]
        assert events[-1]["type"] == "finish"
    told = daemon.stderr.decode()
    lag_ms = int(re.search(r"loop lag max (\d+) ms", told)[1])  # type: ignore[index]
    peak = int(re.search(r"outbox peak (\d+) bytes", told)[1])  # type: ignore[index]
    print(f"\nslow client: outbox peak {peak / MIB:.1f} MiB, loop lag at most {lag_ms} ms")
    assert peak <= OUTBOX_MAX_BYTES
    assert lag_ms <= _LAG_MAX_MS


def _starts(batches: list[dict[str, list[object]]]) -> list[int]:
    starts, total = [], 0
    for batch in batches:
        starts.append(total)
        total += len(batch["events"])
    return starts
