"""Two accounts on one store: nothing that one does reaches a key of the other.

Two real daemons on one store, one provider. Both use every method that names a key, with their own
keys, the other's, and unknown ids: another account's key is answered like an unknown one. Keys are
imported from variables and exported to files. Any session may delete a whole account; then only the
named account loses its keys.
"""

from __future__ import annotations

import asyncio
import base64
import tempfile
from collections import Counter
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from byokd.sandbox import Sandbox
from contract_methods import REQUESTS
from daemon import Daemon, Json, RpcError, running
from protocol.examples import request_example
from sandbox_env import GENERIC, chat_params
from waits import WAIT_MAX_S

pytestmark = pytest.mark.timeout(900)

T = TypeVar("T")
_NOBODYS = "key_" + "a" * 26
_OPENS_NO_KEY = {"chat/countTokens"}  # an estimate, whatever the key
_FILE = {"protection": "keyFile", "acceptRisk": "keyFile"}
_KEYS_MAX = 4
_VARIABLE = "LITELLM_API_KEY"
"""A variable of a provider whose keys need a base URL from the person: here, the sandbox's."""
_PASSPHRASE = {"plain": "moved with four words"}
_RARELY = st.sampled_from([False] * 10 + [True] + [False] * 9)  # for slow and destructive rules
_PICK = st.integers(0, 99)  # ids are random, so a key is chosen by its index
_SECRETS = {name: f"{name}-key-0123456789abcdef" for name in ("home", "work")}

_NAMING = sorted(
    method.name
    for method in REQUESTS
    if "key_id" in method.params_type().model_fields and method.name != "audit/list"
)
"""Every method that uses a key by its id; `audit/list` only filters by it."""

# The params next to the key where the example of protocol.md does not fit.
_OTHER_PARAMS: dict[str, Json] = {
    "key/probe": {},
    "key/rotate": {"probe": "skip"},
    "model/list": {},
    "model/refresh": {},
    "provider/test": {"provider": GENERIC},
    "chat/send": {},
}


def _choose(ids: Iterable[str], pick: int) -> str:
    ordered = sorted(ids)
    return ordered[pick % len(ordered)]


@dataclass
class Account:
    """One account, its daemon, and every key it ever had."""

    name: str
    daemon: Daemon
    had: set[str] = field(default_factory=set)
    listed: dict[str, Json] = field(default_factory=dict)

    @property
    def secret(self) -> Json:
        return {"apiKey": {"plain": _SECRETS[self.name]}}


