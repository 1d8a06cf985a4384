"""Finds a dialect by its name. Each is imported when it is first used."""

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
"""The name in records to the module."""


def find_dialect(name: str) -> Dialect:
    """Import and return a dialect.

    Raises:
        Unsupported: this version has no such dialect.
    """
    module = DIALECTS.get(name)
    if module is None:
        raise Unsupported(f"chats in the {name} format are not available in this version yet")
    return cast("Dialect", import_module(module))
