"""Providers get back what they require of their answers: reasoning, signatures, call ids.

For each provider with tools, in each of its dialects: a chat through the real daemon, where the
sandbox in the provider's place reasons, calls a tool, gets its result and answers. Then the request
that was accepted is sent again, spoiled once for each rule of the provider, and must be refused
with the provider's own error.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from byokd.catalog.loader import load
from byokd.catalog.quirks.openai_chat import OpenAIChatQuirks
from byokd.catalog.record import Provider
from byokd.catalog.surfaces import choose_surface, dialects
from byokd.core.http import Headers, HttpRequest
from byokd.dialects.registry import DIALECTS
from byokd.sandbox import Sandbox
from byokd.sandbox.provider import RequestRule, behaviour
from byokd.transport.http import HttpTransport
from daemon import Daemon, Json, RpcError, running
from sandbox_env import KEY, chat_params, unlocked
from tampering import SPOILERS

_PLAIN = {"region": "us-east-1", "accountId": "0" * 32}
_QUESTION = "What is the weather in Lisbon?"
_TOOL = {
    "name": "weather",
    "inputSchema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
_FAMILIES: dict[str, tuple[str, ...]] = {
    "anthropic_messages": ("claude-opus-4-7-", "claude-3-5-haiku-"),
    "gemini": ("gemini-2.5-flash-", "gemini-2.0-flash-"),
    "bedrock_converse": (
        "amazon.nova-2-lite-",
        "mistral.mistral-large-",
        "us.anthropic.claude-opus-4-7-",
    ),
}
"""More model families for which a dialect encodes differently."""
_THOUGHT, _PLAN = "The person wants an answer.", "Let me look that up."
_OLD_REASONER = "deepseek-reasoner-"
_LARGE = "mistral-large-latest-"
_LEARNT = "gpt-6-sol-"
"""Takes no tools on chat completions while it thinks. Where a client names that format, the first
refusal teaches byokd to switch the thinking off."""


@dataclass(frozen=True)
class Row:
    """One conversation: provider, dialect, model, kind of key, and whether it streams."""

    provider: str
    dialect: str
    model: str
    key: str = "plain"
    stream: bool = True

    def __str__(self) -> str:
        whole = "" if self.stream else "-whole"
        return f"{self.provider}-{self.dialect}-{self.model}-{self.key}{whole}"


@dataclass
class Outcome:
    """The result of a conversation, and the responses to its spoiled last request, by rule."""

    verdict: str = ""
    answers: list[Json] = field(default_factory=list)
    error: str = ""
    sent: list[Json] = field(default_factory=list)
    spoiled: dict[str, tuple[int, str]] = field(default_factory=dict)


def _rows() -> Iterator[Row]:
    for record in load().values():
        for dialect in dialects(record):
            if dialect not in DIALECTS:
                continue
            own = behaviour(record.id).prefix_of(dialect)
            on_surface = choose_surface(record, "", record.base_url or "", dialect)
            others = _FAMILIES.get(dialect, ())
            others += (_OLD_REASONER,) if "deepseek" in own and "/" not in own else ()
            others += (_LARGE,) if own.startswith("mistral") else ()
            others += behaviour(record.id).families if dialect == record.dialect else ()
            for prefix in (own, *others):
                model = f"{prefix}sandbox-agent"
                if on_surface.quirks_for(model).tools_supported:
                    yield Row(record.id, dialect, model)
                    yield Row(record.id, dialect, model, stream=False)
                    if record.one_of:
                        yield Row(record.id, dialect, model, key="signed")


_ROWS = tuple(_rows())


def _rules(row: Row) -> list[RequestRule]:
    own = behaviour(row.provider).echoes
    return [e for e in own if e.dialect in {"", row.dialect} and re.search(e.models, row.model)]


# --- the conversations ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[Row, Outcome]:
    return asyncio.run(_play(tmp_path_factory.mktemp("echo")))


async def _play(data_dir: Path) -> dict[Row, Outcome]:
    """Run all conversations with one daemon and one sandbox."""
    async with (
        Sandbox(keys=[KEY]) as sandbox,
        running(data_dir=data_dir) as daemon,
        aclosing(HttpTransport()) as transport,
    ):
        await unlocked(daemon)
        keys: dict[tuple[str, str], tuple[str, str]] = {}
        for kind in dict.fromkeys((row.provider, row.key) for row in _ROWS):
            keys[kind] = await _stored(daemon, sandbox, load()[kind[0]], kind[1])
        outcomes = {}
        for row in _ROWS:
            key_id, verdict = keys[row.provider, row.key]
            outcomes[row] = await _converse(daemon, sandbox, row, key_id)
            outcomes[row].verdict = verdict
            if row.key == "plain" and not outcomes[row].error:
                await _spoil(transport, sandbox, row, outcomes[row])
        assert await daemon.close() == 0
    return outcomes


async def _stored(daemon: Daemon, sandbox: Sandbox, record: Provider, kind: str) -> tuple[str, str]:
    """Store a key for the sandbox in this provider's place; return its id and verdict."""
    fields: Json = {f.name: _PLAIN[f.name] for f in record.fields if f.name in _PLAIN}
    secret = [f.name for f in record.fields if f.secret]
    if record.one_of:
        signed = {"accessKeyId", "secretAccessKey"}
        secret = [n for n in secret if (n in signed) is (kind == "signed") and "oken" not in n]
    base_url = sandbox.base_url_as(record.id, **fields)
    fields |= {name: {"plain": KEY} for name in secret}
    params = {"provider": record.id, "fields": fields, "baseUrl": base_url, "probe": "warn"}
    stored: Json = await daemon.request("key/store", params)
    return stored["key"]["keyId"], stored["probe"]["verdict"]


