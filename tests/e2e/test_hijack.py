"""A daemon in a hostile folder with a hostile environment uses neither.

The folder holds modules, settings and startup files that would each leave a trace; the environment
names a proxy, a key log, a keyring, a configuration and modules. Both commands are tested: the one
that clients spawn, and `byokd`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from byokd.sandbox import Sandbox
from daemon import Daemon
from sandbox_env import GENERIC, KEY, chat_params

pytestmark = pytest.mark.anyio

MODULES = ("json", "httpx", "asyncio", "sitecustomize", "usercustomize", "byokd", "evil_1", "ssl")
COMMANDS: dict[str, list[str]] = {
    "python -m": [sys.executable, "-I", "-X", "utf8", "-m", "byokd", "--stdio"],
    "command": [str(Path(sys.executable).with_name("byokd")), "--stdio"],
}


def _plant(folder: Path) -> set[Path]:
    """Fill a folder; each file leaves `ran-<name>` beside it when it is run."""
    for name in MODULES:
        trace = folder / f"ran-{name}"
        folder.joinpath(f"{name}.py").write_text(f"open({str(trace)!r}, 'w').close()\n")
    for name in ("keyrings/alt", "byokd-1.dist-info"):
        folder.joinpath(name).mkdir(parents=True)
    folder.joinpath("keyrings/alt/file.py").write_text(
        f"open({str(folder / 'ran-keyrings')!r}, 'w').close()\n"
    )
    folder.joinpath("byokd-1.dist-info/entry_points.txt").write_text(
        "[keyring.backends]\nevil = evil_1\n[pydantic]\nevil = evil_1\n"
    )
    folder.joinpath(".env").write_text("OPENAI_API_KEY=evil_1\nHTTPS_PROXY=http://127.0.0.1:9\n")
    folder.joinpath(".netrc").write_text("machine 127.0.0.1 login evil_1 password evil_1\n")
    folder.joinpath(".netrc").chmod(0o600)
    for name in ("pip.conf", "config.toml", "pyvenv.cfg", "setup.cfg"):
        folder.joinpath(name).write_text("nonsense = [\n")
    folder.joinpath("keyringrc.cfg").write_text(
        f"[backend]\ndefault-keyring=evil_1.Keyring\nkeyring-path={folder}\n"
    )
    folder.joinpath("openssl.cnf").write_text(
        f"openssl_conf = a\n[a]\nengines = b\n[b]\nc = d\n[d]\ndynamic_path = {folder}/evil_1.so\n"
    )
    return set(folder.rglob("*"))


def _hostile(folder: Path, proxy: str) -> dict[str, str]:
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return {
        "PYTHONPATH": str(folder),
        "PYTHONSTARTUP": str(folder / "evil_1.py"),
        "PYTHONHOME": "",
        "PYTHONINSPECT": "",
        "PYTHONPYCACHEPREFIX": str(folder / "cache"),
        "PYTHON_KEYRING_BACKEND": "evil_1.Keyring",
        "KEYRING_PROPERTY_KEYCHAIN": str(folder / "keychain"),
        "SSLKEYLOGFILE": str(folder / "keys.log"),
        "SSL_CERT_FILE": str(folder / "ca.pem"),
        "REQUESTS_CA_BUNDLE": str(folder / "ca.pem"),
        "CURL_CA_BUNDLE": str(folder / "ca.pem"),
        "OPENSSL_CONF": str(folder / "openssl.cnf"),
        "NETRC": str(folder / ".netrc"),
        "XDG_CONFIG_HOME": str(folder / "nothing"),
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        **dict.fromkeys(names, proxy),
        **dict.fromkeys(map(str.lower, names), proxy),
        "NO_PROXY": "",
    }


class Sink:
    """A proxy that never answers and counts its connections."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.visits = 0
        self._thread = threading.Thread(target=self._count)
        self._thread.start()

    def _count(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                if connection.recv(4) == b"stop":
                    return
                self.visits += 1

    def close(self) -> None:
        with socket.create_connection(self._listener.getsockname()) as end:
            end.sendall(b"stop")
        self._thread.join()
        self._listener.close()


@contextmanager
def sink() -> Iterator[Sink]:
    opened = Sink()
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def provider() -> Iterator[Sandbox]:
    """Run a provider on loopback, for which no proxy is used."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Sandbox(keys=[KEY])) as running,
    ):
        yield running


@pytest.mark.parametrize("command", COMMANDS)
async def test_planted_files_and_variables_are_not_used(
    tmp_path: Path, provider: Sandbox, command: str
) -> None:
    if not shutil.which(COMMANDS[command][0]):
        pytest.skip("the command was not installed by the bootstrap")
    folder, data = tmp_path / "workspace", tmp_path / "data"
    folder.mkdir()
    planted = _plant(folder)
    pipe = asyncio.subprocess.PIPE
    with sink() as proxy:
        process = await asyncio.create_subprocess_exec(
            *COMMANDS[command],
            *("--data-dir", "../data"),  # relative to the client's folder
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            cwd=folder,
            env=_hostile(folder, proxy.url),
        )
        daemon = Daemon(process)
        await _use(daemon, provider)
        assert await daemon.close() == 0
        assert proxy.visits == 0
    assert set(folder.rglob("*")) == planted, daemon.stderr.decode()
    assert (data / "data" / "vault.db").exists()
    assert b"evil_1" not in daemon.stderr


def test_planted_files_run_without_isolation(tmp_path: Path) -> None:
    """Without `-I`, the same folder and environment leave their traces."""
    _plant(tmp_path)
    environment = _hostile(tmp_path, "") | {"PYTHONHOME": str(Path(sys.base_prefix))}
    completed = subprocess.run(
        [sys.executable, "-c", "import evil_1, httpx"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    traces = {path.name for path in tmp_path.glob("ran-*")}
    assert {"ran-sitecustomize", "ran-evil_1", "ran-httpx"} <= traces, completed.stderr


async def _use(daemon: Daemon, provider: Sandbox) -> None:
    """Use the network, the store, the keyring and the verification process."""
    await daemon.initialize()
    with pytest.raises(Exception, match="keyring"):
        await daemon.request("vault/initialize", {"protection": "osKeyring"})
    await daemon.request("vault/initialize", {"protection": "keyFile", "acceptRisk": "keyFile"})
    if sys.platform == "linux":
        working_directory = Path(f"/proc/{daemon.process.pid}/cwd").readlink()
        assert working_directory == Path("/")
    params = {
        "provider": GENERIC,
        "fields": {"apiKey": {"plain": KEY}},
        "baseUrl": provider.base_url,
        "probe": "require",
    }
    await daemon.request("key/store", params)
    result = await daemon.request("chat/send", chat_params("sandbox-echo"))
    assert result["finishReason"]["unified"] == "stop"
