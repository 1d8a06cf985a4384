"""Measures the relay of chunks: throughput, CPU, added delay and memory, compared with peers.

A provider on loopback and each reader of it are processes of their own. Everything is measured in
the same interleaved rounds and printed as ratios, which do not depend on the machine.

    python tests/bench/relay.py [rounds]

The peers: `raw` reads a socket and parses nothing; `httpx` reads and parses the stream; `naive` is
a pygls server with one notification per line of httpx; `openai` and `litellm` are the SDKs, where
they are installed. Delays are of streams that are open already. A relay is read by a thread of
this process, so on two cores it gets less CPU than a reader.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = [sys.executable, "-X", "utf8"]
PEERS: Final = [*PYTHON, str(Path(__file__).with_name("peers.py"))]
OURS: Final = f"""
import runpy, sys
sys.path.insert(0, {str(ROOT / "server")!r})
sys.argv = ["byokd", "--stdio", "--data-dir", sys.argv[1]]
runpy.run_module("byokd", run_name="__main__", alter_sys=True)
"""
STAMP: Final = re.compile(rb"~(\d+);")  # the time of sending, in the text of each delta
PROVIDER: Final = "openai-compatible"
KEY: Final = "bench-key-0123456789"
MESSAGES: Final = [{"role": "user", "content": "go"}]

BURST_STREAMS: Final = 8
BURST_CHUNKS: Final = {
    "raw": 10_000,
    "byokd": 10_000,
    "httpx": 5_000,
    "naive": 2_500,
    "openai": 500,
}
BURST_CHUNKS_SLOWEST: Final = 125
PACED: Final = ((1, 100), (32, 50), (100, 50))  # streams, chunks per second of each
TIMED: Final = ("raw", "byokd", "httpx")  # raw shows what the machine itself adds
PACED_SECONDS: Final = 3
DAEMON_STREAMS: Final = 50  # a daemon has a limit of streams: 100 need two daemons
ANSWER_TIMEOUT_S: Final = 120
SETTLE_S: Final = 1.5  # from the handshake until the background imports are done

# --- subjects ---------------------------------------------------------------------------------


@dataclass
class Run:
    """The result of one run; `delays_ns` is empty unless the run was paced."""

    chunks: int
    seconds: float
    cpu_s: float
    delays_ns: list[int]


class Subject(Protocol):
    """A reader of chats."""

    def run(self, model: str, streams: int) -> Run:
        """Run that many chats at once."""


class Reader:
    """A peer in a process of its own: commands on stdin, counts on stdout."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        assert process.stdout is not None
        process.stdout.readline()

    def run(self, model: str, streams: int) -> Run:
        """Run that many chats at once."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        began, cpu_s = time.perf_counter(), cpu_seconds(self._process.pid)
        stdin.write(json.dumps({"model": model, "streams": streams}).encode() + b"\n")
        stdin.flush()
        chunks, delays_ns = json.loads(stdout.readline())
        seconds = time.perf_counter() - began
        return Run(chunks, seconds, cpu_seconds(self._process.pid) - cpu_s, delays_ns)


@dataclass
class Relay:
    """A server on stdio, read by a thread that parses as little of each frame as possible."""

    process: subprocess.Popen[bytes]
    params: dict[str, Any] = field(default_factory=dict)
    chunks: int = 0
    delays_ns: list[int] = field(default_factory=list)
    timed: bool = False
    _answers: dict[int, dict[str, Any]] = field(default_factory=dict)
    _answered: threading.Condition = field(default_factory=threading.Condition)
    _next_id: int = 0

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()
        self.wait([self.send("initialize", {"processId": None, "capabilities": {}})])
        self.write({"method": "initialized", "params": {}})

    def start(self, model: str, streams: int) -> list[int]:
        """Start chats; return their request ids."""
        self.chunks, self.delays_ns, self.timed = 0, [], model.startswith("paced")
        return [
            self.send("chat/send", self.params | {"streamId": f"s{self._next_id}", "model": model})
            for _ in range(streams)
        ]

    def send(self, method: str, params: Any) -> int:
        """Send a request and return its id."""
        self._next_id += 1
        self.write({"id": self._next_id, "method": method, "params": params})
        return self._next_id

    def write(self, message: dict[str, Any]) -> None:
        """Send any message."""
        body = json.dumps({"jsonrpc": "2.0"} | message).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def wait(self, ids: Iterable[int]) -> None:
        """Wait for responses. Raises `RuntimeError` for an error or a timeout."""
        for id_ in ids:
            with self._answered:
                while id_ not in self._answers:
                    if not self._answered.wait(ANSWER_TIMEOUT_S):
                        raise RuntimeError("no answer in time")
                answer = self._answers.pop(id_)
            if "error" in answer:
                raise RuntimeError(answer["error"]["message"])

    def _read(self) -> None:
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        buffer = b""
        while data := os.read(descriptor, 1 << 18):
            buffer += data
            now, at = time.monotonic_ns(), 0
            while (end := buffer.find(b"\r\n\r\n", at)) >= 0:
                length = buffer.index(b"Content-Length: ", at, end) + 16
                body = end + 4
                stop = body + int(buffer[length:end].split(b"\r", 1)[0])
                if len(buffer) < stop:
                    break
                self._take(buffer[body:stop], now)
                at = stop
            buffer = buffer[at:]

    def _take(self, body: bytes, now: int) -> None:
        if b'"chat/events"' in body:
            self.chunks += body.count(b"~")
            if self.timed:
                self.delays_ns += [now - int(sent) for sent in STAMP.findall(body)]
        elif b'"result"' in body or b'"error"' in body:
            message = json.loads(body)
            with self._answered:
                self._answers[message["id"]] = message
                self._answered.notify_all()


class Relays:
    """One relay, or as many as the streams need."""

    def __init__(self, *relays: Relay) -> None:
        self._relays = relays

    def run(self, model: str, streams: int) -> Run:
        """Run that many chats at once, spread over as many relays as they need."""
        used = self._relays[: -(-streams // DAEMON_STREAMS)] or self._relays
        pids = [relay.process.pid for relay in used]
        began, cpu_s = time.perf_counter(), sum(map(cpu_seconds, pids))
        ids = [relay.start(model, streams // len(used)) for relay in used]
        for relay, relay_ids in zip(used, ids, strict=True):
            relay.wait(relay_ids)
        return Run(
            sum(relay.chunks for relay in used),
            time.perf_counter() - began,
            sum(map(cpu_seconds, pids)) - cpu_s,
            [delay for relay in used for delay in relay.delays_ns],
        )


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int, name: str = "VmRSS") -> float:
    """Return the memory of a process: resident now (`VmRSS`) or at its peak (`VmHWM`)."""
    match = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match
    return int(match[1]) / 1024


# --- measuring ------------------------------------------------------------------------------------


class Bench:
    """All processes of a run, and their results."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        provider = self.spawn([*PEERS, "upstream"])
        assert provider.stdout is not None
        self.base_url = f"http://127.0.0.1:{int(provider.stdout.readline())}/v1"
        self.subjects: dict[str, Subject] = {}
        self.memory: dict[str, float] = {}
        self.bursts: dict[str, list[Run]] = defaultdict(list)
        self.paced: dict[tuple[str, int], list[Run]] = defaultdict(list)

    def spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a process that ends with this one."""
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._stack.callback(process.communicate)
        self._stack.callback(process.kill)
        return process

    def daemon(self) -> Relay:
        """Start byokd with a key for the provider."""
        data_dir = self._stack.enter_context(tempfile.TemporaryDirectory())
        relay = Relay(self.spawn([*PYTHON, "-I", "-c", OURS, data_dir]))
        relay.params = {"provider": PROVIDER, "messages": MESSAGES}
        vault = {"protection": "memory", "acceptRisk": "memory"}
        relay.wait([relay.send("vault/initialize", vault)])
        key = {"provider": PROVIDER, "baseUrl": self.base_url, "probe": "skip"}
        relay.wait([relay.send("key/store", key | {"fields": {"apiKey": {"plain": KEY}}})])
        return relay

    def open(self) -> None:
        """Start all subjects, and measure the memory of the first chat."""
        first = self.daemon()
        time.sleep(SETTLE_S)
        pid = first.process.pid
        self.memory["idle, before the first chat"] = memory_mib(pid)
        self.subjects["byokd"] = Relays(first, self.daemon())
        self.subjects["byokd"].run("burst-100", 1)
        self.memory["after the first chat"] = memory_mib(pid)
        self.subjects["naive"] = Relays(Relay(self.spawn([*PEERS, "naive", self.base_url])))
        for name in ("raw", "httpx", "openai", "litellm"):
            if name == "raw" or importlib.util.find_spec(name):
                self.subjects[name] = Reader(self.spawn([*PEERS, "read", name, self.base_url]))
            else:
                print(f"{name} is not installed: left out")
        for subject in self.subjects.values():
            subject.run("burst-100", 1)
        self._first = pid

    def round(self) -> None:
        """Measure everything once, in turns."""
        for name, subject in self.subjects.items():
            count = BURST_CHUNKS.get(name, BURST_CHUNKS_SLOWEST)
            run = subject.run(f"burst-{count}", BURST_STREAMS)
            if run.chunks != count * BURST_STREAMS:
                print(f"{name} lost chunks: {run.chunks} of {count * BURST_STREAMS}")
            self.bursts[name].append(run)
        for streams, rate in PACED:
            for name in TIMED:
                run = self.subjects[name].run(f"paced-{rate * PACED_SECONDS}-{rate}", streams)
                self.paced[name, streams].append(run)

    def close(self) -> None:
        """Measure the peak memory."""
        self.memory["at the peak"] = memory_mib(self._first, "VmHWM")


def middle(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def print_bursts(bursts: dict[str, list[Run]]) -> None:
    """Print the throughput and CPU of each subject, with ratios within each round."""

    def rates(name: str) -> list[float]:
        return [run.chunks / run.seconds for run in bursts[name]]

    def costs(name: str) -> list[float]:
        return [run.cpu_s / run.chunks * 100_000 for run in bursts[name]]

    print(f"\n{BURST_STREAMS} streams at once, as fast as they are read")
    print(f"{'':8}{'chunks/s':>10}{'of naive':>10}{'CPU-s/100k':>13}{'of httpx':>10}")
    for name in bursts:
        faster = middle(map(float.__truediv__, rates(name), rates("naive")))
        dearer = middle(map(float.__truediv__, costs(name), costs("httpx")))
        print(
            f"{name:8}{middle(rates(name)):10,.0f}{faster:9.2f}x"
            f"{middle(costs(name)):13.2f}{dearer:9.2f}x"
        )
    print(f"{'target':8}{'':10}{'>= 3':>9}x{'':13}{'<= 0.6':>9}x")


def print_paced(paced: dict[tuple[str, int], list[Run]]) -> None:
    """Print the delay from the provider's write until the read: the median of the rounds."""
    print("\nadded delay of a chunk, in ms")
    print(f"{'streams':>8}{'chunks/s':>10}   {'':8}{'p50':>8}{'p99':>8}{'CPU-s/100k':>13}")
    for streams, rate in PACED:
        for name in TIMED:
            runs = paced[name, streams]
            cuts = [statistics.quantiles(run.delays_ns, n=100) for run in runs]
            cost = middle(run.cpu_s / run.chunks * 100_000 for run in runs)
            p50, p99 = (middle(cut[at] / 1e6 for cut in cuts) for at in (49, 98))
            target = "target: p50 < 1, p99 < 5" if (name, streams) == ("byokd", 32) else ""
            two = "two daemons" if (name, streams) == ("byokd", 100) else ""
            times = f"{p50:8.2f}{p99:8.2f}{cost:13.1f}"
            print(f"{streams:8}{rate:10}   {name:8}{times}   {target}{two}".rstrip())


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with ExitStack() as stack:
        bench = Bench(stack)
        bench.open()
        for _ in range(rounds):
            bench.round()
        bench.close()
    print_bursts(bench.bursts)
    print_paced(bench.paced)
    print("\nmemory of one byokd, in MiB (targets: idle < 80, after a chat < 110)")
    for name, size in bench.memory.items():
        print(f"{size:8.0f}   {name}")


if __name__ == "__main__":
    main()
