"""Models of today accept what byokd makes of requests that they would refuse.

For each family that the sandbox lists, through the real daemon: conversations and parameters that
break a rule of some model. The sandbox refuses as the provider does, so an answer shows that the
request was changed, and a warning must name what the client would not expect.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from byokd.catalog.loader import load
from byokd.core.limits import FALLBACKS_PER_CHAT_MAX
from byokd.sandbox import Sandbox
from byokd.sandbox.provider import behaviour
from daemon import Daemon, Json, RpcError, running
from sandbox_env import KEY, chat_params, unlocked

_PLAIN = {"region": "us-east-1", "accountId": "0" * 32}
_LOCAL: Final = ("qwen3-template-", "kimi-k2.6-")
"""Names of models behind a server of a person's own, for rules that only a refusal can teach."""

_USER = {"role": "user", "content": "What is the weather in Lisbon?"}
_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
_CALL = {"type": "toolCall", "callId": "c1", "name": "look.up/now", "arguments": {"city": "Lisbon"}}
_RESULT = {"type": "toolResult", "callId": "c1", "content": "18 degrees"}


def _tool(name: str, schema: Json) -> Json:
    return {"name": name, "description": "Looks up the weather", "inputSchema": schema}


_ANY = [{"required": ["city"]}, {"required": ["place"]}]
_REFERENCE = {"$ref": "#/definitions/City"}

_EFFORTS: Final[dict[str, Json]] = {
    f"effort {effort}": {"messages": [_USER], "reasoning": {"effort": effort}}
    for effort in ("none", "minimal", "low", "medium", "high", "xhigh", "max")
}
_REQUESTS: Final[dict[str, Json]] = {
    "ends with the assistant": {
        "messages": [_USER, {"role": "assistant", "content": "It is "}],
    },
    "system messages": {
        "messages": [
            {"role": "system", "content": "Answer briefly."},
            {"role": "system", "content": "Answer in English."},
            _USER,
            {"role": "assistant", "content": "Sunny."},
            {"role": "system", "content": "The person moved to Oslo."},
            {"role": "user", "content": "And now?"},
        ],
    },
    "blank texts": {
        "messages": [
            _USER,
            {"role": "assistant", "content": [{"type": "text", "text": " \n"}, _CALL]},
            {"role": "tool", "content": [_RESULT]},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": "And tomorrow?"},
        ],
        "tools": [_tool("look.up/now", _SCHEMA)],
    },
    "text beside a result": {
        "messages": [
            _USER,
            {"role": "assistant", "content": [_CALL]},
            {"role": "tool", "content": [_RESULT]},
            {"role": "user", "content": "And tomorrow?"},
        ],
        "tools": [_tool("look.up/now", _SCHEMA)],
    },
    "a forced tool": {
        "messages": [_USER],
        "tools": [_tool("weather", _SCHEMA)],
        "toolChoice": "required",
    },
    "a forced tool by name, thinking": {
        "messages": [_USER],
        "tools": [_tool("weather", _SCHEMA)],
        "toolChoice": {"name": "weather"},
        "reasoning": {"effort": "high"},
    },
    "schemas": {
        "messages": [_USER],
        "tools": [
            _tool("union", _SCHEMA | {"anyOf": _ANY}),
            _tool("empty", {}),
            _tool("bare", {"type": "object"}),
            _tool(
                "references",
                {
                    "type": "object",
                    "properties": {"city": _REFERENCE, "other": {"$ref": "#/properties/city"}},
                    "definitions": {"City": {"type": "string"}},
                },
            ),
        ],
    },
    "sampling": {"messages": [_USER], "temperature": 0.3, "topP": 0.9},
    **_EFFORTS,
}


_LEARNT: Final = {
    # Whether a tool can be forced beside adaptive thinking: two reports disagree (2026-08).
    ("anthropic-claude-haiku-5-5-sandbox-echo", "a forced tool by name, thinking"),
    # The template of the open weights; whether the vendor's own service has it is not known.
    ("qwen-qwen3.8-max-sandbox-echo", "system messages"),
    # It thinks unless it is switched off, which nobody asked for here.
    ("qwen-qwen3.8-max-sandbox-echo", "a forced tool"),
}
"""Requests that are sent a second time, after the refusal that teaches byokd."""


