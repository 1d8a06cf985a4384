"""The dialect of a call, where a provider has several surfaces."""

from __future__ import annotations

import re

import pytest

from byokd.catalog.loader import load
from byokd.catalog.quirks.anthropic_messages import AnthropicMessagesQuirks
from byokd.catalog.quirks.gemini import GeminiQuirks
from byokd.catalog.quirks.openai_chat import OpenAIChatQuirks
from byokd.catalog.quirks.openai_responses import OpenAIResponsesQuirks
from byokd.catalog.record import Auth, Like, Models, Probe, Surface
from byokd.catalog.surfaces import (
    choose_surface,
    dialects,
    record_at,
    split_chat_path,
    with_surface,
)
from byokd.protocol.errors import InvalidParams

_OPENAI = "https://api.openai.com/v1"
_GATEWAY = "https://gateway.example/v1"
_AZURE = "https://r.openai.azure.com/openai/v1"

_CHAT = ("openai_chat", "/chat/completions")
_RESPONSES = ("openai_responses", "/responses")
_DATED = ("openai_chat", "../deployments/{model}/chat/completions?api-version={apiVersion}")

_CONVERSE = ("bedrock_converse", "/model/{model}/converse-stream")
_ABOVE_DEEPSEEK = ("anthropic_messages", "../anthropic/v1/messages")
_AWS = "https://bedrock-runtime.eu-west-1.amazonaws.com"
_MANTLE = "https://bedrock-mantle.eu-west-1.api.aws"

_OLLAMA = ("ollama_chat", "../api/chat")

_CHOSEN: list[tuple[str, str, str, str | None, str, tuple[str, str]]] = [
    # provider, model, base URL, dialect named, API version; dialect and path that are chosen
    ("openai", "gpt-5", _OPENAI, None, "", _RESPONSES),
    ("openai", "gpt-5", "https://eu.api.openai.com/v1", None, "", _RESPONSES),
    ("openai", "gpt-5", _GATEWAY, None, "", _CHAT),
    ("openai", "gpt-5", "https://api.openai.com", None, "", _RESPONSES),
    ("openai", "gpt-5", "https://api.openai.com.evil.test/v1", None, "", _CHAT),
    ("openai", "gpt-4o-audio-preview", _GATEWAY, "openai_responses", "", _RESPONSES),
    ("openai", "gpt-4o-audio-preview", _OPENAI, None, "", _CHAT),
    ("openai", "gpt-5", _OPENAI, "openai_chat", "", _CHAT),
    ("openai", "gpt-5", _GATEWAY, "openai_responses", "", _RESPONSES),
    ("azure-openai", "gpt-5", _AZURE, None, "", _RESPONSES),
    ("azure-openai", "my-own", _AZURE, None, "", _CHAT),
    ("azure-openai", "gpt-5", _AZURE, None, "preview", _RESPONSES),
    ("azure-openai", "gpt-5", _AZURE, None, "2024-10-21", _DATED),
    ("azure-openai", "gpt-5", _AZURE, "openai_chat", "2024-10-21", _DATED),
    ("azure-openai", "gpt-5", _AZURE, "openai_responses", "2024-10-21", _RESPONSES),
    ("grok", "grok-4", "https://api.x.ai/v1", None, "", _RESPONSES),
    ("grok", "grok-4", _GATEWAY, None, "", _CHAT),
    ("openai-compatible", "m", _GATEWAY, None, "", _CHAT),
    ("openai-compatible", "m", _GATEWAY, "openai_responses", "", _RESPONSES),
    ("openrouter", "m", "https://openrouter.ai/api/v1", "openai_responses", "", _RESPONSES),
    ("litellm", "m", _GATEWAY, "openai_responses", "", ("openai_responses", "/v1/responses")),
    ("mistral", "m", "https://api.mistral.ai/v1", "openai_chat", "", _CHAT),
    ("bedrock", "openai.gpt-oss-120b-1:0", _AWS, None, "", _CONVERSE),
    (
        "bedrock",
        "us.openai.gpt-6-sol",
        _AWS,
        None,
        "",
        ("openai_responses", "/openai/v1/responses"),
    ),
    ("bedrock", "zai.glm-4.7", _AWS, None, "", _CONVERSE),
    ("bedrock", "zai.glm-7", _AWS, None, "", ("openai_chat", "/openai/v1/chat/completions")),
    ("bedrock", "us.anthropic.claude-opus-5-5", _AWS, None, "", _CONVERSE),
    (
        "bedrock",
        "us.anthropic.claude-opus-5-5",
        _AWS,
        "anthropic_messages",
        "",
        ("anthropic_messages", "/anthropic/v1/messages"),
    ),
    ("bedrock", "m", _AWS, "openai_chat", "", ("openai_chat", "/openai/v1/chat/completions")),
    ("bedrock", "m", _MANTLE, "openai_chat", "", ("openai_chat", "/v1/chat/completions")),
    ("deepseek", "m", "https://api.deepseek.com", "anthropic_messages", "", _ABOVE_DEEPSEEK),
    ("qwen", "m", _GATEWAY, "openai_responses", "", _RESPONSES),
    ("cloudflare-workers-ai", "openai/gpt-5.5", _GATEWAY, None, "", _CHAT),
    ("ollama", "m", "http://localhost:11434/v1", None, "", _OLLAMA),
    (
        "ollama",
        "m",
        "http://localhost:11434/v1",
        "openai_chat",
        "",
        ("openai_chat", "/v1/chat/completions"),
    ),
]


