"""`model/list` over time: what is fetched, cached and reported when a fetch fails."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields as dataclass_fields
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from pydantic_core import to_json

from byokd.catalog.loader import load
from byokd.catalog.models import known_models
from byokd.catalog.record import Models as ListRecord, Provider
from byokd.core.limits import (
    MODEL_LIST_FRESH_MS,
    MODEL_LIST_RETRY_MS,
    MODEL_PAGE_MAX_BYTES,
    MODEL_PAGES_MAX,
)
from byokd.core.secret import Secret
from byokd.core.settings import OwnModel, OwnPrice
from byokd.model_cache import CachedModelList, ModelCache, ModelListKey
from byokd.protocol.errors import ByokdError, KeyMissing, NetworkFailed, VaultLocked
from byokd.protocol.lifecycle import Features
from byokd.protocol.model import (
    ModelInfo,
    ModelListParams,
    ModelListResult,
    ModelPrice,
    ModelRefreshParams,
)
from byokd.provider_api.model_lists import ListedModel
from byokd.services.keys.credentials import Credential, credential_of
from byokd.services.keys.origin import read_base_url
from byokd.services.keys.resolver import CredentialResolver, disabled_error
from byokd.services.models import lists as lists_module, service as service_module
from byokd.services.models.lists import ModelLists
from byokd.services.models.merge import MergeOptions, listed_model_info, merge_models
from byokd.services.models.service import ModelService
from byokd.services.runtime.background import Background
from byokd.services.runtime.session import Session
from byokd.store.paths import store_paths
from byokd.vault import KeyRow, OpenedKey
from recorded import BARE
from recording_client import RecordingClient
from scripted_transport import CannedResponse, ScriptedResult, ScriptedTransport
from waits import WAIT_MAX_S

pytestmark = pytest.mark.anyio

KEY = "sk-test-canary-0123456789"
BASE = "https://a.example/v1"
DOWN = NetworkFailed("no network", details={"reason": "dns"})


def _list(*names: str, **more: Any) -> CannedResponse:
    return CannedResponse(200, {}, (to_json({"data": [{"id": name} for name in names], **more}),))


@dataclass
class Keys:
    """Stands in for `CredentialResolver`: a key for every record, or what `refuses` raises."""

    records_: tuple[Provider, ...] = (BARE,)
    refuses: ByokdError | None = None
    base_url: str = BASE
    rows: tuple[KeyRow, ...] = ()

    def record(self, _session: Session, provider: str) -> Provider:
        return next(record for record in self.records_ if record.id == provider)

    def records(self, _session: Session) -> tuple[Provider, ...]:
        return self.records_

    async def rows_by_provider(self, _session: Session) -> dict[str, list[KeyRow]]:
        if self.refuses is not None and self.refuses.kind == "vaultLocked":
            raise self.refuses
        rows: dict[str, list[KeyRow]] = {record.id: [] for record in self.records_}
        for row in self.rows:
            rows.setdefault(row.provider, []).append(row)
        return rows

    async def row_of_key(self, _session: Session, key_id: str) -> KeyRow:
        return next(row for row in self.rows if row.key_id == key_id)

    async def resolve_auto(
        self, session: Session, record: Provider, key_id: str | None
    ) -> Credential:
        return await self.resolve_key(session, record, key_id)

    async def resolve_key(
        self, _session: Session, record: Provider, key_id: str | None
    ) -> Credential:
        if self.refuses is not None:
            raise self.refuses
        rows = [row for row in self.rows if row.provider == record.id]
        rows.sort(key=lambda row: not row.is_default)
        if rows:
            row = next(row for row in rows if key_id in {row.key_id, None})
            if not row.usable:
                raise disabled_error(row, record)
            return credential_of(record, OpenedKey(row, {"apiKey": Secret(KEY)}))
        return Credential(
            record, self.base_url, at_default_origin=True, fields={"apiKey": Secret(KEY)}
        )


@dataclass
class Fixture:
    """The service under test with its transport, its keys and its client."""

    models: ModelService
    transport: ScriptedTransport
    keys: Keys
    lists: ModelLists
    background: Background
    client: RecordingClient = field(default_factory=RecordingClient)

    @property
    def session(self) -> Session:
        return Session("default", self.client, None, Features())

    async def list(self, **params: Any) -> ModelListResult:
        return await self.models.list(self.session, ModelListParams(limit=1000, **params))


@asynccontextmanager
async def _service(
    *script: ScriptedResult,
    records: tuple[Provider, ...] = (BARE,),
    disk: Path | None = None,
    respond: Callable[[Any], ScriptedResult] | None = None,
) -> AsyncIterator[Fixture]:
    transport, keys = ScriptedTransport(respond or script), Keys(records)
    cache = ModelCache(store_paths(disk) if disk else None)
    background = Background()
    lists = ModelLists(cache)
    models = ModelService(cast("CredentialResolver", keys), transport, lists, background)
    try:
        yield Fixture(models, transport, keys, lists, background)
    finally:
        await background.aclose()
        await cache.aclose()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give the time of day as a list of one number."""
    time = [1_000_000]
    for module in (service_module, lists_module):
        monkeypatch.setattr(module, "now_ms", lambda: time[0])
    return time


