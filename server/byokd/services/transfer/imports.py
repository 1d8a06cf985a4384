"""`key/import`: previews the keys of a source, and stores the chosen ones like `key/store`.

No value is shown. A key that fails does not stop the others.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

import anyio

from byokd.core.limits import ENVIRONMENT_TTL_MS, IMPORT_AT_ONCE
from byokd.core.secret import Secret
from byokd.crypto.kdf import KEY_BYTES
from byokd.protocol.errors import ByokdError, Conflict, InvalidParams, NotFound, VaultError
from byokd.protocol.key import ProbePolicy
from byokd.protocol.transfer import (
    ImportChoice,
    ImportItem,
    ImportOutcome,
    ImportProblem,
    KeyImportParams,
    KeyImportResult,
)
from byokd.services.keys.input import ParsedKey, check_detected
from byokd.services.keys.label import checked_label
from byokd.services.keys.service import KeyService
from byokd.services.runtime.session import Session
from byokd.services.transfer.detect import DetectedKey
from byokd.services.transfer.import_sources import ImportSources
from byokd.services.vault.service import VaultService
from byokd.vault import NewKey, Vault, VaultTx, keys

_FIELDS: Final = "/fields/"
_NO_CHOICE: Final = ImportChoice.model_construct(id="")

_StoredKeys: TypeAlias = dict[str, dict[tuple[str | None, str | None], str]]
"""Ids of stored keys by provider, then by fingerprint and origin; read once for a preview."""


@dataclass(frozen=True, slots=True)
class _Match:
    fingerprint: str | None
    key_id: str | None  # of an equal stored key


class ImportService:
    def __init__(
        self,
        sources: ImportSources,
        vault: Vault,
        vault_service: VaultService,
        key_service: KeyService,
    ) -> None:
        self._sources = sources
        self._vault = vault
        self._vault_service = vault_service
        self._key_service = key_service
        self._id_key = os.urandom(KEY_BYTES)  # an item's id is valid in this process only

    async def import_(self, session: Session, params: KeyImportParams) -> KeyImportResult:
        """Return the keys of a source, and store the chosen ones.

        Raises:
            InvalidParams: the source cannot be read.
        """
        if params.choose is not None:
            await self._vault_service.ensure_ready(session)
        content = await self._sources.read(session, params.source)
        detected = {key.item_id(self._id_key): key for key in content.keys}
        stored: _StoredKeys = {}
        items = tuple(
            [await self._item(session, id_, key, stored) for id_, key in detected.items()]
        )
        outcomes = None
        if params.choose is not None:
            outcomes = await self._store_chosen(session, detected, params.choose, params.probe)
            if params.source.type == "environment":
                self._sources.forget_variables()
        return KeyImportResult(
            items=items, ignored=content.ignored, warnings=content.warnings, outcomes=outcomes
        )

    async def forget_variables_later(self) -> None:
        """Drop the variables of the start after `ENVIRONMENT_TTL_MS`."""
        await anyio.sleep(ENVIRONMENT_TTL_MS / 1000)
        self._sources.forget_variables()

    async def _item(
        self, session: Session, id_: str, detected: DetectedKey, stored: _StoredKeys
    ) -> ImportItem:
        problem: ImportProblem | None = None
        parsed: ParsedKey | None = None
        try:
            parsed = _check(detected, _NO_CHOICE)
        except InvalidParams as error:
            problem = _problem_of(error)
        fields = parsed.fields if parsed else detected.fields
        origin = parsed.address.origin if parsed else None
        match = _Match(None, None)
        with suppress(VaultError):  # without a vault the preview shows the rest
            match = await self._match(session, detected, fields, origin, stored)
        if match.key_id is not None:
            problem = ImportProblem(type="stored", field=None, message="is stored already")
        first = next((value for value in fields.values() if isinstance(value, Secret)), None)
        return ImportItem(
            id=id_,
            provider=detected.record.id,
            label=detected.label,
            variables=detected.variables,
            fields=tuple(fields),
            origin=origin,
            base_url=parsed.address.own if parsed else None,
            last4=None if first is None else first.last4(),
            fingerprint=match.fingerprint,
            stored_as=match.key_id,
            problem=problem,
        )

    async def _match(
        self,
        session: Session,
        detected: DetectedKey,
        fields: Mapping[str, Secret | str],
        origin: str | None,
        stored: _StoredKeys,
    ) -> _Match:
        """Compare a detected key with the stored ones; fills `stored` for its provider."""
        account, provider = session.account, detected.record.id

        def read(tx: VaultTx) -> _Match:
            fingerprint = keys.fingerprint_of(tx, account, provider, fields)
            if provider not in stored:
                rows = keys.list_keys(tx, account, provider).rows
                stored[provider] = {(row.fingerprint, row.origin): row.key_id for row in rows}
            return _Match(fingerprint, stored[provider].get((fingerprint, origin)))

        return await self._vault.read(read)

    async def _store_chosen(
        self,
        session: Session,
        detected: Mapping[str, DetectedKey],
        choices: Sequence[ImportChoice],
        policy: ProbePolicy,
    ) -> tuple[ImportOutcome, ...]:
        """Store `IMPORT_AT_ONCE` keys at a time; outcomes are in the choices' order."""
        slots = asyncio.Semaphore(IMPORT_AT_ONCE)

        async def store(choice: ImportChoice) -> ImportOutcome:
            async with slots:
                try:
                    return await self._store(session, detected.get(choice.id), choice, policy)
                except ByokdError as error:
                    return ImportOutcome(
                        id=choice.id, key=None, probe=None, notes=(), error=error.data()
                    )

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(store(choice)) for choice in choices]
        return tuple(task.result() for task in tasks)

    async def _store(
        self,
        session: Session,
        detected: DetectedKey | None,
        choice: ImportChoice,
        policy: ProbePolicy,
    ) -> ImportOutcome:
        if detected is None:
            raise NotFound("the source does not contain this key any more; preview it again")
        parsed = _check(detected, choice)
        match = await self._match(session, detected, parsed.fields, parsed.address.origin, {})
        if match.key_id is not None:
            raise Conflict("this key is stored already", key_id=match.key_id)
        new = NewKey(
            provider=detected.record.id,
            origin=parsed.address.origin,
            fields=parsed.fields,
            label=checked_label(choice.label) or detected.label,
            base_url=parsed.address.own,
            allow_insecure=choice.allow_insecure_origin or detected.allow_insecure,
            make_default=choice.make_default or detected.make_default,
        )
        result = await self._key_service.store_parsed(
            session, parsed, new, policy, cause="import", disabled=detected.disabled
        )
        return ImportOutcome(
            id=choice.id, key=result.key, probe=result.probe, notes=result.notes, error=None
        )


