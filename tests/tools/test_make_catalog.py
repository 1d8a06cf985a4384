"""The tool that makes, signs and compares a catalog file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from byokd.catalog.signed_file import read_verified
from byokd.crypto.signature import VerifyingKey
from catalog_file import a_provider
from source_tree import ROOT
from tools import make_catalog

PROVIDER = a_provider()


def test_key_is_made_and_signs_a_file_that_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, out = tmp_path / "key.pem", tmp_path / "out.catalog"
    make_catalog.main(["--new-key", str(key)])
    assert key.stat().st_mode & 0o777 == 0o600
    public = capsys.readouterr().out.partition("'")[2].partition("'")[0]
    make_catalog.main(["--key", str(key), "--date", "2026-12-20", "--out", str(out)])
    assert f"bytes of 2026-12-20, public_key = '{public}'" in capsys.readouterr().out
    assert read_verified(out.read_bytes(), VerifyingKey(public)).date == "2026-12-20"


def test_private_key_is_kept_out_of_the_checkout(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="outside of the checkout"):
        make_catalog.main(["--new-key", str(ROOT / "key.pem")])
    assert not (ROOT / "key.pem").exists()
    key = tmp_path / "key.pem"
    make_catalog.main(["--new-key", str(key)])
    with pytest.raises(FileExistsError):
        make_catalog.main(["--new-key", str(key)])


def _models() -> dict[str, Any]:
    lines = [
        {"id": "same", "rates": [{"input": "2", "output": "10"}]},
        {"id": "other", "rates": [{"input": "2", "output": "10"}]},
        {"id": "tiered", "rates": [{"input": [[0, "2"], [200000, "4"]], "output": "10"}]},
        {"id": "nightly", "rates": [{"output": "10"}, {"output": "5", "utc": ["16:00", "00:00"]}]},
        {"id": "unknown"},
    ]
    return {"providers": {PROVIDER: lines}}


def _litellm() -> dict[str, Any]:
    def entry(output: float) -> dict[str, Any]:
        return {"input_cost_per_token": 2e-06, "output_cost_per_token": output}

    return {
        "same": entry(1e-05), "other": entry(1.5e-05), f"{PROVIDER}/tiered": entry(1e-05),
        "nightly": entry(2e-05), "unknown": entry(1.0),
        "not-chat": {"input_cost_per_token": 1.0},
    }  # fmt: skip


def _models_dev() -> dict[str, Any]:
    def entry(output: float) -> dict[str, Any]:
        return {"cost": {"input": 2, "output": output}}

    models = {"same": entry(10), "other": entry(15), "tiered": entry(10), "nightly": entry(20)}
    return {PROVIDER: {"models": models | {"unknown": {}}}}


@pytest.mark.parametrize(
    ("source", "other"), [("litellm", _litellm()), ("models.dev", _models_dev())]
)
def test_prices_that_differ_elsewhere_are_listed(
    source: str, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(make_catalog.NAMES, source, {})
    rows = list(make_catalog.disagreements(_models(), source, other))
    assert rows == [
        (PROVIDER, "other", "2 / 10", "2 / 15"),
        (PROVIDER, "nightly", "? / 10", "2 / 20"),
    ]


def test_disagreement_is_printed_and_the_file_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, out, other = tmp_path / "key.pem", tmp_path / "out", tmp_path / "prices.json"
    make_catalog.main(["--new-key", str(key)])
    models = make_catalog.checkout_parts()["models"]
    line = next(each for each in models["providers"][PROVIDER] if "rates" in each)
    name = make_catalog.NAMES["models.dev"].get(PROVIDER, PROVIDER)
    cost = {"input": 12345, "output": 12345}
    other.write_text(json.dumps({name: {"models": {line["id"]: {"cost": cost}}}}))
    arguments = ["--key", str(key), "--date", "2026-12-20", "--out", str(out)]
    make_catalog.main([*arguments, "--check", f"models.dev={other}"])
    assert f"models.dev disagrees: {PROVIDER} {line['id']}" in capsys.readouterr().out
    assert out.exists()
