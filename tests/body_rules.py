"""The rule against copies: no two functions of `dialects` and `provider_api` share a body."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence

from source_tree import Module

BODY_MIN_LINES = 6


def dialects_share_no_body(modules: Sequence[Module]) -> Iterator[str]:
    """Report functions with the same body of `BODY_MIN_LINES` lines or more.

    Names, strings and numbers do not count: bodies are compared as syntax trees in which each is
    replaced by the order of its first use. Docstrings are left out.
    """
    places: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        if not module.within("dialects", "provider_api"):
            continue
        for function in module.functions():
            body = function.body[1:] if ast.get_docstring(function) else function.body
            if body and (body[-1].end_lineno or 0) - body[0].lineno + 1 >= BODY_MIN_LINES:
                place = module.at(function, function.name)
                places[_normalized(function.args, body)].append(place)
    for copies in places.values():
        if len(copies) > 1:
            yield "the same body: " + ", ".join(copies)


def _normalized(arguments: ast.arguments, body: Sequence[ast.stmt]) -> str:
    """Return a text that is equal for functions that differ in names and constants only."""
    numbers: dict[tuple[str, object], int] = {}
    copy = ast.parse(ast.unparse(ast.Module([*body], [])))
    names = [node.arg for node in ast.walk(arguments) if isinstance(node, ast.arg)]
    for name in names:
        numbers.setdefault(("name", name), len(numbers))
    for node in ast.walk(copy):
        match node:
            case ast.Name():
                node.id = str(numbers.setdefault(("name", node.id), len(numbers)))
            case ast.arg():
                node.arg = str(numbers.setdefault(("name", node.arg), len(numbers)))
            case ast.Constant():
                kind = type(node.value).__name__
                node.value = f"{kind}{numbers.setdefault((kind, node.value), len(numbers))}"
    return ast.dump(copy)
