"""Finds a dialect by its name.

Knows which module speaks which wire format. Must not import one before it is needed: a client that
lists providers never pays for a decoder.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from byokd.protocol.errors import Unsupported

if TYPE_CHECKING:
    from byokd.dialects.base.call import Dialect

DIALECTS: Final[dict[str, str]] = {
    "openai_chat": "byokd.dialects.openai_chat",
    "openai_responses": "byokd.dialects.openai_responses",
    "anthropic_messages": "byokd.dialects.anthropic_messages",
    "gemini": "byokd.dialects.gemini",
    "bedrock_converse": "byokd.dialects.bedrock_converse",
    "cohere_chat": "byokd.dialects.cohere_chat",
    "ollama_chat": "byokd.dialects.ollama_chat",
}
"""Name, as records say it, to module."""


def find(name: str) -> Dialect:
    """Import and return a dialect.

    Raises:
        Unsupported: no such dialect in this version.
    """
    module = DIALECTS.get(name)
    if module is None:
        raise Unsupported(f"chats in the {name} format are not available in this version yet")
    return cast("Dialect", import_module(module))
