"""Model lists and the probe at a companion origin, which is used for the default address only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import pytest
from pydantic_core import to_json

from byokd.core.secret import Secret
from byokd.protocol.lifecycle import Features
from byokd.protocol.model import ModelListParams, ModelListResult
from byokd.services.keys.credentials import Credential
from byokd.services.keys.prober import Prober
from byokd.services.keys.resolver import CredentialResolver
from byokd.services.models.lists import ModelLists
from byokd.services.models.service import ModelService
from byokd.services.runtime.background import Background
from byokd.services.runtime.session import Session
from dialects.converse import RECORD
from recording_client import RecordingClient
from scripted_transport import CannedResponse, ScriptedTransport

pytestmark = pytest.mark.anyio

_PAIR: Final[dict[str, Secret | str]] = {
    "region": "eu-west-1",
    "accessKeyId": Secret("AKIDEXAMPLE"),
    "secretAccessKey": Secret("test-secret-0123456789abcdef"),
    "sessionToken": Secret("test-token-0123456789abcdef"),
}
_BEARER: Final[dict[str, Secret | str]] = {
    "region": "eu-west-1",
    "apiKey": Secret("test-key-0123456789abcdef"),
}
_HERE: Final = "https://bedrock-runtime.eu-west-1.amazonaws.com"
_PLANE: Final = "https://bedrock.eu-west-1.amazonaws.com"
_ELSEWHERE: Final = "https://gateway.example.test"
_PROFILES: Final = f"{_PLANE}/inference-profiles?maxResults=1000&type=SYSTEM_DEFINED"
_SESSION: Final = Session("default", RecordingClient(), None, Features())


def _answer(document: Any, status: int = 200, **headers: str) -> CannedResponse:
    return CannedResponse(status, headers, (to_json(document),))


def _model(name: str) -> dict[str, Any]:
    return {"modelId": name, "modelName": name.title(), "outputModalities": ["TEXT"]}


def _profile(name: str) -> dict[str, Any]:
    return {"inferenceProfileId": name, "inferenceProfileName": name.title(), "status": "ACTIVE"}


_LISTS: Final[dict[str, CannedResponse]] = {
    "/foundation-models": _answer({"modelSummaries": [_model("a.b-v1:0"), _model("a.embed-v1")]}),
    "next": _answer({"inferenceProfileSummaries": [_profile("eu.a.c-v1:0")]}),
    "/inference-profiles": _answer(
        {"inferenceProfileSummaries": [_profile("eu.a.b-v1:0")], "nextToken": "n/1"}
    ),
    "/models": _answer({"data": [{"id": "alias"}]}),
}
_DENIED: Final = _answer(
    {"message": "User is not authorized to perform: bedrock:ListInferenceProfiles"},
    403,
    **{"x-amzn-errortype": "AccessDeniedException"},
)


@dataclass
class _OneKey:
    """Stands in for `CredentialResolver` with one credential."""

    credential: Credential

    def record(self, *_: Any) -> Any:
        return self.credential.record

    async def rows_by_provider(self, *_: Any) -> dict[str, Any]:
        return {}

    async def resolve_key(self, *_: Any) -> Credential:
        return self.credential


async def _list(transport: ScriptedTransport, *, default: bool = True) -> ModelListResult:
    credential = Credential(RECORD, _HERE if default else _ELSEWHERE, default, _PAIR)
    models = ModelService(
        cast("CredentialResolver", _OneKey(credential)), transport, ModelLists(), Background()
    )
    params = ModelListParams(provider=RECORD.id, limit=1000)
    return await models.list(_SESSION, params)


def _live(result: ModelListResult) -> dict[str, bool | None]:
    return {item.id: item.chat for item in result.items if item.source == "live"}


async def test_models_and_profiles_are_one_list() -> None:
    lists = [_LISTS[path] for path in ("/foundation-models", "/inference-profiles", "next")]
    transport = ScriptedTransport(lists, keep_headers=True)
    result = await _list(transport)
    assert _live(result) == {
        "a.b-v1:0": True,
        "a.embed-v1": False,
        "eu.a.b-v1:0": None,
        "eu.a.c-v1:0": None,
    }
    assert result.failures == ()
    assert [request.url for request in transport.requests] == [
        f"{_PLANE}/foundation-models?byOutputModality=TEXT&byInferenceType=ON_DEMAND",
        _PROFILES,
        f"{_PROFILES}&nextToken=n%2F1",
    ]
    for request in transport.requests:
        assert request.headers is not None
        assert "/eu-west-1/bedrock/aws4_request" in (request.headers.get("authorization") or "")
        assert request.headers.get("x-amz-security-token") == "test-token-0123456789abcdef"


async def test_forbidden_profile_list_leaves_the_models() -> None:
    lists = [_LISTS["/foundation-models"], _DENIED]
    result = await _list(ScriptedTransport(lists))
    assert _live(result) == {"a.b-v1:0": True, "a.embed-v1": False}
    assert [failure.kind for failure in result.failures] == ["keyForbidden"]


async def test_forbidden_model_list_is_a_failure() -> None:
    result = await _list(ScriptedTransport([_DENIED]))
    assert _live(result) == {}
    assert [failure.kind for failure in result.failures] == ["keyForbidden"]


async def test_own_origin_gets_the_only_request() -> None:
    transport = ScriptedTransport([_LISTS["/models"]])
    assert _live(await _list(transport, default=False)) == {"alias": None}
    assert [request.url for request in transport.requests] == [f"{_ELSEWHERE}/models"]


@pytest.mark.parametrize(("fields", "scheme"), [(_PAIR, "AWS4-HMAC-SHA256 "), (_BEARER, "Bearer ")])
@pytest.mark.parametrize("default", [True, False])
async def test_probe_asks_the_control_plane_of_the_region(
    fields: dict[str, Secret | str],
    scheme: str,
    default: bool,  # noqa: FBT001 - a row of the table
) -> None:
    answer = _LISTS["/foundation-models"] if default else _LISTS["/models"]
    transport = ScriptedTransport([answer], keep_headers=True)
    credential = Credential(RECORD, _HERE if default else _ELSEWHERE, default, fields)
    result = await Prober(transport).probe(credential.candidate)
    assert (result.verdict, result.models_seen) == ("valid", 2 if default else 1)
    [request] = transport.requests
    assert request.url == (
        f"{_PLANE}/foundation-models?byOutputModality=TEXT" if default else f"{_ELSEWHERE}/models"
    )
    assert request.headers is not None
    assert (request.headers.get("authorization") or "").startswith(scheme)


async def test_key_that_may_not_list_models_is_valid_with_restrictions() -> None:
    credential = Credential(RECORD, _HERE, at_default_origin=True, fields=_PAIR)
    result = await Prober(ScriptedTransport([_DENIED])).probe(credential.candidate)
    assert result.verdict == "validRestricted"
