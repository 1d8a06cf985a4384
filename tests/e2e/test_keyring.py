"""The real daemon with keyrings that fail in every way reported of a real one.

Each gives a state with a reason while the daemon goes on answering, and no second root key is made
where there is data. The keyring is a process of its own on a private bus. `tests/bench/keyring.py`
measures how long it takes.
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
from waits import WAIT_MAX_S

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not HAVE_BUS, reason="dbus-daemon is not installed"),
]

SHORT = "--keyring-timeout-ms=3000"
"""For keyrings that never answer."""

LONG = "--keyring-timeout-ms=600000"
"""Longer than any test, for keyrings that answer on the slowest machine, and for what must end
before a timeout."""
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
"""State and reason of an existing vault in each mode of the keyring, without a prompt; then why
`key/store`, which may prompt, is refused. None is a bus without a keyring."""

OPENED = {"slow": None, "flickering": None, "locked": "backendLocked"}
"""Modes that open in the end, with the first reason; then a prompt is answered."""

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
"""Why no vault is made in each mode."""


def root_keys(items: Path) -> dict[str, bytes]:
    """Return the root keys in a keyring's file by name, without anchors."""
    items_by_name = ((has["username"], value) for has, value in read_items(items).values())
    return {name: value for name, value in items_by_name if name.startswith("kek/")}


@pytest.fixture(scope="module")
def session() -> Iterator[Bus]:
    with bus() as private_bus:
        yield private_bus


