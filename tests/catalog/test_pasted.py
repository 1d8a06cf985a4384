"""Pasted URLs: the fields and the base URL that are read from them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from byokd.catalog.loader import load
from byokd.catalog.pasted import read_pasted
from byokd.catalog.surfaces import choose_surface, split_chat_path
from byokd.core.limits import PASTED_URL_MAX_CHARS
from byokd.dialects.base.urls import fill, join_url
from recorded import VECTORS

_RESOURCE = (
    "/subscriptions/0b1f/resourceGroups/rg-1/providers/Microsoft.CognitiveServices/accounts/my-res"
)
_ENCODED = _RESOURCE.replace("/", "%2F")
_SHARED = "https://my-res.cognitiveservices.azure.com/openai"
_ACCOUNT = "0123456789abcdef0123456789abcdef"

_READ: list[tuple[str, str, dict[str, str], str | None]] = [
    # provider, pasted, fields, base URL to keep
    ("ollama", "http://localhost:11434/api", {}, "http://localhost:11434/v1"),
    ("ollama", "https://ollama.com/api/", {}, "https://ollama.com/v1"),
    ("ollama", "https://a.example/llm/api/chat", {}, "https://a.example/llm/v1"),
    ("azure-openai", "https://my-res.openai.azure.com", {"resourceName": "my-res"}, None),
    ("azure-openai", "  https://my-res.openai.azure.com/ ", {"resourceName": "my-res"}, None),
    (
        "azure-openai",
        "https://My-Res.OpenAI.azure.com/openai/v1/",
        {"resourceName": "My-Res"},
        None,
    ),
    (
        "azure-openai",
        "https://my-res.openai.azure.com/openai/v1/chat/completions?api-version=preview",
        {"resourceName": "my-res"},
        None,
    ),
    (
        "azure-openai",
        f"{_SHARED}/deployments/gpt%204o/chat/completions?foo=1&api-version=2025-01-01-preview",
        {"resourceName": "my-res", "deployment": "gpt 4o", "apiVersion": "2025-01-01-preview"},
        f"{_SHARED}/v1",
    ),
    (
        "azure-openai",
        "https://my-res.openai.azure.com/openai/deployments/gpt-4o",
        {"resourceName": "my-res", "deployment": "gpt-4o"},
        None,
    ),
    (
        "azure-openai",
        "https://my-res.services.ai.azure.com/api/projects/first",
        {"resourceName": "my-res"},
        "https://my-res.services.ai.azure.com/openai/v1",
    ),
    (
        "azure-openai",
        "https://my-res.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
        {"resourceName": "my-res"},
        "https://my-res.services.ai.azure.com/openai/v1",
    ),
    (
        "azure-openai",
        f"https://portal.azure.com/#@me.example/resource{_RESOURCE}/cskeys",
        {"resourceName": "my-res"},
        None,
    ),
    (
        "azure-openai",
        f"https://ai.azure.com/resource/overview?wsid={_ENCODED}&tid=77aa",
        {"resourceName": "my-res"},
        None,
    ),
    ("bedrock", "https://bedrock-runtime.eu-west-1.amazonaws.com/", {"region": "eu-west-1"}, None),
    (
        "bedrock",
        "https://bedrock-runtime.us-gov-west-1.amazonaws.com/model/a.b/converse",
        {"region": "us-gov-west-1"},
        None,
    ),
    (
        "bedrock",
        "https://bedrock-runtime-fips.us-east-1.amazonaws.com",
        {"region": "us-east-1"},
        "https://bedrock-runtime-fips.us-east-1.amazonaws.com",
    ),
    (
        "bedrock",
        "https://us-east-1.console.aws.amazon.com/bedrock/home?region=eu-west-1#/api-keys",
        {"region": "eu-west-1"},
        None,
    ),
    (
        "bedrock",
        "https://eu-west-1.console.aws.amazon.com/bedrock/home",
        {"region": "eu-west-1"},
        None,
    ),
    (
        "cloudflare-workers-ai",
        f"https://dash.cloudflare.com/{_ACCOUNT}/ai/workers-ai",
        {"accountId": _ACCOUNT},
        None,
    ),
    (
        "cloudflare-workers-ai",
        f"https://api.cloudflare.com/client/v4/accounts/{_ACCOUNT}/ai/run/@cf/meta/llama",
        {"accountId": _ACCOUNT},
        None,
    ),
    (
        "cloudflare-workers-ai",
        f"https://gateway.ai.cloudflare.com/v1/{_ACCOUNT}/mine",
        {"accountId": _ACCOUNT},
        f"https://gateway.ai.cloudflare.com/v1/{_ACCOUNT}/mine/workers-ai/v1",
    ),
]

_NOT_READ: list[tuple[str, str]] = [
    ("azure-openai", "my-res"),
    ("azure-openai", "http://my-res.openai.azure.com"),
    ("azure-openai", "https://my-res.openai.azure.com.evil.example/"),
    ("azure-openai", "https://evil.example/?https://my-res.openai.azure.com"),
    ("azure-openai", "https://gateway.example/openai/v1"),
    # The full URL of a chat in the other dialect selects that dialect and is kept.
    ("azure-openai", "https://my-res.openai.azure.com/openai/v1/responses"),
    ("azure-openai", "https://my-res.services.ai.azure.com/openai/v1/responses"),
    ("bedrock", "https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com"),
    ("cloudflare-workers-ai", "https://dash.cloudflare.com/profile/api-tokens"),
    ("openai", "https://api.openai.com/v1"),
    ("perplexity", "https://api.perplexity.ai.evil.example/v1/responses"),
    ("perplexity", "http://api.perplexity.ai/v1"),
    ("deepseek", "https://gateway.example/anthropic"),
    ("glm", "https://api.z.ai.evil.example/api/paas/v4"),
    ("qwen", "https://evil.example/?x=https://dashscope.aliyuncs.com/compatible-mode/v1"),
    ("qwen", "https://ws.ap-southeast-1.maas.aliyuncs.com.evil.example/compatible-mode/v1"),
    ("bedrock", "https://bedrock-mantle.eu-west-1.api.aws.evil.example/v1"),
    ("bedrock", "http://bedrock-mantle.eu-west-1.api.aws/v1"),
    ("azure-openai", "https://my-res.services.ai.azure.com.evil.example/anthropic"),
    ("google", "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l"),
]


@pytest.mark.parametrize(("provider", "text", "fields", "base_url"), _READ)
def test_pasted_url_is_read(
    provider: str, text: str, fields: dict[str, str], base_url: str | None
) -> None:
    reading = read_pasted(load()[provider], text)

    assert reading is not None
    assert (reading.fields, reading.base_url) == (fields, base_url)


_PASTED = json.loads((VECTORS / "origin" / "pasted.json").read_text("utf-8"))


@pytest.mark.parametrize("row", _PASTED, ids=lambda row: f"{row['provider']} {row['pasted']}")
def test_pasted_url_leads_a_chat_to_its_surface(row: dict[str, Any]) -> None:
    """`tests/vectors/origin/pasted.json`: what is read and stored, and where a chat goes then."""
    record = load()[row["provider"]]
    reading = read_pasted(record, row["pasted"])
    assert reading is not None
    assert (reading.fields, reading.base_url) == (row["fields"], row["baseUrl"])

    usual = fill(record.base_url or "", reading.fields) if reading.base_url is None else None
    base_url, named = (usual, None) if usual else split_chat_path(record, str(reading.base_url))
    chosen = choose_surface(record, row["model"], base_url, named, reading.fields)
    fields = {**reading.fields, "model": row["model"]}
    assert (chosen.dialect, join_url(base_url, chosen.chat_path, fields)) == (
        row["dialect"], row["url"],
    )  # fmt: skip


@pytest.mark.parametrize(("provider", "text"), _NOT_READ)
def test_other_text_is_not_read(provider: str, text: str) -> None:
    assert read_pasted(load()[provider], text) is None


@pytest.mark.parametrize(("more", "read"), [(0, True), (1, False)])
def test_length_of_a_pasted_url_is_bounded(more: int, *, read: bool) -> None:
    start = "https://dash.cloudflare.com/" + _ACCOUNT + "/"
    text = start + "a" * (PASTED_URL_MAX_CHARS - len(start) + more)

    assert (read_pasted(load()["cloudflare-workers-ai"], text) is not None) is read
