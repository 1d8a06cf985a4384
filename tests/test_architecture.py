"""The architecture rules: who may import whom, what pure layers may do, how things are named.

Every module of byokd is parsed, none is imported, so a breach is reported even where the import
would fail. To allow something new, add a row to a table here and give the reason in the row.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Sequence

import pytest

from attribute_rules import attributes_are_set_by_their_own_object
from body_rules import dialects_share_no_body
from naming_rules import (
    class_names_say_something,
    names_are_standard_terms,
    old_module_names_are_gone,
    typescript_names_to_avoid,
)
from parsed_modules import MODULES, TESTS
from source_tree import PROVIDER_IDS, ROOT, SOURCE, Module, length

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"protocol", "core"}),  # 0 core: contract types, values and bounds
    frozenset({"catalog", "dialects", "provider_api", "crypto"}),  # 1 domain: pure
    frozenset({"transport", "store", "keysource"}),  # 2 infrastructure: network, disk, OS
    frozenset(
        {"vault", "audit", "model_cache", "catalog_store"}
    ),  # 3 persistence: what must be true on disk
    frozenset({"services"}),  # 4 services: decisions over time
    frozenset({"rpc"}),  # 5 server
    frozenset(  # 6 entry points
        {
            *("cli", "app", "composition", "config", "process", "__main__"),
            *("sandbox", "testing", "ui", "installer"),
        }
    ),
)
CORE = LAYERS[0]

SIDEWAYS: tuple[tuple[str, str, str], ...] = (
    ("protocol", "core.limits", "the contract states its bounds"),
    ("core.settings", "protocol.lifecycle", "settings switch the features of the contract"),
    ("dialects", "catalog.record", "a dialect reads the quirks of a record"),
    ("dialects", "catalog.quirks", "the quirks of its own format"),
    ("dialects", "catalog.rules", "the names of conversation rules, which records set"),
    ("dialects.errors", "catalog.errors", "the general rows that classify errors are data"),
    ("dialects.errors", "catalog.surfaces", "a refused chat path leads to another surface"),
    ("provider_api", "catalog.record", "a model list and a probe are described in the record"),
    ("provider_api", "catalog.token_counts", "the numbers of a family of models"),
    ("provider_api", "dialects.base", "the values of a request, and how a credential is put on"),
    (
        "provider_api",
        "dialects.errors",
        "an error of a list or a probe means what it means in a chat",
    ),
    ("__main__", "app", "composition"),
    ("__main__", "process", "before anything else is imported"),
    ("app", "process", "the part of it that must not hold up `initialize`"),
    ("app", "composition", "builds the services after `initialize` was answered"),
    ("composition", "process", "a warning that may come late"),
    ("__main__", "cli", "words for people, when a person is there"),
    ("app", "config", "composition"),
    ("testing", "app", "the same application with a short health policy"),
    ("testing", "config", "settings without a file"),
    ("testing", "__main__", "the same start"),
    ("cli", "process", "what the daemon may be started with"),
    ("cli", "sandbox", "the demo brings its own provider"),
    ("cli", "ui", "the command that serves the page"),
    ("ui", "process", "what the daemon may be started with"),
    ("testing", "ui", "the same page on a daemon with a short health policy"),
)
"""Who may import what in its own layer, and why. Imports of lower layers need no row."""

NARROW: tuple[tuple[str, frozenset[str], str], ...] = (
    ("rpc", CORE | {"services"}, "the server cannot see the vault, the store or the network"),
    (
        "cli",
        CORE | {"crypto.seal", "process", "sandbox", "ui"},
        "the command line is a client of the daemon",
    ),
    ("ui", CORE | {"crypto.seal", "process"}, "the page is a client of the daemon"),
    ("installer", frozenset(), "it runs before anything is installed"),
    (
        "sandbox",
        frozenset({"core", "catalog", "dialects.base.sigv4"}),
        "what simulates a provider must not share our reading of it; AWS's algorithm is published",
    ),
    (
        "vault",
        CORE | {"crypto", "store", "keysource"},
        "it shares a transaction with the audit log, not its code",
    ),
    ("audit", CORE | {"crypto", "store"}, "it shares a transaction with the vault, not its code"),
    ("model_cache", CORE | {"store"}, "it has a file of its own"),
    (
        "catalog_store",
        CORE | {"store", "catalog", "crypto.signature"},
        "signed public data: it needs no key of a person",
    ),
)
"""Packages that may import less than their layer allows, their own modules aside."""

DIALECT_SHARED = frozenset({"base", "framing", "errors"})
"""Packages of `dialects` that every wire format may use."""

OPENAI_FAMILY = "dialects.base.openai_family"
"""The module of DIALECT_SHARED that reads the quirks of OpenAI's two formats."""

