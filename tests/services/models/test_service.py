"""`model/list` over time: what is asked, what is kept, and what is said when it cannot be had."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from pydantic_core import to_json

from byokd.catalog.loader import load
from byokd.catalog.models import known_models
from byokd.catalog.record import Models as Recipe, Provider
from byokd.core.limits import MODEL_LIST_FRESH_MS, MODEL_PAGE_MAX_BYTES, MODEL_PAGES_MAX
from byokd.core.secret import Secret
from byokd.core.settings import OwnModel, OwnPrice
from byokd.model_cache import CachedModelList, ModelCache
from byokd.protocol.errors import ByokdError, KeyMissing, NetworkFailed, VaultLocked
from byokd.protocol.lifecycle import Features
from byokd.protocol.model import (
    ModelListParams,
    ModelListResult,
    ModelPrice,
    ModelRefreshParams,
)
from byokd.provider_api.model_lists import ListedModel
from byokd.services.keys.credentials import Credential
from byokd.services.keys.resolver import CredentialResolver
from byokd.services.models import service as room
from byokd.services.models.merge import listed_model_info, merge_models
from byokd.services.models.service import ModelService
from byokd.services.runtime.background import Background
from byokd.services.runtime.session import Session
from byokd.store.paths import store_paths
from byokd.transport.scripted import CannedResponse, ScriptedResult, ScriptedTransport
from recorded import BARE
from recording_client import RecordingClient

pytestmark = pytest.mark.anyio

KEY = "sk-test-canary-0123456789"
BASE = "https://a.example/v1"
DOWN = NetworkFailed("no way out", details={"reason": "dns"})


def _list(*names: str, **more: Any) -> CannedResponse:
    return CannedResponse(200, {}, (to_json({"data": [{"id": name} for name in names], **more}),))


@dataclass
class Keys:
    """Stands in for `CredentialResolver`: a key for every record, or what `refuses` raises."""

    records_: tuple[Provider, ...] = (BARE,)
    refuses: ByokdError | None = None
    base_url: str = BASE

    def record(self, _session: Session, provider: str) -> Provider:
        return next(record for record in self.records_ if record.id == provider)

    def records(self, _session: Session) -> tuple[Provider, ...]:
        return self.records_

    async def records_with_keys(self, _session: Session) -> tuple[Provider, ...]:
        return self.records_

    async def resolve_auto(
        self, session: Session, record: Provider, key_id: str | None
    ) -> Credential:
        return await self.resolve_key(session, record, key_id)

    async def resolve_key(
        self, _session: Session, record: Provider, _key_id: str | None
    ) -> Credential:
        if self.refuses is not None:
            raise self.refuses
        return Credential(
            record, self.base_url, at_default_origin=True, fields={"apiKey": Secret(KEY)}
        )


@dataclass
class Room:
    """The room under test, and everything around it."""

    models: ModelService
    transport: ScriptedTransport
    keys: Keys
    heard: RecordingClient = field(default_factory=RecordingClient)

    @property
    def session(self) -> Session:
        return Session("default", self.heard, None, Features(), can_prompt=False)

    async def list(self, **params: Any) -> ModelListResult:
        return await self.models.list(self.session, ModelListParams(limit=1000, **params))


@asynccontextmanager
async def _room(
    *script: ScriptedResult,
    records: tuple[Provider, ...] = (BARE,),
    disk: Path | None = None,
    answer: Callable[[Any], ScriptedResult] | None = None,
) -> AsyncIterator[Room]:
    transport, keys = ScriptedTransport(answer or script), Keys(records)
    lists = ModelCache(store_paths(disk) if disk else None)
    background = Background()
    models = ModelService(cast("CredentialResolver", keys), transport, lists, background)
    try:
        yield Room(models, transport, keys)
    finally:
        await background.aclose()
        await lists.aclose()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give the time of day as a list of one number."""
    time = [1_000_000]
    monkeypatch.setattr(room, "now_ms", lambda: time[0])
    return time


def _ids(result: ModelListResult) -> list[str]:
    return [item.id for item in result.items if item.source == "live"]


async def test_a_fresh_list_is_asked_for_once(clock: list[int]) -> None:
    async with _room(_list("m")) as here:
        for _ in range(3):
            result = await here.list()
            assert (_ids(result), result.stale, result.failures) == (["m"], False, ())
            clock[0] += MODEL_LIST_FRESH_MS // 2
            assert result.items[0].seen_at == 1_000_000
        assert [name for name, _ in here.heard.notes] == ["model/changed"]


