"""Costs: exact decimal arithmetic; an unknown part makes the cost unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from byokd.catalog.layers import bundled
from byokd.catalog.models import ModelFacts, Rates, Tiers, facts, known_models
from byokd.catalog.pricing import list_price, own_price, price, rates_at
from byokd.core.settings import OwnPrice
from byokd.protocol.usage import Cost, Usage
from catalog_file import a_provider, catalog_data

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def _flat(amount: str) -> Tiers:
    return ((0, Decimal(amount)),)


def _model(*rates: Rates) -> ModelFacts:
    return ModelFacts(
        provider="p", id="m", name=None, context_tokens=None, output_tokens=None,
        input_modalities=None, tools=None, reasoning=None, deprecated=None, rates=rates,
        currency="USD", as_of="2026-11-23",
    )  # fmt: skip


FULL = Rates(
    input=_flat("3"), output=_flat("15"), cache_read=_flat("0.3"), cache_write=_flat("3.75"),
    search=_flat("10"),
)  # fmt: skip
PLAIN = Rates(input=_flat("3"), output=_flat("15"))
TIERED = Rates(
    input=((0, Decimal(3)), (200_000, Decimal(6))),
    output=((0, Decimal(15)), (200_000, Decimal("22.5"))),
)
ASKING = Rates(input=_flat("1"), output=_flat("1"), request=_flat("5"))
FREE = Rates(input=_flat("0"), output=_flat("0"))

COSTS = (
    ("every bucket once", FULL,
     Usage(input_fresh=1000, input_cache_read=1000, input_cache_write=1000, output_text=1000,
           output_reasoning=1000, searches=2), "0.05705"),
    ("reasoning is output", FULL, Usage(output_reasoning=1_000_000), "15"),
    ("one token", FULL, Usage(input_cache_read=1), "0.0000003"),
    ("nothing", FULL, Usage(), "0"),
    ("no cache price: as fresh", PLAIN, Usage(input_cache_read=1000, input_cache_write=1000),
     "0.006"),
    ("below the tier", TIERED, Usage(input_fresh=200_000, output_text=1000), "0.615"),
    ("past the tier", TIERED, Usage(input_fresh=200_001, output_text=1000), "1.222506"),
    ("cached tokens lengthen the prompt", TIERED,
     Usage(input_fresh=1, input_cache_read=200_000), "1.200006"),
    ("a fee for each request", ASKING, Usage(), "0.005"),
    ("free is zero", FREE, Usage(input_fresh=10**6, output_text=10**6), "0"),
    ("unknown search price", PLAIN, Usage(input_fresh=1000, searches=1), None),
    ("unknown output price", Rates(input=_flat("3")), Usage(input_fresh=1, output_text=1), None),
    ("unknown input price", Rates(output=_flat("3")), Usage(input_fresh=1), None),
    ("unknown and unused", Rates(input=_flat("3")), Usage(input_fresh=1000), "0.003"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("rates", "usage", "amount"), [row[1:] for row in COSTS], ids=[row[0] for row in COSTS]
)
def test_cost(rates: Rates, usage: Usage, amount: str | None) -> None:
    cost = price(usage, _model(rates), NOON)
    assert cost.amount == amount
    assert cost.source == ("catalog" if amount is not None else "unknown")
    assert (cost.currency, cost.as_of) == ("USD", "2026-11-23")
    assert cost.parts is not None
    parts = cost.parts.model_dump().values()
    if amount is not None:
        assert sum(Decimal(part) for part in parts) == Decimal(amount)
    else:
        assert None in parts


def test_cost_names_the_prices_that_were_used() -> None:
    data = catalog_data(day="2027-03-01")
    model = next(iter(known_models(a_provider(), data)))
    at_catalog = facts(a_provider(), model, data)
    assert at_catalog is not None
    assert price(Usage(), at_catalog, NOON).basis == f"refreshed:{data.digest[:16]}"
    bundled_facts = facts(a_provider(), model)
    assert bundled_facts is not None
    assert price(Usage(), bundled_facts, NOON).basis == f"bundled:{bundled().digest[:16]}"
    own = [own_price(Usage(), OwnPrice(input=text, output="1")).basis for text in ("1", "2", "1")]
    assert own[0] == own[2] != own[1]
    assert str(own[0]).startswith("user:")


@pytest.mark.parametrize("facts", [None, _model()], ids=["no model", "no price"])
def test_cost_of_an_unknown_model_is_unknown(facts: ModelFacts | None) -> None:
    assert price(Usage(input_fresh=1), facts, NOON) == Cost()


OLD, NEW = Rates(input=_flat("5")), Rates(since="2026-09-01", input=_flat("2"))
DAY, NIGHT = Rates(utc=("00:30", "16:30"), input=_flat("3")), Rates(
    utc=("16:30", "00:30"), input=_flat("4")
)  # fmt: skip
TIMES = (
    ("before the change", (OLD, NEW), datetime(2026, 8, 31, 23, 59, tzinfo=UTC), "5"),
    ("on the day", (OLD, NEW), datetime(2026, 9, 1, tzinfo=UTC), "2"),
    ("by UTC, not by the wall", (OLD, NEW),
     datetime(2026, 9, 1, 1, tzinfo=timezone(timedelta(hours=2))), "5"),
    ("without a zone", (OLD, NEW), datetime(2026, 9, 1), "2"),  # noqa: DTZ001
    ("in the hours", (OLD, DAY), datetime(2026, 1, 1, 0, 30, tzinfo=UTC), "3"),
    ("at their end", (OLD, DAY), datetime(2026, 1, 1, 16, 30, tzinfo=UTC), "5"),
    ("over midnight", (OLD, NIGHT), datetime(2026, 1, 1, 0, 29, tzinfo=UTC), "4"),
    ("outside", (OLD, NIGHT), NOON, "5"),
    ("none holds: the first", (NEW,), datetime(2025, 1, 1, tzinfo=UTC), "2"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("rates", "at", "expected"), [row[1:] for row in TIMES], ids=[row[0] for row in TIMES]
)
def test_price_at_a_time(rates: tuple[Rates, ...], at: datetime, expected: str) -> None:
    assert rates_at(_model(*rates), at) is not None
    shown = list_price(_model(*rates), at)
    assert shown is not None
    assert (shown.input, shown.output, shown.as_of) == (expected, None, "2026-11-23")


def test_model_without_prices_has_no_list_price() -> None:
    assert list_price(_model(), NOON) is None


@pytest.mark.parametrize(
    ("prices", "amount"),
    [
        ({"input": "3", "output": "15"}, "0.0225"),
        ({"input": "3", "output": "15", "cache_read": "0.3"}, "0.0198"),
        ({"input": "0", "output": "0"}, "0"),
    ],
)
def test_users_own_price(prices: dict[str, str], amount: str) -> None:
    used = Usage(input_fresh=1000, input_cache_read=1000, output_text=900, output_reasoning=200)
    cost = own_price(used, OwnPrice.model_validate({"currency": "EUR"} | prices))

    assert (cost.amount, cost.currency, cost.source, cost.as_of) == (amount, "EUR", "user", None)


def test_search_without_an_own_price_makes_the_cost_unknown() -> None:
    cost = own_price(Usage(input_fresh=1, searches=1), OwnPrice(input="3", output="15"))

    assert (cost.amount, cost.source) == (None, "unknown")