WAITING = LAYERS[2] | LAYERS[3] - {"catalog_store"} | LAYERS[4] | LAYERS[5]
WAITING_ENTRY_POINTS = frozenset({"cli", "app", "composition", "sandbox", "testing", "ui"})

LIBRARIES: dict[str, tuple[frozenset[str], str]] = {
    "pydantic": (
        frozenset({"protocol", "core.settings", "catalog", "config"}),
        "types of contract, facts, settings",
    ),
    "pydantic_core": (
        frozenset(
            {"catalog", "dialects", "provider_api", "rpc", "sandbox", "cli", "testing", "ui"}
        ),
        "the one JSON reader and writer, wherever JSON is read or written",
    ),
    "cryptography": (frozenset({"crypto"}), "one place to get it right"),
    "httpx": (frozenset({"transport"}), "only the transport uses the network"),
    "aiohttp": (
        frozenset({"transport", "sandbox", "ui"}),
        "only the transport uses the network; the sandbox and the page are servers",
    ),
    "truststore": (frozenset({"transport"}), "only the transport uses the network"),
    "yarl": (frozenset({"transport"}), "aiohttp's URLs, so that they are sent unchanged"),
    "ssl": (frozenset({"transport"}), "only the transport uses the network"),
    "socket": (frozenset({"transport"}), "only the transport uses the network"),
    "sqlite3": (frozenset({"store"}), "only the store uses the database"),
    "keyring": (frozenset({"keysource"}), "only the key sources use the OS keyring"),
    "secretstorage": (frozenset({"keysource"}), "only the key sources use the OS keyring"),
    "jeepney": (frozenset({"keysource"}), "only the key sources use the OS keyring"),
    "pygls": (frozenset({"rpc"}), "only the server layer uses JSON-RPC"),
    "click": (frozenset({"cli"}), "only the command line prints for people"),
    "rich": (frozenset({"cli"}), "only the command line prints for people"),
    "tomllib": (frozenset({"catalog", "config", "sandbox"}), "records and configuration files"),
    "platformdirs": (frozenset({"store"}), "the folders of each platform"),
    "anyio": (frozenset({"transport", "services", "cli"}), "where something waits"),
    "asyncio": (WAITING | WAITING_ENTRY_POINTS, "where something waits"),
    "pickle": (frozenset(), "it runs what it reads"),
    "marshal": (frozenset(), "it runs what it reads"),
    "shelve": (frozenset(), "it runs what it reads"),
}
"""Who may import which library, and why. A third-party library without a row is refused."""

IMPURE_IMPORTS = frozenset(
    {
        "time",
        "random",
        "secrets",
        "os",
        "uuid",
        "socket",
        "threading",
        "subprocess",
        "asyncio",
        "anyio",
        "tempfile",
        "shutil",
    }
)
IMPURE_CALLS = frozenset({"open", "input", "print", "exec", "eval", "breakpoint"})
IMPURE_METHODS = frozenset({"now", "utcnow", "today"})

IMPURE_ALLOWED: dict[str, tuple[frozenset[str], str]] = {
    "crypto.envelope": (frozenset({"os"}), "nonces and salts are drawn at random"),
    "protocol.errors": (frozenset({"uuid"}), "an error gets its id when it is created"),
}
"""The named exceptions to purity. The loader reads package data through importlib.resources."""

REVEALERS = frozenset(
    {
        "core.redaction.secrets",
        "dialects.base.auth",
        "vault.keys",
        "keysource.passphrase",
        "keysource.recovery",
        "services.transfer.detect",
        "cli.passphrases",
        "ui.sealing",
    }
)
"""Modules that may read the text of a secret: to put it on a request, to seal it, to derive the
key of a slot, to redact it from answers, to compute the id of an import item, and to show a
recovery code on a terminal or on the page."""

