"""Collects the steps of one `provider/test`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final, cast, get_args

from byokd.catalog.record import Provider
from byokd.protocol.actions import Action, EditSettingsAction
from byokd.protocol.base import JsonObject
from byokd.protocol.diagnosis import ProviderTestStep, StepName, StepStatus
from byokd.protocol.errors import ByokdError, Kind, TimedOut
from byokd.protocol.key import ProbeResult, Verdict
from byokd.services.error_actions import action_for
from byokd.transport.interface import Step

STEPS: Final[tuple[StepName, ...]] = get_args(StepName)
"""All steps, in order; a report has each of them."""

NOT_REQUESTED: Final = "not requested"

_KINDS: Final = frozenset(get_args(Kind))

_KIND_OF_VERDICT: Final[dict[Verdict, Kind]] = {
    "invalid": "keyInvalid",
    "wrongProvider": "keyInvalid",
    "wrongRegion": "keyForbidden",
    "noFunds": "insufficientFunds",
    "unreachable": "network",
    "unknown": "providerError",
}
"""The error kind of each verdict that is a failure."""

_SETTINGS_REASONS: Final = frozenset({"proxy", "untrusted"})
"""Reasons of connection failures that only the configuration can fix."""


class DiagnosticReport:
    """The steps so far, each added once in the order of `STEPS`."""

    def __init__(self, record: Provider) -> None:
        self._record = record
        self._steps: list[ProviderTestStep] = []
        self._step_began = time.monotonic()

    @property
    def steps(self) -> tuple[ProviderTestStep, ...]:
        return tuple(self._steps)

    @property
    def failed(self) -> ProviderTestStep | None:
        return next((step for step in self._steps if step.status == "failed"), None)

    def begin_step(self) -> None:
        self._step_began = time.monotonic()

    def ok(self, name: StepName, message: str, details: JsonObject) -> None:
        self._add(name, "ok", self._elapsed_ms(), message, details)

    def skip(self, name: StepName, message: str, action: Action | None = None) -> None:
        self._add(name, "skipped", None, message, {}, action=action)

    def fail(self, name: StepName, error: ByokdError, duration_ms: int | None = None) -> None:
        """Without `duration_ms`, the time since `begin_step` counts."""
        data = error.data()
        details = data.details if isinstance(data.details, dict) else {}
        if data.http_status is not None:
            details = details | {"httpStatus": data.http_status}
        if data.provider_message:
            details = details | {"providerMessage": data.provider_message}
        action = data.action or self._action(data.kind, details)
        elapsed_ms = self._elapsed_ms() if duration_ms is None else duration_ms
        self._add(name, "failed", elapsed_ms, data.user_message, details, data.kind, action)

    def add_connection(self, step: Step) -> None:
        if step.error is not None:
            self.fail(step.name, step.error, step.duration_ms)
        else:
            self._add(step.name, "ok", step.duration_ms, _connection_message(step), step.details)

    def add_probe(self, probe: ProbeResult) -> None:
        details = probe.details | {"verdict": probe.verdict}
        if probe.http_status is not None:
            details |= {"httpStatus": probe.http_status}
        kind = _KIND_OF_VERDICT.get(probe.verdict)
        if kind is None:
            self._add("auth", "ok", probe.duration_ms, probe.message, details)
            return
        exact = probe.details.get("kind")
        if exact in _KINDS:
            kind = cast("Kind", exact)
        action = self._action(kind, details)
        self._add("auth", "failed", probe.duration_ms, probe.message, details, kind, action)

    def fail_timeout(self) -> None:
        """Add the running step when the time of the whole test is over."""
        error = TimedOut("the whole test took too long; try again", details={"phase": "total"})
        self.fail(STEPS[len(self._steps)], error)

    def skip_rest(self, *, chat: bool) -> None:
        failed = self.failed
        first = failed.name if failed else "auth"
        for name in STEPS[len(self._steps) :]:
            if name == "chat" and not chat:
                self.skip(name, NOT_REQUESTED)
            else:
                self.skip(name, f"not tried: {first} comes first")

    def _add(
        self,
        name: StepName,
        status: StepStatus,
        duration_ms: int | None,
        message: str,
        details: JsonObject,
        kind: Kind | None = None,
        action: Action | None = None,
    ) -> None:
        self._steps.append(
            ProviderTestStep(
                name=name,
                status=status,
                duration_ms=duration_ms,
                message=message,
                kind=kind,
                action=action,
                details=details,
            )
        )

    def _action(self, kind: Kind, details: JsonObject) -> Action | None:
        reasons = {str(details.get("reason")), str(details.get("certificate"))}
        if reasons & _SETTINGS_REASONS:
            return EditSettingsAction()
        return action_for(kind, self._record)

    def _elapsed_ms(self) -> int:
        return round((time.monotonic() - self._step_began) * 1000)


def _connection_message(step: Step) -> str:
    if step.name == "tls":
        return _tls_message(step.details)
    target = f"the proxy {step.target}" if step.proxied else step.target
    if step.name == "tcp":
        via = "the proxy " if step.proxied else ""
        return f"connected to {via}{step.details.get('address')}"
    addresses = step.details.get("addresses")
    names = [str(address) for address in addresses] if isinstance(addresses, list) else []
    if not names:
        return f"{target} has no address"
    if step.target.startswith((names[0], f"[{names[0]}")):
        return f"{target} is an address already"
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{target} is {names[0]}{more}"


def _tls_message(details: JsonObject) -> str:
    parts = [str(details.get("protocol") or "encrypted")]
    if issuer := details.get("issuer"):
        parts.append(f"certificate issued by {issuer}")
    expires_at = details.get("expiresAt")
    if isinstance(expires_at, int):
        parts.append(f"until {datetime.fromtimestamp(expires_at / 1000, UTC).date()}")
    return ", ".join(parts)
