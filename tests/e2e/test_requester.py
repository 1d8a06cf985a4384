"""`_meta.client` of `chat/send`: the extension that asks reaches the audit log."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from byokd.core.limits import REQUESTER_MAX_CHARS
from daemon import RpcError, running
from sandbox_env import ask, sandbox, store_key, unlocked

pytestmark = pytest.mark.anyio

_LONGEST = "x" * REQUESTER_MAX_CHARS


async def test_uses_are_counted_by_requester(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        key = await store_key(daemon, provider)
        metas: list[Any] = [
            None,
            {"other": 1},
            {"client": None},
            {"client": "github.copilot-chat"},
            {"client": "github.copilot-chat"},
            {"client": _LONGEST},
            {"client": "Größe ok"},  # accepted, but no id: not written
        ]
        for meta in metas:
            await ask(daemon, "sandbox-echo", _meta=meta)
        await daemon.request("key/disable", {"keyId": key["keyId"]})  # writes what waits
        entries = (await daemon.request("audit/list", {}))["items"]
        counts: Counter[str | None] = Counter()
        for entry in entries:
            if entry["event"] == "key.use":
                counts[entry["details"].get("requester")] += entry["details"]["count"]
        assert counts == {None: 4, "github.copilot-chat": 2, _LONGEST: 1}
        assert (await daemon.request("audit/verify", {}))["ok"]


@pytest.mark.parametrize("client", ["", _LONGEST + "x", "a\nb", "a\u202eb", 7, ["x"], {}, True])
async def test_unfit_requester_is_refused(tmp_path: Path, client: object) -> None:
    async with running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        with pytest.raises(RpcError) as caught:
            await ask(daemon, "sandbox-echo", _meta={"client": client})
        assert caught.value.kind == "invalidParams"
        assert caught.value.data["details"][0]["pointer"] == "/_meta"
