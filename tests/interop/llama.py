"""Starts and ends a real llama.cpp server with the scripted model."""

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
    """A running server; `url` has no path."""

    url: str
    key: str = field(default=KEY, repr=False)

    def busy_slots(self) -> int:
        """Return how many answers it is generating."""
        headers = {"authorization": f"Bearer {self.key}"}
        request = Request(f"{self.url}/slots", headers=headers)  # noqa: S310 - on loopback
        with _open(request, timeout=WAIT_MAX_S) as answer:
            return sum(slot["is_processing"] for slot in json.load(answer))


def missing() -> str:
    """Return why the server is not installed here, or "" where it is."""
    if importlib.util.find_spec("xllamacpp") is None:
        return "the wheel xllamacpp is not installed; it is made for Linux on x86-64 and ARM"
    return ""


@contextmanager
def serving(folder: Path) -> Iterator[Llama]:
    """Run the server. The process has ended when the context is left."""
    model = folder / "scripted.gguf"
    write_model(model)
    log = folder / "llama.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-I", str(SERVER), str(model), KEY],
            stdin=subprocess.PIPE,  # closed when this process ends, which ends the server
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
