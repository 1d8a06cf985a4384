"""`key/import`: shows the keys that a source holds, and stores those that a person chooses.

Knows the order: read, check each key, tell what is known of it; and for a chosen one the same way
in as `key/store`. Must not know how a source is read. A value is never shown, and one bad key does
not keep the others out.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import anyio

from byokd.core.limits import ENVIRONMENT_KEPT_MS, IMPORT_AT_ONCE
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
from byokd.services.keys.input import ParsedKey, check_found
from byokd.services.keys.service import KeyService
from byokd.services.runtime.session import Session
from byokd.services.transfer.detect import DetectedKey
from byokd.services.transfer.import_sources import ImportSources
from byokd.services.vault.service import VaultService
from byokd.vault import NewKey, Vault, VaultTx, keys

_FIELDS: Final = "/fields/"
_NO_CHOICE: Final = ImportChoice.model_construct(id="")


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the vault says of a key: its fingerprint here, and the entry that it is already."""

    fingerprint: str | None
    key_id: str | None


class _Seen(dict[str, dict[tuple[str | None, str | None], str]]):
    """The stored keys of each provider, by fingerprint and origin; read once for a preview."""


class ImportService:
    """Keys that come from elsewhere."""

    def __init__(
        self, sources: ImportSources, vault: Vault, desk: VaultService, keys_room: KeyService
    ) -> None:
        self._sources = sources
        self._vault = vault
        self._desk = desk
        self._keys = keys_room
        # An item's id is worth nothing outside of this process.
        self._id_key = os.urandom(KEY_BYTES)

    async def import_(self, session: Session, params: KeyImportParams) -> KeyImportResult:
        """Return what a source holds, and store what was chosen of it.

        Raises:
            InvalidParams: the source cannot be read.
            VaultError: something was chosen, and keys cannot be stored on this machine.
        """
        if params.choose is not None:
            await self._desk.ready(session)
        content = await self._sources.read(session, params.source)
        found = {one.item_id(self._id_key): one for one in content.found}
        seen = _Seen()
        items = tuple([await self._item(session, id_, one, seen) for id_, one in found.items()])
        outcomes = None
        if params.choose is not None:
            outcomes = await self._take_all(session, found, params.choose, params.probe)
            if params.source.type == "environment":
                self._sources.forget()
        return KeyImportResult(
            items=items, ignored=content.ignored, warnings=content.warnings, outcomes=outcomes
        )

    async def let_go(self) -> None:
        """Forget the variables of the start, after a time in which nobody imported them."""
        await anyio.sleep(ENVIRONMENT_KEPT_MS / 1000)
        self._sources.forget()

    async def _item(
        self, session: Session, id_: str, found: DetectedKey, seen: _Seen
    ) -> ImportItem:
        problem, taken = None, None
        try:
            taken = _checked(found, _NO_CHOICE)
        except InvalidParams as refused:
            problem = _problem(refused)
        fields = taken.fields if taken else found.fields
        origin = taken.address.origin if taken else None
        stored = _Stored(None, None)
        with suppress(VaultError):  # a preview is worth having before there is a vault, too
            stored = await self._stored(session, found, fields, origin, seen)
        if stored.key_id is not None:
            problem = ImportProblem(type="stored", field=None, message="is stored already")
        first = next((value for value in fields.values() if isinstance(value, Secret)), None)
        return ImportItem(
            id=id_,
            provider=found.record.id,
            label=found.label,
            variables=found.variables,
            fields=tuple(fields),
            origin=origin,
            base_url=taken.address.own if taken else None,
            last4=None if first is None else first.last4(),
            fingerprint=stored.fingerprint,
            stored_as=stored.key_id,
            problem=problem,
        )

    async def _stored(
        self,
        session: Session,
        found: DetectedKey,
        fields: Mapping[str, Secret | str],
        origin: str | None,
        seen: _Seen,
    ) -> _Stored:
        account, provider = session.account, found.record.id

        def look(tx: VaultTx) -> _Stored:
            print_ = keys.fingerprint_of(tx, account, provider, fields)
            if provider not in seen:
                rows = keys.list_keys(tx, account, provider).rows
                seen[provider] = {(row.fingerprint, row.origin): row.key_id for row in rows}
            return _Stored(print_, seen[provider].get((print_, origin)))

        return await self._vault.read(look)

    async def _take_all(
        self,
        session: Session,
        found: Mapping[str, DetectedKey],
        choose: Sequence[ImportChoice],
        policy: ProbePolicy,
    ) -> tuple[ImportOutcome, ...]:
        """Store what was chosen, a few at a time; the outcomes are in the order of the choice."""
        room = asyncio.Semaphore(IMPORT_AT_ONCE)

        async def one(choice: ImportChoice) -> ImportOutcome:
            async with room:
                try:
                    return await self._take(session, found.get(choice.id), choice, policy)
                except ByokdError as error:
                    return ImportOutcome(
                        id=choice.id, key=None, probe=None, notes=(), error=error.data()
                    )

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(choice)) for choice in choose]
        return tuple(task.result() for task in tasks)

    async def _take(
        self, session: Session, found: DetectedKey | None, choice: ImportChoice, policy: ProbePolicy
    ) -> ImportOutcome:
        if found is None:
            raise NotFound("the source does not hold this any more; look at it again")
        taken = _checked(found, choice)
        stored = await self._stored(session, found, taken.fields, taken.address.origin, _Seen())
        if stored.key_id is not None:
            raise Conflict("this key is stored already", key_id=stored.key_id)
        new = NewKey(
            provider=found.record.id,
            origin=taken.address.origin,
            fields=taken.fields,
            label=choice.label or found.label,
            base_url=taken.address.own,
            allow_insecure=choice.allow_insecure_origin or found.allow_insecure,
            make_default=choice.make_default or found.make_default,
        )
        result = await self._keys.store_new(
            session, taken, new, policy, cause="import", disabled=found.disabled
        )
        return ImportOutcome(
            id=choice.id, key=result.key, probe=result.probe, notes=result.notes, error=None
        )


