"""`protocol.md` agrees with the code: its tables are equal and its examples are valid.

An example is a fenced JSON block under a comment with the name of its type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from types import NoneType
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from byokd.audit.events import EVENTS as EVENT_NAMES
from byokd.core.settings import HealthPolicy
from byokd.protocol import schema
from byokd.protocol.actions import Action
from byokd.protocol.errors import Kind
from byokd.protocol.events import Event
from byokd.protocol.lifecycle import ClientOptions
from byokd.protocol.methods import BY_NAME, METHODS
from byokd.rpc.errors import CODES
from byokd.testing.__main__ import POLICY
from protocol.examples import EXAMPLES, TEXT

EVENTS = {event.__dataclass_fields__["type"].default for event in get_args(Event)}

HANDSHAKE_METHODS = {"initialize": "InitializeParams"}
MODULES = sorted({method.params_type().__module__ for method in METHODS})


def section(title: str) -> str:
    """Return the text under a heading of the second level."""
    match = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert match, title
    return match[1]


def rows(title: str, table: int = 0) -> list[list[str]]:
    """Return the cells of a table in a section, without its header and without backticks."""
    text = re.findall(r"(?:^\|.*\n)+", section(title), re.MULTILINE)[table]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in lines[1:]]


def model(name: str) -> type[BaseModel]:
    """Return the class of the contract with this name."""
    for module in (*MODULES, "byokd.protocol.error_data"):
        kind = getattr(import_module(module), name, None)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    raise AssertionError(f"protocol.md names {name}, which is no type of the contract")


def payload(name: str, example: dict[str, Any]) -> Any:
    """Return the part of a message that the named type describes."""
    if "jsonrpc" not in example:
        return example
    assert example["jsonrpc"] == "2.0"
    if "method" in example:
        method = example["method"]
        assert name == HANDSHAKE_METHODS.get(method) or name == BY_NAME[method].params_name
        return example["params"]
    if name == "ServerOptions":
        return example["result"]["capabilities"]["experimental"]["byokd"]
    return example["error"]["data"] if "error" in example else example["result"]


@pytest.mark.parametrize(
    ("name", "text"), EXAMPLES, ids=[f"{i}-{name}" for i, (name, _) in enumerate(EXAMPLES)]
)
def test_example_is_valid(name: str, text: str) -> None:
    value = payload(name, json.loads(text))
    parsed = model(name).model_validate_json(json.dumps(value))
    if not name.endswith(("Params", "Input")):  # the daemon sends every field
        full = json.loads(parsed.model_dump_json(by_alias=True))
        assert full == {"_meta": None} | value if "_meta" in full else full == value


def test_initialize_example_has_only_known_options() -> None:
    text = next(text for name, text in EXAMPLES if name == "InitializeParams")
    options = json.loads(text)["params"]["initializationOptions"]["byokd"]
    ClientOptions.model_validate_json(json.dumps(options))
    assert set(options) <= {field.alias for field in ClientOptions.model_fields.values()}


def test_every_json_block_is_checked() -> None:
    assert len(EXAMPLES) == len(re.findall(r"^```json", TEXT, re.MULTILINE)) > 0


def test_method_table_equals_the_code() -> None:
    table = [(m.name, m.direction, m.params_name, m.result_name or "", m.summary) for m in METHODS]
    assert [tuple(row) for row in rows("Methods")] == table


@pytest.mark.parametrize("name", [method.name for method in METHODS])
def test_method_has_a_section_with_examples(name: str) -> None:
    match = re.search(rf"^### {re.escape(name)}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert match
    method = BY_NAME[name]
    shown = re.findall(r"^<!-- (\w+) -->", match[1], re.MULTILINE)
    assert method.params_name in shown
    assert method.result_name is None or method.result_name in shown


def test_every_section_is_about_a_method() -> None:
    assert set(re.findall(r"^### (\S+)$", TEXT, re.MULTILINE)) == BY_NAME.keys()


def test_event_table_equals_the_code() -> None:
    events = [event.__dataclass_fields__["type"].default for event in get_args(Event)]
    assert [row[0] for row in rows("Chat events")] == events


def test_every_event_is_shown() -> None:
    shown = {
        event["type"]
        for name, text in EXAMPLES
        if name == "ChatEvents"
        for event in json.loads(text)["params"]["events"]
    }
    assert shown == EVENTS


def test_example_events_are_numbered_without_gaps() -> None:
    batches = [json.loads(text)["params"] for name, text in EXAMPLES if name == "ChatEvents"]
    expected = 0
    for batch in batches:
        assert batch["seq"] == expected
        expected += len(batch["events"])


def test_action_table_equals_the_code() -> None:
    shared = {"url", "choices", "details"}
    expected = {}
    for kind in get_args(get_args(Action)[0]):
        fields = kind.model_fields.items()
        shown = {
            f.alias or "" for n, f in fields if n not in shared or f.annotation is not NoneType
        }
        expected[kind.model_fields["type"].default] = shown - {"type"}
    table = {row[0]: set(re.findall(r"\w+", row[1])) for row in rows("Errors")}
    assert list(table.items()) == list(expected.items())


def test_error_table_equals_the_code() -> None:
    table = [(int(row[0]), row[1]) for row in rows("Errors", 1)]
    assert table == [(CODES[kind], kind) for kind in get_args(Kind)]


def test_times_of_rejected_keys_are_those_of_the_policy() -> None:
    policy = HealthPolicy()
    table = {row[0]: row[1] for row in rows("Keys that are rejected")}
    minutes = [delay // 60_000 for delay in policy.reprobe_delays_ms]
    assert table == {
        "rejections": str(policy.rejections),
        "gap": f"{policy.gap_min_ms // 1000} s",
        "window": f"{policy.window_ms // 60_000} min",
        "grace": f"{policy.grace_ms // 60_000} min",
        "probe": f"{policy.probe_delay_min_ms // 1000} to {policy.probe_delay_max_ms // 1000} s",
        "further probes": "{}, {} and {} min".format(*minutes),
        "repeat": f"{policy.repeat_delay_ms // 1000} s",
    }
    assert f"within {policy.repeat_within_ms // 3_600_000} hours" in section(
        "Keys that are rejected"
    )
    testing = section("Testing a client")
    assert f"a gap of {POLICY.gap_min_ms}" in testing
    assert f"after {POLICY.probe_delay_min_ms} to {POLICY.probe_delay_max_ms} ms" in testing
    assert "after {}, {} and {} ms".format(*POLICY.reprobe_delays_ms) in " ".join(testing.split())


PROSE = re.sub(r"^```.*?^```", "", TEXT, flags=re.MULTILINE | re.DOTALL)
IN_PROSE = {
    word
    for code in re.findall(r"`([^`]+)`", PROSE)
    for word in re.findall(r"[\w.$/-]+", code) + re.findall(r"\w+", code)
}
IN_EXAMPLES = set(re.findall(r'"([\w$]+)":', TEXT))


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(item)


def _values(node: dict[str, Any]) -> list[str]:
    return [value for value in [*node.get("enum", []), node.get("const")] if isinstance(value, str)]


DEFINITIONS = schema.document()["$defs"]


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_every_field_and_value_of_a_type_is_named(name: str) -> None:
    """A field stands in the text or in an example, a value of an enum in the text."""
    fields = {field for node in _nodes(DEFINITIONS[name]) for field in node.get("properties", {})}
    assert fields - IN_PROSE - IN_EXAMPLES == set()
    assert {
        value for node in _nodes(DEFINITIONS[name]) for value in _values(node)
    } - IN_PROSE == set()


def test_every_audit_event_is_named() -> None:
    assert set() == EVENT_NAMES - IN_PROSE


def test_sections_come_in_order() -> None:
    assert re.findall(r"^## (.+)$", TEXT, re.MULTILINE) == [
        "Primitives",
        "Lifecycle",
        "Where a client finds the daemon",
        "Signals and sessions",
        "Methods",
        "Chat events",
        "Keys that are rejected",
        "Testing a client",
        "Errors",
        "Secrets and sealing",
        "Compatibility",
    ]
