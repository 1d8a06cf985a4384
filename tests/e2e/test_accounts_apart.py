"""Two accounts on one store: nothing that one does reaches a key of the other.

Two real daemons over their real stdio, one folder, one provider. Both do anything that names a key,
with keys of their own, of the other, and of nobody; a key of the other must be answered exactly as
one of nobody. Must not know how accounts are kept apart.
"""

from __future__ import annotations

import asyncio
import tempfile
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
from world import GENERIC, chat_params

pytestmark = pytest.mark.timeout(900)

T = TypeVar("T")
_NOBODYS = "key_" + "a" * 26
_FILE = {"protection": "keyFile", "acceptRisk": "keyFile"}
_KEYS_MAX = 4
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

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def open(self) -> None:
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        keys = list(_SECRETS.values())
        self.provider = await self.stack.enter_async_context(Sandbox(keys=keys))
        for name in _SECRETS:
            process = running(data_dir=Path(folder))
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
        usual = next((key for key in account.listed.values() if key["isDefault"]), None)
        try:
            result = self._ask(account, "chat/send", chat_params("sandbox-echo"))
        except RpcError as error:
            answered = error.kind
        else:
            answered = result["route"]["keyId"]
        if usual is not None and usual["state"] == "active":
            assert answered == usual["keyId"]
        else:
            assert answered == ("keyDisabled" if account.listed else "keyMissing")
        credentials = {seen.credential for seen in self.house.provider.requests[before:]}
        assert credentials <= {_SECRETS[account.name]}
        account.listed = self._list(account)

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
        print(f"\naccounts kept apart: {house.steps} steps, 0 breaches")
    finally:
        house.close()


def test_no_account_reaches_a_key_of_another() -> None:
    _check(10, 100)


@pytest.mark.long
def test_no_account_reaches_a_key_of_another_in_20_000_steps() -> None:
    _check(210, 100)
