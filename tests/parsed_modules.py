"""The modules of byokd and of its tests, each parsed once.

That happens on import, while pytest collects: what it makes then is left out of garbage collection.
A collection that sees these trees takes longer than most tests.
"""

from __future__ import annotations

from pathlib import Path

from source_tree import ROOT, SOURCE, Module


def _read(folder: Path) -> tuple[Module, ...]:
    modules = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        module = Module(name, path, path.read_text(encoding="utf-8"))
        _ = module.nodes  # makes them now
        modules.append(module)
    return tuple(modules)


MODULES = _read(SOURCE)
TESTS = _read(ROOT / "tests")
