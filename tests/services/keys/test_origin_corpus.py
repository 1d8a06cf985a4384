"""Base URLs by the hundred: the accepted lead where Node says, the rest is refused on purpose.

Knows the corpus, Node's WHATWG `URL` as a second opinion, and the libraries that read the URL once
more on its way to the socket. Must not know how we read a URL.
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
# Labels that IDNA does not know: we pass them on, Node goes nowhere.
_NODE_REFUSES = "punycode not valid"
_READ = """
const said = (text) => {
  try {
    const { protocol, hostname, port, pathname, username, password, search, hash } = new URL(text);
    return [protocol, hostname, port, pathname, username + password + search + hash];
  } catch { return null; }
};
console.log(JSON.stringify(JSON.parse(require("fs").readFileSync(0)).map(said)));
"""
_needs_node = pytest.mark.skipif(_NODE is None, reason="needs node, the second opinion on a URL")
_PIECES = st.sampled_from(
    ["https:", "http:", "//", "/", "\\", "@", ":", "443", "0", "?", "#", ".", "..", "%2e", "%", "a",
     "h.example", "evil.example", "127", "0x7f", "[::1]", "[", "]", "localhost", "xn--", "\t", " ",
     "-", "_", "\u3002", "v1", "10.0.0.1"]
)  # fmt: skip


def _node(texts: list[str]) -> list[Any]:
    assert _NODE is not None
    done = subprocess.run(
        [_NODE, "-e", _READ], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    said: list[Any] = json.loads(done.stdout)
    return said


def _agrees(base: BaseUrl, said: list[str]) -> bool:
    protocol, host, port, path, rest = said
    path = path.rstrip("/") or "/"
    inner = base.url.split("/", 3)[3:]
    return (
        base.origin == f"{protocol}//{host}:{port or _PORTS[protocol]}"
        # Node encodes the braces of a template that is not filled.
        and path.replace("%7B", "{").replace("%7D", "}") == "/" + "".join(inner)
        and not rest
    )


def _read(text: str) -> BaseUrl | None:
    try:
        return read_base_url(text)
    except InvalidParams:
        return None


def test_every_row_is_what_the_corpus_says() -> None:
    assert len({text for _, text, _ in _ROWS}) == len(_ROWS) >= 300
    for name, text, expected in _ROWS:
        try:
            said = read_base_url(text).origin
        except InvalidParams as error:
            said = error.user_message.removeprefix("this base URL is not accepted: ")
        assert said == expected, (name, text)


@_needs_node
def test_what_is_accepted_leads_where_node_says() -> None:
    accepted = [(name, text, base) for name, text, _ in _ROWS if (base := _read(text))]
    spellings = [text for _, text, _ in accepted] + [base.url for _, _, base in accepted]
    for (name, text, base), said in zip(accepted * 2, _node(spellings), strict=True):
        if said is None:
            assert name == _NODE_REFUSES, text
        else:
            assert _agrees(base, said), (name, text, said)
    print(f"\n{len(_ROWS)} URLs: {len(accepted)} accepted, read alike by Node")


def test_what_is_accepted_is_what_is_connected_to() -> None:
    """httpx reads the URL first, and yarl its text; aiohttp connects to what yarl says."""
    accepted = [(name, text, base) for name, text, _ in _ROWS if (base := _read(text))]
    for name, text, base in accepted:
        asked = f"{base.url}/chat"
        try:
            sent = httpx.Request("GET", asked).url
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
            asked.split("/", 3)[3:]
        )
        assert not any((goal.query_string, goal.fragment, goal.user))
    print(f"\n{len(_ROWS)} URLs: {len(accepted)} accepted, read alike by httpx and yarl")


def _bracketed(host: str | None) -> str:
    return f"[{host}]" if host and ":" in host else str(host)


@_needs_node
@settings(max_examples=5, deadline=None)
@given(st.lists(st.lists(_PIECES, max_size=6).map("".join), min_size=200, max_size=400))
def test_no_made_up_url_goes_elsewhere(tails: list[str]) -> None:
    texts = [start + tail for tail in tails for start in ("https://", "https://h.example/")]
    found = [(text, base) for text in texts if (base := _read(text))]
    for (text, base), said in zip(found, _node([text for text, _ in found]), strict=True):
        assert said is None or _agrees(base, said), (text, said)
