"""The package is marked as typed and ships `py.typed`."""

from __future__ import annotations

import tomllib

from source_tree import ROOT


def test_typed_package_ships_its_marker() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "Typing :: Typed" in project["project"]["classifiers"]
    backend = project["tool"]["uv"]["build-backend"]
    marker = ROOT / backend["module-root"] / backend["module-name"] / "py.typed"
    assert marker.is_file()
    excluded = backend.get("wheel-exclude", [])
    assert not any("py.typed" in pattern or "*" in pattern for pattern in excluded)
