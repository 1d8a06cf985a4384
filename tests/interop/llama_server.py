"""Runs llama.cpp's HTTP server from the `xllamacpp` wheel: `llama_server.py <model> <key>`.

Prints its address on stdout, and ends when its stdin is closed.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

ALIAS = "scripted"
CONTEXT_TOKENS = 4096


def main(model: str, key: str) -> None:
    """Serve until stdin ends."""
    llama: Any = importlib.import_module("xllamacpp")
    params = llama.CommonParams()
    params.model.path = model
    params.model_alias = {ALIAS}
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.warmup = False
    params.use_jinja = True
    params.endpoint_slots = True
    params.api_keys = [key]
    server = llama.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
