"""byokd and the vendor's own client read the same text, calls and counts from the same answer.

The sandbox answers both over a real connection; it shares no code with either reader.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from byokd.core.http import Headers, HttpHead
from byokd.sandbox import Sandbox
from differential.answer_summary import AnswerSummary, from_reply
from differential.conversations import Params
from differential.vendors import FIELDS, KEY, Vendor, encoded, read, signed, vendors

# Deprecations and open sockets of the vendors' clients are not ours.
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]

_TOOL: Params = {
    "name": "weather",
    "description": "how the weather is",
    "inputSchema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
_HELLO: Params = {"messages": [{"role": "user", "content": "hello there, who are you?"}]}
_CHATS: dict[str, Params] = {
    "sandbox-echo": _HELLO,
    "sandbox-tools": _HELLO | {"tools": [_TOOL]},
    "sandbox-tools-3": _HELLO | {"tools": [_TOOL]},
    "sandbox-burst-100": _HELLO,
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Sandbox(keys=[KEY])) as running,
    ):
        yield running


def _ours(
    vendor: Vendor, base_url: str, model: str, params: Params, *, stream: bool
) -> AnswerSummary:
    call = vendor.call(base_url, model, params, stream=stream)
    request = signed(call, encoded(call).request)
    sent = urllib.request.Request(  # noqa: S310  # on loopback
        request.url, request.body, dict(request.headers), method=request.method
    )
    with urllib.request.urlopen(sent, timeout=120) as answer:  # noqa: S310  # on loopback
        head = HttpHead(answer.status, Headers(answer.headers.items()))
        return from_reply(read(call, head, answer.read()))


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("model", _CHATS)
@pytest.mark.parametrize("vendor", [*vendors()], ids=str)
def test_answer_is_read_as_by_the_vendors_client(
    sandbox: Sandbox, vendor: Vendor, model: str, *, stream: bool
) -> None:
    chat: tuple[Any, ...] = (f"{vendor.model}-{model}", _CHATS[model])
    ours = _ours(vendor, sandbox.base_url_as(vendor.provider, **FIELDS), *chat, stream=stream)
    theirs = vendor.ask(f"{sandbox.origin}/as/{vendor.provider}", *chat, stream=stream)

    assert ours.text or ours.calls
    assert asdict(ours) == asdict(theirs)
