"""Sends `key/changed` to this process's client and remembers what the client knows."""

from __future__ import annotations

from dataclasses import replace

from byokd.protocol.key import Change, KeyChanged, KeyState
from byokd.services.runtime.session import KnownKey, Session
from byokd.vault import KeyFacts, KeyRow


def notify_key_changed(
    session: Session,
    row: KeyRow | KeyFacts,
    change: Change,
    *,
    state: KeyState | None,
    reason: str | None = None,
) -> None:
    """Notify the client; `state` is None for a deleted key."""
    if isinstance(row, KeyRow) and state is not None:
        session.known[row.key_id] = replace(KnownKey.of(row), state=state)
    else:
        session.known[row.key_id] = None
    session.client.notify(
        "key/changed",
        KeyChanged(
            key_id=row.key_id, provider=row.provider, change=change, state=state, reason=reason
        ),
    )
