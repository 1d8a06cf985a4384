"""What is asked beside a list: the other path, what holds over it, and what one model says."""

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
from byokd.provider_api.model_lists import ListedModel
from byokd.services.keys.credentials import Credential
from byokd.services.models.fetch import ModelFetch
from byokd.transport.scripted import CannedResponse, ScriptedResult, ScriptedTransport

pytestmark = pytest.mark.anyio

_BASE = "http://localhost:11434/v1"
_HOST = "http://localhost:11434"
_NONE = CannedResponse(404, {}, (b'{"error":"not found"}',))
_DOWN = NetworkFailed("no way out", details={"reason": "dns"})
_QWEN = {
    "capabilities": ["completion", "tools", "thinking"],
    "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
}


def _says(document: Any) -> CannedResponse:
    return CannedResponse(200, {}, (to_json(document),))


def _tags(*names: str, **more: Any) -> CannedResponse:
    return _says({"models": [{"model": name, "name": name} | more for name in names]})


def _record() -> Provider:
    record = recorded.record("ollama")
    assert record is not None
    return record


class Server:
    """Answers by path; a path that is not named is not there."""

    def __init__(self, **answers: ScriptedResult | Callable[[Any], ScriptedResult]) -> None:
        self._answers = answers
        self.transport = ScriptedTransport(self._answer)

    def _answer(self, request: HttpRequest) -> ScriptedResult:
        answer = self._answers.get(request.url.removeprefix(_HOST).split("/")[-1], _NONE)
        return answer(json.loads(request.body)["model"]) if callable(answer) else answer

    @property
    def paths(self) -> list[str]:
        return [seen.url.removeprefix(_HOST) for seen in self.transport.requests]

    async def listed(self, record: Provider | None = None, **limits: int) -> list[ListedModel]:
        grant = Credential(record or _record(), _BASE, at_default_origin=True, fields={})
        models, unlisted = await ModelFetch(self.transport, grant).all(**limits)
        assert unlisted is None
        return [*models]


async def test_a_list_that_tells_all_is_enough() -> None:
    new = {"capabilities": ["completion", "thinking"], "details": {"context_length": 4096}}
    server = Server(tags=_tags("q:8b", **new))
    model = ListedModel("q:8b", None, 4096, tools=False, reasoning=True, chat=True)
    assert await server.listed() == [model]
    assert server.paths == ["/api/tags", "/api/ps"]


async def test_an_older_server_is_asked_about_each_model() -> None:
    server = Server(tags=_tags("q:8b", "nomic-embed-text"), show=lambda _model: _says(_QWEN))
    chats, other = await server.listed()
    assert chats == ListedModel("q:8b", None, 40960, tools=True, reasoning=True, chat=True)
    assert other == ListedModel("nomic-embed-text", chat=False)
    asked = [seen for seen in server.transport.requests if seen.url.endswith("/api/show")]
    assert [(one.method, json.loads(one.body)) for one in asked] == [("POST", {"model": "q:8b"})]


async def test_the_loaded_context_wins_and_adds_no_model() -> None:
    loaded = [{"model": "a", "context_length": 8192}, {"model": "x", "context_length": 1}]
    server = Server(
        tags=_tags("a", "b", details={"context_length": 99}), ps=_says({"models": loaded})
    )
    assert [(m.id, m.context_tokens) for m in await server.listed()] == [("a", 8192), ("b", 99)]


@pytest.mark.parametrize("late", ["ps", "show"])
async def test_it_wins_over_what_the_model_says_whichever_comes_last(late: str) -> None:
    gates = {"ps": anyio.Event(), "show": anyio.Event()}
    gates["show" if late == "ps" else "ps"].set()
    loaded = to_json({"models": [{"model": "a", "context_length": 8192}]})
    server = Server(
        tags=_tags("a"),
        ps=CannedResponse(200, {}, (gates["ps"], loaded)),
        show=lambda _model: CannedResponse(200, {}, (gates["show"], to_json(_QWEN))),
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_open_last, gates[late], server)
        (model,) = await server.listed()
    assert (model.context_tokens, model.tools) == (8192, True)


async def _open_last(gate: anyio.Event, server: Server) -> None:
    while server.transport.closed < len(["the list", "who comes first"]):
        await anyio.lowlevel.checkpoint()
    gate.set()


