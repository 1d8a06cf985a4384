"""How base URLs, paths and fields become one URL."""

from __future__ import annotations

import pytest

from byokd.dialects.base.urls import fill, join_url, with_query
from byokd.protocol.errors import InvalidParams

JOINED = [
    ("https://a.example", "/models", "https://a.example/models"),
    ("https://a.example/", "models", "https://a.example/models"),
    ("https://a.example/v1/", "/models", "https://a.example/v1/models"),
    ("https://a.example/v1", "/v1/models", "https://a.example/v1/models"),
    ("https://a.example", "/v1/models", "https://a.example/v1/models"),
    ("https://a.example/api/paas/v4", "/v1/models", "https://a.example/api/paas/v4/models"),
    (
        "https://a.example/v1beta",
        "/models?pageSize=1",
        "https://a.example/v1beta/models?pageSize=1",
    ),
    ("https://a.example/openai", "/v1/models", "https://a.example/openai/v1/models"),
    ("https://a.example/v1?x=secret#y", "/models", "https://a.example/v1/models"),
    ("https://a.example/v1", "/v1x/models", "https://a.example/v1/v1x/models"),
    ("http://[::1]:8080/v1", "//models", "http://[::1]:8080/v1/models"),
    ("https://a.example/x/v1/", "../api/chat", "https://a.example/x/api/chat"),
    ("https://a.example/x", "../api/chat", "https://a.example/x/api/chat"),
    ("https://a.example/v1", "../v2/chat?a={part}", "https://a.example/v2/chat?a=x%2Fy%3Fz%23"),
    ("https://a.example/b/c/v1", "../../d/v1/m", "https://a.example/b/d/v1/m"),
    ("https://a.example/b/c/v1", "../../../d/v1/m", "https://a.example/d/v1/m"),
    ("https://a.example/b", "../../d", "https://a.example/d"),
    ("https://a.example/v1", "../../../d", "https://a.example/d"),
    ("https://a.example", "../../../d", "https://a.example/d"),
    ("https://a.example/v1", "", "https://a.example/v1"),
    ("https://a.example/v1", "/", "https://a.example/v1"),
    ("https://{name}.a.example", "/models/{part}", "https://eu-1.a.example/models/x%2Fy%3Fz%23"),
    ("https://a.example/accounts/{name}/ai", "/m", "https://a.example/accounts/eu-1/ai/m"),
]


@pytest.mark.parametrize(("base", "path", "url"), JOINED)
def test_base_url_and_path_are_joined(base: str, path: str, url: str) -> None:
    assert join_url(base, path, {"name": "eu-1", "part": "x/y?z#"}) == url


@pytest.mark.parametrize(
    "value", ["", "a.b", "evil.example/", "a@b", "a b", "-a", "a-", "a" * 64, "a%2e", "ä", "a\n"]
)
def test_field_cannot_change_the_host(value: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        fill("https://{name}.a.example/x", {"name": value})
    assert refused.value.fields["details"][0]["pointer"] == "/fields/name"  # type: ignore[index]


def test_host_label_of_63_characters_is_accepted() -> None:
    assert fill("https://{n}.a.example", {"n": "a" * 63}) == f"https://{'a' * 63}.a.example"


def test_missing_field_is_named() -> None:
    with pytest.raises(InvalidParams, match="accountId"):
        join_url("https://a.example/{accountId}", "/x")


@pytest.mark.parametrize(
    ("url", "after"),
    [
        ("https://a.example/m", "https://a.example/m?after_id=x%26y"),
        ("https://a.example/m?limit=1", "https://a.example/m?limit=1&after_id=x%26y"),
        ("https://a.example/m?after_id=old&l=1", "https://a.example/m?l=1&after_id=x%26y"),
    ],
)
def test_query_parameter_is_added_or_replaced(url: str, after: str) -> None:
    assert with_query(url, "after_id", "x&y") == after
