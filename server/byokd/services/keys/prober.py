"""Asks a provider about a key with the cheapest authenticated request of its record.

A network failure is a verdict, not an error. Nothing is stored here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import anyio

from byokd.catalog.key_prefixes import likely_owner
from byokd.catalog.loader import load
from byokd.catalog.record import Probe, Provider
from byokd.core.limits import PROBE_TIMEOUT_MS
from byokd.core.redaction.secrets import SecretRedactor
from byokd.core.secret import Secret
from byokd.protocol.chat import SendParams
from byokd.protocol.errors import ByokdError, Conflict
from byokd.protocol.key import ProbeResult
from byokd.provider_api.probe import ProbeReading, probe_request, read_probe
from byokd.services.chat.redaction import StreamRedactor
from byokd.services.health.policy import allow_for_clock_skew
from byokd.services.keys.sending import authorized
from byokd.services.runtime.clock import now_ms
from byokd.transport.interface import Transport


@dataclass(frozen=True, slots=True)
class Candidate:
    """A key to probe; only a stored one has `sealed_origin` and `key_id`.

    `base_url` is canonical. Only a key at the default origin may go to a companion origin.
    """

    record: Provider
    base_url: str
    at_default_origin: bool
    fields: Mapping[str, Secret | str]
    sealed_origin: str | None = None
    key_id: str | None = None

    def redactor(self, params: SendParams | None = None) -> StreamRedactor:
        return StreamRedactor(SecretRedactor(self._secrets()), params)

    def begins_with(self, prefix: str) -> bool:
        pattern = re.compile(re.escape(prefix) + ".*", re.DOTALL)
        return any(secret.matches(pattern) for secret in self._secrets())

    def _secrets(self) -> Iterator[Secret]:
        return (value for value in self.fields.values() if isinstance(value, Secret))


class Prober:
    def __init__(self, transport: Transport, *, timeout_ms: int = PROBE_TIMEOUT_MS) -> None:
        self._transport = transport
        self._timeout_s = timeout_ms / 1000

    async def probe(self, candidate: Candidate, *, fresh: bool = False) -> ProbeResult:
        """Return the provider's verdict; `fresh` uses a new connection.

        Raises:
            Conflict: the key was stored for another origin.
        """
        began = time.monotonic()
        result = _unreachable(
            "the provider did not answer in time; check the network and try again"
        )
        with anyio.move_on_after(self._timeout_s):
            result = await self._probe(candidate, fresh=fresh)
        duration_ms = round((time.monotonic() - began) * 1000)
        return result.model_copy(update={"duration_ms": duration_ms, "checked_at": now_ms()})

    async def _probe(self, candidate: Candidate, *, fresh: bool) -> ProbeResult:
        probe: Probe | None = candidate.record.probe
        redactor = candidate.redactor()
        result = _unreachable("this provider has no request that could check a key")
        while probe is not None:
            try:
                result = await self._send(candidate, probe, fresh=fresh)
            except Conflict:  # nothing was sent, so this is no verdict
                raise
            except ByokdError as error:
                return _unreachable(redactor.text(error.user_message), kind=error.kind)
            probe = probe.fallback if result.verdict == "unknown" else None
        return _detect_wrong_provider(candidate, redactor.value(result))

    async def _send(self, candidate: Candidate, probe: Probe, *, fresh: bool) -> ProbeResult:
        record = candidate.record
        request = probe_request(
            record,
            candidate.base_url,
            plain_fields_of(candidate.fields),
            at_default_origin=candidate.at_default_origin,
            probe=probe,
        )
        request = authorized(candidate, request, now_ms(), companions=True)
        response = await self._transport.send(request, fresh=fresh)
        reading = _allow_for_clock_skew(
            read_probe(record, response.head, response.body, probe=probe)
        )
        details = reading.details
        if reading.fault is not None and reading.verdict in {"unreachable", "unknown"}:
            details = {"kind": reading.fault.kind} | details
        return ProbeResult(
            verdict=reading.verdict,
            http_status=response.status,
            message=reading.message,
            models_seen=reading.models_seen,
            details=details,
            checked_at=0,
            duration_ms=0,
        )


def _allow_for_clock_skew(reading: ProbeReading) -> ProbeReading:
    fault = reading.fault and allow_for_clock_skew(reading.fault, now_ms())
    if fault is None or fault is reading.fault:
        return reading
    return replace(reading, verdict="unknown", message=fault.message, fault=fault)


def _detect_wrong_provider(candidate: Candidate, result: ProbeResult) -> ProbeResult:
    """Return `wrongProvider` for a refused key that begins like another provider's.

    Only at the record's own address: a gateway at a custom base URL may take any keys.
    """
    if result.verdict != "invalid" or not candidate.at_default_origin:
        return result
    owner = likely_owner(candidate.record, load().values(), candidate.begins_with)
    if owner is None:
        return result
    text = (
        f"{candidate.record.name} does not accept this key, which begins like one of {owner.name}"
    )
    return result.model_copy(
        update={
            "verdict": "wrongProvider",
            "message": f"{text}: store it there",
            "details": dict(result.details) | {"looksLike": owner.id},
        }
    )


def plain_fields_of(fields: Mapping[str, Secret | str]) -> dict[str, str]:
    return {name: text for name, text in fields.items() if isinstance(text, str)}


def _unreachable(message: str, kind: str | None = None) -> ProbeResult:
    return ProbeResult(
        verdict="unreachable",
        http_status=None,
        message=message,
        models_seen=None,
        details={"kind": kind} if kind else {},
        checked_at=0,
        duration_ms=0,
    )
