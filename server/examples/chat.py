"""A byokd client in Python, with the standard library alone.

    python3 chat.py BASE_URL MODEL

Stores a key for a server in OpenAI's format, asks one question and prints the answer as it comes.
The key is asked for, or read from the first line of stdin. `byokd sandbox` prints base URLs and
models to try, and accepts any key that begins with sandbox-key-. BYOKD names the command to start
if it is not `byokd`.
"""

from __future__ import annotations

import getpass
import json
import os
import shlex
import subprocess
import sys
import tempfile
from typing import Any


class Client:
    """One daemon: requests go to its stdin, responses and events come from its stdout."""

    def __init__(self, data_dir: str) -> None:
        command = [
            *shlex.split(os.environ.get("BYOKD", "byokd")),
            "--stdio",
            "--data-dir",
            data_dir,
        ]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._last_id = 0

    def send(self, **message: Any) -> None:
        """Write one message: a header with its length, an empty line, JSON."""
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """Read one message; headers end with an empty line."""
        assert self.process.stdout
        length = 0
        while header := self.process.stdout.readline().strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            sys.exit("the daemon ended")
        message: dict[str, Any] = json.loads(self.process.stdout.read(length))
        return message

    def request(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """Send a request and return its result; print the text that streams in before it."""
        self._last_id += 1
        self.send(id=self._last_id, method=method, params=params or {})
        while True:
            message = self.read()
            if message.get("method") == "chat/events":
                for event in message["params"]["events"]:
                    if event["type"] == "textDelta":
                        print(event["delta"], end="", flush=True)
            elif "method" in message and "id" in message:  # the daemon asks us something
                self.send(id=message["id"], error={"code": -32601, "message": "not supported"})
            elif message.get("id") == self._last_id:
                if "error" in message:
                    sys.exit(message["error"]["data"]["userMessage"])
                return message["result"]


def main(base_url: str, model: str) -> None:
    """Ask one question with a vault that lasts as long as this program."""
    key = getpass.getpass("API key: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
    provider = "openai-compatible"
    with tempfile.TemporaryDirectory() as data_dir:
        client = Client(data_dir)
        client.request("initialize", {"processId": os.getpid(), "capabilities": {}})
        client.send(method="initialized", params={})
        providers = client.request("provider/list")["items"]
        print(f"{len(providers)} providers, {providers[0]['name']} is the first")
        # A real client leaves this out: the first key/store makes a vault in the OS keyring.
        client.request("vault/initialize", {"protection": "keyFile", "acceptRisk": "keyFile"})
        # A real client seals the key: see "Secrets and sealing" in protocol.md.
        fields = {"apiKey": {"plain": key}}
        params = {"provider": provider, "fields": fields, "baseUrl": base_url}
        print(client.request("key/store", params)["probe"]["message"])
        question = [{"role": "user", "content": "Hello from Python"}]
        chat = {"streamId": "1", "provider": provider, "model": model, "messages": question}
        usage = client.request("chat/send", chat)["usage"]
        print(f"\n{usage['outputText']} tokens of text")
        client.request("shutdown")
        client.send(method="exit")
        sys.exit(client.process.wait())


if __name__ == "__main__":
    main(*sys.argv[1:])
