"""Fetching beside a list: the fallback path, overriding facts, and the details of one model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from pydantic_core import to_json

import recorded
from byokd.catalog.record import ModelDetail, Provider
from byokd.core.http import HttpRequest
from byokd.core.limits import MODEL_DETAIL_MAX_BYTES, MODEL_DETAILS_AT_ONCE, MODEL_DETAILS_MAX
from byokd.protocol.errors import ByokdError, NetworkFailed
from byokd.provider_api.model_lists import ListedModel, fill_missing
from byokd.services.keys.credentials import Credential
from byokd.services.models import fetch
from byokd.services.models.fetch import ModelFetch
from scripted_transport import CannedResponse, ScriptedResult, ScriptedTransport
from waits import skip_time

pytestmark = pytest.mark.anyio

_BASE = "http://localhost:11434/v1"
_HOST = "http://localhost:11434"
_NOT_FOUND = CannedResponse(404, {}, (b'{"error":"not found"}',))
_DOWN = NetworkFailed("no network", details={"reason": "dns"})
_QWEN = {
    "capabilities": ["completion", "tools", "thinking"],
    "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
}


def _json(document: Any) -> CannedResponse:
    return CannedResponse(200, {}, (to_json(document),))


def _tags(*names: str, **more: Any) -> CannedResponse:
    return _json({"models": [{"model": name, "name": name} | more for name in names]})


def _record() -> Provider:
    record = recorded.record("ollama")
    assert record is not None
    return record


class Server:
    """Responds by the last step of the path; a path that is not named is missing."""

    def __init__(self, **responses: ScriptedResult | Callable[[Any], ScriptedResult]) -> None:
        self._responses = responses
        self.transport = ScriptedTransport(self._respond)

    def _respond(self, request: HttpRequest) -> ScriptedResult:
        name = request.url.removeprefix(_HOST).split("/")[-1]
        response = self._responses.get(name, _NOT_FOUND)
        return response(json.loads(request.body)["model"]) if callable(response) else response

    @property
    def paths(self) -> list[str]:
        return [request.url.removeprefix(_HOST) for request in self.transport.requests]

    async def listed(self, record: Provider | None = None, **limits: int) -> list[ListedModel]:
        credential = Credential(record or _record(), _BASE, at_default_origin=True, fields={})
        models, also_error = await ModelFetch(self.transport, credential).run(**limits)
        assert also_error is None
        return [*models]


async def test_complete_list_needs_no_details() -> None:
    complete = {"capabilities": ["completion", "thinking"], "details": {"context_length": 4096}}
    server = Server(tags=_tags("q:8b", **complete))
    model = ListedModel("q:8b", None, 4096, tools=False, reasoning=True, chat=True)
    assert await server.listed() == [model]
    assert server.paths == ["/api/tags", "/api/ps"]


async def test_details_are_fetched_where_the_list_has_no_context() -> None:
    server = Server(tags=_tags("q:8b", "nomic-embed-text"), show=lambda _model: _json(_QWEN))
    chat_model, embedding_model = await server.listed()
    assert chat_model == ListedModel("q:8b", None, 40960, tools=True, reasoning=True, chat=True)
    assert embedding_model == ListedModel("nomic-embed-text", chat=False)
    details = [sent for sent in server.transport.requests if sent.url.endswith("/api/show")]
    assert [(sent.method, json.loads(sent.body)) for sent in details] == [
        ("POST", {"model": "q:8b"})
    ]


async def test_loaded_context_overrides_the_list_and_adds_no_model() -> None:
    loaded = [{"model": "a", "context_length": 8192}, {"model": "x", "context_length": 1}]
    server = Server(
        tags=_tags("a", "b", details={"context_length": 99}), ps=_json({"models": loaded})
    )
    assert [(m.id, m.context_tokens) for m in await server.listed()] == [("a", 8192), ("b", 99)]


@pytest.mark.parametrize("late", ["ps", "show"])
async def test_loaded_context_overrides_the_details_in_any_order(late: str) -> None:
    gates = {"ps": anyio.Event(), "show": anyio.Event()}
    gates["show" if late == "ps" else "ps"].set()
    loaded = to_json({"models": [{"model": "a", "context_length": 8192}]})
    server = Server(
        tags=_tags("a"),
        ps=CannedResponse(200, {}, (gates["ps"], loaded)),
        show=lambda _model: CannedResponse(200, {}, (gates["show"], to_json(_QWEN))),
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_open_gate, gates[late], server)
        (model,) = await server.listed()
    assert (model.context_tokens, model.tools) == (8192, True)


async def _open_gate(gate: anyio.Event, server: Server) -> None:
    """Open the gate once the list and the first of the two other answers were read."""
    while server.transport.closed < 2:
        await anyio.lowlevel.checkpoint()
    gate.set()


# --- servers that are not Ollama ------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 405])
async def test_fallback_list_is_read_where_the_path_is_missing(status: int) -> None:
    server = Server(
        tags=CannedResponse(status), models=_json({"data": [{"id": "m"}, {"id": "bge-m3"}]})
    )
    assert await server.listed() == [ListedModel("m"), ListedModel("bge-m3", chat=False)]
    assert server.paths == ["/api/tags", "/v1/models"]


@pytest.mark.parametrize("response", [CannedResponse(401), CannedResponse(500), _DOWN])
async def test_other_failures_do_not_lead_to_the_fallback(response: ScriptedResult) -> None:
    server = Server(tags=response, models=_json({"data": [{"id": "m"}]}))
    with pytest.raises(ByokdError):
        await server.listed()
    assert server.paths == ["/api/tags"]


async def test_error_of_the_fallback_list_is_raised() -> None:
    with pytest.raises(ByokdError) as caught:
        await Server().listed()
    assert caught.value.fields["http_status"] == 404


def _generic() -> Provider:
    record = recorded.record("openai-compatible")
    assert record is not None
    return record


_LOADED = _json(
    {"data": [{"id": "q", "type": "vlm", "loaded_context_length": 4096,
               "capabilities": ["tool_use"]},
              {"id": "other", "type": "llm"}]}
)  # fmt: skip


async def test_own_list_of_a_local_server_fills_a_bare_one() -> None:
    responses = {"/v1/models": _json({"data": [{"id": "q"}]}), "/api/v0/models": _LOADED}
    transport = ScriptedTransport(
        lambda request: responses.get(request.url.removeprefix(_HOST), _NOT_FOUND)
    )
    credential = Credential(_generic(), _BASE, at_default_origin=False, fields={})
    models, error = await ModelFetch(transport, credential).run()
    assert error is None
    [model] = models
    assert (model.id, model.context_tokens, model.tools) == ("q", 4096, True)
    assert model.input_modalities == ("text", "image")


@pytest.mark.parametrize(
    ("models", "paths"),
    [
        ([{"id": "q", "max_model_len": 8192}, {"id": "r"}], ["/v1/models"]),
        ([{"id": "q"}], ["/v1/models", "/api/v0/models"]),
    ],
)
async def test_own_list_is_read_only_beside_a_bare_one(models: list[Any], paths: list[str]) -> None:
    transport = ScriptedTransport(
        lambda request: _json({"data": models}) if "/v1/" in request.url else _NOT_FOUND
    )
    credential = Credential(_generic(), _BASE, at_default_origin=False, fields={})
    listed, error = await ModelFetch(transport, credential).run()
    assert error is None
    assert [model.id for model in listed] == [model["id"] for model in models]
    assert [request.url.removeprefix(_HOST) for request in transport.requests] == paths


# --- details never fail a list --------------------------------------------------------------------

_BARE = ListedModel("a")


@pytest.mark.parametrize(
    "response",
    [_NOT_FOUND, CannedResponse(500), _DOWN, _json([]), _json("x"), _json({"model_info": 7}),
     _json({"model_info": {"general.architecture": ["a"], "a.context_length": 9}}),
     _json({"model_info": {"general.architecture": "a", "a.context_length": "many"}}),
     CannedResponse(200, {}, (b"{",)),
     CannedResponse(200, {}, (b"a" * (MODEL_DETAIL_MAX_BYTES + 1),))],
)  # fmt: skip
async def test_unreadable_details_leave_facts_unknown(response: ScriptedResult) -> None:
    server = Server(tags=_tags("a"), show=lambda _model: response, ps=response)
    assert await server.listed() == [_BARE]


@pytest.mark.parametrize("extra", [0, 1])
async def test_details_body_over_its_bound_is_not_read(extra: int) -> None:
    body = to_json(_QWEN).ljust(MODEL_DETAIL_MAX_BYTES + extra)
    server = Server(tags=_tags("a"), show=lambda _model: CannedResponse(200, {}, (body,)))
    assert [model.tools for model in await server.listed()] == [None if extra else True]


async def test_hanging_details_request_ends_with_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time limit expires when the first details have been read."""
    never = CannedResponse(200, {}, (anyio.Event(),))

    def fill_and_expire(model: ListedModel, details: ListedModel) -> ListedModel:
        skip_time(monkeypatch)
        return fill_missing(model, details)

    monkeypatch.setattr(fetch, "fill_missing", fill_and_expire)

    def show(model: str) -> ScriptedResult:
        return _json(_QWEN) if model == "a" else never

    server = Server(tags=_tags("a", "b", "c"), show=show, ps=never)
    models = await server.listed(details_timeout_ms=60_000)
    assert [(m.id, m.context_tokens) for m in models] == [("a", 40960), ("b", None), ("c", None)]


