"""The action that a client can offer after a failure with a provider."""

from __future__ import annotations

from collections.abc import Callable

from byokd.catalog.record import Provider
from byokd.protocol.actions import (
    Action,
    CheckNetworkAction,
    EnableKeyAction,
    OpenUrlAction,
    PickModelAction,
    PromptKeyAction,
    WaitAction,
)
from byokd.protocol.errors import Kind


def _prompt_key(record: Provider, key_id: str | None) -> Action:
    return PromptKeyAction(provider=record.id, key_id=key_id, url=record.key_url)


def _enable_key(_record: Provider, key_id: str | None) -> Action:
    return EnableKeyAction(key_id=key_id)


def _open_key_page(record: Provider, _key_id: str | None) -> Action | None:
    return OpenUrlAction(url=record.key_url) if record.key_url else None


def _pick_model(record: Provider, _key_id: str | None) -> Action:
    return PickModelAction(provider=record.id)


def _wait(_record: Provider, _key_id: str | None) -> Action:
    return WaitAction()


def _check_network(_record: Provider, _key_id: str | None) -> Action:
    return CheckNetworkAction()


_BY_KIND: dict[Kind, Callable[[Provider, str | None], Action | None]] = {
    "keyMissing": _prompt_key,
    "keyInvalid": _prompt_key,
    "keyDisabled": _enable_key,
    "keyForbidden": _open_key_page,
    "insufficientFunds": _open_key_page,
    "modelNotFound": _pick_model,
    "contextOverflow": _pick_model,
    "rateLimited": _wait,
    "providerOverloaded": _wait,
    "network": _check_network,
    "timeout": _check_network,
}


def action_for(kind: Kind, record: Provider, key_id: str | None = None) -> Action | None:
    """Return the action for an error of this kind, about the key `key_id` if it is known."""
    build = _BY_KIND.get(kind)
    return build(record, key_id) if build else None
