"""`chat/countTokens` through the real daemon: exact where a provider counts, else an estimate."""

from __future__ import annotations

from pathlib import Path

import pytest

from byokd.catalog.loader import load
from byokd.sandbox import Sandbox
from daemon import Json, running
from sandbox_env import KEY, unlocked

pytestmark = pytest.mark.anyio

_PLAIN = {"region": "us-east-1", "accountId": "0" * 32}
_MESSAGES = [{"role": "user", "content": "How many tokens is this?"}]


async def test_exact_count_comes_from_the_providers_that_count(tmp_path: Path) -> None:
    counting = [record for record in load().values() if record.token_counts]
    assert counting
    async with Sandbox(keys=[KEY]) as sandbox, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        for record in counting:
            fields: Json = {f.name: _PLAIN[f.name] for f in record.fields if f.name in _PLAIN}
            secret = "apiKey" if record.field("apiKey") else record.auth.field
            base_url = sandbox.base_url_as(record.id, **fields)
            if record.dialect == "openai_responses":  # at another host than its own it is a choice
                base_url += record.chat_path
            stored: Json = await daemon.request(
                "key/store",
                {
                    "provider": record.id,
                    "fields": fields | {secret: {"plain": KEY}},
                    "baseUrl": base_url,
                    "probe": "skip",
                },
            )
            params = {
                "provider": record.id,
                "model": "sandbox-echo",
                "keyId": stored["key"]["keyId"],
                "messages": _MESSAGES,
            }
            sent = len(sandbox.requests)
            estimate: Json = await daemon.request("chat/countTokens", params)
            assert (estimate["method"], len(sandbox.requests)) == ("estimate", sent), record.id
            assert 4 < estimate["inputTokens"] < 40
            exact: Json = await daemon.request("chat/countTokens", params | {"exact": True})
            assert (exact["method"], exact["inputTokens"]) == ("exact", 42), record.id
            assert len(sandbox.requests) == sent + 1
        assert await daemon.close() == 0


async def test_estimate_needs_no_vault(tmp_path: Path) -> None:
    async with running(data_dir=tmp_path) as daemon:
        await daemon.initialize()
        params = {"provider": "mistral", "model": "mistral-large-latest", "messages": _MESSAGES}
        counted: Json = await daemon.request("chat/countTokens", params)
        assert counted["method"] == "estimate"
        assert await daemon.close() == 0