@pytest.mark.parametrize(("provider", "model", "base_url", "named", "version", "chosen"), _CHOSEN)
def test_surface_is_chosen(
    provider: str,
    model: str,
    base_url: str,
    named: str | None,
    version: str,
    chosen: tuple[str, str],
) -> None:
    record = choose_surface(load()[provider], model, base_url, named, {"apiVersion": version})

    assert (record.dialect, record.chat_path) == chosen


@pytest.mark.parametrize(
    ("base_url", "model", "signing"),
    [
        (_AWS, "openai.gpt-6-sol", "bedrock"),
        (_AWS, "us.anthropic.claude-opus-5-5", "bedrock"),
        (_MANTLE, "anthropic.claude-opus-5-5", "bedrock-mantle"),
        (_MANTLE, "openai.gpt-6-sol", "bedrock-mantle"),
        (_MANTLE, "openai.gpt-oss-120b", "bedrock-mantle"),
    ],
)
def test_surface_of_another_host_is_signed_for_it(base_url: str, model: str, signing: str) -> None:
    auth = choose_surface(load()["bedrock"], model, base_url).auth

    assert auth.scheme == "bearer"
    assert auth.otherwise is not None
    assert (auth.otherwise.scheme, auth.otherwise.signing_name) == ("sigv4", signing)


@pytest.mark.parametrize(
    ("provider", "base_url", "path"),
    [
        ("bedrock", _MANTLE, "/v1/models"),
        ("azure-openai", "https://r.services.ai.azure.com/anthropic", "/v1/messages"),
        ("deepseek", "https://api.deepseek.com/anthropic", "../../user/balance"),
        ("glm", "https://api.z.ai/api/anthropic", "/v1/messages"),
        (
            "qwen",
            "https://dashscope.aliyuncs.com/apps/anthropic",
            "../../../compatible-mode/v1/models",
        ),
        (
            "google",
            "https://aiplatform.googleapis.com/v1/publishers/google",
            "/models/gemini-3.5-flash:countTokens",
        ),
    ],
)
def test_key_of_another_address_has_a_probe_there(provider: str, base_url: str, path: str) -> None:
    there = record_at(load()[provider], base_url)

    assert there.probe.path == path
    assert there.probe.url is None, "it would be used at the default address only"


def test_quirks_of_a_surface_win_over_those_of_the_model() -> None:
    usual, responses = (
        load()["azure-openai"],
        choose_surface(load()["azure-openai"], "gpt-5", _AZURE),
    )

    assert "max_tokens_least" not in usual.quirks_for("gpt-5").model_dump()
    assert responses.quirks_as(OpenAIResponsesQuirks, "gpt-5").max_tokens_least == 16


def test_surface_takes_the_quirks_of_the_record_that_its_dialect_reads() -> None:
    usual = load()["openrouter"]
    surface = next(row for row in usual.surfaces if row.dialect == "openai_responses")
    chat, responses = usual.quirks_for("m"), with_surface(usual, surface).quirks_for("m")

    assert isinstance(chat, OpenAIChatQuirks)
    assert isinstance(responses, OpenAIResponsesQuirks)
    assert "stream_usage" in chat.model_fields_set
    assert responses.model_fields_set == chat.model_fields_set & set(
        OpenAIResponsesQuirks.model_fields
    )


@pytest.mark.parametrize(("provider", "inside"), [("openai", True), ("grok", False)])
def test_chat_surface_has_the_quirks_of_the_chat_format(provider: str, inside: bool) -> None:  # noqa: FBT001 - a row
    """It is for gateways, and for models that have no other surface."""
    for surface in load()[provider].surfaces:
        quirks = with_surface(load()[provider], surface).quirks_as(OpenAIChatQuirks, "any")
        assert quirks.max_tokens_field == "max_completion_tokens"
        assert quirks.reasoning_in_completion is inside


@pytest.mark.parametrize(
    ("model", "reasons"),
    [("gpt-5-mini", True), ("GPT5", True), ("my-o3", True), ("gpt-5.1-chat", True),
     ("gpt-5-chat", False), ("gpt-4o", False), ("gpt-4.1", False)],
)  # fmt: skip
def test_deployment_reasons_by_its_name(
    model: str,
    reasons: bool,  # noqa: FBT001 - a row of the table
) -> None:
    record = choose_surface(load()["azure-openai"], model, _AZURE)

    assert record.dialect == "openai_responses"
    assert (
        bool(
            re.search(record.quirks_as(OpenAIResponsesQuirks, model).reasoning_models or "", model)
        )
        is reasons
    )