def _ids(result: ModelListResult) -> list[str]:
    return [item.id for item in result.items if item.source == "live"]


async def test_fresh_list_is_fetched_once(clock: list[int]) -> None:
    async with _service(_list("m")) as fixture:
        for _ in range(3):
            result = await fixture.list()
            assert (_ids(result), result.stale, result.failures) == (["m"], False, ())
            clock[0] += MODEL_LIST_FRESH_MS // 2
            assert result.items[0].seen_at == 1_000_000
        assert [name for name, _ in fixture.client.notes] == ["model/changed"]


async def test_old_list_is_returned_at_once_and_renewed_in_the_background(clock: list[int]) -> None:
    async with _service(_list("m"), _list("m", "n")) as fixture:
        await fixture.list()
        clock[0] += MODEL_LIST_FRESH_MS + 1
        result = await fixture.list()
        assert (_ids(result), result.stale) == (["m"], True)
        with anyio.fail_after(WAIT_MAX_S):
            while len(fixture.client.notes) < 2:
                await anyio.lowlevel.checkpoint()
        result = await fixture.list()
        assert (_ids(result), result.stale) == (["m", "n"], False)
        assert fixture.client.notes[1][1].model_dump(exclude={"meta"}) == {
            "provider": BARE.id, "key_id": None, "models": 2, "seen_at": clock[0],
        }  # fmt: skip


async def test_failed_refresh_keeps_the_list_and_reports_its_age(clock: list[int]) -> None:
    async with _service(_list("m"), DOWN, DOWN) as fixture:
        await fixture.list()
        clock[0] += MODEL_LIST_FRESH_MS + 1
        result = await fixture.list(refresh=True)
        assert (_ids(result), result.stale) == (["m"], True)
        [failure] = result.failures
        assert (failure.kind, failure.seen_at) == ("network", 1_000_000)
        refreshed = await fixture.models.refresh(fixture.session, ModelRefreshParams())
        assert (refreshed.refreshed, len(refreshed.failures)) == ((), 1)


async def test_list_of_the_last_run_is_returned_without_a_connection(tmp_path: Path) -> None:
    async with _service(_list("m"), disk=tmp_path) as fixture:
        await fixture.list()
    async with _service(DOWN, DOWN, disk=tmp_path) as fixture:
        assert _ids(await fixture.list()) == ["m"]
        assert fixture.transport.requests == []
        result = await fixture.list(refresh=True)
        assert (_ids(result), result.failures[0].kind) == (["m"], "network")
        fixture.keys.base_url = "https://moved.example/v1"  # another address has another list
        assert _ids(await fixture.list()) == []


async def test_locked_vault_hides_no_models(tmp_path: Path) -> None:
    async with _service(_list("m"), disk=tmp_path) as fixture:
        await fixture.list()
        fixture.keys.refuses = VaultLocked("locked")
        result = await fixture.list()
        assert (_ids(result), result.failures[0].kind) == (["m"], "vaultLocked")
        assert result.failures[0].seen_at is not None
        fixture.keys.refuses = KeyMissing("none")
        result = await fixture.list()
        assert (_ids(result), result.failures) == ([], ())


