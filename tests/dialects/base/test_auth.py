"""How a credential is put on a request, and which values are refused."""

from __future__ import annotations

import pytest

from byokd.catalog.record import Auth, Field, Provider
from byokd.core.http import HttpRequest
from byokd.core.limits import KEY_FIELD_MAX_CHARS, KEY_MAX_CHARS, KEY_MIN_CHARS
from byokd.core.secret import Secret
from byokd.dialects.base.auth import Fields, authorize, key_problems
from byokd.protocol.errors import InvalidParams
from recorded import BARE

KEY = "test-key-0123456789"
REQUEST = HttpRequest("GET", "https://a.example/models")
API_KEY = Field(name="apiKey", label="Key")
SIGNED = Auth(scheme="sigv4", signing_name="bedrock")
AWS_FIELDS = (
    API_KEY.model_copy(update={"required": False}),
    Field(name="accessKeyId", label="Id", secret=False, required=False),
    Field(name="secretAccessKey", label="Secret", required=False),
    Field(name="sessionToken", label="Token", required=False),
    Field(name="region", label="Region", secret=False),
)
AWS_KEY: Fields = {
    "accessKeyId": "AKIDEXAMPLE",
    "secretAccessKey": Secret("example-secret-access-key"),
    "region": "eu-west-1",
}


def _provider(auth: Auth, *fields: Field, **more: object) -> Provider:
    return BARE.model_copy(update={"auth": auth, "fields": fields or (API_KEY,), **more})


AWS = _provider(
    Auth(otherwise=SIGNED),
    *AWS_FIELDS,
    kind="multiField",
    one_of=(("apiKey",), ("accessKeyId", "secretAccessKey")),
)


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (Auth(), "authorization", f"Bearer {KEY}"),
        (Auth(scheme="header", header="x-api-key"), "x-api-key", KEY),
        (Auth(scheme="none"), "authorization", None),
    ],
    ids=["bearer", "header", "none"],
)
def test_credential_by_scheme(auth: Auth, header: str, value: str | None) -> None:
    sent = authorize(REQUEST, _provider(auth), {"apiKey": Secret(KEY)}, 0)
    assert sent.headers.get(header) == value
    assert len(sent.headers) == (value is not None)
    assert KEY not in repr(sent)


def test_empty_optional_field_adds_nothing() -> None:
    optional = _provider(Auth(), API_KEY.model_copy(update={"required": False}))
    for fields in ({}, {"apiKey": ""}, {"apiKey": Secret("")}):
        assert authorize(REQUEST, optional, fields, 0) == REQUEST


def test_empty_required_field_is_refused() -> None:
    with pytest.raises(InvalidParams, match="apiKey is required"):
        authorize(REQUEST, _provider(Auth()), {}, 0)


def test_aws_keys_sign_and_tokens_are_bearers() -> None:
    signed = authorize(REQUEST, AWS, {**AWS_KEY, "sessionToken": Secret("tok-12345678")}, 0)
    assert "/eu-west-1/bedrock/aws4_request" in (signed.headers.get("authorization") or "")
    assert signed.headers.get("x-amz-security-token") == "tok-12345678"
    borne = authorize(REQUEST, AWS, {**AWS_KEY, "apiKey": Secret(KEY)}, 0)
    assert borne.headers.get("authorization") == f"Bearer {KEY}"
    assert borne.headers.get("x-amz-date") is None
    with pytest.raises(InvalidParams, match="secretAccessKey is required"):
        authorize(REQUEST, AWS, {"accessKeyId": "AKIDEXAMPLE", "region": "eu-west-1"}, 0)


@pytest.mark.parametrize("bad", ["a\nb", "a b", "ключ", "a\x00", "\x7f", "a\r\nx-evil: 1", "é"])
def test_invalid_header_value_is_refused_and_not_quoted(bad: str) -> None:
    for provider in (_provider(Auth()), _provider(Auth(scheme="header", header="x-api-key"))):
        with pytest.raises(InvalidParams) as refused:
            authorize(REQUEST, provider, {"apiKey": Secret(f"canary{bad}canary")}, 0)
        error_text = f"{refused.value!r}{refused.value.data()}{refused.value.__cause__!r}"
        assert "canary" not in error_text


_ASCII = "must be printable ASCII without spaces or line breaks"
_LENGTH = f"must have {KEY_MIN_CHARS} to {KEY_MAX_CHARS} characters"
_CHOICE = "give apiKey, or accessKeyId and secretAccessKey"


@pytest.mark.parametrize(
    ("key", "problems"),
    [
        (KEY, []),
        ("a" * KEY_MIN_CHARS, []),
        ("a" * (KEY_MIN_CHARS - 1), [("/fields/apiKey", _LENGTH)]),
        ("a" * KEY_MAX_CHARS, []),
        ("a" * (KEY_MAX_CHARS + 1), [("/fields/apiKey", _LENGTH)]),
        ("key with spaces", [("/fields/apiKey", _ASCII)]),
        ("newline-inside\nkey", [("/fields/apiKey", _ASCII)]),
        ("schlüssel-schlüssel", [("/fields/apiKey", _ASCII)]),
        ("", [("/fields/apiKey", "is required")]),
    ],
)
def test_problems_of_a_single_field_key(key: str, problems: list[tuple[str, str]]) -> None:
    patterned = API_KEY.model_copy(update={"pattern": "^never-this$"})
    assert key_problems(_provider(Auth(), patterned), {"apiKey": Secret(key)}) == problems


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({}, []),
        ({"sessionToken": Secret("t" * KEY_FIELD_MAX_CHARS)}, []),
        (
            {"sessionToken": Secret("t" * (KEY_FIELD_MAX_CHARS + 1))},
            [
                (
                    "/fields/sessionToken",
                    f"must have {KEY_MIN_CHARS} to {KEY_FIELD_MAX_CHARS} characters",
                )
            ],
        ),
        ({"region": ""}, [("/fields/region", "is required")]),
        ({"region": "a\nb"}, [("/fields/region", "must be text without control characters")]),
        ({"secretAccessKey": ""}, [("/fields", _CHOICE)]),
        ({"secretAccessKey": "", "apiKey": Secret(KEY)}, []),
        ({"a/b~c": "x"}, [("/fields/a~1b~0c", "is not a field of this provider")]),
    ],
)
def test_problems_of_a_multi_field_key(change: Fields, problems: list[tuple[str, str]]) -> None:
    assert key_problems(AWS, {**AWS_KEY, **change}) == problems
