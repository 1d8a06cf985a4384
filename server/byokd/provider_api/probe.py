"""Asks a provider whether a key is good, as cheaply as it can be asked, and reads the answer.

Knows how a record's probe becomes a request and how an answer becomes a verdict. Must not know who
sends it, and puts no credential on it. Status alone decides nothing: the record's rows are asked
first, then what the classifier says.
"""

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

_SAY: Final[dict[Verdict, str]] = {
    "valid": "{name} accepts this key",
    "validRestricted": "{name} knows this key but does not allow everything with it",
    "noFunds": "{name} accepts this key, and the account has no money or allowance left",
    "rateLimited": "{name} asks to slow down, so the key could not be checked fully",
    "invalid": "{name} does not accept this key: check it or make a new one",
    "wrongProvider": "this key belongs to another provider",
    "wrongRegion": "{name} does not serve this key here: check region and base URL",
    "unreachable": "{name} could not be reached: check proxy, VPN and base URL",
    "unknown": "{name} answered in a way that says nothing about the key",
}

_HINTED: Final = frozenset({"validRestricted", "noFunds", "invalid", "wrongRegion"})


@dataclass(frozen=True, slots=True)
class ProbeReading:
    """What an answer to a probe says.

    Attributes:
        verdict: the word for it.
        message: a sentence for a person.
        models_seen: how many models the answer lists, or None where it lists none.
        details: the facts that the record names, such as a balance.
        fault: what the classifier says, or None where the answer is no error; its health class is
            what the soft-disable counts.
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
    """Return the record's probe, without its credential.

    Args:
        provider: the record.
        base_url: of the key.
        fields: the key's plain fields, for templates.
        at_default_origin: whether the key's origin is the record's own. A companion origin is asked
            only then: a key stored for a gateway must not travel to anybody else.
        probe: the record's probe or one of its fallbacks; the record's own where None. One that
            cannot be asked at this origin becomes a look at the model list.

    Raises:
        InvalidParams: a template cannot be filled.
    """
    asked = probe or provider.probe
    if asked.url is not None and at_default_origin:
        method, url = asked.method, fill(asked.url, fields)
    elif asked.path is not None:
        method, url = asked.method, join_url(base_url, asked.path, fields)
    else:
        path = provider.models.path or "/models"
        return HttpRequest("GET", join_url(base_url, path, fields), record_headers(provider))
    headers = record_headers(provider)
    if asked.body is not None:
        headers = headers.with_pair("content-type", "application/json")
    return HttpRequest(method, url, headers, (asked.body or "").encode())


def record_headers(provider: Provider) -> Headers:
    """Return what every request to this provider carries, and what we accept."""
    return Headers([("accept", "application/json"), *provider.headers.items()])


def read_probe(
    provider: Provider, head: HttpHead, body: bytes, *, probe: Probe | None = None
) -> ProbeReading:
    """Return the verdict on a key; `probe` is the one that was asked, the record's where None.

    Where it is `unknown`, the probe's `fallback` is worth asking.

    An answer that is not the provider's (a web page, a proxy) or that failed (5xx, a time limit)
    is `unknown` or `unreachable`, never `invalid`.
    """
    asked = probe or provider.probe
    document = _document(body) if head.status in _OK else None
    said = read_error_body(head, body)
    if document is not None:
        said = replace(said, document=document)
    fault = None if _is_answer(head, said, document) else classify(provider, head, body)
    verdict = _row_verdict(asked, said, head.status)
    if verdict is None:
        verdict = _fault_verdict(fault) if fault is not None else "valid"
    seen = count_models(provider, document, asked.models_pointer) if document is not None else None
    return ProbeReading(
        verdict=verdict,
        message=_sentence(provider, verdict, fault),
        models_seen=seen,
        details=_details(asked, document if document is not None else said.document),
        fault=fault,
    )


def _document(body: bytes) -> Json:
    try:
        return from_json(body, allow_inf_nan=False)  # type: ignore[no-any-return]
    except ValueError:
        return None


def _is_answer(head: HttpHead, said: ErrorBody, document: Json) -> bool:
    """Tell a good answer from an error: xAI and gateways send errors inside a 200 (seen 2025)."""
    if head.status not in _OK:
        return False
    if not isinstance(document, dict):
        return document is not None and said.form != "html"
    named = document.get("error") or document.get("errors")
    return not named and document.get("success") is not False


def _row_verdict(probe: Probe, said: ErrorBody, status: int) -> Verdict | None:
    return next((row.verdict for row in probe.verdicts if applies(row.when, said, status)), None)


def _fault_verdict(fault: Fault) -> Verdict:
    # A probe is a question about the key, so a refusal inside a 200 answers it; the health class
    # stays neutral, because the same shape in a chat is no proof.
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
        words = fault.provider_message or ""
        return "wrongRegion" if _REGION_WORDS.search(words) else "validRestricted"
    return "unknown"


def _sentence(provider: Provider, verdict: Verdict, fault: Fault | None) -> str:
    # The record's sentence, and what the classifier knows of an unknown, say more than the word.
    if fault is not None and fault.http_status not in _OK:
        if verdict == "unknown":
            return fault.message
        if fault.hint and verdict in _HINTED:
            return fault.hint
    return _SAY[verdict].replace("{name}", provider.name)


def _details(probe: Probe, document: Json) -> JsonObject:
    """Return the facts that the record points at: short scalars, and lists of short texts."""
    found = ((name, at_pointer(document, to)) for name, to in probe.details.items())
    return {name: short for name, value in found if (short := _short(value)) is not None}


def _short(value: Json) -> Json:
    if isinstance(value, str):
        return clean_text(value, _DETAIL_MAX_BYTES)
    if isinstance(value, list):
        texts = [entry for entry in value[:_DETAIL_MAX_ITEMS] if isinstance(entry, str)]
        return [clean_text(text, _DETAIL_MAX_BYTES) for text in texts] or None
    return None if isinstance(value, dict) else value
