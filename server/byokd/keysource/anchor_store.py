"""Two short texts in the OS keyring beside the master key, written in turns.

Knows their names, and that one of them stays whole whatever happens to the other. Must not know
what they say. Nothing here shows a prompt: a keyring that is locked by now is left alone.
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
    """The pair of each store, under its service name.

    Asked on a thread of its own, so that a mark being written never keeps a key from being read.
    """

    def __init__(
        self, backend: Backend | None = None, *, timeout_ms: int = KEYRING_TIMEOUT_MS
    ) -> None:
        self._backend = backend or find_backend()
        self._timeout_ms = timeout_ms
        self._ring = OsKeyring(self._backend)

    async def read(self, store_id: bytes) -> tuple[str | None, str | None]:
        """Return both texts, None for one that is not there. Raises `failed` with its reason."""
        return await self._ring.run(lambda: self._pair(store_id), self._timeout_ms)

    async def write(
        self,
        store_id: bytes,
        choose: Callable[[tuple[str | None, str | None]], tuple[int, str] | None],
        hold: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Under `hold()`, show both to `choose` and write what it returns over the one it names.

        Raises:
            VaultError: the keyring's reason, or that of `hold`.
        """

        def question() -> None:
            with hold():
                chosen = choose(self._pair(store_id))
                if chosen is not None:
                    turn, text = chosen
                    service, user = _service(store_id), _NAMES[turn]
                    # Some keyrings keep a second item of the same name instead of replacing one.
                    self._backend.delete(service, user)
                    self._backend.set(service, user, text, prompt_timeout_ms=None)

        await self._ring.run(question, self._timeout_ms)

    def _pair(self, store_id: bytes) -> tuple[str | None, str | None]:
        first, second = (
            self._backend.get(_service(store_id), name, prompt_timeout_ms=None) for name in _NAMES
        )
        return first, second


def _service(store_id: bytes) -> str:
    return f"byokd/{store_id.hex()}"
