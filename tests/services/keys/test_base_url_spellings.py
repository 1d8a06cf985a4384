"""Base URLs as people write them, against servers as people run them, over real sockets.

Each row: what was written, the verdict, and the base URL that is stored. Only the origin that was
written gets a request, with at most `BASE_URLS_TRIED_MAX` other paths.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import pytest

from authority import Authority
from byokd.catalog.loader import load
from byokd.core.limits import BASE_URLS_TRIED_MAX
from byokd.core.secret import Secret
from byokd.protocol.errors import (
    ByokdError,
    InvalidParams,
    NetworkFailed,
    ProviderError,
    ProviderRedirect,
    TimedOut,
)
from byokd.protocol.key import ProbeResult
from byokd.services.keys.address_advice import connection_advice
from byokd.services.keys.input import ParsedKey, check_detected
from byokd.services.keys.prober import Prober
from byokd.transport.http import HttpTransport
from sandbox_env import GENERIC
from transport.test_tls import authority

__all__ = ["authority"]  # a fixture

pytestmark = pytest.mark.anyio

_KEY: Final = "test-key-0123456789abcdef0123456789"

Answer: TypeAlias = tuple[int, str, bytes]
"""Status, a header with its line end (or none), and the body."""

_LIST: Final = (200, "", json.dumps({"object": "list", "data": [{"id": "m"}]}).encode())
_TAGS: Final = (200, "", json.dumps({"models": [{"name": "m", "model": "m"}]}).encode())
_PAGE: Final = (200, "content-type: text/html\r\n", b"<!doctype html><title>UI</title>")
_NO_PAGE: Final = (404, "content-type: text/html\r\n", b"<html><center>nginx</center></html>")
_DETAIL: Final = (404, "", b'{"detail":"Not Found"}')


def _text(text: str, status: int = 200) -> Answer:
    return status, "content-type: text/plain\r\n", text.encode()


def _json(document: Any, status: int = 200) -> Answer:
    return status, "content-type: application/json\r\n", json.dumps(document).encode()


@dataclass(frozen=True)
class _Kind:
    """A kind of server: what it answers to GET by path; `elsewhere` at all other paths."""

    paths: dict[str, Answer] = field(default_factory=dict)
    elsewhere: Answer = _DETAIL

    def answer(self, path: str) -> Answer:
        return self.paths.get(path, self.elsewhere)


_KINDS: Final = {
    "llama.cpp": _Kind(
        {"/models": _LIST, "/v1/models": _LIST, "/": _PAGE, "/health": _json({"status": "ok"})},
        _json({"error": {"code": 404, "message": "File Not Found"}}, 404),
    ),
    "lm studio": _Kind(
        {"/v1/models": _LIST, "/api/v0/models": _LIST},
        _json({"error": "Unexpected endpoint or method. (GET /x). Returning 200 anyway"}),
    ),
    "vllm": _Kind({"/v1/models": _LIST, "/health": _text("")}),
    "ollama": _Kind(
        {"/": _text("Ollama is running"), "/v1/models": _LIST, "/api/tags": _TAGS,
         "/api/version": _json({"version": "0.20"})},
        _text("404 page not found", 404),
    ),
    "litellm": _Kind({"/models": _LIST, "/v1/models": _LIST, "/": _PAGE, "/ui": _PAGE}),
    "open webui": _Kind(
        {"/api/models": _LIST, "/api/version": _json({"version": "1"})}, _PAGE
    ),
    "gateway": _Kind({"/openai/v1/models": _LIST}, _json({"message": "no Route matched"}, 404)),
    "below a path": _Kind({"/team/llm/v1/models": _LIST}, _NO_PAGE),
    "other version": _Kind({"/v4/models": _LIST}, _NO_PAGE),
    "nginx": _Kind({}, _NO_PAGE),
    "text": _Kind({}, _text("It works!")),
    "status in json": _Kind({}, _json({"status": "ok"})),
    "greeting in json": _Kind({}, _json({"message": "Welcome to our API", "docs": "/docs"})),
    "page": _Kind({}, _PAGE),
    "redirects at the root": _Kind(
        {"/v1/models": _LIST}, (302, "location: /ui/\r\n", b"")
    ),
    "redirects to another host": _Kind(
        {}, (301, "location: https://sso.example.test/login?next=secret\r\n", b"")
    ),
    "wrong key": _Kind(
        {"/v1/models": _json({"error": {"message": "Incorrect API key provided"}}, 401)}
    ),
    "broken": _Kind({}, _json({"error": {"message": "oops"}}, 500)),
}  # fmt: skip

# Written, with {p} for the port; verdict; what is stored, as a path at http://127.0.0.1:{p} (or
# whole), None for the path as written.
_ROWS: Final[dict[str, list[tuple[str, str, str | None]]]] = {
    "llama.cpp": [
        ("http://127.0.0.1:{p}", "valid", ""),
        ("http://127.0.0.1:{p}/v1", "valid", "/v1"),
        ("http://127.0.0.1:{p}/v1/", "valid", "/v1"),
        ("http://127.0.0.1:{p}/v1/models", "valid", "/v1"),
        ("http://127.0.0.1:{p}/v1/chat/completions", "valid", "/v1/chat/completions"),
        ("http://127.0.0.1:{p}/v1/completions", "valid", "/v1"),
        ("http://127.0.0.1:{p}/health", "valid", "/v1"),
        ("127.0.0.1:{p}", "valid", ""),
        ("localhost:{p}/v1", "valid", "http://localhost:{p}/v1"),
        ("0.0.0.0:{p}/v1", "valid", "/v1"),
        ("http://0.0.0.0:{p}", "valid", ""),
    ],
    "lm studio": [
        ("http://127.0.0.1:{p}", "valid", "/v1"),
        ("http://127.0.0.1:{p}/", "valid", "/v1"),
        ("http://127.0.0.1:{p}/v1", "valid", "/v1"),
        ("http://127.0.0.1:{p}/v1/models", "valid", "/v1"),
        ("http://127.0.0.1:{p}/v1/chat/completions", "valid", "/v1/chat/completions"),
        ("http://127.0.0.1:{p}/chat/completions", "valid", "/v1"),
        ("http://127.0.0.1:{p}/v1/responses", "valid", "/v1/responses"),
        ("localhost:{p}", "valid", "http://localhost:{p}/v1"),
        (" localhost:{p} ", "valid", "http://localhost:{p}/v1"),
        ("'http://127.0.0.1:{p}'", "valid", "/v1"),
        ('"127.0.0.1:{p}/v1",', "valid", "/v1"),
        ("OPENAI_BASE_URL=http://127.0.0.1:{p}", "valid", "/v1"),
        ("HTTP://127.0.0.1:{p}/v1", "valid", "/v1"),
        ("http://127.0.0.1:{p}//v1", "valid", "/v1"),
        ("http://127.0.0.1:{p}/v1/v1", "valid", "/v1"),
        ("http://127.0.0.1:{p}/v2", "valid", "/v1"),
        ("http://127.0.0.1:{p}/v1?stream=true", "valid", "/v1"),
        ("http://127.0.0.1:{p}/#/settings", "valid", "/v1"),
    ],
    "vllm": [
        ("http://127.0.0.1:{p}", "valid", "/v1"),
        ("http://127.0.0.1:{p}/models", "valid", "/v1"),
        ("http://127.0.0.1:{p}/v1/models", "valid", "/v1"),
        ("http://127.0.0.1:{p}/v1/embeddings", "valid", "/v1"),
        ("http://127.0.0.1:{p}/docs", "valid", "/v1"),
        ("http://127.0.0.1:{p}/metrics", "valid", "/v1"),
        ("http://127.0.0.1:{p}/health", "valid", "/v1"),
        ("http://127.0.0.1:{p}/api", "valid", "/v1"),
        ("http://127.0.0.1:{p}/openai", "valid", "/v1"),
        ("http://127.0.0.1:{p}/api/v1", "valid", "/v1"),
        ("http:127.0.0.1:{p}/v1", "invalidParams", None),
        ("export VLLM_URL='127.0.0.1:{p}'", "valid", "/v1"),
        ("<http://127.0.0.1:{p}>", "valid", "/v1"),
        ("`127.0.0.1:{p}`", "valid", "/v1"),
    ],
    "ollama": [
        ("http://127.0.0.1:{p}", "valid", "/v1"),
        ("http://127.0.0.1:{p}/api", "valid", "/v1"),
        ("http://127.0.0.1:{p}/api/chat", "valid", "/v1"),
        ("http://127.0.0.1:{p}/api/generate", "valid", "/v1"),
        ("http://127.0.0.1:{p}/api/tags", "valid", "/v1"),
        ("http://127.0.0.1:{p}/v1", "valid", "/v1"),
        ("0.0.0.0:{p}", "valid", "/v1"),
        ("[::1]:{p}", "unreachable", "http://[::1]:{p}"),
    ],
    "litellm": [
        ("http://127.0.0.1:{p}", "valid", ""),
        ("http://127.0.0.1:{p}/ui", "valid", "/v1"),
        ("http://127.0.0.1:{p}/ui/", "valid", "/v1"),
        ("http://127.0.0.1:{p}/v1", "valid", "/v1"),
        ("http://127.0.0.1:{p}/v1/messages", "valid", "/v1"),
        ("http://127.0.0.1:{p}/dashboard", "valid", "/v1"),
    ],
    "open webui": [
        ("http://127.0.0.1:{p}", "valid", "/api"),
        ("http://127.0.0.1:{p}/api", "valid", "/api"),
        ("http://127.0.0.1:{p}/api/models", "valid", "/api"),
        ("http://127.0.0.1:{p}/api/chat/completions", "valid", "/api/chat/completions"),
        ("http://127.0.0.1:{p}/admin/settings", "valid", "/api"),
    ],
    "gateway": [
        ("http://127.0.0.1:{p}", "valid", "/openai/v1"),
        ("http://127.0.0.1:{p}/openai", "valid", "/openai/v1"),
        ("http://127.0.0.1:{p}/openai/v1/models", "valid", "/openai/v1"),
        ("http://127.0.0.1:{p}/v1", "valid", "/openai/v1"),
    ],
    "below a path": [
        ("http://127.0.0.1:{p}/team/llm", "valid", "/team/llm/v1"),
        ("http://127.0.0.1:{p}/team/llm/models", "valid", "/team/llm/v1"),
        ("http://127.0.0.1:{p}/team/llm/v1/", "valid", "/team/llm/v1"),
        ("http://127.0.0.1:{p}", "unknown", ""),
    ],
    "other version": [
        ("http://127.0.0.1:{p}/v4", "valid", "/v4"),
        ("http://127.0.0.1:{p}/v4/models", "valid", "/v4"),
        ("http://127.0.0.1:{p}", "unknown", ""),
    ],
    "nginx": [
        ("http://127.0.0.1:{p}", "unknown", ""),
        ("http://127.0.0.1:{p}/v1", "unknown", "/v1"),
        ("localhost:{p}", "unknown", "http://localhost:{p}"),
    ],
    "text": [
        ("http://127.0.0.1:{p}", "unknown", ""),
        ("http://127.0.0.1:{p}/v1", "unknown", "/v1"),
    ],
    "status in json": [
        ("http://127.0.0.1:{p}", "unknown", ""),
        ("http://127.0.0.1:{p}/v1", "unknown", "/v1"),
    ],
    "greeting in json": [
        ("http://127.0.0.1:{p}", "unknown", ""),
        ("http://127.0.0.1:{p}/v1/models", "unknown", "/v1/models"),
    ],
    "page": [
        ("http://127.0.0.1:{p}", "unreachable", ""),
        ("http://127.0.0.1:{p}/v1", "unreachable", "/v1"),
    ],
    "redirects at the root": [
        ("http://127.0.0.1:{p}", "valid", "/v1"),
        ("http://127.0.0.1:{p}/ui/", "valid", "/v1"),
    ],
    "redirects to another host": [
        ("http://127.0.0.1:{p}", "unreachable", ""),
        ("http://127.0.0.1:{p}/v1", "unreachable", "/v1"),
    ],
    "wrong key": [
        ("http://127.0.0.1:{p}", "invalid", "/v1"),
        ("http://127.0.0.1:{p}/v1", "invalid", "/v1"),
    ],
    "broken": [
        ("http://127.0.0.1:{p}", "unknown", ""),
    ],
}


@dataclass
class _Server:
    port: int = 0
    paths: list[str] = field(default_factory=list)


@asynccontextmanager
async def _running(
    answer: Callable[[str], Answer], tls: ssl.SSLContext | None = None
) -> AsyncIterator[_Server]:
    """Serve GET requests; each connection gets one answer."""
    state = _Server()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readexactly(1)
            if head == b"\x16":  # a TLS handshake: servers answer that this is no HTTP
                writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
                return
            head += await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            state.paths.append(path)
            status, header, body = answer(path)
            writer.write(
                f"HTTP/1.1 {status} x\r\n{header}content-length: {len(body)}\r\n"
                "connection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        await server.wait_closed()


def _parsed(text: str, **more: Any) -> ParsedKey:
    fields: dict[str, Secret | str] = {"apiKey": Secret(_KEY)}
    return check_detected(
        load()[GENERIC], fields, base_url=text, allow_insecure=more.get("allow_insecure", False)
    )


async def _probed(text: str) -> tuple[ProbeResult, str | None]:
    """Return the result of a probe, and the base URL that would be stored."""
    parsed = _parsed(text)
    transport = HttpTransport()
    try:
        result = await Prober(transport).probe(parsed.candidate)
    finally:
        await transport.aclose()
    located = result.details.get("baseUrl")
    if isinstance(located, str):
        return result, parsed.base_url_at(located)
    return result, parsed.address.own


_CASES = [(kind, *row) for kind, rows in _ROWS.items() for row in rows]


def test_number_of_spellings() -> None:
    assert len(_CASES) >= 80
    assert set(_ROWS) == set(_KINDS)


@pytest.mark.parametrize(
    ("kind", "written", "verdict", "stored"), _CASES, ids=[f"{c[0]}: {c[1]}" for c in _CASES]
)
async def test_base_url_as_written(
    kind: str, written: str, verdict: str, stored: str | None
) -> None:
    served = _KINDS[kind]
    async with _running(served.answer) as server:
        text = written.format(p=server.port)
        if verdict == "invalidParams":
            with pytest.raises(InvalidParams):
                _parsed(text)
            return
        result, base_url = await _probed(text)
        assert stored is not None
        whole = stored if "://" in stored else "http://127.0.0.1:{p}" + stored
        assert (result.verdict, base_url) == (verdict, whole.format(p=server.port))
        assert len(server.paths) <= 1 + BASE_URLS_TRIED_MAX
        assert len(set(server.paths)) == len(server.paths), "a path was tried twice"
        assert _KEY not in result.model_dump_json()
        assert "secret" not in result.message
    changed = base_url is not None and "baseUrl" in result.details
    assert ("the API is at" in result.message) == changed
    if verdict in {"unknown", "unreachable"} and kind != "broken" and "[" not in written:
        assert "baseUrl" in result.message


async def test_server_that_answers_is_not_asked_elsewhere() -> None:
    for status in (200, 401, 403, 429, 500):
        served = _Kind({}, _LIST if status == 200 else _json({}, status))
        async with _running(served.answer) as server:
            await _probed(f"http://127.0.0.1:{server.port}/v1")
            assert server.paths == ["/v1/models"]


def _failed(reason: str, **more: str) -> NetworkFailed:
    return NetworkFailed("failed", details={"reason": reason} | more)


# --- connections that fail: the message names the one thing to change -----------------------------


async def test_tls_to_a_plain_server_names_the_scheme() -> None:
    async with _running(lambda _path: _LIST) as server:
        result, base_url = await _probed(f"https://127.0.0.1:{server.port}/v1")
        assert (result.verdict, base_url) == ("unreachable", f"https://127.0.0.1:{server.port}/v1")
        assert f"set baseUrl to http://127.0.0.1:{server.port}/v1" in result.message
        assert server.paths == []


@pytest.mark.parametrize(
    ("base_url", "error", "words"),
    [
        ("https://127.0.0.1:1/v1", _failed("reset"), "set baseUrl to http://127.0.0.1:1/v1"),
        ("https://localhost:1", TimedOut("t", details={"phase": "connect"}), "to http://localhost:1"),
        ("https://10.0.0.7:1/v1", _failed("tls"),
         "set baseUrl to http://10.0.0.7:1/v1, and allowInsecureOrigin to true"),
        ("https://10.0.0.7:1", TimedOut("slow", details={"phase": "connect"}), "^slow$"),
        ("https://host.example/v1", _failed("tls"), "^failed$"),
        ("https://127.0.0.1:1/v1", _failed("tls", certificate="expired"), "^failed$"),
        ("http://127.0.0.1:1/v1", _failed("reset"), "set baseUrl to https://127.0.0.1:1/v1"),
        ("http://127.0.0.1:1/v1", ProviderError("no HTTP"), "set baseUrl to https://127.0.0.1:1"),
        ("https://host.example/v1", ProviderError("no HTTP"), "^no HTTP$"),
        ("https://host.example/v1", _failed("dns"), "^failed$"),
        ("http://[::1]:1", _failed("refused"), "start the server, or correct the port in baseUrl"),
        ("https://host.example", _failed("refused"), "^failed$"),
        ("https://host.example/v1", ProviderRedirect("r", details={"to": None}), "the path in"),
        ("https://host.example/v1",
         ProviderRedirect("r", details={"to": "https://other.example/x"}), "to other.example"),
    ],
)  # fmt: skip
def test_connection_failure_names_what_to_change(
    base_url: str, error: ByokdError, words: str
) -> None:
    assert re.search(words, connection_advice(base_url, error))


async def test_plain_http_to_a_tls_server_names_the_scheme(authority: Authority) -> None:
    async with _running(lambda _path: _LIST, authority.server()) as server:
        result, _ = await _probed(f"http://127.0.0.1:{server.port}/v1")
        assert result.verdict == "unreachable"
        assert f"set baseUrl to https://127.0.0.1:{server.port}/v1" in result.message


@pytest.mark.parametrize(
    "text",
    [
        "<center>The plain HTTP request was sent to HTTPS port</center>",
        "Client sent an HTTP request to an HTTPS server.",
        "Reason: You're speaking plain HTTP to an SSL-enabled server port.",
    ],
)
async def test_port_that_asks_for_tls_names_the_scheme(text: str) -> None:
    async with _running(lambda _path: _text(text, 400)) as server:
        result, _ = await _probed(f"http://127.0.0.1:{server.port}/v1")
        assert result.verdict == "unreachable"
        assert f"set baseUrl to https://127.0.0.1:{server.port}/v1" in result.message
        assert server.paths == ["/v1/models"]


async def test_redirect_to_https_names_the_address() -> None:
    answer = (301, "location: https://127.0.0.1:8443/v1/models\r\n", b"")
    async with _running(lambda _path: answer) as server:
        result, _ = await _probed(f"http://127.0.0.1:{server.port}/v1")
        assert result.verdict == "unreachable"
        assert "set baseUrl to https://127.0.0.1:8443/v1" in result.message


async def test_stopped_server_names_the_port() -> None:
    with socket.socket() as bound:  # not listening, and no other process gets this port
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        result, base_url = await _probed(f"localhost:{port}")
    assert (result.verdict, base_url) == ("unreachable", f"http://localhost:{port}")
    assert result.message.startswith(f"nothing answers at localhost:{port}: start the server")
    assert result.details == {"kind": "network"}


# --- what is refused without a request ------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("http://192.168.1.50:11434/v1", "allowInsecureOrigin"),
        ("http://api.example.test/v1", "use https"),
        ("model", "write it as"),
        ("http:\\\\localhost:1234", "write it as"),
        ("https://user:pw@host.example/v1", "unexpected characters"),
        ("https://host.example?@evil.example/v1", "write it as"),
        ("ftp://host.example", "write it as"),
        ("localhost:99999", "port"),
        ("http://169.254.169.254/v1", "cannot be a provider"),
        ("169.254.169.254", "cannot be a provider"),
    ],
)
def test_address_that_is_refused(written: str, words: str) -> None:
    with pytest.raises(InvalidParams, match=words) as caught:
        _parsed(written)
    details: Any = caught.value.fields["details"]
    assert details[0]["pointer"] == "/baseUrl"


@pytest.mark.parametrize(
    ("written", "url", "notes"),
    [
        ("https://host.example/v1", "https://host.example/v1", ()),
        ("host.example/v1", "https://host.example/v1", ("has no scheme",)),
        ("host.example:8443", "https://host.example:8443", ("has no scheme",)),
        ("//host.example/v1", "https://host.example/v1", ("has no scheme",)),
        ("https:/host.example/v1", "https://host.example/v1", ()),
        ("127.0.0.1:1234", "http://127.0.0.1:1234", ("has no scheme",)),
        ("sub.localhost:1234/v1", "http://sub.localhost:1234/v1", ("has no scheme",)),
        ("[::1]:1234", "http://[::1]:1234", ("has no scheme",)),
        ("[::]:1234", "http://[::1]:1234", ("where a server listens", "has no scheme")),
        ("https://0.0.0.0:1234", "https://127.0.0.1:1234", ("where a server listens",)),
        ("10.0.0.7:1234/v1", "https://10.0.0.7:1234/v1", ("has no scheme",)),
        ("https://host.example/v1#top", "https://host.example/v1", ("left out",)),
    ],
)
def test_spelling_is_read_and_what_changed_is_noted(
    written: str, url: str, notes: tuple[str, ...]
) -> None:
    parsed = _parsed(written)
    assert parsed.address.own == url
    assert len(parsed.notes) == len(notes)
    assert all(
        note.startswith("baseUrl: ") and words in note
        for note, words in zip(parsed.notes, notes, strict=True)
    )