# --- servers that are not Ollama ------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 405])
async def test_another_list_is_read_where_the_path_is_not_there(status: int) -> None:
    server = Server(
        tags=CannedResponse(status), models=_says({"data": [{"id": "m"}, {"id": "bge-m3"}]})
    )
    assert await server.listed() == [ListedModel("m"), ListedModel("bge-m3", chat=False)]
    assert server.paths == ["/api/tags", "/v1/models"]


@pytest.mark.parametrize("answer", [CannedResponse(401), CannedResponse(500), _DOWN])
async def test_any_other_failure_is_one(answer: ScriptedResult) -> None:
    server = Server(tags=answer, models=_says({"data": [{"id": "m"}]}))
    with pytest.raises(ByokdError):
        await server.listed()
    assert server.paths == ["/api/tags"]


async def test_without_either_the_last_failure_is_told() -> None:
    with pytest.raises(ByokdError) as caught:
        await Server().listed()
    assert caught.value.fields["http_status"] == 404


# --- nothing that is asked beside a list costs it -------------------------------------------------

_BARE = ListedModel("a")


@pytest.mark.parametrize(
    "answer",
    [_NONE, CannedResponse(500), _DOWN, _says([]), _says("x"), _says({"model_info": 7}),
     _says({"model_info": {"general.architecture": ["a"], "a.context_length": 9}}),
     _says({"model_info": {"general.architecture": "a", "a.context_length": "many"}}),
     CannedResponse(200, {}, (b"{",)),
     CannedResponse(200, {}, (b"a" * (MODEL_DETAIL_MAX_BYTES + 1),))],
)  # fmt: skip
async def test_what_cannot_be_read_says_nothing(answer: ScriptedResult) -> None:
    server = Server(tags=_tags("a"), show=lambda _model: answer, ps=answer)
    assert await server.listed() == [_BARE]


@pytest.mark.parametrize("extra", [0, 1])
async def test_bound_of_an_answer(extra: int) -> None:
    body = to_json(_QWEN).ljust(MODEL_DETAIL_MAX_BYTES + extra)
    server = Server(tags=_tags("a"), show=lambda _model: CannedResponse(200, {}, (body,)))
    assert [model.tools for model in await server.listed()] == [None if extra else True]


async def test_who_hangs_is_not_waited_for() -> None:
    never = CannedResponse(200, {}, (anyio.Event(),))

    def show(model: str) -> ScriptedResult:
        return _says(_QWEN) if model == "a" else never

    server = Server(tags=_tags("a", "b", "c"), show=show, ps=never)
    models = await server.listed(details_timeout_ms=100)
    assert [(m.id, m.context_tokens) for m in models] == [("a", 40960), ("b", None), ("c", None)]


async def test_bound_of_questions() -> None:
    under_way = most = 0

    def show(_model: str) -> ScriptedResult:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way - (server.transport.closed - 1))
        return _says(_QWEN)

    names = [f"m{number}" for number in range(MODEL_DETAILS_MAX + 1)]
    server = Server(tags=_tags(*names), show=show)
    models = await server.listed(details_timeout_ms=20_000)
    assert [m.id for m in models if m.context_tokens is None] == names[MODEL_DETAILS_MAX:]
    assert server.paths.count("/api/show") == MODEL_DETAILS_MAX
    assert 1 < most <= MODEL_DETAILS_AT_ONCE + 1  # and the list of what is loaded


async def test_an_id_cannot_change_the_question() -> None:
    odd = 'a","more":"{id}'
    server = Server(tags=_tags(odd), show=lambda _model: _says(_QWEN))
    assert [model.context_tokens for model in await server.listed()] == [40960]
    bodies = [json.loads(seen.body) for seen in server.transport.requests if seen.body]
    assert bodies == [{"model": odd}]


async def test_a_record_without_the_question_asks_none() -> None:
    record = _record()
    bare = record.models.model_copy(update={"detail": None, "also": ()})
    server = Server(tags=_tags("a"), show=lambda _model: _says(_QWEN))
    assert await server.listed(record.model_copy(update={"models": bare})) == [_BARE]
    assert server.paths == ["/api/tags"]
    assert isinstance(record.models.detail, ModelDetail)
