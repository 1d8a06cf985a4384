"""Checks a request against the rules of a simulated provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from byokd.sandbox.echo import RULES
from byokd.sandbox.provider import Behaviour, Failure, RequestRule
from byokd.sandbox.requirements import REQUIREMENTS, value_at
from byokd.sandbox.turn import JsonObject, Rule

_RULES: Final[Mapping[str, Rule]] = MappingProxyType(RULES | REQUIREMENTS)


def check_request(
    behaviour: Behaviour, dialect: str, body: JsonObject, model: str
) -> Failure | None:
    """Return the provider's error for the first rule that the request breaks, or None."""
    for row in (*behaviour.requirements, *behaviour.echoes):
        if _applies(row, dialect, body, model):
            error_fields = _RULES[row.rule](body, model, row.options or {})
            if error_fields is not None:
                values = {"model": model} | error_fields
                return behaviour.error_answer(row.error, dialect, **values)
    return None


def _applies(row: RequestRule, dialect: str, body: JsonObject, model: str) -> bool:
    if row.dialect not in {"", dialect} or re.search(row.models, model) is None:
        return False
    return all(value_at(body, pointer) in values for pointer, values in (row.when or {}).items())