async def test_an_old_list_is_shown_at_once_and_asked_for_behind(clock: list[int]) -> None:
    async with _room(_list("m"), _list("m", "n")) as here:
        await here.list()
        clock[0] += MODEL_LIST_FRESH_MS + 1
        result = await here.list()
        assert (_ids(result), result.stale) == (["m"], True)
        with anyio.fail_after(5):
            while len(here.heard.notes) < 2:
                await anyio.lowlevel.checkpoint()
        result = await here.list()
        assert (_ids(result), result.stale) == (["m", "n"], False)
        assert here.heard.notes[1][1].model_dump(exclude={"meta"}) == {
            "provider": BARE.id, "key_id": None, "models": 2, "seen_at": clock[0],
        }  # fmt: skip


async def test_a_failed_refresh_keeps_the_list_and_says_how_old_it_is(clock: list[int]) -> None:
    async with _room(_list("m"), DOWN, DOWN) as here:
        await here.list()
        clock[0] += MODEL_LIST_FRESH_MS + 1
        result = await here.list(refresh=True)
        assert (_ids(result), result.stale) == (["m"], True)
        [failure] = result.failures
        assert (failure.kind, failure.seen_at) == ("network", 1_000_000)
        refreshed = await here.models.refresh(here.session, ModelRefreshParams())
        assert (refreshed.refreshed, len(refreshed.failures)) == ((), 1)


async def test_without_a_connection_the_last_run_s_list_is_there(tmp_path: Path) -> None:
    async with _room(_list("m"), disk=tmp_path) as here:
        await here.list()
    async with _room(DOWN, DOWN, disk=tmp_path) as here:
        assert _ids(await here.list()) == ["m"]
        assert here.transport.requests == []
        result = await here.list(refresh=True)
        assert (_ids(result), result.failures[0].kind) == (["m"], "network")
        here.keys.base_url = "https://moved.example/v1"  # another address has another list
        assert _ids(await here.list()) == []


async def test_a_locked_vault_hides_no_models(tmp_path: Path) -> None:
    async with _room(_list("m"), disk=tmp_path) as here:
        await here.list()
        here.keys.refuses = VaultLocked("locked")
        result = await here.list()
        assert (_ids(result), result.failures[0].kind) == (["m"], "vaultLocked")
        assert result.failures[0].seen_at is not None
        here.keys.refuses = KeyMissing("none")
        result = await here.list()
        assert (_ids(result), result.failures) == ([], ())


async def test_a_refresh_goes_with_the_first_page_only() -> None:
    async with _room(_list("m", "n"), _list("x")) as here:
        first = await here.models.list(here.session, ModelListParams(limit=1, refresh=True))
        assert (first.items[0].id, first.next_cursor) == ("m", "1")
        params = ModelListParams(limit=1, refresh=True, cursor=first.next_cursor)
        assert (await here.models.list(here.session, params)).items[0].id == "n"


async def test_who_asks_meanwhile_shares_the_answer() -> None:
    gate = anyio.Event()
    slow = CannedResponse(200, {}, (b'{"data":["m"', gate, b"]}"))
    async with _room(slow, _list("other")) as here:
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(here.list)
            while not here.transport.requests:
                await anyio.lowlevel.checkpoint()
            gate.set()
        assert len(here.transport.requests) == 1


async def test_one_provider_that_hangs_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MODEL_LIST_TIMEOUT_MS", 50)
    hangs = BARE.model_copy(update={"id": "hangs"})
    never = CannedResponse(200, {}, (anyio.Event(),))

    def answer(_request: Any) -> ScriptedResult:
        return never if next(count) == 0 else _list("m")

    count = itertools.count()
    async with _room(records=(hangs, BARE), answer=answer) as here:
        result = await here.list()
        assert _ids(result) == ["m"]
        assert [(f.provider, f.kind) for f in result.failures] == [("hangs", "timeout")]


def _paged(**more: Any) -> Provider:
    recipe = Recipe(path="/models", next_pointer="/next", next_query="after", **more)
    return BARE.model_copy(update={"models": recipe})


