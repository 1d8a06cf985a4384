"""The shape of the house and its laws, read from the source itself.

Knows the tables: who may import whom, which places may touch the world, how long things may be.
Must not import byokd: every module is parsed, none is run, so a breach is seen even where the
import would fail. To move a wall, change a row here and say why in the row.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator

import pytest

from source_tree import MODULES, PROVIDER_IDS, SOURCE, Module, length

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"protocol", "core"}),  # 0 core: contract types, values and bounds
    frozenset({"catalog", "dialects", "provider_api", "crypto"}),  # 1 domain: pure
    frozenset({"transport", "store", "keysource"}),  # 2 infrastructure: network, disk, OS
    frozenset({"vault", "audit", "model_cache"}),  # 3 persistence: what must be true on disk
    frozenset({"services"}),  # 4 services: decisions over time
    frozenset({"rpc"}),  # 5 server
    frozenset(  # 6 entry points
        {"cli", "app", "config", "process", "__main__", "sandbox", "testing"}
    ),
)
CORE, ENTRY_POINTS = LAYERS[0], LAYERS[6]

SIDEWAYS: tuple[tuple[str, str, str], ...] = (
    ("protocol", "core.limits", "the contract states its bounds"),
    ("core.settings", "protocol.lifecycle", "settings switch the features of the contract"),
    ("dialects", "catalog.record", "a dialect reads the quirks of a record"),
    ("dialects.errors", "catalog.errors", "the general rows that classify errors are data"),
    ("provider_api", "catalog.record", "a model list and a probe are described in the record"),
    ("provider_api", "dialects.base", "the values of a request, and how a credential is put on"),
    (
        "provider_api",
        "dialects.errors",
        "an error of a list or a probe means what it means in a chat",
    ),
    ("__main__", "app", "composition"),
    ("__main__", "process", "before anything else is imported"),
    ("app", "process", "the part of it that must not hold up `initialize`"),
    ("__main__", "cli", "words for people, when a person is there"),
    ("app", "config", "composition"),
    ("testing", "app", "the same application with a short health policy"),
    ("testing", "__main__", "the same start"),
    ("cli", "process", "what the daemon may be started with"),
    ("cli", "sandbox", "the demo brings its own provider"),
)
"""Who may import what beside itself, and why. Downward is free; upward never happens."""

BELOW_PERSISTENCE = CORE | LAYERS[1] | LAYERS[2]

NARROW: tuple[tuple[str, frozenset[str], str], ...] = (
    ("rpc", CORE | {"services"}, "the server cannot see the vault, the store or the network"),
    (
        "cli",
        CORE | {"crypto.seal", "process", "sandbox"},
        "the command line is a client of the daemon",
    ),
    (
        "sandbox",
        CORE | {"catalog", "dialects.base.sigv4"},
        "what simulates a provider must not share our reading of it; AWS's algorithm is published",
    ),
    ("vault", BELOW_PERSISTENCE, "it shares a transaction with the audit log, not its code"),
    ("audit", BELOW_PERSISTENCE, "it shares a transaction with the vault, not its code"),
    ("model_cache", BELOW_PERSISTENCE, "it has a file of its own"),
)
"""Who may import less than the layers allow, itself aside."""

WAITING = LAYERS[2] | LAYERS[3] | LAYERS[4] | LAYERS[5] | ENTRY_POINTS

LIBRARIES: dict[str, tuple[frozenset[str], str]] = {
    "pydantic": (
        frozenset({"protocol", "core.settings", "catalog", "config"}),
        "types of contract, facts, settings",
    ),
    "pydantic_core": (
        frozenset(
            {"protocol", "catalog", "dialects", "provider_api", "services", "rpc", "sandbox", "cli"}
        ),
        "the one JSON reader and writer, wherever JSON is read or written",
    ),
    "cryptography": (frozenset({"crypto"}), "one place to get it right"),
    "httpx": (frozenset({"transport"}), "the only network"),
    "aiohttp": (frozenset({"transport", "sandbox"}), "the only network; the sandbox serves"),
    "truststore": (frozenset({"transport"}), "the only network"),
    "yarl": (frozenset({"transport"}), "aiohttp's addresses, so that they are sent to the letter"),
    "ssl": (frozenset({"transport"}), "the only network"),
    "socket": (frozenset({"transport", "sandbox"}), "the only network"),
    "sqlite3": (frozenset({"store"}), "the only database"),
    "keyring": (frozenset({"keysource"}), "the only way to the OS keyring"),
    "secretstorage": (frozenset({"keysource"}), "the only way to the OS keyring"),
    "jeepney": (frozenset({"keysource"}), "the only way to the OS keyring"),
    "pygls": (frozenset({"rpc"}), "the door"),
    "lsprotocol": (frozenset({"rpc"}), "the door"),
    "click": (frozenset({"cli"}), "words for people"),
    "rich": (frozenset({"cli"}), "words for people"),
    "tomllib": (frozenset({"catalog", "config", "sandbox"}), "facts, and what a person sets"),
    "platformdirs": (frozenset({"store", "config"}), "where things belong on this platform"),
    "anyio": (WAITING, "where something waits"),
    "asyncio": (WAITING, "where something waits"),
    "pickle": (frozenset(), "it runs what it reads"),
    "marshal": (frozenset(), "it runs what it reads"),
    "shelve": (frozenset(), "it runs what it reads"),
}
"""Who may import which library, and why. A library outside Python that has no row is refused."""

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
    "crypto.envelope": (frozenset({"os", "secrets"}), "nonces and salts are drawn at random"),
    "crypto.seal": (frozenset({"os", "secrets"}), "the process key is drawn at random"),
    "protocol.errors": (frozenset({"uuid"}), "an error gets its id where it is born"),
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
        "cli.phrases",
    }
)
"""Where a secret becomes text: on a request, into the sealed record, into the key of a slot, to
find it in answers, to give an item of an import its id, and a recovery code on a terminal."""

MODULE_MAX_LINES, FUNCTION_MAX_LINES = 700, 90
AVOIDED_WORDS = frozenset(
    {"manager", "helper", "helpers", "util", "utils", "wrapper", "misc", "common"}
)

Check = Callable[[Module], Iterator[str]]


# --- §3: who may import whom ---------------------------------------------------------------------


def imports_point_down(module: Module) -> Iterator[str]:
    """Compare each import of our own with the floors and their exceptions."""
    if not module.name:
        yield from (module.at(n, "the package itself imports nothing") for n, _ in module.imports())
        return
    floor = _layer(module.name)
    if floor is None:
        yield module.at(module.tree, "stands on no floor; give it a place in LAYERS")
        return
    for node, target in _own_imports(module):
        if _inside(target, module.package):
            continue
        beside = any(module.within(a) and _inside(target, b) for a, b, _ in SIDEWAYS)
        other = _layer(target)
        if not beside and (other is None or other >= floor):
            yield module.at(node, f"{module.name} must not import {target}")


def narrow_packages_import_less(module: Module) -> Iterator[str]:
    """Compare the imports of the rooms that may see less than their floor allows."""
    for place, allowed, why in NARROW:
        if module.within(place):
            for node, target in _own_imports(module):
                if not _inside(target, place, *allowed):
                    yield module.at(node, f"{module.name} must not import {target}: {why}")


def _own_imports(module: Module) -> Iterator[tuple[ast.stmt, str]]:
    """Yield what a module imports of the house."""
    for node, name in module.imports():
        if name.startswith("byokd.") and name != "byokd.__version__":
            yield node, name.removeprefix("byokd.")


def _layer(name: str) -> int | None:
    room = name.split(".", 1)[0]
    return next((i for i, rooms in enumerate(LAYERS) if room in rooms), None)


def _inside(name: str, *places: str) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def libraries_stay_where_they_belong(module: Module) -> Iterator[str]:
    """Compare each foreign import with its row."""
    for node, name in module.imports():
        library = name.split(".", 1)[0]
        if library in LIBRARIES:
            places, why = LIBRARIES[library]
            if not module.within(*places):
                yield module.at(node, f"{library} is not for {module.name}: {why}")
        elif library not in sys.stdlib_module_names | {"byokd"}:
            yield module.at(node, f"{library} has no row in LIBRARIES")


# --- §4: the laws --------------------------------------------------------------------------------


def pure_layers_are_pure(module: Module) -> Iterator[str]:
    """Law 1: layers 0 and 1 wait for nothing, read no clock and draw no chance."""
    if _layer(module.name) not in (0, 1):
        return
    allowed, _ = IMPURE_ALLOWED.get(module.name, (frozenset(), ""))
    for line, name in module.imports():
        if (library := name.split(".", 1)[0]) in IMPURE_IMPORTS - allowed:
            yield module.at(line, f"a pure module must not import {library}")
    for node in ast.walk(module.tree):
        match node:
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield module.at(node, "a pure module must not wait")
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_CALLS:
                yield module.at(node, f"a pure module must not call {name}()")
            case ast.Call(func=ast.Attribute(attr=name)) if name in IMPURE_METHODS:
                yield module.at(node, f"a pure module must not call .{name}()")


def no_provider_names_in_code(module: Module) -> Iterator[str]:
    """Law 2: what differs between providers is data."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and node.value in PROVIDER_IDS:
            yield module.at(node, f"{node.value!r} is a provider id; make the difference a quirk")