MODULE_LONG_LINES, FUNCTION_LONG_LINES = 450, 60
"""Longer modules and functions are printed: look whether they do more than one thing."""

MODULE_MAX_LINES, FUNCTION_MAX_LINES = 700, 90
"""Longer modules and functions fail."""

Check = Callable[[Module], Iterator[str]]


# --- imports -------------------------------------------------------------------------------------


def imports_point_down(module: Module) -> Iterator[str]:
    """Allow imports of lower layers and the exceptions of SIDEWAYS."""
    if not module.name:
        yield from (module.at(n, "the package itself imports nothing") for n, _ in module.imports)
        return
    layer = _layer(module.name)
    if layer is None:
        yield module.at(module.tree, f"the package {module.package} is not in LAYERS")
        return
    for node, target in _own_imports(module):
        if _inside(target, module.package):
            continue
        sideways = any(module.within(a) and _inside(target, b) for a, b, _ in SIDEWAYS)
        target_layer = _layer(target)
        if not sideways and (target_layer is None or target_layer >= layer):
            yield module.at(node, f"{module.name} must not import {target}")


def narrow_packages_import_less(module: Module) -> Iterator[str]:
    """Check the packages of NARROW, which may import less than their layer allows."""
    for place, allowed, why in NARROW:
        if module.within(place):
            for node, target in _own_imports(module):
                if not _inside(target, place, *allowed):
                    yield module.at(node, f"{module.name} must not import {target}: {why}")


def dialects_stand_alone(module: Module) -> Iterator[str]:
    """Let a wire format import what all of them share and its own quirks, no other format's."""
    top, _, rest = module.name.partition(".")
    own = rest.split(".", 1)[0]
    if top != "dialects" or own in {"", "registry"}:
        return
    quirks = {"shared", "openai" if module.name == OPENAI_FAMILY else own}
    for node, target in _own_imports(module):
        for package, allowed in (
            ("dialects", DIALECT_SHARED | {own}),
            ("catalog.quirks", quirks),
        ):
            places = [f"{package}.{name}" for name in allowed]
            if _inside(target, package) and not _inside(target, *places):
                why = "it is another dialect's"
                yield module.at(node, f"{module.name} must not import {target}: {why}")


def _own_imports(module: Module) -> Iterator[tuple[ast.stmt, str]]:
    """Yield the imports of byokd's own modules, without the prefix `byokd.`."""
    for node, name in module.imports:
        if name.startswith("byokd.") and name != "byokd.__version__":
            yield node, name.removeprefix("byokd.")


def _layer(name: str) -> int | None:
    package = name.split(".", 1)[0]
    return next((i for i, packages in enumerate(LAYERS) if package in packages), None)


def _inside(name: str, *places: str) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def libraries_stay_where_they_belong(module: Module) -> Iterator[str]:
    """Check each import of a library against its row in LIBRARIES."""
    for node, name in module.imports:
        library = name.split(".", 1)[0]
        if library in LIBRARIES:
            places, why = LIBRARIES[library]
            if not module.within(*places):
                yield module.at(node, f"{library} is not for {module.name}: {why}")
        elif library not in sys.stdlib_module_names | {"byokd"}:
            yield module.at(node, f"{library} has no row in LIBRARIES")


def modules_import_in_no_circle(modules: Sequence[Module]) -> Iterator[str]:
    """Report each group of modules that import each other, in functions too."""
    names = {module.name for module in modules}
    graph = {module.name: _imported_modules(module, names) for module in modules}
    for group in _cycles(graph):
        yield "these modules import each other: " + ", ".join(sorted(group))


def _imported_modules(module: Module, names: set[str]) -> set[str]:
    imported = set()
    for _, name in module.imports_at_run_time():
        target = name.removeprefix("byokd.") if name.startswith("byokd.") else ""
        while target and target not in names:  # `a.b.function` is in the module `a.b`
            target = target.rpartition(".")[0]
        imported.add(target)
    return imported - {"", module.name}


