"""Starts the real llama.cpp server with the scripted model, and ends it.

Knows the process around it: its readiness, its key and its slots. Must not know byokd.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

from interop.scripted_model import write_model
from waits import WAIT_MAX_S

KEY = "sk-local-0123456789abcdef"
SERVER = Path(__file__).with_name("llama_server.py")

_open = build_opener(ProxyHandler({})).open


@dataclass(frozen=True)
class Llama:
    """A running server: `url` is its root."""

    url: str
    key: str = field(default=KEY, repr=False)

    def busy_slots(self) -> int:
        """Return how many answers it is working on."""
        headers = {"authorization": f"Bearer {self.key}"}
        request = Request(f"{self.url}/slots", headers=headers)  # noqa: S310 - on loopback
        with _open(request, timeout=WAIT_MAX_S) as answer:
            return sum(slot["is_processing"] for slot in json.load(answer))


def missing() -> str:
    """Say why there is no such server here; nothing when there is one."""
    if importlib.util.find_spec("xllamacpp") is None:
        return "the wheel xllamacpp is not installed; it is made for Linux on x86-64 and ARM"
    return ""


@contextmanager
def serving(folder: Path) -> Iterator[Llama]:
    """Run the server for a while; whatever happens, the process is gone afterwards."""
    model = folder / "scripted.gguf"
    write_model(model)
    log = folder / "llama.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-I", str(SERVER), str(model), KEY],
            stdin=subprocess.PIPE,  # closed with us, which ends it
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        assert url.startswith("http://127.0.0.1:"), log.read_text(encoding="utf-8")
        yield Llama(url)
    finally:
        process.kill()
        process.communicate()