def secrets_are_revealed_in_named_places(module: Module) -> Iterator[str]:
    """Law 9: from the vault to the request a secret is a `Secret`."""
    if module.within(*REVEALERS):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr == "reveal":
            yield module.at(node, "reveal() is called only in " + " and ".join(sorted(REVEALERS)))


def keys_leave_in_one_place(module: Module) -> Iterator[str]:
    """Law 10: the module that puts a key on a request is the one that compares the origins."""
    if module.name == "services.keys.sending":
        return
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ImportFrom) or node.module != "byokd.dialects.base.auth":
            continue
        if any(alias.name == "authorize" for alias in node.names):
            yield module.at(node, "a key is put on a request by services.keys.sending only")


def only_rpc_uses_jsonrpc_codes(module: Module) -> Iterator[str]:
    """Law 11: everybody else raises a leaf of the error tree."""
    for node in ast.walk(module.tree):
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(code))):
                if 31000 <= code <= 32800 and module.package != "rpc":
                    yield module.at(node, f"-{code} is a JSON-RPC code")


def modules_and_functions_are_short(module: Module) -> Iterator[str]:
    """Law 13: a module is read in one sitting, a function on one screen."""
    if module.lines > MODULE_MAX_LINES:
        yield module.at(module.tree, f"{module.lines} lines; at most {MODULE_MAX_LINES}")
    for node in module.functions():
        if length(node) > FUNCTION_MAX_LINES:
            yield module.at(
                node, f"{node.name}: {length(node)} lines; at most {FUNCTION_MAX_LINES}"
            )


