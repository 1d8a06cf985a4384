"""Requests for model lists, and a reader for all their forms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields as dataclass_fields, replace
from functools import cache
from typing import Final

from pydantic_core import from_json, to_json

from byokd.catalog.record import Models, Provider
from byokd.core.http import Headers, HttpRequest
from byokd.core.limits import LABEL_MAX_CHARS, MODELS_MAX
from byokd.core.redaction.text import clean_text
from byokd.dialects.base.headers import record_headers
from byokd.dialects.base.json_pointer import at_pointer
from byokd.dialects.base.urls import fill, join_url, with_query
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import ProviderError, Unsupported
from byokd.provider_api import model_efforts, model_facts, model_lifecycle
from byokd.provider_api.model_facts import ListedPrice

_ITEM_PLACES: Final = (
    "/data", "/models", "/result", "/modelSummaries", "/inferenceProfileSummaries", "/items", "",
)  # fmt: skip
_ID_PLACES: Final = (
    "/id", "/name", "/model", "/modelId", "/model_name", "/inferenceProfileId", "/key",
)  # fmt: skip
_NAME_PLACES: Final = ("/display_name", "/displayName", "/modelName", "/name")
_PREFIX: Final = "models/"  # of every id in Google's list, also behind a custom base URL
_ID_MAX_CHARS: Final = 512  # as `ModelId` of the contract
_ID: Final = re.compile(rf"[^\x00-\x20\x7f]{{1,{_ID_MAX_CHARS}}}")
_CURSOR_MAX_CHARS: Final = 2048


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model as the provider lists it; None for what the list does not state.

    `context_tokens` counts input and output, or the input if only that is stated; `output_tokens`
    is the maximum of one answer. `efforts` are words of the contract; `ends_at` is wall-clock
    milliseconds.
    """

    id: str
    name: str | None = None
    context_tokens: int | None = None
    output_tokens: int | None = None
    input_modalities: tuple[str, ...] | None = None
    tools: bool | None = None
    reasoning: bool | None = None
    chat: bool | None = None
    price: ListedPrice | None = None
    deprecated: bool | None = None
    efforts: tuple[str, ...] | None = None
    ends_at: int | None = None
    retired: bool | None = None


@dataclass(frozen=True, slots=True)
class ModelPage:
    models: tuple[ListedModel, ...]
    next_cursor: str | None = None


def models_request(
    provider: Provider,
    base_url: str,
    fields: Mapping[str, str],
    cursor: str | None = None,
    *,
    at_default_origin: bool = False,
    list_record: Models | None = None,
) -> HttpRequest:
    """Return the request for a page of a list, without its credential.

    If the list is on a companion origin only, a key with another base URL gets `/models` there.
    `list_record` is one of the record's further lists, None the first.

    Raises:
        InvalidParams: a template cannot be filled.
        Unsupported: the provider has no list; its record names the models.
    """
    record = list_record or provider.models
    if record.url is not None and at_default_origin:
        url = fill(record.url, fields)
    elif record.path is None and record.url is None:
        raise Unsupported(f"{provider.name} does not list its models: name the one you want")
    else:
        url = join_url(base_url, record.path or "/models", fields)
    if cursor is not None and record.next_query is not None:
        url = with_query(url, record.next_query, cursor)
    headers = [("accept", "application/json"), *record_headers(provider, fields).items()]
    return HttpRequest("GET", url, Headers(headers))


def read_models(provider: Provider, body: bytes, *, list_record: Models | None = None) -> ModelPage:
    """Return a page: at most `MODELS_MAX` models, each id once, without unreadable entries.

    Where the record finds no list, the known forms are tried: a custom base URL may serve another.

    Raises:
        ProviderError: the body has no known form of a list.
    """
    record = list_record or provider.models
    try:
        document: Json = from_json(body, allow_inf_nan=False)
    except ValueError:
        document = None
    entries, by_record = _entries(record, document)
    if entries is None:
        raise ProviderError(f"{provider.name} sent a model list that cannot be read: try again")
    listed = (_listed(record, entry, by_record=by_record) for entry in entries)
    models: dict[str, ListedModel] = {}
    for model in listed:
        if model is not None:
            models.setdefault(model.id, model)
        if len(models) == MODELS_MAX:
            break
    return ModelPage(tuple(models.values()), _next_cursor(record, document))


def detail_request(
    provider: Provider, base_url: str, fields: Mapping[str, str], model_id: str
) -> HttpRequest:
    """Return the request for the details of one model, without its credential.

    Raises:
        Unsupported: the record has no such request.
    """
    detail = provider.models.detail
    if detail is None:
        raise Unsupported(f"{provider.name} has no details of a model beside its list")
    body = detail.body.replace('"{id}"', to_json(model_id).decode())
    pairs = [("accept", "application/json"), ("content-type", "application/json")]
    headers = Headers([*pairs, *record_headers(provider, fields).items()])
    return HttpRequest("POST", join_url(base_url, detail.path), headers, body.encode())


