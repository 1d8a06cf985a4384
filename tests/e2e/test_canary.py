"""A key appears only in the request to its provider.

Canary secrets go through every method and every error path, with debug logging and a client that
traces every frame. Then the daemon's output, arguments, environment and files are searched for
them, in every encoding that a program may use by accident. What is sent is in `method_calls.py`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import secrets
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from byokd.crypto import seal
from byokd.sandbox import Sandbox
from contract_methods import REQUESTS
from daemon import Daemon, Json, RpcError, running
from e2e.method_calls import CALLED_BY_EXAMPLE, CALLS
from e2e.mirror import MODELS, SPELLINGS, Mirror, mirror
from protocol.examples import request_example
from sandbox_env import GENERIC, chat_params

pytestmark = pytest.mark.anyio

_FAULTS = (
    "sandbox-echo", "sandbox-tools", "sandbox-reasoning", "sandbox-fault-401", "sandbox-fault-429",
    "sandbox-fault-500", "sandbox-cut", "sandbox-garbage", "sandbox-error-in-200", "sandbox-html",
    "sandbox-redirect", "sandbox-gzip", "sandbox-fault-echo-key",
)  # fmt: skip
_WINDOW_CHARS = 12
_AGAINST_KEY = re.compile(r"4\d\d~|text~|page~|sandbox-fault-(401|echo-key)")


@dataclass
class TracingClient:
    """A client in verbose trace mode, with all that it sent and received."""

    daemon: Daemon
    url: str
    key: str
    passphrase: str
    key_id: str = "key_" + "a" * 26
    called: set[str] = field(default_factory=set)
    trace: list[bytes] = field(default_factory=list)
    count: int = 0

    async def call(self, method: str, params: Json) -> Any:
        """Send a request; return its result, or None for an error."""
        self.called.add(method)
        self.count += 1
        self.trace.append(json.dumps(params).encode())
        try:
            return await self.daemon.request(method, params)
        except RpcError as error:
            self.trace.append(json.dumps([str(error), error.data]).encode())
            return None

    def seal(self, text: str, method: str, name: str, **bound: str) -> Json:
        """Seal a secret for one request."""
        bound = {"provider": "", "key_id": "", "base_url": ""} | bound
        info = seal.info(method, account="default", field=name, **bound)
        return {"sealed": seal.seal(self.daemon.info["sealing"]["publicKey"], text, info)}

    def key_for(self, method: str) -> Json:
        """Return params with the key sealed for a method that stores or probes it."""
        sealed = self.seal(self.key, method, "apiKey", provider=GENERIC, base_url=self.url)
        return {"provider": GENERIC, "baseUrl": self.url, "fields": {"apiKey": sealed}}

    def passphrase_for(self, method: str) -> Json:
        """Return params with the passphrase sealed for a method."""
        return {"passphrase": self.seal(self.passphrase, method, "passphrase")}

    def variables(self, *names: str) -> Json:
        """Return params of `key/import` with the key as the value of these variables."""
        sealed = {name: self.seal(self.key, "key/import", name) for name in names}
        return {"source": {"type": "variables", "variables": sealed}}

    @property
    def key_params(self) -> Json:
        """Params with the id of the stored key."""
        return {"keyId": self.key_id}

    @property
    def rotated(self) -> Json:
        """Params of `key/rotate` with the same key, sealed for the stored entry."""
        sealed = self.seal(self.key, "key/rotate", "apiKey", provider=GENERIC, key_id=self.key_id)
        return self.key_params | {"fields": {"apiKey": sealed}}


_ENDING = frozenset({"key/delete", "account/delete"})


async def _begin(daemon: Daemon, url: str, key: str, passphrase: str) -> TracingClient:
    """Initialize with verbose traces, create the vault and store the key."""
    await daemon.initialize()
    daemon.notify("$/setTrace", {"value": "verbose"})
    client = TracingClient(daemon, url, key, passphrase)
    [vault] = CALLS["vault/initialize"](client)
    await client.call("vault/initialize", vault)
    first = next(iter(CALLS["key/store"](client)))
    stored = await client.call("key/store", first)
    client.key_id = stored["key"]["keyId"]
    return client


async def _call(client: TracingClient, methods: Iterable[str]) -> None:
    for method in methods:
        for params in CALLS[method](client):
            await client.call(method, params)


async def _call_by_example(client: TracingClient) -> None:
    for method in CALLED_BY_EXAMPLE:
        result = await client.call(method, request_example(method, client.key_id))
        assert result is not None, f"the example of {method} is refused: add a row to CALLS"


async def _chats(client: TracingClient, models: Iterable[str]) -> None:
    """Send a chat to each model: at once, except those that may disable the key."""
    rows = [(model, stream) for model in models for stream in _streaming(model)]

    async def chat(model: str, stream: bool) -> None:  # noqa: FBT001 - a row of the table
        params = chat_params(model, **client.key_params, stream=stream, includeRaw=stream)
        async with slots:
            await client.call("chat/send", params)

    slots = asyncio.Semaphore(32)
    await asyncio.gather(*(chat(*row) for row in rows if not _AGAINST_KEY.match(row[0])))
    for row in rows:
        if _AGAINST_KEY.match(row[0]):
            await chat(*row)
            await client.call("key/enable", client.key_params)


def _streaming(model: str) -> Sequence[bool]:
    return (True, False) if "~" not in model else (not model.endswith("~whole"),)


# --- searching -----------------------------------------------------------------------------------


def _processes(pid: int) -> dict[str, bytes]:
    """Return the arguments and environments of the daemon and its children."""
    seen = {}
    for process in [pid, *_children(pid)]:
        for name in ("cmdline", "environ"):
            with suppress(OSError):  # a child that has ended, or that only root may read
                seen[f"{name} of {process}"] = Path(f"/proc/{process}/{name}").read_bytes()
    return seen


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            children += [int(child) for child in task.read_text().split()]
    return children + [below for child in children for below in _children(child)]


def _files(folder: Path) -> dict[str, bytes]:
    """Return every file: store, sidecars, backups, temporary files, core dumps."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _spellings(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    yield secret[::-1].encode()
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield quote(secret, safe="").encode()
    yield json.dumps(secret)[1:-1].encode()
    yield secret.encode("utf-16-le")
    for skip in range(3):
        # The middle of the base64, which does not depend on the bytes before the secret.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * skip + raw)[8:-4]
    for start in range(len(raw) - _WINDOW_CHARS + 1):
        yield raw[start : start + _WINDOW_CHARS]