async def test_refresh_applies_to_the_first_page_only() -> None:
    async with _service(_list("m", "n"), _list("x")) as fixture:
        first = await fixture.models.list(fixture.session, ModelListParams(limit=1, refresh=True))
        assert (first.items[0].id, first.next_cursor) == ("m", "1")
        params = ModelListParams(limit=1, refresh=True, cursor=first.next_cursor)
        assert (await fixture.models.list(fixture.session, params)).items[0].id == "n"


async def test_concurrent_requests_share_one_fetch() -> None:
    gate = anyio.Event()
    slow = CannedResponse(200, {}, (b'{"data":["m"', gate, b"]}"))
    async with _service(slow, _list("other")) as fixture:
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(fixture.list)
            while not fixture.transport.requests:
                await anyio.lowlevel.checkpoint()
            gate.set()
        assert len(fixture.transport.requests) == 1


async def test_missing_answer_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "MODEL_LIST_TIMEOUT_MS", 50)
    async with _service(CannedResponse(200, {}, (anyio.Event(),))) as fixture:
        result = await fixture.list()
        assert [(f.provider, f.kind) for f in result.failures] == [(BARE.id, "timeout")]


async def test_slow_provider_does_not_delay_others() -> None:
    """The second list is complete while the first one has not begun."""
    slow, gate = BARE.model_copy(update={"id": "slow"}), anyio.Event()
    responses = iter([CannedResponse(200, {}, (gate, DOWN)), _list("m")])
    async with _service(records=(slow, BARE), respond=lambda _request: next(responses)) as fixture:
        results: list[ModelListResult] = []

        async def collect() -> None:
            results.append(await fixture.list())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(collect)
            with anyio.fail_after(WAIT_MAX_S):
                while not fixture.client.notes:
                    await anyio.lowlevel.checkpoint()
            gate.set()
        assert _ids(results[0]) == ["m"]
        assert [(f.provider, f.kind) for f in results[0].failures] == [("slow", "network")]


def _paged(**more: Any) -> Provider:
    models = ListRecord(path="/models", next_pointer="/next", next_query="after", **more)
    return BARE.model_copy(update={"models": models})


async def test_all_pages_are_fetched() -> None:
    async with _service(
        _list("a", next="1"), _list("b", next="2"), _list("c"), records=(_paged(),)
    ) as fixture:
        assert _ids(await fixture.list()) == ["a", "b", "c"]
        assert [request.url for request in fixture.transport.requests] == [
            f"{BASE}/models", f"{BASE}/models?after=1", f"{BASE}/models?after=2",
        ]  # fmt: skip


async def test_endless_pages_are_bounded() -> None:
    count = itertools.count()

    def respond(_request: Any) -> ScriptedResult:
        number = next(count)
        return _list(f"m{number}", next=f"n{number}")

    async with _service(records=(_paged(),), respond=respond) as fixture:
        assert len(_ids(await fixture.list())) == len(fixture.transport.requests) == MODEL_PAGES_MAX


@pytest.mark.parametrize("cursors", [["1"], ["1", "2"], ["1", "2", "3"]])
async def test_repeating_cursors_end_the_list(cursors: list[str]) -> None:
    responses = itertools.cycle(_list("a", next=cursor) for cursor in cursors)
    async with _service(records=(_paged(),), respond=lambda _request: next(responses)) as fixture:
        assert _ids(await fixture.list()) == ["a"]
        assert len(fixture.transport.requests) == len(cursors) + 1


async def test_failed_page_fails_the_list() -> None:
    async with _service(_list("a", next="1"), DOWN, records=(_paged(),)) as fixture:
        result = await fixture.list()
        assert (_ids(result), result.failures[0].kind) == ([], "network")


@pytest.mark.parametrize("extra", [0, 1])
async def test_page_over_its_bound_fails_the_list(extra: int) -> None:
    body = b'["m"]'.ljust(MODEL_PAGE_MAX_BYTES + extra)
    async with _service(CannedResponse(200, {}, (body,))) as fixture:
        result = await fixture.list()
        assert (_ids(result) == [], len(result.failures)) == (bool(extra), extra)


