"""Loading of records, and the errors of invalid ones."""

from __future__ import annotations

import subprocess
import sys

import pytest

from byokd.catalog.loader import load
from byokd.catalog.quirks.openai_chat import OpenAIChatQuirks
from byokd.catalog.record_file import load_text
from byokd.catalog.snapshot import snapshot
from byokd.protocol.errors import InvalidParams

GOOD = """
id = "mine"
name = "Mine"
kind = "singleField"
dialect = "openai_chat"
base_url = "https://{region}.example.com/v1"
tool_calling = "yes"
pricing = "none"
[[fields]]
name = "region"
label = "Region"
secret = false
[[fields]]
name = "apiKey"
label = "Key"
[probe]
path = "/models"
[models]
path = "/models"
[[sources]]
url = "https://example.com"
checked = "2026-11-23"
"""

_UNKNOWN = (
    "unknown dialect gopher, use one of openai_chat, openai_responses, anthropic_messages, gemini, "
    "bedrock_converse, cohere_chat, ollama_chat"
)

BAD = (
    ("not TOML", 'id = "mine"', "id = ", "", "not TOML"),
    ("unknown key", 'name = "Mine"', 'name = "Mine"\nnick = "M"', "nick", "extra forbidden"),
    ("missing key", 'kind = "singleField"', "", "kind", "missing"),
    ("wrong word", '"singleField"', '"single"', "kind", "literal error"),
    ("bad id", 'id = "mine"', 'id = "My Own"', "id", "string pattern mismatch"),
    ("bad pointer", '[models]\npath = "/models"', '[models]\nid = "id"', "models.id",
     "string pattern mismatch"),
    ("bad day", "2026-11-23", "23.11.2026", "sources.0.checked", "string pattern mismatch"),
    ("no source", "[[sources]]", "[[origins]]", "sources", "missing"),
    ("secret in the address", "secret = false", "secret = true", "base_url",
     "a template names no plain field"),
    ("unknown template", "{region}", "{zone}", "base_url", "a template names no plain field"),
    ("neither address", 'base_url = "https://{region}.example.com/v1"', "", "base_url",
     "neither a default nor required"),
    ("unknown template of a host", "[probe]",
     "[[hosts]]\nname = 'x'\nbase_url = 'https://{zone}.example.com'\nsource = 's'\n[probe]",
     "hosts.base_url", "a template names no plain field"),
    ("secret in a probe of a surface", "[[sources]]",
     ("[[surfaces]]\ndialect = 'openai_responses'\nchat_path = '/r'\n"
     "[surfaces.probe]\nurl = 'https://{apiKey}.example.com'\n[[sources]]"),
     "surfaces.probe.url", "a template names no plain field"),
    ("like a provider that is not there", "[[sources]]",
     ("[[surfaces]]\ndialect = 'openai_responses'\nchat_path = '/r'\n"
     "like = { provider = 'nobody' }\n[[sources]]"),
     "surfaces.like.provider", "no such provider"),
    ("two of a name", 'name = "region"', 'name = "apiKey"', "fields", "two fields of one name"),
    ("no such credential", "[probe]", '[auth]\nfield = "token"\n[probe]', "auth.field",
     "no such field"),
    ("bad expression", "[models]", '[quirks]\nreasoning_models = "("\n[models]',
     "quirks.reasoning_models", "not a regular expression"),
    ("bad expression in a rule", "[models]",
     '[[errors]]\nwhen = { message = "[" }\nkind = "keyInvalid"\n[models]', "errors.when.message",
     "not a regular expression"),
    ("unknown dialect", '"openai_chat"', '"gopher"', "dialect", _UNKNOWN),
    ("unknown dialect with a quirk", '"openai_chat"',
     '"gopher"\nquirks = { any_quirk = true }', "dialect", _UNKNOWN),
    ("unknown dialect of a surface", "[probe]",
     ('[[surfaces]]\ndialect = "gopher"\nchat_path = "/gopher"\n'
     "quirks = { any_quirk = true }\n[probe]"), "surfaces.dialect", _UNKNOWN),
    ("plain http companion", 'name = "Mine"',
     'name = "Mine"\ncompanion_origins = ["http://example.com"]', "companion_origins.0",
     "string pattern mismatch"),
)  # fmt: skip


def test_valid_record_is_read() -> None:
    record = load_text(GOOD, "mine.toml")
    assert record.id == "mine"
    assert record.quirks_as(OpenAIChatQuirks, "m").stream_usage
    assert [field.name for field in record.fields] == ["region", "apiKey"]


@pytest.mark.parametrize(("old", "new", "field", "fault"), [row[1:] for row in BAD],
                         ids=[row[0] for row in BAD])  # fmt: skip
def test_error_of_an_invalid_record_has_file_and_field(
    old: str, new: str, field: str, fault: str
) -> None:
    assert old in GOOD
    with pytest.raises(InvalidParams) as refusal:
        load_text(GOOD.replace(old, new, 1), "mine.toml")
    assert refusal.value.data().details == {"record": "mine.toml", "field": field, "fault": fault}
    assert "mine.toml" in refusal.value.user_message


def test_records_are_read_once_and_cannot_be_changed() -> None:
    assert load() is load()
    with pytest.raises(TypeError):
        load()["x"] = next(iter(load().values()))  # type: ignore[index]
    with pytest.raises(ValueError, match="frozen"):
        next(iter(load().values())).name = "x"  # type: ignore[misc]


def test_snapshot_is_up_to_date() -> None:
    """Run `python -m byokd.catalog.snapshot` after a change of a record."""
    from importlib import resources

    stored = resources.files("byokd.catalog").joinpath("providers.json").read_bytes()
    assert stored == snapshot()


def test_start_reads_neither_toml_nor_prices() -> None:
    code = (
        "import sys; from byokd.catalog.loader import load; assert len(load()) > 20;"
        "late = {'tomllib', *map('byokd.catalog.'.__add__, ('models', 'errors', 'quirks'))};"
        "print(sorted(late & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )  # fmt: skip
    assert run.stdout == "[]\n"
