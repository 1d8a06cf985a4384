"""Base URLs as people write them: what is stored, what a chat then uses, and what is reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from byokd.sandbox import Sandbox
from daemon import Daemon, RpcError, running
from sandbox_env import GENERIC, KEY, chat_params, sandbox, unlocked

pytestmark = pytest.mark.anyio

_FIELDS = {"apiKey": {"plain": KEY}}


def _port(provider: Sandbox) -> str:
    return provider.base_url.split(":")[2].partition("/")[0]


async def _store(daemon: Daemon, base_url: str, **more: Any) -> Any:
    params = {"provider": GENERIC, "fields": _FIELDS, "baseUrl": base_url} | more
    return await daemon.request("key/store", params)


async def _model(daemon: Daemon, key_id: str) -> str:
    listed = await daemon.request("model/list", {"keyId": key_id})
    return str(next(item["id"] for item in listed["items"] if item["chat"] is not False))


async def test_missing_version_is_located_stored_and_used_by_a_chat(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        port = _port(provider)
        written = f"0.0.0.0:{port}/v1/models"
        stored = await _store(daemon, written)
        base_url = f"http://127.0.0.1:{port}/v1"
        key = stored["key"]
        assert (key["baseUrl"], key["origin"]) == (base_url, f"http://127.0.0.1:{port}")
        assert stored["probe"]["verdict"] == "valid"
        assert stored["probe"]["details"]["baseUrl"] == base_url
        assert stored["notes"] == [
            "baseUrl: 0.0.0.0 is where a server listens; read as 127.0.0.1",
            "baseUrl: has no scheme; read as http://",
            f"baseUrl: stored as {base_url}, where the API answered",
        ]
        model = await _model(daemon, key["keyId"])
        answer = await daemon.request("chat/send", chat_params(model, key_id=key["keyId"]))
        assert answer["finishReason"]["unified"] == "stop"


async def test_candidate_gets_the_base_url_and_nothing_is_stored(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        root = f"http://127.0.0.1:{_port(provider)}"
        params = {"provider": GENERIC, "fields": _FIELDS, "baseUrl": root}
        probe = (await daemon.request("key/probe", params))["probe"]
        assert probe["verdict"] == "valid"
        assert probe["details"]["baseUrl"] == f"{root}/v1"
        assert probe["message"].endswith(
            f"the API is at {root}/v1, not at {root}: use it as baseUrl"
        )
        tested = await daemon.request("provider/test", params)
        steps = {step["name"]: step for step in tested["steps"]}
        assert tested["ok"]
        assert steps["auth"]["details"]["baseUrl"] == f"{root}/v1"
        assert steps["models"]["details"]["models"] > 0
        assert (await daemon.request("key/list", {}))["items"] == []


async def test_probe_of_a_stored_key_names_the_right_base_url(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        root = f"http://127.0.0.1:{_port(provider)}"
        stored = await _store(daemon, root, probe="skip")
        assert stored["key"]["baseUrl"] == root
        key_id = {"keyId": stored["key"]["keyId"]}
        probe = (await daemon.request("key/probe", key_id))["probe"]
        assert probe["details"]["baseUrl"] == f"{root}/v1"
        assert probe["message"].endswith("store the key again with it as baseUrl")
        # the stored base URL stays: another one would be another key entry
        assert (await daemon.request("key/list", {}))["items"][0]["baseUrl"] == root


async def test_rotation_takes_any_spelling_of_the_stored_base_url(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        port = _port(provider)
        key = (await _store(daemon, f"http://127.0.0.1:{port}"))["key"]
        rotate = {"keyId": key["keyId"], "fields": _FIELDS}
        for written in (f"0.0.0.0:{port}", f" http://127.0.0.1:{port}/v1/models ", None):
            rotated = await daemon.request("key/rotate", rotate | {"baseUrl": written})
            assert rotated["key"]["baseUrl"] == f"http://127.0.0.1:{port}/v1"
        for other in (f"localhost:{port}", f"http://127.0.0.1:{port}/other", "https://x.example"):
            with pytest.raises(RpcError) as caught:
                await daemon.request("key/rotate", rotate | {"baseUrl": other})
            assert caught.value.kind == "conflict"


async def test_imported_key_is_stored_where_the_api_answers(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        source = {
            "type": "variables",
            "variables": {"OPENAI_API_KEY": {"plain": KEY}},
        }
        preview = await daemon.request("key/import", {"source": source})
        choice = {
            "id": preview["items"][0]["id"], "baseUrl": f"localhost:{_port(provider)}",
        }  # fmt: skip
        done = await daemon.request("key/import", {"source": source, "choose": [choice]})
        [outcome] = done["outcomes"]
        assert outcome["key"]["baseUrl"] == f"http://localhost:{_port(provider)}/v1"
        assert outcome["notes"][-1].startswith("baseUrl: stored as ")


_RECORD = """
id = "mine"
name = "My server"
kind = "custom"
dialect = "openai_chat"
base_url = "localhost:{port}"
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
url = "https://example.org"
checked = "2026-11-28"
"""


async def test_base_url_of_an_own_record_is_read_and_located(tmp_path: Path) -> None:
    async with sandbox() as provider:
        folder = tmp_path / "providers"
        folder.mkdir(mode=0o700)
        record, config = folder / "mine.toml", tmp_path / "config.toml"
        record.write_text(_RECORD.replace("{port}", _port(provider)), encoding="utf-8")
        config.write_text("", encoding="utf-8")
        for file in (record, config):
            file.chmod(0o600)
        arguments = ("--config", str(config))
        async with running(*arguments, data_dir=tmp_path / "data", module="byokd") as daemon:
            await unlocked(daemon)
            stored = await daemon.request("key/store", {"provider": "mine", "fields": _FIELDS})
            assert stored["key"]["baseUrl"] == f"http://localhost:{_port(provider)}/v1"
            assert stored["probe"]["verdict"] == "valid"
