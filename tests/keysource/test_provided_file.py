"""Key files that systemd or a container provides: read, and refused where others could write."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from byokd.keysource import provided_file
from byokd.keysource.source import encode_key, reason_of
from byokd.protocol.errors import VaultError
from byokd.protocol.vault import KeyFilePlace
from byokd.vault import SlotSecrets, rekey
from byokd.vault.rekey import NewSlot
from vault.vault_fixture import SECRET, VaultFixture

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="both places are POSIX"),
]

_KEY = bytes(range(32))


@pytest.fixture
def provided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "provided"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    monkeypatch.setattr(provided_file, "_SECRETS", folder)
    return folder / "byokd-kek"


@pytest.mark.parametrize("place", ["systemd", "runSecrets"])
@pytest.mark.parametrize(
    "text",
    [base64.b64encode(_KEY).decode(), base64.b64encode(_KEY).decode() + "\n", encode_key(_KEY)],
)
async def test_provided_key_is_read(provided: Path, place: KeyFilePlace, text: str) -> None:
    provided.with_name("..data").write_text(text)
    provided.with_name("..data").chmod(0o444)
    provided.symlink_to("..data")  # as Kubernetes does
    assert await provided_file.read_key(place) == _KEY


def _writable(path: Path) -> None:
    path.chmod(0o620)


def _cut(path: Path) -> None:
    path.write_text(base64.b64encode(_KEY[:31]).decode())


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


_SPOILED: list[tuple[Callable[[Path], object], str]] = [
    (_writable, "filePermissions"),
    (_cut, "itemCorrupt"),
    (lambda path: path.write_bytes(b"\xff" * 40), "itemCorrupt"),
    (lambda path: path.write_text("not a key"), "itemCorrupt"),
    (lambda path: path.write_text(""), "itemCorrupt"),
    (_folder, "filePermissions"),
    (Path.unlink, "itemMissing"),
]


@pytest.mark.parametrize(("spoil", "reason"), _SPOILED)
async def test_unusable_key_file_is_refused_with_a_reason(
    provided: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    provided.write_text(base64.b64encode(_KEY).decode())
    spoil(provided)
    with pytest.raises(VaultError) as caught:
        await provided_file.read_key("systemd")
    assert reason_of(caught.value) == reason


@pytest.mark.parametrize("value", [None, "", "relative"])
async def test_missing_folder_means_a_missing_key(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if value is not None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", value)
    with pytest.raises(VaultError) as caught:
        await provided_file.read_key("systemd")
    assert reason_of(caught.value) == "itemMissing"


async def test_provided_key_opens_a_vault(tmp_path: Path, provided: Path) -> None:
    provided.write_text(base64.b64encode(bytes(range(32))).decode())
    content = provided.read_bytes()
    fixture = VaultFixture(tmp_path / "vault")
    await fixture.vault.initialize(
        "keyFile",
        new=SlotSecrets(key_file="systemd"),
        created=lambda tx: fixture.note(tx, "store.created", account=""),
    )
    row = await fixture.put()
    assert fixture.vault.status().degraded
    await fixture.vault.aclose()
    assert not list(tmp_path.rglob("*.key"))

    later = VaultFixture(tmp_path / "vault")
    assert await later.open(row.key_id) == SECRET
    await rekey.add_slot(
        later.vault,
        NewSlot("keyFile", SlotSecrets(), "protections"),
        at=later.now(),
        added=lambda tx, _: later.note(tx, "slot.added"),
        removed=lambda tx, _: later.note(tx, "slot.removed"),
    )
    assert provided.read_bytes() == content  # byokd never removes it
    await later.vault.aclose()
    provided.unlink()
    last = VaultFixture(tmp_path / "vault")
    assert await last.open(row.key_id) == SECRET
    await last.vault.aclose()
