"""`provider/test`: tests the steps of a chat and reports the one that fails."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

import anyio

from byokd.catalog.record import Provider
from byokd.core.limits import PROVIDER_TEST_TIMEOUT_MS
from byokd.crypto.seal import SealingKey
from byokd.dialects.registry import DIALECTS
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import SendParams
from byokd.protocol.diagnosis import ProviderTestParams, ProviderTestResult, StepName
from byokd.protocol.errors import ByokdError, Conflict, InvalidParams, ModelNotFound
from byokd.protocol.model import ModelInfo
from byokd.protocol.parts import Message
from byokd.services.chat.engine import ChatEngine
from byokd.services.diagnostic_report import NOT_REQUESTED, STEPS, DiagnosticReport
from byokd.services.error_actions import action_for
from byokd.services.keys.address_advice import connection_advice
from byokd.services.keys.credentials import Credential, base_url_of
from byokd.services.keys.input import SealContext, parse_key, spelled
from byokd.services.keys.prober import Prober
from byokd.services.keys.resolver import CredentialResolver
from byokd.services.models.merge import cheapest_chat_model
from byokd.services.models.service import ModelService
from byokd.services.runtime.session import Session
from byokd.transport.interface import ConnectionProbe

_CHAT_TOKENS: Final = 1


class _TestEnded(Exception):  # control flow, no error
    """A step failed or is not possible, so the test ends."""


@dataclass(slots=True)
class _Test:
    """One running test; `key_error` is why a stored key cannot be used."""

    session: Session
    params: ProviderTestParams
    record: Provider
    report: DiagnosticReport
    credential: Credential | None = None
    key_error: ByokdError | None = None
    base_url: str | None = None
    models: Sequence[ModelInfo] = ()
    proxied: bool = False


class Diagnostics:
    def __init__(
        self,
        resolver: CredentialResolver,
        connection: ConnectionProbe,
        prober: Prober,
        models: ModelService,
        chat: ChatEngine,
        sealing: SealingKey,
        *,
        timeout_ms: int = PROVIDER_TEST_TIMEOUT_MS,
    ) -> None:
        self._resolver = resolver
        self._connection = connection
        self._prober = prober
        self._models = models
        self._chat = chat
        self._sealing = sealing
        self._timeout_s = timeout_ms / 1000

    async def test(self, session: Session, params: ProviderTestParams) -> ProviderTestResult:
        """Test step by step; a failed step is a part of the result.

        Raises:
            NotFound, Unsupported: the provider or the key does not exist, or is switched off.
            InvalidParams: a candidate does not fit.
        """
        began = time.monotonic()
        record = self._resolver.record(session, params.provider)
        test = _Test(session, params, record, DiagnosticReport(record))
        await self._choose_key(test)
        with anyio.move_on_after(self._timeout_s) as scope:
            await self._run_steps(test)
        if scope.cancelled_caught:
            test.report.fail_timeout()
        test.report.skip_rest(chat=params.chat)
        return ProviderTestResult(
            provider=record.id,
            key_id=test.credential.key_id if test.credential else params.key_id,
            base_url=test.base_url,
            proxied=test.proxied,
            ok=test.report.failed is None,
            steps=test.report.steps,
            duration_ms=round((time.monotonic() - began) * 1000),
        )

    async def _choose_key(self, test: _Test) -> None:
        params = test.params
        if params.fields or params.base_url is not None:
            test.credential = self._candidate(test)
        else:
            try:
                test.credential = await self._resolver.resolve_auto(
                    test.session, test.record, params.key_id
                )
            except ByokdError as error:
                if error.kind == "notFound":
                    raise
                test.key_error = error
        if test.credential is not None:
            test.base_url = test.credential.base_url
        else:
            test.base_url = await self._base_url_without_key(test)

    def _candidate(self, test: _Test) -> Credential | None:
        """Return the credential in the params; None for a base URL without its key."""
        params = test.params
        try:
            candidate = parse_key(
                test.session,
                test.record,
                params.fields,
                self._sealing,
                SealContext("provider/test", params.provider, None, params.base_url),
                base_url=params.base_url,
                allow_insecure=params.allow_insecure_origin,
            ).candidate
        except InvalidParams:
            if params.fields:
                raise
            return None
        return Credential(
            test.record, candidate.base_url, candidate.at_default_origin, candidate.fields
        )

    async def _base_url_without_key(self, test: _Test) -> str | None:
        params = test.params
        if params.base_url is not None:
            written, _ = spelled(test.record, params.base_url)
            base = base_url_of(
                test.record, written, {}, allow_insecure=params.allow_insecure_origin
            )
            return base.url
        key_id = test.key_error.fields.get("key_id") if test.key_error else None
        if isinstance(key_id, str):  # a disabled key has an address, too
            return await self._resolver.origin_of_key(test.session, key_id)
        try:
            return base_url_of(test.record, None, {}).url
        except ByokdError:
            return None

    async def _run_steps(self, test: _Test) -> None:
        try:
            await self._connect(test)
            credential = self._require_credential(test)
            await self._probe_key(test, credential)
            credential = test.credential or credential
            await self._run(test, "models", self._list_models, credential)
            if self._may_chat(test):
                await self._run(test, "chat", self._send_chat, credential)
        except _TestEnded:
            return

    async def _connect(self, test: _Test) -> None:
        report = test.report
        if test.base_url is None:
            action = action_for("keyMissing", test.record)
            for name in STEPS[:3]:
                report.skip(name, "the address comes with the key; store one first", action)
            return
        report.begin_step()
        async with aclosing(self._connection.probe_connection(test.base_url)) as steps:
            async for step in steps:
                test.proxied = step.proxied
                if step.error is not None:
                    text = connection_advice(test.base_url, step.error)
                    step = replace(step, error=type(step.error)(text, **step.error.fields))  # noqa: PLW2901
                report.add_connection(step)
                if step.error is not None:
                    raise _TestEnded
                report.begin_step()
        if len(report.steps) < STEPS.index("auth"):
            report.skip("tls", "plain http, as the base URL says")

    def _require_credential(self, test: _Test) -> Credential:
        if test.credential is not None:
            return test.credential
        error = test.key_error
        if error is not None and error.kind not in {"keyMissing", "vaultUninitialized"}:
            test.report.fail("auth", error, 0)
        else:
            text = error.user_message if error else "no key was given"
            test.report.skip("auth", text, action_for("keyMissing", test.record))
        raise _TestEnded

    async def _probe_key(self, test: _Test, credential: Credential) -> None:
        test.report.begin_step()
        try:
            probe = await self._prober.probe(credential.candidate, fresh=True)
        except Conflict as error:
            test.report.fail("auth", error)
            raise _TestEnded from None
        test.report.add_probe(probe)
        located = probe.details.get("baseUrl")
        if isinstance(located, str) and credential.row is None:
            test.credential = replace(credential, base_url=located, at_default_origin=False)
        if test.report.failed is not None:
            raise _TestEnded

    def _may_chat(self, test: _Test) -> bool:
        if not test.params.chat:
            test.report.skip("chat", NOT_REQUESTED)
        elif test.record.dialect not in DIALECTS:
            name = test.record.name
            test.report.skip("chat", f"keys of {name} can be stored, but chats are not supported")
        elif test.params.fields or test.params.base_url is not None:
            test.report.skip("chat", "store the key first; a chat is made with a stored one")
        else:
            return True
        return False

    async def _run(
        self,
        test: _Test,
        name: StepName,
        work: Callable[[_Test, Credential], Awaitable[tuple[str, JsonObject]]],
        credential: Credential,
    ) -> None:
        test.report.begin_step()
        try:
            message, details = await work(test, credential)
        except ByokdError as error:
            test.report.fail(name, error)
            raise _TestEnded from None
        test.report.ok(name, message, details)

    async def _list_models(self, test: _Test, credential: Credential) -> tuple[str, JsonObject]:
        test.models = await self._models.fetch(test.session, credential)
        listed = sum(model.source == "live" for model in test.models)
        known = len(test.models)
        if listed == 0 and known:
            text = f"{test.record.name} lists no models; {known} are known"
        else:
            text = f"{listed} model{'s' if listed != 1 else ''}"
        return text, {"models": listed, "known": known}

    async def _send_chat(self, test: _Test, credential: Credential) -> tuple[str, JsonObject]:
        model = test.params.model or cheapest_chat_model(test.models)
        if model is None:
            raise ModelNotFound("no model that chats is listed; name one")
        params = SendParams(
            stream_id="provider-test",
            provider=test.record.id,
            model=model,
            key_id=credential.key_id,
            messages=(Message(role="user", content="Hi"),),
            max_output_tokens=_CHAT_TOKENS,
        )
        answer = self._chat.answer(test.session, params)
        async for _ in answer:
            continue
        result = answer.result
        details: JsonObject = {
            "model": model,
            "finishReason": result.finish_reason.unified,
            "cost": result.cost.amount,
        }
        cost = f" for {result.cost.amount} {result.cost.currency}" if result.cost.amount else ""
        return f"{model} answered{cost}", details
