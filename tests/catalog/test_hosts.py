"""Addresses of the shipped records: defaults that never move, and named choices beside them."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

import pytest

from byokd.catalog.loader import load
from byokd.catalog.record import Host, Provider
from byokd.dialects.base.urls import fill
from byokd.services.keys.origin import read_base_url

_DEFAULTS: Final = {
    "anthropic": "https://api.anthropic.com",
    "openai": "https://api.openai.com",
    "google": "https://generativelanguage.googleapis.com",
    "glm": "https://open.bigmodel.cn",
    "openrouter": "https://openrouter.ai",
    "litellm": "http://localhost:4000",
    "ollama": "http://localhost:11434",
    "mistral": "https://api.mistral.ai",
    "deepseek": "https://api.deepseek.com",
    "qwen": "https://dashscope-intl.aliyuncs.com",
    "grok": "https://api.x.ai",
    "together": "https://api.together.xyz",
    "fireworks": "https://api.fireworks.ai",
    "groq": "https://api.groq.com",
    "cerebras": "https://api.cerebras.ai",
    "perplexity": "https://api.perplexity.ai",
    "hf-router": "https://router.huggingface.co",
    "openai-compatible": None,
    "azure-openai": "https://{resourceName}.openai.azure.com",
    "bedrock": "https://bedrock-runtime.{region}.amazonaws.com",
    "cloudflare-workers-ai": "https://api.cloudflare.com",
    "hf-inference-endpoints": None,
    "cohere": "https://api.cohere.com",
}
"""The origin that keys without a base URL of their own are sealed for. A record that moves makes
all of them unusable, so another address becomes a host of the record instead."""

_HOSTS: Final = [(record, host) for record in load().values() for host in record.hosts]
_BY_HOST: Final = pytest.mark.parametrize(
    ("record", "host"), _HOSTS, ids=[f"{record.id}-{host.name}" for record, host in _HOSTS]
)
_FIELDS: Final = {
    "region": "eu-west-1", "resourceName": "mine", "accountId": "0" * 32, "workspaceId": "ws-1",
}  # fmt: skip


def _origin(record: Provider) -> str | None:
    if record.base_url is None:
        return None
    split = urlsplit(record.base_url)
    return f"{split.scheme}://{split.netloc}"


def test_default_origin_of_a_shipped_record_never_moves() -> None:
    assert {record.id: _origin(record) for record in load().values()} == _DEFAULTS


@_BY_HOST
def test_host_can_be_stored_as_a_base_url(record: Provider, host: Host) -> None:
    base_url = host.base_url
    plain = {field.name for field in record.fields if not field.secret}

    assert set(re.findall(r"\{(\w+)\}", base_url)) <= plain
    filled = fill(base_url, _FIELDS)
    assert read_base_url(filled).url == filled
    assert filled.startswith("https://")
    assert base_url != record.base_url


@pytest.mark.parametrize("record", load().values(), ids=lambda record: record.id)
def test_hosts_of_a_record_differ_and_name_a_dated_source(record: Provider) -> None:
    names = [host.name for host in record.hosts]
    urls = [host.base_url for host in record.hosts]

    assert len(set(names)) == len(names)
    assert len(set(urls)) == len(urls)
    assert all(re.search(r", 2026-\d\d(-\d\d)?$", host.source) for host in record.hosts)
    assert all(not host.note.endswith(".") for host in record.hosts)
