"""Which verified files are refused, and why; what a comparison shows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from byokd.catalog.layers import bundled
from byokd.catalog.loader import load
from byokd.catalog.refresh import require_newer, require_plausible, require_usable
from byokd.catalog.shipped import shipped
from byokd.core.limits import (
    CATALOG_CHANGE_MAX_CHARS,
    CATALOG_CHANGES_MAX,
    CATALOG_DATE_AHEAD_MAX_DAYS,
    CATALOG_PRICE_FACTOR,
)
from byokd.protocol.errors import Conflict
from catalog_file import NEWER, Edit, Parts, a_provider, catalog_data, record_edit

PROVIDER = a_provider()
DAY = dt.date.fromisoformat(NEWER)


def _small(parts: Parts) -> None:
    """Keep one provider: checking all of them takes half a second."""
    parts["providers"] = [each for each in parts["providers"] if each["id"] == PROVIDER]
    parts["models"]["providers"] = {PROVIDER: parts["models"]["providers"][PROVIDER]}


def _refusal(call: Callable[[], object]) -> tuple[str, dict[str, Any]]:
    with pytest.raises(Conflict) as caught:
        call()
    details = caught.value.data().details
    assert isinstance(details, dict)
    return str(details["reason"]), details


def _lines(parts: Parts) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = parts["models"]["providers"][PROVIDER]
    return lines


def _model(**fields: Any) -> Edit:
    """Return an edit that adds a model."""
    return lambda parts: _lines(parts).append({"id": "invented-1"} | fields)


# --- usable --------------------------------------------------------------------------------------


def test_shipped_data_is_usable() -> None:
    """A field that `refresh` does not list, or a slow pattern, fails here."""
    require_usable(catalog_data())


REPAIRS: dict[str, Edit] = {
    "path": record_edit(PROVIDER, chat_path="/v2/other"),
    "note": record_edit(PROVIDER, notes=["retired"]),
    "row": lambda parts: parts["errors"].append(
        {"when": {"message": "no more"}, "kind": "modelNotFound", "source": "x"}
    ),
    "family": lambda parts: parts["families"]["families"].update({"brand-new": "brand-?new"}),
    "rule": lambda parts: parts["families"]["rows"].append({"models": "brand", "quirks": {}}),
    "model": _model(rates=[{"since": "2027-01-01", "utc": ["00:00", "08:00"], "input": "1",
                            "output": [[0, "2"], [200000, "4.5"]]}],
                    match=["any", [["starts", "invented"], ["like", "^inv-\\d+$"]]]),
}  # fmt: skip


@pytest.mark.parametrize("name", REPAIRS)
def test_data_may_change(name: str) -> None:
    require_usable(catalog_data(_small, REPAIRS[name]))


def _no_list(part: str) -> Edit:
    return lambda parts: parts.update({part: {}})


def _append(part: str, row: Any) -> Edit:
    return lambda parts: parts[part].append(row)


def _families(**fields: Any) -> Edit:
    return lambda parts: parts["families"].update(fields)


_SLOW = "(a+)+$"
_ROW = {"when": {"message": "x"}, "kind": "badRequest"}
_REFUSAL = {"message": "x", "source": "x", "checked": "2026-11-01"}
_NO_PATHS = ("", ".com", "@other.example/v1", "/a\r\nb: c", "/a b", "\\\\other.example", "/a#b")
_COUNT = {
    "dialect": "openai_chat", "chat_ending": "/a", "ending": "/b", "fields": [], "tokens": "/t",
}  # fmt: skip
REFUSED: list[tuple[Edit, str]] = [
    (_append("providers", {"id": "brand-new"}), "newProvider"),
    (_append("providers", "text"), "newProvider"),
    (record_edit(PROVIDER, base_url="https://evil.example/v1"), "fixedField"),
    (record_edit(PROVIDER, base_url=None), "content"),
    (record_edit(PROVIDER, auth={"scheme": "none"}), "fixedField"),
    (record_edit(PROVIDER, headers={"x-copy": "evil"}), "fixedField"),
    (record_edit(PROVIDER, companion_origins=["https://evil.example"]), "fixedField"),
    (record_edit(PROVIDER, overrides=True), "fixedField"),
    (record_edit(PROVIDER, keyless=True), "fixedField"),
    (record_edit(PROVIDER, pasted=[{"pattern": "x"}]), "fixedField"),
    (record_edit(PROVIDER, probe={"path": "/x", "url": "https://evil.example"}), "fixedField"),
    (record_edit(PROVIDER, models={"url": "https://evil.example"}), "fixedField"),
    (record_edit(PROVIDER, colour="red"), "content"),
    (record_edit(PROVIDER, dialect="morse"), "content"),
    (record_edit(PROVIDER, quirks={"colour": True}), "content"),
    (record_edit(PROVIDER, sources=None), "content"),
    (record_edit(PROVIDER, variants=[{"models": "(", "quirks": {}}]), "content"),
    (record_edit(PROVIDER, variants=[{"models": "(a+)+$", "quirks": {}}]), "pattern"),
    (record_edit(PROVIDER, variants=[{"models": "", "prefix": _SLOW, "quirks": {}}]), "pattern"),
    (record_edit(PROVIDER, errors=[_ROW | {"when": {"message": _SLOW}}]), "pattern"),
    (record_edit(PROVIDER, quirks={"tool_call_id_pattern": _SLOW}), "pattern"),
    (record_edit(PROVIDER, models={"fallback": {"non_chat_pattern": _SLOW}}), "pattern"),
    (record_edit(PROVIDER, probe={"path": "/m", "verdicts": [
        {"when": {"message": _SLOW}, "verdict": "valid"}]}), "pattern"),
    (record_edit(PROVIDER, refusals=[_REFUSAL | {"message": "(a+)+$"}]), "pattern"),
    (_append("refusals", _REFUSAL | {
        "then": "setQuirks", "quirks": {"tool_call_id_pattern": _SLOW}}), "pattern"),
    *((record_edit(PROVIDER, chat_path=path), "content") for path in _NO_PATHS),
    *((record_edit(PROVIDER, models={"path": path}), "content") for path in _NO_PATHS),
    *((record_edit(PROVIDER, probe={"path": path}), "content") for path in _NO_PATHS),
    (record_edit(PROVIDER, surfaces=[
        {"dialect": "openai_chat", "chat_path": ".example/v1"}]), "content"),
    *((record_edit(PROVIDER, token_counts=[_COUNT | change]), "content") for change in (
        {"chat_ending": ".com/v1/messages"}, {"ending": ".other.example/count"})),
    (record_edit(PROVIDER, quirks={"cache_key_header": "authorization"}), "content"),
    (record_edit(PROVIDER, quirks={"cache_key_header": "x-a: b\r\nhost"}), "content"),
    (record_edit(PROVIDER, sources=[{"url": "x", "checked": "2027-02-30"}]), "content"),
    (lambda parts: parts["providers"].append(parts["providers"][0]), "content"),
    (_no_list("providers"), "content"),
    (_no_list("errors"), "content"),
    (_append("errors", _ROW | {"kind": "invented"}), "content"),
    (_append("errors", _ROW | {"colour": 1}), "content"),
    (_append("errors", _ROW | {"when": {"message": "("}}), "pattern"),
    (_append("errors", _ROW | {"when": {"message": "(a|a)*$"}}), "pattern"),
    (_append("refusals", _REFUSAL | {"then": "setValue"}), "content"),
    (_append("refusals", _REFUSAL | {"message": "(a|a)*$"}), "pattern"),
    (_families(rows=[{"family": "invented", "quirks": {}}]), "content"),
    (_families(rows=[{"colour": 1, "quirks": {}}]), "content"),
    (_families(rows=[{"models": "x", "quirks": {"colour": 1}}]), "content"),
    (_families(rows=[{"models": "x", "quirks": {"images": "many"}}]), "content"),
    (_families(rows=[{"models": "x", "dialects": ["morse"], "quirks": {}}]), "content"),
    (_families(colour=1), "content"),
    (_families(families={"claude": 1}), "content"),
    (_families(families={"claude": _SLOW}), "pattern"),
    (_families(rows=[{"models": _SLOW, "quirks": {}}]), "pattern"),
    (lambda parts: parts.update(families=[]), "content"),
    (lambda parts: parts.update(models=[]), "content"),
    (lambda parts: parts["models"].update(colour=1), "content"),
    (lambda parts: parts["models"].update(currency="dollar"), "content"),
    (lambda parts: parts["models"]["providers"].update(unknown=[]), "content"),
    (_model(colour=1), "content"),
    (_model(id=""), "content"),
    (_model(context="many"), "content"),
    (_model(context=-1), "content"),
    (_model(output=10**30), "content"),
    (_model(name="a\x1b[2J"), "content"),
    (_model(name="a" * 201), "content"),
    (_model(rates=[{"input": 1}]), "content"),
    (_model(rates=[{"input": "-1"}]), "content"),
    (_model(rates=[{"input": "1e9"}]), "content"),
    (_model(rates=[{"input": []}]), "content"),
    (_model(rates=[{"input": [["0", "1"]]}]), "content"),
    (_model(rates=[{"since": "soon", "input": "1"}]), "content"),
    (_model(rates=[{"input": [[-1, "1"]]}]), "content"),
    (_model(rates=[{"since": "20270101", "input": "1"}]), "content"),
    (_model(rates=[{"utc": ["0", "8"], "input": "1"}]), "content"),
    (_model(rates=[{"utc": ["08:00", "29:00"], "input": "1"}]), "content"),
    (_model(rates=[{"colour": "1"}]), "content"),
    (_model(match=["is"]), "content"),
    (_model(match=["about", "x"]), "content"),
    (_model(match=["any", "x"]), "content"),
    (_model(match=["like", "(a+)+$"]), "pattern"),
    (_model(match=["like", "("]), "pattern"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "expected"), REFUSED)
def test_unusable_file_is_refused(edit: Edit, expected: str) -> None:
    assert _refusal(lambda: require_usable(catalog_data(_small, edit)))[0] == expected


def test_refusal_names_record_and_fields() -> None:
    data = catalog_data(record_edit(PROVIDER, auth={"scheme": "none"}, key_url="https://x.example"))
    assert _refusal(lambda: require_usable(data))[1] == {
        "reason": "fixedField", "provider": PROVIDER, "fields": ["auth", "key_url"],
    }  # fmt: skip


def test_depth_of_a_rule_is_bounded() -> None:
    rule: Any = ["is", "x"]
    for _ in range(8):
        rule = ["any", [rule]]
    require_usable(catalog_data(_model(match=rule)))
    data = catalog_data(_model(match=["any", [rule]]))
    assert _refusal(lambda: require_usable(data))[0] == "content"


# --- newer ---------------------------------------------------------------------------------------

_ACCEPTED_BEFORE = "2027-02-01"
DATES = [
    (NEWER, None, None),
    (NEWER, _ACCEPTED_BEFORE, None),
    (NEWER, NEWER, None),  # after an undo
    (bundled().date, None, "notNewer"),
    ("2020-01-01", None, "notNewer"),
    ("2027-01-31", _ACCEPTED_BEFORE, "notNewer"),
    ((DAY + dt.timedelta(CATALOG_DATE_AHEAD_MAX_DAYS)).isoformat(), None, None),
    ((DAY + dt.timedelta(CATALOG_DATE_AHEAD_MAX_DAYS + 1)).isoformat(), None, "future"),
]


@pytest.mark.parametrize(("day", "floor", "expected"), DATES)
def test_file_must_be_newer_and_not_from_the_future(
    day: str, floor: str | None, expected: str | None
) -> None:
    data = catalog_data(day=day)
    if expected is None:
        require_newer(data, bundled(), floor, DAY)
    else:
        assert _refusal(lambda: require_newer(data, bundled(), floor, DAY))[0] == expected


def test_date_in_use_is_not_accepted_again_with_other_content() -> None:
    current = catalog_data()
    other = catalog_data(_model())
    assert _refusal(lambda: require_newer(other, current, NEWER, DAY))[0] == "notNewer"


# --- plausible -----------------------------------------------------------------------------------


def _plausible(*edits: Edit, before: tuple[Edit, ...] = (), accept: bool = False) -> Any:
    current = catalog_data(_one_priced, *before, day="2027-02-01")
    return require_plausible(catalog_data(_one_priced, *edits), current, accept=accept)


def _one_priced(parts: Parts) -> None:
    parts["models"]["providers"] = {PROVIDER: parts["models"]["providers"][PROVIDER]}


def _ten_models(parts: Parts) -> None:
    parts["models"]["providers"][PROVIDER] = [{"id": f"m{n}"} for n in range(10)]


def _keep(number: int) -> Edit:
    def edit(parts: Parts) -> None:
        _ten_models(parts)
        del _lines(parts)[number:]

    return edit


def _rows(part: str, number: int) -> Edit:
    return lambda parts: parts.update({part: parts[part][:number]})


@pytest.mark.parametrize(("left", "refused"), [(10, False), (9, False), (8, True), (0, True)])
def test_list_that_lost_a_fifth_is_refused(left: int, *, refused: bool) -> None:
    if not refused:
        assert len(_plausible(_keep(left), before=(_ten_models,))[0]) == 10 - left
        return
    reason, details = _refusal(lambda: _plausible(_keep(left), before=(_ten_models,), accept=True))
    assert (reason, details["list"]) == ("shrank", "models")
    assert (details["before"], details["after"]) == (10, left)


def _few(number: int) -> Edit:
    def edit(parts: Parts) -> None:
        parts["models"]["providers"][PROVIDER] = [{"id": f"m{n}"} for n in range(number)]

    return edit


def test_short_list_may_lose_an_entry_but_not_all() -> None:
    assert len(_plausible(_few(3), before=(_few(4),))[0]) == 1
    assert _refusal(lambda: _plausible(_few(0), before=(_few(4),)))[0] == "shrank"
    assert _refusal(lambda: _plausible(_few(4), before=(_few(5),)))[0] == "shrank"


def test_list_of_one_provider_that_shrank_is_refused() -> None:
    current = catalog_data(_ten_models, day="2027-02-01")
    details = _refusal(lambda: require_plausible(catalog_data(_keep(8)), current, accept=True))[1]
    assert details["list"] == f"models of {PROVIDER}"


@pytest.mark.parametrize("part", ["errors", "refusals"])
def test_rows_that_shrank_are_refused(part: str) -> None:
    assert _refusal(lambda: _plausible(_rows(part, 1)))[1]["list"] == part


def test_missing_records_are_refused_by_number_and_else_stay() -> None:
    names = list(load())
    data = catalog_data(_rows("providers", len(names) - 1))
    require_usable(data)
    require_plausible(data, bundled(), accept=False)
    assert list(shipped(data)) == names
    assert not data.has(names[-1])
    most = len(names) * 4 // 5
    assert _refusal(lambda: _plausible(_rows("providers", most)))[1]["list"] == "providers"


def _priced(*rates: dict[str, Any]) -> Edit:
    return _model(rates=list(rates))


FACTOR = CATALOG_PRICE_FACTOR
PRICES: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"input": "2"}, {"input": "2.5"}, False),
    ({"input": "2"}, {"input": f"{2 * FACTOR - 1}.99"}, False),
    ({"input": "2"}, {"input": f"{2 * FACTOR}"}, True),
    ({"input": "2"}, {"input": "0.2"}, True),
    ({"input": "2"}, {"input": "0.21"}, False),
    ({"input": "0"}, {"input": "1"}, True),
    ({"output": "1"}, {"output": "0"}, True),
    ({"cache_read": "1"}, {"cache_read": "10"}, True),
    ({"request": "1"}, {"request": "10"}, True),
    ({"input": "1"}, {"input": [[0, "1"], [1000, "9"]]}, False),
    ({"input": "1"}, {"input": [[0, "1"], [1000, "10"]]}, True),
    ({"input": "1"}, {"output": "10"}, False),  # another rate, not a moved one
]


@pytest.mark.parametrize(("before", "after", "moved"), PRICES)
def test_price_that_moved_ten_fold_needs_to_be_accepted(
    before: dict[str, Any], after: dict[str, Any], *, moved: bool
) -> None:
    old = (_priced(before),)
    [change], more = _plausible(_priced(after), before=old, accept=True)
    assert (change.kind, change.needs_accept, more) == ("priceChanged", moved, 0)
    if moved:
        with pytest.raises(Conflict) as caught:
            _plausible(_priced(after), before=old)
        action = caught.value.data().action
        assert action is not None
        assert (action.type, action.details) == ("refreshCatalog", {"accept": True})
    else:
        _plausible(_priced(after), before=old)


def test_model_that_another_rule_prices_now_is_compared_by_that_price() -> None:
    """A price also moves if the line is gone and a rule of another one fits."""
    before = (_priced({"input": "1"}),)

    def after(parts: Parts) -> None:
        _lines(parts).append(
            {"id": "other", "match": ["starts", "invented"], "rates": [{"input": "20"}]}
        )

    assert _refusal(lambda: _plausible(after, before=before))[0] == "priceMoved"


@pytest.mark.parametrize(("after", "moved"), [("1000000", True), ("9", False)])
def test_scale_of_listed_prices_counts_as_a_price(after: str, *, moved: bool) -> None:
    def edit(scale: str) -> Edit:
        price = {"input": "/i", "output": "/o", "per_million": scale}
        return record_edit(PROVIDER, models={"path": "/models", "price": price})

    [change], _ = _plausible(edit(after), before=(edit("1"),), accept=True)
    assert change.needs_accept is moved


# --- changes -------------------------------------------------------------------------------------


def _shown(*edits: Edit, before: tuple[Edit, ...] = ()) -> list[tuple[str | None, ...]]:
    changes, _ = _plausible(*edits, before=before, accept=True)
    return [(c.kind, c.provider, c.subject, c.before, c.after) for c in changes]


CHANGES: list[tuple[Edit, tuple[Edit, ...], list[tuple[str | None, ...]]]] = [
    (lambda _parts: None, (), []),
    (
        _priced({"input": "2", "output": "10"}), (),
        [("modelAdded", PROVIDER, "invented-1", None, "input 2, output 10 USD")],
    ),
    (
        lambda _parts: None, (_model(),),
        [("modelRemoved", PROVIDER, "invented-1", "no price", None)],
    ),
    (
        _priced({"input": "2", "output": "10"}), (_priced({"input": "2", "output": "8"}),),
        [("priceChanged", PROVIDER, "invented-1", "output 8 USD", "output 10 USD")],
    ),
    (
        _model(context=2000), (_model(context=1000),),
        [("modelChanged", PROVIDER, "invented-1 context_tokens", "1000", "2000")],
    ),
    (
        record_edit(PROVIDER, chat_path="/new"), (record_edit(PROVIDER, chat_path="/old"),),
        [("recordChanged", PROVIDER, "chat_path", "/old", "/new")],
    ),
    (
        record_edit(PROVIDER, quirks={"images": False}), (record_edit(PROVIDER, quirks={}),),
        [("recordChanged", PROVIDER, "quirks.images", None, "false")],
    ),
    (
        record_edit(PROVIDER, errors=[_ROW]), (record_edit(PROVIDER, errors=[]),),
        [("rowAdded", PROVIDER, "errors", None, '{"when":{"message":"x"},"kind":"badRequest"}')],
    ),
    (
        lambda _parts: None, (_append("refusals", _REFUSAL),),
        [("rowRemoved", None, "refusals", '{"message":"x"}', None)],
    ),
    (
        lambda parts: parts["families"]["families"].update({"brand-new": "brand"}), (),
        [("recordChanged", None, "families.brand-new", None, "brand")],
    ),
    (
        lambda parts: parts["families"]["rows"].append({"models": "x", "quirks": {}}), (),
        [("rowAdded", None, "families", None, '{"models":"x","quirks":{}}')],
    ),
    (record_edit(PROVIDER, sources=[{"url": "x", "checked": "2027-01-01"}]), (), []),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "before", "expected"), CHANGES)
def test_change_is_shown(
    edit: Edit, before: tuple[Edit, ...], expected: list[tuple[str | None, ...]]
) -> None:
    assert _shown(edit, before=before) == expected


def test_long_value_of_a_change_is_cut() -> None:
    most = "x" * CATALOG_CHANGE_MAX_CHARS
    for note, shown in ((most, most), (most + "x", most[:-1] + "…")):
        [(*_, after)] = _shown(
            record_edit(PROVIDER, tool_calling=note),
            before=(record_edit(PROVIDER, tool_calling="-"),),
        )
        assert after == shown


@pytest.mark.parametrize("over", [0, 1])
def test_number_of_listed_changes_is_bounded(over: int) -> None:
    def many(parts: Parts) -> None:
        _lines(parts).extend({"id": f"m{n}"} for n in range(CATALOG_CHANGES_MAX + over))

    changes, more = _plausible(many)
    assert (len(changes), more) == (CATALOG_CHANGES_MAX, over)
