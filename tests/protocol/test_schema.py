"""The generated files are up to date and deterministic, and agree with the types.

Run as a script, it writes the committed files.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "server"))

from byokd.protocol import schema  # noqa: E402  (the path above comes first when run as a script)
from byokd.protocol.backup import VaultRestoreParams  # noqa: E402
from byokd.protocol.diagnosis import ProviderTestParams  # noqa: E402
from byokd.protocol.errors import Kind  # noqa: E402
from byokd.protocol.events import Event  # noqa: E402
from byokd.protocol.key import KeyProbeParams  # noqa: E402
from byokd.protocol.methods import METHODS  # noqa: E402
from byokd.protocol.sealed import SecretInput  # noqa: E402

COMMAND = ".venv/bin/python tests/protocol/test_schema.py"
HASH_MODULE = '''\
"""The hash of the committed `schema.json`. Generated, so that `initialize` need not compute it."""

from typing import Final

SCHEMA_HASH: Final = "{}"
'''


def committed() -> dict[Path, str]:
    """Return the text of every generated file that is committed, by path."""
    files = schema.files()
    server = ROOT / "server" / "byokd" / "protocol"
    return {
        server / "schema.json": files["schema.json"],
        server / "schema_hash.py": HASH_MODULE.format(schema.hash_of(files["schema.json"])),
        ROOT / "client-ts" / "packages" / "client" / "src" / "generated.ts": files["byokd.ts"],
    }


Json = dict[str, Any]
DOCUMENT: Json = schema.document()
DEFS: Json = DOCUMENT["$defs"]
SENT = [m for m in METHODS if m.direction == "request"]


def walk(node: Any) -> Any:
    if isinstance(node, dict):
        yield node
        for item in node.values():
            yield from walk(item)
    elif isinstance(node, list):
        for item in node:
            yield from walk(item)


@pytest.mark.parametrize("path", committed(), ids=lambda path: path.name)
def test_committed_file_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == committed()[path], f"stale; run: {COMMAND}"


def test_schema_hash_is_up_to_date() -> None:
    from byokd.protocol.schema_hash import SCHEMA_HASH

    text = (ROOT / "server" / "byokd" / "protocol" / "schema.json").read_text(encoding="utf-8")
    assert schema.hash_of(text) == SCHEMA_HASH


def test_schema_hash_imports_no_types() -> None:
    code = "import sys, byokd.protocol.schema_hash; print('pydantic' in sys.modules)"
    run = [sys.executable, "-c", code]
    env = {"PYTHONPATH": str(ROOT / "server")}
    assert subprocess.run(run, env=env, capture_output=True, check=True).stdout == b"False\n"


def test_document_is_the_same_in_another_process() -> None:
    code = "from byokd.protocol import schema; print(schema.hash_of(schema.text()))"
    env = {"PYTHONPATH": str(ROOT / "server"), "PYTHONHASHSEED": "7"}
    out = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, check=True, text=True
    ).stdout
    assert out.strip() == schema.hash_of(schema.text())


def test_write_creates_directory_and_files(tmp_path: Path) -> None:
    paths = schema.write(tmp_path / "new" / "schema")
    assert [path.name for path in paths] == ["schema.json", "byokd.ts"]
    assert {path.name: path.read_text(encoding="utf-8") for path in paths} == schema.files()


def test_method_map_equals_the_method_table() -> None:
    rows = DOCUMENT["methods"]
    assert list(rows) == [method.name for method in METHODS]
    for method in METHODS:
        row = rows[method.name]
        assert (row["direction"], row["summary"]) == (method.direction, method.summary)
        assert (row["result"] is None) == (method.result_type() is None)


def test_every_reference_has_a_definition() -> None:
    used = {node["$ref"].removeprefix("#/$defs/") for node in walk(DOCUMENT) if "$ref" in node}
    assert used - DEFS.keys() == set()
    assert DEFS.keys() - used == set()


def test_names_are_plain() -> None:
    assert [name for name in DEFS if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)] == []


def test_error_kinds_and_events_are_complete() -> None:
    assert DEFS["ErrorKind"]["enum"] == list(get_args(Kind))
    tags = [event.__dataclass_fields__["type"].default for event in get_args(Event)]
    assert list(DOCUMENT["events"]) == tags
    for tag, ref in DOCUMENT["events"].items():
        event = DEFS[ref["$ref"].removeprefix("#/$defs/")]
        assert event["properties"]["type"]["const"] == tag


@pytest.mark.parametrize("name", sorted({m.result_name for m in SENT if m.result_name}))
def test_results_carry_every_field_and_may_grow(name: str) -> None:
    node = DEFS[name]
    assert set(node["required"]) == node["properties"].keys() - {"_meta"}
    assert "additionalProperties" not in node


@pytest.mark.parametrize("name", sorted({m.params_name for m in SENT}))
def test_params_are_closed_and_need_only_what_has_no_default(name: str) -> None:
    node = DEFS[name]
    method = next(m for m in SENT if m.params_name == name)
    fields = method.params_type().model_fields.values()
    assert set(node.get("required", ())) == {f.alias for f in fields if f.is_required()}
    assert node["additionalProperties"] is False
    assert "_meta" in node["properties"]


OPENNESS = [
    ("ErrorData", "kind", True),
    ("ProbeResult", "verdict", True),
    ("ProviderInfo", "stage", True),
    ("KeyInfo", "state", False),
    ("FinishReason", "unified", False),
    ("Message", "role", False),
    ("ReasoningPart", "kind", False),
    ("KeyStoreParams", "probe", False),
]


@pytest.mark.parametrize(("name", "field", "is_open"), OPENNESS)
def test_display_enums_are_open_and_control_enums_are_not(
    name: str, field: str, *, is_open: bool
) -> None:
    assert DEFS[name]["properties"][field].get("x-open", False) is is_open


def test_typescript_names_every_definition_method_and_kind() -> None:
    text = schema.files()["byokd.ts"]
    for name in DEFS:
        assert re.search(rf"^export (type|interface) {name}\b", text, re.MULTILINE), name
    for method in METHODS:
        assert f'  "{method.name}": ' in text


_KEY = "key_" + "a" * 26
_CHOICES: list[tuple[type[BaseModel], Json, Json]] = [
    (SecretInput, {"sealed": "YQ==", "plain": "k"}, {}),
    (KeyProbeParams, {"keyId": _KEY, "provider": "anyone"}, {}),
    (
        ProviderTestParams,
        {"keyId": _KEY, "fields": {"apiKey": "k"}, "baseUrl": "https://a.example"},
        {"provider": "anyone"},
    ),
    (VaultRestoreParams, {"number": 1, "path": "/a"}, {}),
]


def _fits(rule: Any, value: Any) -> bool:
    """Evaluate the part of JSON Schema that states exclusive fields."""
    if "if" in rule:
        return _fits(rule.get("then" if _fits(rule["if"], value) else "else", {}), value)
    if "not" in rule:
        return not _fits(rule["not"], value)
    if "type" in rule:
        return value is None
    if "enum" in rule:
        return value in rule["enum"]
    fields = rule.get("properties", {})
    there = all(name in value for name in rule.get("required", ()))
    return there and all(_fits(fields[name], value[name]) for name in fields if name in value)


@pytest.mark.parametrize(("kind", "choice", "beside"), _CHOICES)
def test_schema_states_exclusive_fields(kind: type[BaseModel], choice: Json, beside: Json) -> None:
    words = DEFS[kind.__name__].keys() & {"if", "then", "else"}
    rule = {word: DEFS[kind.__name__][word] for word in words}
    refused = 0
    for states in itertools.product(("absent", "empty", "set"), repeat=len(choice)):
        case = dict(zip(choice, states, strict=True))
        empty: Json = {name: {} if isinstance(choice[name], dict) else None for name in choice}
        params = {
            name: choice[name] if state == "set" else empty[name]
            for name, state in case.items()
            if state != "absent"
        }
        try:
            kind.model_validate(beside | params)
        except ValidationError:
            refused += 1
            assert not _fits(rule, params), case
        else:
            assert _fits(rule, params), case
    assert refused


def write_committed() -> None:
    """Write the committed files."""
    for path, text in committed().items():
        path.write_text(text, encoding="utf-8", newline="\n")
        print(path.relative_to(ROOT), len(json.dumps(text)))


if __name__ == "__main__":
    write_committed()