def modules_say_what_they_know(module: Module) -> Iterator[str]:
    """Law 13: every module opens with what it knows and what it must not know."""
    words = ast.get_docstring(module.tree) or ""
    if not words:
        yield module.at(module.tree, "no docstring")
    elif module.path.name != "__init__.py" and not re.search(r"\b[Kk]nows?\b", words):
        yield module.at(module.tree, "the docstring does not say what the module knows")


def names_are_the_fields_terms(module: Module) -> Iterator[str]:
    """§8: no word that says nothing."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", node.name).lower().split("_")
            for word in AVOIDED_WORDS.intersection(words):
                yield module.at(node, f"{node.name}: {word!r} says nothing")
    for word in AVOIDED_WORDS.intersection(module.path.stem.split("_")):
        yield module.at(module.tree, f"{word!r} says nothing")


def nothing_is_a_stub(module: Module) -> Iterator[str]:
    """What does not work is not there."""
    protocols = {
        id(function)
        for node in ast.walk(module.tree)
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
    for line in ast.walk(module.tree):
        if isinstance(line, ast.Raise) and "NotImplementedError" in ast.unparse(line):
            yield module.at(line, "what is not implemented is not there")


CHECKS: tuple[Check, ...] = (
    imports_point_down,
    narrow_packages_import_less,
    libraries_stay_where_they_belong,
    pure_layers_are_pure,
    no_provider_names_in_code,
    secrets_are_revealed_in_named_places,
    keys_leave_in_one_place,
    only_rpc_uses_jsonrpc_codes,
    modules_and_functions_are_short,
    modules_say_what_they_know,
    names_are_the_fields_terms,
    nothing_is_a_stub,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_law(check: Check) -> None:
    assert MODULES
    assert PROVIDER_IDS
    breaches = [breach for module in MODULES for breach in check(module)]
    assert not breaches, "\n" + "\n".join(breaches)


FAULTS: tuple[tuple[Check, str, str], ...] = (
    (imports_point_down, "protocol.chat", "from byokd.core.http import HttpRequest"),
    (imports_point_down, "services.chat.engine", "from byokd.rpc.outbox import Outbox"),
    (imports_point_down, "dialects.base.auth", "from byokd.catalog import loader"),
    (imports_point_down, "transport.http", "import byokd.store.db"),
    (imports_point_down, "attic", "import re"),
    (narrow_packages_import_less, "rpc.routes", "from byokd.vault import Vault"),
    (narrow_packages_import_less, "cli.keys", "from byokd.crypto.envelope import open_record"),
    (narrow_packages_import_less, "audit.log", "from byokd.vault import keys"),
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
    (modules_say_what_they_know, "services.keys.service", "x = 1"),
    (modules_say_what_they_know, "services.keys.service", '"""Keys."""'),
    (names_are_the_fields_terms, "services.keys.service", "class KeyManager: x = 1"),
    (nothing_is_a_stub, "services.keys.service", "def f():\n    pass"),
    (nothing_is_a_stub, "services.keys.service", "def f():\n    raise NotImplementedError"),
)
"""One breach for each law, so that a law which no longer sees anything is noticed."""


@pytest.mark.parametrize(("check", "name", "text"), FAULTS)
def test_breach_is_reported(check: Check, name: str, text: str) -> None:
    path = SOURCE.joinpath(*name.split(".")).with_suffix(".py")
    assert list(check(Module(name, path, text)))
