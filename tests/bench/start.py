"""Measures the start: from spawn to the first responses, compared with a bare pygls server.

Prints medians in milliseconds, and ratios of one interleaved run, which do not depend on the
machine.

    python tests/bench/start.py [rounds]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PYTHON = [sys.executable, "-I", "-X", "utf8"]

BARE = """
from pygls.lsp.server import LanguageServer
LanguageServer("bare", "1").start_io()
"""
OURS = f"""
import runpy, sys
sys.path.insert(0, {str(ROOT / "server")!r})
sys.argv = ["byokd", "--stdio", "--data-dir", sys.argv[1]]
runpy.run_module("byokd", run_name="__main__", alter_sys=True)
"""
INITIALIZE: tuple[str, Any] = ("initialize", {"processId": None, "capabilities": {}})
LIST: tuple[str, Any] = ("provider/list", {})


def frame(message: dict[str, Any]) -> bytes:
    """Return a message with its header."""
    body = json.dumps({"jsonrpc": "2.0"} | message).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def answer(process: subprocess.Popen[bytes], id_: int) -> dict[str, Any]:
    """Read until the response to a request; return it."""
    assert process.stdout is not None
    while True:
        length = 0
        while (line := process.stdout.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise EOFError("the process ended")
        message: dict[str, Any] = json.loads(process.stdout.read(length))
        if message.get("id") == id_:
            return message


def start(command: list[str], *requests: tuple[str, Any]) -> tuple[list[float], float]:
    """Start a server; return the time from spawn to each answer, in ms, and its RSS in MiB."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    took = []
    for id_, (method, params) in enumerate(requests):
        process.stdin.write(frame({"id": id_, "method": method, "params": params}))
        process.stdin.flush()
        response = answer(process, id_)
        took.append((time.perf_counter() - began) * 1000)
        if "error" in response:
            raise RuntimeError(response["error"]["message"])
        if method == "initialize":
            process.stdin.write(frame({"method": "initialized", "params": {}}))
    resident = rss_mib(process.pid)
    process.kill()
    process.communicate()
    return took, resident


def rss_mib(pid: int) -> float:
    """Return the resident size of a process; 0 where there is no /proc."""
    path = Path(f"/proc/{pid}/statm")
    pages = int(path.read_text().split()[1]) if path.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Start everything in turns."""
    times: dict[str, list[float]] = defaultdict(list)
    sizes: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as data_dir:
        for _ in range(rounds):
            began = time.perf_counter()
            subprocess.run([*PYTHON, "-c", "pass"], check=True)
            times["python -c pass"].append((time.perf_counter() - began) * 1000)
            (bare,), sizes["bare pygls"] = start([*PYTHON, "-c", BARE], INITIALIZE)
            times["bare pygls: initialize"].append(bare)
            ours, sizes["byokd"] = start([*PYTHON, "-c", OURS, data_dir], INITIALIZE, LIST)
            times["byokd: initialize"].append(ours[0])
            times["byokd: provider/list"].append(ours[1])
    return times, sizes


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    times, sizes = measure(rounds)
    base = statistics.median(times["bare pygls: initialize"])
    print(f"{'from spawn to':26} {'median':>9} {'fastest':>9} {'of bare pygls':>14}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:26} {median:6.0f} ms {min(values):6.0f} ms {median / base:13.2f}x")
    for name, size in sizes.items():
        print(f"{name:26} {size:6.0f} MiB resident after its last answer")


if __name__ == "__main__":
    main()
