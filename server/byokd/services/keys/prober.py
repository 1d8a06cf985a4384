"""Asks a provider about a key: the cheapest authenticated question, and what its answer means.

Knows how long to wait and that every failure of the network is a verdict, not an error. Must not
know a provider's endpoint or words (its record and the dialects do), nor store anything.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
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
from byokd.services.health.policy import weighed
from byokd.services.keys.sending import authorized
from byokd.services.runtime.clock import now_ms
from byokd.transport.interface import Transport


@dataclass(frozen=True, slots=True)
class Candidate:
    """A key to ask about, stored or not.

    Attributes:
        record: whose key it is said to be.
        base_url: canonical, templates filled.
        at_default_origin: whether that is where the record itself points; only then may the
            question go to a companion origin.
        fields: all fields of the key.
        sealed_origin: what a stored key was sealed for; None where it is not stored.
        key_id: of a stored key.
    """

    record: Provider
    base_url: str
    at_default_origin: bool
    fields: Mapping[str, Secret | str]
    sealed_origin: str | None = None
    key_id: str | None = None

    def masking(self, params: SendParams | None = None) -> StreamRedactor:
        """Return what hides the key in everything that comes back; `params` are a chat's."""
        secrets = (value for value in self.fields.values() if isinstance(value, Secret))
        return StreamRedactor(SecretRedactor(secrets), params)

    def begins_with(self, prefix: str) -> bool:
        """Tell whether one of its secrets begins so."""
        begin = re.compile(re.escape(prefix) + ".*", re.DOTALL)
        secrets = (value for value in self.fields.values() if isinstance(value, Secret))
        return any(secret.matches(begin) for secret in secrets)


class Prober:
    """Asks, within a time limit, and never raises for what a provider or a network does."""

    def __init__(self, transport: Transport, *, timeout_ms: int = PROBE_TIMEOUT_MS) -> None:
        self._transport = transport
        self._timeout_s = timeout_ms / 1000

    async def ask(self, candidate: Candidate, *, fresh: bool = False) -> ProbeResult:
        """Return what the provider says about a key; `fresh` asks on a new connection.

        Raises:
            Conflict: the provider's record leads to an origin that the key was not stored for.
        """
        began = time.monotonic()
        result = _unreachable(
            "the provider did not answer in time; check the network and try again"
        )
        with anyio.move_on_after(self._timeout_s):
            result = await self._ask(candidate, fresh=fresh)
        duration_ms = round((time.monotonic() - began) * 1000)
        return result.model_copy(update={"duration_ms": duration_ms, "checked_at": now_ms()})

    async def _ask(self, candidate: Candidate, *, fresh: bool) -> ProbeResult:
        probe: Probe | None = candidate.record.probe
        masking = candidate.masking()
        result = _unreachable("this provider has no question that could be asked about a key")
        while probe is not None:
            try:
                result = await self._ask_one(candidate, probe, fresh=fresh)
            except Conflict:  # nothing was sent: this says nothing of the key or the network
                raise
            except ByokdError as error:
                return _unreachable(masking.text(error.user_message), kind=error.kind)
            probe = probe.fallback if result.verdict == "unknown" else None
        return _told_apart(candidate, masking.value(result))

    async def _ask_one(self, candidate: Candidate, probe: Probe, *, fresh: bool) -> ProbeResult:
        record, fields = candidate.record, candidate.fields
        request = probe_request(
            record,
            candidate.base_url,
            plain(fields),
            at_default_origin=candidate.at_default_origin,
            probe=probe,
        )
        request = authorized(candidate, request, now_ms(), companions=True)
        response = await self._transport.send(request, fresh=fresh)
        reading = _by_the_clock(read_probe(record, response.head, response.body, probe=probe))
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


def _by_the_clock(reading: ProbeReading) -> ProbeReading:
    """Say `unknown` of a refused key where it may be this machine's clock that is wrong."""
    fault = reading.fault and weighed(reading.fault, now_ms())
    if fault is None or fault is reading.fault:
        return reading
    return replace(reading, verdict="unknown", message=fault.message, fault=fault)


def _told_apart(candidate: Candidate, result: ProbeResult) -> ProbeResult:
    """Say `wrongProvider` of a refused key that begins as only another provider's keys do.

    The provider has refused it by then; at a base URL of the person's own, a gateway may take
    anybody's keys.
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


def plain(fields: Mapping[str, Secret | str]) -> dict[str, str]:
    """Return the fields that are not secret."""
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
