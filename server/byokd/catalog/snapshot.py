"""Writes `providers.json` from the records; run it after every change of one.

    python -m byokd.catalog.snapshot

One record a line, in the order of `order.toml`, for readable diffs.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

from pydantic_core import to_json

from byokd.catalog.record_file import load_text

_HERE = "byokd.catalog"


def snapshot() -> bytes:
    package = resources.files(_HERE)
    order: list[str] = tomllib.loads(package.joinpath("order.toml").read_text("utf-8"))["order"]
    lines = []
    for name in order:
        file = f"{name}.toml"
        text = package.joinpath("providers", file).read_text("utf-8")
        load_text(text, file)
        # The table as written: a model would fill in defaults.
        lines.append(to_json(tomllib.loads(text)))
    return b"[\n" + b",\n".join(lines) + b"\n]\n"


if __name__ == "__main__":
    with resources.as_file(resources.files(_HERE)) as folder:
        Path(folder, "providers.json").write_bytes(snapshot())
