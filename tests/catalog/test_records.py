"""The product table, row by row, and what must hold of every record.

The table repeats the records on purpose: a base URL, a header or a field name is a promise to
people and their scripts, and must not change by a slip in one file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field as default
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from typing import Literal
from urllib.parse import urlsplit

import pytest

from byokd.catalog.families import shared_rows
from byokd.catalog.loader import load
from byokd.catalog.quirks import quirks_type
from byokd.catalog.quirks.openai_chat import OpenAIChatQuirks
from byokd.catalog.record import Condition, Models, Probe, Provider, Surface

PROVIDERS = load()
FOLDER = resources.files("byokd.catalog") / "providers"
TEXTS = {name: (FOLDER / f"{name}.toml").read_text("utf-8") for name in PROVIDERS}


@dataclass(frozen=True)
class Row:
    """The facts of one provider that must not change by accident.

    `fields` are names: a trailing `*` marks a plain (not secret) field, a trailing `?` one that
    may be left empty.
    """

    id: str
    kind: Literal["managed", "singleField", "multiField", "custom"]
    dialect: str
    base_url: str | None
    fields: str = "apiKey"
    url_required: bool = False
    chat_path: str = "/chat/completions"
    auth: str = "bearer authorization"
    headers: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()
    keyless: bool = False
    probe: str = "/models"
    pricing: str = ""
    notes: str = ""
    stage: Literal["stable", "preview"] = "stable"
    facts: dict[str, object] = default(default_factory=dict)


TOMORROW = datetime.now(UTC).date() + timedelta(days=1)
"""The latest date in any time zone."""

CHAT = "openai_chat"
RESPONSES = "openai_responses"
AZURE = "https://{resourceName}.openai.azure.com"
CLOUDFLARE = "https://api.cloudflare.com/client/v4"

TABLE = (
    Row(
        "anthropic", "managed", "anthropic_messages", "https://api.anthropic.com",
        chat_path="/v1/messages", auth="header x-api-key", headers=("anthropic-version",),
        probe="/v1/models?limit=1", pricing="cache reads", notes="Claude",
        facts={"cache_control": True, "max_tokens_default": 8192},
    ),
    Row(
        "openai", "managed", RESPONSES, "https://api.openai.com/v1", chat_path="/responses",
        pricing="cached input", notes="GPT",
        facts={"max_tokens_least": 16, "effort_field": "reasoning_effort"},
    ),
    Row(
        "google", "managed", "gemini",
        "https://generativelanguage.googleapis.com/v1beta",
        chat_path="/models/{model}:streamGenerateContent?alt=sse", auth="header x-goog-api-key",
        probe="/models?pageSize=1", pricing="free tier", notes="Gemini",
        facts={"reasoning_in_completion": False},
    ),
    Row(
        "glm", "managed", CHAT, "https://open.bigmodel.cn/api/paas/v4",
        pricing="CNY", notes="GLM", facts={"effort_field": "thinking"},
    ),
    Row(
        "openrouter", "singleField", CHAT, "https://openrouter.ai/api/v1",
        headers=("HTTP-Referer", "X-Title", "X-OpenRouter-Title"), probe="/key",
        pricing="per request", notes="anthropic/claude-*",
        facts={"cost_pointer": "/usage/cost", "reasoning_echo": "reasoning_details"},
    ),
    Row(
        "litellm", "singleField", CHAT, "http://localhost:4000", url_required=True,
        chat_path="/v1/chat/completions", probe="/v1/models", pricing="header", notes="aliases",
        facts={"cost_header": "x-litellm-response-cost"},
    ),
    Row(
        "ollama", "singleField", "ollama_chat", "http://localhost:11434/v1", fields="apiKey?",
        keyless=True, chat_path="../api/chat", probe="/v1/chat/completions", pricing="free",
        notes="free and local", facts={"effort_field": "think"},
    ),
    Row(
        "mistral", "singleField", CHAT, "https://api.mistral.ai/v1", pricing="cached input",
        notes="Mistral",
        facts={
            "tool_call_id_pattern": "^[A-Za-z0-9]{9}$", "user_after_tool_forbidden": True,
            "stream_usage": False, "seed_field": "random_seed", "max_tokens_field": "max_tokens",
        },
    ),
    Row(
        "deepseek", "singleField", CHAT, "https://api.deepseek.com", probe="/user/balance",
        pricing="cache-read discount", notes="DeepSeek V4",
        facts={"reasoning_echo": "reasoning_content", "reasoning_echo_always": True},
    ),
    Row(
        "qwen", "singleField", CHAT, "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        fields="workspaceId*? apiKey",
        pricing="per token", notes="CN region", facts={"effort_field": "enable_thinking"},
    ),
    Row(
        "grok", "singleField", RESPONSES, "https://api.x.ai/v1", chat_path="/responses",
        probe="/api-key", pricing="live search", notes="Grok",
        facts={"cost_divisor": 10**10},
    ),
    Row(
        "together", "singleField", CHAT, "https://api.together.xyz/v1", pricing="per token",
        notes="open models", facts={"stream_usage": False},
    ),
    Row(
        "fireworks", "singleField", CHAT, "https://api.fireworks.ai/inference/v1",
        probe="https://api.fireworks.ai/v1/accounts/fireworks/models"
        "?filter=supports_serverless%3Dtrue&pageSize=1",
        pricing="per token", notes="open models", facts={"always_stream": True},
    ),
    Row(
        "groq", "singleField", CHAT, "https://api.groq.com/openai/v1",
        pricing="no prompt-cache discount", notes="low latency",
        facts={"max_tokens_field": "max_completion_tokens"},
    ),
    Row(
        "cerebras", "singleField", CHAT, "https://api.cerebras.ai/v1",
        pricing="no free tier", notes="low latency", facts={"temperature_max": 1.5},
    ),
    Row(
        "perplexity", "singleField", RESPONSES, "https://api.perplexity.ai",
        chat_path="/v1/responses", probe="/v1/responses", pricing="search surcharge",
        notes="search-augmented",
        facts={"encrypted_reasoning": False, "format_field": "response_format",
               "cost_pointer": "/usage/cost/total_cost"},
    ),
    Row(
        "hf-router", "singleField", CHAT, "https://router.huggingface.co/v1",
        fields="apiKey billTo*?", headers=("X-HF-Bill-To",),
        companions=("https://huggingface.co",), probe="https://huggingface.co/api/whoami-v2",
        pricing="without markup", notes=":provider",
    ),
    Row(
        "openai-compatible", "singleField", CHAT, None, fields="apiKey?", url_required=True,
        keyless=True, pricing="unknown", notes="local",
    ),
    Row(
        "azure-openai", "multiField", CHAT, f"{AZURE}/openai/v1", stage="preview",
        fields="resourceName* deployment*? apiVersion*? apiKey", auth="header api-key",
        probe=f"{AZURE}/openai/deployments?api-version=2023-03-15-preview",
        pricing="uplift", notes="deployment",
    ),
    Row(
        "bedrock", "multiField", "bedrock_converse", "https://bedrock-runtime.{region}.amazonaws.com",
        stage="preview",
        fields="region* accessKeyId? secretAccessKey? sessionToken? apiKey?",
        chat_path="/model/{model}/converse-stream",
        companions=("https://bedrock.{region}.amazonaws.com",),
        probe="https://bedrock.{region}.amazonaws.com/foundation-models?byOutputModality=TEXT",
        pricing="per region", notes="inference profile", facts={"cache_in_prompt": False},
    ),
    Row(
        "cloudflare-workers-ai", "multiField", CHAT, f"{CLOUDFLARE}/accounts/{{accountId}}/ai/v1",
        stage="preview", fields="accountId* apiToken",
        companions=("https://api.cloudflare.com",), probe=f"{CLOUDFLARE}/user/tokens/verify",
        pricing="neurons", notes="@cf/", facts={"max_tokens_default": 4096},
    ),
    Row(
        "hf-inference-endpoints", "multiField", CHAT, None, stage="preview", url_required=True,
        fields="apiToken", chat_path="/v1/chat/completions", probe="/v1/models",
        pricing="per hour", notes="one model per endpoint",
    ),
    Row(
        "cohere", "custom", "cohere_chat", "https://api.cohere.com", chat_path="/v2/chat",
        probe="/v1/check-api-key", pricing="billed unit", notes="Command",
        facts={"tool_choice_required": "REQUIRED"},
    ),
)  # fmt: skip


def _fields(record: Provider) -> str:
    return " ".join(
        each.name + ("" if each.secret else "*") + ("" if each.required else "?")
        for each in record.fields
    )


def test_table_has_every_provider_in_display_order() -> None:
    assert tuple(PROVIDERS) == tuple(row.id for row in TABLE)


def test_address_field_is_used_in_the_address_only() -> None:
    flagged = {
        (record.id, field.name): record
        for record in PROVIDERS.values()
        for field in record.fields
        if field.address_only
    }
    assert sorted(flagged) == [
        ("azure-openai", "resourceName"), ("cloudflare-workers-ai", "accountId"),
    ]  # fmt: skip
    for (_, name), record in flagged.items():
        assert f"{{{name}}}" in (record.base_url or "")
        # An absolute URL is used only with the record's own base URL.
        there = record.model_dump(exclude={"base_url": True, "pasted": True, "fields": True})
        read = [text for text in _texts(there) if name in text]
        assert all(text.startswith("https://") for text in read), read


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for entry in pair for text in _texts(entry)]
    if isinstance(value, list | tuple):
        return [text for entry in value for text in _texts(entry)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.id)
def test_record_has_the_facts_of_the_table(row: Row) -> None:
    record = PROVIDERS[row.id]
    assert (record.kind, record.stage, record.dialect) == (row.kind, row.stage, row.dialect)
    assert (record.base_url, record.base_url_required) == (row.base_url, row.url_required)
    assert record.chat_path == row.chat_path
    assert record.keyless is row.keyless
    assert _fields(record) == row.fields
    assert f"{record.auth.scheme} {record.auth.header}" == row.auth
    assert tuple(record.headers) == row.headers
    assert record.companion_origins == row.companions
    assert (record.probe.url or record.probe.path) == row.probe
    assert row.pricing in record.pricing
    assert row.notes in " ".join(record.notes)
    for quirk, value in row.facts.items():
        assert getattr(record.quirks_for(""), quirk) == value, quirk


def test_key_can_be_of_one_of_two_kinds() -> None:
    record = PROVIDERS["bedrock"]
    assert record.one_of == (("apiKey",), ("accessKeyId", "secretAccessKey"))
    assert record.auth.otherwise is not None
    assert (record.auth.otherwise.scheme, record.auth.otherwise.signing_name) == (
        "sigv4",
        "bedrock",
    )


# --- quirks by model -------------------------------------------------------------------

BY_MODEL: tuple[tuple[str, str, str, object], ...] = (
    ("openai", "gpt-4o", "efforts", ()),
    ("openai", "gpt-5-mini", "efforts", ("minimal", "low", "medium", "high")),
    ("openai", "gpt-5.1-chat-latest", "efforts", ()),
    ("openai", "gpt-6-astra", "efforts", ("low", "medium", "high", "xhigh", "max")),
    ("deepseek", "deepseek-flash", "reasoning_echo", "reasoning_content"),
    ("grok", "grok-4.20-0309-non-reasoning", "efforts", ()),
    ("grok", "grok-4.3", "efforts", ("none", "low", "medium", "high")),
    ("groq", "openai/gpt-oss-120b", "reasoning_echo", "reasoning"),
    ("groq", "openai/gpt-oss-120b", "response_format", "json_schema"),
    ("groq", "llama-3.3-70b-versatile", "reasoning_echo", "state"),
    ("groq", "qwen/qwen3-32b", "extra_body", {"reasoning_format": "parsed"}),
    ("cerebras", "zai-glm-4.7", "reasoning_echo", "think_tags"),
    ("cerebras", "gpt-oss-120b", "reasoning_echo", "reasoning"),
    ("perplexity", "perplexity/sonar", "search_tool", "web_search"),
    ("perplexity", "sonar-pro", "search_tool", "web_search"),
    ("perplexity", "openai/gpt-6-sol", "search_tool", None),
    ("perplexity", "fast", "search_tool", None),
    ("perplexity", "anthropic/claude-opus-5-5", "max_tokens_default", 32000),
    ("openrouter", "anthropic/claude-opus-5", "cache_control", True),
    ("openrouter", "openai/gpt-5.5", "cache_control", False),
    ("mistral", "mistral-small-latest", "efforts", ("none", "high")),
    ("mistral", "mistral-large-latest", "efforts", ("none", "low", "medium", "high")),
    ("mistral", "mistral-large-2512", "efforts", ()),
    ("glm", "glm-4.7", "efforts", ("none", "high")),
    ("qwen", "qwen3-max", "response_format", "json_schema"),
    ("google", "gemini-3.5-flash", "signature_sentinel", "skip_thought_signature_validator"),
    ("google", "gemini-2.5-flash", "signature_sentinel", ""),
    ("google", "gemini-2.5-flash", "effort_field", "thinkingBudget"),
    ("google", "gemini-some-day-latest", "effort_field", "thinkingLevel"),
    ("google", "gemini-2.0-flash", "schema_form", "openapi"),
    ("google", "gemma-3-27b-it", "system_instruction", False),
    ("anthropic", "claude-opus-4-8", "unsupported", ("temperature", "top_p", "top_k")),
    ("anthropic", "claude-opus-4-5", "unsupported", ()),
    ("anthropic", "claude-opus-4-6", "unsupported", ()),
    ("anthropic", "claude-opus-4-20250514", "temperature_excludes_top_p", False),
    ("anthropic", "claude-opus-4-1-20250805", "temperature_excludes_top_p", True),
    ("anthropic", "claude-3-haiku-20240307", "max_tokens_default", 4096),
    ("anthropic", "claude-3-5-haiku-latest", "max_tokens_default", 8192),
    ("anthropic", "claude-haiku-5-5", "max_tokens_default", 32000),
    ("anthropic", "claude-3-5-sonnet-20241022", "effort_field", "none"),
    ("anthropic", "claude-3-7-sonnet@20250219", "effort_field", "thinking_budget"),
    ("anthropic", "anthropic/claude-haiku-4.5", "effort_field", "thinking_budget"),
    ("anthropic", "claude-sonnet-4-5", "effort_levels", ()),
    ("anthropic", "claude-opus-4-6", "effort_field", "thinking_adaptive"),
    ("anthropic", "claude-sonnet-5", "efforts", ("none", "low", "medium", "high", "xhigh", "max")),
    ("anthropic", "claude-fable-5", "efforts", ("low", "medium", "high", "xhigh", "max")),
    ("anthropic", "claude-mythos-preview", "tool_choice_required", "auto"),
    ("anthropic", "claude-sonnet-4-20250514", "response_format", "json_object"),
    ("anthropic", "claude-opus-4-1-20250805", "response_format", "json_schema"),
    ("anthropic", "another-makers-model", "effort_field", "none"),
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "effort_field", "thinking_budget"),
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "cache_tools", True),
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "response_format", "json_schema"),
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "temperature_excludes_top_p", True),
    ("bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", "temperature_excludes_top_p", False),
    ("bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0", "cache_control", False),
    ("bedrock", "anthropic.claude-3-5-haiku-20241022-v1:0", "cache_control", True),
    ("bedrock", "anthropic.claude-3-5-haiku-20241022-v1:0", "effort_field", "none"),
    ("bedrock", "anthropic.claude-3-haiku-20240307-v1:0", "reasoning_echo", "reasoning_content"),
    ("bedrock", "global.anthropic.claude-opus-4-6-v1", "effort_field", "thinking_adaptive"),
    ("bedrock", "global.anthropic.claude-opus-4-6-v1", "unsupported", ()),
    ("bedrock", "global.anthropic.claude-opus-4-8", "unsupported", ("temperature", "topP")),
    (
        "bedrock",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-5",
        "effort_field",
        "thinking_adaptive",
    ),
    ("bedrock", "us.amazon.nova-pro-v1:0", "cache_tools", False),
    ("bedrock", "us.amazon.nova-pro-v1:0", "tool_choice_named", True),
    ("bedrock", "us.amazon.nova-pro-v1:0", "effort_field", "none"),
    ("bedrock", "global.amazon.nova-2-lite-v1:0", "effort_field", "max_reasoning_effort"),
    ("bedrock", "us.meta.llama4-scout-17b-instruct-v1:0", "stream_tools", False),
    ("bedrock", "us.meta.llama3-2-1b-instruct-v1:0", "tools_supported", False),
    ("bedrock", "us.meta.llama3-2-11b-instruct-v1:0", "tools_supported", True),
    ("bedrock", "mistral.mistral-large-3-675b-instruct", "tool_call_id_pattern", "[a-zA-Z0-9]{9}"),
    ("bedrock", "mistral.mixtral-8x7b-instruct-v0:1", "tools_supported", False),
    ("bedrock", "us.writer.palmyra-x5-v1:0", "tool_result_status", False),
    ("bedrock", "openai.gpt-oss-120b-1:0", "effort_field", "reasoning_effort"),
    ("bedrock", "qwen.qwen3-coder-30b-a3b-v1:0", "effort_field", "none"),
    ("bedrock", "us.deepseek.r1-v1:0", "tools_supported", False),
    ("bedrock", "deepseek.v3.2", "tool_choice_required", "any"),
    ("bedrock", "moonshotai.kimi-k2.5", "reasoning_echo", "none"),
)


@pytest.mark.parametrize(("provider", "model", "quirk", "value"), BY_MODEL)
def test_quirks_by_model(provider: str, model: str, quirk: str, value: object) -> None:
    assert getattr(PROVIDERS[provider].quirks_for(model), quirk) == value


def test_variant_keeps_quirks_that_it_does_not_set() -> None:
    record = PROVIDERS["groq"]
    quirks = record.quirks_as(OpenAIChatQuirks, "openai/gpt-oss-20b")
    assert quirks.max_tokens_field == "max_completion_tokens"
    usual = record.quirks_for("whatever")
    assert usual == OpenAIChatQuirks.model_validate(record.quirks)


# --- every record --------------------------------------------------------------------------------

EVERY = pytest.mark.parametrize("record", PROVIDERS.values(), ids=lambda record: record.id)


def _probes(probe: Probe) -> list[Probe]:
    return [probe, *(_probes(probe.fallback) if probe.fallback else [])]


def _lists(models: Models) -> list[Models]:
    return [models, *(each for more in models.also for each in _lists(more))]


def _conditions(record: Provider) -> list[Condition]:
    verdicts = [row.when for probe in _probes(record.probe) for row in probe.verdicts]
    return [row.when for row in record.errors] + verdicts


@EVERY
def test_record_has_the_texts_shown_to_users(record: Provider) -> None:
    for text in (record.name, record.tool_calling, record.pricing):
        assert text.strip()
    assert record.tags
    assert record.notes
    assert record.docs_url
    assert record.key_url or record.id == "openai-compatible"
    assert all(each.label and each.hint for each in record.fields)
    assert all(not note.endswith(".") for note in record.notes)


@EVERY
def test_sources_have_a_date_and_a_valid_url(record: Provider) -> None:
    assert len(record.sources) >= 2
    for source in record.sources:
        assert urlsplit(source.url).scheme == "https"
        assert date(2026, 1, 1) <= date.fromisoformat(source.checked) <= TOMORROW
        assert source.what
    assert all(row.source for row in record.errors)


@EVERY
def test_every_surface_names_a_dated_source(record: Provider) -> None:
    for surface in record.surfaces:
        assert re.search(r"\b2026-\d\d(-\d\d)?\b", surface.source), surface.chat_path


@EVERY
def test_every_surface_can_be_chosen(record: Provider) -> None:
    """By a model or an address, or by the dialect that a client names."""
    first = {row.dialect: row for row in reversed(record.surfaces) if not _conditions_of(row)}
    for surface in record.surfaces:
        by_name = first.get(surface.dialect) is surface
        assert _conditions_of(surface) or by_name, surface.chat_path


def _conditions_of(surface: Surface) -> tuple[object, ...]:
    return tuple(filter(None, (surface.models, surface.base_url, surface.fields)))


@EVERY
def test_every_error_row_has_a_condition(record: Provider) -> None:
    for when in _conditions(record):
        assert when != Condition()
        assert (when.pointer is None) == (when.equals is None)
        assert all(word == word.lower() for word in (*when.code, *when.type))
        re.compile(when.message or "")


@EVERY
def test_only_credential_rejections_count_against_a_key(record: Provider) -> None:
    """Errors about money, permissions, regions and models never count against a key."""
    for row in record.errors:
        if row.health in {"authInvalid", "authDead"}:
            assert row.kind == "keyInvalid", row
        if row.kind == "insufficientFunds":
            assert (row.health, row.retryable) == ("authOk", False), row
        if row.kind == "keyForbidden":
            assert row.health == "forbiddenScope", row


@EVERY
def test_verdict_on_the_key_needs_words_of_the_provider(record: Provider) -> None:
    """A status alone may come from a proxy; only 498 is the provider's own."""
    for probe in _probes(record.probe):
        for row in probe.verdicts:
            words = (row.when.code, row.when.type, row.when.message, row.when.pointer)
            if row.verdict not in {"unknown", "unreachable"} and row.when.status != (498,):
                assert any(words), row


