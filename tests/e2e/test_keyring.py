"""The real daemon over keyrings that misbehave in every way reported of a real one.

Each ends in a state with a reason, in time; the daemon goes on answering meanwhile; and where there
is data, no second master key is ever made. The keyring is a process of its own on a private bus.
"""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from byokd.core.limits import KEYRING_TIMEOUT_MS
from daemon import Daemon, RpcError, running
from keysource.buses import HAVE_BUS, Bus, bus
from keysource.secret_service_stub import read_items
from sandbox_env import GENERIC, KEY

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not HAVE_BUS, reason="dbus-daemon is not installed"),
]

SHORT = "--keyring-timeout-ms=800"
ANSWER_P99_MS = 50
STATE_MAX_MS = 5_500
GONE_MAX_S = 2.0
STORE = {
    "provider": GENERIC,
    "fields": {"apiKey": {"plain": KEY}},
    "baseUrl": "http://127.0.0.1:9",
    "probe": "skip",
}


SHUT: dict[str | None, tuple[str, str, str]] = {
    "dismissed": ("locked", "backendLocked", "promptDismissed"),
    "hanging": ("locked", "backendLocked", "timeout"),
    "silent": ("unavailable", "timeout", "timeout"),
    "dead": ("unavailable", "noBackend", "noBackend"),
    "raising": ("unavailable", "noBackend", "noBackend"),
    "missing": ("unavailable", "itemMissing", "itemMissing"),
    "truncating": ("unavailable", "itemCorrupt", "itemCorrupt"),
    None: ("unavailable", "noBackend", "noBackend"),
}
"""What a vault that is there comes to under each mode of the keyring; None is a bus without one.

State and reason without a prompt, then why `key/store`, which may show one, is refused.
"""

OPENED = {"slow": None, "flickering": None, "locked": "backendLocked"}
"""Modes that open in the end, and the reason why not at first; then a prompt is answered."""

NEW = {
    "phantom": "itemMissing",
    "truncating": "itemCorrupt",
    "silent": "timeout",
    "hanging": "timeout",
    "dismissed": "promptDismissed",
    "dead": "noBackend",
    "raising": "noBackend",
    None: "noBackend",
}
"""Why no vault is made under each."""


def master_keys(items: Path) -> dict[str, bytes]:
    """Return the master keys in a keyring's file by name; anchors come and go beside them."""
    found = ((has["username"], value) for has, value in read_items(items).values())
    return {name: value for name, value in found if name.startswith("kek/")}


@pytest.fixture(scope="module")
def session() -> Iterator[Bus]:
    with bus() as found:
        yield found


