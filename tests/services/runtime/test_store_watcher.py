"""The poll for other processes' changes: none is lost, and withdrawn keys end their answers."""

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
    """A vault that other processes change, and that is sometimes busy."""

    rows: list[KeyRow] = field(default_factory=list)
    changed: bool = False
    busy: bool = False

    async def changed_elsewhere(self) -> bool:
        reported, self.changed = self.changed, False
        return reported

    async def read(self, _work: object) -> Listing:
        if self.busy:
            raise StoreBusy("another process is using the store")
        return Listing(tuple(self.rows), ())


@dataclass
class _Watched:
    """A watcher over stub services; `state` is the vault's."""

    vault: _Vault = field(default_factory=_Vault)
    state: str = "unlocked"

    def __post_init__(self) -> None:
        self.client = RecordingClient()
        self.session = Session("default", self.client, None, Features())
        services: Any = SimpleNamespace(
            refresh=self._status, notify_changes=self._status, withdraw_keys=lambda _known: None
        )
        maintainer: Any = SimpleNamespace(start_check=lambda _session: None)
        self.watcher = StoreWatcher(
            cast("Any", self.vault), services, services, services, maintainer, services
        )

    async def _status(self, _session: Session) -> object:
        return SimpleNamespace(state=self.state)

    async def poll(self) -> list[tuple[str, str]]:
        """Poll once; return key and change of each notification."""
        self.client.notes.clear()
        try:
            await self.watcher._poll(self.session)
        except ByokdError:
            return [("failed", "")]
        notified = [params for _, params in self.client.notes if isinstance(params, KeyChanged)]
        return [(params.key_id, params.change) for params in notified]


async def test_failed_comparison_is_repeated() -> None:
    """The vault reports a change once; a failed comparison must be repeated all the same."""
    watched = _Watched()
    assert await watched.poll() == []
    watched.vault.rows, watched.vault.changed, watched.vault.busy = [_row("a")], True, True
    assert await watched.poll() == [("failed", "")]
    watched.vault.busy = False
    assert await watched.poll() == [("a", "stored")]
    assert await watched.poll() == []


async def test_change_while_the_vault_was_locked_is_notified() -> None:
    watched = _Watched()
    watched.vault.rows = [_row("a"), _row("b")]
    assert await watched.poll() == []
    watched.state = "locked"
    watched.vault.rows = [_row("a", "userDisabled")]
    assert await watched.poll() == []
    watched.state = "unlocked"
    assert await watched.poll() == [("a", "userDisabled"), ("b", "deleted")]


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
def test_withdrawn_key_ends_its_answers(
    known: dict[str, KnownKey | None], ends: str | None
) -> None:
    """A deleted or disabled key ends its answers; a rejected one lets them finish."""
    ended: list[ByokdError] = []
    chat: Any = SimpleNamespace(running=[SimpleNamespace(key_id="a", withdraw=ended.append)])
    ChatEngine.withdraw_keys(chat, known)
    assert [error.kind for error in ended] == ([ends] if ends else [])
