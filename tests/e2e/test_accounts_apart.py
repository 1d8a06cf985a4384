"""Two accounts on one store: nothing that one does reaches a key of the other.

Two real daemons over their real stdio, one folder, one provider. Both do anything that names a key,
with keys of their own, of the other, and of nobody; a key of the other must be answered exactly as
one of nobody. Keys come from variables and go out in bundles. Any session may forget a whole
account: then the named one goes and no other. Must not know how accounts are kept apart.
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
from daemon import Daemon, Json, RpcError, running
from sandbox_env import GENERIC, chat_params

pytestmark = pytest.mark.timeout(900)

T = TypeVar("T")
_NOBODYS = "key_" + "a" * 26
_FILE = {"protection": "keyFile", "acceptRisk": "keyFile"}
_KEYS_MAX = 4
_VARIABLE = "LITELLM_API_KEY"
"""Of a provider whose keys need an address that a person gives: here, the sandbox's."""
_PASSPHRASE = {"plain": "moved with four words"}
_RARELY = st.sampled_from([False] * 10 + [True] + [False] * 9)  # what takes long, or ends much
_PICK = st.integers(0, 99)  # ids are drawn by the daemon, so a key is named by its place
_SECRETS = {name: f"{name}-key-0123456789abcdef" for name in ("home", "work")}

# Everything that names a key, and what else it needs.
_NAMING: dict[str, Json] = {
    "key/probe": {},
    "key/rotate": {"probe": "skip"},
    "key/disable": {},
    "key/enable": {},
    "key/delete": {},
    "key/setDefault": {},
    "model/list": {},
    "model/refresh": {},
    "provider/test": {"provider": GENERIC},
    "chat/send": {},
}


def _picked(ids: Iterable[str], pick: int) -> str:
    ordered = sorted(ids)
    return ordered[pick % len(ordered)]


@dataclass
class Account:
    """One account, the daemon of its window, and every key it ever had."""

    name: str
    daemon: Daemon
    had: set[str] = field(default_factory=set)
    listed: dict[str, Json] = field(default_factory=dict)

    @property
    def secret(self) -> Json:
        return {"apiKey": {"plain": _SECRETS[self.name]}}


