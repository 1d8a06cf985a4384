"""A key goes in and comes out in one place only: the request to its provider.

A marker key is pushed through every method and many error paths, with debug logging and a client
that traces every frame. Then everything the daemon wrote is searched for it, in every encoding a
program uses by accident.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from byokd.crypto import seal
from byokd.protocol.methods import REQUESTS
from byokd.sandbox import Sandbox
from daemon import Daemon, Json, RpcError, running
from world import GENERIC, chat_params

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

_MODELS = (
    "sandbox-echo", "sandbox-tools", "sandbox-reasoning", "sandbox-fault-401", "sandbox-fault-429",
    "sandbox-fault-500", "sandbox-cut", "sandbox-garbage", "sandbox-error-in-200", "sandbox-html",
    "sandbox-redirect", "sandbox-gzip", "sandbox-fault-echo-key",
)  # fmt: skip


def _spellings(key: str) -> Iterator[bytes]:
    raw = key.encode()
    yield raw
    yield key[::-1].encode()
    yield raw.hex().encode()
    yield quote(key, safe="").encode()
    yield json.dumps(key)[1:-1].encode()
    yield key.encode("utf-16-le")
    for skip in range(3):
        # A middle of the base64 that does not depend on what stood before the key.
        yield base64.b64encode(b"\0" * skip + raw)[8:-4]
    for start in range(len(key) - 12):
        yield raw[start : start + 12]


class _Traced:
    """A client in verbose trace mode: it keeps every frame it sends and gets."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.trace: list[bytes] = []

    async def call(self, method: str, params: Json) -> Any:
        self.trace.append(json.dumps(params).encode())
        try:
            return await self.daemon.request(method, params)
        except RpcError as error:
            self.trace.append(json.dumps(error.data).encode())
            return None

    def sealed(self, method: str, key: str, *, key_id: str = "", base_url: str = "") -> Json:
        info = seal.info(
            method,
            account="default",
            provider=GENERIC,
            key_id=key_id,
            base_url=base_url,
            field="apiKey",
        )
        public_key = self.daemon.info["sealing"]["publicKey"]
        return {"apiKey": {"sealed": seal.seal(public_key, key, info)}}


async def _everything(client: _Traced, provider: Sandbox, key: str) -> None:
    url = provider.base_url
    await client.call("vault/initialize", {"protection": "keyFile", "acceptRisk": "keyFile"})
    new = {"provider": GENERIC, "baseUrl": url}
    sealed = client.sealed("key/store", key, base_url=url)
    stored = await client.call("key/store", new | {"fields": sealed, "label": "canary"})
    key_id = stored["key"]["keyId"]
    again = client.sealed("key/rotate", key, key_id=key_id, base_url="")
    for method, params in _calls(key_id, new, again, client.sealed("key/probe", key, base_url=url)):
        await client.call(method, params)
    for model in _MODELS:
        for stream in (True, False):
            await client.call("chat/send", chat_params(model, key_id=key_id, stream=stream))
    # The same secret where it does not belong: each is refused without quoting it.
    wrong = client.sealed("key/probe", key, base_url=url)
    await client.call("key/store", new | {"fields": wrong})
    await client.call("key/delete", {"keyId": key_id})
    await client.call("account/delete", {"account": "default", "confirm": "default"})


def _calls(key_id: str, new: Json, rotate: Json, probe: Json) -> Iterator[tuple[str, Json]]:
    one = {"keyId": key_id}
    yield "key/rotate", one | {"fields": rotate}
    yield "key/probe", one
    yield "key/probe", new | {"fields": probe}
    yield "key/disable", one
    yield "key/enable", one | {"probe": True}
    yield "key/setDefault", one
    for method in (
        "key/list",
        "provider/list",
        "vault/status",
        "audit/list",
        "audit/verify",
        "account/list",
    ):
        yield method, {}
    yield "model/list", {"provider": GENERIC, "refresh": True}
    yield "model/refresh", {"provider": GENERIC}
    yield "provider/test", {"provider": GENERIC, "chat": True}
    yield "vault/restore", {"number": 99}


async def test_the_key_is_seen_by_its_provider_and_nobody_else(tmp_path: Path) -> None:
    key = "canary-" + secrets.token_hex(24)
    async with (
        Sandbox(keys=[key]) as provider,
        running("--log-level", "debug", data_dir=tmp_path) as daemon,
    ):
        await daemon.initialize()
        client = _Traced(daemon)
        await _everything(client, provider, key)
        called = {name for name, _ in _calls("", {}, {}, {})} | {
            "vault/initialize", "key/store", "chat/send", "key/delete", "account/delete",
        }  # fmt: skip
        assert called == {method.name for method in REQUESTS}, "a method is missing here"
        process = Path(f"/proc/{daemon.process.pid}")
        seen = {"command line": (process / "cmdline").read_bytes()}
        seen["environment"] = (process / "environ").read_bytes()
        assert await daemon.close() == 0
        seen["frames"] = b"\n".join(daemon.wire)
        seen["client trace"] = b"\n".join(client.trace)
        seen["stderr"] = bytes(daemon.stderr)
        assert sum(key in request.credential for request in provider.requests) > 20
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "vault.db" for path in files)
    seen |= {str(path.relative_to(tmp_path)): path.read_bytes() for path in files}
    for place, data in seen.items():
        for spelling in _spellings(key):
            assert spelling not in data, f"the key is in {place}"
