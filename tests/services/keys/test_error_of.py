"""The error of a refused call: its kind and action, by what was sent and who answered."""

from __future__ import annotations

import pytest

from byokd.catalog.loader import load
from byokd.core.http import Headers, HttpHead
from byokd.core.secret import Secret
from byokd.dialects.errors.classify import classify
from byokd.protocol.errors import ByokdError
from byokd.services.keys.credentials import Credential

_JSON = "application/json"
_KEY: dict[str, Secret | str] = {"apiKey": Secret("test-key-0123456789abcdef")}


def _error(provider: str, body: bytes, content_type: str, *, has_key: bool) -> ByokdError:
    record = load()[provider]
    head = HttpHead(401, Headers([("content-type", content_type)]))
    credential = Credential(
        record, "http://127.0.0.1:1/v1", at_default_origin=False, fields=_KEY if has_key else {}
    )
    return credential.error_of(classify(record, head, body))


@pytest.mark.parametrize(
    ("provider", "body", "words"),
    [
        ("ollama", b'{"error": "unauthorized"}', "ollama signin"),
        ("ollama", b'{"error": {"message": "unauthorized"}}', "ollama signin"),
        ("openai-compatible", b'{"error": {"message": "Invalid API key"}}', "no key was sent"),
    ],
)
def test_refusal_without_a_key_asks_for_a_sign_in(provider: str, body: bytes, words: str) -> None:
    error = _error(provider, body, _JSON, has_key=False)
    action = error.fields["action"]
    assert error.kind == "keyForbidden"
    assert words in error.user_message
    assert "new one" not in error.user_message
    assert getattr(action, "type", None) != "promptKey"


def test_page_that_answers_401_offers_no_prompt_for_a_key() -> None:
    page = b"<!DOCTYPE html><html><title>Sign in</title></html>"
    error = _error("openai-compatible", page, "text/html", has_key=True)
    assert getattr(error.fields["action"], "type", None) == "checkNetwork"
    assert "sign-in" in error.user_message


def test_refused_key_offers_the_prompt_for_another() -> None:
    body = b'{"error": {"message": "Incorrect API key provided"}}'
    error = _error("openai-compatible", body, _JSON, has_key=True)
    assert error.kind == "keyInvalid"
    assert getattr(error.fields["action"], "type", None) == "promptKey"
