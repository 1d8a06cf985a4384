"""Adds a provider to the catalog, with everything that the tests demand of one.

    python3 tests new-provider ID --name NAME --base-url URL [--dialect openai_chat] …

Writes the record, its sandbox record, its place in the order, `providers.json` and its rows in the
tables of the tests. What it cannot know says "not checked yet"; the last lines printed say what is
left to a person. Writes nothing if a step fails. A development tool, not in the wheel.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CATALOG = ROOT / "server" / "byokd" / "catalog"
SANDBOX_FOLDER = ROOT / "server" / "byokd" / "sandbox"
VECTORS = ROOT / "tests" / "vectors"
PRODUCT_TABLE = ROOT / "tests" / "catalog" / "test_records.py"
FORMATS: dict[str, Any] = tomllib.loads((HERE / "new_provider.toml").read_text("utf-8"))
UNCHECKED = "not checked yet"

EXPECTED = {
    "bad_key": "keyInvalid",
    "no_key": "keyInvalid",
    "echo_key": "keyInvalid",
    "no_funds": "insufficientFunds",
    "forbidden": "keyForbidden",
    "no_model": "modelNotFound",
    "overflow": "contextOverflow",
    "rate_limit": "rateLimited",
    "server_error": "providerError",
    "overloaded": "providerOverloaded",
    "bad_request": "badRequest",
}
"""The errors that the sandbox answers with, and the kind that each must be read as."""

FROM_ELSEWHERE = (
    ("a sign-in page", 401, {"content-type": "text/html"}, "<html>Sign in</html>"),
    ("a gateway that failed", 502, {"content-type": "text/html"}, "<html>502</html>"),
)
"""Answers of something between us and the provider: name, status, headers, body."""

RECORD = """\
# {name}.
# Checked {checked}: only what the scaffold was given; the rest is usual for {dialect}.

id = "{id}"
name = "{name}"
kind = "singleField"
dialect = "{dialect}"
base_url = "{base_url}"
chat_path = "{chat_path}"
key_url = "{key_url}"
docs_url = "{docs_url}"
tool_calling = "{unchecked}"
pricing = "{unchecked}"
tags = ["{id}"]
notes = ["scaffolded on {checked}: models, prices and errors are not checked yet"]

[[fields]]
name = "apiKey"
label = "API key"
hint = "made at {key_url}"
{env}
[probe]
path = "{models_path}"
models_pointer = "/data"
{record}
[[sources]]
url = "{docs_url}"
checked = "{checked}"
what = "named to the scaffold as the documentation; not read yet"

[[sources]]
url = "{key_url}"
checked = "{checked}"
what = "named to the scaffold as the page that makes keys; not read yet"
"""

SANDBOX = """\
# {name}. Scaffolded on {checked}: errors are usual for {dialect}, none was recorded.
{sandbox}"""

LEFT = """\
{name} is in the catalog, with placeholders. Left for a person, in this order:
  1. server/byokd/catalog/providers/{id}.toml: read the documentation and replace every
     "not checked yet", the tags, the notes and `sources` (at least two pages, each with the day
     it was read and what it says)
  2. the same file: [quirks] with the evidence above each, [[errors]] for errors with words of
     their own, `env` if its own client reads a variable, `key_prefixes` if its keys have one
  3. server/byokd/sandbox/providers/{id}.toml: its recorded errors and its model list
  4. tests/vectors/errors/{id}.json, and its rows in probes.json: recorded bodies instead of
     those named "assumed"
  5. tests/vectors/efforts.json and requests/{id}.json: a row for each family of models, `source`
  6. tests/catalog/test_records.py: its row of the product table
  7. README.md: its row in the table of providers, and their number; CHANGELOG.md: one line
  8. tests/tools/make_models.py: its name in genai-prices, if it has prices there