@dataclass(frozen=True)
class Row:
    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}-{self.model}"


@dataclass
class Outcome:
    """The result of one request, or its error, and how many requests the sandbox received."""

    answer: Json = field(default_factory=dict)
    error: str = ""
    sent: int = 0


_ROWS: Final = tuple(
    Row(provider, f"{family}sandbox-echo")
    for provider in load()
    for family in (
        *behaviour(provider).families,
        *(_LOCAL if provider == "openai-compatible" else ()),
    )
)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[Row, str], Outcome]:
    return asyncio.run(_play(tmp_path_factory.mktemp("requirements")))


async def _play(data_dir: Path) -> dict[tuple[Row, str], Outcome]:
    outcomes = {}
    async with Sandbox(keys=[KEY]) as sandbox, running(data_dir=data_dir) as daemon:
        await unlocked(daemon)
        keys = {
            provider: await _stored(daemon, sandbox, provider)
            for provider in dict.fromkeys(row.provider for row in _ROWS)
        }
        for row in _ROWS:
            for name, request in _REQUESTS.items():
                outcomes[row, name] = await _ask(
                    daemon,
                    sandbox,
                    chat_params(
                        row.model, key_id=keys[row.provider], provider=row.provider, **request
                    ),
                )
        assert await daemon.close() == 0
    return outcomes


async def _stored(daemon: Daemon, sandbox: Sandbox, provider: str) -> str:
    record = load()[provider]
    fields: Json = {f.name: _PLAIN[f.name] for f in record.fields if f.name in _PLAIN}
    secret = "apiKey" if record.field("apiKey") else record.auth.field
    base_url = sandbox.base_url_as(provider, **fields)
    if record.dialect == "openai_responses":  # at another host than its own it is a choice
        base_url += record.chat_path
    params = {
        "provider": provider,
        "fields": fields | {secret: {"plain": KEY}},
        "baseUrl": base_url,
        "probe": "skip",
    }
    stored: Json = await daemon.request("key/store", params)
    return str(stored["key"]["keyId"])


async def _ask(daemon: Daemon, sandbox: Sandbox, params: Json) -> Outcome:
    outcome, first = Outcome(), len(sandbox.requests)
    try:
        outcome.answer = await daemon.request("chat/send", params)
    except RpcError as error:
        outcome.error = f"{error} {error.data}"
    outcome.sent = len(sandbox.requests) - first
    return outcome


@pytest.mark.parametrize("name", _REQUESTS)
@pytest.mark.parametrize("row", _ROWS, ids=str)
def test_request_is_answered(outcomes: dict[tuple[Row, str], Outcome], row: Row, name: str) -> None:
    outcome = outcomes[row, name]
    assert not outcome.error
    assert outcome.answer["message"]["content"]
    assert outcome.sent <= 1 + FALLBACKS_PER_CHAT_MAX


def test_known_families_are_sent_right_the_first_time(
    outcomes: dict[tuple[Row, str], Outcome],
) -> None:
    """Only what `_LEARNT` names, and servers of a person's own, teach by refusals."""
    twice = {
        (str(row), name)
        for (row, name), outcome in outcomes.items()
        if outcome.sent != 1 and row.provider != "openai-compatible"
    }
    assert twice == _LEARNT


@pytest.mark.parametrize("row", _ROWS, ids=str)
def test_changed_effort_has_a_warning(outcomes: dict[tuple[Row, str], Outcome], row: Row) -> None:
    """Of seven efforts no model takes all, so some must be named as changed."""
    changed = [
        name
        for name in _EFFORTS
        for warning in outcomes[row, name].answer["warnings"]
        if warning["parameter"] == "reasoning" and warning["type"] in {"adjusted", "dropped"}
    ]
    assert changed
