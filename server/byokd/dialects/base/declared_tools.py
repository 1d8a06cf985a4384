"""Which tools a request declares: those of the client, and whether the provider runs some itself.

Providers that run tools may tell their calls as if the client had to run them (xAI's
`x_keyword_search` for a request with `x_search`, recorded 2026).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from byokd.dialects.base.json import as_objects, as_text
from byokd.dialects.base.tool_names import ToolNames, names_of_request
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import SendParams

_FUNCTION_LISTS: Final = ("functionDeclarations", "function_declarations")
_NESTED: Final = ("function", "custom", "toolSpec")
_CLIENT_TYPES: Final = frozenset({"function", "custom", "client"})
_CLIENT_PREFIXES: Final = ("bash_", "text_editor_", "computer", "memory_", "shell", "apply_patch")
"""Types of tools that Anthropic and OpenAI describe, and that the client runs (2026-11)."""

_SEARCHES: Final = ("Search", "_search", "Retrieval", "Execution", "_execution", "Context")
"""Endings of Gemini's tools, which may stand beside the functions in one entry."""

_PROVIDER_FIELDS: Final = frozenset(
    {
        "search_parameters", "web_search_options", "web_search", "enable_search", "plugins",
        "mcp_servers", "connectors", "builtin_tools", "server_tools",
    }
)  # fmt: skip
"""Fields beside `tools` that let the provider run tools: xAI, OpenAI, Perplexity, DashScope,
OpenRouter, Anthropic, Mistral (2026-11). An empty object is enough (`web_search_options`)."""

_OFF: Final[tuple[Json, ...]] = (None, False, 0, "", [])


@dataclass(frozen=True, slots=True)
class DeclaredTools:
    """The tools of one request.

    Attributes:
        names: the names of the client's tools, also as sent.
        sent: the client's names and those that the rule `tool_names` sends.
        by_client: whether it declares tools that the client runs.
        by_provider: whether it declares tools that the provider runs.
    """

    names: frozenset[str] = frozenset()
    sent: ToolNames | None = None
    by_client: bool = False
    by_provider: bool = False

    @classmethod
    def of(cls, params: SendParams, name_pattern: str, *, provider_runs: bool = False) -> Self:
        """Read the tools of a request.

        `name_pattern` is the quirk for their names; `provider_runs` tells whether the record adds a
        tool that the provider runs.
        """
        options = params.provider_options or {}
        config = options.get("toolConfig")
        entries = [
            *as_objects(options.get("tools")),
            *as_objects(config.get("tools") if isinstance(config, dict) else None),
        ]
        raw = [name for entry in entries for name in _client_names(entry)]
        raw += (name for entry in as_objects(options.get("functions")) for name in _named(entry))
        declared = [tool.name for tool in params.tools]
        sent = names_of_request(params.tools, params.messages, name_pattern)
        return cls(
            frozenset((*raw, *sent.known)),
            sent,
            by_client=bool(declared or raw),
            by_provider=provider_runs
            or any(map(_has_provider_tool, entries))
            or any(options.get(name) not in _OFF for name in _PROVIDER_FIELDS),
        )

    def client_name(self, name: str) -> str:
        """Return the client's name of a tool for the name in an answer."""
        return name if self.sent is None else self.sent.of_client(name)

    def may_be_run_by_provider(self, name: str) -> bool:
        """Tell whether the provider may have run a call with this name."""
        return self.by_provider and bool(name) and name not in self.names


def _client_names(entry: JsonObject) -> Iterator[str]:
    """Yield the names of the functions that an entry of a list of tools declares."""
    for name in _FUNCTION_LISTS:
        for function in as_objects(entry.get(name)):
            yield from _named(function)
    for name in _NESTED:
        yield from _named(entry.get(name))
    for function in as_objects(entry.get("tools")):  # of a namespace (OpenAI, recorded 2026-03)
        if function.get("type") in _CLIENT_TYPES:
            yield from _client_names(function)
    if _is_of_client(entry):
        yield from _named(entry)


def _has_provider_tool(entry: JsonObject) -> bool:
    return not any(_client_names(entry)) or any(
        isinstance(value, dict) for name, value in entry.items() if name.endswith(_SEARCHES)
    )


def _is_of_client(entry: JsonObject) -> bool:
    kind = as_text(entry.get("type"))
    return kind is None or kind in _CLIENT_TYPES or kind.startswith(_CLIENT_PREFIXES)


def _named(function: Json) -> Iterator[str]:
    name = as_text(function.get("name")) if isinstance(function, dict) else None
    if name is not None:
        yield name
