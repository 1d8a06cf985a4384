"""`error.data` of an error response. It is not in `errors`: the daemon's start needs no types."""

from __future__ import annotations

from byokd.protocol.actions import Action
from byokd.protocol.base import Json, Value
from byokd.protocol.kinds import Kind
from byokd.protocol.parts import Answer
from byokd.protocol.usage import Cost, FailedAttempt, Usage


class PartialAnswer(Value):
    """What had arrived of an answer before it failed, and what it used."""

    message: Answer
    usage: Usage | None
    cost: Cost
    failed_attempts: tuple[FailedAttempt, ...]


class ErrorData(Value):
    """`error.data` of every error response. Clients branch on `kind`."""

    kind: Kind
    error_id: str
    retryable: bool
    retry_after_ms: int | None = None
    provider: str | None = None
    model: str | None = None
    key_id: str | None = None
    http_status: int | None = None
    provider_code: str | None = None
    provider_message: str | None = None
    provider_request_id: str | None = None
    user_message: str
    action: Action | None = None
    partial: PartialAnswer | None = None
    details: Json = None
