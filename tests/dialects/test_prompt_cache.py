"""What requests say to a provider's prompt cache, in all formats."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from byokd.catalog.loader import load
from byokd.catalog.surfaces import choose_surface
from byokd.dialects.base.call import Call, Encoded
from byokd.dialects.registry import DIALECTS, find_dialect
from byokd.protocol.chat import SendParams
from byokd.protocol.errors import Unsupported
from dialects import records

_KEY = "0123456789abcdef0123456789abcdef"
_EVERY = pytest.mark.parametrize("dialect", DIALECTS)


def _encoded(dialect: str, params: dict[str, Any], **quirks: Any) -> Encoded:
    call = replace(records.call(params, **quirks), cache_key=_KEY)
    return find_dialect(dialect).encode(call, 0)


def _body(encoded: Encoded) -> Any:
    return json.loads(encoded.request.body)


@_EVERY
def test_conversation_is_named_in_the_field_and_the_header_of_the_record(dialect: str) -> None:
    quirks = {"cache_key_field": "prompt_cache_key", "cache_key_header": "x-conversation"}
    encoded = _encoded(dialect, {}, **quirks)
    assert _body(encoded)["prompt_cache_key"] == _KEY
    assert encoded.request.headers.get("x-conversation") == _KEY
    assert encoded.warnings == ()
    silent = _encoded(dialect, {"cache": "off"}, **quirks)
    assert "prompt_cache_key" not in _body(silent)
    assert silent.request.headers.get("x-conversation") is None
    plain = _encoded(dialect, {})
    assert _KEY not in plain.request.body.decode()


@_EVERY
def test_raw_field_of_the_client_wins(dialect: str) -> None:
    sent = {"providerOptions": {"prompt_cache_key": "mine"}}
    encoded = _encoded(dialect, sent, cache_key_field="prompt_cache_key")
    assert _body(encoded)["prompt_cache_key"] == "mine"
    assert encoded.warnings == ()


@_EVERY
@pytest.mark.parametrize("cache", ["auto", "off", "5m", "1h"])
def test_lifetime_is_a_field_where_the_record_has_one(dialect: str, cache: str) -> None:
    quirks = {"cache_fields": {"1h": {"prompt_cache_retention": "24h"}}}
    encoded = _encoded(dialect, {"cache": cache, "strict": True}, **quirks)
    expected = "24h" if cache == "1h" else None
    assert _body(encoded).get("prompt_cache_retention") == expected


@_EVERY
def test_hour_that_cannot_be_chosen_has_a_warning(dialect: str) -> None:
    encoded = _encoded(dialect, {"cache": "1h"})
    assert [(warn.type, warn.parameter) for warn in encoded.warnings] == [("dropped", "cache")]
    with pytest.raises(Unsupported):
        _encoded(dialect, {"cache": "1h", "strict": True})
    assert _encoded(dialect, {"cache": "5m", "strict": True}).warnings == ()


_MARKED = ("anthropic_messages", "bedrock_converse", "openai_chat")


@pytest.mark.parametrize("dialect", _MARKED)
@pytest.mark.parametrize(
    ("cache", "ttls", "ttl"),
    [
        ("auto", ["5m", "1h"], None),
        ("5m", ["5m", "1h"], "5m"),
        ("1h", ["5m", "1h"], "1h"),
        ("5m", [], None),
    ],
)
def test_marks_have_the_lifetime(
    dialect: str, cache: str, ttls: list[str], ttl: str | None
) -> None:
    encoded = _encoded(dialect, {"cache": cache}, cache_control=True, cache_ttls=ttls)
    written = encoded.request.body.decode()
    assert ('"cache_control"' in written) or ('"cachePoint"' in written)
    assert (f'"ttl":"{ttl}"' in written) if ttl else '"ttl"' not in written
    assert encoded.warnings == ()


_RECORDS = [
    ("openai", "gpt-6-sol", "https://api.openai.com/v1", None, ("prompt_cache_key", "")),
    ("openai", "gpt-6-sol", "https://gateway.test/v1", None, ("", "")),
    ("azure-openai", "d", "https://r.openai.azure.com/openai/v1", None, ("prompt_cache_key", "")),
    ("grok", "grok-4.7", "https://api.x.ai/v1", None, ("prompt_cache_key", "")),
    ("grok", "grok-4.7", "https://api.x.ai/v1", "openai_chat", ("", "x-grok-conv-id")),
    ("mistral", "mistral-large-latest", "https://api.mistral.ai/v1", None,
     ("prompt_cache_key", "")),
    ("fireworks", "m", "https://api.fireworks.ai/inference/v1", None, ("prompt_cache_key", "")),
    ("openrouter", "openai/gpt-6", "https://openrouter.ai/api/v1", None,
     ("prompt_cache_key", "x-session-id")),
    ("cerebras", "gpt-oss-120b", "https://api.cerebras.ai/v1", None, ("prompt_cache_key", "")),
    ("groq", "openai/gpt-oss-120b", "https://api.groq.com/openai/v1", None, ("", "")),
    ("deepseek", "deepseek-flash", "https://api.deepseek.com", None, ("", "")),
    ("openai-compatible", "m", "https://host.test/v1", None, ("", "")),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "model", "base_url", "dialect", "names"), _RECORDS)
def test_providers_that_get_the_name(
    provider: str, model: str, base_url: str, dialect: str | None, names: tuple[str, str]
) -> None:
    record = choose_surface(load()[provider], model, base_url, dialect)
    message = {"role": "user", "content": "hi"}
    params = {"streamId": "s", "provider": provider, "model": model, "messages": [message]}
    sent = SendParams.model_validate(params)
    call = Call(record, base_url, sent, cache_key=_KEY)
    request = find_dialect(record.dialect).encode(call, 0).request
    fields = [name for name, value in json.loads(request.body).items() if value == _KEY]
    headers = [name for name, value in request.headers if value == _KEY]
    assert ("".join(fields), "".join(headers)) == names


@pytest.mark.parametrize(
    ("provider", "model", "cache", "fields"),
    [
        ("openai", "gpt-5.2", "1h", {"prompt_cache_retention": "24h"}),
        ("openai", "gpt-5.2", "5m", {}),
        ("openai", "gpt-6-sol", "1h", {"prompt_cache_options": {"ttl": "12h"}}),
        ("openai", "gpt-6-sol", "5m", {"prompt_cache_options": {"ttl": "30m"}}),
    ],
)
def test_lifetime_becomes_the_next_longer_one(
    provider: str, model: str, cache: str, fields: dict[str, Any]
) -> None:
    record = load()[provider]
    message = {"role": "user", "content": "hi"}
    params = {"streamId": "s", "provider": provider, "model": model, "messages": [message]}
    sent = SendParams.model_validate(params | {"cache": cache, "strict": True})
    body = json.loads(find_dialect(record.dialect).encode(Call(record, "x", sent), 0).request.body)
    assert {name: body[name] for name in body if name.startswith("prompt_cache")} == fields
