"""What most end-to-end tests need: a sandbox provider, an unlocked vault and a stored key."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from byokd.catalog.loader import load
from byokd.sandbox import Sandbox
from daemon import Daemon, Json

KEY = "sandbox-key-0123456789abcdef"
BAD_KEY = "sandbox-bad-0123456789abcdef"

GENERIC, GENERIC_NAME = next(
    (record.id, record.name)
    for record in load().values()
    if record.kind == "singleField" and record.base_url is None and record.base_url_required
)
"""The provider without a base URL of its own; the sandbox is reached through it."""

_streams = itertools.count(1)


@asynccontextmanager
async def sandbox() -> AsyncIterator[Sandbox]:
    """Run a sandbox that accepts `KEY`."""
    async with Sandbox(keys=[KEY]) as provider:
        yield provider


async def unlocked(daemon: Daemon, *, prompt: bool = False, **options: Any) -> Json:
    """Initialize the daemon and create a vault in memory; return byokd's part of the result."""
    info = await daemon.initialize(capabilities={"prompt": prompt}, **options)
    await daemon.request("vault/initialize", {"protection": "memory", "acceptRisk": "memory"})
    return info


async def store_key(
    daemon: Daemon,
    provider: Sandbox,
    key: str = KEY,
    *,
    probe: str = "require",
    label: str | None = None,
) -> Json:
    """Store a key for the sandbox; return its `KeyInfo`."""
    result: Json = await daemon.request(
        "key/store",
        {
            "provider": GENERIC,
            "fields": {"apiKey": {"plain": key}},
            "baseUrl": provider.base_url,
            "probe": probe,
            "label": label,
        },
    )
    info: Json = result["key"]
    return info


def chat_params(model: str, *, key_id: str | None = None, **more: Any) -> Json:
    """Return params of a short chat with a new stream id."""
    return {
        "streamId": f"s{next(_streams)}",
        "provider": GENERIC,
        "model": model,
        "keyId": key_id,
        "messages": [{"role": "user", "content": "hello"}],
    } | more


async def ask(daemon: Daemon, model: str, *, key_id: str | None = None, **more: Any) -> Json:
    """Send a chat to the sandbox; return the result."""
    result: Json = await daemon.request("chat/send", chat_params(model, key_id=key_id, **more))
    return result
