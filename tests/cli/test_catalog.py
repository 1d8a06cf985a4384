"""`byokd catalog`: what a person sees of a refresh, in 80 columns."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from byokd.catalog.layers import bundled
from byokd.cli import catalog
from byokd.protocol.catalog import CatalogChange, CatalogInfo, CatalogRefreshResult
from catalog_file import KEY, Edit, Parts, a_provider, catalog_file, record_edit
from catalog_server import configured
from cli.shell import Byokd

PROVIDER = a_provider()
TOMORROW = (dt.datetime.now(dt.UTC) + dt.timedelta(1)).date().isoformat()
"""The latest date that the daemon accepts; newer than the package's data in any case."""


@pytest.fixture
def byokd(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Byokd]:
    monkeypatch.setenv("COLUMNS", "80")
    shell = Byokd(tmp_path / "store", capsys, monkeypatch)
    yield shell
    shell.restart()


def _written(folder: Path, *edits: Edit) -> Path:
    path = folder / "new.catalog"
    path.write_bytes(catalog_file(*edits, day=TOMORROW))
    return path


def _dearer(parts: Parts) -> None:
    parts["models"]["providers"][PROVIDER].append({"id": "invented-1"})
    line = next(each for each in parts["models"]["providers"][PROVIDER] if "rates" in each)
    for rates in line["rates"]:
        rates["output"] = "99999"


def test_refresh_is_compared_refused_accepted_shown_and_undone(
    tmp_path: Path, byokd: Byokd
) -> None:
    use = f"--config {configured(tmp_path)} catalog"
    path = _written(tmp_path, _dearer, record_edit(PROVIDER, chat_path="/new"))
    assert f"bundled data of {bundled().date}" in byokd(f"{use} show")
    assert KEY.id in byokd.out
    assert "no refresh is set up" in byokd.err

    byokd(f"{use} diff --from {path}")
    assert all(len(line) <= 80 for line in byokd.out.splitlines())
    for text in ("price !", "99999 USD", "model added", "invented-1", "chat_path", "/new"):
        assert text in byokd.out
    assert "1 price moves ten-fold or more, marked with !" in byokd.out
    assert "1 model added, 1 price, 1 rule of a provider" in byokd.out
    assert f"nothing was changed; in use: bundled data of {bundled().date}" in byokd.out
    assert f"to use it: byokd catalog refresh --from {path} --accept" in byokd.err
    [shown] = json.loads(byokd(f"{use} diff --json --from {path}"))
    assert (shown["applied"], len(shown["changes"])) == (False, 3)

    byokd(f"{use} refresh --from {path}", code=1)
    assert "the catalog file was refused and nothing was changed: the price of" in byokd.err
    assert "hint: see them: byokd catalog diff; use them: byokd catalog refresh --ac" in byokd.err

    byokd(f"{use} refresh --accept --from {path}")
    after = f"now in use: refreshed data of {TOMORROW}; before: bundled data of {bundled().date}"
    assert after in byokd.out
    assert "to go back: byokd catalog undo" in byokd.err
    assert "up to date" in byokd(f"{use} refresh --from {path}")
    assert "up to date" in byokd(f"{use} diff --from {path}")
    byokd(f"{use} show")
    assert "from a file" in byokd.out
    assert all(len(line) <= 80 for line in byokd.out.splitlines())
    [state] = json.loads(byokd(f"{use} show --json"))
    assert state["history"][0]["event"] == "refreshed"
    assert "layer" in byokd(f"{use.removesuffix(' catalog')} providers {PROVIDER} --json")
    assert '"refreshed"' in byokd.out

    assert "from a refreshed catalog, of" in byokd(
        f"{use.removesuffix(' catalog')} providers {PROVIDER}"
    )

    assert "before: refreshed data" in byokd(f"{use} undo")
    byokd(f"{use} undo", code=1)
    assert "nothing to undo" in byokd.err


def test_refresh_without_configuration_says_what_to_set(tmp_path: Path, byokd: Byokd) -> None:
    config = tmp_path / "config.toml"
    config.write_text("", encoding="utf-8")
    byokd(f"--config {config} catalog refresh", code=1)
    assert "no url and no public_key of a catalog is configured" in byokd.err
    assert "hint: check config.toml" in byokd.err


def test_long_comparison_is_shown_in_part(capsys: pytest.CaptureFixture[str]) -> None:
    info = CatalogInfo(layer="bundled", date="2026-11-28", sha256="0" * 64)
    changes = tuple(
        CatalogChange(kind="rowAdded", provider=None, subject="errors", before=None, after=str(n))
        for n in range(41)
    )
    result = CatalogRefreshResult(applied=True, before=info, after=info, changes=changes, more=5)
    catalog._show_changes(result)
    out = capsys.readouterr().out
    assert "all providers" in out
    assert "and 6 more; --json lists them" in out
    assert "41 rules of providers" in out
    catalog._show_changes(result.model_copy(update={"changes": (), "more": 0}))
    assert "no differences" in capsys.readouterr().out


@pytest.mark.parametrize(("days", "text"), [(0, "of today"), (1, "1 day old"), (40, "40 days old")])
def test_age_is_in_days(days: int, text: str) -> None:
    day = dt.datetime.now(dt.UTC).date() - dt.timedelta(days)
    assert catalog._age(day.isoformat()) == text
