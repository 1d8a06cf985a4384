"""A user adds a provider with a record file beside the configuration file, without Python."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from byokd.catalog.loader import load
from byokd.catalog.own_records import lay_over
from byokd.catalog.record import Provider
from byokd.config.files import read_providers
from byokd.core.limits import OWN_PROVIDERS_MAX, OWN_RECORD_MAX_BYTES
from byokd.sandbox import Sandbox
from daemon import running
from sandbox_env import KEY, ask, sandbox, unlocked
from source_tree import ROOT

_PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECORD: str
[RECORD] = re.findall(r"^```toml\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)
"""The example of CONTRIBUTING.md."""

BUILT_IN = next(iter(load()))


def record_at(base_url: str) -> str:
    """Return the record of a provider at this address."""
    return RECORD.replace("https://vendor.example/v1", base_url)


def _write(config: Path, name: str, text: str) -> None:
    (config.parent / "providers").mkdir(exist_ok=True)
    (config.parent / "providers" / f"{name}.toml").write_text(text, encoding="utf-8")


@pytest.mark.anyio
async def test_users_record_is_enough_to_chat(tmp_path: Path) -> None:
    config = tmp_path / "config" / "config.toml"
    config.parent.mkdir()
    async with sandbox() as provider:
        _write(config, "my-vendor", record_at(provider.base_url))
        _write(config, "broken", RECORD)
        await _chat(tmp_path / "data", config, provider)


async def _chat(data_dir: Path, config: Path, provider: Sandbox) -> None:
    arguments = ("--config", str(config))
    async with running(*arguments, data_dir=data_dir, module="byokd") as daemon:
        await unlocked(daemon)
        listed = (await daemon.request("provider/list", {"limit": 1000}))["items"]
        assert [item["id"] for item in listed] == [*load(), "my-vendor"]
        assert (listed[-1]["kind"], listed[-1]["chatAvailable"]) == ("custom", True)
        stored = await daemon.request(
            "key/store",
            {"provider": "my-vendor", "fields": {"apiKey": {"plain": KEY}}, "probe": "require"},
        )
        assert stored["probe"]["verdict"] == "valid"
        listed = await daemon.request("model/list", {"provider": "my-vendor"})
        assert "sandbox-echo" in {item["id"] for item in listed["items"]}
        result = await ask(daemon, "sandbox-echo", provider="my-vendor")
        assert result["message"]["content"][0]["text"].startswith("You said")
        assert result["route"]["provider"] == "my-vendor"
        assert provider.requests[-1].credential == KEY
        log = await daemon.until("window/logMessage")
        assert log["type"] == 2
        assert "broken.toml: id: must be broken" in log["message"]
        assert await daemon.close() == 0
    assert b"broken.toml: id: must be broken" in daemon.stderr


REFUSED = [
    ("not toml", "not TOML"),
    (RECORD.replace('pricing = "unknown"', "pricing = 3"), "pricing"),
    (RECORD + "[colour]\n", "colour"),
    (RECORD.replace("my-vendor", BUILT_IN), "must be my-vendor"),
    (RECORD.replace('"custom"', '"managed"'), "kind: must be custom"),
    (RECORD.replace("openai_chat", "morse"), "unknown dialect morse, use one of openai_chat, "),
    (RECORD + "[headers]\nAuthorization = 'Bearer x'\n", "store Authorization in the vault"),
    (RECORD + "#" * OWN_RECORD_MAX_BYTES, "larger"),
]


@pytest.mark.parametrize(("text", "error"), REFUSED, ids=[error for _, error in REFUSED])
def test_invalid_record_is_refused_with_file_and_field(
    tmp_path: Path, text: str, error: str
) -> None:
    path = tmp_path / "my-vendor.toml"
    path.write_text(text, encoding="utf-8")
    records, (fault,) = read_providers(tmp_path, load())
    assert not records
    assert str(path) in fault
    assert error in fault


def test_shipped_record_cannot_be_replaced(tmp_path: Path) -> None:
    text = RECORD.replace('id = "my-vendor"', f'id = "{BUILT_IN}"')
    (tmp_path / f"{BUILT_IN}.toml").write_text(text, encoding="utf-8")
    records, (fault,) = read_providers(tmp_path, load())
    assert not records
    assert "comes with byokd" in fault


SHIPPED = resources.files("byokd.catalog").joinpath("providers", f"{BUILT_IN}.toml")
OVERRIDE = "overrides = true\n" + SHIPPED.read_text("utf-8")


def _read_override(folder: Path, text: str) -> tuple[list[Provider], list[str]]:
    (folder / f"{BUILT_IN}.toml").write_text(text, encoding="utf-8")
    return read_providers(folder, load())


def test_shipped_record_is_overridden_at_its_own_origin(tmp_path: Path) -> None:
    [record], faults = _read_override(tmp_path, OVERRIDE)
    assert faults == []
    assert record == load()[BUILT_IN].model_copy(update={"overrides": True})


def _replaced(pattern: str, by: str) -> str:
    text, count = re.subn(pattern, by, OVERRIDE, count=1, flags=re.MULTILINE)
    assert count
    return text


NOT_OVERRIDDEN = [
    (_replaced(r'^base_url = ".*"', 'base_url = "https://evil.example"'), "base_url"),
    (_replaced(r'^kind = ".*"', 'kind = "custom"'), "kind"),
    (_replaced(r'^key_url = ".*"', 'key_url = "https://evil.example"'), "key_url"),
    (_replaced("^kind", "keyless = true\nkind"), "keyless"),
    (_replaced(r"^\[auth\]", "[auth]\nsigning_name = 'x'"), "auth"),
    (_replaced(r"^\[headers\]", "[headers]\nx-copy = 'evil'"), "headers"),
]


@pytest.mark.parametrize(("text", "field"), NOT_OVERRIDDEN, ids=[f for _, f in NOT_OVERRIDDEN])
def test_override_cannot_change_where_and_how_a_key_is_sent(
    tmp_path: Path, text: str, field: str
) -> None:
    records, faults = _read_override(tmp_path, text)
    assert records == []
    assert len(faults) == 1
    assert field in faults[0]


def test_override_of_no_shipped_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my-vendor.toml").write_text("overrides = true\n" + RECORD, encoding="utf-8")
    records, (fault,) = read_providers(tmp_path, load())
    assert records == []
    assert "no provider of this id comes with byokd" in fault


def _checked(record: Provider, day: str) -> Provider:
    sources = (record.sources[0].model_copy(update={"checked": day}),)
    return record.model_copy(update={"sources": sources})


@pytest.mark.parametrize(("day", "is_used"), [("2026-11-01", True), ("2026-11-02", False)])
def test_override_is_used_until_the_shipped_record_is_newer(day: str, *, is_used: bool) -> None:
    shipped = _checked(load()[BUILT_IN], day)
    own = _checked(shipped, "2026-11-01").model_copy(update={"overrides": True})
    layered = lay_over({BUILT_IN: shipped}, [own])
    assert layered.records[BUILT_IN] is (own if is_used else shipped)
    [override] = layered.overrides
    assert (override.unused is None, len(layered.warnings)) == (is_used, 0 if is_used else 1)


def test_number_and_size_of_records_are_bounded(tmp_path: Path) -> None:
    for number in range(OWN_PROVIDERS_MAX):
        text = RECORD.replace("my-vendor", f"v{number}")
        padding = OWN_RECORD_MAX_BYTES - len(text)
        (tmp_path / f"v{number}.toml").write_text(text + "#" * padding, encoding="utf-8")
    records, faults = read_providers(tmp_path, load())
    assert (len(records), faults) == (OWN_PROVIDERS_MAX, [])
    (tmp_path / "z.toml").write_text(RECORD, encoding="utf-8")
    records, (fault,) = read_providers(tmp_path, load())
    assert len(records) == OWN_PROVIDERS_MAX
    assert "more than" in fault
