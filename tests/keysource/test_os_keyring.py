"""The OS keyring: a typed reason for each failure, within the deadline, and no blocked exit."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import byokd
from byokd.core.limits import KEYRING_INTERACTIVE_TIMEOUT_MS, KEYRING_TIMEOUT_MS
from byokd.keysource import os_keyring
from byokd.keysource.os_keyring import OsKeyring, salted_hash
from byokd.keysource.source import Item, decode_key, encode_key, reason_of, source_error
from byokd.protocol.errors import VaultError
from keysource import keyrings
from keysource.keyrings import Hanging, Keyring

pytestmark = pytest.mark.anyio

_ITEM = Item(b"\1" * 16, b"\2" * 16)
_ROOT = str(Path(byokd.__file__).parents[1])


def _source(backend: Keyring, **changes: float) -> OsKeyring:
    def same_process(item: Item, value: str, _: float) -> bool:
        stored = backend.get(item.service, item.user, prompt_timeout_ms=None)
        if stored is None:
            raise source_error("itemMissing")
        return stored == value

    return OsKeyring(
        backend,
        verify=same_process,
        timeout_ms=int(changes.get("timeout_ms", 60_000)),
        interactive_timeout_ms=60_000,
        missing_delays_s=(0.001, 0.001, 0.001),
    )


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    backend = Hanging()
    yield backend
    backend.release.set()


@pytest.mark.parametrize("kind", [Keyring, keyrings.Slow, keyrings.NewlineDropping, keyrings.Small])
async def test_created_key_is_read_back(kind: type[Keyring]) -> None:
    backend = kind()
    source = _source(backend)
    key = await source.create(_ITEM)
    assert await source.read(_ITEM) == key
    assert list(backend.items) == [(_ITEM.service, _ITEM.user)]
    assert decode_key(backend.items[_ITEM.service, _ITEM.user]) == key
    await source.delete(_ITEM)
    assert not backend.items


_READ_FAILS = [
    (keyrings.Absent, False, "noBackend"),
    (keyrings.Locked, False, "backendLocked"),
    (keyrings.Locked, True, "promptDismissed"),
    (keyrings.Keyring, False, "itemMissing"),
    (keyrings.Raising, False, "noBackend"),
    (keyrings.Collapsing, False, "noBackend"),
]


@pytest.mark.parametrize(("kind", "interactive", "reason"), _READ_FAILS)
async def test_failed_read_has_a_reason(
    kind: type[Keyring], *, interactive: bool, reason: str
) -> None:
    source = _source(kind())
    for _ in range(2):  # the failed call does not block the next one
        with pytest.raises(VaultError) as caught:
            await source.read(_ITEM, interactive=interactive)
        assert reason_of(caught.value) == reason
        assert "dbus" not in str(caught.value.data())
        assert _ITEM.user not in str(caught.value.data())


_CREATE_FAILS = [
    (keyrings.Absent, False, "noBackend"),
    (keyrings.Locked, False, "backendLocked"),
    (keyrings.Locked, True, "promptDismissed"),
    (keyrings.Null, False, "itemMissing"),
    (keyrings.Truncating, False, "itemCorrupt"),
    (keyrings.Raising, False, "noBackend"),
    (keyrings.Collapsing, False, "noBackend"),
]


@pytest.mark.parametrize(("kind", "interactive", "reason"), _CREATE_FAILS)
async def test_failed_creation_has_a_reason_and_leaves_no_item(
    kind: type[Keyring], *, interactive: bool, reason: str
) -> None:
    backend = kind()
    with pytest.raises(VaultError) as caught:
        await _source(backend).create(_ITEM, interactive=interactive)
    assert reason_of(caught.value) == reason
    assert not backend.items


@pytest.mark.parametrize("damage", [encode_key(bytes(32))[:30], "", "secret", "byokd1.x.y"])
async def test_damaged_item_is_corrupt(damage: str) -> None:
    backend = Keyring()
    backend.items[_ITEM.service, _ITEM.user] = damage
    with pytest.raises(VaultError) as caught:
        await _source(backend).read(_ITEM)
    assert reason_of(caught.value) == "itemCorrupt"


async def test_missing_item_is_read_again() -> None:
    backend = keyrings.Flickering()
    backend.items[_ITEM.service, _ITEM.user] = encode_key(bytes(32))
    assert await _source(backend).read(_ITEM) == bytes(32)


async def test_prompt_is_shown_only_when_interactive() -> None:
    backend = Keyring()
    source = _source(backend)
    await source.create(_ITEM, interactive=True)
    await source.read(_ITEM)
    await source.read(_ITEM, interactive=True)
    assert backend.calls == ["set with prompt", "get", "get", "get with prompt"]


async def test_silent_keyring_times_out_and_costs_one_thread(hanging: Hanging) -> None:
    source = _source(hanging, timeout_ms=100)
    threads: set[threading.Thread | None] = set()
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count_turns())
    for _ in range(3):
        with pytest.raises(VaultError) as caught:
            await source.read(_ITEM)
        assert reason_of(caught.value) == "timeout"
        threads.add(source.calls.thread)
    counting.cancel()
    assert turns > 20, "the event loop was blocked"
    [thread] = threads  # the second and third call were not made
    assert thread is not None
    assert thread.daemon


async def test_late_write_is_deleted(hanging: Hanging) -> None:
    source = _source(hanging, timeout_ms=50)
    with pytest.raises(VaultError) as caught:
        await source.create(_ITEM)
    assert reason_of(caught.value) == "timeout"
    hanging.release.set()
    assert source.calls.thread is not None
    await asyncio.to_thread(source.calls.thread.join)
    assert hanging.calls[-1] == "delete"
    assert not hanging.items


async def test_default_deadlines_are_the_limits() -> None:
    source = OsKeyring(Keyring())
    assert source._limits(interactive=False) == (KEYRING_TIMEOUT_MS, None)
    assert source._limits(interactive=True) == (KEYRING_INTERACTIVE_TIMEOUT_MS,) * 2


def test_process_exit_does_not_wait_for_the_keyring() -> None:
    code = """
