"""The accepted OS keyrings: one per platform, by class.

The choice ignores the environment and keyring's configuration file: both can name a backend that
stores plain text, stores nothing, or passes the key to other code. All calls block, some for ever.
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
    """A keyring. Each method raises `source_error(reason)`."""

    @property
    def name(self) -> str: ...

    def check(self) -> None:
        """Raise where the keyring could store nothing now; no prompt, no item is touched."""
        ...

    def get(self, service: str, user: str, *, prompt_timeout_ms: int | None) -> str | None:
        """Return a value; None where there is no such item.

        `prompt_timeout_ms` is how long a person may take to unlock; None never shows a prompt.
        """
        ...

    def set(
        self, service: str, user: str, value: str, *, prompt_timeout_ms: int | None
    ) -> None: ...

    def delete(self, service: str, user: str) -> None: ...


def find_backend(answer_timeout_ms: int = KEYRING_TIMEOUT_MS) -> Backend:
    """Return the keyring of this platform; it is not called yet."""
    if sys.platform == "darwin":
        return PlatformKeyring("macOS Keychain", _keychain)
    if sys.platform == "win32":
        return PlatformKeyring("Windows Credential Manager", _credential_manager)
    from byokd.keysource.secret_service import SecretService

    return SecretService(answer_timeout_ms)


class PlatformKeyring:
    """A keyring reached through one class of the keyring library."""

    def __init__(self, name: str, make: Callable[[], KeyringBackend]) -> None:
        self.name = name
        self._make = make

    def check(self) -> None:
        """Only load it: any call could show the system's prompt."""
        self._call(lambda _keyring: None)

    def get(
        self,
        service: str,
        user: str,
        *,
        prompt_timeout_ms: int | None,  # noqa: ARG002  # the system shows its own prompt
    ) -> str | None:
        return self._call(lambda keyring: keyring.get_password(service, user))

    def set(
        self,
        service: str,
        user: str,
        value: str,
        *,
        prompt_timeout_ms: int | None,  # noqa: ARG002  # the system shows its own prompt
    ) -> None:
        self._call(lambda keyring: keyring.set_password(service, user, value))

    def delete(self, service: str, user: str) -> None:
        self._call(lambda keyring: keyring.delete_password(service, user))

    def _call(self, request: Callable[[KeyringBackend], str | None]) -> str | None:
        try:
            from keyring.errors import KeyringLocked

            keyring = self._make()
        except Exception:  # noqa: BLE001  # a library that fails to load is no backend
            raise source_error("noBackend") from None
        try:
            return request(keyring)
        except KeyringLocked:
            raise source_error("backendLocked") from None
        except Exception:  # noqa: BLE001  # its text may quote a value
            raise source_error("noBackend") from None


def _keychain() -> KeyringBackend:
    from keyring.backends.macOS import Keyring

    keyring = _without_environment(Keyring)
    vars(keyring)["keychain"] = None  # a variable could name another keychain file
    return keyring


def _credential_manager() -> KeyringBackend:
    from keyring.backends.Windows import WinVaultKeyring

    keyring = _without_environment(WinVaultKeyring)
    # The default roams to the person's other machines.
    setattr(keyring, "persist", "local machine")  # noqa: B010  # a descriptor without a type
    return keyring


def _without_environment(kind: type[KeyringBackend]) -> KeyringBackend:
    return kind.__new__(kind)  # its constructor reads the environment
