"""The parent watcher: by process descriptor where there is one, else by polling."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from byokd.rpc import parent_watch
from byokd.rpc.parent_watch import ParentWatcher
from waits import WAIT_MAX_S

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name != "posix", reason="processes are POSIX here"),
]


def _no_descriptor(_pid: int) -> int:
    raise OSError(38, "Function not implemented")


@pytest.fixture(params=["descriptor", "polling"])
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "polling":
        monkeypatch.setattr(os, "pidfd_open", _no_descriptor, raising=False)
        monkeypatch.setattr(parent_watch, "PARENT_POLL_MS", 10)
    elif not hasattr(os, "pidfd_open"):
        pytest.skip("this system has no process descriptors")
    return str(request.param)


def _sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-I", "-c", "input()"], stdin=subprocess.PIPE)


@pytest.mark.usefixtures("method")
async def test_end_of_a_process_is_reported() -> None:
    ended = asyncio.Event()
    with _sleeper() as process:
        watcher = ParentWatcher(ended.set)
        watcher.follow(os.getpid())
        watcher.follow(process.pid)
        assert not ended.is_set()
        process.kill()
        process.wait()
        await asyncio.wait_for(ended.wait(), WAIT_MAX_S)
        watcher.close()


async def test_unreaped_process_counts_as_ended(method: str) -> None:
    """It is a zombie, which still takes signals; only a descriptor reports its end."""
    ended = asyncio.Event()
    with _sleeper() as process:
        watcher = ParentWatcher(ended.set)
        watcher.follow(process.pid)
        process.kill()
        if method == "descriptor":
            await asyncio.wait_for(ended.wait(), WAIT_MAX_S)
        else:
            process.wait()
            await asyncio.wait_for(ended.wait(), WAIT_MAX_S)
        watcher.close()


@pytest.mark.usefixtures("method")
async def test_closed_watcher_reports_nothing() -> None:
    calls: list[int] = []
    with _sleeper() as process:
        watcher = ParentWatcher(lambda: calls.append(1))
        watcher.follow(process.pid)
        watcher.close()
        watcher.follow(process.pid)
        process.kill()
        process.wait()
        for _ in range(20):
            await asyncio.sleep(0)
    assert not calls


@pytest.mark.usefixtures("method")
async def test_parent_that_was_replaced_counts_as_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    parents = iter([os.getppid(), 1, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents, 1))
    ended = asyncio.Event()
    watcher = ParentWatcher(ended.set)
    watcher.follow_parent()
    await asyncio.wait_for(ended.wait(), WAIT_MAX_S)
    watcher.close()


@pytest.mark.parametrize(
    ("error", "alive"), [(None, True), (PermissionError, True), (OSError, False)]
)
def test_process_that_may_not_be_signalled_is_alive(
    *, monkeypatch: pytest.MonkeyPatch, error: type[Exception] | None, alive: bool
) -> None:
    def kill(_pid: int, _signal: int) -> None:
        if error:
            raise error

    monkeypatch.setattr(os, "kill", kill)
    assert parent_watch.is_alive(1) is alive


def _spawned_on_a_thread() -> subprocess.Popen[bytes]:
    started: list[subprocess.Popen[bytes]] = []

    def spawn(command: list[str]) -> None:
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))

    _in_thread(lambda: spawn([sys.executable, "-I", "-X", "utf8", "-m", "byokd", "--stdio"]))
    return started[0]


def _in_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_end_of_the_starting_thread_does_not_end_the_daemon() -> None:
    """With Linux's parent-death signal it would: executors end their threads."""
    with _spawned_on_a_thread() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        body = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"processId":null}}'
        for expected in (b'"result"', b"-32600"):
            process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            process.stdin.flush()
            length = int(process.stdout.readline().split(b":")[1])
            assert expected in process.stdout.read(length + 2)
        process.stdin.close()
        assert process.wait(WAIT_MAX_S) == 0


@pytest.mark.usefixtures("method")
@pytest.mark.parametrize("pid", [-1, 0, 2**31 - 1, 2**31, 2**40])
async def test_impossible_process_id_is_ignored(pid: int) -> None:
    ended = asyncio.Event()
    watcher = ParentWatcher(ended.set)
    watcher.follow(pid)
    watcher.close()
    assert not ended.is_set()
