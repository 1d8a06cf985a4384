"""The vault through the real process: passphrase, recovery code, locks, restarts and kills.

Keyrings have their own tests.
"""

from __future__ import annotations

import asyncio
import base64
import random
from pathlib import Path
from typing import Any

import pytest

from byokd.crypto.seal import SealingKey, info, seal
from daemon import Daemon, RpcError, running
from sandbox_env import KEY, ask, chat_params, sandbox, store_key

pytestmark = pytest.mark.anyio

_PHRASE, _OTHER = "correct horse battery", "staple of another kind"
_FILE = {"protection": "keyFile", "acceptRisk": "keyFile"}


def _sealed(daemon: Daemon, method: str, **secrets: str) -> dict[str, Any]:
    public_key = daemon.info["sealing"]["publicKey"]
    return {
        field: {"sealed": seal(public_key, text, info(method, account="default", field=field))}
        for field, text in secrets.items()
    }


async def _refused(daemon: Daemon, **secrets: str) -> str:
    with pytest.raises(RpcError) as caught:
        await daemon.request("vault/unlock", _sealed(daemon, "vault/unlock", **secrets))
    assert caught.value.kind == "vaultLocked"
    return str(caught.value.data["details"]["reason"])


async def test_passphrase_vault_across_restarts(tmp_path: Path) -> None:
    recipient = SealingKey()

    def code(result: dict[str, Any], method: str) -> str:
        use = info(method, account="default", field="recoveryCode")
        return recipient.open(result["recoveryCode"]["sealed"], use).reveal()

    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await daemon.initialize()
        method = "vault/initialize"
        params = {"protection": "passphrase", "recipientPublicKey": recipient.public_key_b64}
        initialized = await daemon.request(
            method, params | _sealed(daemon, method, passphrase=_PHRASE)
        )
        first = code(initialized, method)
        assert initialized["vault"]["slots"][0]["kind"] == "passphrase"
        await store_key(daemon, provider)
        assert (await ask(daemon, "sandbox-echo"))["finishReason"]["unified"] == "stop"
        locked = (await daemon.request("vault/lock"))["vault"]
        assert (locked["state"], locked["reason"]) == ("locked", "lockedByUser")
        with pytest.raises(RpcError) as caught:
            await ask(daemon, "sandbox-echo")
        assert caught.value.data["action"]["type"] == "unlockVault"
        assert await _refused(daemon, passphrase=_OTHER) == "wrongPassphrase"
        unlocked = await daemon.request(
            "vault/unlock", _sealed(daemon, "vault/unlock", passphrase=_PHRASE)
        )
        assert unlocked["vault"]["state"] == "unlocked"
        assert (await ask(daemon, "sandbox-echo"))["finishReason"]["unified"] == "stop"
        assert await daemon.close() == 0

        async with running(data_dir=tmp_path) as later:
            await later.initialize()
            changed = await later.until("vault/changed")
            assert changed["vault"]["reason"] == "passphraseNeeded"
            await later.request(
                "vault/unlock", _sealed(later, "vault/unlock", recoveryCode=first.lower())
            )
            method = "vault/rekey"
            params = {
                "change": "everything",
                "recipientPublicKey": recipient.public_key_b64,
            } | _sealed(later, method, passphrase=_PHRASE)
            last = code(await later.request(method, params), method)
            assert last != first
            assert (await ask(later, "sandbox-echo"))["finishReason"]["unified"] == "stop"
            assert (await later.request("audit/verify"))["ok"]
            await later.request("vault/lock")
            assert await _refused(later, recoveryCode=first) == "wrongRecoveryCode"
            listed = await later.request("vault/status")
            assert listed["vault"]["reason"] == "lockedByUser"
            wire = b"".join((*daemon.wire, *later.wire, bytes(daemon.stderr), bytes(later.stderr)))
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in (_PHRASE, first, last, KEY):
        for form in (secret.encode(), base64.b64encode(secret.encode())):
            assert form not in wire
            assert form not in stored


async def test_lock_lets_running_chats_end_and_refuses_new_ones(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await daemon.initialize()
        await daemon.request("vault/initialize", _FILE)
        key = await store_key(daemon, provider, probe="skip")
        params = chat_params("sandbox-paced-20hz-20", key_id=key["keyId"])
        sent = daemon.send("chat/send", params)
        await daemon.until("chat/events", lambda p: p["streamId"] == params["streamId"])
        await daemon.request("vault/lock")
        with pytest.raises(RpcError) as caught:
            await ask(daemon, "sandbox-echo", key_id=key["keyId"])
        assert caught.value.data["details"]["reason"] == "lockedByUser"
        answer = await daemon.answer(sent)
        assert answer["finishReason"]["unified"] == "length"  # it was not cut short
        status = (await daemon.request("vault/status"))["vault"]
        assert status["reason"] == "lockedByUser"  # the end of the chat did not unlock it
        await daemon.request("vault/unlock")
        assert (await ask(daemon, "sandbox-echo"))["finishReason"]["unified"] == "stop"


@pytest.mark.parametrize(
    "count", [2, pytest.param(40, marks=[pytest.mark.long, pytest.mark.timeout(600)])]
)
async def test_kill_during_rekey_loses_no_key(tmp_path: Path, count: int) -> None:
    """At a random moment of a random change; the next daemon has every key and no stray file."""
    chance = random.Random(1)  # noqa: S311  # the same moments in each run
    changes: list[dict[str, Any]] = [
        {"change": "replaceProtection", "kind": "keyFile", "acceptRisk": "keyFile"},
        {"change": "addSlot", "kind": "keyFile", "acceptRisk": "keyFile"},
        {"change": "everything"},
    ]
    async with sandbox() as provider:
        async with running(data_dir=tmp_path) as daemon:
            await daemon.initialize()
            await daemon.request("vault/initialize", _FILE)
            keys = [await store_key(daemon, provider, probe="skip") for _ in range(3)]
            await daemon.close()
        finished = 0
        for _ in range(count):
            async with running(data_dir=tmp_path) as daemon:
                await daemon.initialize()
                await daemon.until("vault/changed", lambda p: p["vault"]["state"] == "unlocked")
                request = daemon.send("vault/rekey", chance.choice(changes))
                answer = asyncio.ensure_future(daemon.answer(request))
                loop = asyncio.get_running_loop()
                loop.call_later(chance.uniform(0, 0.06), daemon.process.kill)
                await daemon.process.wait()
                await asyncio.wait({answer})
                finished += answer.exception() is None
            async with running(data_dir=tmp_path) as daemon:
                await daemon.initialize()
                await daemon.until(
                    "vault/changed",
                    lambda p: (
                        all(slot["state"] == "active" for slot in p["vault"]["slots"])
                        and p["vault"]["state"] == "unlocked"
                    ),
                )
                listed = (await daemon.request("key/list"))["items"]
                assert {key["keyId"] for key in listed} == {key["keyId"] for key in keys}
                for key in keys:
                    await ask(daemon, "sandbox-echo", key_id=key["keyId"])
                assert (await daemon.request("audit/verify"))["ok"]
                slots = (await daemon.request("vault/status"))["vault"]["slots"]
                files = list((tmp_path / "state").glob("*.key"))
                assert len(files) == len(slots)
                if len(slots) > 4:  # make room for more
                    await daemon.request("vault/rekey", changes[0])
                await daemon.close()
    print(f"\nkilled while rekeying: {count} times, {finished} after the answer; no key lost")