async def test_key_in_a_refused_list_is_redacted() -> None:
    body = to_json({"error": {"message": f"Incorrect API key provided: {KEY}"}})
    async with _service(CannedResponse(401, {}, (body,))) as fixture:
        result = await fixture.list()
        assert result.failures[0].kind == "keyInvalid"
        assert KEY not in result.model_dump_json()


# --- several keys, keys that cannot be used, and servers that do not run --------------------------


def _row(key_id: str, base_url: str = BASE, *, provider: str = BARE.id, **more: Any) -> KeyRow:
    values: dict[str, Any] = dict.fromkeys(name.name for name in dataclass_fields(KeyRow))
    known = {
        "account": "default", "provider": provider, "state": "active", "is_default": False,
        "allow_insecure": False, "fields": {"apiKey": None}, "health": {}, "distrusted": False,
        "origin": read_base_url(base_url).origin, "key_id": key_id, "base_url": base_url,
    }  # fmt: skip
    return KeyRow(**values | known | more)


def _keys_of(result: ModelListResult) -> list[tuple[str, str | None, str | None]]:
    return [
        (item.id, item.key_id, item.unavailable.kind if item.unavailable else None)
        for item in result.items
    ]


def _by_host(request: Any) -> ScriptedResult:
    return _list(f"of-{request.url.split('/')[2].split('.')[0]}")


_KEY_A, _KEY_B, _KEY_C, _KEY_2, _KEY_3 = (f"key_{letter * 26}" for letter in "abc23")
_A, _B, _C = (f"https://{name}.example/v1" for name in "abc")


@pytest.mark.parametrize(
    ("rows", "listed"),
    [
        ([_row(_KEY_A, _A, is_default=True)], [("of-a", None, None)]),
        (
            [_row(_KEY_B, _B), _row(_KEY_A, _A, is_default=True)],
            [("of-a", None, None), ("of-b", _KEY_B, None)],
        ),
        (
            [_row(_KEY_A, _A, is_default=True), _row(_KEY_2, _A), _row(_KEY_B, _B),
             _row(_KEY_3, _B)],
            [("of-a", None, None), ("of-b", _KEY_B, None)],
        ),
        (  # the default key is disabled, and another has the same address
            [_row(_KEY_A, _A, is_default=True, state="softDisabled"), _row(_KEY_2, _A)],
            [("of-a", _KEY_2, None)],
        ),
        (  # no list was seen with the disabled key
            [_row(_KEY_A, _A, is_default=True), _row(_KEY_C, _C, state="userDisabled")],
            [("of-a", None, None)],
        ),
    ],
)  # fmt: skip
async def test_each_address_of_a_provider_gives_its_list(
    rows: list[KeyRow], listed: list[tuple[str, str | None, str | None]]
) -> None:
    async with _service(respond=_by_host) as fixture:
        fixture.keys.rows = tuple(rows)
        result = await fixture.list()
        assert (_keys_of(result), result.failures) == (listed, ())


async def test_list_of_one_key_names_it_unless_it_is_the_default() -> None:
    async with _service(respond=_by_host) as fixture:
        fixture.keys.rows = (_row(_KEY_A, _A, is_default=True), _row(_KEY_B, _B))
        assert _keys_of(await fixture.list(key_id=_KEY_A)) == [("of-a", None, None)]
        assert _keys_of(await fixture.list(key_id=_KEY_B)) == [("of-b", _KEY_B, None)]