def _checked(found: DetectedKey, choice: ImportChoice) -> ParsedKey:
    """Return a key with what the person added, checked as `key/store` checks.

    Raises:
        InvalidParams: it does not fit, or only a variable says where it goes.
    """
    for name in choice.fields:
        known = found.record.field(name)
        if known is not None and known.secret:
            raise InvalidParams(
                f"the field {name} is secret and is not part of a choice",
                details=[{"pointer": f"{_FIELDS}{name}", "reason": "is secret"}],
            )
    _refuse_strange(found, choice)
    base_url = choice.base_url or found.base_url
    taken = check_found(
        found.record,
        {**found.fields, **choice.fields},
        base_url=base_url,
        allow_insecure=choice.allow_insecure_origin or found.allow_insecure,
    )
    if base_url is None and taken.address.own is not None:
        raise InvalidParams(
            f"a variable says that this key goes to {taken.address.origin}; give that base URL"
            " yourself if it is right",
            details=[{"pointer": "/baseUrl", "reason": "comes from a variable"}],
        )
    if choice.base_url is None and found.origin not in {None, taken.address.origin}:
        raise InvalidParams(
            f"this key was stored for {found.origin}, and would go to {taken.address.origin} here;"
            " give the base URL yourself",
            details=[{"pointer": "/baseUrl", "reason": "has another origin here"}],
        )
    return taken


def _refuse_strange(found: DetectedKey, choice: ImportChoice) -> None:
    """Refuse a plain field whose variable holds something else, which may be somebody's secret.

    A person who types such a value themselves is believed, as in `key/store`.
    """
    for name, value in found.fields.items():
        known = found.record.field(name)
        if known is None or isinstance(value, Secret) or name in choice.fields or "://" in value:
            continue
        if found.variables and known.pattern and not re.search(known.pattern, value.strip()):
            raise InvalidParams(
                f"the variable for the field {name} holds something else",
                details=[{"pointer": f"{_FIELDS}{name}", "reason": "holds something else"}],
            )


def _problem(refused: InvalidParams) -> ImportProblem:
    details = refused.fields.get("details")
    first = details[0] if isinstance(details, list) else {}
    pointer, reason = str(first.get("pointer", "")), str(first.get("reason", ""))
    if pointer == "/baseUrl":
        return ImportProblem(type="baseUrl", field=None, message=refused.user_message)
    missing = pointer == "/fields" or reason == "is required"
    return ImportProblem(
        type="missingField" if missing else "malformed",
        field=pointer.removeprefix(_FIELDS) if pointer.startswith(_FIELDS) else None,
        message=refused.user_message,
    )
