"""The source as the laws see it: parsed, never run.

Knows where every module stands and how to name a line of it. Must not know any law.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "server" / "byokd"


@dataclass(frozen=True)
class Module:
    """One file; `name` is dotted and leaves out `byokd`, which is itself the empty name."""

    name: str
    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)

    @property
    def package(self) -> str:
        """The room: the first part of the name."""
        return self.name.split(".")[0]

    @property
    def lines(self) -> int:
        """How long the file is."""
        return self.text.count("\n")

    def within(self, *places: str) -> bool:
        """Tell whether this module is one of the places or stands inside one."""
        return any(self.name == place or self.name.startswith(f"{place}.") for place in places)

    def at(self, node: ast.AST, text: str) -> str:
        """Word a breach so that an editor can jump to it."""
        return f"{self.path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {text}"

    def imports(self) -> Iterator[tuple[ast.stmt, str]]:
        """Yield every import anywhere in the file, as dotted names down to what is imported."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Yield every function and method."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function, docstring included and decorators not."""
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
    """Return every file that git knows and that is still there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607  # git is wherever git is
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = (ROOT / name for name in listed.split("\0") if name)
    return tuple(path for path in paths if path.is_file())