@pytest.mark.parametrize("state", ["softDisabled", "userDisabled"])
async def test_models_of_a_disabled_key_stay_and_say_why(state: str) -> None:
    async with _service(respond=_by_host) as fixture:
        fixture.keys.rows = (_row(_KEY_A, _A, is_default=True), _row(_KEY_B, _B))
        await fixture.list()
        fixture.keys.rows = (
            _row(_KEY_A, _A, is_default=True, state=state), _row(_KEY_B, _B, state=state),
        )  # fmt: skip
        result = await fixture.list()
        assert _keys_of(result) == [
            ("of-a", None, "keyDisabled"), ("of-b", _KEY_B, "keyDisabled"),
        ]  # fmt: skip
        assert result.failures == ()
        reasons = [item.unavailable for item in result.items]
        assert [why.key_id for why in reasons if why] == [_KEY_A, _KEY_B]
        assert all(why and why.action and why.action.type == "enableKey" for why in reasons)
        explicit = await fixture.list(provider=BARE.id)
        assert [failure.kind for failure in explicit.failures] == ["keyDisabled"] * 2
        assert _keys_of(explicit) == _keys_of(result)


async def test_disabled_key_without_a_list_shows_the_catalog() -> None:
    record = next(record for record in load().values() if record.id == "openai")
    async with _service(records=(record,)) as fixture:
        fixture.keys.rows = (
            _row(_KEY_A, provider=record.id, is_default=True, state="userDisabled", base_url=_A),
        )
        result = await fixture.list()
        assert len(result.items) > 20
        assert {key[1:] for key in _keys_of(result)} == {(None, "keyDisabled")}


async def test_locked_vault_lists_the_providers_seen_before(tmp_path: Path) -> None:
    second = BARE.model_copy(update={"id": "second"})
    async with _service(_list("m"), records=(BARE, second), disk=tmp_path) as fixture:
        await fixture.list(provider=BARE.id)
        fixture.keys.refuses = VaultLocked("locked")
        result = await fixture.list()
        assert _keys_of(result) == [("m", None, "vaultLocked")]
        [item] = result.items
        assert item.unavailable is not None
        assert item.unavailable.action is not None
        assert item.unavailable.action.type == "unlockVault"


_REFUSED = NetworkFailed("refused", details={"reason": "refused"})
_LOCAL = BARE.model_copy(
    update={"id": "local", "keyless": True, "base_url": "http://localhost:11434/v1"}
)


@pytest.mark.parametrize(
    ("keyless", "base_url", "error", "quiet"),
    [
        (True, "http://localhost:11434/v1", DOWN, True),
        (True, "http://localhost:11434/v1", _REFUSED, True),
        (True, "http://127.0.0.1:1234/v1", DOWN, True),
        (True, "http://[::1]:1234/v1", DOWN, True),
        (True, "https://local.example/v1", DOWN, False),
        (False, "http://localhost:11434/v1", DOWN, False),
        (True, "http://localhost:11434/v1", CannedResponse(500), False),
    ],
)
async def test_stopped_server_on_this_machine_is_a_failure_only_if_named(
    *, keyless: bool, base_url: str, error: ScriptedResult, quiet: bool
) -> None:
    record = _LOCAL.model_copy(update={"keyless": keyless})
    async with _service(records=(record,), respond=lambda _request: error) as fixture:
        fixture.keys.base_url = base_url
        assert bool((await fixture.list()).failures) is not quiet
        [failure] = (await fixture.list(provider=record.id)).failures
        starts = quiet and error is _REFUSED
        assert ("start the server" in failure.message) == starts
        assert len((await fixture.list(refresh=True)).failures) == 1
        refreshed = await fixture.models.refresh(fixture.session, ModelRefreshParams())
        assert len(refreshed.failures) == 1


async def test_background_fetches_wait_longer_after_each_failure(clock: list[int]) -> None:
    async with _service(_list("m"), *[DOWN] * 3, _list("n"), DOWN) as fixture:
        await fixture.list()
        clock[0] += MODEL_LIST_FRESH_MS + 1
        requests = fixture.transport.requests
        for number, wait_ms in enumerate(
            (MODEL_LIST_RETRY_MS, 2 * MODEL_LIST_RETRY_MS, 4 * MODEL_LIST_RETRY_MS), start=2
        ):
            await _listed_with_background(fixture)
            assert len(requests) == number
            clock[0] += wait_ms - 1
            await _listed_with_background(fixture)
            assert len(requests) == number, "too early"
            clock[0] += 1
        await _listed_with_background(fixture)  # this one succeeds, and the count begins again
        assert _ids(await fixture.list()) == ["n"]
        clock[0] += MODEL_LIST_FRESH_MS + 1
        await _listed_with_background(fixture)
        assert len(requests) == 6


