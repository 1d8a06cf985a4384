"""The keyrings of macOS and Windows: the library's class is tested, not the system."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from keyring.errors import (
    InitError,
    KeyringError,
    KeyringLocked,
    NoKeyringError,
    PasswordDeleteError,
    PasswordSetError,
)

from byokd.keysource import keyrings
from byokd.keysource.keyrings import PlatformKeyring
from byokd.keysource.source import reason_of
from byokd.protocol.errors import VaultError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend


class Library:
    """The library's class: stores values, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.items: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, user: str) -> str | None:
        self._fail()
        return self.items.get((service, user))

    def set_password(self, service: str, user: str, value: str) -> None:
        self._fail()
        self.items[service, user] = value

    def delete_password(self, service: str, user: str) -> None:
        self._fail()
        del self.items[service, user]

    def _fail(self) -> None:
        if self.error:
            raise self.error


def _keyring(library: Library) -> PlatformKeyring:
    return PlatformKeyring("fake", lambda: cast("KeyringBackend", library))


def test_stored_value_is_read_back() -> None:
    keyring = _keyring(Library())
    assert keyring.get("s", "u", prompt_timeout_ms=None) is None
    keyring.set("s", "u", "value", prompt_timeout_ms=None)
    assert keyring.get("s", "u", prompt_timeout_ms=None) == "value"
    keyring.delete("s", "u")
    assert keyring.get("s", "u", prompt_timeout_ms=None) is None


_ERRORS: list[tuple[Exception, str]] = [
    (KeyringLocked("value"), "backendLocked"),
    (InitError("value"), "noBackend"),
    (NoKeyringError("value"), "noBackend"),
    (KeyringError("value"), "noBackend"),
    (PasswordSetError("value"), "noBackend"),
    (PasswordDeleteError("value"), "noBackend"),
    (RuntimeError("value"), "noBackend"),
    (OSError(1783, "value"), "noBackend"),
    (UnicodeDecodeError("utf-16", b"value", 0, 1, "value"), "noBackend"),
]


@pytest.mark.parametrize(("error", "reason"), _ERRORS, ids=lambda stored: type(stored).__name__)
def test_failing_call_has_a_reason(error: Exception, reason: str) -> None:
    keyring = _keyring(Library(error))
    asks: list[Callable[[], object]] = [
        lambda: keyring.get("s", "u", prompt_timeout_ms=None),
        lambda: keyring.set("s", "u", "v", prompt_timeout_ms=None),
        lambda: keyring.delete("s", "u"),
    ]
    for ask in asks:
        with pytest.raises(VaultError) as caught:
            ask()
        assert reason_of(caught.value) == reason
        assert "value" not in str(caught.value.data())


def test_unloadable_library_is_no_backend() -> None:
    def make() -> KeyringBackend:
        raise ImportError("value")

    with pytest.raises(VaultError) as caught:
        PlatformKeyring("fake", make).get("s", "u", prompt_timeout_ms=None)
    assert reason_of(caught.value) == "noBackend"


def test_environment_does_not_set_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's constructors read it; one attribute names the keychain file to write to."""
    monkeypatch.setenv("KEYRING_PROPERTY_KEYCHAIN", "/evil")
    monkeypatch.setenv("KEYRING_PROPERTY_PERSIST", "enterprise")
    constant = SimpleNamespace(CRED_PERSIST_LOCAL_MACHINE=2, CRED_PERSIST_ENTERPRISE=3)
    monkeypatch.setattr("keyring.backends.Windows.win32cred", constant, raising=False)
    keychain: Any = keyrings._keychain()
    manager: Any = keyrings._credential_manager()
    assert keychain.keychain is None
    assert type(keychain).__module__ == "keyring.backends.macOS"
    assert type(manager).__module__ == "keyring.backends.Windows"
    assert manager.persist == 2


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        ("darwin", "macOS Keychain"),
        ("win32", "Windows Credential Manager"),
        ("linux", "Secret Service"),
        ("freebsd14", "Secret Service"),
    ],
)
def test_each_platform_has_one_keyring(
    monkeypatch: pytest.MonkeyPatch, platform: str, name: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    assert keyrings.find_backend().name == name
