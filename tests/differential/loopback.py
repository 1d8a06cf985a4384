"""A server on loopback that gives every request the same answer and records the requests.

It runs in a thread, because the vendors' clients block.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from byokd.core.http import Headers, HttpRequest

# Headers of the connection, not of the answer.
_HOP = {"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"}


class Answer(NamedTuple):
    """The answer to every request. The default, 418, is one that no client retries."""

    status: int = 418
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    body: bytes = b"{}"


_TEAPOT = Answer()


class Loopback:
    """A running server.

    Attributes:
        origin: its address, without a path.
        requests: the requests in order; `url` is only path and query.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.requests: list[HttpRequest] = []


@contextmanager
def serving(answer: Answer = _TEAPOT) -> Iterator[Loopback]:
    """Run a server until the context is left."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = Headers(self.headers.items())
            loopback.requests.append(HttpRequest("POST", self.path, headers, body))
            self.send_response(answer.status)
            for name, value in answer.headers:
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(answer.body)

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
