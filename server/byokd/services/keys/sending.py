"""Puts a key on a request, after it has compared the request's origin with the key's.

Every chat, probe and model list passes through `authorized`. Knows the origin that a key was sealed
for and the record's companion origins. Must not open a connection or read the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from byokd.catalog.record import Provider
from byokd.core.http import HttpRequest
from byokd.core.secret import Secret
from byokd.dialects.base.auth import authorize
from byokd.dialects.base.urls import fill
from byokd.protocol.errors import Action, Conflict
from byokd.services.keys.origin import origin_of, shown_origin


class Holder(Protocol):
    """A key that is about to be sent, and the place where it may go."""

    @property
    def record(self) -> Provider:
        """The provider's present record."""
        ...

    @property
    def base_url(self) -> str:
        """The address that the call was built for, canonical, templates filled."""
        ...

    @property
    def at_default_origin(self) -> bool:
        """Whether the key has no base URL of its own."""
        ...

    @property
    def fields(self) -> Mapping[str, Secret | str]:
        """The opened fields of the key."""
        ...

    @property
    def sealed_origin(self) -> str | None:
        """The origin that a stored key was sealed for; None where nothing is stored."""
        ...

    @property
    def key_id(self) -> str | None:
        """The stored key's id."""
        ...


def authorized(
    holder: Holder, request: HttpRequest, now_ms: int, *, companions: bool
) -> HttpRequest:
    """Return the request with its credential.

    Args:
        holder: the key.
        request: complete; a signature covers its exact bytes.
        now_ms: the time of day, for signatures.
        companions: whether the request may go to a companion origin of the record. Probes and model
            lists may, chats may not.

    Raises:
        Conflict: the request goes to an origin that the key was not stored for.
        InvalidParams: a field of the key is missing, or holds what no header may carry.
    """
    _check_origin(holder, request.url, companions=companions)
    return authorize(request, holder.record, holder.fields, now_ms)


def _check_origin(holder: Holder, url: str, *, companions: bool) -> None:
    present = origin_of(holder.base_url)
    sealed = holder.sealed_origin or present
    if sealed != present:
        raise _moved(holder, sealed, present)
    wanted = origin_of(url)
    if wanted == sealed:
        return
    if companions and holder.at_default_origin and wanted in _companion_origins(holder):
        return
    raise _conflict(
        holder,
        f"this key was stored for {shown_origin(sealed)}, and the record of {holder.record.name} "
        f"sends this request to {shown_origin(wanted)}: correct the record",
        sealed,
        wanted,
        Action(type="editSettings"),
    )


def _companion_origins(holder: Holder) -> set[str]:
    plain = {name: text for name, text in holder.fields.items() if isinstance(text, str)}
    return {origin_of(fill(template, plain)) for template in holder.record.companion_origins}


def _moved(holder: Holder, sealed: str, present: str) -> Conflict:
    return _conflict(
        holder,
        f"this key was stored for {shown_origin(sealed)}; its provider is now at "
        f"{shown_origin(present)}: store the key again for the new address and delete this one",
        sealed,
        present,
        Action(type="promptKey", url=holder.record.key_url),
    )


def _conflict(holder: Holder, text: str, sealed: str, wanted: str, action: Action) -> Conflict:
    return Conflict(
        text,
        provider=holder.record.id,
        key_id=holder.key_id,
        action=action,
        details={"reason": "origin", "from": sealed, "to": wanted},
    )
