"""What a client needs: to name keys, to check them by one request, to say what ends with them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daemon import Daemon, RpcError, running
from sandbox_env import (
    BAD_KEY,
    GENERIC,
    KEY,
    ask,
    chat_params,
    sandbox,
    store_key,
    unlocked,
)
from waits import WAIT_MAX_S

pytestmark = pytest.mark.anyio


async def _listed(daemon: Daemon) -> dict[str, int]:
    items = (await daemon.request("key/list", {}))["items"]
    return {item["keyId"]: item["runningChats"] for item in items}


async def _begun(daemon: Daemon, stream_id: str) -> None:
    await daemon.until("chat/events", lambda p: p["streamId"] == stream_id)


async def test_key_gets_a_label_which_is_recorded_and_notified(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        key = await store_key(daemon, provider)
        params = {"keyId": key["keyId"], "label": " work "}
        named = (await daemon.request("key/setLabel", params))["key"]
        assert named == key | {"label": "work"}
        changed = await asyncio.wait_for(
            daemon.until("key/changed", lambda p: p["change"] == "labelSet"), WAIT_MAX_S
        )
        assert (changed["keyId"], changed["state"]) == (key["keyId"], "active")
        await daemon.request("key/setLabel", params)  # changes nothing, so nothing is recorded
        entries = (await daemon.request("audit/list", {"keyId": key["keyId"]}))["items"]
        assert [entry["event"] for entry in entries].count("key.label_set") == 1
        assert "work" not in str(entries)
        assert (await ask(daemon, "sandbox-echo", key_id=key["keyId"]))["message"]
        nameless = await daemon.request("key/setLabel", {"keyId": key["keyId"], "label": None})
        assert nameless["key"]["label"] is None


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("x" * 129, "the params are invalid"),
        ("a\x1bb", "a label is one line of visible characters"),
        (" ", "a label has at least one character"),
    ],
)
async def test_label_that_cannot_be_shown_is_refused_everywhere(
    tmp_path: Path, label: str, text: str
) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        key = await store_key(daemon, provider, label="work")
        new = {
            "provider": GENERIC, "baseUrl": provider.base_url, "label": label,
            "fields": {"apiKey": {"plain": KEY}}, "probe": "skip",
        }  # fmt: skip
        changed = {"keyId": key["keyId"], "label": label}
        rotated = changed | {"fields": {"apiKey": {"plain": KEY}}, "probe": "skip"}
        for method, params in (
            ("key/setLabel", changed), ("key/store", new), ("key/rotate", rotated),
        ):  # fmt: skip
            with pytest.raises(RpcError) as refused:
                await daemon.request(method, params)
            assert refused.value.kind == "invalidParams"
            assert text in refused.value.data["userMessage"]
        [item] = (await daemon.request("key/list", {}))["items"]
        assert item["label"] == "work"


async def test_rotation_takes_a_new_label(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        key = await store_key(daemon, provider, label="work")
        params = {"keyId": key["keyId"], "fields": {"apiKey": {"plain": KEY}}, "probe": "skip"}
        assert (await daemon.request("key/rotate", params))["key"]["label"] == "work"
        renamed = await daemon.request("key/rotate", params | {"label": "home"})
        assert renamed["key"]["label"] == "home"


async def test_one_request_checks_and_stores_a_key(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        await store_key(daemon, provider, probe="requireAnswer")
        assert len(provider.requests) == 1
        with pytest.raises(RpcError) as refused:
            await store_key(daemon, provider, BAD_KEY, probe="requireAnswer")
        assert (refused.value.kind, len(provider.requests)) == ("keyInvalid", 2)
        assert len(await _listed(daemon)) == 1


async def test_nothing_is_stored_unasked_where_the_provider_does_not_answer(tmp_path: Path) -> None:
    async with running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        params = {
            "provider": GENERIC, "baseUrl": "http://127.0.0.1:9/v1", "probe": "requireAnswer",
            "fields": {"apiKey": {"plain": KEY}},
        }  # fmt: skip
        with pytest.raises(RpcError) as refused:
            await daemon.request("key/store", params)
        assert refused.value.kind == "network"
        assert refused.value.data["details"]["verdict"] == "unreachable"
        assert await _listed(daemon) == {}
        stored = await daemon.request("key/store", params | {"probe": "require"})
        assert stored["probe"]["verdict"] == "unreachable"


async def test_running_chats_of_a_key_are_counted(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        first, second = [await store_key(daemon, provider) for _ in range(2)]
        chats = [chat_params("sandbox-silent", key_id=first["keyId"]) for _ in range(3)]
        requests = [daemon.send("chat/send", chat) for chat in chats]
        for chat in chats:
            await asyncio.wait_for(_begun(daemon, chat["streamId"]), WAIT_MAX_S)
        assert await _listed(daemon) == {first["keyId"]: 3, second["keyId"]: 0}
        await daemon.request("key/delete", {"keyId": first["keyId"]})
        for request in requests:
            with pytest.raises(RpcError) as ended:
                await asyncio.wait_for(daemon.answer(request), WAIT_MAX_S)
            assert ended.value.kind == "keyMissing"
        assert await _listed(daemon) == {second["keyId"]: 0}
