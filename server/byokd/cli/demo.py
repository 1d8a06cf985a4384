"""`byokd demo`: stores and uses a key as an editor does, with the sandbox as provider."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import click
from rich.padding import Padding
from rich.text import Text

from byokd.cli import terminal
from byokd.cli.audit import show as show_entries
from byokd.cli.chat import send
from byokd.cli.client import Daemon, DaemonError
from byokd.cli.keys import all_keys, row as key_row, verdict
from byokd.cli.providers import all_providers
from byokd.protocol.audit import (
    AuditListParams,
    AuditListResult,
    AuditVerifyParams,
    AuditVerifyResult,
)
from byokd.protocol.base import Params
from byokd.protocol.chat import Reasoning, SendParams, SendResult, Tool
from byokd.protocol.key import (
    KeyChanged,
    KeyInfo,
    KeyProbeParams,
    KeyProbeResult,
    KeyStoreParams,
    KeyStoreResult,
)
from byokd.protocol.lifecycle import ShowMessageRequest
from byokd.protocol.parts import Message, ToolCallPart, ToolResultPart
from byokd.protocol.provider import ProviderInfo
from byokd.protocol.vault import VaultInitializeParams, VaultInitializeResult

if TYPE_CHECKING:
    from byokd.sandbox import Sandbox

KEY = f"demo-{uuid4().hex}"
BAD_KEY = f"demo-bad-{uuid4().hex}"
WAIT_S = 20.0

WEATHER = Tool(
    name="weather",
    description="Tell the weather in a city.",
    input_schema={
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
)


class UnexpectedResult(Exception):
    """A step of the demo had another result than expected."""


@click.command()
def demo() -> int:
    """Show how a key is stored and used, step by step.

    It takes about ten seconds, uses simulated providers, and leaves nothing behind.
    """
    began = time.monotonic()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="byokd-demo-") as folder,
            redirect_stderr(sys.stdout),  # messages appear between the results, in order
            _sandbox() as sandbox,
        ):
            Demo(sandbox, Path(folder)).run()
        _expect(not Path(folder).exists(), "the folder of the demo is gone")
    except UnexpectedResult as result:
        terminal.fail(f"the demo failed: {result}")
        return 1
    took = time.monotonic() - began
    terminal.show(
        f"\nEvery step gave the expected result, in {took:.1f} s. Nothing was left behind."
    )
    return 0


@contextmanager
def _sandbox() -> Iterator[Sandbox]:
    from anyio.from_thread import start_blocking_portal

    from byokd.sandbox import Sandbox

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Sandbox(keys=[KEY])) as sandbox,
    ):
        yield sandbox


class Demo:
    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self._sandbox = sandbox
        self._folder = folder
        self._step = 0
        self._changes: list[str] = []
        self._prompts: list[ShowMessageRequest] = []

    def run(self) -> None:
        """Run all steps; raises `UnexpectedResult`."""
        arguments = ["--data-dir", str(self._folder)]
        self._title("A daemon starts, as an editor would start it, and lists its providers")
        with Daemon(
            arguments,
            module="byokd.testing",
            on_notification=self._on_notification,
            on_prompt=self._on_prompt,
        ) as self._daemon:
            self._generic = self._providers()
            self._vault()
            self._refused()
            self._key = self._store()
            self._reasoning()
            self._tools()
            self._soft_disable()
            self._audit()
        self._sealed_on_disk()

    def _providers(self) -> ProviderInfo:
        providers = all_providers(self._daemon)
        _expect(providers, "providers are listed")
        _print(f"{len(providers)} providers: {', '.join(item.id for item in providers)}")
        return next(
            item for item in providers if item.base_url_required and item.kind == "singleField"
            and item.base_url is None
        )  # fmt: skip

    def _vault(self) -> None:
        self._title("A vault is created")
        params = VaultInitializeParams(protection="keyFile", accept_risk="keyFile")
        created = self._daemon.call(
            "vault/initialize", params, VaultInitializeResult, timeout_s=WAIT_S
        )
        vault = created.vault
        _expect(vault.state == "unlocked", "the vault is unlocked")
        _print("your keyring is not touched: the demo's master key is a file in its own folder")
        _print(f"protects against: {vault.protects_against}")
        _print(f"but not against: {vault.does_not_protect_against}")

    def _refused(self) -> None:
        self._title("A bad key is refused before it is stored")
        try:
            self._put("key/store", BAD_KEY)
        except DaemonError as error:
            terminal.fail(error.data.user_message)
            _expect(error.data.kind == "keyInvalid", "a bad key is reported as invalid")
        else:
            raise UnexpectedResult("a bad key was stored")
        _expect(not all_keys(self._daemon), "no key is stored yet")

    def _store(self) -> KeyInfo:
        self._title("A key is sent encrypted, checked with its provider, and stored encrypted")
        stored = self._put("key/store", KEY)
        _expect(stored.probe is not None and stored.probe.verdict == "valid", "the key is valid")
        keys = all_keys(self._daemon)
        _expect([item.key_id for item in keys] == [stored.key.key_id], "one key is listed")
        terminal.table(
            ("key", "provider", "label", "ends", "state", "used"), (key_row(item) for item in keys)
        )
        params = KeyProbeParams(key_id=stored.key.key_id)
        probe = self._daemon.call("key/probe", params, KeyProbeResult, timeout_s=WAIT_S).probe
        _expect(probe.verdict == "valid", "the stored key is valid")
        _print(f"probed again: {verdict(probe)}")
        return stored.key

    def _reasoning(self) -> None:
        self._title("A chat is streamed: first the reasoning, then the answer")
        question = Message(role="user", content="How far away is the Moon?")
        result = self._ask("sandbox-reasoning", (question,))
        kinds = {part.type for part in result.message.parts()}
        _expect({"reasoning", "text"} <= kinds, "the answer holds reasoning and text")

    def _tools(self) -> None:
        self._title("A chat calls a tool, gets its result, and answers")
        messages: tuple[Message, ...] = (
            Message(role="user", content="What is the weather in Lisbon?"),
        )
        first = self._ask("sandbox-tools", messages)
        calls = [part for part in first.message.parts() if isinstance(part, ToolCallPart)]
        _expect(bool(calls), "the model calls a tool")
        results = tuple(
            ToolResultPart(call_id=call.call_id, content="18 °C, light wind") for call in calls
        )
        _print("tool result: 18 °C, light wind")
        messages = (*messages, first.message, Message(role="tool", content=results))
        last = self._ask("sandbox-tools", messages)
        _expect(last.finish_reason.unified == "stop", "the answer is complete")
        _expect(last.usage is not None, "usage is known")

    def _soft_disable(self) -> None:
        self._title("The provider revokes the key: three rejections and a probe disable it")
        self._sandbox.set_key_valid(KEY, valid=False)
        question = (Message(role="user", content="Still there?"),)
        for _ in range(3):
            kind = self._rejected(question)
            _expect(kind == "keyInvalid", "the provider rejects the key")
        enabled = self._daemon.wait(lambda: "enabled" in self._changes, timeout_s=WAIT_S)
        _expect("softDisabled" in self._changes, "the key is disabled")
        _expect(len(self._prompts) == 1, "the person is asked once")
        _expect(enabled, "the key is used again after Re-enable")
        result = self._ask("sandbox-echo", question)
        _expect(result.finish_reason.unified == "stop", "the key works again")

    def _rejected(self, question: tuple[Message, ...]) -> str:
        try:
            self._ask("sandbox-echo", question)
        except DaemonError as error:
            terminal.fail(error.data.user_message)
            return error.data.kind
        raise UnexpectedResult("a rejected key got an answer")

    def _audit(self) -> None:
        self._title("Every change and use of the key is in the audit log, and the log is complete")
        entries = self._daemon.call("audit/list", AuditListParams(), AuditListResult).items
        show_entries(reversed(entries))
        result = self._daemon.call("audit/verify", AuditVerifyParams(), AuditVerifyResult)
        _expect(result.ok and result.entries >= len(entries) > 0, "the log is complete")
        _print(f"verified: {result.entries} entries, each bound to the one before")

    def _sealed_on_disk(self) -> None:
        self._title("The key itself is nowhere on the disk")
        files = [path for path in self._folder.rglob("*") if path.is_file()]
        leaks = [path.name for path in files if KEY.encode() in path.read_bytes()]
        _expect(bool(files) and not leaks, "no file holds the key")
        _print(f"searched {', '.join(sorted(path.name for path in files))}")

    def _put(self, method: str, text: str) -> KeyStoreResult:
        provider, base_url = self._generic.id, self._sandbox.base_url
        field = next(field.name for field in self._generic.fields if field.secret)
        sealed = self._daemon.sealed(
            text, method=method, provider=provider, base_url=base_url, field=field
        )
        params = KeyStoreParams(
            provider=provider, label="demo", fields={field: sealed}, base_url=base_url
        )
        return self._daemon.call(method, params, KeyStoreResult, timeout_s=WAIT_S)

    def _ask(self, model: str, messages: tuple[Message, ...]) -> SendResult:
        params = SendParams(
            stream_id=uuid4().hex,
            provider=self._generic.id,
            model=model,
            messages=messages,
            tools=(WEATHER,) if "tools" in model else (),
            reasoning=Reasoning(effort="low") if "reasoning" in model else None,
        )
        terminal.say(f"> {model}: {_last_text(messages)}")
        return send(self._daemon, params)

    def _on_notification(self, _method: str, params: Params) -> None:
        if isinstance(params, KeyChanged):
            self._changes.append(params.change)
            _print(f"key/changed: {params.change}")

    def _on_prompt(self, request: ShowMessageRequest) -> str | None:
        self._prompts.append(request)
        titles = [action.title for action in request.actions]
        _print(f"the editor asks: {request.message} [{' | '.join(titles)}]")
        self._sandbox.set_key_valid(KEY, valid=True)
        _expect("Re-enable" in titles, "the person can use the key again")
        _print("the person chooses: Re-enable")
        return "Re-enable"

    def _title(self, text: str) -> None:
        self._step += 1
        terminal.out().print(Text(f"\n{self._step}. {text}", style="bold"), soft_wrap=True)


def _last_text(messages: tuple[Message, ...]) -> str:
    content = messages[-1].content
    return content if isinstance(content, str) else "(result of the tool)"


def _print(text: str) -> None:
    terminal.out().print(Padding(Text(terminal.line(text)), (0, 0, 0, 3)))


def _expect(condition: object, text: str) -> None:
    if not condition:
        raise UnexpectedResult(f"expected that {text}")
