"""Asks for a list of models and reads every form in which one comes back.

Knows how a record's recipe is followed, and where a list hides when it is not. Must not know any
model: names, prices and capabilities are what the answer says, and unknown where it says nothing.
"""

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
from byokd.dialects.base.json_pointer import at_pointer
from byokd.dialects.base.urls import fill, join_url, with_query
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import ProviderError, Unsupported
from byokd.provider_api import model_facts
from byokd.provider_api.model_facts import ListedPrice

_ITEM_PLACES: Final = (
    "/data", "/models", "/result", "/modelSummaries", "/inferenceProfileSummaries", "/items", "",
)  # fmt: skip
_ID_PLACES: Final = ("/id", "/name", "/model", "/modelId", "/model_name", "/inferenceProfileId")
_NAME_PLACES: Final = ("/display_name", "/displayName", "/modelName", "/name")
_PREFIX: Final = "models/"  # Google's list prefixes every id, also behind a custom base URL
_ID_MAX_CHARS: Final = 512  # as `ModelId` of the contract
_ID: Final = re.compile(rf"[^\x00-\x20\x7f]{{1,{_ID_MAX_CHARS}}}")
_CURSOR_MAX_CHARS: Final = 2048


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model as the provider lists it. None where it does not say.

    Attributes:
        id: what a chat names.
        name: for people.
        context_tokens: input and output together, or the input alone where that is all it says.
        output_tokens: the most that one answer can hold.
        input_modalities: such as `text`, `image`, `file`, `audio`.
        tools: whether it calls tools.
        reasoning: whether it can think first.
        chat: whether it chats at all; lists also hold embedding and audio models.
        price: per million tokens.
        deprecated: whether its end is announced.
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


@dataclass(frozen=True, slots=True)
class ModelPage:
    """One page of a list, and where the next begins."""

    models: tuple[ListedModel, ...]
    next_cursor: str | None = None


def models_request(
    provider: Provider,
    base_url: str,
    fields: Mapping[str, str],
    cursor: str | None = None,
    *,
    at_default_origin: bool = False,
    recipe: Models | None = None,
) -> HttpRequest:
    """Return the request for a page of the list, without its credential.

    A list that is only on a companion origin is looked for at `/models` of another base URL.

    Args:
        provider: the record.
        base_url: of the key.
        fields: the key's plain fields, for templates.
        cursor: of the page before, or None.
        at_default_origin: whether a companion origin may be asked; see `probe_request`.
        recipe: one of the record's further lists (`also`); its first where None.

    Raises:
        InvalidParams: a template cannot be filled.
        Unsupported: the recipe names no list; what it says is `static`.
    """
    follow = recipe or provider.models
    if follow.url is not None and at_default_origin:
        url = fill(follow.url, fields)
    elif follow.path is None and follow.url is None:
        raise Unsupported(f"{provider.name} does not list its models: name the one you want")
    else:
        url = join_url(base_url, follow.path or "/models", fields)
    if cursor is not None and follow.next_query is not None:
        url = with_query(url, follow.next_query, cursor)
    headers = Headers([("accept", "application/json"), *provider.headers.items()])
    return HttpRequest("GET", url, headers)


def read_models(provider: Provider, body: bytes, *, recipe: Models | None = None) -> ModelPage:
    """Return a page of models.

    The recipe (the record's first where None) is followed; where it finds no list, the known shapes
    are tried, because a custom base URL may serve another one.

    Entries that cannot be read are left out, the same id counts once, and no more than `MODELS_MAX`
    are returned.

    Raises:
        ProviderError: the body is not a list of models in any known shape.
    """
    follow = recipe or provider.models
    try:
        document: Json = from_json(body, allow_inf_nan=False)
    except ValueError:
        document = None
    entries, by_recipe = _entries(follow, document)
    if entries is None:
        raise ProviderError(f"{provider.name} sent a model list that cannot be read: try again")
    listed = (_listed(follow, entry, by_recipe=by_recipe) for entry in entries)
    models: dict[str, ListedModel] = {}
    for model in listed:
        if model is not None:
            models.setdefault(model.id, model)
        if len(models) == MODELS_MAX:
            break
    return ModelPage(tuple(models.values()), _next_cursor(follow, document))


def detail_request(provider: Provider, base_url: str, model_id: str) -> HttpRequest:
    """Return the question about one model, without its credential.

    Raises:
        Unsupported: the record has no such question.
    """
    detail = provider.models.detail
    if detail is None:
        raise Unsupported(f"{provider.name} tells no more of a model than its list does")
    body = detail.body.replace('"{id}"', to_json(model_id).decode())
    pairs = [("accept", "application/json"), ("content-type", "application/json")]
    headers = Headers([*pairs, *provider.headers.items()])
    return HttpRequest("POST", join_url(base_url, detail.path), headers, body.encode())


def read_detail(provider: Provider, model_id: str, body: bytes) -> ListedModel:
    """Return what an answer says of a model, nothing where it is no JSON object."""
    try:
        document: Json = from_json(body, allow_inf_nan=False)
    except ValueError:
        document = None
    item: JsonObject = document if isinstance(document, dict) else {}
    read = _listed(provider.models, item | {"id": model_id}, by_recipe=False)
    return read or ListedModel(model_id)


