"""Asks the person about a key, if the client can prompt."""

from __future__ import annotations

from typing import Final

from byokd.protocol.lifecycle import (
    INFO,
    WARNING,
    MessageAction,
    PromptMeta,
    ShowMessageRequest,
)
from byokd.services.runtime.session import Session
from byokd.vault import KeyRow

UPDATE: Final = "Update key"
RE_ENABLE: Final = "Re-enable"
DISMISS: Final = "Dismiss"


async def ask_about_disabled(session: Session, row: KeyRow, provider_name: str) -> bool:
    """Return True for "Re-enable". The client acts on "Update key"."""
    text = f"{_key(row, provider_name)} was rejected repeatedly and is no longer used."
    return await _ask(session, WARNING, text, (UPDATE, RE_ENABLE, DISMISS), _about(row, "rejected"))


async def ask_about_accepted(session: Session, row: KeyRow, provider_name: str) -> bool:
    """Return True for "Re-enable"."""
    key = _key(row, provider_name)
    text = f"{key} is accepted again. It was disabled after it was rejected."
    return await _ask(session, INFO, text, (RE_ENABLE, DISMISS), _about(row, "accepted"))


async def _ask(
    session: Session, type_: int, text: str, titles: tuple[str, ...], about: PromptMeta
) -> bool:
    actions = tuple(MessageAction(title=title) for title in titles)
    request = ShowMessageRequest(type=type_, message=text, actions=actions, meta=about)
    return await session.client.prompt(request) == RE_ENABLE


def _about(row: KeyRow, reason: str) -> PromptMeta:
    return PromptMeta(
        topic="key", key_id=row.key_id, provider=row.provider, label=row.label, reason=reason
    )


def _key(row: KeyRow, provider_name: str) -> str:
    return f'The key "{row.label}" of {provider_name}' if row.label else f"The {provider_name} key"