def test_unknown_dialect_is_refused_with_the_list_of_dialects() -> None:
    record = load()["openai"]
    with pytest.raises(InvalidParams, match="openai_responses, openai_chat") as refused:
        choose_surface(record, "gpt-5", _OPENAI, "gemini")

    assert refused.value.fields["details"][0]["pointer"] == "/dialect"  # type: ignore[index]
    assert dialects(record) == ("openai_responses", "openai_chat")


@pytest.mark.parametrize(
    ("base_url", "named"),
    [
        ("https://a.example/v1", ("https://a.example/v1", None)),
        ("https://a.example/v1/responses", ("https://a.example/v1", "openai_responses")),
        ("https://a.example/v1/chat/completions", ("https://a.example/v1", "openai_chat")),
    ],
)
def test_base_url_can_select_the_dialect(base_url: str, named: tuple[str, str | None]) -> None:
    assert split_chat_path(load()["openai"], base_url) == named


@pytest.mark.parametrize(
    ("base_url", "named"),
    [
        ("http://a.example/v1", ("http://a.example/v1", None)),
        ("http://a.example/o/api/chat", ("http://a.example/o", "ollama_chat")),
        ("http://a.example/v1/chat/completions", ("http://a.example", "openai_chat")),
    ],
)
def test_base_url_with_a_version_can_select_the_dialect(
    base_url: str, named: tuple[str, str | None]
) -> None:
    assert split_chat_path(load()["ollama"], base_url) == named


_CLAUDE = Surface(
    dialect="anthropic_messages",
    chat_path="/v1/messages",
    base_url="/claude$",
    headers={"anthropic-version": "2023-06-01"},
    auth=Auth(scheme="header", header="x-api-key"),
    probe=Probe(path="/v1/ping"),
    listing=Models(path="/v1/claude-models"),
    like=Like(provider="anthropic", prefix="acme[./]"),
    quirks={"max_tokens_default": 77},
)
_RECORD = load()["fireworks"].model_copy(update={"surfaces": (_CLAUDE,)})


def test_surface_of_an_address_has_its_own_auth_headers_probe_and_list() -> None:
    there = record_at(_RECORD, "https://a.example/claude")

    assert (there.dialect, there.chat_path) == (_CLAUDE.dialect, _CLAUDE.chat_path)
    assert there.headers == _RECORD.headers | _CLAUDE.headers
    assert (there.auth, there.probe, there.models) == (
        _CLAUDE.auth, _CLAUDE.probe, _CLAUDE.listing,
    )  # fmt: skip
    assert record_at(_RECORD, "https://a.example/v1") is _RECORD


def test_surface_that_models_select_is_not_that_of_an_address() -> None:
    by_model = _CLAUDE.model_copy(update={"models": "claude"})
    record = _RECORD.model_copy(update={"surfaces": (by_model,)})

    assert record_at(record, "https://a.example/claude") is record


@pytest.mark.parametrize(
    "model", ["claude-opus-4-8", "acme/claude-opus-4-8", "acme.claude-haiku-5"]
)
def test_surface_like_another_record_has_its_quirks_by_model(model: str) -> None:
    quirks = with_surface(_RECORD, _CLAUDE).quirks_as(AnthropicMessagesQuirks, model)
    usual = load()["anthropic"].quirks_as(AnthropicMessagesQuirks, model)

    assert quirks == usual.model_copy(update={"max_tokens_default": 77})


def test_prefix_is_cut_off_before_the_patterns_of_the_other_record() -> None:
    like = Like(provider="google", prefix="maker[./]")
    surface = Surface(dialect="gemini", chat_path="/models", like=like)
    record = with_surface(_RECORD, surface)

    assert record.quirks_as(GeminiQuirks, "maker.gemma-4-27b-it") == record.quirks_as(
        GeminiQuirks, "gemma-4-27b-it"
    )
    assert record.quirks_as(GeminiQuirks, "maker.gemma-4-27b-it") != record.quirks_as(
        GeminiQuirks, "other.gemma-4-27b-it"
    )


def test_longest_chat_path_at_the_end_of_a_base_url_is_cut_off() -> None:
    long = Surface(dialect="openai_responses", chat_path="/openai/v1/responses")
    above = Surface(dialect="gemini", chat_path="../../g/v1/responses")
    record = _RECORD.model_copy(
        update={"surfaces": (long.model_copy(update={"chat_path": "/responses"}), long, above)}
    )

    assert split_chat_path(record, "https://a.example/openai/v1/responses") == (
        "https://a.example", "openai_responses",
    )  # fmt: skip
    assert split_chat_path(record, "https://a.example/g/v1/responses") == (
        "https://a.example/g/v1", "openai_responses",
    )  # fmt: skip


@pytest.mark.parametrize("ending", [".example", "y", "//gateway.example.company", "gateway"])
def test_no_chat_path_is_cut_off_from_the_host(ending: str) -> None:
    """A shorter host would be another server."""
    record = _RECORD.model_copy(update={"chat_path": ending, "surfaces": ()})
    for base_url in ("https://gateway.example.company", "https://gateway.example"):
        assert split_chat_path(record, base_url)[0] == base_url
