"""Asks a provider about a key with the cheapest authenticated request of its record.

A network failure is a verdict, not an error. Nothing is stored here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import anyio

from byokd.catalog.key_prefixes import likely_owner
from byokd.catalog.record import Probe, Provider
from byokd.catalog.shipped import shipped
from byokd.core.limits import PROBE_TIMEOUT_MS
from byokd.core.redaction.secrets import SecretRedactor
from byokd.core.secret import Secret
from byokd.protocol.chat import SendParams
from byokd.protocol.errors import ByokdError, Conflict
from byokd.protocol.key import ProbeResult
from byokd.provider_api.base_urls import other_base_urls
from byokd.provider_api.probe import ProbeReading, probe_request, read_probe
from byokd.services.chat.redaction import StreamRedactor
from byokd.services.health.policy import allow_for_clock_skew
from byokd.services.keys.address_advice import (
    connection_advice,
    is_tls_only,
    path_advice,
    tls_advice,
)
from byokd.services.keys.origin import is_loopback
from byokd.services.keys.sending import authorized
from byokd.services.runtime.clock import now_ms
from byokd.transport.interface import Transport

_WRONG_PATH: Final = frozenset({*range(200, 300), 404, 405, 410, 501})
"""How servers answer at a path that they do not have; some with a page, some with a text."""


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

    @property
    def is_own_address(self) -> bool:
        """Whether a person wrote the address, so that it may be misspelt."""
        return (
            not self.at_default_origin or self.record.kind == "custom" or is_loopback(self.base_url)
        )

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
        result = await self._probe_at(candidate, _probes(candidate), fresh=fresh)
        if _may_be_wrong_path(candidate, result):
            result = await self._search(candidate, result, fresh=fresh)
        return _detect_wrong_provider(candidate, candidate.redactor().value(result))

    async def _probe_at(
        self, candidate: Candidate, probes: Sequence[Probe], *, fresh: bool
    ) -> ProbeResult:
        """Send the probes until one has a verdict."""
        redactor = candidate.redactor()
        result = _unreachable("this provider has no request that could check a key")
        for probe in probes:
            try:
                result = await self._send(candidate, probe, fresh=fresh)
            except Conflict:  # nothing was sent, so this is no verdict
                raise
            except ByokdError as error:
                text = error.user_message
                if candidate.is_own_address:
                    text = connection_advice(candidate.base_url, error)
                status = error.data().http_status
                return _unreachable(redactor.text(text), kind=error.kind, http_status=status)
            if result.verdict != "unknown":
                break
        return result

    async def _search(
        self, candidate: Candidate, first: ProbeResult, *, fresh: bool
    ) -> ProbeResult:
        """Look once for the API under other paths of the same origin."""
        probe = _list_probe(candidate.record) or candidate.record.probe
        tried = 0
        for base_url in other_base_urls(candidate.record, candidate.base_url):
            other = replace(candidate, base_url=base_url, at_default_origin=False)
            result = await self._probe_at(other, (probe,), fresh=fresh)
            tried += 1
            if result.http_status is None:
                break
            if result.verdict not in {"unknown", "unreachable"}:
                text = f"{result.message}; the API is at {base_url}, not at {candidate.base_url}"
                details = dict(result.details) | {"baseUrl": base_url}
                return result.model_copy(update={"message": text, "details": details})
        if first.details.get("kind") == "providerRedirect":
            return first
        return first.model_copy(update={"message": path_advice(candidate.base_url, tried)})

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
        if candidate.is_own_address and is_tls_only(response.status, response.body):
            return _unreachable(tls_advice(candidate.base_url), kind="network")
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
    owner = likely_owner(candidate.record, shipped().values(), candidate.begins_with)
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


def _probes(candidate: Candidate) -> list[Probe]:
    """Return the record's probe and its fallbacks; at an own address also the model list.

    A gateway or a local server often has the list and not what the provider has beside it.
    """
    probes: list[Probe] = []
    probe: Probe | None = candidate.record.probe
    while probe is not None:
        probes.append(probe)
        probe = probe.fallback
    by_list = _list_probe(candidate.record)
    has_list = any(probe.models_pointer is not None for probe in probes)
    if by_list is not None and candidate.is_own_address and not has_list:
        probes.append(by_list)
    return probes


def _list_probe(record: Provider) -> Probe | None:
    path = record.models.path
    return None if path is None else Probe(path=path, models_pointer=record.models.items)


def _may_be_wrong_path(candidate: Candidate, result: ProbeResult) -> bool:
    """Tell whether a server answered, and not with what the API would say."""
    redirected = result.details.get("kind") == "providerRedirect"
    no_api = result.verdict in {"unknown", "unreachable"} and result.http_status in _WRONG_PATH
    return candidate.is_own_address and (no_api or redirected)


def _unreachable(
    message: str, kind: str | None = None, http_status: int | None = None
) -> ProbeResult:
    return ProbeResult(
        verdict="unreachable",
        http_status=http_status,
        message=message,
        models_seen=None,
        details={"kind": kind} if kind else {},
        checked_at=0,
        duration_ms=0,
    )