def _cycles(graph: dict[str, set[str]]) -> Iterator[set[str]]:
    """Yield the sets of nodes that can all reach each other, of two nodes or more."""
    reachable = {name: _reachable(graph, name) for name in graph}
    reported: set[str] = set()
    for name in graph:
        group = {other for other in reachable[name] if name in reachable[other]}
        if group and name not in reported:
            reported |= group
            yield group


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    pending = [start]
    while pending:
        for name in graph[pending.pop()] - seen:
            seen.add(name)
            pending.append(name)
    return seen


# --- what code may do ----------------------------------------------------------------------------


def pure_layers_are_pure(module: Module) -> Iterator[str]:
    """Law 1: layers 0 and 1 do not wait, read no clock and draw no random numbers."""
    if _layer(module.name) not in (0, 1):
        return
    allowed, _ = IMPURE_ALLOWED.get(module.name, (frozenset(), ""))
    for line, name in module.imports:
        if (library := name.split(".", 1)[0]) in IMPURE_IMPORTS - allowed:
            yield module.at(line, f"a pure module must not import {library}")
    for node in module.nodes:
        match node:
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield module.at(node, "a pure module must not wait")
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_CALLS:
                yield module.at(node, f"a pure module must not call {name}()")
            case ast.Call(func=ast.Attribute(attr=name)) if name in IMPURE_METHODS:
                yield module.at(node, f"a pure module must not call .{name}()")


def no_provider_names_in_code(module: Module) -> Iterator[str]:
    """Law 2: differences between providers are data."""
    for node in module.nodes:
        if isinstance(node, ast.Constant) and node.value in PROVIDER_IDS:
            yield module.at(node, f"{node.value!r} is a provider id; make the difference a quirk")


def secrets_are_revealed_in_named_places(module: Module) -> Iterator[str]:
    """Law 10: between the vault and the request a secret is a `Secret`, not text."""
    if module.within(*REVEALERS):
        return
    for node in module.nodes:
        if isinstance(node, ast.Attribute) and node.attr == "reveal":
            yield module.at(node, "reveal() is called only in " + " and ".join(sorted(REVEALERS)))


def keys_leave_in_one_place(module: Module) -> Iterator[str]:
    """Law 10: the module that puts a key on a request is the one that compares the origins."""
    if module.name == "services.keys.sending":
        return
    for node in module.nodes:
        if not isinstance(node, ast.ImportFrom) or node.module != "byokd.dialects.base.auth":
            continue
        if any(alias.name == "authorize" for alias in node.names):
            yield module.at(node, "a key is put on a request by services.keys.sending only")


def only_rpc_uses_jsonrpc_codes(module: Module) -> Iterator[str]:
    """Law 12: other packages raise an error of the error tree."""
    for node in module.nodes:
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(code))):
                if 31000 <= code <= 32800 and module.package != "rpc":
                    yield module.at(node, f"-{code} is a JSON-RPC code")


# --- sizes and stubs -----------------------------------------------------------------------------


def modules_and_functions_are_short(module: Module) -> Iterator[str]:
    """Report modules and functions over the hard limits."""
    yield from _long(module, MODULE_MAX_LINES, FUNCTION_MAX_LINES)


def _long(module: Module, module_lines: int, function_lines: int) -> Iterator[str]:
    if module.lines > module_lines:
        yield module.at(module.tree, f"{module.lines} lines; over {module_lines}")
    for node in module.functions():
        if length(node) > function_lines:
            yield module.at(node, f"{node.name}: {length(node)} lines; over {function_lines}")


def modules_have_docstrings(module: Module) -> Iterator[str]:
    """Report modules without a docstring."""
    if not ast.get_docstring(module.tree):
        yield module.at(module.tree, "no docstring")


def nothing_is_a_stub(module: Module) -> Iterator[str]:
    """Report functions without a body and uses of NotImplementedError."""
    protocols = {
        id(function)
        for node in module.nodes
        if isinstance(node, ast.ClassDef)
        and any("Protocol" in ast.unparse(base) for base in node.bases)
        for function in node.body
    }
    for node in module.functions():
        body = node.body[1:] if ast.get_docstring(node) else node.body
        overload = any("overload" in ast.unparse(line) for line in node.decorator_list)
        if id(node) in protocols or overload or len(body) != 1:
            continue
        match body[0]:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                yield module.at(node, f"{node.name} does nothing")
    named = "NotImplementedError" in module.text
    for line in module.nodes if named else ():
        if isinstance(line, ast.Raise) and "NotImplementedError" in ast.unparse(line):
            yield module.at(line, "NotImplementedError: leave out what is not implemented")


