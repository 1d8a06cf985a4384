"""The hardening of the process: its environment, its files, its memory and its start-up code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from byokd.app import ByokdApp
from byokd.config import configure
from byokd.core.secret import Secret
from byokd.core.settings import ProcessOptions, Settings
from byokd.process import hardening
from byokd.process.environment import strip_environment
from daemon import running

KEY = "sk-test-0123456789abcdef"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
_LOOK = (
    "import sys\n"
    "try: open(f'/proc/{sys.argv[1]}/{sys.argv[2]}', 'rb').close()\n"
    "except OSError as error: print(type(error).__name__)"
)
_INSIDE = ("environ", "mem", "maps")
HOSTILE = {
    "PYTHONPATH": "/evil",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "SSL_CERT_FILE": "/evil.pem",
    "SSLKEYLOGFILE": "/evil.log",
    "REQUESTS_CA_BUNDLE": "/evil.pem",
    "CURL_CA_BUNDLE": "/evil.pem",
    "OPENSSL_CONF": "/evil.cnf",
    "PYTHON_KEYRING_BACKEND": "evil.Keyring",
    "KEYRING_PROPERTY_KEYCHAIN": "/evil",
    "LD_PRELOAD": "",
    "OPENAI_API_KEY": KEY,
    "SOME_VARIABLE": "x",
}
HARMLESS = {"HOME": "/home/a", "LC_ALL": "C.UTF-8", "XDG_DATA_HOME": "/data", "PATH": "/bin"}


def test_unneeded_variables_are_removed_as_secrets() -> None:
    environment = HOSTILE | HARMLESS
    removed = strip_environment(environment)
    assert environment == HARMLESS
    assert removed.keys() == HOSTILE.keys()
    assert removed["OPENAI_API_KEY"] == Secret(KEY)
    assert KEY not in repr(removed)


def test_only_variables_named_by_a_provider_remain(tmp_path: Path) -> None:
    variables = {name: Secret(KEY) for name in HOSTILE}
    app = ByokdApp(ProcessOptions(data_dir=tmp_path), configure(Settings()), variables)
    assert app._variables == {"OPENAI_API_KEY": Secret(KEY)}


@LINUX
@pytest.mark.anyio
async def test_daemon_writes_no_core_and_leaves_its_folder(tmp_path: Path) -> None:
    async with running(data_dir=tmp_path, module="byokd") as daemon:
        await daemon.initialize()
        process = Path(f"/proc/{daemon.process.pid}")
        limits = (process / "limits").read_text()
        folder = (process / "cwd").readlink()
        status = (process / "status").read_text()
        assert await daemon.close() == 0
    core = next(line.split() for line in limits.splitlines() if line.startswith("Max core"))
    assert core[4:6] == ["0", "0"]
    assert folder == Path("/")
    assert "Umask:\t0077" in status


@LINUX
@pytest.mark.anyio
async def test_other_program_of_the_same_user_cannot_read_memory(tmp_path: Path) -> None:
    environment = {"OPENAI_API_KEY": KEY}
    async with running(
        data_dir=tmp_path, module="byokd", environment=environment, through=_unprivileged()
    ) as daemon:
        await daemon.initialize()
        await daemon.request("vault/status")
        seen = {name: _read_error(daemon.process.pid, name) for name in _INSIDE}
        assert await daemon.close() == 0
    assert seen == dict.fromkeys(_INSIDE, "PermissionError")


@LINUX
def test_process_without_hardening_can_be_read() -> None:
    command = [*_unprivileged(), sys.executable, "-I", "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seen = {name: _read_error(process.pid, name) for name in _INSIDE}
        process.kill()
    assert seen == dict.fromkeys(_INSIDE, "")


def _read_error(pid: int, name: str) -> str:
    """Try to read a file of a process as the same user; return the name of the error, or ""."""
    command = [*_unprivileged(), sys.executable, "-I", "-c", _LOOK, str(pid), name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _unprivileged() -> list[str]:
    """Return a command prefix that takes root's capabilities away, so that the checks apply."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("as root this needs setpriv")
    return [setpriv, "--bounding-set=-all", "--inh-caps=-all"]


def test_hide_memory_returns_false_where_it_is_not_supported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert not hardening.hide_memory()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())
    assert not hardening.hide_memory()


_PTH = [
    ("distutils-precedence.pth", "import os; os.system('x')", False),
    ("byokd.pth", "/somewhere/server\n", False),
    ("litellm_init.pth", "# harmless\nimport os; os.system('x')\n", True),
    ("tabbed.pth", "import\tos\n", True),
    ("imports.pth", "/a/folder/import os\n", False),
    ("binary.pth", "\xff\n", False),
]


@pytest.mark.parametrize(("name", "text", "reported"), _PTH)
def test_pth_files_with_code_are_reported(
    *, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, reported: bool
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    path = tmp_path / name
    path.write_text(text, encoding="latin-1")
    assert list(hardening.start_up_code()) == ([str(path)] if reported else [])


@pytest.mark.parametrize("inside", [True, False])
def test_customize_module_in_the_environment_is_reported(
    *, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    module = ModuleType("sitecustomize")
    module.__file__ = str(tmp_path / "sitecustomize.py") if inside else "/usr/lib/sitecustomize.py"
    monkeypatch.setitem(sys.modules, "sitecustomize", module)
    assert bool(list(hardening.start_up_code())) is inside


def test_own_environment_has_no_unexpected_code() -> None:
    assert not list(hardening.start_up_code())
