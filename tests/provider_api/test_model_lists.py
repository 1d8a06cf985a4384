"""Model lists in every form: the recorded ones, and forms that no recording has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from byokd.catalog.loader import load
from byokd.catalog.record import LivePrice, Models, Provider
from byokd.core.limits import MODELS_MAX
from byokd.protocol.errors import ProviderError, Unsupported
from byokd.provider_api.model_facts import ListedPrice
from byokd.provider_api.model_lists import ListedModel, count_models, models_request, read_models
from recorded import BARE, record
from replay import Recording, absent, recordings

RECORDED = recordings("models_count")


def _with(**list_record: Any) -> Provider:
    return BARE.model_copy(update={"models": Models(**list_record)})


def _read(document: Any, provider: Provider = BARE) -> tuple[ListedModel, ...]:
    return read_models(provider, json.dumps(document).encode()).models


@pytest.mark.skipif(not RECORDED, reason=absent())
@pytest.mark.parametrize("recording", RECORDED, ids=lambda recording: recording.id)
def test_recorded_list_is_read(recording: Recording) -> None:
    expected, document = recording.expect, json.loads(recording.body)
    for provider in (BARE, record(recording.provider)):
        page = read_models(provider, recording.body)
        ids = [model.id for model in page.models]
        assert count_models(provider, document, None) == expected["models_count"]
        # Mistral repeats two ids; all others list each once.
        assert expected["models_count"] - 2 <= len(ids) <= expected["models_count"]
        assert len(set(ids)) == len(ids)
        for model_id in expected["model_ids_sample"]:
            assert model_id.removeprefix("models/") in ids
        if provider is not BARE:
            # Cloudflare's recording is the first of several numbered pages.
            numbered = "2" if isinstance(document, dict) and "result_info" in document else None
            assert page.next_cursor == expected.get("nextPageToken", numbered)


@pytest.mark.skipif(not RECORDED, reason=absent())
def test_number_of_recorded_lists() -> None:
    assert len(RECORDED) == 14


ENTRIES: list[tuple[str, Any, ListedModel]] = [
    ("a bare id", "m", ListedModel("m")),
    (
        "openrouter",
        {
            "id": "v/m",
            "name": "V: M",
            "context_length": 200000,
            "architecture": {"input_modalities": ["image", "text"], "output_modalities": ["text"]},
            "pricing": {"prompt": "0.000003", "completion": "0.000015"},
            "top_provider": {"max_completion_tokens": 64000},
            "supported_parameters": ["tools", "temperature"],
            "expiration_date": None,
        },
        ListedModel(
            "v/m", "V: M", 200000, 64000, ("text", "image"), tools=True, reasoning=False,
            chat=True, price=ListedPrice("3", "15"), deprecated=False,
        ),
    ),
    (
        "a router's varying price",
        {"id": "auto", "pricing": {"prompt": "-1", "completion": "-1"}},
        ListedModel("auto"),
    ),
    (
        "together",
        {
            "id": "t/m",
            "type": "chat",
            "display_name": "M",
            "context_length": 4096,
            "pricing": {"input": 0.88, "output": 0.88, "hourly": 0},
        },
        ListedModel("t/m", "M", 4096, chat=True, price=ListedPrice("0.88", "0.88")),
    ),
    ("together, no chat", {"id": "t/e", "type": "embedding"}, ListedModel("t/e", chat=False)),
    (
        "xai",
        {
            "id": "g",
            "input_modalities": ["text", "image"],
            "output_modalities": ["text"],
            "prompt_text_token_price": 20000,
            "completion_text_token_price": 100000,
            "max_prompt_length": 131072,
        },
        ListedModel(
            "g", None, 131072, None, ("text", "image"), chat=True, price=ListedPrice("2", "10")
        ),
    ),
    (
        "cerebras, public",
        {
            "id": "c",
            "name": "Model C",
            "pricing": {"prompt": "0.00000035", "completion": "0.00000075"},
            "capabilities": {"function_calling": True, "reasoning": False, "vision": False},
            "limits": {"max_context_length": 131072, "max_completion_tokens": 40960},
            "deprecated": False,
        },
        ListedModel(
            "c", "Model C", 131072, 40960, ("text",), tools=True, reasoning=False,
            price=ListedPrice("0.35", "0.75"), deprecated=False,
        ),
    ),
    (
        "litellm, rich",
        {
            "model_name": "alias",
            "model_info": {
                "max_input_tokens": 8000,
                "max_output_tokens": 4000,
                "input_cost_per_token": 1.5e-07,
                "output_cost_per_token": 6e-07,
                "supports_vision": True,
                "supports_function_calling": True,
            },
        },
        ListedModel(
            "alias", None, 8000, 4000, ("text", "image"), tools=True,
            price=ListedPrice("0.15", "0.6"),
        ),
    ),
    (
        "hf router, one price everywhere",
        {
            "id": "o/m",
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
            "providers": [
                {"context_length": 8192, "pricing": {"input": 0.1, "output": 0.5}},
                {"context_length": 131072, "pricing": {"input": 0.1, "output": 0.5},
                 "supports_tools": True},
            ],
        },
        ListedModel(
            "o/m", None, 131072, None, ("text",), tools=True, chat=True,
            price=ListedPrice("0.1", "0.5"),
        ),
    ),
    (
        "hf router, prices differ",
        {"id": "o/m", "providers": [{"pricing": {"input": 1}}, {"pricing": {"input": 2}}]},
        ListedModel("o/m", tools=False),
    ),
    (
        "cloudflare",
        {
            "id": "3fbd29f6-f17f-447c-8e5f-0f789bea5c4c",
            "name": "@cf/v/m",
            "task": {"name": "Text Generation"},
            "properties": [
                {"property_id": "context_window", "value": "24000"},
                {"property_id": "function_calling", "value": "true"},
                {
                    "property_id": "price",
                    "value": [
                        {"unit": "per M input tokens", "price": 0.35, "currency": "USD"},
                        {"unit": "per M output tokens", "price": 0.75, "currency": "USD"},
                    ],
                },
            ],
        },
        ListedModel(
            "@cf/v/m", None, 24000, tools=True, chat=True, price=ListedPrice("0.35", "0.75")
        ),
    ),
    (
        "google",
        {
            "name": "models/g-1",
            "displayName": "G 1",
            "inputTokenLimit": 1048576,
            "outputTokenLimit": 65536,
            "supportedGenerationMethods": ["generateContent"],
            "thinking": True,
        },
        ListedModel("g-1", "G 1", 1048576, 65536, reasoning=True, chat=True),
    ),
    (
        "bedrock",
        {
            "modelId": "v.m-v1:0",
            "modelName": "M",
            "inputModalities": ["TEXT", "IMAGE"],
            "outputModalities": ["TEXT"],
            "modelLifecycle": {"status": "LEGACY"},
        },
        ListedModel(
            "v.m-v1:0", "M", None, None, ("text", "image"), chat=True, deprecated=True,
            retired=False,
        ),
    ),
    (
        "fireworks",
        {
            "name": "accounts/f/models/m",
            "displayName": "M",
            "contextLength": 131072,
            "supportsTools": True,
            "supportsImageInput": False,
            "deprecationDate": {"year": 2026},
        },
        ListedModel(
            "accounts/f/models/m", "M", 131072, None, ("text",), tools=True, deprecated=True
        ),
    ),
    (
        "ollama",
        {"name": "q:8b", "model": "q:8b", "capabilities": ["completion", "tools", "thinking"],
         "details": {"context_length": 40960}},
        ListedModel("q:8b", None, 40960, tools=True, reasoning=True),
    ),
    ("vllm", {"id": "m", "max_model_len": 32768}, ListedModel("m", None, 32768)),
    (
        "anthropic",
        {"id": "a-1", "display_name": "A 1", "max_input_tokens": 200000, "max_tokens": 64000,
         "capabilities": {"image_input": {"supported": True}, "pdf_input": {"supported": True},
                          "thinking": {"supported": True, "types": {}},
                          "effort": {"supported": True, "low": {"supported": True}}}},
        ListedModel("a-1", "A 1", 200000, 64000, ("text", "image", "file"), reasoning=True,
                    efforts=("low",)),
    ),
    (
        "vercel gateway: prices of one token, and max_tokens is the output",
        {"id": "v/m", "type": "language", "context_window": 200000, "max_tokens": 64000,
         "tags": ["reasoning", "tool-use", "vision"],
         "pricing": {"input": "0.000003", "output": "0.000015", "input_cache_read": "0.0000003",
                     "input_cache_write": "0.00000375"}},
        ListedModel("v/m", None, 200000, 64000, ("text", "image"), tools=True, reasoning=True,
                    chat=True, price=ListedPrice("3", "15", "USD", "0.3", "3.75")),
    ),
    (
        "models.dev",
        {"id": "d", "limit": {"context": 128000, "output": 8192}, "tool_call": True,
         "modalities": {"input": ["text", "pdf"], "output": ["text"]},
         "cost": {"input": 0.14, "output": 0.28, "cache_read": 0.0028}},
        ListedModel("d", None, 128000, 8192, ("text", "pdf"), tools=True, chat=True,
                    price=ListedPrice("0.14", "0.28", "USD", "0.0028")),
    ),
    (
        "free",
        {"id": "f", "pricing": {"input": 0, "output": 0}},
        ListedModel("f", price=ListedPrice("0", "0")),
    ),
    (
        "lm studio, its own list",
        {"id": "q", "type": "vlm", "max_context_length": 131072, "loaded_context_length": 4096,
         "capabilities": ["tool_use"]},
        ListedModel("q", None, 4096, None, ("text", "image"), tools=True, reasoning=False,
                    chat=True),
    ),
    (
        "lm studio, version 1",
        {"type": "llm", "key": "g/m", "display_name": "M", "max_context_length": 131072,
         "loaded_instances": [{"id": "x", "config": {"context_length": 8192}}],
         "capabilities": {"vision": False, "trained_for_tool_use": True,
                          "reasoning": {"allowed_options": ["low", "high"]}}},
        ListedModel("g/m", "M", 8192, None, ("text",), tools=True, chat=True,
                    efforts=("low", "high")),
    ),
    (
        "llama.cpp: as started, not as trained",
        {"id": "l", "capabilities": ["completion", "multimodal"],
         "meta": {"n_ctx": 16384, "n_ctx_train": 131072}},
        ListedModel("l", None, 16384, None, ("text", "image"), tools=False, reasoning=False),
    ),
    (
        "cloudflare, with images",
        {"id": "u", "name": "@cf/v/i",
         "properties": [{"property_id": "vision", "value": "true"},
                        {"property_id": "max_output_tokens", "value": "2048"}]},
        ListedModel("@cf/v/i", None, None, 2048, ("text", "image")),
    ),
    (
        "groq, retired", {"id": "m", "active": False},
        ListedModel("m", deprecated=True, retired=True),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "entry", "model"), ENTRIES, ids=[row[0] for row in ENTRIES])
@pytest.mark.parametrize("place", ["data", "models", "result", "modelSummaries", ""])
def test_entry_in_every_envelope(name: str, entry: Any, model: ListedModel, place: str) -> None:
    document = {place: [entry], "object": "list"} if place else [entry]
    elsewhere = _with(items="/nowhere")
    assert _read(document, elsewhere) == (model,), name


def test_record_is_followed_before_the_known_places() -> None:
    provider = _with(
        items="/list",
        id="/uid",
        id_prefix="x/",
        name=("/title",),
        context=("/a", "/b"),
        output=("/o",),
        modalities="/in",
        tools="/features",
        reasoning="/features",
        deprecated="/ends",
        kind="/kinds",
        chat_kinds=("Chat",),
        non_chat_pattern="embed",
        price=LivePrice(input="/p/i", output="/p/o", cache_read="/p/c", per_million="0.0001"),
    )
    entry = {
        "uid": "x/one", "id": "no", "title": "One", "b": 9, "o": 3, "in": ["TEXT"],
        "features": ["tool_choice", "reasoning_effort"], "ends": "2027-01-01", "kinds": ["chat"],
        "p": {"i": 30000, "o": "60000", "c": 1500}, "context_length": 7,
    }  # fmt: skip
    assert _read({"list": [entry]}, provider) == (
        ListedModel(
            "one", "One", 9, 3, ("text",), tools=True, reasoning=True, chat=True,
            price=ListedPrice("3", "6", cache_read="0.15"), deprecated=True,
        ),
    )  # fmt: skip
    assert _read({"list": [entry | {"uid": "x/embed-1"}]}, provider)[0].chat is False
    assert _read({"list": [entry | {"kinds": ["embed"]}]}, provider)[0].chat is False
    assert _read({"data": [{"id": "other"}]}, provider)[0].id == "other"


def test_unreadable_entries_are_left_out() -> None:
    entries: list[Any] = [
        None,
        3,
        {},
        {"id": ""},
        {"id": "a b"},
        {"id": "x\n"},
        {"id": "y" * 513},
        [],
    ]
    assert [model.id for model in _read({"data": [*entries, {"id": "y" * 512}]})] == ["y" * 512]


@pytest.mark.parametrize("extra", [0, 1])
def test_bound_of_models(extra: int) -> None:
    assert len(_read([str(number) for number in range(MODELS_MAX + extra)])) == MODELS_MAX


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"3", b'{"data":{}}', b"[" * 9999, b"{"])
def test_body_without_a_list_is_an_error(body: bytes) -> None:
    with pytest.raises(ProviderError, match="cannot be read"):
        read_models(BARE, body)


PAGES: list[tuple[str, dict[str, Any], dict[str, Any], str | None]] = [
    ("a token", {"next_pointer": "/next"}, {"next": "t/1"}, "t/1"),
    ("the end", {"next_pointer": "/next"}, {"next": ""}, None),
    ("no field", {"next_pointer": "/next"}, {}, None),
    ("a last id and more", {"next_pointer": "/last"}, {"last": "m", "has_more": True}, "m"),
    ("a last id and no more", {"next_pointer": "/last"}, {"last": "m", "has_more": False}, None),
    ("its own flag", {"next_pointer": "/l", "more_pointer": "/m"}, {"l": "x", "m": False}, None),
    ("a number", {"next_pointer": "/next"}, {"next": 2}, "2"),
    ("a list", {"next_pointer": "/next"}, {"next": ["x"]}, None),
    ("too long", {"next_pointer": "/next"}, {"next": "x" * 2049}, None),
    ("numbered", {}, {"result_info": {"page": 1, "per_page": 100, "total_count": 291}}, "2"),
    ("numbered, last", {}, {"result_info": {"page": 3, "per_page": 100, "total_count": 291}}, None),
    ("numbered by pages", {}, {"result_info": {"page": 1, "total_pages": 2}}, "2"),
]


@pytest.mark.parametrize(
    ("name", "list_record", "more", "cursor"), PAGES, ids=[row[0] for row in PAGES]
)
def test_cursor_of_the_next_page(
    name: str, list_record: dict[str, Any], more: dict[str, Any], cursor: str | None
) -> None:
    provider = _with(next_query="after", **list_record)
    page = read_models(provider, json.dumps({"data": ["m"], **more}).encode())
    assert page.next_cursor == cursor, name
    assert read_models(_with(**list_record), b'{"data":["m"],"next":"t"}').next_cursor is None


BASE = "https://a.example/v1"


@pytest.mark.parametrize(
    ("list_record", "at_default", "url"),
    [
        ({"path": "/models?limit=9"}, True, f"{BASE}/models?limit=9"),
        ({"path": "/m", "url": "https://b.example/{acct}/m"}, True, "https://b.example/x/m"),
        ({"path": "/m", "url": "https://b.example/{acct}/m"}, False, f"{BASE}/m"),
        ({"url": "https://b.example/m"}, False, f"{BASE}/models"),
    ],
)
def test_list_request_by_record_and_origin(
    list_record: dict[str, Any],
    at_default: bool,  # noqa: FBT001  # a column of the table
    url: str,
) -> None:
    provider = _with(next_query="after", **list_record).model_copy(update={"headers": {"X-A": "b"}})
    fields = {"acct": "x"}
    request = models_request(provider, BASE, fields, at_default_origin=at_default)
    assert request.url == url
    assert request.headers.get("x-a") == "b"
    second = models_request(provider, BASE, fields, "c d", at_default_origin=at_default)
    assert second.url.endswith("after=c%20d")


def test_provider_without_a_list_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="does not list its models"):
        models_request(_with(static=["m"]), BASE, {}, at_default_origin=True)
    assert models_request(BARE, BASE, {}, list_record=Models(path="/also")).url == f"{BASE}/also"


@pytest.mark.parametrize(
    ("endpoints", "features", "chat", "tools", "reasoning"),
    [
        (["generate", "chat"], ["strict_tools", "tools", "reasoning"], True, True, True),
        (["chat"], ["vision", "strict_tools"], True, False, False),
        (["rerank"], None, False, None, None),
    ],
)
def test_features_as_words_are_read(
    endpoints: list[str],
    features: Any,
    chat: bool,  # noqa: FBT001 - a row of the table
    tools: Any,
    reasoning: Any,
) -> None:
    """Strict tools are a form of JSON, so a model without tools has them too (recorded 2026)."""
    provider = record("cohere")
    assert provider is not None
    item = {"name": "m", "endpoints": endpoints, "context_length": 8, "features": features}
    document = {"models": [item], "next_page_token": "p2"}
    page = read_models(provider, json.dumps(document).encode())
    (model,) = page.models
    assert (model.id, model.context_tokens) == ("m", 8)
    assert (model.chat, model.tools, model.reasoning) == (chat, tools, reasoning)
    assert page.next_cursor == "p2"


def _list_records() -> list[tuple[Provider, Models]]:
    """Return every list of every record that has pages."""
    lists = [
        (each, list_record)
        for each in load().values()
        for list_record in (each.models, *each.models.also)
    ]
    return [
        (each, list_record) for each, list_record in lists if list_record.next_query is not None
    ]


def _nested(pointer: str, value: Any) -> dict[str, Any]:
    for name in reversed(pointer.split("/")[1:]):
        value = {name: value}
    return dict(value)


@pytest.mark.parametrize(
    ("provider", "list_record"),
    _list_records(),
    ids=[f"{p.id}{r.items}" for p, r in _list_records()],
)
def test_list_in_pages_continues_and_ends(provider: Provider, list_record: Models) -> None:
    assert list_record.next_query is not None
    items = _nested(list_record.items, [_nested(list_record.id, "m")])
    numbered = list_record.next_pointer is None or "result_info" in list_record.next_pointer
    if list_record.next_pointer is not None and not numbered:
        more = _nested(list_record.next_pointer, "m/2")
        last: dict[str, Any] = {}
    else:
        info = {"per_page": 100, "total_count": 101}
        more = {"result_info": info | {"page": 1}}
        last = {"result_info": info | {"page": 2}}
    first = read_models(provider, json.dumps(items | more).encode(), list_record=list_record)
    assert [model.id for model in first.models] == ["m"]
    fields = {field.name: "x1" for field in provider.fields}
    base = "https://a.example"
    args: dict[str, Any] = {"at_default_origin": True, "list_record": list_record}
    first_request = models_request(provider, base, fields, **args)
    second_request = models_request(provider, base, fields, first.next_cursor, **args)
    assert second_request.url.startswith(first_request.url)
    cursor = "2" if numbered else "m%2F2"
    assert (
        second_request.url.removeprefix(first_request.url)[1:]
        == f"{list_record.next_query}={cursor}"
    )
    end = read_models(provider, json.dumps(items | last).encode(), list_record=list_record)
    assert end.next_cursor is None


def test_number_of_lists_in_pages() -> None:
    assert len(_list_records()) == 6