def fill_missing(model: ListedModel, other: ListedModel) -> ListedModel:
    """Return what is said of a model, and where that is nothing what is said elsewhere."""
    silent = [each.name for each in dataclass_fields(model) if getattr(model, each.name) is None]
    return replace(model, **{name: getattr(other, name) for name in silent})


def count_models(provider: Provider, document: Json, pointer: str | None) -> int | None:
    """Return how many models a probe's answer lists (at `pointer`), or None where it is no list."""
    if pointer is not None:
        found = at_pointer(document, pointer)
        if isinstance(found, list):
            return len(found)
        return found if isinstance(found, int) and not isinstance(found, bool) else None
    entries, _ = _entries(provider.models, document)
    return len(entries) if entries is not None else None


def _entries(recipe: Models, document: Json) -> tuple[list[Json] | None, bool]:
    """Return the array of entries, and whether it was found where the recipe says."""
    found = at_pointer(document, recipe.items)
    if isinstance(found, list):
        return found, True
    places = (at_pointer(document, place) for place in _ITEM_PLACES)
    return next((place for place in places if isinstance(place, list)), None), False


def _listed(recipe: Models, entry: Json, *, by_recipe: bool) -> ListedModel | None:
    """Read one entry; a bare string is an id."""
    item: JsonObject = entry if isinstance(entry, dict) else {"id": entry}
    model_id = _model_id(recipe, item, by_recipe=by_recipe)
    if model_id is None:
        return None
    return ListedModel(
        id=model_id,
        name=_name(recipe, item, model_id),
        context_tokens=model_facts.context_tokens(item, recipe.context),
        output_tokens=model_facts.output_tokens(item, recipe.output),
        input_modalities=model_facts.input_modalities(item, recipe.modalities),
        tools=model_facts.tools(item, recipe.tools),
        reasoning=model_facts.reasoning(item, recipe.reasoning),
        chat=_chat(recipe, item, model_id),
        price=model_facts.price(item, recipe.price),
        deprecated=model_facts.deprecated(item, recipe.deprecated),
    )


def _model_id(recipe: Models, item: JsonObject, *, by_recipe: bool) -> str | None:
    places = (recipe.id, *_ID_PLACES) if by_recipe else _ID_PLACES
    found = _first_text(item, places)
    if found is None:
        return None
    named = at_pointer(item, "/name")
    if not by_recipe and isinstance(named, str) and named.startswith("@"):
        found = named  # Cloudflare: `id` is a UUID, the name is what a chat takes
    prefix = recipe.id_prefix if by_recipe else _PREFIX
    found = found.removeprefix(prefix) if prefix else found
    return found if _ID.fullmatch(found) else None


def _name(recipe: Models, item: JsonObject, model_id: str) -> str | None:
    found = _first_text(item, (*recipe.name, *_NAME_PLACES))
    if found is None or found.removeprefix(_PREFIX) == model_id or model_id.endswith(found):
        return None
    return clean_text(found, LABEL_MAX_CHARS) or None


def _chat(recipe: Models, item: JsonObject, model_id: str) -> bool | None:
    """Tell whether a model chats: by the recipe's kinds, else by what the entry says of itself."""
    if recipe.non_chat_pattern and _compiled(recipe.non_chat_pattern).search(model_id):
        return False
    kind = at_pointer(item, recipe.kind) if recipe.kind is not None else None
    if recipe.chat_kinds and (words := model_facts.words(kind)):
        return not words.isdisjoint(word.lower() for word in recipe.chat_kinds)
    return model_facts.chat(item)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _first_text(item: JsonObject, places: Iterable[str]) -> str | None:
    found = (at_pointer(item, place) for place in places)
    return next((text for text in found if isinstance(text, str) and text), None)


def _next_cursor(recipe: Models, document: Json) -> str | None:
    """Return where the next page begins.

    `has_more: false` ends a list although it names its last id (Anthropic). Where pages are
    numbered, the next number follows until the count is reached (Cloudflare's `result_info`).
    """
    if not isinstance(document, dict) or recipe.next_query is None:
        return None
    if at_pointer(document, recipe.more_pointer or "/has_more") is False:
        return None
    info = document.get("result_info")
    found = at_pointer(document, recipe.next_pointer) if recipe.next_pointer else None
    if isinstance(info, dict):
        found = _next_page(info)
    if isinstance(found, bool) or not isinstance(found, str | int):
        return None
    text = str(found)
    return text if 0 < len(text) <= _CURSOR_MAX_CHARS else None


def _next_page(info: JsonObject) -> int | None:
    numbers = [info.get(name) for name in ("page", "per_page", "total_count", "total_pages")]
    page, per_page, count, pages = (
        number if isinstance(number, int) and number > 0 else 0 for number in numbers
    )
    more = page < pages if pages else page * per_page < count
    return page + 1 if page and more else None
