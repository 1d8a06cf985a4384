"""The keyrings of the operating systems: which of them we accept.

Knows one keyring per platform, by class. Must not choose by the environment or a configuration
file: both can name a backend that keeps plain text, keeps nothing, or hands the key to other code.
A backend that is not here does not exist.

Everything here blocks, and some of it for ever; `os_keyring` runs it with a deadline.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from byokd.core.limits import KEYRING_TIMEOUT_MS
from byokd.keysource.source import source_error

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend


class Backend(Protocol):
    """A keyring. Each method raises `failed(reason)` for what it can tell apart."""

    @property
    def name(self) -> str:
        """What it is called, for people."""
        ...

    def get(self, service: str, user: str, *, prompt_timeout_ms: int | None) -> str | None:
        """Return a value, or None where there is no such item.

        `prompt_timeout_ms` is how long a person may take to unlock; None never shows a prompt.
        """
        ...

    def set(self, service: str, user: str, value: str, *, prompt_timeout_ms: int | None) -> None:
        """Write a new item."""
        ...

    def delete(self, service: str, user: str) -> None:
        """Remove an item."""
        ...


def find_backend(answer_timeout_ms: int = KEYRING_TIMEOUT_MS) -> Backend:
    """Return the one keyring that is right for this platform. Nothing is asked yet."""
    if sys.platform == "darwin":
        return PlatformKeyring("macOS Keychain", _keychain)
    if sys.platform == "win32":
        return PlatformKeyring("Windows Credential Manager", _credential_manager)
    from byokd.keysource.secret_service import SecretService

    return SecretService(answer_timeout_ms)


class PlatformKeyring:
    """A keyring reached through one named class of the keyring library.

    Both are open while their user is logged in; where the system does ask, it asks by itself.
    """

    def __init__(self, name: str, make: Callable[[], KeyringBackend]) -> None:
        self.name = name
        self._make = make

    def get(
        self,
        service: str,
        user: str,
        *,
        prompt_timeout_ms: int | None,  # noqa: ARG002  # the system's own prompt cannot be held back
    ) -> str | None:
        """Return a value, or None."""
        return self._ask(lambda keyring: keyring.get_password(service, user))

    def set(
        self,
        service: str,
        user: str,
        value: str,
        *,
        prompt_timeout_ms: int | None,  # noqa: ARG002  # likewise
    ) -> None:
        """Write a new item."""
        self._ask(lambda keyring: keyring.set_password(service, user, value))

    def delete(self, service: str, user: str) -> None:
        """Remove an item."""
        self._ask(lambda keyring: keyring.delete_password(service, user))

    def _ask(self, question: Callable[[KeyringBackend], str | None]) -> str | None:
        try:
            from keyring.errors import KeyringLocked

            keyring = self._make()
        except Exception:  # noqa: BLE001  # a foreign library that cannot be loaded is no backend
            raise source_error("noBackend") from None
        try:
            return question(keyring)
        except KeyringLocked:
            raise source_error("backendLocked") from None
        except Exception:  # noqa: BLE001  # its texts are not ours to pass on
            raise source_error("noBackend") from None


def _keychain() -> KeyringBackend:
    from keyring.backends.macOS import Keyring

    keyring = _untouched(Keyring)
    vars(keyring)["keychain"] = None  # a variable could name another keychain file
    return keyring


def _credential_manager() -> KeyringBackend:
    from keyring.backends.Windows import WinVaultKeyring

    keyring = _untouched(WinVaultKeyring)
    # The default roams to the person's other machines.
    setattr(keyring, "persist", "local machine")  # noqa: B010  # a descriptor without a type
    return keyring


def _untouched(kind: type[KeyringBackend]) -> KeyringBackend:
    """Make a backend without its constructor, which takes attributes from the environment."""
    return kind.__new__(kind)
