"""The chat engine over a scripted transport: one key, canned responses, small chats."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from byokd.catalog.loader import load
from byokd.catalog.record import HealthClass, Provider
from byokd.core.http import HttpRequest
from byokd.core.secret import Secret
from byokd.core.settings import TimeoutSettings
from byokd.protocol.chat import SendParams
from byokd.protocol.events import Event
from byokd.protocol.lifecycle import Features
from byokd.services.chat.engine import ChatEngine
from byokd.services.health.policy import Observation
from byokd.services.keys.credentials import Credential
from byokd.services.keys.resolver import CredentialResolver
from byokd.services.models.lists import ModelLists
from byokd.services.runtime.session import Session
from scripted_transport import CannedResponse, ScriptedResult, ScriptedTransport

SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}
RECORD = load()["openai-compatible"]
SESSION = Session(
    account="default",
    client=cast("Any", None),
    client_info=None,
    features=Features(),
)


class OneKey:
    """Stands in for `CredentialResolver`: one key for every call; records what is reported."""

    def __init__(self, record: Provider = RECORD) -> None:
        self.observed: list[HealthClass] = []
        self.started: list[int] = []
        self.repeat_after_ms: int | None = None
        self.outcomes: list[str] = []
        self._record = record
        self.cache_secret: bytes | None = None

    async def resolve(self, _session: Session, _params: SendParams) -> Credential:
        fields = {"apiKey": Secret("scripted-key-0123456789")}
        return Credential(
            self._record,
            "http://127.0.0.1:9/v1",
            at_default_origin=False,
            fields=fields,
            cache_secret=self.cache_secret,
        )

    def count_use(self, _credential: Credential, outcome: str, _requester: str | None) -> None:
        self.outcomes.append(outcome)

    async def observe(
        self,
        _session: Session,
        _credential: Credential,
        observation: Observation,
        *,
        started_at: int,
    ) -> None:
        assert started_at > 0
        self.observed.append(observation.health)
        self.started.append(started_at)

    def repeat_ms(self, _credential: Credential, health: HealthClass) -> int | None:
        """Return `repeat_after_ms`, which a test may set, for a rejection."""
        return self.repeat_after_ms if health == "authInvalid" else None


def chunk(text: str | None = None, finish: str | None = None, **delta: Any) -> bytes:
    """Return one chunk of a stream."""
    delta = delta if text is None else delta | {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


WHOLE = CannedResponse(200, SSE, (chunk("Hi"), chunk(finish="stop"), b"data: [DONE]\n\n"))


def engine(
    script: Iterable[ScriptedResult] | Callable[[HttpRequest], ScriptedResult],
    timeouts: TimeoutSettings | None = None,
    record: Provider = RECORD,
    lists: ModelLists | None = None,
) -> tuple[ChatEngine, ScriptedTransport, OneKey]:
    """Return the engine, its transport and its key."""
    key, transport = OneKey(record), ScriptedTransport(script)
    resolver = cast("CredentialResolver", key)
    chat = ChatEngine(resolver, transport, timeouts or TimeoutSettings(), lists)
    return chat, transport, key


def params(**more: Any) -> SendParams:
    """Return the params of a small chat; `more` is in wire form."""
    message = {"role": "user", "content": "hello"}
    small = {"streamId": "s", "provider": RECORD.id, "model": "m", "messages": [message]}
    return SendParams.model_validate(small | more)


async def ask(chat: ChatEngine, **more: Any) -> tuple[list[Event], Any]:
    """Return all events of a chat, and its result."""
    answer = chat.answer(SESSION, params(**more))
    events = [event async for batch in answer for event in batch]
    return events, answer.result


def types(events: Sequence[Event]) -> list[str]:
    return [event.type for event in events]
