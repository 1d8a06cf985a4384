"""No two dialects share a function body: what all need is in `dialects.base`."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

import pytest

from source_tree import MODULES, Module

_LEAST_LINES = 8
"""Bodies of this length or more are compared, docstrings left out."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class _LocalNames(ast.NodeTransformer):
    """Renames the local names of a function by their order, so that renaming hides no copy."""

    def __init__(self, function: _Function) -> None:
        self._numbers: dict[str, str] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.arg):
                self._number(node.arg)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self._number(node.id)

    def _number(self, name: str) -> None:
        self._numbers.setdefault(name, f"local{len(self._numbers)}")

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self._numbers.get(node.id, node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(self._numbers[node.arg])


def _shape(function: _Function) -> str:
    """Return the body as text, with local names numbered and without its docstring."""
    copied = ast.parse(ast.unparse(function)).body[0]
    assert isinstance(copied, _Function)
    _LocalNames(copied).visit(copied)
    body = copied.body[1:] if ast.get_docstring(copied) is not None else copied.body
    return "\n".join(map(ast.unparse, body))


def _copies(modules: Iterable[Module]) -> Iterator[str]:
    """Yield the functions that have the same body, with their places."""
    places: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        for function in module.functions():
            shape = _shape(function)
            if shape.count("\n") + 1 >= _LEAST_LINES:
                places[shape].append(module.at(function, function.name))
    yield from (" = ".join(same) for same in places.values() if len(same) > 1)


def _dialects() -> list[Module]:
    return [module for module in MODULES if module.within("dialects", "provider_api")]


def test_no_two_functions_of_dialects_share_a_body() -> None:
    modules = _dialects()
    assert len(modules) > 40
    assert list(_copies(modules)) == []


_BODY = """
def {name}(self, {first}):
    \"\"\"{text}\"\"\"
    total = 0
    for {each} in {first}:
        if {each} is None:
            continue
        total += len({each})
    if total > LIMIT:
        raise ValueError(total)
    return total{more}
"""


@pytest.mark.parametrize(
    ("changed", "copied"),
    [
        ({}, True),
        ({"name": "other"}, True),
        ({"text": "Another docstring."}, True),
        ({"first": "values", "each": "value"}, True),
        ({"more": " + 1"}, False),
    ],
)
def test_copy_with_other_names_is_reported(changed: dict[str, str], *, copied: bool) -> None:
    usual = {"name": "one", "first": "items", "each": "item", "text": "One.", "more": ""}
    path = _dialects()[0].path
    modules = [
        Module("dialects.a", path, _BODY.format(**usual)),
        Module("dialects.b", path, _BODY.format(**usual | changed)),
    ]
    assert (list(_copies(modules)) != []) == copied
