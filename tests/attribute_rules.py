"""The rule for wiring: an object gets what it works with in its constructor, not afterwards."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from source_tree import Module

ATTRIBUTES_OF_LIBRARIES: dict[str, str] = {
    "ctx.obj": "click's context carries the options of a command",
    "sys.excepthook": "the interpreter's hook",
    "sys.unraisablehook": "the interpreter's hook",
    "sys.stdout": "standard output belongs to the protocol; prints go to stderr",
    "threading.excepthook": "the interpreter's hook",
    "logging.raiseExceptions": "logging's own switch",
    "logging.lastResort": "logging's own switch",
    "ours.propagate": "a logger has no constructor for it",
    "console.width": "rich measures the width after the console exists",
    "timer.daemon": "threading.Timer takes no daemon argument",
    "kernel.OpenProcess.restype": "how ctypes declares a function",
    "kernel.WaitForSingleObject.argtypes": "how ctypes declares a function",
    "connection.row_factory": "sqlite3 sets it on the connection",
    "protocol.read_timeout": "aiohttp's own, for a body that pauses on purpose",
    "context.minimum_version": "how ssl sets a version",
    "error.args": "the text of an exception",
    "keyring.persist": "keyring's backend for Windows has no constructor argument for it",
}
"""Attributes of library objects that byokd sets because their constructors do not take them."""


def attributes_are_set_by_their_own_object(modules: Sequence[Module]) -> Iterator[str]:
    """Report assignments to an attribute of another object after it was built.

    `setattr(x, "name", value)` counts as one; a `setattr` with a computed name is always reported.
    An assignment to `x.name`, where `x` is not `self` or `cls`, is allowed when

    - the class of `x` is known (from an annotation or a constructor call in the same function) and
      is a mutable dataclass, or is defined in this module;
    - the class of `x` is not known, and `name` is a field of a mutable dataclass, or an attribute
      of a class of this module;
    - it is an attribute of a library object with a row in ATTRIBUTES_OF_LIBRARIES.

    A field that holds a callable is wiring and never allowed: it belongs in the constructor.
    """
    classes = _Classes()
    for module in modules:
        classes.read(module)
    for module in modules:
        for call in _computed_setattr(module):
            yield module.at(call, "setattr with a computed name; assign to the attribute")
        for target, scope in _foreign_targets(module):
            if not classes.may_set(module, target, scope):
                text = ast.unparse(target)
                yield module.at(target, f"{text} is set from outside; pass it to the constructor")


_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Module


def _foreign_targets(module: Module) -> Iterator[tuple[ast.Attribute, _Scope]]:
    """Yield each assigned `x.name` with the function (or module) that contains it."""
    pending: list[tuple[ast.AST, _Scope]] = [(module.tree, module.tree)]
    while pending:
        node, scope = pending.pop()
        for target in _targets(node):
            if isinstance(target, ast.Attribute) and not _is_named(target.value, "self", "cls"):
                yield target, scope
        inner = node if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else scope
        pending += ((child, inner) for child in ast.iter_child_nodes(node))


def _is_named(value: ast.expr, *names: str) -> bool:
    return isinstance(value, ast.Name) and value.id in names


def _computed_setattr(module: Module) -> Iterator[ast.Call]:
    """Yield each call of `setattr` whose second argument is not a text in the code."""
    for node in module.nodes:
        match node:
            case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(), _]):
                pass
            case ast.Call(func=ast.Name(id="setattr")):
                yield node


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what a statement assigns to, tuples taken apart."""
    match node:
        case ast.Assign(targets=targets):
            pending = list(targets)
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target) | ast.For(target=target):
            pending = [target]
        case ast.NamedExpr(target=target) | ast.AsyncFor(target=target):
            pending = [target]
        case ast.withitem(optional_vars=ast.expr() as target):
            pending = [target]
        case ast.comprehension(target=target):
            pending = [target]
        case ast.Call(func=ast.Name(id="setattr"), args=[value, ast.Constant(value=str(name)), _]):
            named = ast.Attribute(value, name, ast.Store())
            pending = [ast.copy_location(named, node)]
        case _:
            pending = []
    for target in pending:
        if isinstance(target, ast.Tuple | ast.List):
            yield from (
                element.value if isinstance(element, ast.Starred) else element
                for element in target.elts
            )
        else:
            yield target


@dataclass
class _Classes:
    """The classes of all modules by name, and which attributes may be set from outside."""

    records: dict[str, dict[str, str]] = field(default_factory=dict)  # mutable dataclasses
    modules: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    own: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def read(self, module: Module) -> None:
        for node in module.nodes:
            if isinstance(node, ast.ClassDef):
                self.modules[node.name].add(module.name)
                decorators = " ".join(ast.unparse(line) for line in node.decorator_list)
                if "dataclass" in decorators and "frozen=True" not in decorators:
                    self.records.setdefault(node.name, {}).update(_annotated(node))
                self.own[module.name] |= set(_annotated(node)) | set(_own_attributes(node))

    def may_set(self, module: Module, target: ast.Attribute, scope: _Scope) -> bool:
        if ast.unparse(target) in ATTRIBUTES_OF_LIBRARIES:
            return True
        class_name = _class_of(target.value, scope)
        if class_name in self.modules:
            annotation = self.records.get(class_name, {}).get(target.attr)
            if annotation is not None:
                return "Callable" not in annotation
            return module.name in self.modules[class_name]
        annotations = [
            fields[target.attr] for fields in self.records.values() if target.attr in fields
        ]
        if any("Callable" in annotation for annotation in annotations):
            return False
        return bool(annotations) or target.attr in self.own[module.name]


def _annotated(node: ast.ClassDef) -> dict[str, str]:
    return {
        line.target.id: ast.unparse(line.annotation)
        for line in node.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    }


def _own_attributes(node: ast.ClassDef) -> Iterator[str]:
    """Yield the attributes that the methods of a class set on `self`."""
    for line in ast.walk(node):
        for target in _targets(line):
            if isinstance(target, ast.Attribute) and _is_named(target.value, "self"):
                yield target.attr


def _class_of(value: ast.expr, scope: _Scope) -> str:
    """Return the class of a local as its annotation or its constructor call names it, or ""."""
    if not isinstance(value, ast.Name):
        return ""
    arguments = () if isinstance(scope, ast.Module) else ast.walk(scope.args)
    for argument in arguments:
        if isinstance(argument, ast.arg) and argument.arg == value.id and argument.annotation:
            return _last_name(ast.unparse(argument.annotation))
    for node in ast.walk(scope):
        match node:
            case ast.Assign(targets=[ast.Name(id=value.id)], value=ast.Call(func=function)):
                return _last_name(ast.unparse(function))
            case ast.AnnAssign(target=ast.Name(id=value.id), annotation=annotation):
                return _last_name(ast.unparse(annotation))
    return ""


def _last_name(text: str) -> str:
    return text.removesuffix(" | None").rpartition(".")[2]