@pytest.fixture(scope="module")
async def prepared_folder(session: Bus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a vault under a keyring, and the keyring's items."""
    folder = tmp_path_factory.mktemp("made")
    with session.service("open", folder / "items"):
        async with running(
            data_dir=folder / "vault", environment={"DBUS_SESSION_BUS_ADDRESS": session.address}
        ) as daemon:
            await daemon.initialize()
            await daemon.request("key/store", STORE)
            assert await daemon.close() == 0
    assert len(root_keys(folder / "items")) == 1
    return folder


class Pings:
    """Sends a cheap request again and again, and records the time of each answer.

    At most `max_per_wait` are sent during one request: they would compute until a timeout.
    """

    def __init__(self, daemon: Daemon, max_per_wait: int = 100) -> None:
        self._daemon = daemon
        self._max_per_wait = max_per_wait
        self.took_ms: list[float] = []

    async def during(self, request: int) -> Any:
        """Return the answer to a request, pinging until it comes."""
        answer = asyncio.create_task(self._daemon.answer(request))
        for _ in range(self._max_per_wait):
            if answer.done():
                break
            began = time.perf_counter()
            await self._daemon.request("provider/list", {"limit": 1})
            self.took_ms.append((time.perf_counter() - began) * 1000)
        return await answer

    def p99_ms(self) -> float:
        if len(self.took_ms) < 2:
            return max(self.took_ms, default=0.0)
        return statistics.quantiles(self.took_ms, n=100, method="inclusive")[98]


async def _refusal(pings: Pings, daemon: Daemon, method: str, params: Any) -> str | None:
    """Return the reason in the error of a request, or None if it succeeds."""
    try:
        await pings.during(daemon.send(method, params))
    except RpcError as error:
        return str(error.data["details"]["reason"])
    return None


@asynccontextmanager
async def running_copy(
    bus: Bus, prepared_folder: Path, folder: Path, *arguments: str
) -> AsyncIterator[tuple[Daemon, Pings, Path]]:
    """Run a daemon on a copy of `made`; afterwards the keyring has the same root keys."""
    shutil.copytree(prepared_folder, folder, dirs_exist_ok=True)
    before = root_keys(folder / "items")
    async with running(
        *arguments,
        data_dir=folder / "vault",
        environment={"DBUS_SESSION_BUS_ADDRESS": bus.address},
    ) as daemon:
        yield daemon, Pings(daemon), folder / "items"
        assert await daemon.close() == 0
    assert root_keys(folder / "items") == before


def service(bus: Bus, mode: str | None, items: Path) -> AbstractContextManager[None]:
    return nullcontext() if mode is None else bus.service(mode, items)


async def status(daemon: Daemon, pings: Pings) -> tuple[str, str | None]:
    """Return the vault's state and reason."""
    info = (await pings.during(daemon.send("vault/status")))["vault"]
    return info["state"], info["reason"]


@pytest.mark.parametrize(
    ("timeout", "at_start", "modes"),
    [
        (SHORT, "silent", [mode for mode in SHUT if "timeout" in SHUT[mode]]),
        (LONG, "dead", [mode for mode in SHUT if "timeout" not in SHUT[mode]]),
    ],
    ids=["no answer", "answers"],
)
async def test_failing_keyring_gives_state_and_reason(
    session: Bus,
    prepared_folder: Path,
    tmp_path: Path,
    timeout: str,  # noqa: ASYNC109 - an argument of the daemon
    at_start: str,
    modes: list[str | None],
) -> None:
    async with running_copy(session, prepared_folder, tmp_path, timeout) as (daemon, pings, items):
        with service(session, at_start, items):
            await daemon.initialize()
            await daemon.until("vault/changed")
        for mode in modes:
            state, reason, refused = SHUT[mode]
            with service(session, mode, items):
                assert await status(daemon, pings) == (state, reason), mode
                assert await _refusal(pings, daemon, "key/store", STORE) == refused, mode
        with service(session, "open", items):
            assert await status(daemon, pings) == ("unlocked", None)
            assert len((await daemon.request("key/list", {}))["items"]) == 1


@pytest.mark.parametrize(
    "mode", ["flickering", "locked", pytest.param("slow", marks=pytest.mark.long)]
)
async def test_late_keyring_opens_the_vault(
    session: Bus, prepared_folder: Path, tmp_path: Path, mode: str
) -> None:
    async with running_copy(session, prepared_folder, tmp_path, LONG) as (daemon, pings, items):
        with service(session, mode, items):
            await daemon.initialize()
            state, reason = await status(daemon, pings)
            assert reason == OPENED[mode]
            if state == "locked":
                assert await _refusal(pings, daemon, "key/store", STORE) is None
            assert await status(daemon, pings) == ("unlocked", None)


@pytest.mark.parametrize(
    ("timeout", "modes"),
    [
        (SHORT, [mode for mode in NEW if NEW[mode] == "timeout"]),
        (LONG, [mode for mode in NEW if NEW[mode] != "timeout"]),
    ],
    ids=["no answer", "answers"],
)
async def test_no_vault_is_made_under_a_keyring_that_loses_items(
    session: Bus,
    tmp_path: Path,
    timeout: str,  # noqa: ASYNC109 - an argument of the daemon
    modes: list[str | None],
) -> None:
    items = tmp_path / "items"
    async with running(
        timeout,
        data_dir=tmp_path / "vault",
        environment={"DBUS_SESSION_BUS_ADDRESS": session.address},
    ) as daemon:
        await daemon.initialize()
        pings = Pings(daemon)
        for mode in modes:
            with service(session, mode, items):
                assert await _refusal(pings, daemon, "key/store", STORE) == NEW[mode], mode
                assert (await status(daemon, pings))[0] == "uninitialized"
        assert await daemon.close() == 0
    assert read_items(items) == {}
    assert not (tmp_path / "vault" / "data" / "vault.db").exists()


CHOICE: dict[str | None, tuple[bool, str | None]] = {
    "open": (True, None),
    "locked": (True, "backendLocked"),
    "hanging": (True, "backendLocked"),
    "dead": (False, "noBackend"),
    "raising": (False, "noBackend"),
    None: (False, "noBackend"),
    "silent": (False, "timeout"),
}
"""The status of the keyring before there is a vault; "silent" comes last because it hangs."""


async def _keyring_choice(daemon: Daemon, pings: Pings) -> tuple[bool, str | None]:
    info = (await pings.during(daemon.send("vault/status")))["vault"]
    choice = info["choices"][0]
    assert (info["state"], choice["protection"]) == ("uninitialized", "osKeyring")
    return choice["available"], choice["reason"]


async def test_keyring_is_checked_before_there_is_a_vault(session: Bus, tmp_path: Path) -> None:
    async with running(
        SHORT,
        data_dir=tmp_path / "vault",
        environment={"DBUS_SESSION_BUS_ADDRESS": session.address},
    ) as daemon:
        pings = Pings(daemon)
        with service(session, "locked", tmp_path / "items"):
            await daemon.initialize()
            changed = (await daemon.until("vault/changed"))["vault"]
            assert changed["choices"][0]["reason"] == "backendLocked"
        for mode, expected in CHOICE.items():
            with service(session, mode, tmp_path / "items"):
                assert await _keyring_choice(daemon, pings) == expected, mode
        assert len(pings.took_ms) > len(CHOICE), "other requests are answered meanwhile"
        assert await daemon.close() == 0
    assert read_items(tmp_path / "items") == {}


async def test_initialize_does_not_wait_for_the_check_of_a_silent_keyring(
    session: Bus, tmp_path: Path
) -> None:
    with session.service("silent", tmp_path / "items"):
        async with running(
            LONG,
            data_dir=tmp_path / "vault",
            environment={"DBUS_SESSION_BUS_ADDRESS": session.address},
        ) as daemon:
            info = await daemon.initialize()
            assert info["vault"]["state"] == "checking"
            assert (await daemon.request("provider/list", {"limit": 1}))["items"]
            daemon.send("vault/status")
            await daemon.request("provider/list", {"limit": 1})
            assert await asyncio.wait_for(daemon.close(), WAIT_MAX_S) == 0


async def test_no_session_has_a_reason_of_its_own(tmp_path: Path) -> None:
    environment = {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/nobody"}
    async with running(data_dir=tmp_path / "vault", environment=environment) as daemon:
        await daemon.initialize()
        assert await _keyring_choice(daemon, Pings(daemon)) == (False, "noSession")
        with pytest.raises(RpcError) as caught:
            await daemon.request("key/store", STORE)
        assert caught.value.kind == "vaultUninitialized"
        action = caught.value.data["action"]
        assert action["type"] == "initializeVault"
        rows = [(row["protection"], row["available"], row["reason"]) for row in action["choices"]]
        assert rows == [
            ("osKeyring", False, "noSession"),
            ("passphrase", True, None),
            ("keyFile", True, None),
            ("memory", True, None),
        ]
        assert all(
            row["protectsAgainst"] and row["doesNotProtectAgainst"] for row in action["choices"]
        )


async def _answers_while_silent(
    bus: Bus, prepared_folder: Path, folder: Path, timeout_s: float, *arguments: str
) -> None:
    """Check that requests are answered while one waits for a keyring that never answers.

    A blocked loop would answer one at most. A request is refused at once, without a wait, while an
    earlier call of the keyring still hangs; then the next one is tried.
    """
    async with running_copy(bus, prepared_folder, folder, *arguments) as (daemon, _, items):
        with service(bus, "silent", items):
            await daemon.initialize()
            took_s, answered = 0.0, 0
            while took_s < timeout_s:
                pings = Pings(daemon)
                began = time.monotonic()
                assert await status(daemon, pings) == ("unavailable", "timeout")
                took_s, answered = time.monotonic() - began, len(pings.took_ms)
    assert answered >= 5


async def test_daemon_answers_while_a_keyring_is_silent(
    session: Bus, prepared_folder: Path, tmp_path: Path
) -> None:
    await _answers_while_silent(
        session, prepared_folder, tmp_path, 2.0, "--keyring-timeout-ms=2000"
    )


async def test_daemon_ends_before_a_silent_keyring_times_out(
    session: Bus, prepared_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(prepared_folder / "vault", tmp_path / "vault")
    with session.service("silent", prepared_folder / "items"):
        async with running(
            LONG,
            data_dir=tmp_path / "vault",
            environment={"DBUS_SESSION_BUS_ADDRESS": session.address},
        ) as daemon:
            await daemon.initialize()
            daemon.send("vault/status")
            await daemon.request("provider/list", {"limit": 1})
            assert await asyncio.wait_for(daemon.close(), WAIT_MAX_S) == 0


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="looks at processes through /proc")
async def test_verification_process_ends_with_a_killed_daemon(session: Bus, tmp_path: Path) -> None:
    with service(session, "silent to others", tmp_path / "items"):
        async with running(
            LONG,
            data_dir=tmp_path / "vault",
            environment={"DBUS_SESSION_BUS_ADDRESS": session.address},
        ) as daemon:
            await daemon.initialize()
            daemon.send("vault/initialize", {"protection": "osKeyring"})
            while not (children := _children(daemon.process.pid)):
                await daemon.request("provider/list", {"limit": 1})
            descriptor = os.pidfd_open(children[0])
            daemon.process.kill()
            ready, _, _ = await asyncio.to_thread(select.select, [descriptor], [], [], WAIT_MAX_S)
            os.close(descriptor)
            assert ready


def _children(pid: int) -> list[int]:
    """Return the children of every thread of a process."""
    texts = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for text in texts for child in text.split()]


@pytest.mark.long
async def test_silent_keyring_with_the_production_timeout(
    session: Bus, prepared_folder: Path, tmp_path: Path
) -> None:
    await _answers_while_silent(session, prepared_folder, tmp_path, KEYRING_TIMEOUT_MS / 1000)


@pytest.mark.long
async def test_slow_keyring_with_the_production_timeout(
    session: Bus, prepared_folder: Path, tmp_path: Path
) -> None:
    async with running_copy(session, prepared_folder, tmp_path) as (daemon, pings, items):
        with service(session, "very slow", items):
            await daemon.initialize()
            assert await status(daemon, pings) == ("unlocked", None)
