"""Merges the raw fields of `providerOptions` into a body.

- Objects are merged field by field; lists of tools, documents and included items are appended to,
  so that no raw field removes a tool.
- Any other raw field wins. If it replaces a parameter of `chat/send`, there is a warning, and a
  strict call is refused.
- A raw field against `_PROTECTED` is dropped with a warning.
"""

from __future__ import annotations

from typing import Final

from byokd.dialects.base.warnings import Warnings
from byokd.dialects.base.wire_names import parameter_at
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import SendParams

_APPENDED: Final = frozenset({"tools", "documents", "include"})
_PROTECTED: Final = {
    ("stream",): "it would change the form of the answer",
    ("stream_options", "include_usage"): "the tokens could not be counted",
}
"""Fields that a raw field cannot replace, and why."""


def merge_options(
    body: JsonObject,
    options: JsonObject,
    params: SendParams,
    warnings: Warnings,
    path: tuple[str, ...] = (),
) -> JsonObject:
    """Return the body, or the object at `path` in it, with raw fields merged in."""
    result = dict(body)
    for name, value in options.items():
        at = (*path, name)
        present = result.get(name)
        if isinstance(present, dict) and isinstance(value, dict):
            result[name] = merge_options(present, value, params, warnings, at)
        elif name in _APPENDED and isinstance(present, list) and isinstance(value, list):
            entries: list[Json] = [*present, *(entry for entry in value if entry not in present)]
            result[name] = entries
        elif present is None or present == value or _may_replace(at, params, warnings):
            result[name] = value
    return result


def _may_replace(path: tuple[str, ...], params: SendParams, warnings: Warnings) -> bool:
    """Return whether a raw field may replace the value at `path`; warn about a conflict."""
    option = ".".join(("providerOptions", *path))
    parameter = parameter_at(path, params)
    reason = next(
        (why for protected, why in _PROTECTED.items() if protected[: len(path)] == path), None
    )
    if reason is None and parameter == "tools":
        reason = "it is no list of tools"
    if reason is not None:
        warnings.dropped(option, f"{option} cannot be sent: {reason}")
        return False
    if parameter is not None:
        warnings.adjusted(parameter, f"{option} was sent instead of {parameter}")
    return True
