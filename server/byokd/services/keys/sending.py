"""Adds the credential to a request after comparing the request's origin with the key's.

Every chat, probe and model list passes through `authorized`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from byokd.catalog.record import Provider
from byokd.core.http import HttpRequest
from byokd.core.secret import Secret
from byokd.dialects.base.auth import authorize
from byokd.dialects.base.urls import fill
from byokd.protocol.actions import (
    AcceptOriginAction,
    Action,
    EditSettingsAction,
    PromptKeyAction,
)
from byokd.protocol.errors import Conflict
from byokd.services.keys.origin import origin_of, shown_origin


class SendableKey(Protocol):
    """An opened key, stored or not."""

    @property
    def record(self) -> Provider: ...

    @property
    def base_url(self) -> str: ...

    @property
    def at_default_origin(self) -> bool:
        """Whether the key has no base URL of its own."""
        ...

    @property
    def fields(self) -> Mapping[str, Secret | str]: ...

    @property
    def sealed_origin(self) -> str | None:
        """The origin that the key is, or will be, sealed for; None for a shared key or none."""
        ...

    @property
    def key_id(self) -> str | None: ...


def authorized(
    key: SendableKey, request: HttpRequest, now_ms: int, *, companions: bool
) -> HttpRequest:
    """Return the request with its credential.

    A signature covers the exact bytes of the request and the wall clock `now_ms`. With
    `companions` it may go to a companion origin of the record; chats may not.

    Raises:
        Conflict: the key was not stored for the request's origin.
        InvalidParams: a field is missing or has characters that no header may have.
    """
    _check_origin(key, request.url, companions=companions)
    return authorize(request, key.record, key.fields, now_ms)


def _check_origin(key: SendableKey, url: str, *, companions: bool) -> None:
    present = origin_of(key.base_url)
    sealed = key.sealed_origin or present
    if sealed != present:
        raise _moved(key, sealed, present)
    requested = origin_of(url)
    if requested == sealed:
        return
    if companions and key.at_default_origin and requested in _companion_origins(key):
        return
    raise _conflict(
        key,
        f"this key was stored for {shown_origin(sealed)}, and the record of {key.record.name} "
        f"sends this request to {shown_origin(requested)}: correct the record",
        sealed,
        requested,
        EditSettingsAction(),
    )


def _companion_origins(key: SendableKey) -> set[str]:
    plain = {name: text for name, text in key.fields.items() if isinstance(text, str)}
    return {origin_of(fill(template, plain)) for template in key.record.companion_origins}


def _moved(key: SendableKey, sealed: str, present: str) -> Conflict:
    action: Action = PromptKeyAction(url=key.record.key_url)
    advice = "store the key again for the new address and delete this one"
    if key.key_id is not None and key.at_default_origin:
        action = AcceptOriginAction.model_validate(
            {"keyId": key.key_id, "from": sealed, "to": present}
        )
        advice = "use it there if you know why, or store the key again and delete this one"
    return _conflict(
        key,
        f"this key was stored for {shown_origin(sealed)}; its provider is now at "
        f"{shown_origin(present)}: {advice}",
        sealed,
        present,
        action,
    )


def _conflict(key: SendableKey, text: str, sealed: str, requested: str, action: Action) -> Conflict:
    return Conflict(
        text,
        provider=key.record.id,
        key_id=key.key_id,
        action=action,
        details={"reason": "origin", "from": sealed, "to": requested},
    )
