"""The Secret Service of a Linux desktop: GNOME Keyring, KWallet, KeePassXC.

Called directly rather than through keyring, which unlocks a locked collection unasked and waits for
its prompt without a limit (mitya57/secretstorage#33).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from byokd.core.limits import KEYRING_TIMEOUT_MS
from byokd.keysource.source import source_error
from byokd.protocol.errors import VaultError

if TYPE_CHECKING:
    from secretstorage import Collection

    from byokd.keysource.session_bus import SessionBus

_LABEL: Final = "byokd master key"
_APPLICATION: Final = "byokd"


class SecretService:
    """`answer_timeout_ms` bounds each reply of the service, not a prompt."""

    name = "Secret Service"

    def __init__(self, answer_timeout_ms: int = KEYRING_TIMEOUT_MS) -> None:
        self._answer_timeout_ms = answer_timeout_ms

    def check(self) -> None:
        with self._session(None) as bus:
            collection = _default_collection(bus, may_create=False)
            if collection is not None and collection.is_locked():
                raise source_error("backendLocked")

    def get(self, service: str, user: str, *, prompt_timeout_ms: int | None) -> str | None:
        with self._session(prompt_timeout_ms) as bus:
            collection = _default_collection(bus, may_create=False)
            if collection is None:
                return None
            _unlock(collection, prompt_timeout_ms)
            for item in collection.search_items({"service": service, "username": user}):
                return bytes(item.get_secret()).decode("ascii", "replace")
            return None

    def set(self, service: str, user: str, value: str, *, prompt_timeout_ms: int | None) -> None:
        """The first item may create the collection, which asks for a password."""
        with self._session(prompt_timeout_ms) as bus:
            collection = _default_collection(bus, may_create=prompt_timeout_ms is not None)
            if collection is None:
                raise source_error("backendLocked")
            _unlock(collection, prompt_timeout_ms)
            names = {"application": _APPLICATION, "service": service, "username": user}
            collection.create_item(_LABEL, names, value.encode("ascii"), replace=False)

    def delete(self, service: str, user: str) -> None:
        with self._session(None) as bus:
            collection = _default_collection(bus, may_create=False)
            if collection is None or collection.is_locked():
                return
            for item in collection.search_items({"service": service, "username": user}):
                item.delete()

    @contextlib.contextmanager
    def _session(self, prompt_timeout_ms: int | None) -> Iterator[SessionBus]:
        try:
            import secretstorage as library
            from secretstorage.util import add_match_rules

            from byokd.keysource.session_bus import SessionBus
        except ImportError:
            raise source_error("noBackend") from None
        answer_s = self._answer_timeout_ms / 1000
        prompt_s = answer_s if prompt_timeout_ms is None else prompt_timeout_ms / 1000
        try:
            with contextlib.closing(_connect(SessionBus, answer_s, prompt_s)) as bus:
                add_match_rules(bus)
                yield bus
        except VaultError:
            raise
        except library.PromptDismissedException:
            raise source_error("promptDismissed") from None
        except library.LockedException:
            raise source_error("backendLocked") from None
        except TimeoutError:
            raise source_error("timeout") from None
        except Exception:  # noqa: BLE001  # any D-Bus error means that there is no keyring
            raise source_error("noBackend") from None


def _connect(kind: type[SessionBus], answer_s: float, prompt_s: float) -> SessionBus:
    try:
        return kind(answer_s, prompt_s)
    except TimeoutError:
        raise
    except (KeyError, OSError, ValueError):  # no address, or nobody listens there
        raise source_error("noSession") from None


def _default_collection(bus: SessionBus, *, may_create: bool) -> Collection | None:
    import secretstorage as library

    if not library.check_service_availability(bus):
        raise source_error("noBackend")
    if may_create:
        return library.get_default_collection(bus)
    try:
        return library.Collection(bus)
    except library.ItemNotFoundException:
        return None


def _unlock(collection: Collection, prompt_timeout_ms: int | None) -> None:
    if not collection.is_locked():
        return
    if prompt_timeout_ms is None:
        raise source_error("backendLocked")
    if collection.unlock(timeout=prompt_timeout_ms / 1000):
        raise source_error("promptDismissed")
