"""The plugins for Neovim and Emacs, driven by keys, with the real daemon and sandbox."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import anyio.lowlevel
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from byokd.sandbox import Sandbox
from daemon import running
from editors.programs import neovim, neovim_problem
from editors.terminal import Terminal, terminal
from sandbox_env import BAD_KEY, GENERIC, KEY, store_key
from source_tree import ROOT
from waits import WAIT_MAX_S

EDITORS: Final = ROOT / "server" / "editors"
NEW_KEY: Final = KEY + "-new"
_PYTHON: Final = [sys.executable, "-I", "-X", "utf8", "-m"]
_HERE: Final = Path(__file__).resolve().parent
_WEATHER: Final = "4 degrees and rain"
ENDLESS: Final = "sandbox-paced-20hz-90000"
"""Counts for more than an hour."""
_FILE: Final = "first line\nsecond line\n"


class Editor:
    """What a person does, in keys."""

    def __init__(self, terminal: Terminal, folder: Path) -> None:
        self.terminal = terminal
        self.folder = folder


class Neovim(Editor):
    name, plugin = "neovim", "nvim"
    stop = ("C-c",)
    thoughts = "▸ Thinking, 1 more"
    ask_tool = 'Run weather {"city":"Oslo"}?'
    confirm = ("r",)
    unfold = ("g", "g", "/", "T", "h", "i", "n", "k", "Enter", "z", "o")
    undo = ("u",)
    killed = "signal 9"
    failed = "failed"
    dismiss = ("Escape",)
    """Neovim may wait for a key after its own message."""
    health = "checkhealth byokd"
    record = "rpc.receive"

    @staticmethod
    def start(folder: Path) -> list[str]:
        return [neovim(), "--clean", "-n", "-u", str(_HERE / "init.lua"), str(folder / "text")]

    def command(self, text: str) -> None:
        self.terminal.type(f":{text}")
        self.terminal.keys("Enter")

    def add_key(self, base_url: str, key: str) -> None:
        self.command(f"Byokd key {GENERIC} {base_url}")
        self.terminal.until("API key")
        self.terminal.type(key)
        self.terminal.keys("Enter")

    def choose(self, model: str) -> None:
        self.terminal.type(f":Byokd model {GENERIC}/{model[:-3]}")
        self.terminal.keys("Tab")  # completes the name
        self.terminal.until(f":Byokd model {GENERIC}/{model}")
        self.terminal.keys("Enter")
        self.terminal.until(f"byokd: {GENERIC}/{model}")

    def choose_unlisted(self, model: str) -> None:
        self.command(f"Byokd model {GENERIC}/{model}")
        self.terminal.until(f"byokd: {GENERIC}/{model}")

    def chat(self, text: str) -> None:
        self.command(f"Byokd chat {text}")

    def send(self) -> None:
        self.terminal.keys("Enter")

    def replace_line(self, number: int, instruction: str) -> None:
        self.command(f"{number}Byokd replace {instruction}")

    def recorded(self) -> str:
        """Return what Neovim logged."""
        (log,) = self.folder.rglob("lsp.log")
        return log.read_text("utf-8")

    def insert(self, instruction: str) -> None:
        self.command(f"1Byokd insert {instruction}")

    def answer_prompt(self, key: str) -> None:
        self.terminal.until("1: Update key", "2: Re-enable", "3: Dismiss")
        self.terminal.keys("1", "Enter")
        self.terminal.until("API key")
        self.terminal.type(key)
        self.terminal.keys("Enter")


class Emacs(Editor):
    name, plugin = "emacs", "emacs"
    stop = ("C-c", "C-k")
    thoughts = "Thinking..."
    ask_tool = 'Run weather {"city":"Oslo"}?'
    confirm = ("y", "e", "s", "Enter")
    unfold = ("Tab",)
    undo = ("C-_",)
    killed = "the daemon ended"
    failed = "C-c C-c sends"
    dismiss: tuple[str, ...] = ()
    health = "byokd-health"
    record = "accepts this key"

    @staticmethod
    def start(folder: Path) -> list[str]:
        return ["emacs", "-nw", "-Q", "-l", str(_HERE / "init.el"), str(folder / "text")]

    def command(self, text: str) -> None:
        self.terminal.keys("M-x")
        self.terminal.until("M-x")
        self.terminal.type(text)
        self.terminal.keys("Enter")

    def add_key(self, base_url: str, key: str) -> None:
        self.terminal.keys("C-u")
        self.command("byokd-add-key")
        self._answer("Provider:", GENERIC)
        self._answer("Base URL", base_url)
        self._answer("API key", key)

    def _answer(self, prompt: str, text: str) -> None:
        self.terminal.until(prompt)
        self.terminal.type(text)
        self.terminal.keys("Enter")

    def choose(self, model: str) -> None:
        self.command("byokd-model")
        self.terminal.until("Model:")
        self.terminal.type(f"{GENERIC}/{model[:-3]}")
        self.terminal.keys("Tab")  # completes the name
        self.terminal.until(f"Model: {GENERIC}/{model}")
        self.terminal.keys("Enter")
        self.terminal.until_gone("Model:")

    def choose_unlisted(self, model: str) -> None:
        self.command("byokd-model")
        self._answer("Model:", f"{GENERIC}/{model}")
        self.terminal.until("[Confirm]")
        self.terminal.keys("Enter")
        self.terminal.until_gone("Model:")

    def chat(self, text: str) -> None:
        self.command("byokd-chat")
        self.terminal.until_gone("M-x byokd-chat")
        self.terminal.type(text)
        self.send()

    def send(self) -> None:
        self.terminal.keys("C-c", "C-c")

    def replace_line(self, number: int, instruction: str) -> None:
        self.terminal.keys("M-<", *["C-n"] * (number - 1), "C-Space", "C-e")
        self.command("byokd-write")
        self._answer("Write:", instruction)

    def insert(self, instruction: str) -> None:
        self.terminal.keys("M-<", "C-e", "C-j")
        self.command("byokd-write")
        self._answer("Write:", instruction)

    def recorded(self) -> str:
        """Return the text of all buffers, hidden ones, messages and logs included."""
        self.command("save-all-buffers")
        self.terminal.until("Wrote")
        return (self.folder / "all-buffers").read_text("utf-8")

    def answer_prompt(self, key: str) -> None:
        self.terminal.until("is no longer used.")
        self.terminal.type("Update key")
        self.terminal.keys("Enter")
        self._answer("API key", key)


@dataclass
class Bench:
    """A running editor, the sandbox that it reaches, and the folder of its vault."""

    editor: Neovim | Emacs
    sandbox: Sandbox
    portal: BlockingPortal
    data: Path

    def daemons(self) -> list[int]:
        """Return the daemons of this vault."""
        mark = str(self.data).encode()
        commands = ((path, _command_line(path)) for path in Path("/proc").glob("[0-9]*"))
        return [
            int(path.name)
            for path, words in commands
            if mark in words and b"byokd.testing" in words and b"--stdio" in words
        ]


def _command_line(process: Path) -> list[bytes]:
    try:
        return (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _wait_for_end(pid: int) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([process], [], [], WAIT_MAX_S)[0], f"process {pid} still runs"
    finally:
        os.close(process)


def _skip_unless_installed(editor: type[Neovim | Emacs]) -> None:
    for program in ("tmux", *(["emacs"] if editor is Emacs else [])):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    if editor is Neovim and (problem := neovim_problem()):
        pytest.skip(problem)


def _environment(editor: type[Neovim | Emacs], folder: Path, data: Path) -> dict[str, str]:
    command = [*_PYTHON, "byokd.testing", "--data-dir", str(data)]
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "TERM": "screen-256color",
        "XDG_RUNTIME_DIR": str(folder),
        "BYOKD_PLUGIN": str(EDITORS / editor.plugin),
        "BYOKD_COMMAND": json.dumps(command),
    }


@dataclass
class Provider:
    """A sandbox that all tests of this file use, and vaults with and without a key for it."""

    sandbox: Sandbox
    portal: BlockingPortal
    vault: Path
    vault_with_key: Path


async def _make_vaults(sandbox: Sandbox, folder: Path) -> tuple[Path, Path]:
    empty, with_key = folder / "empty", folder / "with_key"
    async with running(data_dir=empty) as daemon:
        await daemon.initialize()
        protection = {"protection": "keyFile", "acceptRisk": "keyFile"}
        await daemon.request("vault/initialize", protection)
    shutil.copytree(empty, with_key)
    async with running(data_dir=with_key) as daemon:
        await daemon.initialize()
        await store_key(daemon, sandbox)
    return empty, with_key


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Sandbox(keys=[KEY])) as sandbox,
    ):
        vaults = portal.call(_make_vaults, sandbox, tmp_path_factory.mktemp("vaults"))
        yield Provider(sandbox, portal, *vaults)


@contextmanager
def _bench(
    editor: type[Neovim | Emacs], provider: Provider, vault: Path, folder: Path
) -> Iterator[Bench]:
    _skip_unless_installed(editor)
    data = Path(shutil.copytree(vault, folder / "data"))
    (folder / "text").write_text(_FILE, encoding="utf-8")
    provider.portal.call(lambda: provider.sandbox.set_key_valid(KEY, valid=True))
    pids: list[int] = []
    with terminal(editor.start(folder), _environment(editor, folder, data), folder) as running:
        running.until("second line")
        bench = Bench(editor(running, folder), provider.sandbox, provider.portal, data)
        yield bench
        pids = bench.daemons()
    for pid in pids:
        _wait_for_end(pid)


@pytest.fixture(params=[Neovim, Emacs], ids=lambda editor: editor.name)
def bench(request: pytest.FixtureRequest, provider: Provider, tmp_path: Path) -> Iterator[Bench]:
    with _bench(request.param, provider, provider.vault, tmp_path) as bench:
        yield bench


@pytest.fixture(params=[Neovim, Emacs], ids=lambda editor: editor.name)
def with_key(request: pytest.FixtureRequest, provider: Provider, tmp_path: Path) -> Iterator[Bench]:
    with _bench(request.param, provider, provider.vault_with_key, tmp_path) as bench:
        yield bench


def test_bad_key_is_refused_and_good_key_is_stored_unseen(bench: Bench) -> None:
    editor, terminal = bench.editor, bench.editor.terminal
    editor.add_key(bench.sandbox.base_url, BAD_KEY)
    refused = terminal.until("does not accept this key: check it")
    editor.add_key(bench.sandbox.base_url, KEY)
    accepted = terminal.until("accepts this key")
    assert BAD_KEY not in refused
    assert KEY not in accepted
    editor.command(editor.health)
    report = terminal.until("vault: unlocked, keyFile", "model: none")
    assert re.search(rf"key: {GENERIC}.*{re.escape(bench.sandbox.origin)}, active", report)
    recorded = editor.recorded()
    assert editor.record in recorded
    assert KEY not in recorded
    assert BAD_KEY not in recorded


async def _client_left(sandbox: Sandbox) -> None:
    """Wait until the sandbox notices that the client of its last request is gone."""
    with anyio.fail_after(WAIT_MAX_S):
        while not sandbox.requests[-1].client_left:
            await anyio.lowlevel.checkpoint()


def test_chat_folds_thoughts_runs_allowed_tool_and_stops(with_key: Bench) -> None:
    editor, terminal = with_key.editor, with_key.editor.terminal
    editor.choose("sandbox-agent")
    editor.chat("weather in Oslo")
    terminal.until(editor.ask_tool, '→ weather {"city":"', editor.thoughts)
    terminal.keys(*editor.confirm)
    answered = terminal.until(f"The tool says: {_WEATHER} in Oslo")
    assert "The person wants an answer" not in answered
    terminal.keys(*editor.unfold)
    terminal.until("The person wants an answer")
    editor.choose_unlisted(ENDLESS)
    editor.chat("count")
    terminal.until("word3")
    terminal.keys(*editor.stop)
    stopped = terminal.until("cancelled")
    assert "word89999" not in stopped
    with_key.portal.call(_client_left, with_key.sandbox)


def test_answer_replaces_selection_and_is_inserted(with_key: Bench) -> None:
    editor, terminal = with_key.editor, with_key.editor.terminal
    editor.choose("sandbox-echo")
    editor.replace_line(2, "be brief")
    replaced = terminal.until("You said: be brief")
    assert "first line" in replaced
    terminal.keys(*editor.undo)
    terminal.until_gone("You said")
    assert "second line" in terminal.screen()
    editor.insert("a title")
    lines = terminal.until("You said: a title").splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith("first line"))
    assert "You said: a title" in lines[first + 1]


def test_rejected_key_is_updated_from_its_prompt(with_key: Bench) -> None:
    editor, terminal = with_key.editor, with_key.editor.terminal
    editor.choose("sandbox-echo")
    with_key.portal.call(lambda: with_key.sandbox.set_key_valid(KEY, valid=False))
    editor.chat("hello")
    for rejections in (1, 2, 3):
        if rejections > 1:
            terminal.until(editor.failed)
            editor.send()
        terminal.until("does not accept this key", times=rejections)
    editor.answer_prompt(NEW_KEY)
    terminal.until("accepts this key")
    editor.send()
    terminal.until("You said: hello")


def test_killed_daemon_is_reported_and_started_again(with_key: Bench) -> None:
    editor, terminal = with_key.editor, with_key.editor.terminal
    editor.choose_unlisted(ENDLESS)
    editor.chat("count")
    terminal.until("word3")
    for pid in with_key.daemons():
        os.kill(pid, signal.SIGKILL)
    terminal.until(editor.killed)
    terminal.keys(*editor.dismiss)
    terminal.until("the daemon ended")
    editor.choose("sandbox-echo")
    editor.chat("again")
    terminal.until("You said: again")
