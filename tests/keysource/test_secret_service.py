"""The Linux keyring over a real bus with the real verification process; only the service is a stub.

`test_gnome_keyring` uses a desktop's own keyring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from byokd.keysource.os_keyring import OsKeyring
from byokd.keysource.secret_service import SecretService
from byokd.keysource.source import Item, reason_of
from byokd.protocol.errors import VaultError
from keysource.buses import HAVE_BUS, bus

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not HAVE_BUS, reason="dbus-daemon is not installed"),
]

_ITEM = Item(b"\1" * 16, b"\2" * 16)
_LIMIT_MS = 60_000
"""For calls that are answered: a busy machine may take its time."""


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return a function that starts a service in some mode on a private bus."""
    with bus() as running:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", running.address)
        yield running.keyring


async def test_key_is_stored_and_verified_by_a_new_process(
    keyring: Callable[[str], None],
) -> None:
    keyring("open")
    source = OsKeyring(timeout_ms=_LIMIT_MS)
    assert source.backend == "Secret Service"
    key = await source.create(_ITEM)
    assert await OsKeyring(timeout_ms=_LIMIT_MS).read(_ITEM) == key
    second_item = Item(_ITEM.store_id, b"\3" * 16)
    assert await source.create(second_item) != key
    await source.delete(_ITEM)
    with pytest.raises(VaultError) as caught:
        await OsKeyring(timeout_ms=_LIMIT_MS, missing_delays_s=()).read(_ITEM)
    assert reason_of(caught.value) == "itemMissing"
    assert await source.read(second_item)


async def test_locked_collection_shows_no_prompt_unless_interactive(
    keyring: Callable[[str], None],
) -> None:
    keyring("locked")
    source = OsKeyring(timeout_ms=_LIMIT_MS, interactive_timeout_ms=_LIMIT_MS, missing_delays_s=())
    for attempt in (source.read, source.create):
        with pytest.raises(VaultError) as caught:
            await attempt(_ITEM)
        assert reason_of(caught.value) == "backendLocked"
    key = await source.create(_ITEM, interactive=True)
    assert await source.read(_ITEM) == key


async def test_dismissed_prompt_has_its_reason(keyring: Callable[[str], None]) -> None:
    keyring("dismissed")
    with pytest.raises(VaultError) as caught:
        await OsKeyring(interactive_timeout_ms=_LIMIT_MS).read(_ITEM, interactive=True)
    assert reason_of(caught.value) == "promptDismissed"


async def test_unanswered_prompt_times_out(keyring: Callable[[str], None]) -> None:
    keyring("hanging")
    with pytest.raises(VaultError) as caught:
        await OsKeyring(interactive_timeout_ms=300).read(_ITEM, interactive=True)
    assert reason_of(caught.value) == "timeout"


async def test_silent_service_leaves_no_thread_behind(
    keyring: Callable[[str], None],
) -> None:
    """A call has its own limit, also when a prompt may take longer."""
    keyring("silent")
    source = OsKeyring(timeout_ms=200)
    for interactive in (False, True):
        for ask in (source.read, source.create):
            with pytest.raises(VaultError) as caught:
                await ask(_ITEM, interactive=interactive)
            assert reason_of(caught.value) == "timeout"
            assert source.calls.thread is not None
            source.calls.thread.join(60)
            assert not source.calls.thread.is_alive()


@pytest.mark.usefixtures("keyring")
async def test_bus_without_a_keyring_is_no_backend() -> None:
    for ask in (OsKeyring().read, OsKeyring().create):
        with pytest.raises(VaultError) as caught:
            await ask(_ITEM)
        assert reason_of(caught.value) == "noBackend"


def test_deleting_a_missing_item_does_nothing(keyring: Callable[[str], None]) -> None:
    keyring("open")
    SecretService().delete(_ITEM.service, _ITEM.user)
