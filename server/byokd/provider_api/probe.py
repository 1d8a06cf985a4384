"""The cheapest request that shows whether a key works, and the verdict of its answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic_core import from_json

from byokd.catalog.record import Probe, Provider, Verdict
from byokd.core.http import Headers, HttpHead, HttpRequest
from byokd.core.redaction.text import clean_text
from byokd.dialects.base.call import Fault
from byokd.dialects.base.headers import record_headers
from byokd.dialects.base.json_pointer import at_pointer
from byokd.dialects.base.urls import fill, join_url
from byokd.dialects.errors.body import ErrorBody, read_error_body
from byokd.dialects.errors.classify import applies, classify
from byokd.protocol.base import Json, JsonObject
from byokd.provider_api.model_lists import count_models

_OK: Final = range(200, 300)
_DETAIL_MAX_BYTES: Final = 256
_DETAIL_MAX_ITEMS: Final = 32
_REGION_WORDS: Final = re.compile(r"countr(?:y|ies)|region|territor|location", re.IGNORECASE)

_SENTENCES: Final[dict[Verdict, str]] = {
    "valid": "{name} accepts this key",
    "validRestricted": "{name} knows this key but does not allow everything with it",
    "noFunds": "{name} accepts this key, and the account has no money or allowance left",
    "rateLimited": "{name} asks to slow down, so the key could not be checked fully",
    "invalid": "{name} does not accept this key: check it or make a new one",
    "wrongProvider": "this key belongs to another provider",
    "wrongRegion": "{name} does not serve this key here: check region and base URL",
    "unreachable": "{name} could not be reached: check proxy, VPN and base URL",
    "unknown": "{name} sent an answer that does not show whether the key works",
}

_HINTED: Final = frozenset({"validRestricted", "noFunds", "invalid", "wrongRegion"})


@dataclass(frozen=True, slots=True)
class ProbeReading:
    """What an answer proves about a key.

    `models_seen` is None if it lists none. `details` are facts that the record names (a balance).
    """

    verdict: Verdict
    message: str
    models_seen: int | None = None
    details: JsonObject = field(default_factory=dict)
    fault: Fault | None = None


def probe_request(
    provider: Provider,
    base_url: str,
    fields: Mapping[str, str],
    *,
    at_default_origin: bool,
    probe: Probe | None = None,
) -> HttpRequest:
    """Return a probe, without its credential; the record's own if `probe` is None.

    A companion origin needs `at_default_origin`: a key for a gateway must go nowhere else. A probe
    that is not possible at this origin is replaced by the model list.

    Raises:
        InvalidParams: a template cannot be filled.
    """
    probe = probe or provider.probe
    if probe.url is not None and at_default_origin:
        url = fill(probe.url, fields)
    elif probe.path is not None:
        url = join_url(base_url, probe.path, fields)
    else:
        path = provider.models.path or "/models"
        return HttpRequest("GET", join_url(base_url, path, fields), _headers(provider, fields))
    headers = _headers(provider, fields)
    if probe.body is not None:
        headers = headers.with_pair("content-type", "application/json")
    return HttpRequest(probe.method, url, headers, (probe.body or "").encode())


def _headers(provider: Provider, fields: Mapping[str, str]) -> Headers:
    return Headers([("accept", "application/json"), *record_headers(provider, fields).items()])


def read_probe(
    provider: Provider, head: HttpHead, body: bytes, *, probe: Probe | None = None
) -> ProbeReading:
    """Return the verdict on a key; where it is `unknown`, the probe's `fallback` may say more.

    An answer that is not the provider's (a web page, a proxy) or that failed (5xx, a time limit)
    is `unknown` or `unreachable`, never `invalid`.
    """
    probe = probe or provider.probe
    document = _document(body) if head.status in _OK else None
    error = read_error_body(head, body)
    if document is not None:
        error = replace(error, document=document)
    fault = None if _is_answer(head, error, document) else classify(provider, head, body)
    count = count_models(provider, document, probe.models_pointer) if document is not None else None
    verdict = _row_verdict(probe, error, head.status)
    if verdict is None:
        no_list = probe.models_pointer is not None and count is None
        accepted: Verdict = "unknown" if no_list else "valid"
        verdict = _fault_verdict(fault) if fault is not None else accepted
    return ProbeReading(
        verdict=verdict,
        message=_sentence(provider, verdict, fault),
        models_seen=count,
        details=_details(probe, document if document is not None else error.document),
        fault=fault,
    )


def _document(body: bytes) -> Json:
    try:
        return from_json(body, allow_inf_nan=False)  # type: ignore[no-any-return]
    except ValueError:
        return None


def _is_answer(head: HttpHead, error: ErrorBody, document: Json) -> bool:
    if head.status not in _OK:
        return False
    # xAI and gateways send errors with status 200 (seen 2025).
    if not isinstance(document, dict):
        return document is not None and error.form != "html"
    has_error = document.get("error") or document.get("errors")
    return not has_error and document.get("success") is not False


def _row_verdict(probe: Probe, error: ErrorBody, status: int) -> Verdict | None:
    return next((row.verdict for row in probe.verdicts if applies(row.when, error, status)), None)


def _fault_verdict(fault: Fault) -> Verdict:
    # A probe is about the key, so a refusal with status 200 is a verdict. Its health class stays
    # neutral, because the same form in a chat proves nothing.
    refused = fault.kind == "keyInvalid" and fault.http_status in _OK
    if refused or fault.health in {"authInvalid", "authUnsure", "authDead"}:
        return "invalid"
    if fault.kind in {"network", "providerRedirect"}:
        return "unreachable"
    if fault.kind == "insufficientFunds":
        return "noFunds"
    if fault.kind == "rateLimited":
        return "rateLimited"
    if fault.kind == "keyForbidden" and fault.health == "forbiddenScope":
        message = fault.provider_message or ""
        return "wrongRegion" if _REGION_WORDS.search(message) else "validRestricted"
    return "unknown"


def _sentence(provider: Provider, verdict: Verdict, fault: Fault | None) -> str:
    # The record's hint, and the classifier's sentence for an unknown verdict, are more precise.
    if fault is not None and fault.http_status not in _OK:
        if verdict == "unknown":
            return fault.message
        if fault.hint and verdict in _HINTED:
            return fault.hint
    return _SENTENCES[verdict].replace("{name}", provider.name)


def _details(probe: Probe, document: Json) -> JsonObject:
    values = ((name, at_pointer(document, place)) for name, place in probe.details.items())
    return {name: short for name, value in values if (short := _short(value)) is not None}


def _short(value: Json) -> Json:
    if isinstance(value, str):
        return clean_text(value, _DETAIL_MAX_BYTES)
    if isinstance(value, list):
        texts = [entry for entry in value[:_DETAIL_MAX_ITEMS] if isinstance(entry, str)]
        return [clean_text(text, _DETAIL_MAX_BYTES) for text in texts] or None
    return None if isinstance(value, dict) else value
