"""Asks the person about a key, where the client can ask.

Knows the questions and their buttons. Must not act on the answer: whoever asks does.
"""

from __future__ import annotations

from typing import Final

from byokd.protocol.lifecycle import MessageAction, ShowMessageRequest
from byokd.services.runtime.session import Session
from byokd.vault import KeyRow

UPDATE: Final = "Update key"
RE_ENABLE: Final = "Re-enable"
DISMISS: Final = "Dismiss"

_WARNING: Final = 2  # LSP's MessageType
_INFO: Final = 3


async def about_disabled(session: Session, row: KeyRow) -> bool:
    """Say that a key was taken out of use; True for "Re-enable". "Update key" is the client's."""
    said = f"The {_name(row)} was rejected repeatedly and is no longer used."
    return await _asked(session, _WARNING, said, (UPDATE, RE_ENABLE, DISMISS))


async def about_accepted(session: Session, row: KeyRow) -> bool:
    """Say that a key that is out of use is accepted again; True for "Re-enable"."""
    said = f"The {_name(row)} is accepted again. It was taken out of use after it was rejected."
    return await _asked(session, _INFO, said, (RE_ENABLE, DISMISS))


async def _asked(session: Session, type_: int, said: str, titles: tuple[str, ...]) -> bool:
    actions = tuple(MessageAction(title=title) for title in titles)
    request = ShowMessageRequest(type=type_, message=said, actions=actions)
    return await session.client.prompt(request) == RE_ENABLE


def _name(row: KeyRow) -> str:
    return f"{row.provider} key" + (f" {row.label}" if row.label else "")
