"""A vendor that nobody here knew of is a file of its person's, and no line of Python.

The real daemon with `--config`; a record written beside that file while nothing of it was known.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from byokd.catalog.loader import load
from byokd.config.files import read_providers
from byokd.core.limits import OWN_PROVIDERS_MAX, OWN_RECORD_MAX_BYTES
from byokd.sandbox import Sandbox
from daemon import running
from sandbox_env import KEY, ask, sandbox, unlocked

RECORD = """
id = "my-vendor"
name = "My vendor"
kind = "custom"
dialect = "openai_chat"
base_url = "{url}"
tool_calling = "native"
pricing = "unknown"

[[fields]]
name = "apiKey"
label = "API key"

[probe]
path = "/models"
models_pointer = "/data"

[models]
path = "/models"

[[sources]]
url = "https://vendor.example/docs"
checked = "2026-11-24"
"""
PLAIN = RECORD.format(url="https://vendor.example/v1")
BUILT_IN = next(iter(load()))


def _write(config: Path, name: str, text: str) -> None:
    (config.parent / "providers").mkdir(exist_ok=True)
    (config.parent / "providers" / f"{name}.toml").write_text(text, encoding="utf-8")


@pytest.mark.anyio
async def test_a_record_is_enough_to_chat(tmp_path: Path) -> None:
    config = tmp_path / "config" / "config.toml"
    config.parent.mkdir()
    async with sandbox() as provider:
        _write(config, "my-vendor", RECORD.format(url=provider.base_url))
        _write(config, "broken", PLAIN.replace("openai_chat", "morse"))
        await _chat(tmp_path / "data", config, provider)


async def _chat(data_dir: Path, config: Path, provider: Sandbox) -> None:
    arguments = ("--config", str(config))
    async with running(*arguments, data_dir=data_dir, module="byokd") as daemon:
        await unlocked(daemon)
        shown = (await daemon.request("provider/list", {"limit": 1000}))["items"]
        assert [item["id"] for item in shown] == [*load(), "my-vendor"]
        assert (shown[-1]["kind"], shown[-1]["chatAvailable"]) == ("custom", True)
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
        said = await daemon.until("window/logMessage")
        assert said["type"] == 2
        assert "broken.toml: id: must be broken" in said["message"]
        assert await daemon.close() == 0
    assert b"broken.toml: id: must be broken" in daemon.stderr


REFUSED = [
    ("not toml", "not TOML"),
    (PLAIN.replace('pricing = "unknown"', "pricing = 3"), "pricing"),
    (PLAIN + "[colour]\n", "colour"),
    (PLAIN.replace("my-vendor", BUILT_IN), "must be my-vendor"),
    (PLAIN.replace('"custom"', '"managed"'), "kind: must be custom"),
    (PLAIN.replace("openai_chat", "morse"), "dialect: must be one of"),
    (PLAIN + "[headers]\nAuthorization = 'Bearer x'\n", "store Authorization in the vault"),
    (PLAIN + "#" * OWN_RECORD_MAX_BYTES, "larger"),
]


@pytest.mark.parametrize(("text", "says"), REFUSED, ids=[says for _, says in REFUSED])
def test_what_does_not_fit_is_refused_with_file_and_field(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "my-vendor.toml"
    path.write_text(text, encoding="utf-8")
    found, (fault,) = read_providers(tmp_path, load())
    assert not found
    assert str(path) in fault
    assert says in fault


def test_a_record_of_ours_cannot_be_replaced(tmp_path: Path) -> None:
    text = PLAIN.replace('id = "my-vendor"', f'id = "{BUILT_IN}"')
    (tmp_path / f"{BUILT_IN}.toml").write_text(text, encoding="utf-8")
    found, (fault,) = read_providers(tmp_path, load())
    assert not found
    assert "comes with byokd" in fault


def test_the_bounds(tmp_path: Path) -> None:
    for number in range(OWN_PROVIDERS_MAX):
        text = PLAIN.replace("my-vendor", f"v{number}")
        room = OWN_RECORD_MAX_BYTES - len(text)
        (tmp_path / f"v{number}.toml").write_text(text + "#" * room, encoding="utf-8")
    found, faults = read_providers(tmp_path, load())
    assert (len(found), faults) == (OWN_PROVIDERS_MAX, [])
    (tmp_path / "z.toml").write_text(PLAIN, encoding="utf-8")
    found, (fault,) = read_providers(tmp_path, load())
    assert len(found) == OWN_PROVIDERS_MAX
    assert "more than" in fault
