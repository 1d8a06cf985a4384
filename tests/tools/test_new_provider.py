"""The scaffold for a provider on a copy of the project: what it writes and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from source_tree import ROOT, tracked

COPIED = ("server/", "tests/", "pyproject.toml")
OPTIONS = (
    "--name",
    "Acme AI",
    "--base-url",
    "https://api.acme.example/v1",
    "--checked",
    "2026-11-20",
)
SUITES = (
    "tests/catalog",
    "tests/dialects/errors/test_classify.py",
    "tests/dialects/test_credentials.py",
    "tests/dialects/test_efforts.py",
    "tests/dialects/test_requests.py",
    "tests/provider_api/test_probe.py",
    "tests/sandbox/test_providers.py",
    "tests/sandbox/test_styles.py",
    "tests/test_architecture.py",
)
"""Every suite that has a table of providers and starts no daemon."""

WHOLE_TABLES = "acme or every or table or snapshot or confused or provider_name"
"""The tests that are about the new provider, or about all of them at once."""


def _copied(folder: Path) -> Path:
    for path in tracked():
        name = path.relative_to(ROOT)
        if name.as_posix().startswith(COPIED):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return _copied(tmp_path)


@pytest.fixture(scope="module")
def unchanged_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _copied(tmp_path_factory.mktemp("tree"))


def _scaffold(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-X", "utf8", str(tree / "tests/tools/new_provider.py")]
    return subprocess.run([*command, *words], check=False, capture_output=True, encoding="utf-8")


def _contents(tree: Path) -> dict[str, bytes]:
    files = (path for path in tree.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in files}


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("dialect", "selected"),
    [
        pytest.param("openai_chat", WHOLE_TABLES, id="openai_chat"),
        pytest.param("openai_responses", "test", id="openai_responses", marks=pytest.mark.long),
        pytest.param("anthropic_messages", "test", id="anthropic_messages", marks=pytest.mark.long),
    ],
)
def test_scaffolded_provider_passes_every_table(tree: Path, dialect: str, selected: str) -> None:
    before = _contents(tree)
    done = _scaffold(tree, "acme-ai", *OPTIONS, "--dialect", dialect, "--env", "ACME_API_KEY")
    assert done.returncode == 0, done.stderr
    after = _contents(tree)
    changed = {name for name, data in after.items() if before.get(name) != data}
    assert changed == {line for line in done.stdout.splitlines() if line in after}
    assert len(changed) == 9
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert {name for name in changed if f"`{name.replace('acme-ai', '<id>')}`" not in page} == set()
    assert "Left for a person" in done.stdout
    pytest_here = [sys.executable, "-I", "-m", "pytest", "-q", "-o", "pythonpath=tests server"]
    suite = subprocess.run(
        [*pytest_here, "-k", selected, *SUITES],
        check=False,
        cwd=tree,
        capture_output=True,
        encoding="utf-8",
    )
    assert suite.returncode == 0, suite.stdout[-4000:]
    assert int(re.findall(r"(\d+) passed", suite.stdout)[0]) > 50


def test_record_says_what_is_not_checked(tree: Path) -> None:
    assert _scaffold(tree, "acme-ai", *OPTIONS).returncode == 0
    text = (tree / "server/byokd/catalog/providers/acme-ai.toml").read_text("utf-8")
    record = tomllib.loads(text)
    assert record["tool_calling"] == record["pricing"] == "not checked yet"
    assert {source["checked"] for source in record["sources"]} == {"2026-11-20"}
    assert "env" not in record["fields"][0]
    rows = json.loads((tree / "tests/vectors/errors/acme-ai.json").read_text("utf-8"))
    assert all(row["name"].startswith("assumed: ") for row in rows)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("openai", *OPTIONS), "is there already"),
        (("generic", *OPTIONS), "is there already"),
        (("Acme", *OPTIONS), "is no id"),
        (("-acme", *OPTIONS), "required: id"),
        (("text", *OPTIONS), "is a word of the code"),
        (("acme-ai", *OPTIONS, "--base-url", "http://api.acme.example/v1"), "--base-url must be"),
        (
            ("acme-ai", *OPTIONS, "--base-url", "https://api.acme.example/v1/"),
            "must not end with /",
        ),
        (("acme-ai", *OPTIONS, "--checked", "yesterday"), "--checked must be a day"),
        (("acme-ai", *OPTIONS, "--name", 'Acme "AI"'), "--name must be one line"),
        (("acme-ai", *OPTIONS, "--env", "acme key"), "--env must be"),
        (("acme-ai", *OPTIONS, "--dialect", "telnet"), "invalid choice"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_words_change_nothing(
    unchanged_tree: Path, words: tuple[str, ...], reason: str
) -> None:
    before = _contents(unchanged_tree)
    done = _scaffold(unchanged_tree, *words)
    assert done.returncode == 2
    assert reason in done.stderr
    assert _contents(unchanged_tree) == before


def test_failed_step_puts_everything_back(tree: Path) -> None:
    (tree / "tests/vectors/probes.json").unlink()
    before = _contents(tree)
    assert _scaffold(tree, "acme-ai", *OPTIONS).returncode == 1
    assert _contents(tree) == before
