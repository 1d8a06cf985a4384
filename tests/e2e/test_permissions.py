"""Files of the daemon are readable by its user only, and planted files are refused."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from daemon import Daemon, RpcError, running
from sandbox_env import GENERIC, KEY

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX"),
]

NOBODY = 65_534
KEY_FILE = {"protection": "keyFile", "acceptRisk": "keyFile"}
STORE = {
    "provider": GENERIC,
    "fields": {"apiKey": {"plain": KEY}},
    "baseUrl": "http://127.0.0.1:9",
    "probe": "skip",
}


@asynccontextmanager
async def daemon(folder: Path, umask: str = "022") -> AsyncIterator[Daemon]:
    through = ("/bin/sh", "-c", f'umask {umask}; exec "$@"', "sh")
    async with running(data_dir=folder, module="byokd", through=through) as process:
        await process.initialize()
        yield process
        assert await process.close() == 0


async def make(folder: Path, umask: str = "022") -> None:
    """Make a vault with a key, a backup if there are backups, and all files beside them."""
    async with daemon(folder, umask) as process:
        await process.request("vault/initialize", KEY_FILE)
        key = (await process.request("key/store", STORE))["key"]
        await process.request("key/disable", {"keyId": key["keyId"]})
        open_files = modes(folder)  # includes a journal, which is removed at the end
    assert_private(open_files)


def modes(folder: Path) -> dict[str, int]:
    current = {}
    for path in [folder, *folder.rglob("*")]:
        with suppress(FileNotFoundError):  # a file that is being replaced
            current[f"{path}{'/' * path.is_dir()}"] = stat.S_IMODE(path.lstat().st_mode)
    return current


def assert_private(modes: dict[str, int]) -> None:
    assert {mode for path, mode in modes.items() if path.endswith("/")} == {0o700}, modes
    assert {mode for path, mode in modes.items() if not path.endswith("/")} == {0o600}, modes


@pytest.mark.parametrize(
    "umask", ["000", "777", *(pytest.param(u, marks=pytest.mark.long) for u in ("022", "077"))]
)
async def test_files_are_private_under_any_umask(tmp_path: Path, umask: str) -> None:
    folder = tmp_path / "byokd"
    await make(folder, umask)
    current = modes(folder)
    assert len([path for path in current if not path.endswith("/")]) >= 3, current
    assert_private(current)


@pytest.fixture(scope="module")
async def vault_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "byokd"
    await make(folder)
    return folder


def _symlink(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def _hardlink(path: Path) -> None:
    path.with_name("second").hardlink_to(path)


def _foreign(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    else:  # only root can change the owner of a file
        path.parent.chmod(0o777)


def _open_folder(path: Path) -> None:
    path.parent.chmod(0o755)


async def test_planted_file_is_refused(vault_folder: Path, tmp_path: Path) -> None:
    """One daemon checks again for each request, and opens the vault once the files are right."""
    folder = tmp_path / "byokd"

    def restore() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(vault_folder, folder)

    restore()
    _open_folder(folder / "data/vault.db")
    async with daemon(folder) as process:
        for name in ("data/vault.db", "state/*.key"):
            for spoil in (_open_folder, _symlink, _hardlink, _foreign):
                restore()
                [path] = folder.glob(name)
                spoil(path)
                before = path.read_bytes(), path.stat().st_mode, path.stat().st_uid
                info = (await process.request("vault/status"))["vault"]
                what = f"{name} {spoil.__name__} {info}"
                assert info["state"] == "unavailable", what
                assert info["reason"] in {"permissions", "filePermissions"}, what
                with pytest.raises(RpcError) as caught:
                    await process.request("key/list", {})
                assert caught.value.kind in {"storeFailed", "vaultUnavailable"}, what
                assert (path.read_bytes(), path.stat().st_mode, path.stat().st_uid) == before
        restore()
        assert (await process.request("vault/status"))["vault"]["state"] == "unlocked"


async def test_own_database_with_open_permissions_is_restricted_and_used(
    vault_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "byokd"
    shutil.copytree(vault_folder, folder)
    folder.chmod(0o700)
    path = folder / "data/vault.db"
    path.chmod(0o644)
    async with daemon(folder) as process:
        assert (await process.request("vault/status"))["vault"]["state"] == "unlocked"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