After each change of the record: python -m byokd.catalog.snapshot, then
  python3 tests tests/catalog tests/dialects tests/provider_api tests/sandbox"""


class Refused(Exception):
    """The provider cannot be added; the text says why and what to do."""


class WrittenFiles:
    """Writes files and can put every one of them back as it was."""

    def __init__(self) -> None:
        self._before: dict[Path, bytes | None] = {}

    def write(self, path: Path, text: str) -> None:
        self._before.setdefault(path, path.read_bytes() if path.exists() else None)
        path.write_text(text, encoding="utf-8", newline="\n")

    def paths(self) -> list[str]:
        """Return what was written, relative to the project."""
        return sorted(path.relative_to(ROOT).as_posix() for path in self._before)

    def undo(self) -> None:
        for path, before in self._before.items():
            if before is None:
                path.unlink()
            else:
                path.write_bytes(before)


def main(words: list[str]) -> int:
    """Add the provider that the command line describes; 0, or 2 with the reason on stderr."""
    options = _arguments(words)
    files = WrittenFiles()
    try:
        _check(options)
        facts = _facts(options)
        _write_records(files, facts)
        _write_vectors(files, facts)
    except Refused as refusal:
        files.undo()
        print(f"new-provider: {refusal}", file=sys.stderr)
        return 2
    except BaseException:
        files.undo()
        raise
    print("\n".join(files.paths()))
    print(LEFT.format(**facts))
    return 0


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python3 tests new-provider", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("id", help="how the provider is called in files and calls: a-z, 0-9 and -")
    parser.add_argument("--name", required=True, help="what people read")
    parser.add_argument("--base-url", required=True, help="https, without the path of the chat")
    parser.add_argument("--dialect", default="openai_chat", choices=sorted(FORMATS))
    parser.add_argument("--model", default="example-model", help="a model, for the test tables")
    parser.add_argument("--docs-url", help="its documentation (default: the host of the base URL)")
    parser.add_argument("--key-url", help="where keys are made (default: likewise)")
    parser.add_argument("--env", metavar="NAME", help="the variable that its own client reads")
    parser.add_argument(
        "--checked",
        metavar="DAY",
        default=date.today().isoformat(),  # noqa: DTZ011 - the day where the person is
        help="when the facts given here were read, YYYY-MM-DD (default: today)",
    )
    return parser.parse_args(words)


# --- what is refused ------------------------------------------------------------------------------


def _check(options: argparse.Namespace) -> None:
    """Refuse what would leave the tree broken."""
    _check_id(options.id)
    for flag in ("base_url", "docs_url", "key_url"):
        _check_url(f"--{flag.replace('_', '-')}", getattr(options, flag))
    if not options.name.strip() or not options.name.isprintable() or set(options.name) & set('"\\'):
        raise Refused("--name must be one line without quotes and backslashes")
    if options.env and not re.fullmatch(r"[A-Z][A-Z0-9_]*", options.env):
        raise Refused(f"--env must be a variable's name such as ACME_API_KEY, not {options.env!r}")
    try:
        date.fromisoformat(options.checked)
    except ValueError:
        raise Refused(f"--checked must be a day as YYYY-MM-DD, not {options.checked!r}") from None


def _check_id(provider: str) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}[a-z0-9]", provider):
        raise Refused(f"{provider!r} is no id: use 2 to 64 of a-z, 0-9 and -, no - at the ends")
    for folder in (CATALOG, SANDBOX_FOLDER):
        path = folder / "providers" / f"{provider}.toml"
        if path.exists():
            raise Refused(f"{path.relative_to(ROOT)} is there already: choose another id")
    if place := next(_places_of(provider), ""):
        raise Refused(f"{provider!r} is a word of the code ({place}): choose another id")


def _check_url(flag: str, url: str | None) -> None:
    if url is None:
        return
    if not re.fullmatch(r"https://[a-z0-9.-]+(:\d+)?(/[\w./~-]*)?", url):
        raise Refused(f"{flag} must be an https address without query, not {url!r}")
    if url.endswith("/") and flag == "--base-url":
        raise Refused("--base-url must not end with /")


def _places_of(word: str) -> Iterator[str]:
    """Yield where a literal of the code equals the word: no provider's id may stand in code."""
    for path in sorted((ROOT / "server" / "byokd").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and node.value == word:
                yield f"{path.relative_to(ROOT)}:{node.lineno}"


def _facts(options: argparse.Namespace) -> dict[str, str]:
    """Return everything that the templates name."""
    from byokd.dialects.base.urls import join_url

    form = FORMATS[options.dialect]
    parts = urlsplit(options.base_url)
    home = f"{parts.scheme}://{parts.netloc}"
    listing = urlsplit(join_url(options.base_url, form["models_path"])).path
    env = (
        f'# Named to the scaffold on {options.checked}.\nenv = ["{options.env}"]\n'
        if options.env
        else ""
    )
    return {
        "id": options.id,
        "name": options.name,
        "dialect": options.dialect,
        "base_url": options.base_url,
        "model": options.model,
        "docs_url": options.docs_url or home,
        "key_url": options.key_url or home,
        "checked": options.checked,
        "chat_path": form["chat_path"],
        "models_path": form["models_path"],
        "record": form["record"],
        "sandbox": form["sandbox"].replace("{listing}", listing),
        "env": env,
        "unchecked": UNCHECKED,
    }


# --- the catalog and the sandbox ------------------------------------------------------------------


def _write_records(files: WrittenFiles, facts: dict[str, str]) -> None:
    from byokd.catalog.loader import load
    from byokd.catalog.snapshot import snapshot

    before = _neighbour(list(load().values()))
    files.write(CATALOG / "providers" / f"{facts['id']}.toml", RECORD.format(**facts))
    files.write(
        SANDBOX_FOLDER / "providers" / f"{facts['id']}.toml",
        SANDBOX.format(**facts),
    )
    order = CATALOG / "order.toml"
    listed = order.read_text("utf-8").replace(f'"{before}",', f'"{before}", "{facts["id"]}",', 1)
    files.write(order, listed)
    files.write(CATALOG / "providers.json", snapshot().decode())
    load.cache_clear()
    files.write(PRODUCT_TABLE, _with_row(PRODUCT_TABLE.read_text("utf-8"), before, facts))


def _neighbour(records: list[Any]) -> str:
    """Return the last provider that has one key and a base URL: the new one comes after it."""
    return str([r.id for r in records if r.kind == "singleField" and r.base_url][-1])


def _with_row(source: str, before: str, facts: dict[str, str]) -> str:
    """Return the product table with a row for this provider, after its neighbour's."""
    (row,) = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Row"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == before
    )
    lines = source.splitlines(keepends=True)
    lines.insert(row.end_lineno or 0, _product_row(facts))
    return "".join(lines)