@pytest.fixture(scope="module")
async def made(session: Bus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a vault under a keyring, and the keyring's items."""
    folder = tmp_path_factory.mktemp("made")
    with session.having("open", folder / "items"):
        async with running(
            data_dir=folder / "vault", environment={"DBUS_SESSION_BUS_ADDRESS": session.address}
        ) as daemon:
            await daemon.initialize()
            await daemon.request("key/store", STORE)
            assert await daemon.close() == 0
    assert len(master_keys(folder / "items")) == 1
    return folder


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


class Pings:
    """Asks for something cheap all the time, and keeps how long each answer took."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.took_ms: list[float] = []

    async def during(self, request: int) -> Any:
        """Return the answer to a request, having pinged until it came."""
        answer = asyncio.create_task(self._daemon.answer(request))
        while not answer.done():
            began = time.perf_counter()
            await self._daemon.request("provider/list", {"limit": 1})
            self.took_ms.append((time.perf_counter() - began) * 1000)
            await asyncio.wait([answer], timeout=0.005)
        return await answer

    def p99_ms(self) -> float:
        if len(self.took_ms) < 2:
            return max(self.took_ms, default=0.0)
        return statistics.quantiles(self.took_ms, n=100, method="inclusive")[98]


async def _refusal(pings: Pings, daemon: Daemon, method: str, params: Any) -> str | None:
    """Return the reason in the error to a request, or None where it succeeds."""
    try:
        await pings.during(daemon.send(method, params))
    except RpcError as error:
        return str(error.data["details"]["reason"])
    return None


@asynccontextmanager
async def there(
    bus: Bus, made: Path, folder: Path, *arguments: str
) -> AsyncIterator[tuple[Daemon, Pings, Path]]:
    """Run a daemon on a copy of what was made; afterwards the keyring holds what it held."""
    shutil.copytree(made, folder, dirs_exist_ok=True)
    before = master_keys(folder / "items")
    async with running(
        *arguments,
        data_dir=folder / "vault",
        environment={"DBUS_SESSION_BUS_ADDRESS": bus.address},
    ) as daemon:
        yield daemon, Pings(daemon), folder / "items"
        assert await daemon.close() == 0
    assert master_keys(folder / "items") == before  # not one more, and not another


def having(bus: Bus, mode: str | None, items: Path) -> AbstractContextManager[None]:
    return nullcontext() if mode is None else bus.having(mode, items)


async def status(daemon: Daemon, pings: Pings) -> tuple[str, str | None, float]:
    """Return the vault's state and reason, and how many milliseconds they took."""
    began = time.monotonic()
    info = (await pings.during(daemon.send("vault/status")))["vault"]
    return info["state"], info["reason"], (time.monotonic() - began) * 1000


async def test_a_vault_under_keyrings_that_do_not_open_it(
    session: Bus, made: Path, tmp_path: Path
) -> None:
    async with there(session, made, tmp_path, SHORT) as (daemon, pings, items):
        with having(session, "silent", items):  # what is found at the start is found once more
            await daemon.initialize()
            await daemon.until("vault/changed")
        for mode, (state, reason, refused) in SHUT.items():
            with having(session, mode, items):
                found = await status(daemon, pings)
                assert found[:2] == (state, reason), mode
                assert found[2] < STATE_MAX_MS
                assert await _refusal(pings, daemon, "key/store", STORE) == refused, mode
        with having(session, "open", items):
            assert (await status(daemon, pings))[:2] == ("unlocked", None)
            assert len((await daemon.request("key/list", {}))["items"]) == 1


@pytest.mark.parametrize(
    "mode", ["flickering", "locked", pytest.param("slow", marks=pytest.mark.long)]
)
async def test_a_vault_under_a_keyring_that_opens_it_late(
    session: Bus, made: Path, tmp_path: Path, mode: str
) -> None:
    async with there(session, made, tmp_path, SHORT) as (daemon, pings, items):
        with having(session, mode, items):
            await daemon.initialize()
            state, reason, took_ms = await status(daemon, pings)
            assert reason == OPENED[mode]
            assert took_ms < STATE_MAX_MS
            if state == "locked":
                assert await _refusal(pings, daemon, "key/store", STORE) is None
            assert (await status(daemon, pings))[:2] == ("unlocked", None)


async def test_no_vault_is_made_under_a_keyring_that_does_not_keep(
    session: Bus, tmp_path: Path
) -> None:
    items = tmp_path / "items"
    async with running(
        SHORT,
        data_dir=tmp_path / "vault",
        environment={"DBUS_SESSION_BUS_ADDRESS": session.address},
    ) as daemon:
        await daemon.initialize()
        pings = Pings(daemon)
        for mode, reason in NEW.items():
            with having(session, mode, items):
                assert await _refusal(pings, daemon, "key/store", STORE) == reason, mode
                assert (await status(daemon, pings))[0] == "uninitialized"
        assert await daemon.close() == 0
    assert read_items(items) == {}
    assert not (tmp_path / "vault" / "data" / "vault.db").exists()


async def _silent(bus: Bus, made: Path, folder: Path, *arguments: str) -> float:
    """Return how long the state took; what is cheap may not have waited for it meanwhile.

    Held against the same daemon a moment earlier: on a busy machine every answer takes longer.
    """
    async with there(bus, made, folder, *arguments) as (daemon, opening, items):
        with having(bus, "silent", items):
            await daemon.initialize()
            await status(daemon, opening)  # from here on the rooms are open
            calm, pings = Pings(daemon), Pings(daemon)
            for _ in range(200):
                await calm.during(daemon.send("provider/list", {"limit": 1}))
            *_, took_ms = await status(daemon, pings)
    print(
        f"\nsilent keyring: state after {took_ms:.0f} ms; {len(pings.took_ms)} answers meanwhile,"
        f" p99 {pings.p99_ms():.1f} ms (before: {calm.p99_ms():.1f} ms)"
    )
    assert len(pings.took_ms) > 100
    assert pings.p99_ms() < max(ANSWER_P99_MS, 2 * calm.p99_ms())
    return took_ms


async def test_the_daemon_answers_while_a_keyring_is_silent(
    session: Bus, made: Path, tmp_path: Path
) -> None:
    took_ms = await _silent(session, made, tmp_path, "--keyring-timeout-ms=2000")
    assert took_ms < 3_000


async def test_the_end_does_not_wait_for_a_silent_keyring(
    session: Bus, made: Path, tmp_path: Path
) -> None:
    shutil.copytree(made / "vault", tmp_path / "vault")
    with session.having("silent", made / "items"):
        async with running(
            f"--keyring-timeout-ms={int(GONE_MAX_S * 1500)}",
            data_dir=tmp_path / "vault",
            environment={"DBUS_SESSION_BUS_ADDRESS": session.address},
        ) as daemon:
            await daemon.initialize()
            await daemon.until("vault/changed")  # it was asked once, and is asked again now
            daemon.send("vault/status")
            await daemon.request("provider/list", {"limit": 1})
            began = time.monotonic()
            assert await daemon.close() == 0
            assert time.monotonic() - began < GONE_MAX_S


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="looks at processes through /proc")
async def test_the_checking_process_goes_with_a_daemon_that_is_killed(
    session: Bus, tmp_path: Path
) -> None:
    with having(session, "silent to others", tmp_path / "items"):
        async with running(
            data_dir=tmp_path / "vault",
            environment={"DBUS_SESSION_BUS_ADDRESS": session.address},
        ) as daemon:
            await daemon.initialize()
            daemon.send("vault/initialize", {"protection": "osKeyring"})
            while not (children := _children(daemon.process.pid)):
                await daemon.request("provider/list", {"limit": 1})
            descriptor = os.pidfd_open(children[0])
            daemon.process.kill()
            began = time.monotonic()
            ready, _, _ = await asyncio.to_thread(select.select, [descriptor], [], [], 10)
            os.close(descriptor)
            assert ready
            assert time.monotonic() - began < GONE_MAX_S


def _children(pid: int) -> list[int]:
    """Return the children of every thread of a process."""
    found = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for text in found for child in text.split()]


@pytest.mark.long
async def test_a_silent_keyring_at_the_real_deadline(
    session: Bus, made: Path, tmp_path: Path
) -> None:
    assert KEYRING_TIMEOUT_MS <= await _silent(session, made, tmp_path) < STATE_MAX_MS


@pytest.mark.long
async def test_a_slow_keyring_at_the_real_deadline(
    session: Bus, made: Path, tmp_path: Path
) -> None:
    async with there(session, made, tmp_path) as (daemon, pings, items):
        with having(session, "very slow", items):
            await daemon.initialize()
            state, reason, took_ms = await status(daemon, pings)
    print(f"\nkeyring that takes 4 s: {state} after {took_ms:.0f} ms")
    assert (state, reason) == ("unlocked", None)
    assert took_ms < STATE_MAX_MS
