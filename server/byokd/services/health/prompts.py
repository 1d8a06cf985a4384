"""Asks the person about a key, if the client can prompt."""

from __future__ import annotations

from typing import Final

from byokd.protocol.lifecycle import INFO, WARNING, MessageAction, ShowMessageRequest
from byokd.services.runtime.session import Session
from byokd.vault import KeyRow

UPDATE: Final = "Update key"
RE_ENABLE: Final = "Re-enable"
DISMISS: Final = "Dismiss"


async def ask_about_disabled(session: Session, row: KeyRow) -> bool:
    """Return True for "Re-enable". The client acts on "Update key"."""
    text = f"The {_name(row)} was rejected repeatedly and is no longer used."
    return await _ask(session, WARNING, text, (UPDATE, RE_ENABLE, DISMISS))


async def ask_about_accepted(session: Session, row: KeyRow) -> bool:
    """Return True for "Re-enable"."""
    text = f"The {_name(row)} is accepted again. It was disabled after it was rejected."
    return await _ask(session, INFO, text, (RE_ENABLE, DISMISS))


async def _ask(session: Session, type_: int, text: str, titles: tuple[str, ...]) -> bool:
    actions = tuple(MessageAction(title=title) for title in titles)
    request = ShowMessageRequest(type=type_, message=text, actions=actions)
    return await session.client.prompt(request) == RE_ENABLE


def _name(row: KeyRow) -> str:
    return f"{row.provider} key" + (f" {row.label}" if row.label else "")
