"""The route table: one row for each request of the contract, and types that mypy compares."""

from __future__ import annotations

from byokd.protocol import methods
from byokd.rpc.routes import ROUTES, EarlyRoute, ServiceRoute
from contract_methods import REQUESTS


def test_every_request_has_exactly_one_route() -> None:
    assert [route.method for route in ROUTES] == list(REQUESTS)


def test_only_chat_keeps_its_result_when_cancelled() -> None:
    assert [route.method.name for route in ROUTES if route.keeps_result] == ["chat/send"]


def test_provider_list_is_answered_without_the_services() -> None:
    early = [route.method.name for route in ROUTES if isinstance(route, EarlyRoute)]
    assert early == ["provider/list"]


def test_mypy_refuses_a_row_with_wrong_types() -> None:
    """Each `type: ignore` is an error of its own (`warn_unused_ignores`) once mypy accepts the row.

    The first function takes other params, the second returns another result.
    """
    ServiceRoute(methods.KEY_LIST, lambda services: services.keys.store)  # type: ignore[arg-type,return-value]
    ServiceRoute(methods.KEY_DISABLE, lambda services: services.keys.delete)  # type: ignore[arg-type,return-value]
    EarlyRoute(methods.ACCOUNT_LIST, lambda app: app.providers.list)  # type: ignore[arg-type,return-value]