def _check(detected: DetectedKey, choice: ImportChoice) -> ParsedKey:
    """Check a detected key with the person's additions, as `key/store` does.

    Raises:
        InvalidParams: it does not fit, or its address comes from a variable only.
    """
    for name in choice.fields:
        known = detected.record.field(name)
        if known is not None and known.secret:
            raise InvalidParams(
                f"the field {name} is secret and is not part of a choice",
                details=[{"pointer": f"{_FIELDS}{name}", "reason": "is secret"}],
            )
    _refuse_malformed_plain(detected, choice)
    base_url = choice.base_url or detected.base_url
    parsed = check_detected(
        detected.record,
        {**detected.fields, **choice.fields},
        base_url=base_url,
        allow_insecure=choice.allow_insecure_origin or detected.allow_insecure,
    )
    if base_url is None and parsed.address.own is not None:
        raise InvalidParams(
            f"only a variable names {parsed.address.origin} for this key; give that base URL"
            " yourself if it is right",
            details=[{"pointer": "/baseUrl", "reason": "comes from a variable"}],
        )
    if choice.base_url is None and detected.origin not in {None, parsed.address.origin}:
        raise InvalidParams(
            f"this key was stored for {detected.origin}, and would be sent to"
            f" {parsed.address.origin} here; give the base URL yourself",
            details=[{"pointer": "/baseUrl", "reason": "has another origin here"}],
        )
    return parsed


def _refuse_malformed_plain(detected: DetectedKey, choice: ImportChoice) -> None:
    """Refuse a variable of a plain field with an unexpected value, which may be a secret.

    A typed value is accepted, as in `key/store`.
    """
    for name, value in detected.fields.items():
        known = detected.record.field(name)
        if known is None or isinstance(value, Secret) or name in choice.fields or "://" in value:
            continue
        if detected.variables and known.pattern and not re.search(known.pattern, value.strip()):
            raise InvalidParams(
                f"the variable for the field {name} has an unexpected value; correct it",
                details=[{"pointer": f"{_FIELDS}{name}", "reason": "holds something else"}],
            )


def _problem_of(error: InvalidParams) -> ImportProblem:
    details = error.fields.get("details")
    first = details[0] if isinstance(details, list) else {}
    pointer = str(first.get("pointer", ""))
    reason = str(first.get("reason", ""))
    if pointer == "/baseUrl":
        return ImportProblem(type="baseUrl", field=None, message=error.user_message)
    missing = pointer == "/fields" or reason == "is required"
    return ImportProblem(
        type="missingField" if missing else "malformed",
        field=pointer.removeprefix(_FIELDS) if pointer.startswith(_FIELDS) else None,
        message=error.user_message,
    )
