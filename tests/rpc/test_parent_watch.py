"""Following processes: by descriptor where there is one, else by asking now and then."""

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

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name != "posix", reason="processes are POSIX here"),
]


def _no_descriptor(_pid: int) -> int:
    raise OSError(38, "Function not implemented")


@pytest.fixture(params=["descriptor", "asking"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "asking":
        monkeypatch.setattr(os, "pidfd_open", _no_descriptor, raising=False)
        monkeypatch.setattr(parent_watch, "PARENT_POLL_MS", 10)
    elif not hasattr(os, "pidfd_open"):
        pytest.skip("this system has no process descriptors")
    return str(request.param)


def _sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-I", "-c", "input()"], stdin=subprocess.PIPE)


@pytest.mark.usefixtures("way")
async def test_the_end_of_a_process_is_noticed() -> None:
    gone = asyncio.Event()
    with _sleeper() as process:
        found = ParentWatcher(gone.set)
        found.follow(os.getpid())
        found.follow(process.pid)
        assert not gone.is_set()
        process.kill()
        process.wait()
        await asyncio.wait_for(gone.wait(), 5)
        found.close()


async def test_a_process_that_nobody_waited_for_is_gone(way: str) -> None:
    """It is a zombie, which a signal still reaches; only a descriptor tells."""
    gone = asyncio.Event()
    with _sleeper() as process:
        found = ParentWatcher(gone.set)
        found.follow(process.pid)
        process.kill()
        if way == "descriptor":
            await asyncio.wait_for(gone.wait(), 5)
        else:
            process.wait()
            await asyncio.wait_for(gone.wait(), 5)
        found.close()


@pytest.mark.usefixtures("way")
async def test_after_close_nothing_is_heard() -> None:
    heard: list[int] = []
    with _sleeper() as process:
        found = ParentWatcher(lambda: heard.append(1))
        found.follow(process.pid)
        found.close()
        found.follow(process.pid)
        process.kill()
        process.wait()
        for _ in range(20):
            await asyncio.sleep(0)
    assert not heard


@pytest.mark.usefixtures("way")
async def test_a_parent_that_is_another_by_now_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    parents = iter([os.getppid(), 1, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents, 1))
    gone = asyncio.Event()
    found = ParentWatcher(gone.set)
    found.follow_parent()
    await asyncio.wait_for(gone.wait(), 5)
    found.close()


@pytest.mark.parametrize(
    ("error", "alive"), [(None, True), (PermissionError, True), (OSError, False)]
)
def test_who_may_not_be_asked_is_there(
    *, monkeypatch: pytest.MonkeyPatch, error: type[Exception] | None, alive: bool
) -> None:
    def kill(_pid: int, _signal: int) -> None:
        if error:
            raise error

    monkeypatch.setattr(os, "kill", kill)
    assert parent_watch.is_alive(1) is alive


def _spawned_on_a_thread() -> subprocess.Popen[bytes]:
    made: list[subprocess.Popen[bytes]] = []

    def spawn(command: list[str]) -> None:
        made.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))

    _in_thread(lambda: spawn([sys.executable, "-I", "-X", "utf8", "-m", "byokd", "--stdio"]))
    return made[0]


def _in_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_the_end_of_the_thread_that_started_us_is_not_the_end() -> None:
    """Executors end their threads; Linux's parent-death signal would have ended us with one."""
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
        assert process.wait(5) == 0


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("pid", [-1, 0, 2**31 - 1, 2**31, 2**40])
async def test_a_number_that_no_process_has_is_left_alone(pid: int) -> None:
    gone = asyncio.Event()
    found = ParentWatcher(gone.set)
    found.follow(pid)
    found.close()
    assert not gone.is_set()