async def _listed_with_background(fixture: Fixture) -> None:
    """List the models, and let the background fetch end."""
    await fixture.list()
    while fixture.background._tasks:
        await anyio.lowlevel.checkpoint()


async def test_list_from_the_future_is_stale_and_replaced(clock: list[int], tmp_path: Path) -> None:
    now = clock[0]
    clock[0] = now + 730 * 24 * 3_600_000
    async with _service(_list("m"), disk=tmp_path) as fixture:
        await fixture.list()
    clock[0] = now
    async with _service(_list("n"), disk=tmp_path) as fixture:
        result = await fixture.list()
        assert (_ids(result), result.stale) == (["m"], True)
        await _listed_with_background(fixture)
        result = await fixture.list()
        assert (_ids(result), result.stale, result.items[0].seen_at) == (["n"], False, now)
    async with _service(disk=tmp_path) as fixture:
        result = await fixture.list()
        assert (_ids(result), result.stale) == (["n"], False)
        assert fixture.transport.requests == []


async def test_chat_learns_what_the_last_list_says_of_a_model(tmp_path: Path) -> None:
    async with _service(_list("m"), disk=tmp_path) as fixture:
        key = ModelListKey("default", BARE.id, None, BASE)
        assert await fixture.lists.model(key, "m") is None
        await fixture.list()
        assert await fixture.lists.model(key, "m") is not None
        assert await fixture.lists.model(key, "n") is None
    async with _service(disk=tmp_path) as fixture:  # another process reads the disk once
        listed = await fixture.lists.model(key, "m")
        assert listed is not None
        assert listed.source == "live"
        assert fixture.transport.requests == []


async def test_provider_without_a_list_has_static_models() -> None:
    models = ListRecord(static=("one", "two"))
    record = load()["fireworks"].model_copy(update={"models": models})
    async with _service(records=(record,)) as fixture:
        result = await fixture.list()
        assert result.failures == ()
        assert set(record.models.static) <= {item.id for item in result.items}
        assert {item.source for item in result.items} <= {"catalog", "static"}


async def test_all_providers_are_listed_without_a_key() -> None:
    records = tuple(load().values())
    known = {r.id for r in records if known_models(r.id) or r.models.static}
    listed: set[str] = set()
    async with _service(records=records) as fixture:
        fixture.keys.refuses = KeyMissing("none")
        cursor: str | None = "0"
        while cursor is not None:
            result = await fixture.list(all_providers=True, cursor=cursor)
            assert {item.source for item in result.items} <= {"catalog", "static"}
            assert result.failures == ()
            listed |= {item.provider for item in result.items}
            cursor = result.next_cursor
        assert fixture.transport.requests == []
    assert listed == known


def _merged(
    record: Provider, live: CachedModelList | None, at_ms: int = 6, **fields: str
) -> list[ModelInfo]:
    return merge_models(record, live, fields, MergeOptions(at_ms))


async def test_own_models_override_the_list_and_are_added_to_it() -> None:
    own = (
        OwnModel(id="m", context_tokens=7, price=OwnPrice(input="1", output="2")),
        OwnModel(id="mine", name="My own", tools=True),
    )
    models = BARE.models.model_copy(update={"own": own, "static": ("{deployment}", "{other}")})
    record = BARE.model_copy(update={"models": models})
    live = CachedModelList((listed_model_info(BARE, ListedModel("m", name="M"), 5),), 5)
    items = {item.id: item for item in _merged(record, live, deployment="gpt-4o-here")}

    assert [*items] == ["m", "gpt-4o-here", "mine"]
    listed, deployed, mine = items.values()
    assert (listed.source, listed.name, listed.context_tokens) == ("live", "M", 7)
    assert listed.price == ModelPrice(input="1", output="2")
    assert deployed.source == "static"
    assert (mine.source, mine.name, mine.tools, mine.seen_at) == ("user", "My own", True, None)
