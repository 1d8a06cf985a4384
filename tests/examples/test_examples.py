"""The example clients, each run as a program against the real daemon and the sandbox."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from byokd.catalog.loader import load
from byokd.sandbox import Sandbox
from sandbox_env import BAD_KEY, KEY
from source_tree import ROOT
from waits import WAIT_MAX_S

EXAMPLES = ROOT / "server" / "examples"
CLIENT = ROOT / "client-ts"
LOCKED = CLIENT / "node_modules"
"""The packages of the lock; npm writes `.package-lock.json` in it when all are installed."""
BYOKD = f"{sys.executable} -I -X utf8 -m byokd"


def _python(base_url: str, model: str, _folder: Path) -> list[str]:
    return [sys.executable, "-I", str(EXAMPLES / "chat.py"), base_url, model]


def _neovim(base_url: str, model: str, _folder: Path) -> list[str]:
    run = (
        f"lua local done, reason = pcall(Byokd.main, '{base_url}', '{model}')"
        " if not done then io.stderr:write(reason) vim.cmd('cq') end"
    )
    load_file = f"luafile {EXAMPLES / 'chat.lua'}"
    plain = ["nvim", "--headless", "-u", "NONE", "-i", "NONE", "-n"]
    return [*plain, "-c", load_file, "-c", run, "-c", "qa!"]


def _emacs(base_url: str, model: str, _folder: Path) -> list[str]:
    return ["emacs", "--batch", "-Q", "-l", str(EXAMPLES / "chat.el"), base_url, model]


def _node(base_url: str, model: str, folder: Path) -> list[str]:
    """Compile the example and the client library in a folder of their own: no build is touched."""
    modules = folder / "node_modules"
    client = modules / "@byokd" / "client"
    client.mkdir(parents=True)
    for name in ("@hpke", "@types", "undici-types", "vscode-jsonrpc"):
        (modules / name).symlink_to(LOCKED / name)
    package = CLIENT / "packages" / "client"
    shutil.copy(package / "package.json", client)
    shutil.copy(EXAMPLES / "chat.ts", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    project = (EXAMPLES / "tsconfig.json").read_text().replace("../../client-ts", str(CLIENT))
    (folder / "tsconfig.json").write_text(project)
    compiler = ["node", str(LOCKED / "typescript" / "bin" / "tsc"), "-p"]
    for arguments in ([str(package), "--outDir", str(client / "dist")], [str(folder)]):
        built = subprocess.run(
            [*compiler, *arguments], check=False, capture_output=True, encoding="utf-8"
        )
        assert built.returncode == 0, built.stdout
    return ["node", str(folder / "dist" / "chat.js"), base_url, model]


@dataclass(frozen=True)
class Example:
    """An example: its program, what must be there to run it, and its command line."""

    says: str
    program: str
    needs: tuple[Path, ...]
    command: Callable[[str, str, Path], list[str]]


ALL = (
    Example("Python", sys.executable, (), _python),
    Example("Neovim", "nvim", (), _neovim),
    Example("Emacs", "emacs", (), _emacs),
    Example("TypeScript", "node", (LOCKED / ".package-lock.json",), _node),
)
EXAMPLE = pytest.mark.parametrize("example", ALL, ids=lambda example: example.says)


@pytest.fixture
def base_url() -> Iterator[str]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Sandbox(keys=[KEY])) as sandbox,
    ):
        yield sandbox.base_url


def _run(
    example: Example, key: str, base_url: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    if not shutil.which(example.program):
        pytest.skip(f"{example.program} is not installed")
    if not all(path.exists() for path in example.needs):
        pytest.skip("the packages of client-ts are not installed: npm ci in client-ts")
    temporary = folder / "tmp"
    temporary.mkdir()
    command = example.command(base_url, "sandbox-echo", folder)
    assert key not in " ".join(command)
    done = subprocess.run(
        command,
        check=False,
        input=f"{key}\n",
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"BYOKD": BYOKD, "TMPDIR": str(temporary)},
        timeout=WAIT_MAX_S,
    )
    assert key not in done.stdout + done.stderr
    return done


@EXAMPLE
def test_example_lists_stores_and_chats(example: Example, base_url: str, tmp_path: Path) -> None:
    done = _run(example, KEY, base_url, tmp_path)
    assert done.returncode == 0, done.stderr
    output = done.stdout + done.stderr  # Neovim's messages go to stderr
    assert f"{len(load())} providers" in output
    assert "accepts this key" in output
    assert f"You said: Hello from {example.says}\n" in output
    assert "5 tokens of text" in output
    assert not list((tmp_path / "tmp").rglob("*.db")), "the vault of the example is gone"


@EXAMPLE
def test_example_reports_refused_key(example: Example, base_url: str, tmp_path: Path) -> None:
    done = _run(example, BAD_KEY, base_url, tmp_path)
    assert done.returncode != 0
    assert "does not accept this key" in done.stderr


@pytest.mark.parametrize("file", ["chat.py", "chat.lua", "chat.el", "chat.ts"])
def test_readme_names_every_example(file: str) -> None:
    assert f"]({file})" in (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert "protocol.md" in (EXAMPLES / file).read_text(encoding="utf-8") or file == "chat.ts"
