"""A server that gives one answer to everybody and keeps what it was asked.

Knows bytes and headers. Must not know a vendor. The vendors' clients block, so it has a thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from byokd.core.http import Headers, HttpRequest

# What belongs to the way that an answer came, not to the answer.
_HOP = {"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"}


class Answer(NamedTuple):
    """What everybody is told; by default that the server is a teapot, which nobody retries."""

    status: int = 418
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    body: bytes = b"{}"


class Loopback:
    """A running server.

    Attributes:
        origin: where it is, without a path.
        requests: what was asked, in order; `url` is path and query alone.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.requests: list[HttpRequest] = []


@contextmanager
def serving(answer: Answer | None = None) -> Iterator[Loopback]:
    """Give a server until the block ends."""
    said = answer or Answer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = Headers(self.headers.items())
            loopback.requests.append(HttpRequest("POST", self.path, headers, body))
            self.send_response(said.status)
            for name, value in said.headers:
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(said.body)))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    loopback = Loopback(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield loopback
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
