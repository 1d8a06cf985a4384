"""Hundreds of base URLs: accepted ones lead where Node and the HTTP stack lead, others are refused.

Node's WHATWG `URL` is the second opinion; httpx and yarl read the URL before the socket is opened.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings, strategies as st
from yarl import URL

from byokd.protocol.errors import InvalidParams
from byokd.services.keys.origin import BaseUrl, read_base_url

_CORPUS: dict[str, list[list[str]]] = json.loads(
    (Path(__file__).parents[2] / "vectors/origin/urls.json").read_text(encoding="utf-8")
)
_ROWS = [(name, *row) for name, rows in _CORPUS.items() for row in rows]
_NODE = shutil.which("node")
_PORTS = {"https:": "443", "http:": "80"}
# Labels that IDNA does not know: byokd accepts them, and Node refuses them.
_NODE_REFUSES = "punycode not valid"
_READ = """
const read = (text) => {
  try {
    const { protocol, hostname, port, pathname, username, password, search, hash } = new URL(text);
    return [protocol, hostname, port, pathname, username + password + search + hash];
  } catch { return null; }
};
console.log(JSON.stringify(JSON.parse(require("fs").readFileSync(0)).map(read)));
"""
_needs_node = pytest.mark.skipif(_NODE is None, reason="needs node, the second opinion on a URL")
_PIECES = st.sampled_from(
    ["https:", "http:", "//", "/", "\\", "@", ":", "443", "0", "?", "#", ".", "..", "%2e", "%", "a",
     "h.example", "evil.example", "127", "0x7f", "[::1]", "[", "]", "localhost", "xn--", "\t", " ",
     "-", "_", "\u3002", "v1", "10.0.0.1"]
)  # fmt: skip


def _node(texts: list[str]) -> list[Any]:
    assert _NODE is not None
    completed = subprocess.run(
        [_NODE, "-e", _READ], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    parts: list[Any] = json.loads(completed.stdout)
    return parts


def _agrees(base: BaseUrl, parts: list[str]) -> bool:
    protocol, host, port, path, credentials_and_query = parts
    path = path.rstrip("/") or "/"
    inner = base.url.split("/", 3)[3:]
    return (
        base.origin == f"{protocol}//{host}:{port or _PORTS[protocol]}"
        # Node encodes the braces of a template that is not filled.
        and path.replace("%7B", "{").replace("%7D", "}") == "/" + "".join(inner)
        and not credentials_and_query
    )


def _read(text: str) -> BaseUrl | None:
    try:
        return read_base_url(text)
    except InvalidParams:
        return None


def test_every_url_has_the_result_in_the_corpus() -> None:
    assert len({text for _, text, _ in _ROWS}) == len(_ROWS) >= 300
    for name, text, expected in _ROWS:
        try:
            actual = read_base_url(text).origin
        except InvalidParams as error:
            actual = error.user_message.removeprefix("this base URL is not accepted: ")
        assert actual == expected, (name, text)


@_needs_node
def test_accepted_url_has_the_origin_that_node_computes() -> None:
    accepted = [(name, text, base) for name, text, _ in _ROWS if (base := _read(text))]
    spellings = [text for _, text, _ in accepted] + [base.url for _, _, base in accepted]
    for (name, text, base), parts in zip(accepted * 2, _node(spellings), strict=True):
        if parts is None:
            assert name == _NODE_REFUSES, text
        else:
            assert _agrees(base, parts), (name, text, parts)
    print(f"\n{len(_ROWS)} URLs: {len(accepted)} accepted, read alike by Node")


def test_accepted_url_is_what_the_http_stack_connects_to() -> None:
    """httpx parses the URL, then yarl parses its text, and aiohttp connects to yarl's host."""
    accepted = [(name, text, base) for name, text, _ in _ROWS if (base := _read(text))]
    for name, text, base in accepted:
        url = f"{base.url}/chat"
        try:
            sent = httpx.Request("GET", url).url
        except ValueError:  # idna's: such a request is not sent
            assert name == _NODE_REFUSES, text
            continue
        goal = URL(str(sent), encoded=True)
        assert f"{goal.scheme}://{_bracketed(goal.raw_host)}:{goal.port}" == base.origin, text
        assert (
            f"{sent.scheme}://{_bracketed(sent.raw_host.decode())}:{sent.port or goal.port}"
            == base.origin
        )
        assert goal.raw_path.replace("%7B", "{").replace("%7D", "}") == "/" + "".join(
            url.split("/", 3)[3:]
        )
        assert not any((goal.query_string, goal.fragment, goal.user))
    print(f"\n{len(_ROWS)} URLs: {len(accepted)} accepted, read alike by httpx and yarl")


def _bracketed(host: str | None) -> str:
    return f"[{host}]" if host and ":" in host else str(host)


@_needs_node
@settings(max_examples=5, deadline=None)
@given(st.lists(st.lists(_PIECES, max_size=6).map("".join), min_size=200, max_size=400))
def test_generated_url_never_has_another_origin(tails: list[str]) -> None:
    texts = [start + tail for tail in tails for start in ("https://", "https://h.example/")]
    accepted = [(text, base) for text in texts if (base := _read(text))]
    for (text, base), parts in zip(accepted, _node([text for text, _ in accepted]), strict=True):
        assert parts is None or _agrees(base, parts), (text, parts)
