"""The Linux keyring over a real bus, with the real checking process; only the service is ours.

Knows how to start a private bus. What needs a desktop's own keyring is not tested here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from byokd.keysource.os_keyring import OsKeyring
from byokd.keysource.secret_service import SecretService
from byokd.keysource.source import Item, reason_of
from byokd.protocol.errors import VaultError

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        sys.platform != "linux" or shutil.which("dbus-daemon") is None,
        reason="dbus-daemon is not installed",
    ),
]

# Starts nothing by itself: the session's own configuration would find an installed keyring.
_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir={folder}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
_ITEM = Item(b"\1" * 16, b"\2" * 16)
_STUB = Path(__file__).with_name("secret_service_stub.py")


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return a function that puts a service in some mode on a bus of its own."""
    with ExitStack() as stack:

        def start(*command: str) -> str:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            return process.stdout.readline().strip()

        config = tmp_path / "bus.conf"
        config.write_text(_BUS.format(folder=tmp_path), encoding="utf-8")
        daemon = ("dbus-daemon", f"--config-file={config}", "--nofork", "--print-address")
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", start(*daemon))
        yield lambda mode: _expect_ready(start(sys.executable, str(_STUB), mode))


def _expect_ready(line: str) -> None:
    assert line == "ready"


async def test_a_key_is_kept_and_checked_by_a_fresh_process(
    keyring: Callable[[str], None],
) -> None:
    keyring("open")
    source = OsKeyring()
    assert source.backend == "Secret Service"
    key = await source.create(_ITEM)
    assert await OsKeyring().read(_ITEM) == key
    other = Item(_ITEM.store_id, b"\3" * 16)
    assert await source.create(other) != key
    await source.forget(_ITEM)
    with pytest.raises(VaultError) as caught:
        await OsKeyring(missing_delays_s=()).read(_ITEM)
    assert reason_of(caught.value) == "itemMissing"
    assert await source.read(other)


async def test_a_locked_collection_shows_no_prompt_by_itself(
    keyring: Callable[[str], None],
) -> None:
    keyring("locked")
    source = OsKeyring(missing_delays_s=())
    for attempt in (source.read, source.create):
        with pytest.raises(VaultError) as caught:
            await attempt(_ITEM)
        assert reason_of(caught.value) == "backendLocked"
    key = await source.create(_ITEM, interactive=True)
    assert await source.read(_ITEM) == key


async def test_a_dismissed_prompt(keyring: Callable[[str], None]) -> None:
    keyring("dismissed")
    with pytest.raises(VaultError) as caught:
        await OsKeyring().read(_ITEM, interactive=True)
    assert reason_of(caught.value) == "promptDismissed"


async def test_a_prompt_that_nobody_answers(keyring: Callable[[str], None]) -> None:
    keyring("hanging")
    began = time.monotonic()
    with pytest.raises(VaultError) as caught:
        await OsKeyring(interactive_timeout_ms=300).read(_ITEM, interactive=True)
    assert reason_of(caught.value) == "timeout"
    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("keyring")
async def test_a_bus_without_a_keyring() -> None:
    for ask in (OsKeyring().read, OsKeyring().create):
        with pytest.raises(VaultError) as caught:
            await ask(_ITEM)
        assert reason_of(caught.value) == "noBackend"


def test_deleting_what_is_not_there_is_nothing(keyring: Callable[[str], None]) -> None:
    keyring("open")
    SecretService().delete(_ITEM.service, _ITEM.user)
