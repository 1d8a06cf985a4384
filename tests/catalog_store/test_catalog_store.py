"""The refreshed files on disk: which data is used, and what must be put aside."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from byokd.catalog.layers import bundled, bundled_stamp
from byokd.catalog.signed_file import read_verified
from byokd.catalog.state import CatalogState, info_of, read_state
from byokd.catalog_store import CatalogStore
from byokd.core.limits import CATALOG_HISTORY_MAX, CATALOG_STATE_MAX_BYTES
from byokd.crypto.signature import VerifyingKey
from byokd.protocol.catalog import CatalogEvent, CatalogVersion
from byokd.store import files
from byokd.store.paths import store_paths
from catalog_file import KEY, NEWER, PRIVATE_KEY, SMALL, catalog_file
from tools.make_catalog import public_key, signed

_EVENT = CatalogEvent(at=1, event="refreshed", before=info_of(bundled()), after=info_of(bundled()))
_STAMP = bundled_stamp()


def _stored(folder: Path, raw: bytes, *, stamp: str = _STAMP) -> CatalogStore:
    """Put a file in use and return its store."""
    store = CatalogStore(store_paths(folder), KEY)
    for path in (folder / "data", folder / "data" / "catalog"):
        files.ensure_private_dir(path)
    data = read_verified(raw, KEY)
    version = CatalogVersion(date=data.date, sha256=data.digest, accepted_at=1, source="file")
    store.write(CatalogState().accepted(version, _EVENT, stamp), raw)
    return store


def test_accepted_file_is_used(tmp_path: Path) -> None:
    stored = _stored(tmp_path, catalog_file()).read()
    assert (stored.data.layer, stored.data.date, stored.fault) == ("refreshed", NEWER, None)


def test_without_files_the_packages_data_is_used(tmp_path: Path) -> None:
    store = CatalogStore(store_paths(tmp_path), KEY)
    stored = store.read()
    assert (stored.data, stored.state) == (bundled(), CatalogState())
    assert store.version() is None
    assert not list(tmp_path.iterdir())


def test_file_of_a_key_that_is_not_pinned_is_left_alone(tmp_path: Path) -> None:
    _stored(tmp_path, catalog_file())
    other = VerifyingKey(public_key(Ed25519PrivateKey.generate()))
    for key in (None, other):
        stored = CatalogStore(store_paths(tmp_path), key).read()
        assert (stored.data, stored.fault) == (bundled(), None)
        assert stored.state.current is not None


@pytest.mark.parametrize("day", [bundled().date, "2020-01-01"])
def test_newer_package_wins(tmp_path: Path, day: str) -> None:
    stored = _stored(tmp_path, catalog_file(day=day)).read()
    assert (stored.data, stored.fault) == (bundled(), None)


def test_file_that_another_version_accepted_is_checked_first(tmp_path: Path) -> None:
    store = _stored(tmp_path, catalog_file(), stamp="0" * 64)
    stored = store.read()
    assert (stored.data, stored.fault) == (bundled(), None)
    assert stored.unchecked is not None
    store.write(stored.state.checked(_STAMP))
    assert store.read().data.layer == "refreshed"
    # the other version still finds its own stamp
    assert "0" * 64 in store.read().state.stamps


def _linked(file: Path) -> None:
    target = file.rename(file.with_suffix(".x"))
    file.symlink_to(target)


def _piped(path: Path) -> None:
    """Put a pipe there that nobody writes to."""
    path.unlink()
    os.mkfifo(path, 0o600)


def _foldered(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _two_names(state: Path) -> None:
    state.with_name("second").hardlink_to(state)


DAMAGE: dict[str, Callable[[Path, Path], object]] = {
    "a bit": lambda file, _: file.write_bytes(file.read_bytes()[:-1] + b" "),
    "an end": lambda file, _: file.write_bytes(file.read_bytes()[:-1]),
    "more": lambda file, _: file.write_bytes(file.read_bytes() + b"x" * (3 * 1024 * 1024)),
    "missing": lambda file, _: file.unlink(),
    "open to others": lambda file, _: file.chmod(0o644),
    "a link": lambda file, _: _linked(file),
    "no state": lambda _, state: state.write_bytes(b""),
    "cut state": lambda _, state: state.write_bytes(state.read_bytes()[:-1]),
    "other state": lambda _, state: state.write_bytes(b'{"form":2}'),
    "long state": lambda _, state: state.write_bytes(b" " * CATALOG_STATE_MAX_BYTES + b"{}"),
    "open state": lambda _, state: state.chmod(0o644),
    "second name": lambda _, state: _two_names(state),
    "pipe": lambda file, _: _piped(file),
    "state is a pipe": lambda _, state: _piped(state),
    "state is a folder": lambda _, state: _foldered(state),
    "state is a link": lambda _, state: _linked(state),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_a_fault_and_the_packages_data_is_used(tmp_path: Path, name: str) -> None:
    store = _stored(tmp_path, catalog_file())
    folder = tmp_path / "data" / "catalog"
    [file] = folder.glob("*.catalog")
    DAMAGE[name](file, folder / "state.json")
    stored = store.read()
    assert stored.data is bundled()
    assert stored.fault
    store.put_aside(stored.state.without_files(_EVENT))
    again = store.read()
    assert (again.fault, again.state.current) == (None, None)
    assert again.state.history[-1] == _EVENT
    assert not list(folder.glob("*.catalog"))


def test_record_is_never_missing_while_files_are_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader holds no lock; without a record it would show no history."""
    store = _stored(tmp_path, catalog_file())
    replace = files.replace_private
    seen: list[tuple[int, int, int] | None] = []

    def recorded(path: Path, data: bytes) -> None:
        seen.append(store.version())
        replace(path, data)

    monkeypatch.setattr(files, "replace_private", recorded)
    store.put_aside(store.read().state.without_files(_EVENT))
    assert seen
    assert None not in seen
    assert (tmp_path / "data" / "catalog" / "state.json.bad").is_file()


