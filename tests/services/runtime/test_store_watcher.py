"""The look for other processes' changes: none is lost, and who is cut off by one.

Rooms played by the test, one look at a time. Must not know the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from byokd.protocol.errors import ByokdError, StoreBusy
from byokd.protocol.key import KeyChanged, KeyState
from byokd.protocol.lifecycle import Features
from byokd.services.chat.engine import ChatEngine
from byokd.services.runtime.session import KnownKey, Session
from byokd.services.runtime.store_watcher import StoreWatcher
from byokd.vault import KeyRow, Listing
from byokd.vault.rows import Sealed
from recording_client import RecordingClient

pytestmark = pytest.mark.anyio


def _row(key_id: str, state: KeyState = "active") -> KeyRow:
    return KeyRow(
        key_id=key_id, account="default", provider="somewhere", version=1, origin="https://x:443",
        allow_insecure=False, is_default=False, state=state, reason=None, fingerprint="",
        health={}, created_at=0, rotated_at=None, last_used_at=None, disabled_at=None, label=None,
        last4=None, base_url=None, fields={}, sealed=Sealed(0, 0, b"", b""), row_gen=1,
    )  # fmt: skip


@dataclass
class _Vault:
    """A vault that others change, and that is sometimes busy."""

    rows: list[KeyRow] = field(default_factory=list)
    news: bool = False
    busy: bool = False

    async def changed_elsewhere(self) -> bool:
        news, self.news = self.news, False
        return news

    async def read(self, _work: object) -> Listing:
        if self.busy:
            raise StoreBusy("another process is using the store")
        return Listing(tuple(self.rows), ())


@dataclass
class _House:
    """What a look needs; `state` is the vault's."""

    vault: _Vault = field(default_factory=_Vault)
    state: str = "unlocked"

    def __post_init__(self) -> None:
        self.person = RecordingClient()
        self.session = Session("default", self.person, None, Features())
        rooms: Any = SimpleNamespace(
            refresh=self._look, notify_changes=self._look, withdraw_keys=lambda _known: None
        )
        custody: Any = SimpleNamespace(start_check=lambda _session: None)
        self.changes = StoreWatcher(cast("Any", self.vault), rooms, rooms, rooms, custody)

    async def _look(self, _session: Session) -> object:
        return SimpleNamespace(state=self.state)

    async def look(self) -> list[tuple[str, str]]:
        """Look once; return what the client was told since the last look."""
        self.person.notes.clear()
        try:
            await self.changes._poll(self.session)
        except ByokdError:
            return [("failed", "")]
        told = [params for _, params in self.person.notes if isinstance(params, KeyChanged)]
        return [(params.key_id, params.change) for params in told]


async def test_a_look_that_fails_is_done_again() -> None:
    """`changed` tells of a change once; whoever could not read it then must not forget it."""
    house = _House()
    assert await house.look() == []
    house.vault.rows, house.vault.news, house.vault.busy = [_row("a")], True, True
    assert await house.look() == [("failed", "")]
    house.vault.busy = False
    assert await house.look() == [("a", "stored")]
    assert await house.look() == []


async def test_what_changed_while_the_vault_was_shut_is_told() -> None:
    house = _House()
    house.vault.rows = [_row("a"), _row("b")]
    assert await house.look() == []
    house.state = "locked"
    house.vault.rows = [_row("a", "userDisabled")]
    assert await house.look() == []
    house.state = "unlocked"
    assert await house.look() == [("a", "userDisabled"), ("b", "deleted")]


@pytest.mark.parametrize(
    ("known", "ends"),
    [
        ({"a": None}, "keyMissing"),
        ({"a": KnownKey("somewhere", 1, "userDisabled", is_default=False)}, "keyDisabled"),
        ({"a": KnownKey("somewhere", 1, "softDisabled", is_default=False)}, None),
        ({"a": KnownKey("somewhere", 1, "suspect", is_default=False)}, None),
        ({"a": KnownKey("somewhere", 2, "active", is_default=False)}, None),
        ({}, None),
    ],
)
def test_whose_answers_end(known: dict[str, KnownKey | None], ends: str | None) -> None:
    """A key that was deleted or switched off ends them; one that is rejected lets them finish."""
    ended: list[ByokdError] = []
    chat: Any = SimpleNamespace(running=[SimpleNamespace(key_id="a", withdraw=ended.append)])
    ChatEngine.withdraw_keys(chat, known)
    assert [error.kind for error in ended] == ([ends] if ends else [])