def read_detail(provider: Provider, model_id: str, body: bytes) -> ListedModel:
    """Return the facts in an answer; only the id if it is no JSON object."""
    try:
        document: Json = from_json(body, allow_inf_nan=False)
    except ValueError:
        document = None
    item: JsonObject = document if isinstance(document, dict) else {}
    model = _listed(provider.models, item | {"id": model_id}, by_record=False)
    return model or ListedModel(model_id)


def fill_missing(model: ListedModel, other: ListedModel) -> ListedModel:
    missing = [
        field.name for field in dataclass_fields(model) if getattr(model, field.name) is None
    ]
    return replace(model, **{name: getattr(other, name) for name in missing})


def count_models(provider: Provider, document: Json, pointer: str | None) -> int | None:
    """Return the number of models in a probe's answer, None if it is no list.

    Where the pointer finds none, the known forms count: another server may be at the address.
    """
    if pointer is not None:
        value = at_pointer(document, pointer)
        if isinstance(value, list):
            return len(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    entries, _ = _entries(provider.models, document)
    return len(entries) if entries is not None else None


def _entries(record: Models, document: Json) -> tuple[list[Json] | None, bool]:
    """Return the array of entries, and whether it is where the record says."""
    items = at_pointer(document, record.items)
    if isinstance(items, list):
        return items, True
    values = (at_pointer(document, place) for place in _ITEM_PLACES)
    return next((value for value in values if isinstance(value, list)), None), False


def _listed(record: Models, entry: Json, *, by_record: bool) -> ListedModel | None:
    """Read one entry; a bare string is an id."""
    item: JsonObject = entry if isinstance(entry, dict) else {"id": entry}
    model_id = _model_id(record, item, by_record=by_record)
    if model_id is None:
        return None
    return ListedModel(
        id=model_id,
        name=_name(record, item, model_id),
        context_tokens=model_facts.context_tokens(item, record.context),
        output_tokens=model_facts.output_tokens(item, record.output),
        input_modalities=model_facts.input_modalities(item, record.modalities),
        tools=model_facts.tools(item, record.tools),
        reasoning=model_facts.reasoning(item, record.reasoning),
        chat=_chat(record, item, model_id),
        price=model_facts.price(item, record.price),
        deprecated=model_lifecycle.deprecated(item, record.deprecated),
        efforts=model_efforts.efforts(item, record.efforts),
        ends_at=model_lifecycle.ends_at(item, record.ends),
        retired=model_lifecycle.retired(item),
    )


def _model_id(record: Models, item: JsonObject, *, by_record: bool) -> str | None:
    places = (record.id, *_ID_PLACES) if by_record else _ID_PLACES
    model_id = _first_text(item, places)
    if model_id is None:
        return None
    name = at_pointer(item, "/name")
    if not by_record and isinstance(name, str) and name.startswith("@"):
        model_id = name  # Cloudflare: `id` is a UUID, a chat takes the name
    prefix = record.id_prefix if by_record else _PREFIX
    model_id = model_id.removeprefix(prefix) if prefix else model_id
    return model_id if _ID.fullmatch(model_id) else None


def _name(record: Models, item: JsonObject, model_id: str) -> str | None:
    name = _first_text(item, (*record.name, *_NAME_PLACES))
    if name is None or name.removeprefix(_PREFIX) == model_id or model_id.endswith(name):
        return None
    return clean_text(name, LABEL_MAX_CHARS) or None


def _chat(record: Models, item: JsonObject, model_id: str) -> bool | None:
    if record.non_chat_pattern and _compiled(record.non_chat_pattern).search(model_id):
        return False
    kind = at_pointer(item, record.kind) if record.kind is not None else None
    if record.chat_kinds and (words := model_facts.words(kind)):
        return not words.isdisjoint(word.lower() for word in record.chat_kinds)
    return model_facts.chat(item)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _first_text(item: JsonObject, places: Iterable[str]) -> str | None:
    values = (at_pointer(item, place) for place in places)
    return next((value for value in values if isinstance(value, str) and value), None)


def _next_cursor(record: Models, document: Json) -> str | None:
    """`has_more: false` ends a list although it has a cursor (Anthropic).

    Numbered pages continue until their count is reached (Cloudflare's `result_info`).
    """
    if not isinstance(document, dict) or record.next_query is None:
        return None
    if at_pointer(document, record.more_pointer or "/has_more") is False:
        return None
    info = document.get("result_info")
    cursor = at_pointer(document, record.next_pointer) if record.next_pointer else None
    if isinstance(info, dict):
        cursor = _next_page(info)
    if isinstance(cursor, bool) or not isinstance(cursor, str | int):
        return None
    text = str(cursor)
    return text if 0 < len(text) <= _CURSOR_MAX_CHARS else None


def _next_page(info: JsonObject) -> int | None:
    numbers = [info.get(name) for name in ("page", "per_page", "total_count", "total_pages")]
    page, per_page, count, pages = (
        number if isinstance(number, int) and number > 0 else 0 for number in numbers
    )
    more = page < pages if pages else page * per_page < count
    return page + 1 if page and more else None
