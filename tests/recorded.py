"""Where recorded answers and records are found. Must not read or judge them.

The recordings are not part of the project: `BYOKD_RECORDINGS` names their folder, or it lies beside
the project as `shared/recordings`. Without it the suites that need it are skipped, and say so.
"""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from byokd.catalog.record import Models, Probe, Provider, Source
from byokd.core.http import Headers, HttpHead

ROOT = Path(__file__).resolve().parent.parent
VECTORS = ROOT / "tests" / "vectors"
RECORDINGS = Path(os.environ.get("BYOKD_RECORDINGS", ROOT.parent / "shared" / "recordings"))
NO_RECORDINGS = f"no recordings at {RECORDINGS}; set BYOKD_RECORDINGS"
_RECORDS = ROOT / "server" / "byokd" / "catalog" / "providers"

BARE = Provider(
    id="bare",
    name="Bare",
    kind="singleField",
    dialect="openai_chat",
    fields=(),
    tool_calling="",
    pricing="",
    probe=Probe(path="/models"),
    models=Models(path="/models"),
    sources=(Source(url="https://example.org", checked="2026-11-23"),),
)
"""A provider without rows or recipes of its own: what it shows is the general reading."""


@cache
def record(provider_id: str) -> Provider:
    """Return the record of that id."""
    path = _RECORDS / f"{provider_id}.toml"
    return Provider.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Recording:
    """One recorded answer and what an independent reader found in it."""

    name: str
    provider_id: str
    head: HttpHead
    body: bytes
    expect: dict[str, Any]


def recordings(expected: str) -> list[Recording]:
    """Return the recordings whose expectation has this field set."""
    found = []
    for path in sorted(RECORDINGS.glob("*/*/expect.json")):
        expect = json.loads(path.read_bytes())
        if not expect.get(expected):
            continue
        answer = json.loads((path.parent / "response.json").read_bytes())
        headers = answer["headers"]
        pairs = headers.items() if isinstance(headers, dict) else headers
        found.append(
            Recording(
                f"{path.parent.parent.name}/{path.parent.name}",
                path.parent.parent.name,
                HttpHead(answer["status"], Headers(pairs)),
                (path.parent / "body.bin").read_bytes(),
                expect,
            )
        )
    return found