class House:
    """The provider and the two daemons, for as long as the test runs."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.accounts: list[Account] = []
        self.steps = 0
        self.done: Counter[str] = Counter()

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
        await asyncio.wait_for(opened, 5)

    def close(self) -> None:
        self.run(self.stack.aclose())
        self.loop.close()


class Apart(RuleBasedStateMachine):
    """What two accounts may do, in any order."""

    house: ClassVar[House]

    def __init__(self) -> None:
        super().__init__()
        self.accounts = self.house.accounts
        for account in self.accounts:
            for key_id in self._list(account):
                self._ask(account, "key/delete", {"keyId": key_id})
            account.listed = {}

    def _ask(self, account: Account, method: str, params: Json) -> Any:
        return self.house.run(account.daemon.request(method, params))

    def _list(self, account: Account) -> dict[str, Json]:
        items = self._ask(account, "key/list", {})["items"]
        return {item["keyId"]: item for item in items}

    def _named(self, account: Account, method: str, key_id: str) -> Json:
        """Do something with a key; return the result, or the error but for what is always new."""
        params: Json = {"keyId": key_id} | _NAMING[method]
        if method == "key/rotate":
            params["fields"] = account.secret
        if method == "chat/send":
            params = chat_params("sandbox-echo", key_id=key_id)
        before = len(self.house.provider.requests)
        try:
            answer = {"result": self._ask(account, method, params)}
        except RpcError as error:
            hidden = error.data | {"errorId": "", "keyId": ""}
            answer = {"error": [error.code, str(error), hidden]}
        credentials = {seen.credential for seen in self.house.provider.requests[before:]}
        assert credentials <= {_SECRETS[account.name]}, "only the account's own key was sent"
        return answer

    @rule(who=st.integers(0, 1), make_default=st.booleans())
    def store(self, who: int, make_default: bool) -> None:  # noqa: FBT001  # drawn by name
        account = self.accounts[who]
        if len(account.listed) < _KEYS_MAX:
            params = {
                "provider": GENERIC,
                "fields": account.secret,
                "baseUrl": self.house.provider.base_url,
                "probe": "skip",
                "makeDefault": make_default,
            }
            account.had.add(self._ask(account, "key/store", params)["key"]["keyId"])
            account.listed = self._list(account)

    @rule(who=st.integers(0, 1), method=st.sampled_from(sorted(_NAMING)), pick=_PICK)
    def own(self, who: int, method: str, pick: int) -> None:
        account = self.accounts[who]
        if account.listed:
            self._named(account, method, _picked(account.listed, pick))
            account.listed = self._list(account)

    @rule(who=st.integers(0, 1), method=st.sampled_from(sorted(_NAMING)), pick=_PICK)
    def anothers(self, who: int, method: str, pick: int) -> None:
        """The answer is that of a key that never was, and nothing was asked of the provider."""
        account, other = self.accounts[who], self.accounts[1 - who]
        if not other.listed:
            return
        before = len(self.house.provider.requests)
        answer = self._named(account, method, _picked(other.listed, pick))
        assert answer == self._named(account, method, _NOBODYS)
        assert answer["error"][2]["kind"] == "notFound"
        assert len(self.house.provider.requests) == before
        assert self._list(other) == other.listed

    @rule(who=st.integers(0, 1))
    def ask_without_a_key_id(self, who: int) -> None:
        """The default key is the account's own, or there is none."""
        account = self.accounts[who]
        before = len(self.house.provider.requests)
        there = [key for key in account.listed.values() if key["provider"] == GENERIC]
        usual = next((key for key in there if key["isDefault"]), None)
        try:
            result = self._ask(account, "chat/send", chat_params("sandbox-echo"))
        except RpcError as error:
            answered = error.kind
        else:
            answered = result["route"]["keyId"]
        if usual is not None and usual["state"] == "active":
            assert answered == usual["keyId"]
        else:
            assert answered == ("keyDisabled" if there else "keyMissing")
        credentials = {seen.credential for seen in self.house.provider.requests[before:]}
        assert credentials <= {_SECRETS[account.name]}
        account.listed = self._list(account)

    def _import(self, account: Account, source: Json, *chosen: Json) -> Json:
        params: Json = {"source": source, "probe": "skip"}
        if chosen:
            params["choose"] = list(chosen)
        result: Json = self._ask(account, "key/import", params)
        self.house.done["looks into variables and bundles"] += 1
        return result

    @rule(who=st.integers(0, 1), whose=st.integers(0, 1))
    def look_into_variables(self, who: int, whose: int) -> None:
        """What is stored already is told of one's own keys; what another stored is news."""
        account = self.accounts[who]
        variables = {_VARIABLE: {"plain": _SECRETS[self.accounts[whose].name]}}
        source = {"type": "variables", "variables": variables}
        [item] = self._import(account, source)["items"]
        here = {"id": item["id"], "baseUrl": self.house.provider.base_url}
        held = [key for key in account.listed.values() if key["provider"] == item["provider"]]
        if who != whose:
            assert item["storedAs"] is None
            assert item["fingerprint"] not in {
                key["fingerprint"] for key in self.accounts[whose].listed.values()
            }
        elif held or len(account.listed) < _KEYS_MAX:
            [outcome] = self._import(account, source, here)["outcomes"]
            if outcome["error"] is None:
                account.had.add(outcome["key"]["keyId"])
                self.house.done["imports"] += 1
            else:
                assert outcome["error"]["kind"] == "conflict"
                assert outcome["error"]["keyId"] in {key["keyId"] for key in held}
            account.listed = self._list(account)

    def _export(self, account: Account, *key_ids: str) -> Json:
        params: Json = {"passphrase": _PASSPHRASE}
        if key_ids:
            params["keyIds"] = list(key_ids)
        try:
            result: Json = self._ask(account, "key/export", params)
        except RpcError as error:
            result = {"error": error.kind}
        self.house.done["exports"] += 1
        return result

    @rule(who=st.integers(0, 1), now=_RARELY, pick=_PICK)
    def export(self, who: int, *, now: bool, pick: int) -> None:
        """Every key of one's own goes out, and none of another, named or not."""
        account, other = self.accounts[who], self.accounts[1 - who]
        if not now:
            return
        if other.listed:
            anothers = _picked(other.listed, pick)
            assert self._export(account, *account.listed, anothers) == {"error": "notFound"}
        result = self._export(account)
        if not account.listed:
            assert result == {"error": "notFound"}
            return
        assert (result["keys"], result["leftOut"]) == (len(account.listed), [])
        self.house.bundle.write_bytes(base64.b64decode(result["bundle"]))
        source = {
            "type": "bundle",
            "path": str(self.house.bundle),
            "passphrase": _PASSPHRASE,
        }
        stored = [item["storedAs"] for item in self._import(account, source)["items"]]
        assert set(stored) <= set(account.listed), "each is there already"
        stored = [item["storedAs"] for item in self._import(other, source)["items"]]
        assert set(stored) == {None}, "none is there in the other account"

    @rule(who=st.integers(0, 1))
    def list_the_accounts(self, who: int) -> None:
        """All accounts are told of, by name and number of keys, and no key of any."""
        account = self.accounts[who]
        items = self._ask(account, "account/list", {})["items"]
        told = {item["account"]: (item["keys"], item["current"]) for item in items}
        for each in self.accounts:
            nothing = (0, each is account)
            assert told.get(each.name, nothing) == (len(each.listed), each is account)
        assert told.keys() <= set(_SECRETS)

    @rule(who=st.integers(0, 1), whose=st.integers(0, 1), now=_RARELY)
    def forget_an_account(self, who: int, whose: int, *, now: bool) -> None:
        """Whoever asks for it: the named account goes, and the other keeps all it has."""
        gone, kept = self.accounts[whose], self.accounts[1 - whose]
        if not now:
            return
        params = {"account": gone.name, "confirm": gone.name}
        try:
            forgotten = self._ask(self.accounts[who], "account/delete", params)["keys"]
        except RpcError as error:
            forgotten = error.kind
        assert forgotten in ([len(gone.listed)] if gone.listed else [0, "notFound"])
        assert self._list(gone) == {}
        assert self._list(kept) == kept.listed
        gone.listed = {}
        self.house.done["accounts forgotten"] += 1

    @rule(who=st.integers(0, 1), pick=_PICK)
    def read_the_trail(self, who: int, pick: int) -> None:
        account, other = self.accounts[who], self.accounts[1 - who]
        items = self._ask(account, "audit/list", {"limit": 1_000})["items"]
        assert {item["keyId"] for item in items} <= account.had | {None}
        if other.had:
            asked = {"keyId": _picked(other.had, pick)}
            assert self._ask(account, "audit/list", asked)["items"] == []

    @invariant()
    def each_sees_its_own_keys_alone(self) -> None:
        self.house.steps += 1
        for account in self.accounts:
            assert set(account.listed) <= account.had
            told = {
                params["keyId"]
                for method, params in account.daemon.notes
                if method in {"key/changed", "model/changed"}
            }
            assert told <= account.had | {None}
            account.daemon.notes.clear()


def _check(examples: int, steps: int) -> None:
    house = Apart.house = House()
    try:
        house.run(house.open())
        run_state_machine_as_test(
            Apart,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                database=None,
            ),
        )
        verified = house.run(house.accounts[0].daemon.request("audit/verify", {}))
        assert verified["ok"], verified
        did = ", ".join(f"{count} {what}" for what, count in sorted(house.done.items()))
        print(f"\naccounts kept apart: {house.steps} steps ({did}), 0 breaches")
    finally:
        house.close()


def test_no_account_reaches_a_key_of_another() -> None:
    _check(10, 100)


@pytest.mark.long
def test_no_account_reaches_a_key_of_another_in_20_000_steps() -> None:
    _check(210, 100)
