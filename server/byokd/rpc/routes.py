"""The route table: for each method of the contract, the service function that answers it.

mypy checks that each function has the types that `protocol/methods.py` names. Types and services
are imported when a method is first used.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeAlias, TypeVar

from byokd.protocol import methods
from byokd.protocol.base import Params, Value
from byokd.protocol.methods import Method

if TYPE_CHECKING:
    from byokd.protocol.chat import SendParams, SendResult
    from byokd.rpc.call import Call
    from byokd.services.interface import App, Services
    from byokd.services.runtime.session import Session

P = TypeVar("P", bound=Params)
R = TypeVar("R", bound=Value)


@dataclass(frozen=True, slots=True)
class ServiceRoute(Generic[P, R]):
    """A method that one function of a service answers.

    `keeps_result` says whether a cancelled request still ends in a result.
    """

    method: Method[P, R]
    find: Callable[[Services], Callable[[Session, P], Awaitable[R]]]
    keeps_result: ClassVar = False

    async def answer(self, call: Call, params: P) -> R:
        return await self.find(await call.services())(call.session, params)


@dataclass(frozen=True, slots=True)
class EarlyRoute(Generic[P, R]):
    """A method that is answered from package data, without the services."""

    method: Method[P, R]
    find: Callable[[App], Callable[[Session, P], R]]
    keeps_result: ClassVar = False

    async def answer(self, call: Call, params: P) -> R:
        return self.find(call.app)(call.session, params)


@dataclass(frozen=True, slots=True)
class ChatRoute:
    """`chat/send`: sends the events, then returns the result, also when it is cancelled."""

    method: Method[SendParams, SendResult]
    keeps_result: ClassVar = True

    async def answer(self, call: Call, params: SendParams) -> SendResult:
        call.open_stream(params.stream_id)
        answer = (await call.services()).chat.answer(call.session, params)
        call.on_cancel(answer.cancel)
        batches = aiter(answer)
        try:
            # the next batch waits for room in the outbox: a slow client slows its provider down
            async for events in batches:
                if params.stream and call.wants_events:
                    await call.send(params.stream_id, events)
        finally:
            if isinstance(batches, AsyncGenerator):
                await batches.aclose()
        return answer.result


Route: TypeAlias = ServiceRoute[Any, Any] | EarlyRoute[Any, Any] | ChatRoute

ROUTES: Final[tuple[Route, ...]] = (
    EarlyRoute(methods.PROVIDER_LIST, lambda app: app.providers.list),
    ServiceRoute(methods.PROVIDER_READ_ADDRESS, lambda services: services.addresses.read),
    ServiceRoute(methods.PROVIDER_TEST, lambda services: services.diagnostics.test),
    ServiceRoute(methods.KEY_STORE, lambda services: services.keys.store),
    ServiceRoute(methods.KEY_ROTATE, lambda services: services.keys.rotate),
    ServiceRoute(methods.KEY_LIST, lambda services: services.keys.list),
    ServiceRoute(methods.KEY_PROBE, lambda services: services.keys.probe),
    ServiceRoute(methods.KEY_DISABLE, lambda services: services.keys.disable),
    ServiceRoute(methods.KEY_ENABLE, lambda services: services.keys.enable),
    ServiceRoute(methods.KEY_DELETE, lambda services: services.keys.delete),
    ServiceRoute(methods.KEY_SET_DEFAULT, lambda services: services.keys.set_default),
    ServiceRoute(methods.KEY_SET_LABEL, lambda services: services.keys.set_label),
    ServiceRoute(methods.KEY_ACCEPT_ORIGIN, lambda services: services.accepted_origins.accept),
    ServiceRoute(methods.KEY_IMPORT, lambda services: services.imports.import_),
    ServiceRoute(methods.KEY_EXPORT, lambda services: services.exports.export),
    ServiceRoute(methods.VAULT_STATUS, lambda services: services.vault.status),
    ServiceRoute(methods.VAULT_INITIALIZE, lambda services: services.vault.initialize),
    ServiceRoute(methods.VAULT_UNLOCK, lambda services: services.vault.unlock),
    ServiceRoute(methods.VAULT_LOCK, lambda services: services.vault.lock),
    ServiceRoute(methods.VAULT_RESTORE, lambda services: services.backups.restore),
    ServiceRoute(methods.VAULT_REKEY, lambda services: services.rekeying.change),
    ServiceRoute(methods.MODEL_LIST, lambda services: services.models.list),
    ServiceRoute(methods.MODEL_REFRESH, lambda services: services.models.refresh),
    ChatRoute(methods.CHAT_SEND),
    ServiceRoute(methods.CHAT_COUNT_TOKENS, lambda services: services.tokens.count),
    ServiceRoute(methods.CATALOG_SHOW, lambda services: services.catalog.show),
    ServiceRoute(methods.CATALOG_REFRESH, lambda services: services.catalog.refresh),
    ServiceRoute(methods.CATALOG_UNDO, lambda services: services.catalog.undo),
    ServiceRoute(methods.AUDIT_LIST, lambda services: services.audit.list),
    ServiceRoute(methods.AUDIT_VERIFY, lambda services: services.audit.verify),
    ServiceRoute(methods.AUDIT_EXPORT, lambda services: services.audit.export),
    ServiceRoute(methods.ACCOUNT_LIST, lambda services: services.accounts.list),
    ServiceRoute(methods.ACCOUNT_DELETE, lambda services: services.accounts.delete),
)
