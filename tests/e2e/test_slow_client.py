"""A client that stops reading stdout: the daemon's memory stays bounded and no event is lost."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

from byokd.core.limits import MIB, OUTBOX_MAX_BYTES
from daemon import running
from sandbox_env import chat_params, sandbox, store_key, unlocked

pytestmark = pytest.mark.anyio

_STREAMS = 32
_CHUNKS = 5000
_PAUSE_S = 5.0
_LAG_MAX_OF_PAUSE = 0.8
"""A write that blocks would hold the event loop for the whole pause."""


async def test_streams_finish_whole_after_stdout_was_unread_for_5_s(tmp_path: Path) -> None:
    async with (
        sandbox() as provider,
        running("--log-level", "info", data_dir=tmp_path) as daemon,
    ):
        await unlocked(daemon)
        key = await store_key(daemon, provider)
        daemon.paused.clear()
        paused_at = time.monotonic()
        params_of_all = [
            chat_params(f"sandbox-burst-{_CHUNKS}", key_id=key["keyId"]) for _ in range(_STREAMS)
        ]
        ids = [daemon.send("chat/send", params) for params in params_of_all]
        answers = [asyncio.create_task(daemon.answer(request_id)) for request_id in ids]
        ended, _ = await asyncio.wait(answers, timeout=_PAUSE_S)
        assert not ended
        daemon.paused.set()
        paused_ms = (time.monotonic() - paused_at) * 1000
        results = await asyncio.gather(*answers)
        assert await daemon.close() == 0
    for result, params in zip(results, params_of_all, strict=True):
        assert result["finishReason"]["unified"] in {"stop", "length"}
        batches = daemon.batches[params["streamId"]]
        events = [event for batch in batches for event in batch["events"]]
        assert [batch["seq"] for batch in batches] == _starts(batches)
        text = "".join(event["delta"] for event in events if event["type"] == "textDelta")
        assert text == result["message"]["content"][0]["text"]
        assert events[-1]["type"] == "finish"
    log = daemon.stderr.decode()
    lag_ms = int(re.search(r"loop lag max (\d+) ms", log)[1])  # type: ignore[index]
    peak = int(re.search(r"outbox peak (\d+) bytes", log)[1])  # type: ignore[index]
    print(f"\nslow client: outbox peak {peak / MIB:.1f} MiB, loop lag at most {lag_ms} ms")
    assert peak <= OUTBOX_MAX_BYTES
    assert lag_ms < _LAG_MAX_OF_PAUSE * paused_ms


def _starts(batches: list[dict[str, list[object]]]) -> list[int]:
    starts, total = [], 0
    for batch in batches:
        starts.append(total)
        total += len(batch["events"])
    return starts