def _search(places: dict[str, bytes], *secrets_: str) -> None:
    for secret in secrets_:
        spellings = [*_spellings(secret)]
        for place, data in places.items():
            for spelling in spellings:
                assert spelling not in data, f"a secret is in {place}"


def _output(client: TracingClient) -> dict[str, bytes]:
    daemon = client.daemon
    return {
        "frames": b"\n".join(daemon.wire),
        "client trace": b"\n".join(client.trace),
        "stderr": bytes(daemon.stderr),
    }


def _markers() -> tuple[str, str]:
    """Return a key and a passphrase; the key has characters that each encoding changes."""
    return f'canary/{secrets.token_hex(16)}+"\\&<>', "passphrase " + secrets.token_hex(16)


# --- the scenarios -------------------------------------------------------------------------------


async def _mirrored(tmp_path: Path, models: Iterable[str]) -> TracingClient:
    key, passphrase = _markers()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    provider: Mirror
    async with (
        mirror() as provider,
        running(
            *("--log-level", "debug", "--allow-export"),
            data_dir=tmp_path,
            environment={"TMPDIR": str(temporary)},
        ) as daemon,
    ):
        client = await _begin(daemon, provider.base_url, key, passphrase)
        await _chats(client, models)
        await _call_by_example(client)
        await _call(client, [method for method in CALLS if method not in _ENDING])
        await _call(client, _ENDING)
        assert client.called == {method.name for method in REQUESTS}
        seen = _processes(daemon.process.pid)
        assert await daemon.close() == 0
    assert sum(sent == key for sent in provider.keys) > 8, "the key was sent to its provider"
    assert [*tmp_path.rglob("vault.db")]
    output = _output(client)
    assert output["frames"].count(b"***") > len(client.daemon.events) / 2, "echoes were redacted"
    _search(seen | output | _files(tmp_path), key, passphrase)
    return client


async def test_key_echoed_by_a_provider_is_redacted_everywhere(tmp_path: Path) -> None:
    every_echo = [model for model in MODELS if "~raw~" in model]
    every_spelling = [f"text at once~{spelling}~stream" for spelling in SPELLINGS]
    await _mirrored(tmp_path, [*every_echo, *every_spelling])


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_key_echoed_in_every_place_and_spelling_is_redacted(tmp_path: Path) -> None:
    client = await _mirrored(tmp_path, MODELS)
    print(f"\n{client.count} scenarios, 0 hits")
    assert client.count >= 300


async def test_key_is_in_no_output_when_a_provider_fails(tmp_path: Path) -> None:
    key, passphrase = f"canary-{secrets.token_hex(24)}", _markers()[1]
    async with (
        Sandbox(keys=[key]) as provider,
        running("--log-level", "debug", data_dir=tmp_path) as daemon,
    ):
        client = await _begin(daemon, provider.base_url, key, passphrase)
        await _chats(client, _FAULTS)
        seen = _processes(daemon.process.pid)
        assert await daemon.close() == 0
        assert sum(key in request.credential for request in provider.requests) > 20
    _search(seen | _output(client) | _files(tmp_path), key, passphrase)


@pytest.mark.skipif(os.name != "posix", reason="signals work differently elsewhere")
@pytest.mark.parametrize("ended", [signal.SIGABRT, signal.SIGSEGV], ids=["abort", "crash"])
async def test_crash_during_a_chat_writes_no_key(tmp_path: Path, ended: signal.Signals) -> None:
    """With Python's `faulthandler` on."""
    key, passphrase = f"canary-{secrets.token_hex(24)}", _markers()[1]
    async with (
        Sandbox(keys=[key]) as provider,
        running(
            *("--log-level", "debug"), data_dir=tmp_path, flags=("-X", "faulthandler")
        ) as daemon,
    ):
        client = await _begin(daemon, provider.base_url, key, passphrase)
        daemon.send("chat/send", chat_params("sandbox-silent", **client.key_params))
        await daemon.until("chat/events")
        daemon.process.send_signal(ended)
        assert await daemon.gone() == -ended
    assert b"Current thread" in daemon.stderr, "faulthandler wrote its report"
    _search(_output(client) | _files(tmp_path), key, passphrase)