class Processes:
    """The provider and the two daemons of the whole test."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.accounts: list[Account] = []
        self.steps = 0
        self.counts: Counter[str] = Counter()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def open(self) -> None:
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.bundle = folder / "keys.byokd"
        keys = list(_SECRETS.values())
        self.provider = await self.stack.enter_async_context(Sandbox(keys=keys))
        for name in _SECRETS:
            process = running("--allow-export", data_dir=folder / "store")
            daemon = await self.stack.enter_async_context(process)
            self.accounts.append(Account(name, daemon))
            await daemon.initialize(account=name)
            await daemon.request("vault/status", {})
        await self.accounts[0].daemon.request("vault/initialize", _FILE)
        opened = self.accounts[1].daemon.until(
            "vault/changed", lambda params: params["vault"]["state"] == "unlocked"
        )
        await asyncio.wait_for(opened, WAIT_MAX_S)

    def close(self) -> None:
        self.run(self.stack.aclose())
        self.loop.close()


class TwoAccounts(RuleBasedStateMachine):
    """The actions of two accounts, in any order."""

    processes: ClassVar[Processes]

    def __init__(self) -> None:
        super().__init__()
        self.accounts = self.processes.accounts
        for account in self.accounts:
            for key_id in self._list(account):
                self._request(account, "key/delete", {"keyId": key_id})
            account.listed = {}

    def _request(self, account: Account, method: str, params: Json) -> Any:
        return self.processes.run(account.daemon.request(method, params))

    def _list(self, account: Account) -> dict[str, Json]:
        items = self._request(account, "key/list", {})["items"]
        return {item["keyId"]: item for item in items}

    def _use_key(self, account: Account, method: str, key_id: str) -> Json:
        """Call a method with a key; return the result, or the error without its unique ids."""
        params = _OTHER_PARAMS.get(method, request_example(method, key_id)) | {"keyId": key_id}
        if method == "key/rotate":
            params["fields"] = account.secret
        if method == "chat/send":
            params = chat_params("sandbox-echo", key_id=key_id)
        before = len(self.processes.provider.requests)
        try:
            answer = {"result": self._request(account, method, params)}
        except RpcError as error:
            hidden = error.data | {"errorId": "", "keyId": ""}
            answer = {"error": [error.code, str(error), hidden]}
        credentials = {seen.credential for seen in self.processes.provider.requests[before:]}
        assert credentials <= {_SECRETS[account.name]}, "only the account's own key was sent"
        return answer

    @rule(who=st.integers(0, 1), make_default=st.booleans())
    def store(self, who: int, make_default: bool) -> None:  # noqa: FBT001  # drawn by name
        account = self.accounts[who]
        if len(account.listed) < _KEYS_MAX:
            params = {
                "provider": GENERIC,
                "fields": account.secret,
                "baseUrl": self.processes.provider.base_url,
                "probe": "skip",
                "makeDefault": make_default,
            }
            account.had.add(self._request(account, "key/store", params)["key"]["keyId"])
            account.listed = self._list(account)

    @rule(who=st.integers(0, 1), method=st.sampled_from(_NAMING), pick=_PICK)
    def use_own_key(self, who: int, method: str, pick: int) -> None:
        account = self.accounts[who]
        if account.listed:
            self._use_key(account, method, _choose(account.listed, pick))
            account.listed = self._list(account)

    @rule(who=st.integers(0, 1), method=st.sampled_from(_NAMING), pick=_PICK)
    def use_anothers_key(self, who: int, method: str, pick: int) -> None:
        """The answer is that for an unknown key id, and the provider gets no request."""
        account, other_account = self.accounts[who], self.accounts[1 - who]
        if not other_account.listed:
            return
        before = len(self.processes.provider.requests)
        answer = self._use_key(account, method, _choose(other_account.listed, pick))
        assert answer == self._use_key(account, method, _NOBODYS)
        if method not in _OPENS_NO_KEY:
            assert answer["error"][2]["kind"] == "notFound"
        assert len(self.processes.provider.requests) == before
        assert self._list(other_account) == other_account.listed

    @rule(who=st.integers(0, 1))
    def chat_without_a_key_id(self, who: int) -> None:
        """The default key is the account's own, or there is none."""
        account = self.accounts[who]
        before = len(self.processes.provider.requests)
        own_keys = [key for key in account.listed.values() if key["provider"] == GENERIC]
        default = next((key for key in own_keys if key["isDefault"]), None)
        try:
            result = self._request(account, "chat/send", chat_params("sandbox-echo"))
        except RpcError as error:
            answered = error.kind
        else:
            answered = result["route"]["keyId"]
        if default is not None and default["state"] == "active":
            assert answered == default["keyId"]
        else:
            assert answered == ("keyDisabled" if own_keys else "keyMissing")
        credentials = {seen.credential for seen in self.processes.provider.requests[before:]}
        assert credentials <= {_SECRETS[account.name]}
        account.listed = self._list(account)

    def _import(self, account: Account, source: Json, *chosen: Json) -> Json:
        params: Json = {"source": source, "probe": "skip"}
        if chosen:
            params["choose"] = list(chosen)
        result: Json = self._request(account, "key/import", params)
        self.processes.counts["imports and previews"] += 1
        return result

    @rule(who=st.integers(0, 1), whose=st.integers(0, 1))
    def import_variables(self, who: int, whose: int) -> None:
        """An own key is reported as stored already; another's key is not."""
        account = self.accounts[who]
        variables = {_VARIABLE: {"plain": _SECRETS[self.accounts[whose].name]}}
        source = {"type": "variables", "variables": variables}
        [item] = self._import(account, source)["items"]
        choice = {"id": item["id"], "baseUrl": self.processes.provider.base_url}
        own_keys = [key for key in account.listed.values() if key["provider"] == item["provider"]]
        if who != whose:
            assert item["storedAs"] is None
            assert item["fingerprint"] not in {
                key["fingerprint"] for key in self.accounts[whose].listed.values()
            }
        elif own_keys or len(account.listed) < _KEYS_MAX:
            [outcome] = self._import(account, source, choice)["outcomes"]
            if outcome["error"] is None:
                account.had.add(outcome["key"]["keyId"])
                self.processes.counts["stored by import"] += 1
            else:
                assert outcome["error"]["kind"] == "conflict"
                assert outcome["error"]["keyId"] in {key["keyId"] for key in own_keys}
            account.listed = self._list(account)

    def _export(self, account: Account, *key_ids: str) -> Json:
        params: Json = {"passphrase": _PASSPHRASE}
        if key_ids:
            params["keyIds"] = list(key_ids)
        try:
            result: Json = self._request(account, "key/export", params)
        except RpcError as error:
            result = {"error": error.kind}
        self.processes.counts["exports"] += 1
        return result

    @rule(who=st.integers(0, 1), now=_RARELY, pick=_PICK)
    def export(self, who: int, *, now: bool, pick: int) -> None:
        """All own keys are exported, and no other account's, even if named."""
        account, other_account = self.accounts[who], self.accounts[1 - who]
        if not now:
            return
        if other_account.listed:
            anothers = _choose(other_account.listed, pick)
            assert self._export(account, *account.listed, anothers) == {"error": "notFound"}
        result = self._export(account)
        if not account.listed:
            assert result == {"error": "notFound"}
            return
        assert (result["keys"], result["leftOut"]) == (len(account.listed), [])
        self.processes.bundle.write_bytes(base64.b64decode(result["bundle"]))
        source = {
            "type": "bundle",
            "path": str(self.processes.bundle),
            "passphrase": _PASSPHRASE,
        }
        stored = [item["storedAs"] for item in self._import(account, source)["items"]]
        assert set(stored) <= set(account.listed), "each is stored already"
        stored = [item["storedAs"] for item in self._import(other_account, source)["items"]]
        assert set(stored) == {None}, "none is stored in the other account"

    @rule(who=st.integers(0, 1))
    def list_the_accounts(self, who: int) -> None:
        """All accounts are listed by name and number of keys, without their keys."""
        account = self.accounts[who]
        items = self._request(account, "account/list", {})["items"]
        listed = {item["account"]: (item["keys"], item["current"]) for item in items}
        for each in self.accounts:
            nothing = (0, each is account)
            assert listed.get(each.name, nothing) == (len(each.listed), each is account)
        assert listed.keys() <= set(_SECRETS)

    @rule(who=st.integers(0, 1), whose=st.integers(0, 1), now=_RARELY)
    def delete_an_account(self, who: int, whose: int, *, now: bool) -> None:
        """The named account loses its keys, whichever session asks; the other keeps all."""
        deleted, other_account = self.accounts[whose], self.accounts[1 - whose]
        if not now:
            return
        params = {"account": deleted.name, "confirm": deleted.name}
        try:
            count = self._request(self.accounts[who], "account/delete", params)["keys"]
        except RpcError as error:
            count = error.kind
        assert count in ([len(deleted.listed)] if deleted.listed else [0, "notFound"])
        assert self._list(deleted) == {}
        assert self._list(other_account) == other_account.listed
        deleted.listed = {}
        self.processes.counts["accounts deleted"] += 1

    @rule(who=st.integers(0, 1), pick=_PICK)
    def list_the_audit_log(self, who: int, pick: int) -> None:
        account, other_account = self.accounts[who], self.accounts[1 - who]
        items = self._request(account, "audit/list", {"limit": 1_000})["items"]
        assert {item["keyId"] for item in items} <= account.had | {None}
        if other_account.had:
            params = {"keyId": _choose(other_account.had, pick)}
            assert self._request(account, "audit/list", params)["items"] == []

    @invariant()
    def each_sees_only_its_own_keys(self) -> None:
        self.processes.steps += 1
        for account in self.accounts:
            assert set(account.listed) <= account.had
            notified = {
                params["keyId"]
                for method, params in account.daemon.notes
                if method in {"key/changed", "model/changed"}
            }
            assert notified <= account.had | {None}
            account.daemon.notes.clear()


def _check(examples: int, steps: int) -> None:
    processes = TwoAccounts.processes = Processes()
    try:
        processes.run(processes.open())
        run_state_machine_as_test(
            TwoAccounts,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                database=None,
            ),
        )
        verified = processes.run(processes.accounts[0].daemon.request("audit/verify", {}))
        assert verified["ok"], verified
        counts = ", ".join(f"{count} {what}" for what, count in sorted(processes.counts.items()))
        print(f"\naccounts kept apart: {processes.steps} steps ({counts}), 0 breaches")
    finally:
        processes.close()


def test_no_account_reaches_another_accounts_key() -> None:
    _check(10, 100)


@pytest.mark.long
def test_no_account_reaches_another_accounts_key_in_20_000_steps() -> None:
    _check(210, 100)
