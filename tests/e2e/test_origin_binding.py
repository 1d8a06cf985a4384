"""A stored key is sent only to the origin it was stored for.

Two providers record the keys of their requests: the second one never receives the first's key.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from daemon import Daemon, Json, RpcError, running
from e2e.mirror import Mirror, mirror
from e2e.test_runtime_vendor import record_at
from sandbox_env import GENERIC, KEY, chat_params, unlocked

pytestmark = pytest.mark.anyio

_OTHER = "other-key-0123456789abcdef"


async def _stored(daemon: Daemon, provider: Mirror) -> str:
    result = await daemon.request(
        "key/store",
        {
            "provider": GENERIC,
            "fields": {"apiKey": {"plain": KEY}},
            "baseUrl": provider.base_url,
            "probe": "skip",
        },
    )
    key_id: str = result["key"]["keyId"]
    return key_id


async def test_no_request_sends_a_stored_key_to_another_origin(tmp_path: Path) -> None:
    async with mirror() as home, mirror() as evil, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        key_id = await _stored(daemon, home)
        elsewhere = {"baseUrl": evil.base_url, "allowInsecureOrigin": True}
        key_params: Json = {"keyId": key_id}
        new = {"apiKey": {"plain": _OTHER}}
        requests: list[tuple[str, Json]] = [
            ("key/rotate", key_params | {"fields": new, "baseUrl": evil.base_url}),
            ("key/probe", key_params | elsewhere),
            ("key/probe", key_params | {"provider": GENERIC} | elsewhere),
            ("key/enable", key_params | elsewhere),
            ("provider/test", key_params | {"provider": GENERIC} | elsewhere),
            ("provider/test", {"provider": GENERIC} | elsewhere),
            ("model/list", key_params | {"provider": GENERIC, "refresh": True} | elsewhere),
            ("chat/send", chat_params("any", key_id=key_id) | elsewhere),
            (
                "chat/send",
                chat_params(
                    "any",
                    key_id=key_id,
                    providerOptions={"base_url": evil.base_url, "url": evil.base_url},
                ),
            ),
            ("chat/send", chat_params(f"../../{evil.base_url}", key_id=key_id)),
            ("chat/send", chat_params("any", key_id=key_id)),
        ]
        for method, params in requests:
            with suppress(RpcError):
                await daemon.request(method, params)
        assert set(home.keys) == {KEY}
        assert KEY not in evil.keys
        assert _OTHER not in evil.keys
        with pytest.raises(RpcError) as caught:
            await daemon.request(*requests[0])
        assert caught.value.kind == "conflict"
        [listed] = (await daemon.request("key/list", {}))["items"]
        assert listed["origin"] == home.base_url.removesuffix("/v1")


async def test_neither_environment_nor_folder_sets_a_proxy(tmp_path: Path) -> None:
    """A repository may set variables by `.envrc` and holds the files of the working directory."""
    work = tmp_path / "work"
    work.mkdir()
    async with mirror() as home, mirror() as evil:
        proxy = evil.base_url.removesuffix("/v1")
        for name in ("config.toml", "byokd.toml", ".byokd.toml", "pyproject.toml"):
            (work / name).write_text(f'[network]\nproxy = "{proxy}"\n', encoding="utf-8")
        (work / ".env").write_text(f"HTTP_PROXY={proxy}\n", encoding="utf-8")
        (work / ".netrc").write_text(f"machine 127.0.0.1 password {_OTHER}\n", encoding="utf-8")
        names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        environment = dict.fromkeys(names, proxy) | {
            "NETRC": str(work / ".netrc"),
            "OPENAI_BASE_URL": proxy,
            "OPENAI_API_KEY": _OTHER,
        }
        through = ("env", "-C", str(work)) if os.name == "posix" else ()
        async with running(
            data_dir=tmp_path / "data", environment=environment, through=through
        ) as daemon:
            await unlocked(daemon)
            key_id = await _stored(daemon, home)
            # No proxy is used for loopback; for a name that does not exist one would be.
            await daemon.request("chat/send", chat_params("any", key_id=key_id))
            far = {"provider": GENERIC, "baseUrl": "https://nobody.invalid/v1"}
            result = await daemon.request("provider/test", far)
        assert [step["name"] for step in result["steps"] if step["status"] == "failed"] == ["dns"]
        assert set(home.keys) == {KEY}
        assert evil.keys == []


_MOVED: list[tuple[str, Json]] = [
    ("chat/send", {}),
    ("chat/send", {"stream": False}),
    ("key/probe", {}),
    ("key/enable", {"probe": True}),
    ("key/rotate", {"fields": {"apiKey": {"plain": _OTHER}}}),
]


async def test_key_without_base_url_does_not_follow_its_record(tmp_path: Path) -> None:
    """The person's own record is changed to another host between two runs."""
    config = tmp_path / "config" / "config.toml"
    record = config.parent / "providers" / "my-vendor.toml"
    record.parent.mkdir(parents=True)
    data_dir, arguments = tmp_path / "data", ("--config", str(config))
    async with mirror() as home, mirror() as evil:
        record.write_text(record_at(home.base_url), encoding="utf-8")
        async with running(*arguments, data_dir=data_dir, module="byokd") as daemon:
            await daemon.initialize()
            vault = {"protection": "keyFile", "acceptRisk": "keyFile"}
            await daemon.request("vault/initialize", vault)
            key = {"provider": "my-vendor", "fields": {"apiKey": {"plain": KEY}}, "probe": "skip"}
            key_id = (await daemon.request("key/store", key))["key"]["keyId"]
            await daemon.request("chat/send", chat_params("any", provider="my-vendor"))
            assert await daemon.close() == 0
        record.write_text(record_at(evil.base_url), encoding="utf-8")
        async with running(*arguments, data_dir=data_dir, module="byokd") as daemon:
            await daemon.initialize()
            for method, more in _MOVED:
                params = {"keyId": key_id} | more
                if method == "chat/send":
                    params = chat_params("any", provider="my-vendor") | more
                with pytest.raises(RpcError) as caught:
                    await daemon.request(method, params)
                assert caught.value.kind == "conflict"
                if method == "chat/send":
                    assert home.base_url.removesuffix("/v1") in str(caught.value)
                    assert evil.base_url.removesuffix("/v1") in str(caught.value)
            params = {"provider": "my-vendor", "refresh": True}
            listed = await daemon.request("model/list", params)
            assert [failure["kind"] for failure in listed["failures"]] == ["conflict"]
            tested = await daemon.request("provider/test", {"provider": "my-vendor", "chat": True})
            failed = [s["kind"] for s in tested["steps"] if s["status"] == "failed"]
            assert failed == ["conflict"]
            assert KEY not in evil.keys
            assert _OTHER not in evil.keys
            stored_again = await daemon.request("key/store", key | {"makeDefault": True})
            await daemon.request("chat/send", chat_params("any", provider="my-vendor"))
            assert evil.keys == [KEY], "stored again, the key is sent to the new address"
            assert stored_again["key"]["keyId"] != key_id
            assert await daemon.close() == 0


