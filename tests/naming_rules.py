"""The rules for names: words to avoid, words that say nothing, and module names of the past."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from source_tree import Module

AVOIDED_WORDS = frozenset(
    {"manager", "helper", "helpers", "util", "utils", "wrapper", "misc", "common"}
)

NAMES_TO_AVOID = frozenset(
    {
        *("house", "room", "door", "keeper", "custody", "company", "way", "leg", "trail"),
        *("houses", "rooms", "doors", "keepers", "companies", "ways", "legs", "trails"),
        *("said", "told", "heard", "found"),
    }
)
"""Words that name no part of a program; the field has standard terms for all."""

WHOLE_NAMES_TO_AVOID = frozenset({"asked", "given"})
"""Words that are fine in a longer name and say nothing as the whole name of a value."""

TERMS_ALLOWED: dict[str, str] = {"not_found": "the error kinds notFound, modelNotFound; HTTP 404"}
"""Standard terms and names of the protocol that contain such a word, in snake case."""

OLD_MODULES: dict[str, str] = {
    "house": "app",
    "world": "sandbox_env",
    "keepers": "vault, audit, model_cache",
    "custody": "services.audit.maintenance",
    "trail": "audit.log, services.audit.service",
    "uses": "services.audit.usage_counter",
    "words": "audit.events",
    "standing": "vault.status",
    "hierarchy": "vault.key_wrapping",
    "vault.lifecycle": "vault.vault",
    "moved": "vault.transfer",
    "moving": "protocol.transfer",
    "bundle": "crypto.export_file",
    "intent": "vault.pending_keys",
    "found": "services.transfer.detect",
    "services.sources": "services.transfer.import_sources",
    "services.transfer.sources": "services.transfer.import_sources",
    "intake": "services.keys.input",
    "access": "services.keys.credentials",
    "patience": "services.chat.deadlines",
    "recall": "services.chat.state_cache",
    "recent": "services.chat.ttl_cache",
    "repair": "services.chat.fallback_memory",
    "amend": "dialects.errors.fallback",
    "refusals": "dialects.errors.rejected_params",
    "asking": "services.health.prompts",
    "changes": "services.runtime.store_watcher",
    "watch": "services.health.monitor",
    "billing": "services.chat.cost",
    "counted": "dialects.base.usage",
    "pairs": "dialects.base.tool_pairing",
    "pointer": "dialects.base.json_pointer",
    "bodies": "dialects.framing.body",
    "loose_json": "dialects.base.json",
    "scrub": "core.redaction.text",
    "way": "transport.diagnostics",
    "seam": "transport.interface",
    "reading": "transport.response_limits",
    "failures": "transport.exceptions",
    "company": "rpc.parent_watch",
    "inlet": "rpc.stdin",
    "pipe": "rpc.stdout",
    "gate": "store.file_lock",
    "ballast": "store.reserve_file",
    "given_file": "keysource.provided_file",
    "marks": "keysource.anchor_store",
    "mask": "core.redaction.secrets",
    "shapes": "core.redaction.patterns",
    "masking": "services.chat.redaction",
    "heard": "recording_client",
    "promises": "contract_limits",
    "life": "vault_scenario",
    "hammer": "writer_process",
    "lone_client": "killable_client",
    "door": "rpc_harness",
    "varied": "response_variants",
    "cutting": "chunking",
    "said": "answer_summary",
    "asked": "sample_calls",
    "stores": "vault_fixture",
}
"""Names that modules had before, and where their content is. A name with dots is a whole path."""


def class_names_say_something(module: Module) -> Iterator[str]:
    """Report classes and modules with an empty word in their name, such as `manager`."""
    for node in module.nodes:
        if isinstance(node, ast.ClassDef):
            for word in AVOIDED_WORDS.intersection(_words(node.name)):
                yield module.at(node, f"{node.name}: {word!r} says nothing")
    for word in AVOIDED_WORDS.intersection(module.path.stem.split("_")):
        yield module.at(module.tree, f"{word!r} says nothing")


def _words(name: str) -> list[str]:
    """Split `camelCase`, `CapWords` and `snake_case` into lower-case words."""
    return _snake_case(name).split("_")


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def names_are_standard_terms(module: Module) -> Iterator[str]:
    """Report names of modules, classes, functions, locals and fields with a word to avoid."""
    last = module.name.rpartition(".")[2]
    for node, name in [(module.tree, last), *_defined_names(module)]:
        if words := _avoided(name):
            yield module.at(node, f"{name}: use a standard term instead of {min(words)!r}")


_TYPESCRIPT_TEXT = re.compile(
    r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`""", re.DOTALL
)
"""Comments, strings and templates."""


def typescript_names_to_avoid(text: str) -> list[str]:
    """Return the identifiers of TypeScript code that Python code must not have either."""
    code = _TYPESCRIPT_TEXT.sub(" ", text)
    return sorted(name for name in set(re.findall(r"[A-Za-z_]\w*", code)) if _avoided(name))


@cache
def _avoided(name: str) -> frozenset[str]:
    """Return the words that make a name unclear."""
    words = NAMES_TO_AVOID.intersection(_without_allowed_terms(name).split("_"))
    return words | WHOLE_NAMES_TO_AVOID.intersection({name.strip("_").lower()})


def _without_allowed_terms(name: str) -> str:
    """Return the name in snake case without the terms of TERMS_ALLOWED."""
    terms = "|".join(TERMS_ALLOWED)
    return re.sub(rf"(?<![a-z])(?:{terms})(?![a-z])", "", _snake_case(name))


def _defined_names(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield each name that a module defines, with its node."""
    for node in module.nodes:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield node, name
            case ast.AsyncFunctionDef(name=name) | ast.ExceptHandler(name=str(name)):
                yield node, name
            case ast.arg(arg=name) | ast.alias(asname=str(name)):
                yield node, name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node, name
            case ast.Name(id=name, ctx=ast.Store()):
                yield node, name
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield node, name


def old_module_names_are_gone(module: Module) -> Iterator[str]:
    """Report modules, packages and tests that have a name of OLD_MODULES."""
    parts = [part.removeprefix("test_") for part in module.name.split(".")]
    paths = {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
    for old in sorted(OLD_MODULES.keys() & (paths | set(parts))):
        yield module.at(module.tree, f"{old} is now in {OLD_MODULES[old]}")