async def test_pages_are_followed_to_their_end() -> None:
    async with _room(
        _list("a", next="1"), _list("b", next="2"), _list("c"), records=(_paged(),)
    ) as it:
        assert _ids(await it.list()) == ["a", "b", "c"]
        assert [request.url for request in it.transport.requests] == [
            f"{BASE}/models", f"{BASE}/models?after=1", f"{BASE}/models?after=2",
        ]  # fmt: skip


async def test_endless_pages_end() -> None:
    count = itertools.count()

    def answer(_request: Any) -> ScriptedResult:
        number = next(count)
        return _list(f"m{number}", next=f"n{number}")

    async with _room(records=(_paged(),), answer=answer) as here:
        assert len(_ids(await here.list())) == len(here.transport.requests) == MODEL_PAGES_MAX


@pytest.mark.parametrize("circle", [["1"], ["1", "2"], ["1", "2", "3"]])
async def test_pages_in_a_circle_end(circle: list[str]) -> None:
    answers = itertools.cycle(_list("a", next=cursor) for cursor in circle)
    async with _room(records=(_paged(),), answer=lambda _request: next(answers)) as here:
        assert _ids(await here.list()) == ["a"]
        assert len(here.transport.requests) == len(circle) + 1


async def test_a_page_that_fails_fails_the_list() -> None:
    async with _room(_list("a", next="1"), DOWN, records=(_paged(),)) as here:
        result = await here.list()
        assert (_ids(result), result.failures[0].kind) == ([], "network")


@pytest.mark.parametrize("extra", [0, 1])
async def test_page_bound(extra: int) -> None:
    body = b'["m"]'.ljust(MODEL_PAGE_MAX_BYTES + extra)
    async with _room(CannedResponse(200, {}, (body,))) as here:
        result = await here.list()
        assert (_ids(result) == [], len(result.failures)) == (bool(extra), extra)


async def test_no_key_in_what_a_refused_list_says() -> None:
    said = to_json({"error": {"message": f"Incorrect API key provided: {KEY}"}})
    async with _room(CannedResponse(401, {}, (said,))) as here:
        result = await here.list()
        assert result.failures[0].kind == "keyInvalid"
        assert KEY not in result.model_dump_json()


LISTLESS = [record for record in load().values() if not (record.models.path or record.models.url)]


@pytest.mark.parametrize("record", LISTLESS, ids=lambda record: record.id)
async def test_a_provider_without_a_list_names_its_models(record: Provider) -> None:
    async with _room(records=(record,)) as here:
        result = await here.list()
        assert result.failures == ()
        assert set(record.models.static) <= {item.id for item in result.items}
        assert {item.source for item in result.items} <= {"catalog", "static"}


async def test_every_provider_is_listed_without_a_key() -> None:
    records = tuple(load().values())
    known = {r.id for r in records if known_models(r.id) or r.models.static}
    listed: set[str] = set()
    async with _room(records=records) as here:
        here.keys.refuses = KeyMissing("none")
        cursor: str | None = "0"
        while cursor is not None:
            result = await here.list(all_providers=True, cursor=cursor)
            assert {item.source for item in result.items} <= {"catalog", "static"}
            assert result.failures == ()
            listed |= {item.provider for item in result.items}
            cursor = result.next_cursor
        assert here.transport.requests == []
    assert listed == known


async def test_what_a_person_states_wins_and_what_nobody_lists_is_there() -> None:
    own = (
        OwnModel(id="m", context_tokens=7, price=OwnPrice(input="1", output="2")),
        OwnModel(id="mine", name="My own", tools=True),
    )
    recipe = BARE.models.model_copy(update={"own": own, "static": ("{deployment}", "{other}")})
    record = BARE.model_copy(update={"models": recipe})
    live = CachedModelList((listed_model_info(BARE, ListedModel("m", name="M"), 5),), 5)
    items = {item.id: item for item in merge_models(record, live, {"deployment": "gpt-4o-here"})}

    assert [*items] == ["m", "gpt-4o-here", "mine"]
    listed, deployed, mine = items.values()
    assert (listed.source, listed.name, listed.context_tokens) == ("live", "M", 7)
    assert listed.price == ModelPrice(input="1", output="2")
    assert deployed.source == "static"
    assert (mine.source, mine.name, mine.tools, mine.seen_at) == ("user", "My own", True, None)
