"""Calls to the shipped records: each provider, dialect and family of models.

`tests/vectors/efforts.json` names the models.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from byokd.catalog.loader import load
from byokd.catalog.surfaces import choose_surface
from byokd.dialects.base.call import Call, Encoded
from byokd.dialects.registry import DIALECTS, find_dialect
from byokd.protocol.chat import SendParams
from recorded import VECTORS

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True)
class SampleCall:
    """A provider, a model, and the dialect or the base URL where it is not the usual one."""

    provider: str
    model: str
    dialect: str | None
    efforts: dict[str, str]
    at: str | None = None

    def __str__(self) -> str:
        return " ".join(filter(None, (self.provider, self.model, self.dialect)))

    def call(self, **more: Any) -> Call:
        """Return a small call; `more` is in wire form."""
        record = load()[self.provider]
        base_url = self.at or record.base_url or "https://host.test/v1"
        if "{" in base_url:
            base_url = "https://host.test/v1"
        params: dict[str, Any] = {"streamId": "s", "provider": self.provider, "model": self.model}
        params |= {"messages": [{"role": "user", "content": "hi"}]}
        record = choose_surface(record, self.model, base_url, self.dialect)
        return Call(record, base_url, SendParams.model_validate(params | more))

    def encoded(self, **more: Any) -> Encoded:
        """Return the request for a small call."""
        call = self.call(**more)
        return find_dialect(call.provider.dialect).encode(call, 0)

    def body(self, **more: Any) -> Any:
        """Return its body."""
        return json.loads(self.encoded(**more).request.body)


def rows() -> list[SampleCall]:
    """Return all rows whose dialect is registered."""
    table = json.loads((VECTORS / "efforts.json").read_text(encoding="utf-8"))
    samples = [
        SampleCall(*(row.get(name) for name in ("provider", "model", "dialect", "efforts")))
        for row in table
    ]
    return [row for row in samples if row.call().provider.dialect in DIALECTS]
