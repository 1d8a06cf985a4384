"""An exported audit trail as a file: how it is written, read back and checked.

Knows the lines: one for the store, one for each entry, one for the checkpoint. Must not know how
entries are chained; the daemon checks that, page by page, with or without an open vault.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from byokd.cli.client import Daemon
from byokd.core.limits import PAGE_MAX_ITEMS
from byokd.protocol.audit import (
    AuditExportParams,
    AuditExportResult,
    AuditLink,
    AuditRecord,
    AuditVerifyParams,
    AuditVerifyResult,
)
from byokd.protocol.base import JsonObject

_FORM: Final = "byokd-audit/1"
_NOTE_LINES: Final = 3


class NotAnExport(Exception):
    """The file, or the head, is not what it should be; the text says how."""


def pages(daemon: Daemon, limit: int = PAGE_MAX_ITEMS) -> Iterator[AuditExportResult]:
    """Yield the record page by page."""
    cursor: str | None = None
    while True:
        params = AuditExportParams(cursor=cursor, limit=limit)
        result = daemon.call("audit/export", params, AuditExportResult)
        yield result
        cursor = result.next_cursor
        if cursor is None:
            return


def lines(found: Iterable[AuditExportResult]) -> Iterator[str]:
    """Yield the lines of the file."""
    last: AuditExportResult | None = None
    for last in found:
        if last.items and last.items[0].seq == 1:
            yield json.dumps({"form": _FORM, "storeId": last.store_id})
        for item in last.items:
            yield json.dumps(item.model_dump(by_alias=True), ensure_ascii=False)
    if last is not None and last.checkpoint is not None:
        yield json.dumps(last.checkpoint.model_dump(by_alias=True))


def check(daemon: Daemon, source: Path, head: str | None) -> tuple[AuditVerifyResult, str]:
    """Check a file against itself and a head that was kept; the second text tells of the head.

    Raises:
        NotAnExport: it is none, or the head is none.
    """
    with source.open(encoding="utf-8") as file:
        first = _line(next(file, ""), 1)
        if first.get("form") != _FORM:
            raise NotAnExport(f"{source} is not an exported audit trail")
        store_id = str(first.get("storeId"))
        note: str | None = None
        heads: dict[str, int] = {}
        after: AuditLink | None = None
        result: AuditVerifyResult | None = None
        parsed = (_line(text, number) for number, text in enumerate(file, start=2))
        while batch := list(islice(parsed, PAGE_MAX_ITEMS)):
            if "text" in batch[-1]:
                note = str(batch.pop()["text"])
            records = tuple(_record(item) for item in batch)
            params = AuditVerifyParams(entries=records, after=after, store_id=store_id)
            result = daemon.call("audit/verify", params, AuditVerifyResult)
            if not result.ok:
                return result, ""
            heads.update((record.h, record.seq) for record in records)
            after = result.head
    if result is None or note is None:
        raise NotAnExport(f"{source} was cut off: it has no checkpoint at its end")
    kept = _fits(_head(note), heads, result)
    if kept.ok and head is not None:
        kept = _fits(_head(head), heads, result)
        return kept, _told(_head(head), heads) if kept.ok else ""
    return kept, ""


def against(
    head: str, result: AuditVerifyResult, found: Iterable[AuditExportResult]
) -> tuple[AuditVerifyResult, str]:
    """Hold a record that was checked against a head that was kept; raises `NotAnExport`."""
    wanted = _head(head)
    heads = {item.h: item.seq for page in found for item in page.items}
    kept = _fits(wanted, heads, result)
    return kept, _told(wanted, heads) if kept.ok else ""


def _told(wanted: tuple[str, int | None], heads: dict[str, int]) -> str:
    return f"; the head that you kept is that of entry {heads[wanted[0]]}"


def _head(text: str) -> tuple[str, int | None]:
    """Return the hash and, where a whole checkpoint is given, the number of entries."""
    parts = text.replace("\\n", "\n").split()
    try:
        size = int(parts[1]) if len(parts) == _NOTE_LINES else None
        b64decode(parts[-1], validate=True)
    except (ValueError, IndexError):
        raise NotAnExport(
            "the head is not the last line of a checkpoint, nor a whole one"
        ) from None
    return parts[-1], size


def _fits(
    wanted: tuple[str, int | None], heads: dict[str, int], result: AuditVerifyResult
) -> AuditVerifyResult:
    head, size = wanted
    seq = heads.get(head)
    if seq is not None and size in {None, seq}:
        return result
    after = result.entries + 1
    return result.model_copy(
        update={
            "ok": False,
            "fault": "truncated",
            "first_bad_seq": after if size is None or size >= after else size,
            "message": "the head is not in it: entries that were there are gone or others",
        }
    )


def _line(text: str, number: int) -> JsonObject:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise NotAnExport(f"line {number} is no line of an exported audit trail")
    return value


def _record(item: JsonObject) -> AuditRecord:
    try:
        return AuditRecord.model_validate(item)
    except ValueError:
        raise NotAnExport("a line of the file is no entry of an audit trail") from None
