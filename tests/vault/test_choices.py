"""The protections that a new vault can have, before there is one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from byokd.keysource.memory import MemorySource
from byokd.keysource.os_keyring import OsKeyring
from byokd.protocol.errors import VaultUninitialized
from byokd.protocol.vault import ProtectionChoice
from keysource import keyrings
from keysource.keyrings import Keyring
from vault.vault_fixture import VaultFixture

pytestmark = pytest.mark.anyio

_KEYRINGS: list[tuple[type[Keyring], bool, str | None]] = [
    (keyrings.Keyring, True, None),
    (keyrings.Slow, True, None),
    (keyrings.Null, True, None),  # only a write shows it
    (keyrings.Locked, True, "backendLocked"),
    (keyrings.Absent, False, "noBackend"),
    (keyrings.Raising, False, "noBackend"),
    (keyrings.Collapsing, False, "noBackend"),
    (keyrings.Hanging, False, "timeout"),
]


def _fixture(folder: Path, backend: Keyring, limit_ms: int = 60_000) -> VaultFixture:
    keyring = OsKeyring(
        backend, verify=lambda *_: True, timeout_ms=limit_ms, interactive_timeout_ms=60_000
    )
    return VaultFixture(folder, sources={"osKeyring": keyring, "memory": MemorySource()})


async def _choices(fixture: VaultFixture) -> dict[str, ProtectionChoice]:
    info = await fixture.vault.unlock()
    assert info.state == "uninitialized"
    return {choice.protection: choice for choice in info.choices}


@pytest.mark.parametrize(("kind", "available", "reason"), _KEYRINGS)
async def test_keyring_is_checked_without_a_prompt(
    tmp_path: Path, kind: type[Keyring], reason: str | None, *, available: bool
) -> None:
    backend = kind()
    fixture = _fixture(tmp_path, backend, 50 if kind is keyrings.Hanging else 60_000)
    choices = await _choices(fixture)
    assert list(choices) == ["osKeyring", "passphrase", "keyFile", "memory"]
    assert (choices["osKeyring"].available, choices["osKeyring"].reason) == (available, reason)
    assert (choices["passphrase"].available, choices["passphrase"].reason) == (True, None)
    for choice in (choices["osKeyring"], choices["passphrase"], choices["memory"]):
        assert choice.protects_against
        assert choice.does_not_protect_against
    assert set(backend.calls) <= {"check"}
    assert backend.items == {}
    with pytest.raises(VaultUninitialized) as caught:
        await fixture.put()
    action = caught.value.data().action
    assert action is not None
    assert action.choices == tuple(choices.values())
    if isinstance(backend, keyrings.Hanging):
        backend.release.set()
    await fixture.vault.aclose()


async def test_choices_are_checked_again_on_request_only(tmp_path: Path) -> None:
    backend = Keyring()
    fixture = _fixture(tmp_path, backend)
    await _choices(fixture)
    for _ in range(3):
        assert not await fixture.vault.changed_elsewhere()
    assert backend.calls == ["check"]
    checks = [fixture.vault.check_choices() for _ in range(3)]
    first, second, third = await asyncio.gather(*checks)
    assert first == second == third
    assert backend.calls == ["check"] * 2, "concurrent requests share one check"
    await fixture.initialize("memory")
    assert fixture.vault.status().choices == ()
    await fixture.vault.aclose()


async def test_open_vault_names_the_protections_that_it_can_change_to(tmp_path: Path) -> None:
    backend = Keyring()
    fixture = _fixture(tmp_path, backend)
    assert await fixture.vault.other_choices() == (), "there is no vault to change"
    await fixture.initialize("osKeyring")
    checks = backend.calls.count("check")
    choices = await fixture.vault.other_choices()
    assert [choice.protection for choice in choices] == ["osKeyring", "passphrase", "keyFile"]
    assert await fixture.vault.other_choices() == choices
    assert backend.calls.count("check") == checks + 1, "a recent check is used again"
    await fixture.vault.aclose()


async def test_vault_in_memory_changes_to_no_other_protection(tmp_path: Path) -> None:
    fixture = _fixture(tmp_path, Keyring())
    await fixture.initialize("memory")
    assert await fixture.vault.other_choices() == ()
    await fixture.vault.aclose()


async def test_hanging_check_does_not_keep_a_key_from_being_made(tmp_path: Path) -> None:
    class HangingCheck(Keyring):
        def check(self) -> None:
            keyrings.Hanging.check(hanging)

    hanging = keyrings.Hanging()
    fixture = _fixture(tmp_path, HangingCheck(), 50)
    assert (await _choices(fixture))["osKeyring"].reason == "timeout"
    again = await fixture.vault.check_choices()
    assert again[0].reason == "timeout", "the hanging check is not repeated"
    await fixture.initialize("osKeyring")
    assert fixture.vault.status().state == "unlocked"
    hanging.release.set()
    await fixture.vault.aclose()


async def test_cancelled_request_does_not_cancel_the_check(tmp_path: Path) -> None:
    hanging = keyrings.Hanging()
    fixture = _fixture(tmp_path, hanging)
    cancelled = asyncio.ensure_future(fixture.vault.check_choices())
    await asyncio.sleep(0)
    cancelled.cancel()
    waiting = asyncio.ensure_future(fixture.vault.check_choices())
    await asyncio.sleep(0)
    hanging.release.set()
    assert (await waiting)[0].available
    await fixture.vault.aclose()
