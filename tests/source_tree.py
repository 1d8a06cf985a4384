"""The modules of byokd and of its tests, parsed with `ast` and never run.

The checks themselves live in the tests that use this.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "server" / "byokd"


@dataclass(frozen=True)
class Module:
    """One Python file. `name` is dotted, without `byokd.`; the package byokd itself is ""."""

    name: str
    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)

    @property
    def package(self) -> str:
        """The first part of the name."""
        return self.name.split(".")[0]

    @property
    def lines(self) -> int:
        """The number of lines."""
        return self.text.count("\n")

    def within(self, *places: str) -> bool:
        """Return whether this module is one of these modules or packages, or inside one."""
        return any(self.name == place or self.name.startswith(f"{place}.") for place in places)

    def at(self, node: ast.AST, text: str) -> str:
        """Format a finding as `path:line: text`, which editors can jump to."""
        return f"{self.path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {text}"

    def imports(self) -> Iterator[tuple[ast.stmt, str]]:
        """Yield every import of the file with its full dotted name, such as `a.b.function`."""
        yield from _imports(ast.walk(self.tree))

    def imports_at_run_time(self) -> Iterator[tuple[ast.stmt, str]]:
        """Yield the imports outside `if TYPE_CHECKING:`."""
        yield from _imports(_walk_run_time(self.tree))

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Yield every function and method."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def _walk_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree and leave out what stands under `if TYPE_CHECKING:`."""
    yield node
    children = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        children = iter(node.orelse)
    for child in children:
        yield from _walk_run_time(child)


def _imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[ast.stmt, str]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of lines of a function, with its docstring, without its decorators."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _read(folder: Path) -> tuple[Module, ...]:
    modules = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules.append(Module(name, path, path.read_text(encoding="utf-8")))
    return tuple(modules)


MODULES = _read(SOURCE)
TESTS = _read(ROOT / "tests")
PROVIDER_IDS = frozenset(path.stem for path in (SOURCE / "catalog" / "providers").glob("*.toml"))


def tracked() -> tuple[Path, ...]:
    """Return every existing file that git tracks."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607  # git is wherever git is
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = (ROOT / name for name in listed.split("\0") if name)
    return tuple(path for path in paths if path.is_file())
