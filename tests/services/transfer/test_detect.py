"""Detection of keys in variables, row by row, with the shipped records."""

from __future__ import annotations

import pytest

from byokd.catalog.loader import load
from byokd.catalog.record import Provider
from byokd.catalog.variables import variables_of
from byokd.core.secret import Secret
from byokd.services.transfer.detect import DetectedKey, base_url_variables, detect_keys

RECORDS: list[Provider] = list(load().values())
HF = "HF_TOKEN"


def _summary(key: DetectedKey) -> tuple[str, dict[str, str], tuple[str, ...]]:
    fields = {
        name: value.reveal() if isinstance(value, Secret) else f"plain {value}"
        for name, value in key.fields.items()
    }
    return key.record.id, fields, key.variables


def _detect(variables: dict[str, str]) -> list[tuple[str, dict[str, str], tuple[str, ...]]]:
    secrets = {name: Secret(value) for name, value in variables.items()}
    return [_summary(key) for key in detect_keys(RECORDS, secrets)]


PAIR = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
PAIR_FIELDS = {"accessKeyId": "id", "secretAccessKey": "secret"}

TABLE: list[tuple[str, dict[str, str], list[tuple[str, dict[str, str], tuple[str, ...]]]]] = [
    ("nothing", {}, []),
    ("of nobody", {"PATH": "x", "EDITOR": "y", "MY_API_KEY": "z"}, []),
    ("empty", {"OPENAI_API_KEY": "", "MISTRAL_API_KEY": "  "}, []),
    ("one", {"OPENAI_API_KEY": "k"}, [("openai", {"apiKey": "k"}, ("OPENAI_API_KEY",))]),
    (
        "one key under two names",
        {"GEMINI_API_KEY": "k", "GOOGLE_API_KEY": "k"},
        [("google", {"apiKey": "k"}, ("GEMINI_API_KEY", "GOOGLE_API_KEY"))],
    ),
    (
        "two keys under two names",
        {"GEMINI_API_KEY": "k", "GOOGLE_API_KEY": "l"},
        [
            ("google", {"apiKey": "k"}, ("GEMINI_API_KEY",)),
            ("google", {"apiKey": "l"}, ("GOOGLE_API_KEY",)),
        ],
    ),
    (
        "one token, two providers",
        {HF: "k"},
        [
            ("hf-router", {"apiKey": "k"}, (HF,)),
            ("hf-inference-endpoints", {"apiToken": "k"}, (HF,)),
        ],
    ),
    (
        "AWS: a pair and a region",
        PAIR | {"AWS_DEFAULT_REGION": "eu-west-1"},
        [("bedrock", {"region": "plain eu-west-1"} | PAIR_FIELDS, (*PAIR, "AWS_DEFAULT_REGION"))],
    ),
    (
        "AWS: the first region wins, a token goes with its pair",
        PAIR | {"AWS_SESSION_TOKEN": "t", "AWS_REGION": "a", "AWS_DEFAULT_REGION": "b"},
        [
            (
                "bedrock",
                {"region": "plain a"} | PAIR_FIELDS | {"sessionToken": "t"},
                (*PAIR, "AWS_SESSION_TOKEN", "AWS_REGION"),
            )
        ],
    ),
    (
        "AWS: a bearer token takes no session token",
        {"AWS_BEARER_TOKEN_BEDROCK": "k", "AWS_REGION": "a"},
        [
            (
                "bedrock",
                {"region": "plain a", "apiKey": "k"},
                ("AWS_BEARER_TOKEN_BEDROCK", "AWS_REGION"),
            )
        ],
    ),
    (
        "AWS: a pair and a bearer token are two keys",
        PAIR | {"AWS_BEARER_TOKEN_BEDROCK": "k"},
        [
            ("bedrock", {"apiKey": "k"}, ("AWS_BEARER_TOKEN_BEDROCK",)),
            ("bedrock", PAIR_FIELDS, tuple(PAIR)),
        ],
    ),
    ("AWS: a region alone is no key", {"AWS_REGION": "a"}, []),
    (
        "AWS: half a pair is an incomplete key",
        {"AWS_ACCESS_KEY_ID": "id"},
        [("bedrock", {"accessKeyId": "id"}, ("AWS_ACCESS_KEY_ID",))],
    ),
    (
        "Azure",
        {"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com"},
        [
            (
                "azure-openai",
                {"resourceName": "plain https://x.openai.azure.com", "apiKey": "k"},
                ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"),
            )
        ],
    ),
    (
        "Cloudflare",
        {"CLOUDFLARE_API_TOKEN": "k", "CLOUDFLARE_ACCOUNT_ID": "a", "CF_API_TOKEN": "k"},
        [
            (
                "cloudflare-workers-ai",
                {"accountId": "plain a", "apiToken": "k"},
                ("CLOUDFLARE_API_TOKEN", "CF_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"),
            )
        ],
    ),
    ("an address alone", {"OPENAI_BASE_URL": "https://gateway.example"}, []),
]


@pytest.mark.parametrize(
    ("variables", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_variables_make_these_keys(
    variables: dict[str, str], expected: list[tuple[str, dict[str, str], tuple[str, ...]]]
) -> None:
    assert _detect(variables) == expected


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.id)
def test_every_variable_of_a_record_is_detected(record: Provider) -> None:
    for field in record.fields:
        for name in field.env:
            keys = [key for key in _detect({name: "v"}) if key[0] == record.id]
            assert bool(keys) == field.secret
            assert not field.secret or keys[0][2] == (name,)
    for name in record.base_url_env:
        assert not name.endswith(("_KEY", "_TOKEN")), "an address is no secret"
        reported = base_url_variables(RECORDS, {name: Secret("https://gateway.example")})
        assert (name, record) in reported
        assert _detect({name: "https://gateway.example"}) == []


def test_every_provider_with_an_address_has_variables() -> None:
    without_variables = [record.id for record in RECORDS if not variables_of(record)]
    assert len(without_variables) == 1, "only the generic provider has none"
    assert all(record.base_url is None for record in RECORDS if record.id in without_variables)


def test_item_id_identifies_one_key() -> None:
    def ids(key: bytes, **variables: str) -> list[str]:
        secrets = {name: Secret(value) for name, value in variables.items()}
        return [detected.item_id(key) for detected in detect_keys(RECORDS, secrets)]

    first_key, second_key = b"\1" * 32, b"\2" * 32
    first = ids(first_key, OPENAI_API_KEY="k", MISTRAL_API_KEY="k")
    assert first == ids(first_key, OPENAI_API_KEY="k", MISTRAL_API_KEY="k")
    assert len(set(first)) == 2
    assert ids(first_key, OPENAI_API_KEY="l") != first[:1]
    assert set(ids(second_key, OPENAI_API_KEY="k", MISTRAL_API_KEY="k")).isdisjoint(first)
