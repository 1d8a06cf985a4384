"""The details of an audit entry in the table of `byokd audit list`."""

from __future__ import annotations

import pytest

from byokd.cli import audit, terminal
from byokd.protocol.audit import AuditEntry
from byokd.protocol.base import JsonObject

AT = 1_795_688_037_507

SHOWN: list[tuple[JsonObject, str]] = [
    ({"cause": "store", "httpStatus": 200}, ": cause store, http status 200"),
    ({"count": 2, "firstAt": AT}, f": count 2, first at {terminal.when(AT)}"),
    ({"providerRequestId": "r_1"}, ": provider request id r_1"),
    ({"label": None, "allowInsecureOrigin": False}, ""),
    ({"from": ["a", 1]}, ': from ["a",1]'),
]


@pytest.mark.parametrize(("details", "shown"), SHOWN)
def test_details_show_texts_and_times(
    details: JsonObject, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = AuditEntry(
        seq=1, at=AT, event="key.use", provider="some", key_id=None, actor="me", details=details
    )
    audit.show([entry])
    assert f"some{shown} (by me)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("event", "details", "text"),
    [
        (
            "session.opened",
            {"pid": 7, "clientVersion": "1.2.0"},
            "the session: pid 7, client version 1.2.0 (by my-editor)",
        ),
        ("session.closed", {"pid": 7, "uses": 3}, "the session: pid 7, uses 3 (by my-editor)"),
        ("clock.regressed", {}, "the clock (by my-editor)"),
        (
            "catalog.refreshed",
            {"from": "2026-11-28", "to": "2026-12-20", "sha": "4c1d9e0b7a3f5c1d"},
            "the catalog: from 2026-11-28, to 2026-12-20, sha 4c1d9e0b7a3f5c1d (by my-editor)",
        ),
        ("account.deleted", {"keys": 2}, "the account: keys 2 (by my-editor)"),
        ("slot.added", {"protection": "passphrase"}, "the store: protection passphrase"),
    ],
)
def test_entry_without_provider_names_its_subject(
    event: str, details: JsonObject, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = AuditEntry(
        seq=1, at=AT, event=event, provider=None, key_id=None, actor="my-editor", details=details
    )
    audit.show([entry])
    assert text in " ".join(capsys.readouterr().out.split())
