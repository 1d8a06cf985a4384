"""`provider/test`: goes the way of a chat step by step, and says which step fails and what to do.

Knows the order of the steps, and that one which fails is the end of the way. Must not know how a
step is taken: the transport connects, the prober asks about the key, the rooms list and chat.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, cast, get_args

import anyio

from byokd.catalog.record import Provider
from byokd.core.limits import PROVIDER_TEST_TIMEOUT_MS
from byokd.crypto.seal import SealingKey
from byokd.dialects.registry import DIALECTS
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import SendParams
from byokd.protocol.diagnosis import (
    ProviderTestParams,
    ProviderTestResult,
    ProviderTestStep,
    StepName,
    StepStatus,
)
from byokd.protocol.errors import (
    Action,
    ByokdError,
    Conflict,
    InvalidParams,
    Kind,
    ModelNotFound,
    TimedOut,
)
from byokd.protocol.key import Verdict
from byokd.protocol.model import ModelInfo
from byokd.protocol.parts import Message
from byokd.services.chat.engine import ChatEngine
from byokd.services.error_actions import action_for
from byokd.services.keys.credentials import Credential, CredentialResolver, base_url_of
from byokd.services.keys.input import SealContext, parse_key
from byokd.services.keys.prober import Prober
from byokd.services.models.merge import cheapest_chat_model
from byokd.services.models.service import ModelService
from byokd.services.runtime.session import Session
from byokd.transport.interface import ConnectionProbe, Step

_STEPS: Final[tuple[StepName, ...]] = get_args(StepName)
_KINDS: Final = frozenset(get_args(Kind))
_CHAT_TOKENS: Final = 1
_NOT_ASKED_FOR: Final = "not asked for"

_KIND_OF: Final[dict[Verdict, Kind]] = {
    "invalid": "keyInvalid",
    "wrongProvider": "keyInvalid",
    "wrongRegion": "keyForbidden",
    "noFunds": "insufficientFunds",
    "unreachable": "network",
    "unknown": "providerError",
}
"""What a verdict means as an error; the others are no failure."""

_SETTINGS_REASONS: Final = frozenset({"proxy", "untrusted"})
"""Failures on the way that only the configuration can mend."""


class _Stop(Exception):  # it is no error
    """A step failed, or there is no next one."""


@dataclass(slots=True)
class _Test:
    """One test under way."""

    session: Session
    params: ProviderTestParams
    record: Provider
    base_url: str | None = None
    grant: Credential | None = None
    refused: ByokdError | None = None
    listed: Sequence[ModelInfo] = ()
    proxied: bool = False
    steps: list[ProviderTestStep] = field(default_factory=list)
    step_began: float = 0.0

    def ok(self, name: StepName, message: str, duration_ms: int, details: JsonObject) -> None:
        """Note a step that went well."""
        self.note(name, "ok", duration_ms, message, details)

    def skip(self, name: StepName, message: str, action: Action | None = None) -> None:
        """Note a step that was not tried."""
        self.note(name, "skipped", None, message, {}, action=action)

    def fail(self, name: StepName, error: ByokdError, duration_ms: int) -> None:
        """Note a step that failed."""
        data = error.data()
        details = data.details if isinstance(data.details, dict) else {}
        if data.http_status is not None:
            details = details | {"httpStatus": data.http_status}
        if data.provider_message:
            details = details | {"providerMessage": data.provider_message}
        action = data.action or _action(data.kind, self.record, details)
        self.note(name, "failed", duration_ms, data.user_message, details, data.kind, action)

    def note(
        self,
        name: StepName,
        status: StepStatus,
        duration_ms: int | None,
        message: str,
        details: JsonObject,
        kind: Kind | None = None,
        action: Action | None = None,
    ) -> None:
        """Note a step."""
        self.steps.append(
            ProviderTestStep(
                name=name,
                status=status,
                duration_ms=duration_ms,
                message=message,
                kind=kind,
                action=action,
                details=details,
            )
        )


class Diagnostics:
    """Answers `provider/test`."""

    def __init__(  # everything that a chat goes through
        self,
        access: CredentialResolver,
        way: ConnectionProbe,
        prober: Prober,
        models: ModelService,
        chat: ChatEngine,
        sealing: SealingKey,
        *,
        timeout_ms: int = PROVIDER_TEST_TIMEOUT_MS,
    ) -> None:
        self._access = access
        self._way = way
        self._prober = prober
        self._models = models
        self._chat = chat
        self._sealing = sealing
        self._timeout_s = timeout_ms / 1000

    async def test(self, session: Session, params: ProviderTestParams) -> ProviderTestResult:
        """Go step by step; what fails is an answer and not an error.

        Raises:
            NotFound, Unsupported: the provider or the key is not there, or is switched off.
            InvalidParams: a candidate does not fit.
        """
        began = time.monotonic()
        test = _Test(session, params, self._access.record(session, params.provider))
        await self._find_key(test)
        with anyio.move_on_after(self._timeout_s) as scope:
            await self._go(test)
        if scope.cancelled_caught:
            late = TimedOut("the whole test took too long; try again", details={"phase": "total"})
            test.fail(_STEPS[len(test.steps)], late, _ms_since(test.step_began))
        failed = next((step for step in test.steps if step.status == "failed"), None)
        for name in _STEPS[len(test.steps) :]:
            if name == "chat" and not params.chat:
                test.skip(name, _NOT_ASKED_FOR)
            else:
                test.skip(name, f"not tried: {failed.name if failed else 'auth'} comes first")
        return ProviderTestResult(
            provider=test.record.id,
            key_id=test.grant.key_id if test.grant else params.key_id,
            base_url=test.base_url,
            proxied=test.proxied,
            ok=failed is None,
            steps=tuple(test.steps),
            duration_ms=_ms_since(began),
        )

    async def _find_key(self, test: _Test) -> None:
        """Find the key and the address, or why there is none."""
        params, record = test.params, test.record
        if params.fields or params.base_url is not None:
            test.grant = self._candidate(test)
        else:
            try:
                test.grant = await self._access.usual_grant(test.session, record, params.key_id)
            except ByokdError as error:
                if error.kind == "notFound":
                    raise
                test.refused = error
        test.base_url = test.grant.base_url if test.grant else await self._address(test)

    def _candidate(self, test: _Test) -> Credential | None:
        """Return leave to use what was sent; None where it is an address without its key."""
        params, record = test.params, test.record
        asked = SealContext("provider/test", params.provider, None, params.base_url)
        try:
            taken = parse_key(
                test.session,
                record,
                params.fields,
                self._sealing,
                asked,
                base_url=params.base_url,
                allow_insecure=params.allow_insecure_origin,
            ).candidate
        except InvalidParams:
            if params.fields:
                raise
            return None
        return Credential(record, taken.base_url, taken.at_default_origin, taken.fields)

    async def _address(self, test: _Test) -> str | None:
        """Return where the way would lead without a key, as far as that is known."""
        params = test.params
        if params.base_url is not None:
            base = base_url_of(
                test.record, params.base_url, {}, allow_insecure=params.allow_insecure_origin
            )
            return base.url
        key_id = test.refused.fields.get("key_id") if test.refused else None
        if isinstance(key_id, str):  # a key that is out of use still says where it goes
            return await self._access.origin_of_key(test.session, key_id)
        try:
            return base_url_of(test.record, None, {}).url
        except ByokdError:
            return None

    async def _go(self, test: _Test) -> None:
        try:
            await self._connect(test)
            test.step_began = time.monotonic()
            await self._auth(test)
            await self._step(test, "models", self._list)
            if not test.params.chat:
                test.skip("chat", _NOT_ASKED_FOR)
            elif test.record.dialect not in DIALECTS:
                test.skip("chat", f"keys of {test.record.name} can be kept, but not called yet")
            elif test.params.fields or test.params.base_url is not None:
                test.skip("chat", "store the key first; a chat is made with a stored one")
            else:
                await self._step(test, "chat", self._say)
        except _Stop:
            return

    async def _connect(self, test: _Test) -> None:
        if test.base_url is None:
            action = action_for("keyMissing", test.record)
            for name in _STEPS[:3]:
                test.skip(name, "the address comes with the key; store one first", action)
            return
        test.step_began = time.monotonic()
        async with aclosing(self._way.probe_connection(test.base_url)) as legs:
            async for leg in legs:
                test.proxied = leg.proxied
                if leg.error is not None:
                    test.fail(leg.name, leg.error, leg.duration_ms)
                    raise _Stop
                test.ok(leg.name, _said(leg), leg.duration_ms, leg.details)
                test.step_began = time.monotonic()
        if len(test.steps) < _STEPS.index("auth"):
            test.skip("tls", "plain http, as the base URL says")

    async def _auth(self, test: _Test) -> None:
        grant = test.grant
        if grant is None:
            error = test.refused
            if error is not None and error.kind not in {"keyMissing", "vaultUninitialized"}:
                test.fail("auth", error, 0)
                raise _Stop
            text = error.user_message if error else "no key was given"
            test.skip("auth", text, action_for("keyMissing", test.record))
            raise _Stop
        try:
            probe = await self._prober.ask(grant.candidate, fresh=True)
        except Conflict as error:
            test.fail("auth", error, _ms_since(test.step_began))
            raise _Stop from None
        kind = _KIND_OF.get(probe.verdict)
        details = probe.details | {"verdict": probe.verdict}
        if probe.http_status is not None:
            details |= {"httpStatus": probe.http_status}
        if kind is None:
            test.ok("auth", probe.message, probe.duration_ms, details)
            return
        known = probe.details.get("kind")
        kind = cast("Kind", known) if known in _KINDS else kind
        action = _action(kind, test.record, details)
        test.note("auth", "failed", probe.duration_ms, probe.message, details, kind, action)
        raise _Stop

    async def _step(
        self,
        test: _Test,
        name: StepName,
        take: Callable[[_Test, Credential], Awaitable[tuple[str, JsonObject]]],
    ) -> None:
        test.step_began = time.monotonic()
        if test.grant is None:
            raise _Stop
        try:
            message, details = await take(test, test.grant)
        except ByokdError as error:
            test.fail(name, error, _ms_since(test.step_began))
            raise _Stop from None
        test.ok(name, message, _ms_since(test.step_began), details)

    async def _list(self, test: _Test, grant: Credential) -> tuple[str, JsonObject]:
        test.listed = await self._models.fetch(test.session, grant)
        count = sum(item.source == "live" for item in test.listed)
        if count == 0 and test.listed:
            text = f"{test.record.name} lists no models; {len(test.listed)} are known"
        else:
            text = f"{count} model{'s' if count != 1 else ''}"
        return text, {"models": count, "known": len(test.listed)}

    async def _say(self, test: _Test, grant: Credential) -> tuple[str, JsonObject]:
        model = test.params.model or cheapest_chat_model(test.listed)
        if model is None:
            raise ModelNotFound("no model that chats is listed; name one")
        asked = SendParams(
            stream_id="provider-test",
            provider=test.record.id,
            model=model,
            key_id=grant.key_id,
            messages=(Message(role="user", content="Hi"),),
            max_output_tokens=_CHAT_TOKENS,
        )
        answer = self._chat.answer(test.session, asked)
        async for _ in answer:
            continue
        cost = answer.result.cost
        details: JsonObject = {"model": model, "finishReason": answer.result.finish_reason.unified}
        paid = f" for {cost.amount} {cost.currency}" if cost.amount else ""
        return f"{model} answered{paid}", details | {"cost": cost.amount}


def _said(leg: Step) -> str:
    """Say in words what a leg found."""
    found, via = leg.details, "the proxy " if leg.proxied and leg.name != "tls" else ""
    match leg.name:
        case "dns":
            addresses = found.get("addresses")
            names = [str(each) for each in addresses] if isinstance(addresses, list) else []
            if names and leg.target.startswith((names[0], f"[{names[0]}")):
                return f"{via}{leg.target} is an address already"
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            return f"{via}{leg.target} is {names[0] if names else 'nowhere'}{more}"
        case "tcp":
            return f"connected to {via}{found.get('address')}"
    ends = found.get("expiresAt")
    until = datetime.fromtimestamp(ends / 1000, UTC).date() if isinstance(ends, int) else None
    words = [
        str(found.get("protocol") or "encrypted"),
        f"vouched for by {found['issuer']}" if found.get("issuer") else "",
        f"until {until}" if until else "",
    ]
    return ", ".join(word for word in words if word)


def _action(kind: Kind, record: Provider, details: JsonObject) -> Action | None:
    """Return what would help; a proxy and an authority are named in the configuration."""
    if not _SETTINGS_REASONS.isdisjoint(
        map(str, (details.get("reason"), details.get("certificate")))
    ):
        return Action(type="editSettings")
    return action_for(kind, record)


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
