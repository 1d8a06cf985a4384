"""The action that a client can offer after a failure with a provider."""

from __future__ import annotations

from byokd.catalog.record import Provider
from byokd.protocol.errors import Action, Kind

_BY_KIND: dict[Kind, str] = {
    "keyMissing": "promptKey",
    "keyInvalid": "promptKey",
    "keyDisabled": "enableKey",
    "keyForbidden": "openUrl",
    "insufficientFunds": "openUrl",
    "modelNotFound": "pickModel",
    "contextOverflow": "pickModel",
    "rateLimited": "wait",
    "providerOverloaded": "wait",
    "network": "checkNetwork",
    "timeout": "checkNetwork",
}


def action_for(kind: Kind, record: Provider) -> Action | None:
    type_ = _BY_KIND.get(kind)
    if type_ is None or (type_ == "openUrl" and record.key_url is None):
        return None
    wants_url = type_ in {"openUrl", "promptKey"}
    return Action(type=type_, url=record.key_url if wants_url else None)
