"""The pages for contributors and the pre-commit configuration: what they name exists, and runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest

from source_tree import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
HOOKS = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
TOP_LEVEL = ("server/", "tests/", "client-ts/", "protocol.md", "README.md", "CHANGELOG.md", ".pre")

EXAMPLES = {
    "<id>": ("together", "openai", "cohere"),
    "<dialect>": ("openai_chat", "cohere_chat", "gemini"),
    "<resource>": ("key", "vault"),
    "<command>": ("keys", "doctor"),
}
"""What each placeholder of a path may stand for: every one of these must be there."""


def _named_paths() -> list[str]:
    """Return the paths in code spans, and those in links."""
    spans = re.findall(r"`([^`\n]+)`", PAGE) + re.findall(r"\]\(([^)]+)\)", PAGE)
    return sorted({span for span in spans if span.startswith(TOP_LEVEL) and " " not in span})


def _instances(path: str) -> list[str]:
    names = [name for name in EXAMPLES if name in path]
    return [path.replace(names[0], value) for value in EXAMPLES[names[0]]] if names else [path]


@pytest.mark.parametrize("path", _named_paths())
def test_named_path_exists(path: str) -> None:
    assert [one for one in _instances(path) if not (ROOT / one).exists()] == []


def _modules_of_architecture() -> list[str]:
    page = (ROOT / "server" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    return sorted(set(re.findall(r"`(\w+/[\w/]+\.(?:py|toml))`", page)))


@pytest.mark.parametrize("path", _modules_of_architecture())
def test_module_named_in_architecture_exists(path: str) -> None:
    assert any((folder / path).exists() for folder in (ROOT / "server" / "byokd", ROOT))


def test_architecture_names_the_modules_of_both_paths() -> None:
    assert len(_modules_of_architecture()) > 40


def test_page_names_many_paths() -> None:
    assert len(_named_paths()) > 40


@pytest.mark.parametrize(
    "section",
    [
        "A provider that only you use", "A provider that ships", "A quirk", "A wire format",
        "A method", "A command", "An audit event", "Prices and models", "What an error means",
        "A bound", "A rule of the sandbox", "A conversation rule", "A field of the contract",
        "An error kind", "A setting of config.toml", "A change of the tables",
    ],
)  # fmt: skip
def test_page_has_every_kind_of_change(section: str) -> None:
    assert re.search(rf"^### {section}", PAGE, re.MULTILINE)


def _commands() -> list[list[str]]:
    return [shlex.split(line) for line in re.findall(r"^ +entry: (.+)$", HOOKS, re.MULTILINE)]


def test_hooks_use_the_tools_of_the_project() -> None:
    assert len(_commands()) == 4
    assert {command[0] for command in _commands()} == {".venv/bin/python"}
    assert re.findall(r"^ +- repo: (\S+)$", HOOKS, re.MULTILINE) == ["local"]
    assert set(re.findall(r"language: (\S+)", HOOKS)) == {"system"}


def test_hooks_run_the_static_checks_of_the_suite() -> None:
    suite = (ROOT / "tests" / "__main__.py").read_text(encoding="utf-8")
    for command in _commands()[:3]:
        arguments = ", ".join(f'"{word}"' for word in command[1:])
        assert f"[python, {arguments}]" in suite


@pytest.mark.parametrize("command", _commands(), ids=lambda command: " ".join(command[3:]))
def test_hook_runs(command: list[str]) -> None:
    quick = {"mypy": ["--version"], "pytest": ["--collect-only"]}.get(command[3], [])
    done = subprocess.run(
        [sys.executable, *command[1:], *quick],
        check=False,
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
