"""The examples of protocol.md: JSON blocks, each under a comment with the name of its type."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from source_tree import ROOT

TEXT: Final = (ROOT / "protocol.md").read_text(encoding="utf-8")
EXAMPLES: Final[list[tuple[str, str]]] = re.findall(
    r"^<!-- (\w+) -->\n```json\n(.*?)\n```$", TEXT, re.MULTILINE | re.DOTALL
)
"""The type and the JSON text of each example, in the order of the page."""


def request_example(method: str, key_id: str) -> dict[str, Any]:
    """Return the params of the method's first example; the key that they name is `key_id`."""
    messages = (json.loads(text) for _, text in EXAMPLES)
    params: dict[str, Any] = next(
        message["params"] for message in messages if message.get("method") == method
    )
    return params | {"keyId": key_id} if "keyId" in params else params
