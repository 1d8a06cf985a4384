"""`key/acceptOrigin`: seals a key for the address that its provider has now.

A record moves by an edit, an override or an update. The key follows only after a person has read
both addresses in a question of the daemon and agreed: no client can agree by a parameter.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from byokd.model_cache import ModelCache
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import ByokdError, Conflict, Unsupported
from byokd.protocol.key import KeyAcceptOriginParams, KeyResult
from byokd.protocol.lifecycle import WARNING, MessageAction, PromptMeta, ShowMessageRequest
from byokd.services.audit.service import AuditService
from byokd.services.keys.credentials import base_url_of
from byokd.services.keys.notifications import notify_key_changed
from byokd.services.keys.origin import shown_origin
from byokd.services.keys.service import key_info
from byokd.services.providers import ProviderService
from byokd.services.runtime.session import Session
from byokd.vault import KeyRow, Vault, VaultTx, keys

USE_IT_THERE: Final = "Use it there"
DO_NOT: Final = "Do not"


class OriginAcceptor:
    def __init__(
        self,
        providers: ProviderService,
        vault: Vault,
        audit: AuditService,
        model_cache: ModelCache,
    ) -> None:
        self._providers = providers
        self._vault = vault
        self._audit = audit
        self._model_cache = model_cache

    async def accept(self, session: Session, params: KeyAcceptOriginParams) -> KeyResult:
        """Ask the person, then seal the key for its provider's present origin.

        Raises:
            Conflict: the key has a base URL of its own, an origin is not as in `params`, or the
                person does not agree (`declined`).
            Unsupported: the client shows no questions.
        """
        row = await self._vault.read(lambda tx: keys.get(tx, session.account, params.key_id))
        self._require_moved(session, row, params)
        if not session.client.can_prompt:
            raise Unsupported(
                "this program cannot ask you; run byokd keys accept-origin on a terminal"
            )
        if not await self._agrees(session, row, params.to):
            raise Conflict(
                f"the key stays at {shown_origin(row.origin)}",
                key_id=row.key_id,
                details={"reason": "declined"},
            )
        # the record may have been refreshed while the person read the question
        self._require_moved(session, row, params)

        def write(tx: VaultTx) -> KeyRow:
            moved = keys.move_origin(
                tx, session.account, row.key_id, from_=params.from_, to=params.to
            )
            details: JsonObject = {"origin": params.to, "previousOrigin": params.from_}
            self._audit.record(tx, session, "key.origin_accepted", moved, details)
            return moved

        moved = await self._vault.transaction(write)
        with suppress(ByokdError):  # the list came from the old address
            await self._model_cache.forget(session.account, row.key_id)
        notify_key_changed(session, moved, "originAccepted", state=moved.state, reason=moved.reason)
        return KeyResult(key=key_info(moved))

    def _require_moved(self, session: Session, row: KeyRow, params: KeyAcceptOriginParams) -> None:
        """Raise `Conflict` unless the key's provider moved from `from` to `to`."""
        if row.base_url is not None:
            raise Conflict(
                "this key has a base URL of its own; for another address store it as another key",
                key_id=row.key_id,
            )
        record = self._providers.get(row.provider, session)
        plain = {name: value for name, value in row.fields.items() if value is not None}
        present = base_url_of(record, None, plain).origin
        if (params.from_, params.to) != (row.origin, present) or row.origin == present:
            raise Conflict(
                f"this key was stored for {shown_origin(row.origin)}, and its provider is at"
                f" {shown_origin(present)}: look at both again",
                key_id=row.key_id,
                details={"reason": "origin", "from": row.origin, "to": present},
            )

    async def _agrees(self, session: Session, row: KeyRow, to: str) -> bool:
        name = self._providers.name_of(row.provider)
        key = f'The key "{row.label}" of {name}' if row.label else f"The {name} key"
        request = ShowMessageRequest(
            type=WARNING,
            message=f"{key} was stored for {shown_origin(row.origin)}. Its provider is now at"
            f" {shown_origin(to)}, which would get the key. Use it there only if you know why.",
            actions=(MessageAction(title=USE_IT_THERE), MessageAction(title=DO_NOT)),
            meta=PromptMeta(
                topic="origin",
                key_id=row.key_id,
                provider=row.provider,
                label=row.label,
                reason="moved",
            ),
        )
        return await session.client.prompt(request) == USE_IT_THERE
