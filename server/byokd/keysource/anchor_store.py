"""Stores the audit log's anchor in the OS keyring: two texts beside the master key.

They are written in turns, so a failed write damages one of them at most. No prompt is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from byokd.core.limits import KEYRING_TIMEOUT_MS
from byokd.keysource.keyrings import Backend, find_backend
from byokd.keysource.os_keyring import OsKeyring

_NAMES: Final = ("anchor/a", "anchor/b")


class KeyringAnchorStore:
    """Uses a thread of its own, so that writing an anchor does not delay reading a key."""

    def __init__(
        self, backend: Backend | None = None, *, timeout_ms: int = KEYRING_TIMEOUT_MS
    ) -> None:
        self._backend = backend or find_backend()
        self._timeout_ms = timeout_ms
        self._keyring = OsKeyring(self._backend)

    async def read(self, store_id: bytes) -> tuple[str | None, str | None]:
        return await self._keyring.run(lambda: self._pair(store_id), self._timeout_ms)

    async def write(
        self,
        store_id: bytes,
        choose: Callable[[tuple[str | None, str | None]], tuple[int, str] | None],
        lock: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Under `lock()`, pass both to `choose`; write the text it returns at that index."""

        def choose_and_write() -> None:
            with lock():
                chosen = choose(self._pair(store_id))
                if chosen is not None:
                    index, text = chosen
                    service, user = _service(store_id), _NAMES[index]
                    # Some keyrings add a second item of the same name instead of replacing it.
                    self._backend.delete(service, user)
                    self._backend.set(service, user, text, prompt_timeout_ms=None)

        await self._keyring.run(choose_and_write, self._timeout_ms)

    def _pair(self, store_id: bytes) -> tuple[str | None, str | None]:
        first, second = (
            self._backend.get(_service(store_id), name, prompt_timeout_ms=None) for name in _NAMES
        )
        return first, second


def _service(store_id: bytes) -> str:
    return f"byokd/{store_id.hex()}"
