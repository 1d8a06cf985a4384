"""The headers that a record adds: templates over the plain fields of a key."""

from __future__ import annotations

import pytest

from byokd.catalog.loader import load
from byokd.catalog.record import Provider
from byokd.dialects.base.headers import record_headers
from byokd.protocol.errors import InvalidParams

_NAME = "X-Team"


def _record(value: str) -> Provider:
    return load()["bedrock"].model_copy(update={"headers": {_NAME: value}})


@pytest.mark.parametrize(
    ("value", "fields", "sent"),
    [
        ("plain", {}, "plain"),
        ("{region}", {"region": "eu-west-1"}, "eu-west-1"),
        ("in {region}", {"region": "eu-west-1"}, "in eu-west-1"),
        ("{region}", {}, None),
        ("{region}", {"region": ""}, None),
        ("{other} stays", {"other": "x"}, "{other} stays"),
    ],
)
def test_header_is_filled_or_left_out(value: str, fields: dict[str, str], sent: str | None) -> None:
    assert record_headers(_record(value), fields).get(_NAME.lower()) == sent


def test_organization_is_billed_only_if_the_key_names_one() -> None:
    record = load()["hf-router"]

    assert record_headers(record, {}) == {}
    assert record_headers(record, {"billTo": "acme"}) == {"x-hf-bill-to": "acme"}


@pytest.mark.parametrize("text", ["a\r\nb: c", "ä", "a\x7f"])
def test_field_that_no_header_may_have_is_refused(text: str) -> None:
    with pytest.raises(InvalidParams, match="region must be printable ASCII") as refused:
        record_headers(_record("{region}"), {"region": text})

    assert refused.value.fields["details"][0]["pointer"] == "/fields/region"  # type: ignore[index]
