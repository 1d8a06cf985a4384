"""The tracked files: the top level, words that must not appear, limits, sleeps in tests, sizes.

Reads the files only; does not import byokd.
"""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator

import pytest

from parsed_modules import MODULES, TESTS
from source_tree import ROOT, SOURCE, Module, length, tracked

TOP_LEVEL = frozenset(
    {
        *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "protocol.md"),
        *("pyproject.toml", "server", "client-ts", "tests"),
    }
)

UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
REGISTRY = re.compile(
    r"(files\.python" r"hosted|py" r"pi|registry\.(npm" r"js|yarn" r"pkg)|"
    r"(deb|security)\.deb" r"ian)\.(org|com)"
)  # fmt: skip
MACHINE_PATH = re.compile(r"(^|[^A-Za-z0-9._-])/(wo" r"rk|fa" r"rm|ro" r"ot|ho" r"me/\w+)[/.]")

LIMITS = next(module for module in MODULES if module.name == "core.limits")


def test_the_top_level_is_fixed() -> None:
    names = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert not {name for name in names if not name.startswith(".")} - TOP_LEVEL


@pytest.mark.parametrize(
    ("what", "pattern"),
    [("unfinished", UNFINISHED), ("a registry", REGISTRY), ("a machine's path", MACHINE_PATH)],
    ids=["unfinished", "registry", "machine"],
)
def test_tracked_files_do_not_mention(what: str, pattern: re.Pattern[str]) -> None:
    breaches = [
        f"{path.relative_to(ROOT)}:{number}: {what}: {match[0].strip()}"
        for path in tracked()
        if path.parent.name != "vectors" and path.name != "LICENSE"
        for number, line in enumerate(_lines(path.read_bytes()), 1)
        if (match := pattern.search(line))
    ]
    assert not breaches, "\n" + "\n".join(breaches)


def _lines(data: bytes) -> list[str]:
    return [] if b"\0" in data else data.decode("utf-8", errors="replace").splitlines()


# --- limits --------------------------------------------------------------------------------------


def _limits() -> Iterator[tuple[str, str | None]]:
    """Yield the name of each limit and the docstring under it."""
    body = LIMITS.tree.body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            sentence = None
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                sentence = str(after.value.value)
            yield node.target.id, sentence


def test_every_limit_has_a_docstring() -> None:
    silent = [name for name, why in _limits() if name != "MIB" and not (why or "").endswith(".")]
    assert not silent


def test_every_limit_is_used() -> None:
    used = {name for module in MODULES for name in _names(module) if module is not LIMITS}
    unused = [name for name, _ in _limits() if name not in used and name != "MIB"]
    assert not unused


def _names(module: Module) -> Iterator[str]:
    for node in module.nodes:
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


# --- tests ---------------------------------------------------------------------------------------


def _sleeps(module: Module) -> Iterator[str]:
    """Report waits that may last a fixed time and then go on.

    `sleep(0)`, which only yields to the loop, is allowed.
    """
    for node in module.nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr="sleep") | ast.Name(id="sleep")):
                if not (node.args and ast.unparse(node.args[0]) == "0"):
                    yield module.at(node, "wait for an event, not for a fixed time")
            case ast.Call(func=ast.Attribute(value=ast.Name(id="asyncio"), attr="wait")):
                if any(keyword.arg == "timeout" for keyword in node.keywords):
                    yield module.at(node, "asyncio.wait goes on after its timeout; use wait_for")
            case ast.Call(func=ast.Attribute(attr="move_on_after" | "move_on_at")):
                yield module.at(node, "this goes on after a fixed time; use fail_after")


def test_no_test_sleeps() -> None:
    measured = [module for module in TESTS if not module.within("bench")]
    breaches = [breach for module in measured for breach in _sleeps(module)]
    assert not breaches, "\n" + "\n".join(breaches)


@pytest.mark.parametrize(
    "text",
    [
        *("time.sleep(1)", "asyncio.sleep(0.1)", "anyio.sleep(delay)"),
        *("asyncio.wait([task], timeout=0.3)", "anyio.move_on_after(0.3)"),
    ],
)
def test_sleep_is_reported(text: str) -> None:
    assert list(_sleeps(Module("x", ROOT / "tests" / "x.py", text)))


def test_every_test_module_has_a_docstring() -> None:
    silent = [str(m.path.relative_to(ROOT)) for m in TESTS if not ast.get_docstring(m.tree)]
    assert not silent


# --- sizes ---------------------------------------------------------------------------------------


def _spread(numbers: list[int]) -> str:
    numbers = sorted(numbers)
    p90 = numbers[min(len(numbers) - 1, round(0.9 * len(numbers)))]
    return f"median {statistics.median(numbers):.0f}, p90 {p90}, max {numbers[-1]}"


def test_functions_are_short_and_sizes_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    modules = [module.lines for module in MODULES if module.path.name != "__init__.py"]
    functions = [length(node) for module in MODULES for node in module.functions()]
    ratio = sum(module.lines for module in TESTS) / sum(modules)
    records = sum(1 for _ in (SOURCE / "catalog" / "providers").glob("*.toml"))
    with capsys.disabled():
        print(f"\nsilhouette: {len(modules)} modules, {sum(modules)} lines: {_spread(modules)}")
        print(f"silhouette: {len(functions)} functions: {_spread(functions)}")
        print(f"silhouette: {ratio:.2f} lines of test per line; {records} provider records")
    assert statistics.median(functions) <= 10
