"""What providers need to be sent differently: one type per dialect."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from byokd.catalog.quirks.shared import Quirks

_TYPES: Final[dict[str, str]] = {
    "openai_chat": "OpenAIChatQuirks",
    "openai_responses": "OpenAIResponsesQuirks",
    "anthropic_messages": "AnthropicMessagesQuirks",
    "gemini": "GeminiQuirks",
    "bedrock_converse": "BedrockConverseQuirks",
    "cohere_chat": "CohereChatQuirks",
    "ollama_chat": "OllamaChatQuirks",
}
"""Each is in the module of its dialect's name; none is imported before it is needed."""


DIALECTS: Final = tuple(_TYPES)


def quirks_type(dialect: str) -> type[Quirks] | None:
    """Import and return the type of a dialect's quirks; None for an unknown dialect."""
    name = _TYPES.get(dialect)
    if name is None:
        return None
    module = import_module(f"byokd.catalog.quirks.{dialect}")
    return cast("type[Quirks]", getattr(module, name))