@EVERY
def test_companion_origins_are_https_and_used(record: Provider) -> None:
    addresses = [probe.url for probe in _probes(record.probe)]
    addresses += [models.url for models in _lists(record.models)]
    own = {_origin(record.base_url)} if record.base_url else set()
    for address in filter(None, addresses):
        assert _origin(address) in own | set(record.companion_origins)
    for origin in record.companion_origins:
        assert origin.startswith("https://")
        assert any(address and _origin(address) == origin for address in addresses)


def _origin(url: str) -> str:
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc}"


@EVERY
def test_record_with_pages_has_all_page_fields(record: Provider) -> None:
    for models in _lists(record.models):
        assert (models.next_pointer is None) == (models.next_query is None)
        assert bool(models.kind) == bool(models.chat_kinds)
        assert models.path or models.url or models.static


@EVERY
def test_plain_http_is_for_loopback_only(record: Provider) -> None:
    if record.base_url and record.base_url.startswith("http://"):
        assert urlsplit(record.base_url).hostname == "localhost"


# --- the record files ------------------------------------------------------------------------

TEXT = pytest.mark.parametrize("name", TEXTS)


@TEXT
def test_record_file_begins_with_the_date_of_its_check(name: str) -> None:
    first, second = TEXTS[name].splitlines()[:2]
    assert first.startswith("# ")
    assert re.match(r"# Checked \d{4}-\d{2}-\d{2}: \S", second)