def test_signed_file_that_is_no_catalog_is_a_fault(tmp_path: Path) -> None:
    raw = signed(PRIVATE_KEY, NEWER, SMALL | {"providers": [{"id": "x"}]})
    assert _stored(tmp_path, raw).read().fault


def test_largest_state_is_read(tmp_path: Path) -> None:
    store = _stored(tmp_path, catalog_file())
    state = tmp_path / "data" / "catalog" / "state.json"
    padding = CATALOG_STATE_MAX_BYTES - state.stat().st_size
    state.write_bytes(state.read_bytes() + b" " * padding)
    assert store.read().data.layer == "refreshed"
    state.write_bytes(state.read_bytes() + b" ")
    assert store.read().fault


def test_history_keeps_the_newest_events() -> None:
    state = CatalogState()
    version = CatalogVersion(date=NEWER, sha256="0" * 64, accepted_at=1, source="url")
    for number in range(CATALOG_HISTORY_MAX + 1):
        event = _EVENT.model_copy(update={"at": number})
        state = state.accepted(version, event, _STAMP)
    assert [event.at for event in state.history] == list(range(1, CATALOG_HISTORY_MAX + 1))
    assert read_state(state.model_dump_json().encode()) == state
    longer = state.model_copy(update={"history": (*state.history, _EVENT)})
    assert read_state(longer.model_dump_json().encode()) is None


def test_floor_never_falls() -> None:
    def version(day: str) -> CatalogVersion:
        return CatalogVersion(date=day, sha256="0" * 64, accepted_at=1, source="url")

    state = CatalogState().accepted(version("2027-02-01"), _EVENT, _STAMP)
    state = state.accepted(version("2027-03-01"), _EVENT, _STAMP)
    assert state.previous == version("2027-02-01")
    undone = state.undone(state.previous, _EVENT, _STAMP)
    for later in (undone, undone.without_files(_EVENT), undone.undone(None, _EVENT, _STAMP)):
        assert later.floor == "2027-03-01"
    assert undone.accepted(version("2027-02-15"), _EVENT, _STAMP).floor == "2027-03-01"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"form": 1, "floor": "2027-02-30"}', '{"x": 1}'])
def test_unknown_state_is_not_read(text: str) -> None:
    assert read_state(text.encode()) is None


def test_failed_change_is_taken_back(tmp_path: Path) -> None:
    store = _stored(tmp_path, catalog_file())
    before = store.read()
    newer = catalog_file(day="2027-04-01")
    data = read_verified(newer, KEY)
    version = CatalogVersion(date=data.date, sha256=data.digest, accepted_at=2, source="url")
    store.write(before.state.accepted(version, _EVENT, _STAMP), newer)
    assert store.read().data.date == "2027-04-01"
    store.restore(before.state)
    assert store.read().state == before.state
    assert len(list((tmp_path / "data" / "catalog").glob("*.catalog"))) == 1
