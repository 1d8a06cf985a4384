"""The list of audit events and details: nothing else is written, and nothing is unused."""

from __future__ import annotations

import ast

import pytest

from byokd.audit.events import DETAILS, EVENTS, SECURITY, require_known
from byokd.protocol.base import Json
from byokd.protocol.errors import Internal
from parsed_modules import MODULES

_LITERALS = {
    node.value
    for module in MODULES
    if module.within("services") or module.within("audit")
    for node in module.nodes
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
    if module.name != "audit.events"
}
"""Every string in the modules that append entries."""


@pytest.mark.parametrize("name", sorted(EVENTS | set(DETAILS)))
def test_listed_event_or_detail_is_written_somewhere(name: str) -> None:
    assert name in _LITERALS


def test_security_events_are_events() -> None:
    assert SECURITY < EVENTS


@pytest.mark.parametrize(
    ("event", "details"),
    [
        ("key.stolen", {}),
        ("key.created", {"color": "red"}),
        ("key.created", {"version": "1"}),
        ("key.created", {"version": True}),
        ("key.created", {"version": -1}),
        ("key.created", {"origin": "https://a.example/path"}),
        ("key.created", {"reason": "two words"}),
        ("key.created", {"providerRequestId": "x" * 129}),
    ],
)
def test_unlisted_event_or_detail_is_refused(event: str, details: dict[str, Json]) -> None:
    with pytest.raises(Internal):
        require_known(event, details)


def test_null_is_allowed_for_every_detail() -> None:
    require_known("key.created", dict.fromkeys(DETAILS))