async def test_bounds_of_details_requests() -> None:
    running = most = 0

    def show(_model: str) -> ScriptedResult:
        nonlocal running, most
        running += 1
        most = max(most, running - (server.transport.closed - 1))
        return _json(_QWEN)

    names = [f"m{number}" for number in range(MODEL_DETAILS_MAX + 1)]
    server = Server(tags=_tags(*names), show=show)
    models = await server.listed(details_timeout_ms=20_000)
    assert [m.id for m in models if m.context_tokens is None] == names[MODEL_DETAILS_MAX:]
    assert server.paths.count("/api/show") == MODEL_DETAILS_MAX
    assert 1 < most <= MODEL_DETAILS_AT_ONCE + 1  # and the list of loaded models


async def test_model_id_is_escaped_in_the_details_request() -> None:
    model_id = 'a","more":"{id}'
    server = Server(tags=_tags(model_id), show=lambda _model: _json(_QWEN))
    assert [model.context_tokens for model in await server.listed()] == [40960]
    bodies = [json.loads(sent.body) for sent in server.transport.requests if sent.body]
    assert bodies == [{"model": model_id}]


async def test_record_without_details_requests_none() -> None:
    record = _record()
    bare = record.models.model_copy(update={"detail": None, "also": ()})
    server = Server(tags=_tags("a"), show=lambda _model: _json(_QWEN))
    assert await server.listed(record.model_copy(update={"models": bare})) == [_BARE]
    assert server.paths == ["/api/tags"]
    assert isinstance(record.models.detail, ModelDetail)