import asyncio, sys, threading
sys.path.insert(0, sys.argv[1])
from byokd.keysource.os_keyring import OsKeyring
from byokd.keysource.source import Item

class Hanging:
    name = "fake"
    def get(self, *args, **kwargs):
        threading.Event().wait()

async def main():
    try:
        await OsKeyring(Hanging(), timeout_ms=50).read(Item(b"1" * 16, b"2" * 16))
    except Exception as error:
        print(error.data().details["reason"])

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, _ROOT], capture_output=True, text=True, timeout=600, check=True
    )
    assert done.stdout == "timeout\n"


_CHILDREN = [
    ("print('found', __import__('hashlib').sha256((input() + VALUE).encode()).hexdigest())", True),
    ("print('found', __import__('hashlib').sha256((input() + 'x').encode()).hexdigest())", False),
    ("print('missing')", "itemMissing"),
    ("print('failed backendLocked')", "backendLocked"),
    ("print('failed', input())", "noBackend"),
    ("raise SystemExit(3)", "itemMissing"),
    ("__import__('os').close(0); __import__('os').close(1)", "itemMissing"),
    ("input(), input()", "timeout"),
]


@pytest.mark.parametrize(("code", "expected"), _CHILDREN)
def test_answer_of_the_verification_process_decides(
    *, code: str, expected: bool | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = encode_key(bytes(range(32)))
    monkeypatch.setattr(os_keyring, "_CHILD", code.replace("VALUE", repr(value)))
    timeout_s = 0.3 if expected == "timeout" else 60.0
    if isinstance(expected, bool):
        assert os_keyring.reads_back(_ITEM, value, timeout_s) is expected
        return
    with pytest.raises(VaultError) as caught:
        os_keyring.reads_back(_ITEM, value, timeout_s)
    assert reason_of(caught.value) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="asks the real keyring elsewhere")
def test_verification_process_runs_and_receives_no_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/nobody")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    seen: list[object] = []
    real = subprocess.Popen

    def watch(command: list[str], **options: object) -> object:
        seen.append((command, options["env"]))
        return real(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", watch)
    value = encode_key(bytes(range(32)))
    with pytest.raises(VaultError) as caught:
        os_keyring.reads_back(_ITEM, value, 10)
    assert reason_of(caught.value) == "noSession"
    assert len(seen) == 1
    assert value not in str(seen)
    assert "PYTHONPATH" not in str(seen)
    assert salted_hash("a", value) != salted_hash("b", value)


@pytest.mark.skipif(sys.platform != "linux", reason="binds a bus that never answers")
def test_verification_process_ends_with_its_parent(tmp_path: Path) -> None:
    """The bus accepts the connection and never answers."""
    bus = tmp_path / "bus"
    command = [sys.executable, "-I", "-c", os_keyring._CHILD, _ROOT, _ITEM.service, _ITEM.user]
    environment = {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}"}
    with (
        socket.socket(socket.AF_UNIX) as listener,
        subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as child,
    ):
        listener.bind(str(bus))
        listener.listen()
        assert child.stdin is not None
        child.stdin.write(b"salt\n")
        child.stdin.flush()
        accepted, _ = listener.accept()  # the process waits for its keyring
        with accepted:
            child.stdin.close()
            assert child.wait(60) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the Secret Service is Linux")
@pytest.mark.parametrize(
    "backend",
    [
        "keyring.backends.null.Keyring",
        "keyring.backends.chainer.ChainerBackend",
        "keyrings.alt.file.PlaintextKeyring",
        "evil.Keyring",
    ],
)
def test_environment_does_not_choose_a_keyring(tmp_path: Path, backend: str) -> None:
    config = tmp_path / "config" / "python_keyring"
    config.mkdir(parents=True)
    config.joinpath("keyringrc.cfg").write_text(
        f"[backend]\ndefault-keyring={backend}\nkeyring-path={tmp_path}\n"
    )
    tmp_path.joinpath("evil.py").write_text("raise SystemExit('evil code ran')")
    installed = tmp_path / "keyrings" / "alt"  # like keyrings.alt
    installed.mkdir(parents=True)
    installed.joinpath("file.py").write_text("raise SystemExit('evil code ran')")
    entries = tmp_path / "keyrings_alt-5.dist-info"
    entries.mkdir()
    entries.joinpath("METADATA").write_text(
        "Metadata-Version: 2.1\nName: keyrings.alt\nVersion: 5\n"
    )
    entries.joinpath("entry_points.txt").write_text(
        "[keyring.backends]\nfile = keyrings.alt.file\nchainer = evil\n"
    )
    code = """
import sys
sys.path.insert(0, sys.argv[1])
from byokd.keysource.keyrings import find_backend
from byokd.protocol.errors import VaultError
backend = find_backend()
print(backend.name, "keyring" in sys.modules)
for request in (backend.get, lambda *a, **k: backend.set(*a, "value", **k)):
    try:
        print("answered", request("byokd/test", "kek/test", prompt_timeout_ms=None))
    except VaultError as error:
        print(error.data().details["reason"])
"""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/nobody",
        "PYTHON_KEYRING_BACKEND": backend,
        "KEYRING_PROPERTY_KEYCHAIN": "/tmp/evil",  # noqa: S108  # a hostile value
        "PYTHONPATH": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", code, _ROOT],
        capture_output=True, text=True, timeout=600, env=environment, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["Secret Service False", "noSession", "noSession"]
