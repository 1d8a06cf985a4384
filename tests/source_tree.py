"""What rules about the source read: Python files, parsed and never run, and the tracked files.

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
PROVIDER_IDS = frozenset(path.stem for path in (SOURCE / "catalog" / "providers").glob("*.toml"))


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

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All nodes of the tree."""
        return tuple(ast.walk(self.tree))

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

    @cached_property
    def imports(self) -> tuple[tuple[ast.stmt, str], ...]:
        """Every import of the file with its full dotted name, such as `a.b.function`."""
        return tuple(_imports(self.nodes))

    def imports_at_run_time(self) -> Iterator[tuple[ast.stmt, str]]:
        """Yield the imports outside `if TYPE_CHECKING:`."""
        yield from _imports(_walk_run_time(self.tree))

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Yield every function and method."""
        for node in self.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def _walk_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree and leave out what stands under `if TYPE_CHECKING:`."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        else:
            pending += ast.iter_child_nodes(node)


def _imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[ast.stmt, str]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of lines of a function, with its docstring, without its decorators."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


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