async def _converse(daemon: Daemon, sandbox: Sandbox, row: Row, key_id: str) -> Outcome:
    """Send the question, then the tool's result."""
    outcome = Outcome()
    first = len(sandbox.requests)
    messages: list[Json] = [{"role": "user", "content": _QUESTION}]
    for _ in range(2):
        params = chat_params(
            row.model,
            provider=row.provider,
            dialect=row.dialect,
            key_id=key_id,
            stream=row.stream,
            messages=messages,
            tools=[_TOOL],
            reasoning={"effort": "high"},
            maxOutputTokens=32000,
        )
        try:
            answer: Json = await daemon.request("chat/send", params)
        except RpcError as error:
            outcome.error = f"{error} {error.data}"
            break
        outcome.answers.append(answer)
        calls = [part for part in answer["message"]["content"] if part["type"] == "toolCall"]
        results = [
            {"type": "toolResult", "callId": call["callId"], "content": "18 degrees"}
            for call in calls
        ]
        messages += [answer["message"], {"role": "tool", "content": results}]
    outcome.sent = [
        {"path": seen.path, "body": json.loads(seen.body)} for seen in sandbox.requests[first:]
    ]
    return outcome


async def _spoil(transport: HttpTransport, sandbox: Sandbox, row: Row, outcome: Outcome) -> None:
    """Send the accepted request again, spoiled once for each rule."""
    auth = load()[row.provider].auth
    header = (auth.header, KEY) if auth.scheme == "header" else ("authorization", f"Bearer {KEY}")
    last = outcome.sent[-1]
    for echo in _rules(row):
        body = json.loads(json.dumps(last["body"]))
        try:
            SPOILERS[echo.rule](body, echo.options or {})
        except (AssertionError, LookupError, StopIteration) as error:
            outcome.spoiled[echo.rule] = (0, f"cannot be spoiled: {error!r} in {body}")
            continue
        request = HttpRequest(
            "POST", sandbox.origin + last["path"], Headers([header]), json.dumps(body).encode()
        )
        response = await transport.send(request)
        outcome.spoiled[echo.rule] = (response.status, response.body.decode(errors="replace"))


# --- checks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", _ROWS, ids=str)
def test_conversation_with_a_tool_is_accepted(outcomes: dict[Row, Outcome], row: Row) -> None:
    outcome = outcomes[row]
    assert not outcome.error
    first, last = outcome.answers
    assert first["finishReason"]["unified"] == "toolCalls"
    calls = [part for part in first["message"]["content"] if part["type"] == "toolCall"]
    assert [call["arguments"] for call in calls] == [{"city": "Lisbon"}]
    assert last["finishReason"]["unified"] == "stop"
    text = "".join(p["text"] for p in last["message"]["content"] if p["type"] == "text")
    assert text.endswith("The tool says: 18 degrees")
    learnt = row.model.startswith(_LEARNT) and row.dialect == "openai_chat" and row.stream
    assert len(outcome.sent) == 2 + learnt, "no request was sent twice"


def _helpful(row: Row) -> tuple[str, ...]:
    """Return texts that help a model when they are sent back, and that no provider requires."""
    if row.dialect == "cohere_chat":
        return _THOUGHT, _PLAN
    if row.dialect == "ollama_chat":
        return (_THOUGHT,)
    quirks = load()[row.provider].quirks_for(row.model)
    if row.dialect != "openai_chat" or not isinstance(quirks, OpenAIChatQuirks):
        return ()
    return (_THOUGHT,) if quirks.echoes_reasoning(row.model) else ()


@pytest.mark.parametrize("row", [row for row in _ROWS if _helpful(row)], ids=str)
def test_reasoning_that_helps_is_sent_back(outcomes: dict[Row, Outcome], row: Row) -> None:
    sent = json.dumps(outcomes[row].sent[-1]["body"])
    assert [text for text in _helpful(row) if text not in sent] == []


@pytest.mark.parametrize("row", [row for row in _ROWS if row.key == "plain"], ids=str)
def test_spoiled_request_is_refused(outcomes: dict[Row, Outcome], row: Row) -> None:
    rules = _rules(row)
    assert {echo.rule for echo in rules} == set(outcomes[row].spoiled)
    for echo in rules:
        status, body = outcomes[row].spoiled[echo.rule]
        assert status == echo.error["status"], (echo.rule, body)
        words = re.split(r"\{\w+\}", echo.error.get("message", ""))
        assert json.dumps(max(words, key=len))[1:-1] in body, echo.rule


def test_key_probe_is_valid_where_there_is_one(outcomes: dict[Row, Outcome]) -> None:
    verdicts: dict[str, set[str]] = {}
    for row, outcome in outcomes.items():
        verdicts.setdefault(outcome.verdict, set()).add(row.provider)
    # A probe on another host than the chat's is not sent with a key for a custom base URL.
    elsewhere = {p.id for p in load().values() if p.probe.path is None and p.models.path is None}
    assert verdicts.pop("unknown", set()) <= elsewhere
    assert set(verdicts) == {"valid"}


def test_every_rule_has_a_spoiler() -> None:
    assert {echo.rule for p in load() for echo in behaviour(p).echoes} == set(SPOILERS)


def test_every_provider_with_tools_has_a_conversation() -> None:
    with_tools: set[Any] = {p.id for p in load().values() if p.quirks_for("").tools_supported}
    assert {row.provider for row in _ROWS} == with_tools
