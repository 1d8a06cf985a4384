"""Rules by family and version: which models they hold for, and that new names keep the newest."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from byokd.catalog.families import applies, families, shared_rows
from byokd.catalog.loader import load
from byokd.catalog.quirks import DIALECTS, quirks_type
from byokd.catalog.quirks.shared import Quirks
from byokd.catalog.record import Provider
from byokd.catalog.record_file import load_text
from byokd.catalog.surfaces import choose_surface
from byokd.catalog.variant import Variant
from byokd.protocol.errors import InvalidParams
from catalog.test_quirks import RECORD
from recorded import VECTORS

_NEWER = json.loads((VECTORS / "newer_models.json").read_text(encoding="utf-8"))
_BY_MODEL = {"reasoning_models", "reasoning_echo_models"}
"""Expressions of a record, which are compared by what they match."""


def _record(row: dict[str, Any], model: str) -> Provider:
    record = load()[row["provider"]]
    base_url = record.base_url or "https://host.test/v1"
    return choose_surface(record, model, base_url, row.get("dialect"))


def _facts(row: dict[str, Any], model: str) -> dict[str, Any]:
    quirks: Quirks = _record(row, model).quirks_for(model)
    facts = quirks.model_dump()
    for name in _BY_MODEL & facts.keys():
        facts[name] = facts[name] is None or bool(re.search(facts[name], model))
    return facts | {"echoes": quirks.echoes_reasoning(model)}


@pytest.mark.parametrize("row", _NEWER, ids=lambda row: f"{row['provider']} {row['model']}")
def test_newer_model_has_the_rules_of_its_newest_known_family(row: dict[str, Any]) -> None:
    assert _facts(row, row["model"]) == _facts(row, row["like"])


def test_newest_models_are_in_the_table_of_efforts() -> None:
    table = json.loads((VECTORS / "efforts.json").read_text(encoding="utf-8"))
    shown = {(row["provider"], row["model"], row.get("dialect")) for row in table}
    assert {(row["provider"], row["like"], row.get("dialect")) for row in _NEWER} <= shown


def test_every_provider_with_rules_by_model_has_a_newer_model() -> None:
    with_rules = {name for name, record in load().items() if record.variants}
    assert with_rules <= {row["provider"] for row in _NEWER} <= set(load())


def test_every_rule_without_an_end_holds_for_a_newer_model() -> None:
    """A rule that a maintainer adds with `since` is covered by an invented name."""
    records = {id(row): _record(row, row["model"]) for row in _NEWER}
    open_rows = [row for row in shared_rows() if row.since is not None and row.before is None]
    for record in load().values():
        open_rows += [v for v in record.variants if v.since is not None and v.before is None]
    uncovered = [
        rule
        for rule in open_rows
        if not any(applies(rule, row["model"], records[id(row)].dialect) for row in _NEWER)
    ]
    assert uncovered == []


# --- versions -------------------------------------------------------------------------------------

_VERSIONS: list[tuple[str, str, str | None]] = [
    # family, model, version: "" for the newest, None for another family
    ("claude", "claude-3-5-haiku-20241022", "3-5"),
    ("claude", "claude-3-opus-20240229", "3"),
    ("claude", "claude-opus-4-20250514", "4"),
    ("claude", "claude-opus-4-1-20250805", "4-1"),
    ("claude", "claude-opus-4@20250514", "4"),
    ("claude", "anthropic/claude-haiku-4.5", "4.5"),
    ("claude", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "4-5"),
    ("claude", "anthropic.claude-v2:1", "2"),
    ("claude", "anthropic.claude-instant-v1", "1"),
    ("claude", "claude-2.1", "2.1"),
    ("claude", "claude-mythos-preview", ""),
    ("claude", "claude-sonnet-latest", ""),
    ("claude", "Qwen3.5-27B-Claude-Opus-4.6-Distilled", None),
    ("claude", "gpt-5", None),
    ("gpt", "gpt-5.2-pro", "5.2"),
    ("gpt", "openai/gpt-4o-mini", "4"),
    ("gpt", "gpt-4-1106-preview", "4"),
    ("gpt", "gpt-4-32k", "4"),
    ("gpt", "gpt-35-turbo", None),
    ("gpt", "gpt-oss-120b", None),
    ("gpt", "chatgpt-4o-latest", None),
    ("o-series", "o3-mini-2025-01-31", "3"),
    ("o-series", "openai/o4-mini-high", "4"),
    ("o-series", "gpt-4o1", None),
    ("gemini", "gemini-2.5-flash-lite", "2.5"),
    ("gemini", "google/gemini-3-pro-preview", "3"),
    ("gemini", "gemini-robotics-er-1.5-preview", "1.5"),
    ("gemini", "gemini-flash-latest", ""),
    ("gemini", "gemini-exp-1206", ""),
    ("gemini", "gemini-pro", None),
    ("grok", "grok-4-0709", "4"),
    ("grok", "x-ai/grok-4-1-fast", "4-1"),
    ("grok", "grok-code-fast-1", "1"),
    ("grok", "grok-latest", ""),
    ("qwen", "Qwen/Qwen3.8-27B", "3.8"),
    ("qwen", "qwen-3.8-27b", "3.8"),
    ("qwen", "qwen3:8b", "3"),
    ("qwen", "qwen-14b-chat", None),
    ("qwen", "qwen-plus", None),
    ("qwen", "deepseek-r1-distill-qwen-32b", None),
    ("glm", "accounts/fireworks/models/glm-5p3", "5p3"),
    ("glm", "zai-glm-5-3", "5-3"),
    ("glm", "glm-4-9b-chat", "4"),
    ("glm", "glm-4-0520", "4"),
    ("glm", "glm-4.5v", "4.5"),
    ("deepseek", "deepseek-ai/DeepSeek-V3.1-Terminus", "3.1"),
    ("deepseek", "deepseek-v4-1-flash", "4-1"),
    ("deepseek", "deepseek.v3.2", "3.2"),
    ("deepseek", "deepseek-flash", ""),
    ("deepseek", "deepseek/deepseek-chat-v3", None),
    ("deepseek", "deepseek-reasoner", None),
    ("deepseek", "us.deepseek.r1-v1:0", None),
    ("kimi", "moonshotai/Kimi-K2.7-Code", "2.7"),
    ("kimi", "kimi-k2-0711-preview", "2"),
    ("kimi", "accounts/fireworks/models/kimi-k2p5", "2p5"),
    ("kimi", "moonshot-v1-8k", None),
    ("minimax", "MiniMaxAI/MiniMax-M2.7", "2.7"),
    ("minimax", "minimax.minimax-m3", "3"),
    ("minimax", "abab6.5-chat", None),
]


@pytest.mark.parametrize(("family", "model", "version"), _VERSIONS)
def test_version_of_a_model(family: str, model: str, version: str | None) -> None:
    match = re.search(families()[family], model)
    matched = None if match is None else (match.groupdict().get("version") or "")
    assert matched == version


def test_every_versioned_family_is_in_the_table() -> None:
    versioned = {name for name, pattern in families().items() if "(?P<version>" in pattern}
    assert {family for family, _, _ in _VERSIONS} == versioned


@pytest.mark.parametrize(
    ("conditions", "models", "others"),
    [
        ({"since": "4.6"}, ["claude-opus-4-6", "claude-opus-4-10", "claude-opus-5", "claude-x"],
         ["claude-opus-4", "claude-opus-4-5", "claude-3-7-sonnet"]),
        ({"before": "4.6"}, ["claude-opus-4", "claude-3-7-sonnet"],
         ["claude-opus-4-6", "claude-opus-latest"]),
        ({"since": "4", "before": "4.6"}, ["claude-opus-4", "claude-opus-4-5"],
         ["claude-3-opus-20240229", "claude-opus-4-6", "claude-opus-latest"]),
        ({"since": "4", "models": "haiku"}, ["claude-haiku-4-5"], ["claude-opus-4", "gpt-5"]),
        ({"dialects": ["openai_chat"]}, ["claude-opus-4"], []),
        ({"dialects": ["gemini"]}, [], ["claude-opus-4"]),
    ],
)  # fmt: skip
def test_conditions_of_a_rule(
    conditions: dict[str, Any], models: list[str], others: list[str]
) -> None:
    rule = Variant.model_validate({"family": "claude", "quirks": {}} | conditions)
    assert [model for model in models if not applies(rule, model, "openai_chat")] == []
    assert [model for model in others if applies(rule, model, "openai_chat")] == []


# --- conversations that end with the assistant ----------------------------------------------------

_NO_PREFILL: dict[str, list[str]] = {
    "refuse": [
        "claude-opus-4-6", "claude-sonnet-4.6", "anthropic/claude-opus-4.8",
        "us.anthropic.claude-opus-4-7-20260401-v1:0", "claude-4.6-opus", "claude-sonnet-5-5",
        "vertex_ai/claude-haiku-5-5@20261007", "claude-opus-10", "Claude-Saga-7", "claude-fable",
        "claude-mythos-preview",
        "gemini-3.5-flash-lite", "gemini-3.6-flash", "models/gemini-3.7-flash-preview",
        "google/gemini-4-hydrogen", "gemini-10-pro", "gemini-flash-latest",
    ],
    "continue": [
        "claude-2.1", "claude-instant-1.2", "claude-3-opus-20240229", "claude-3-7-sonnet-latest",
        "claude-3.5-haiku", "anthropic.claude-v2:1", "claude-sonnet-4-20250514", "claude-opus-4",
        "claude-opus-4-1-20250805", "anthropic/claude-sonnet-4.5", "claude-4.5-haiku",
        "claude-sonnet-4@20250514", "bedrock/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        "gemini-2.5-pro", "gemini-1.5-flash", "google/gemini-3-flash-preview", "gemini-3.1-pro",
        "gemini-3.5-flash", "gemini-pro", "gemini-exp-1206",
        "gpt-6", "qwen3.8-27b", "mistral-large-4",
    ],
}  # fmt: skip


def _rules(model: str) -> tuple[str, ...]:
    return load()["openai-compatible"].quirks_for(model).rules


@pytest.mark.parametrize("model", _NO_PREFILL["refuse"])
def test_model_that_refuses_a_prefill_gets_a_last_turn_of_the_user(model: str) -> None:
    assert "end_with_user" in _rules(model)


@pytest.mark.parametrize("model", _NO_PREFILL["continue"])
def test_model_that_continues_an_answer_gets_none(model: str) -> None:
    assert "end_with_user" not in _rules(model)


# --- the shared rules -----------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_shared_rules_fit_every_dialect(dialect: str) -> None:
    form = quirks_type(dialect)
    assert form is not None
    for rule in shared_rows():
        if rule.dialects and dialect not in rule.dialects:
            continue
        known = {name: v for name, v in rule.quirks.items() if name in form.model_fields}
        form.model_validate(known)


def test_quirk_of_a_shared_rule_is_known_where_it_is_read() -> None:
    for rule in shared_rows():
        forms = [quirks_type(dialect) for dialect in rule.dialects or DIALECTS]
        for name in rule.quirks:
            readers = [form for form in forms if form is not None and name in form.model_fields]
            assert readers if not rule.dialects else len(readers) == len(forms), (rule, name)


def test_families_of_the_shared_rules_exist() -> None:
    assert {rule.family for rule in shared_rows()} == set(families())


def test_record_wins_over_the_shared_rules() -> None:
    quirks = load()["groq"].quirks_for("qwen/qwen3.8-27b")
    assert quirks.efforts == ("low", "medium", "high")


def test_refused_fields_add_up() -> None:
    quirks = load()["ollama"]
    surface = choose_surface(quirks, "claude-opus-5-5", "https://host.test", "openai_chat")
    assert surface.quirks_for("claude-opus-5-5").unsupported == (
        "temperature",
        "top_p",
        "top_k",
        "tool_choice",
        "parallel_tool_calls",
    )


_OWN = RECORD.format(dialect="openai_chat") + "[[variants]]\n"


@pytest.mark.parametrize(
    ("variant", "fault"),
    [
        ('family = "unheard-of"', "unknown family unheard-of at variants.family"),
        ('models = "x"\nsince = "1"', "a version without a family"),
        ('since = "1"', "a version without a family"),
        ('family = "claude"\nsince = "new"', "string pattern mismatch at variants.0.since"),
    ],
)
def test_invalid_condition_is_refused(variant: str, fault: str) -> None:
    with pytest.raises(InvalidParams, match=re.escape(fault)):
        load_text(f"{_OWN}{variant}\nquirks = {{}}\n", "mine.toml")


def test_own_record_takes_the_shared_rules() -> None:
    record = load_text(_OWN + 'models = "x"\nquirks = {}\n', "mine.toml")
    assert "end_with_user" in record.quirks_for("claude-opus-5-5").rules
