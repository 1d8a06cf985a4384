"""Writes, reads and verifies an exported audit log.

One line for the store, one for each entry, one for the checkpoint.
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
_CHECKPOINT_LINES: Final = 3


class InvalidExport(Exception):
    """The file or the head cannot be read."""


def pages(daemon: Daemon, limit: int = PAGE_MAX_ITEMS) -> Iterator[AuditExportResult]:
    cursor: str | None = None
    while True:
        params = AuditExportParams(cursor=cursor, limit=limit)
        result = daemon.call("audit/export", params, AuditExportResult)
        yield result
        cursor = result.next_cursor
        if cursor is None:
            return


def lines(exported: Iterable[AuditExportResult]) -> Iterator[str]:
    last: AuditExportResult | None = None
    for last in exported:
        if last.items and last.items[0].seq == 1:
            yield json.dumps({"form": _FORM, "storeId": last.store_id})
        for item in last.items:
            yield json.dumps(item.model_dump(by_alias=True), ensure_ascii=False)
    if last is not None and last.checkpoint is not None:
        yield json.dumps(last.checkpoint.model_dump(by_alias=True))


def check(daemon: Daemon, source: Path, head: str | None) -> tuple[AuditVerifyResult, str]:
    """Verify an export file, and a saved head against it.

    Returns the result, and a sentence about the head, which is empty without one. Raises
    `InvalidExport`.
    """
    with source.open(encoding="utf-8") as file:
        first = _line(next(file, ""), 1)
        if first.get("form") != _FORM:
            raise InvalidExport(f"{source} is not an exported audit log")
        store_id = str(first.get("storeId"))
        checkpoint: str | None = None
        heads: dict[str, int] = {}
        after: AuditLink | None = None
        result: AuditVerifyResult | None = None
        parsed = (_line(text, number) for number, text in enumerate(file, start=2))
        while batch := list(islice(parsed, PAGE_MAX_ITEMS)):
            if "text" in batch[-1]:
                checkpoint = str(batch.pop()["text"])
            records = tuple(_record(item) for item in batch)
            params = AuditVerifyParams(entries=records, after=after, store_id=store_id)
            result = daemon.call("audit/verify", params, AuditVerifyResult)
            if not result.ok:
                return result, ""
            heads.update((record.h, record.seq) for record in records)
            after = result.head
    if result is None or checkpoint is None:
        raise InvalidExport(f"{source} was cut off: it has no checkpoint at its end")
    verified = _compare_head(_head(checkpoint), heads, result)
    if verified.ok and head is not None:
        verified = _compare_head(_head(head), heads, result)
        return verified, _head_note(_head(head), heads) if verified.ok else ""
    return verified, ""


def check_head(
    head: str, result: AuditVerifyResult, exported: Iterable[AuditExportResult]
) -> tuple[AuditVerifyResult, str]:
    """Compare a saved head with a verified log; return what `check` returns."""
    saved = _head(head)
    heads = {item.h: item.seq for page in exported for item in page.items}
    verified = _compare_head(saved, heads, result)
    return verified, _head_note(saved, heads) if verified.ok else ""


def _head_note(saved: tuple[str, int | None], heads: dict[str, int]) -> str:
    return f"; the head that you saved is entry {heads[saved[0]]}"


def _head(text: str) -> tuple[str, int | None]:
    """Return the hash and, for a whole checkpoint, the number of entries."""
    parts = text.replace("\\n", "\n").split()
    try:
        size = int(parts[1]) if len(parts) == _CHECKPOINT_LINES else None
        b64decode(parts[-1], validate=True)
    except (ValueError, IndexError):
        raise InvalidExport("the head must be a checkpoint or its last line") from None
    return parts[-1], size


def _compare_head(
    saved: tuple[str, int | None], heads: dict[str, int], result: AuditVerifyResult
) -> AuditVerifyResult:
    """Return the result, as a failure if the saved head is not in the log."""
    head, size = saved
    seq = heads.get(head)
    if seq is not None and size in {None, seq}:
        return result
    missing = result.entries + 1
    return result.model_copy(
        update={
            "ok": False,
            "fault": "truncated",
            "first_bad_seq": missing if size is None or size >= missing else size,
            "message": "the log does not hold this head: entries were removed or replaced",
        }
    )


def _line(text: str, number: int) -> JsonObject:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InvalidExport(f"line {number} is not part of an exported audit log")
    return value


def _record(item: JsonObject) -> AuditRecord:
    try:
        return AuditRecord.model_validate(item)
    except ValueError:
        raise InvalidExport("a line of the file is not an entry of an audit log") from None
