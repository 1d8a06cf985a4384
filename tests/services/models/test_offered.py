"""Which models are offered, with which key, until when, and where their facts are from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from byokd.catalog.models import known_models
from byokd.catalog.record import Ending, Models, Provider
from byokd.core.limits import MODEL_END_NOTICE_MS
from byokd.core.settings import OwnModel
from byokd.dialects.base.call import ModelLimits
from byokd.model_cache import CachedModelList
from byokd.protocol.model import FactSource, ModelInfo, ModelUnavailable
from byokd.provider_api.model_facts import ListedPrice
from byokd.provider_api.model_lists import ListedModel
from byokd.services.models.lists import end_notices, limits_of
from byokd.services.models.merge import (
    MergeOptions,
    listed_model_info,
    merge_models,
    with_record_efforts,
)
from recorded import BARE, record

_NOW = int(datetime(2026, 11, 28, tzinfo=UTC).timestamp() * 1000)
_DAY = 24 * 3_600_000
_LIVE = FactSource(source="live", as_of="2026-11-28")


def _shipped(provider_id: str) -> Provider:
    shipped = record(provider_id)
    assert shipped is not None
    return shipped


def _seen(provider: Provider, *models: ListedModel) -> CachedModelList:
    return CachedModelList(tuple(listed_model_info(provider, m, _NOW) for m in models), _NOW)


def _merged(
    provider: Provider, *models: ListedModel, listed: bool = True, **options: Any
) -> dict[str, ModelInfo]:
    live = _seen(provider, *models) if listed else None
    items = merge_models(provider, live, {}, MergeOptions(_NOW, **options))
    return {item.id: item for item in items}


def _with(**models: Any) -> Provider:
    return BARE.model_copy(update={"models": Models(path="/models", **models)})


@pytest.mark.parametrize("provider_id", ["openai", "anthropic", "deepseek", "mistral", "groq"])
def test_models_that_the_live_list_lacks_are_offered_on_request_only(provider_id: str) -> None:
    provider = _shipped(provider_id)
    static = set(provider.models.static)
    assert set(_merged(provider, ListedModel("m"))) == {"m"} | static
    everything = _merged(provider, ListedModel("m"), include_unlisted=True)
    assert set(everything) == {"m"} | static | set(known_models(provider_id))
    marks = {name: item.unlisted for name, item in everything.items() if name not in static}
    assert marks == {name: name != "m" for name in marks}


def test_catalog_is_offered_where_there_is_no_list() -> None:
    items = _merged(_shipped("openai"), listed=False)
    assert len(items) > 20
    assert not any(item.unlisted for item in items.values())


def test_empty_list_is_a_list() -> None:
    assert _merged(_shipped("openai")) == {}


def test_retired_models_are_offered_on_request_only() -> None:
    models = (
        ListedModel("gone", retired=True),
        ListedModel("past", ends_at=_NOW - 1),
        ListedModel("last-ms", ends_at=_NOW),
        ListedModel("ending", ends_at=_NOW + 1),
        ListedModel("lasting"),
    )
    items = _merged(BARE, *models)
    assert {name: item.ends_at for name, item in items.items()} == {
        "ending": _NOW + 1, "lasting": None,
    }  # fmt: skip
    assert items["ending"].deprecated is True
    assert all(item.unavailable is None for item in items.values())
    everything = _merged(BARE, *models, include_unlisted=True)
    ended = {name for name, item in everything.items() if item.unavailable is not None}
    assert ended == {"gone", "past", "last-ms"}
    assert {everything[name].unavailable.kind for name in ended} == {"modelNotFound"}  # type: ignore[union-attr]


def test_entries_of_the_person_are_always_listed() -> None:
    provider = _with(own=(OwnModel(id="mine"), OwnModel(id="gone", tools=True)))
    items = _merged(provider, ListedModel("gone", retired=True, name="Old"), ListedModel("m"))
    assert [*items] == ["m", "mine", "gone"]
    assert (items["gone"].name, items["gone"].tools) == ("Old", True)
    assert items["mine"].source == "user"


_ENDINGS = (
    Ending(models="old-.*", day="2026-11-01", source="https://x.example", checked="2026-11-20"),
    Ending(models="soon", day="2026-12-08", source="https://x.example", checked="2026-11-21"),
)


def test_end_from_the_record_where_the_list_states_none() -> None:
    provider = _with(endings=_ENDINGS, static=("old-static",))
    items = _merged(provider, ListedModel("soon"), ListedModel("old-live"), ListedModel("sooner"))
    # the record says that it ended, and the list still has it: the list wins
    assert [*items] == ["soon", "old-live", "sooner"]
    assert items["soon"].ends_at == _NOW + 10 * _DAY
    assert items["soon"].facts.ends_at == FactSource(source="record", as_of="2026-11-21")
    assert items["sooner"].ends_at is None
    stated = _merged(provider, ListedModel("soon", ends_at=_NOW + _DAY))["soon"]
    assert (stated.ends_at, stated.facts.ends_at) == (_NOW + _DAY, _LIVE)


def test_end_of_a_model_is_not_that_of_its_variants() -> None:
    """Prices and sizes of a family are; a rule of the catalog matches by the beginning."""
    provider = _shipped("anthropic")
    items = _merged(provider, ListedModel("claude-sonnet-4-5"), ListedModel("claude-sonnet-4-5-x"))
    assert [item.context_tokens for item in items.values()] == [200_000] * 2
    assert [item.ends_at is None for item in items.values()] == [False, True]
    assert items["claude-sonnet-4-5-x"].facts.ends_at is None


def test_each_fact_names_its_source() -> None:
    provider = _shipped("anthropic").model_copy(
        update={"models": Models(own=(OwnModel(id="claude-fable-5", output_tokens=7),))}
    )
    listed = ListedModel(
        "claude-fable-5",
        context_tokens=5,
        efforts=("low",),
        price=ListedPrice("1", "2"),
        ends_at=_NOW + 1,
    )
    item = _merged(provider, listed)["claude-fable-5"]
    known = known_models("anthropic")["claude-fable-5"]
    catalog = FactSource(source="catalog", as_of=known.as_of)
    assert item.input_modalities == known.input_modalities
    assert item.facts.model_dump() == {
        "price": _LIVE.model_dump(),
        "context": _LIVE.model_dump(),
        "output": FactSource(source="user").model_dump(),
        "inputs": catalog.model_dump(),
        "efforts": _LIVE.model_dump(),
        "ends_at": _LIVE.model_dump(),
        "deprecated": _LIVE.model_dump(),
    }
    from_catalog = _merged(provider, listed=False)["claude-fable-5-1"]
    assert from_catalog.facts.price == from_catalog.facts.context == catalog


def test_items_name_the_key_and_why_it_cannot_be_used() -> None:
    why = ModelUnavailable(kind="keyDisabled", key_id="key_a")
    [item] = _merged(BARE, ListedModel("m"), key_id="key_a", unavailable=why).values()
    assert (item.key_id, item.unavailable) == ("key_a", why)


@pytest.mark.parametrize(
    ("ends_at", "text"),
    [
        (None, None),
        (_NOW + MODEL_END_NOTICE_MS + 1, None),
        (_NOW + MODEL_END_NOTICE_MS, "m ends on 2026-12-28: choose another model"),
        (_NOW + 1, "m ends on 2026-11-28: choose another model"),
        (_NOW, "m ended on 2026-11-28: choose another model"),
        (_NOW - 9 * _DAY, "m ended on 2026-11-19: choose another model"),
    ],
)
def test_chat_with_a_model_that_ends_soon_has_a_notice(
    ends_at: int | None, text: str | None
) -> None:
    [listed] = _seen(BARE, ListedModel("m", ends_at=ends_at)).models
    notices = end_notices(BARE, "m", listed, _NOW)
    assert [notice.message for notice in notices] == ([text] if text else [])
    assert all((n.type, n.parameter) == ("notice", "model") for n in notices)


def test_notice_by_the_record() -> None:
    provider = _with(endings=_ENDINGS)
    assert len(end_notices(provider, "soon", None, _NOW)) == 1
    assert len(end_notices(provider, "old-1", None, _NOW)) == 1
    assert end_notices(provider, "other", None, _NOW) == ()
    [listed] = _seen(provider, ListedModel("old-1")).models
    assert end_notices(provider, "old-1", listed, _NOW) == ()  # the list still has it


@pytest.mark.parametrize(
    ("listed", "limits"),
    [
        (ListedModel("m"), ModelLimits()),
        (ListedModel("m", efforts=()), ModelLimits(efforts=())),
        (ListedModel("m", efforts=("low",)), ModelLimits(efforts=("low",))),
        (
            ListedModel("m", None, 9, 8, ("text",), efforts=("none", "high")),
            ModelLimits(
                efforts=("high",),
                thinks_always=False,
                input_modalities=("text",),
                context_tokens=9,
                output_tokens=8,
            ),
        ),
    ],
)
def test_encoder_gets_what_the_list_states(listed: ListedModel, limits: ModelLimits) -> None:
    [info] = _seen(BARE, listed).models
    assert limits_of(info) == limits
    assert limits_of(None) is None


@pytest.mark.parametrize(
    ("provider_id", "listed", "efforts", "source"),
    [
        ("openai", ListedModel("o3"), ("low", "medium", "high"), "record"),
        ("openai", ListedModel("o3", efforts=("low",)), ("low",), "live"),
        ("openai", ListedModel("whisper-1", chat=False), None, None),
        ("openrouter", ListedModel("a/b", reasoning=False), (), "live"),
        ("openai-compatible", ListedModel("anything"), None, None),
    ],
)
def test_efforts_of_the_record_where_the_list_states_none(
    provider_id: str, listed: ListedModel, efforts: Any, source: str | None
) -> None:
    provider = _shipped(provider_id)
    item = with_record_efforts(provider, _merged(provider, listed)[listed.id])
    assert item.efforts == efforts
    assert (item.facts.efforts.source if item.facts.efforts else None) == source