@TEXT
def test_every_quirk_has_a_comment_with_its_evidence(name: str) -> None:
    assert not list(_bare_quirks(TEXTS[name]))


def _bare_quirks(text: str) -> list[str]:
    """Return the lines of a quirks table without a comment before them."""
    bare, inside, before = [], False, ""
    for line in text.splitlines():
        if line.startswith("["):
            inside = line.strip("[]").rsplit(".", 1)[-1] == "quirks"
        elif inside and re.match(r"\w+ = ", line) and not before.startswith("#"):
            bare.append(line)
        before = line
    return bare


def test_quirk_without_a_comment_is_reported() -> None:
    assert _bare_quirks("[quirks]\n# why\na = 1\nb = 2\n[auth]\nc = 3\n") == ["b = 2"]


@TEXT
def test_quirk_with_the_default_value_is_reported(name: str) -> None:
    record = PROVIDERS[name]
    form = quirks_type(record.dialect)
    assert form is not None
    usual, set_here = form(), form.model_validate(record.quirks)
    by_family = {key for row in shared_rows() for key in row.quirks}
    assert not [
        key
        for key in record.quirks.keys() - by_family
        if getattr(usual, key) == getattr(set_here, key)
    ]


def test_every_record_file_is_in_the_catalog() -> None:
    files = {file.name.removesuffix(".toml") for file in FOLDER.iterdir()}
    assert files == set(PROVIDERS)