def _product_row(facts: dict[str, str]) -> str:
    values = {"chat_path": facts["chat_path"], "probe": facts["models_path"]}
    usual = {"chat_path": "/chat/completions", "probe": "/models"}
    more = [f"{name}={json.dumps(value)}" for name, value in values.items() if value != usual[name]]
    if facts["dialect"] == "anthropic_messages":
        more += ['auth="header x-api-key"', 'headers=("anthropic-version",)']
    more += [f'pricing="{UNCHECKED}"', 'notes="scaffolded"']
    return (
        f'    Row(\n        "{facts["id"]}", "singleField", "{facts["dialect"]}",'
        f' "{facts["base_url"]}",\n        ' + ",\n        ".join(more) + ",\n    ),\n"
    )


# --- the tables of the tests ----------------------------------------------------------------------


def _write_vectors(files: WrittenFiles, facts: dict[str, str]) -> None:
    """Write what our own code makes of the provider; a person compares it with what is true."""
    files.write(VECTORS / "requests" / f"{facts['id']}.json", _table(_requests(facts)))
    files.write(VECTORS / "errors" / f"{facts['id']}.json", _table(_errors(facts["id"])))
    for name, rows in (("probes", _probes(facts)), ("efforts", [_efforts(facts)])):
        path = VECTORS / f"{name}.json"
        table = path.read_text("utf-8").rstrip().removesuffix("]").rstrip()
        lines = ",\n".join(f"  {_line(row)}" for row in rows)
        files.write(path, f"{table},\n{lines}\n]\n")


def _table(rows: list[dict[str, Any]]) -> str:
    return "[\n" + ",\n".join(f"  {_line(row)}" for row in rows) + "\n]\n"


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)


def _requests(facts: dict[str, str]) -> list[dict[str, Any]]:
    from dialects.sample_calls import SampleCall
    from dialects.test_requests import CALLS, shown

    call = SampleCall(facts["id"], facts["model"], None, {})
    first = {"source": f"{UNCHECKED}: scaffolded on {facts['checked']}"}
    return [
        {"call": name, "model": facts["model"], **({} if number else first), **shown(call, name)}
        for number, name in enumerate(CALLS)
    ]


