"""Cached model lists: what is stored, for which key, and what is deleted when the cache is full."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from byokd.model_cache import CachedModelList, ModelCache, ModelListKey
from byokd.protocol.errors import StoreFailed, VaultCorrupt
from byokd.protocol.model import ModelInfo, ModelPrice
from byokd.store.paths import StorePaths, store_paths

pytestmark = pytest.mark.anyio

HERE = ModelListKey("default", "some", "key_a", "https://a.example/v1")


def _model(name: str) -> ModelInfo:
    return ModelInfo(
        provider="some", id=name, name="One", source="live", seen_at=7, chat=True,
        context_tokens=9, output_tokens=None, input_modalities=("text",), tools=None,
        reasoning=None, price=ModelPrice(input="1"), deprecated=False,
    )  # fmt: skip


def _seen(at: int, *names: str) -> CachedModelList:
    return CachedModelList(tuple(_model(name) for name in names), at)


@asynccontextmanager
async def _lists(where: StorePaths | None, **bounds: int) -> AsyncIterator[ModelCache]:
    lists = ModelCache(where, **bounds)
    try:
        yield lists
    finally:
        await lists.aclose()


async def test_list_survives_the_process_in_a_private_file(tmp_path: Path) -> None:
    where = store_paths(tmp_path)
    async with _lists(where) as lists:
        await lists.save(HERE, _seen(7, "m", "n"))
    async with _lists(where) as lists:
        assert await lists.load(HERE) == _seen(7, "m", "n")
    assert where.models_db.stat().st_mode & 0o077 == 0
    assert b"a.example" not in where.models_db.read_bytes()


@pytest.mark.parametrize(
    "other",
    [
        ModelListKey("second", "some", "key_a", "https://a.example/v1"),
        ModelListKey("default", "other", "key_a", "https://a.example/v1"),
        ModelListKey("default", "some", "key_b", "https://a.example/v1"),
        ModelListKey("default", "some", None, "https://a.example/v1"),
        ModelListKey("default", "some", "key_a", "https://b.example/v1"),
    ],
)
async def test_list_belongs_to_one_key_and_base_url(other: ModelListKey) -> None:
    async with _lists(None) as lists:
        await lists.save(HERE, _seen(7, "m"))
        assert await lists.load(other) is None


async def test_older_list_does_not_replace_a_newer_one() -> None:
    async with _lists(None) as lists:
        await lists.save(HERE, _seen(7, "new"))
        await lists.save(HERE, _seen(6, "old"))
        assert await lists.load(HERE) == _seen(7, "new")
        await lists.save(HERE, _seen(8, "newer"))
        assert await lists.load(HERE) == _seen(8, "newer")
        await lists.save(ModelListKey("default", "some", "key_b", ""), _seen(9, "other key"))
        assert await lists.latest("default", "some") == _seen(9, "other key")
        assert await lists.latest("second", "some") is None


async def test_forget_deletes_the_lists_of_a_key_or_account() -> None:
    places_ = [ModelListKey(a, "some", k, "") for a in ("one", "two") for k in ("key_a", "key_b")]
    async with _lists(None) as lists:
        for place in places_:
            await lists.save(place, _seen(7, "m"))
        await lists.forget("one", "key_a")
        assert [await lists.load(p) is None for p in places_] == [True, False, False, False]
        await lists.forget("two")
        assert [await lists.load(p) is None for p in places_] == [True, False, True, True]


@pytest.mark.parametrize(("count", "cached"), [(3, [True] * 3), (2, [False, True, True])])
async def test_oldest_list_is_deleted_beyond_the_count(count: int, cached: list[bool]) -> None:
    places_ = [ModelListKey("default", "some", f"key_{n}", "") for n in range(3)]
    async with _lists(None, max_count=count) as lists:
        for at, place in enumerate(places_):
            await lists.save(place, _seen(at, "m"))
        assert [await lists.load(place) is not None for place in places_] == cached


@pytest.mark.parametrize(("spare", "cached"), [(0, [True, True]), (-1, [False, True])])
async def test_oldest_list_is_deleted_beyond_the_bytes(spare: int, cached: list[bool]) -> None:
    places_ = [ModelListKey("default", "some", f"key_{n}", "") for n in range(2)]
    body = len(_body("m"))
    async with _lists(None, max_bytes=2 * body + spare) as lists:
        for at, place in enumerate(places_):
            await lists.save(place, _seen(at, "m"))
        assert [await lists.load(place) is not None for place in places_] == cached


def _body(*names: str) -> bytes:
    from byokd import model_cache as lists

    return lists._body(_seen(0, *names))


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"items":[{"id":3}]}'])
async def test_row_of_another_form_is_ignored(tmp_path: Path, body: bytes) -> None:
    where = store_paths(tmp_path)
    async with _lists(where) as lists:
        await lists.save(HERE, _seen(7, "m"))
    with sqlite3.connect(where.models_db) as raw:
        raw.execute("UPDATE model_list SET body = ?", (body,))
    raw.close()
    async with _lists(where) as lists:
        assert await lists.load(HERE) is None
        assert await lists.latest("default", "some") is None


async def test_failing_disk_is_an_error(tmp_path: Path) -> None:
    where = store_paths(tmp_path)
    where.state.mkdir(parents=True, mode=0o700)
    where.models_db.write_bytes(b"not a database" * 99)
    async with _lists(where) as lists:
        with pytest.raises((VaultCorrupt, StoreFailed)):
            await lists.load(HERE)
