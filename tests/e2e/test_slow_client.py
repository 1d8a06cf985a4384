"""A client that stops reading stdout: the daemon's memory stays bounded and no event is lost."""

from __future__ import annotations

import array
import asyncio
import re
import sys
from pathlib import Path

import pytest

from byokd.core.limits import OUTBOX_MAX_BYTES
from byokd.sandbox import Sandbox
from daemon import Daemon, running
from sandbox_env import GENERIC, KEY, chat_params, sandbox, store_key, unlocked
from waits import WAIT_MAX_S

pytestmark = pytest.mark.anyio

_STREAMS = 32
_CHUNKS = 5000
_PROBES = 20
"""Probes of a key in a row that reach the provider while the daemon can write nothing."""


async def test_streams_finish_whole_after_stdout_was_full(tmp_path: Path) -> None:
    async with (
        sandbox() as provider,
        running("--log-level", "info", data_dir=tmp_path) as daemon,
    ):
        await unlocked(daemon)
        key = await store_key(daemon, provider)
        daemon.paused.clear()
        params_of_all = [
            chat_params(f"sandbox-burst-{_CHUNKS}", key_id=key["keyId"]) for _ in range(_STREAMS)
        ]
        chats_reached = len(provider.requests) + _STREAMS
        ids = [daemon.send("chat/send", params) for params in params_of_all]
        answers = [asyncio.create_task(daemon.answer(request_id)) for request_id in ids]
        await _until_requests(provider, chats_reached)
        await _fill_output(daemon, provider)
        assert not any(answer.done() for answer in answers)
        daemon.paused.set()
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
    peak = int(re.search(r"outbox peak (\d+) bytes", log)[1])  # type: ignore[index]
    assert peak <= OUTBOX_MAX_BYTES


async def _fill_output(daemon: Daemon, provider: Sandbox) -> None:
    """Probe a key until the unread output no longer grows: a write that blocked would end this."""
    full, unread = 0, 0
    while full < _PROBES:
        reached = len(provider.requests)
        daemon.send(
            "key/probe",
            {
                "provider": GENERIC,
                "fields": {"apiKey": {"plain": KEY}},
                "baseUrl": provider.base_url,
            },
        )
        await _until_requests(provider, reached + 1)
        before, unread = unread, _unread_bytes(daemon)
        full = full + 1 if unread == before else 0


async def _until_requests(provider: Sandbox, count: int) -> None:
    async with asyncio.timeout(WAIT_MAX_S):
        while len(provider.requests) < count:  # noqa: ASYNC110  # no event for it
            await asyncio.sleep(0)


def _unread_bytes(daemon: Daemon) -> int:
    """Return how much the daemon wrote and nobody read; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import fcntl
    import termios

    pipe = daemon.process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
    count = array.array("i", [0])
    fcntl.ioctl(pipe.get_extra_info("pipe"), termios.FIONREAD, count)
    return count[0]


def _starts(batches: list[dict[str, list[object]]]) -> list[int]:
    starts, total = [], 0
    for batch in batches:
        starts.append(total)
        total += len(batch["events"])
    return starts