def _efforts(facts: dict[str, str]) -> dict[str, Any]:
    from dialects.sample_calls import EFFORTS, SampleCall
    from dialects.test_efforts import cell

    call = SampleCall(facts["id"], facts["model"], None, {})
    efforts = {effort: cell(call, effort) for effort in EFFORTS}
    return {"provider": facts["id"], "model": facts["model"], "efforts": efforts}


def _errors(provider: str) -> list[dict[str, Any]]:
    """Return the sandbox's errors and what each is read as.

    Raises:
        Refused: one of them is not read as it must be.
    """
    from byokd.sandbox.provider import behaviour

    own = behaviour(provider)
    answers: list[tuple[str, int, dict[str, str], Any]] = list(FROM_ELSEWHERE)
    for name in EXPECTED:
        failure = own.failure(name, model="m", key="sk-…", retry_after=7)
        headers = {n: v for n, v in failure.headers.items() if n == "retry-after"}
        answers.append((name, failure.status, headers, json.loads(failure.body)))
    rows = [_error_row(provider, *answer) for answer in answers]
    for row in rows:
        name, kind = row["name"].removeprefix("assumed: "), row["expect"]["kind"]
        if kind != EXPECTED.get(name, kind):
            raise Refused(f"the error {name} is read as {kind}, not {EXPECTED[name]}")
    return rows


def _error_row(
    provider: str, name: str, status: int, headers: dict[str, str], body: Any
) -> dict[str, Any]:
    from byokd.catalog.loader import load
    from byokd.core.http import Headers, HttpHead
    from byokd.dialects.errors.classify import classify

    fault = classify(load()[provider], HttpHead(status, Headers(headers.items())), _bytes(body))
    return {
        "name": f"assumed: {name}",
        "provider": provider,
        "status": status,
        "headers": headers,
        "body": body,
        "inStream": False,
        "needsRecord": True,
        "expect": {
            "kind": fault.kind,
            "health": fault.health,
            "retryable": fault.retryable,
            "retryAfterMs": fault.retry_after_ms,
        },
    }


def _probes(facts: dict[str, str]) -> list[dict[str, Any]]:
    """Return answers to the probe and the verdict on the key that each gives.

    Raises:
        Refused: one of them gives another verdict than it must.
    """
    from byokd.sandbox.provider import behaviour

    failure = behaviour(facts["id"]).failure
    page = ("<html><title>Sign in</title></html>", {"content-type": "text/html"})
    answers: list[tuple[str, str, int, dict[str, str], Any]] = [
        ("captive portal", "unreachable", 200, page[1], page[0]),
        ("good key", "valid", 200, {}, FORMATS[facts["dialect"]]["models"]),
    ]
    for name, error, verdict in (
        ("wrong key", "bad_key", "invalid"),
        ("rate", "rate_limit", "rateLimited"),
    ):
        body = failure(error, model="m", key="sk-…", retry_after=7)
        answers.append((name, verdict, body.status, {}, json.loads(body.body)))
    rows = []
    for name, verdict, *answer in answers:
        row = _probe_row(facts["id"], name, *answer)
        if row["expect"]["verdict"] != verdict:
            raise Refused(f"the answer {name} gives {row['expect']['verdict']}, not {verdict}")
        rows.append(row)
    return rows


def _probe_row(
    provider: str, name: str, status: int, headers: dict[str, str], body: Any
) -> dict[str, Any]:
    from byokd.catalog.loader import load
    from byokd.core.http import Headers, HttpHead
    from byokd.provider_api.probe import read_probe

    head = HttpHead(status, Headers(headers.items()))
    reading = read_probe(load()[provider], head, _bytes(body))
    return {
        "provider": provider,
        "name": f"assumed: {name}",
        "probe": "first",
        "status": status,
        "headers": headers,
        "body": body,
        "expect": {
            "verdict": reading.verdict,
            "message": reading.message,
            "modelsSeen": reading.models_seen,
            "details": reading.details,
        },
    }


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


if __name__ == "__main__":
    # Before the installed package: this tree may be a copy of the one that is installed.
    sys.path[:0] = [str(ROOT / "server"), str(ROOT / "tests")]
    sys.exit(main(sys.argv[1:]))