async def _moved(folder: Path, home: Mirror, new: Mirror) -> tuple[str, str]:
    """Store a key for a record that is then moved; return the arguments of its daemon."""
    config = folder / "config" / "config.toml"
    record = config.parent / "providers" / "my-vendor.toml"
    record.parent.mkdir(parents=True)
    record.write_text(record_at(home.base_url), encoding="utf-8")
    arguments = ("--config", str(config))
    async with running(*arguments, data_dir=folder / "data", module="byokd") as daemon:
        await daemon.initialize()
        vault = {"protection": "keyFile", "acceptRisk": "keyFile"}
        await daemon.request("vault/initialize", vault)
        key = {"provider": "my-vendor", "fields": {"apiKey": {"plain": KEY}}, "probe": "skip"}
        await daemon.request("key/store", key)
        assert await daemon.close() == 0
    record.write_text(record_at(new.base_url), encoding="utf-8")
    return arguments


async def test_key_follows_its_moved_record_only_after_the_person_agreed(tmp_path: Path) -> None:
    chat = ("chat/send", chat_params("any", provider="my-vendor"))
    async with mirror() as home, mirror() as new:
        arguments = await _moved(tmp_path, home, new)
        data_dir = tmp_path / "data"
        async with running(*arguments, data_dir=data_dir, module="byokd") as daemon:
            await daemon.initialize()  # without the capability to prompt
            with pytest.raises(RpcError) as caught:
                await daemon.request(*chat)
            action = caught.value.data["action"]
            assert action["type"] == "acceptOrigin"
            params = {name: action[name] for name in ("keyId", "from", "to")}
            with pytest.raises(RpcError) as caught:
                await daemon.request("key/acceptOrigin", params)
            assert caught.value.kind == "unsupported"
            assert await daemon.close() == 0
        answers = ["Do not", "Use it there"]
        prompts: list[Json] = []

        def answer(method: str, sent: Json) -> Json | None:
            assert method == "window/showMessageRequest"
            prompts.append(sent)
            return {"title": answers[len(prompts) - 1]}

        async with running(*arguments, data_dir=data_dir, module="byokd") as daemon:
            daemon.on_request = answer
            await daemon.initialize(capabilities={"prompt": True})
            wrong = params | {"to": "https://evil.example:443"}
            for sent, kind in ((wrong, "conflict"), (params, "conflict")):
                with pytest.raises(RpcError) as caught:
                    await daemon.request("key/acceptOrigin", sent)
                assert caught.value.kind == kind
            assert len(prompts) == 1, "wrong origins are no question"
            assert caught.value.data["details"] == {"reason": "declined"}
            accepted = (await daemon.request("key/acceptOrigin", params))["key"]
            assert accepted["origin"] == params["to"]
            assert {prompt["_meta"]["topic"] for prompt in prompts} == {"origin"}
            for origin in (params["from"], params["to"]):
                assert origin in prompts[0]["message"]
            assert new.keys == []
            await daemon.request(*chat)
            assert new.keys == [KEY]
            assert (await daemon.request("audit/verify"))["ok"]
            events = (await daemon.request("audit/list", {"limit": 50}))["items"]
            [entry] = [each for each in events if each["event"] == "key.origin_accepted"]
            assert entry["details"]["previousOrigin"] == params["from"]
            with pytest.raises(RpcError):
                await daemon.request("key/acceptOrigin", params)
            assert await daemon.close() == 0