CHECKS: tuple[Check, ...] = (
    imports_point_down,
    narrow_packages_import_less,
    dialects_stand_alone,
    libraries_stay_where_they_belong,
    pure_layers_are_pure,
    no_provider_names_in_code,
    secrets_are_revealed_in_named_places,
    keys_leave_in_one_place,
    only_rpc_uses_jsonrpc_codes,
    modules_and_functions_are_short,
    modules_have_docstrings,
    class_names_say_something,
    names_are_standard_terms,
    old_module_names_are_gone,
    nothing_is_a_stub,
)
"""Checks that look at one module at a time."""

TreeCheck = Callable[[Sequence[Module]], Iterator[str]]

TREE_CHECKS: tuple[TreeCheck, ...] = (
    modules_import_in_no_circle,
    attributes_are_set_by_their_own_object,
    dialects_share_no_body,
)
"""Checks that look at all modules together."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_no_module_breaks(check: Check) -> None:
    assert MODULES
    assert PROVIDER_IDS
    breaches = [breach for module in MODULES for breach in check(module)]
    assert not breaches, "\n" + "\n".join(breaches)


@pytest.mark.parametrize("check", TREE_CHECKS, ids=lambda check: check.__name__)
def test_the_modules_together_do_not_break(check: TreeCheck) -> None:
    breaches = list(check(MODULES))
    assert not breaches, "\n" + "\n".join(breaches)


def _permissions() -> Iterator[tuple[str, str, str]]:
    """Yield each permission as table, module or package, and what that may import."""
    for place, target, _ in SIDEWAYS:
        yield "SIDEWAYS", place, f"byokd.{target}"
    for place, allowed, _ in NARROW:
        yield from (("NARROW", place, f"byokd.{target}") for target in sorted(allowed))
    for library, (places, _) in LIBRARIES.items():
        yield from (("LIBRARIES", place, library) for place in sorted(places))
    for place, (libraries, _) in IMPURE_ALLOWED.items():
        yield from (("IMPURE_ALLOWED", place, library) for library in sorted(libraries))


def test_every_permission_is_used() -> None:
    imports = [(module, name) for module in MODULES for _, name in module.imports]
    unused = [
        f"{table}: no module of {place} imports {target}"
        for table, place, target in _permissions()
        if not any(module.within(place) and _inside(name, target) for module, name in imports)
    ]
    assert not unused, "\n" + "\n".join(unused)


NAMING_CHECKS = (class_names_say_something, names_are_standard_terms, old_module_names_are_gone)
"""Checks that the tests must pass, too."""


@pytest.mark.parametrize("check", NAMING_CHECKS, ids=lambda check: check.__name__)
def test_no_test_module_breaks_the_naming_rules(check: Check) -> None:
    breaches = [breach for module in TESTS for breach in check(module)]
    assert not breaches, "\n" + "\n".join(breaches)


def test_typescript_follows_the_naming_rules() -> None:
    packages = ROOT / "client-ts" / "packages"
    files = [
        path
        for folder in ("src", "test", "testing")
        for kind in ("ts", "tsx")
        for path in packages.glob(f"*/{folder}/*.{kind}")
    ]
    written = [path for path in files if path.name != "generated.ts"]
    assert written
    breaches = {
        path.name: names
        for path in written
        if (names := typescript_names_to_avoid(path.read_text(encoding="utf-8")))
    }
    assert not breaches


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("const told = open(line);", ["told"]),
        ("class FrontDoor { #keeper = 1 }", ["FrontDoor", "keeper"]),
        ("function f({ prompt, ...given }: T) {}", ["given"]),
        ("const url = 'x'; // what the daemon told\nconst lastSaid = 1;", ["lastSaid"]),
        ('/** The way in. */ const text = "https://told";', []),
        ("const text = `told ${name}`;", []),
        ("const modelNotFound = 1;", []),
    ],
)
def test_unclear_name_in_typescript_is_reported(text: str, names: list[str]) -> None:
    assert typescript_names_to_avoid(text) == names


def test_print_what_to_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        f"long: {line}"
        for module in MODULES
        for line in _long(module, MODULE_LONG_LINES, FUNCTION_LONG_LINES)
    ]
    with capsys.disabled():
        print("".join(f"\n{line}" for line in lines), end="")


FAULTS: tuple[tuple[Check, str, str], ...] = (
    (imports_point_down, "protocol.chat", "from byokd.core.http import HttpRequest"),
    (imports_point_down, "services.chat.engine", "from byokd.rpc.outbox import Outbox"),
    (imports_point_down, "dialects.base.auth", "from byokd.catalog import loader"),
    (imports_point_down, "transport.http", "import byokd.store.db"),
    (imports_point_down, "attic", "import re"),
    (narrow_packages_import_less, "rpc.routes", "from byokd.vault import Vault"),
    (narrow_packages_import_less, "cli.keys", "from byokd.crypto.envelope import open_record"),
    (narrow_packages_import_less, "audit.log", "from byokd.vault import keys"),
    (narrow_packages_import_less, "vault.keys", "from byokd.catalog import loader"),
    (narrow_packages_import_less, "audit.log", "from byokd.transport.http import HttpTransport"),
    (
        dialects_stand_alone,
        "dialects.gemini.params",
        "from byokd.dialects.openai_chat.params import write_params",
    ),
    (dialects_stand_alone, "dialects.base.params", "from byokd.dialects.openai_chat import encode"),
    (
        dialects_stand_alone,
        "dialects.gemini.params",
        "from byokd.catalog.quirks.openai_chat import OpenAIChatQuirks",
    ),
    (
        dialects_stand_alone,
        "dialects.base.params",
        "from byokd.catalog.quirks.openai import OpenAIQuirks",
    ),
    (libraries_stay_where_they_belong, "services.chat.engine", "import httpx"),
    (libraries_stay_where_they_belong, "store.db", "import requests"),
    (pure_layers_are_pure, "dialects.base.auth", "import time"),
    (pure_layers_are_pure, "crypto.kdf", "import os"),
    (pure_layers_are_pure, "catalog.record", "def f():\n    return open('x')"),
    (pure_layers_are_pure, "core.http", "async def f():\n    return 1"),
    (pure_layers_are_pure, "dialects.base.sigv4", "def f():\n    return datetime.now()"),
    (no_provider_names_in_code, "services.chat.engine", f"x = {next(iter(PROVIDER_IDS), None)!r}"),
    (secrets_are_revealed_in_named_places, "services.keys.service", "text = secret.reveal()"),
    (
        keys_leave_in_one_place,
        "services.chat.engine",
        "from byokd.dialects.base.auth import authorize",
    ),
    (only_rpc_uses_jsonrpc_codes, "services.keys.service", "code = -31010"),
    (modules_and_functions_are_short, "services.keys.service", "\n" * (MODULE_MAX_LINES + 1)),
    (
        modules_and_functions_are_short,
        "services.keys.service",
        "def f():\n" + "    x = 1\n" * FUNCTION_MAX_LINES,
    ),
    (modules_have_docstrings, "services.keys.service", "x = 1"),
    (class_names_say_something, "services.keys.service", "class KeyManager: x = 1"),
    (names_are_standard_terms, "core.house", "x = 1"),
    (names_are_standard_terms, "core.http", "class FrontDoor: x = 1"),
    (names_are_standard_terms, "core.http", "def leave_trail(): return 1"),
    (names_are_standard_terms, "core.http", "def f(told): return 1"),
    (names_are_standard_terms, "core.http", "found = 1"),
    (names_are_standard_terms, "core.http", "not_found_found = 1"),
    (names_are_standard_terms, "core.http", "asked = 1"),
    (names_are_standard_terms, "core.http", "if said := 1: x = 2"),
    (old_module_names_are_gone, "keepers.vault", "x = 1"),
    (old_module_names_are_gone, "vault.lifecycle", "x = 1"),
    (old_module_names_are_gone, "services.test_custody", "x = 1"),
    (nothing_is_a_stub, "services.keys.service", "def f():\n    pass"),
    (nothing_is_a_stub, "services.keys.service", "def f():\n    raise NotImplementedError"),
)
"""Breaches that each check must report."""


@pytest.mark.parametrize(("check", "name", "text"), FAULTS)
def test_breach_is_reported(check: Check, name: str, text: str) -> None:
    assert list(check(_module(name, text)))


def _module(name: str, text: str) -> Module:
    return Module(name, SOURCE.joinpath(*name.split(".")).with_suffix(".py"), text)


TREE_FAULTS: tuple[tuple[TreeCheck, dict[str, str]], ...] = (
    (
        modules_import_in_no_circle,
        {
            "core.a": "from byokd.core.b import f",
            "core.b": "def f():\n    from byokd.core import c",
            "core.c": "import byokd.core.a",
        },
    ),
    (
        attributes_are_set_by_their_own_object,
        {
            "core.a": "class Part:\n    def __init__(self): self.hook = None",
            "core.b": "def wire(part: Part): part.hook = print",
        },
    ),
    (
        attributes_are_set_by_their_own_object,
        {
            "core.a": "@dataclass\nclass Part:\n    hook: Callable[[], None]",
            "core.b": "def wire(part): part.hook = print",
        },
    ),
    (
        attributes_are_set_by_their_own_object,
        {
            "core.a": "class Part:\n    def __init__(self): self.count = 0",
            "core.b": "class User:\n    def f(self): self.part.count, x = 1, 2",
        },
    ),
    (
        attributes_are_set_by_their_own_object,
        {
            "core.a": "class Part:\n    def __init__(self): self.hook = None",
            "core.b": "def build():\n    part = Part()\n    part.hook = print\n    return part",
        },
    ),
    (attributes_are_set_by_their_own_object, {"core.a": "def f(): sys.unknown_hook = 1"}),
    (attributes_are_set_by_their_own_object, {"core.a": "def f(x): setattr(x, 'hook', print)"}),
    (attributes_are_set_by_their_own_object, {"core.a": "def f(x, n): setattr(x, n, print)"}),
    (
        dialects_share_no_body,
        {
            "dialects.gemini.decode": "def f(x):\n" + "    x += 1\n" * 8,
            "dialects.ollama_chat.decode": "class A:\n    def g(n):\n" + "        n += 2\n" * 8,
        },
    ),
    (
        dialects_share_no_body,
        {
            "dialects.base.a": "def f(x):\n    'One.'\n" + "    x += LIMIT\n" * 6,
            "dialects.errors.b": "def f(x):\n    'Two.'\n" + "    x += MAXIMUM\n" * 6,
        },
    ),
    (
        dialects_share_no_body,
        {
            "dialects.gemini.a": "def f(x):\n"
            + "    x += 1\n" * 6
            + "def g(x):\n"
            + "    x += 1\n" * 6
        },
    ),
)
"""Groups of modules with a breach that each check of the whole must report."""


@pytest.mark.parametrize(("check", "texts"), TREE_FAULTS)
def test_breach_between_modules_is_reported(check: TreeCheck, texts: dict[str, str]) -> None:
    assert list(check([_module(name, text) for name, text in texts.items()]))


TREE_ALLOWED: tuple[tuple[TreeCheck, dict[str, str]], ...] = (
    (
        dialects_share_no_body,
        {
            "dialects.gemini.decode": "def f(x):\n" + "    x += 1\n" * 8,
            "dialects.ollama_chat.decode": "def g(n):\n" + "    n -= 1\n" * 8,
        },
    ),
    (
        modules_import_in_no_circle,
        {
            "core.a": "from byokd.core.b import f",
            "core.b": "if TYPE_CHECKING:\n    from byokd.core.a import f",
        },
    ),
    (
        attributes_are_set_by_their_own_object,
        {
            "core.a": "@dataclass\nclass Row:\n    count: int = 0",
            "core.b": "def add(row: Row): row.count += 1",
        },
    ),
)
"""Groups of modules that the checks of the whole must accept."""


@pytest.mark.parametrize(("check", "texts"), TREE_ALLOWED)
def test_allowed_code_is_accepted(check: TreeCheck, texts: dict[str, str]) -> None:
    assert not list(check([_module(name, text) for name, text in texts.items()]))
