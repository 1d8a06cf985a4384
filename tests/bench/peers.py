"""The other processes of `relay.py`: a provider on loopback, and the peers that read it.

python tests/bench/peers.py upstream | naive URL | read raw|httpx|openai|litellm URL
"""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

KEY: Final = "bench-key-0123456789"
MESSAGES: Final = [{"role": "user", "content": "go"}]

# --- the provider ---------------------------------------------------------------------------------

DELTA: Final = (
    b'data: {"id":"chatcmpl-CfXh2mPqzL9d4vTn8rWbYs0KeJu3A","object":"chat.completion.chunk",'
    b'"created":1763870000,"model":"paced","system_fingerprint":"fp_560af6e559","choices":[{'
    b'"index":0,"delta":{"content":"~%d; word"},"logprobs":null,"finish_reason":null}]}\n\n'
)
FINISH: Final = (
    b'data: {"id":"chatcmpl-CfXh2mPqzL9d4vTn8rWbYs0KeJu3A","object":"chat.completion.chunk",'
    b'"created":1763870000,"model":"paced","choices":[{"index":0,"delta":{},'
    b'"finish_reason":"stop"}]}\n\n'
)
BURST_WRITE: Final = 50  # chunks of one write, so that the provider is not the bottleneck
OPENING_S: Final = 1  # so that all streams are open before the first paced chunk of any
HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def chunk(data: bytes) -> bytes:
    """Return one HTTP chunk; the empty one ends a body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


async def upstream() -> None:
    """Print the port and serve until killed. The model's name sets the count and the rate."""
    server = await asyncio.start_server(provide, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def provide(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request of one connection: `burst-COUNT` or `paced-COUNT-RATE`."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
            body = json.loads(await reader.readexactly(int(length[1]) if length else 0))
            _, count, rate = f"{body['model']}-0".split("-")[:3]
            writer.write(HEAD)
            await (pace(writer, int(count), int(rate)) if int(rate) else burst(writer, int(count)))
            writer.write(b"".join(map(chunk, (FINISH, b"data: [DONE]\n\n", b""))))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def burst(writer: asyncio.StreamWriter, count: int) -> None:
    """Write chunks as fast as they are read."""
    for _ in range(count // BURST_WRITE):
        writer.write(chunk(DELTA % time.monotonic_ns()) * BURST_WRITE)
        await writer.drain()
    writer.write(chunk(DELTA % time.monotonic_ns()) * (count % BURST_WRITE))


async def pace(writer: asyncio.StreamWriter, count: int, rate: int) -> None:
    """Write one chunk at a time, each with its time; streams start at random offsets."""
    due = time.monotonic() + OPENING_S + random.random() / rate  # noqa: S311 - no secret
    for _ in range(count):
        await asyncio.sleep(due - time.monotonic())
        writer.write(chunk(DELTA % time.monotonic_ns()))
        due += 1 / rate


# --- the peers ------------------------------------------------------------------------------------


async def httpx_texts(client: Any, base_url: str, model: str) -> AsyncIterator[str]:
    """Yield the text of each chunk, with httpx only."""
    body = {"model": model, "messages": MESSAGES, "stream": True}
    async with client.stream("POST", f"{base_url}/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                yield json.loads(line[6:])["choices"][0]["delta"].get("content") or ""


async def raw_texts(base_url: str, model: str) -> AsyncIterator[str]:
    """Yield the time stamps in each read of the socket; nothing is parsed."""
    host, port = base_url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({"model": model}).encode()
    writer.write(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    tail = b""
    while not tail.endswith(b"\r\n0\r\n\r\n"):
        data = tail + await reader.read(1 << 18)
        cut = data.rfind(b"data: ")
        whole, tail = (data, data[-7:]) if data.endswith(b"\r\n") else (data[:cut], data[cut:])
        for sent in re.findall(rb"~\d+;", whole):
            yield sent.decode()
    writer.close()


def plain_client() -> Any:
    """Return an httpx client with its own transport."""
    import httpx

    return httpx.AsyncClient(timeout=60, trust_env=False)


def texts_of(name: str, base_url: str) -> Callable[[str], AsyncIterator[str]]:
    """Return a function that starts a chat with the named peer and yields each chunk's text."""
    if name == "raw":
        return lambda model: raw_texts(base_url, model)
    if name == "httpx":
        client = plain_client()
        return lambda model: httpx_texts(client, base_url, model)
    sdk = importlib.import_module(name)
    if name == "openai":
        create = sdk.AsyncOpenAI(api_key=KEY, base_url=base_url).chat.completions.create
        prefix: str = ""
        options: dict[str, str] = {}
    else:
        create = sdk.acompletion
        prefix, options = "openai/", {"api_key": KEY, "api_base": base_url}

    async def texts(model: str) -> AsyncIterator[str]:
        answer = await create(model=prefix + model, messages=MESSAGES, stream=True, **options)
        async for part in answer:
            yield (part.choices[0].delta.content or "") if part.choices else ""

    return texts


def read_for(name: str, base_url: str) -> None:
    """Run the chats of each line of stdin, `{model, streams}`; print `[chunks, delays in ns]`.

    The delays are empty for a burst.
    """
    texts = texts_of(name, base_url)

    async def chat(model: str, seen: list[int]) -> None:
        async for text in texts(model):
            now = time.monotonic_ns()
            if text:
                seen.append(now - int(text[1 : text.index(";")]))

    async def chats(model: str, streams: int) -> list[int]:
        seen: list[int] = []
        await asyncio.gather(*(chat(model, seen) for _ in range(streams)))
        return seen

    with asyncio.Runner() as runner:
        print("ready", flush=True)
        for line in sys.stdin:
            seen = runner.run(chats(**json.loads(line)))
            print(json.dumps([len(seen), seen if "paced" in line else []]), flush=True)


def naive(base_url: str) -> None:
    """Serve with plain pygls: one notification for each line of the provider's stream."""
    from pygls.lsp.server import LanguageServer

    server = LanguageServer("naive", "1")
    client = plain_client()

    async def send(params: Any) -> dict[str, str]:
        async for text in httpx_texts(client, base_url, params.model):
            note = {"streamId": params.streamId, "delta": text}
            server.protocol.notify("chat/events", note)
        return {}

    server.feature("chat/send")(send)
    server.start_io()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["upstream"]:
            asyncio.run(upstream())
        case ["naive", url]:
            naive(url)
        case ["read", who, url]:
            read_for(who, url)
