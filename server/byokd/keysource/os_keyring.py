"""The master key in the OS keyring.

A keyring may never answer, so it is called with a deadline, on a daemon thread that the end of the
process does not wait for.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, TypeAlias, TypeVar, cast, get_args

from byokd.core.limits import KEYRING_INTERACTIVE_TIMEOUT_MS, KEYRING_TIMEOUT_MS
from byokd.keysource.deadline_thread import DeadlineThread
from byokd.keysource.keyrings import Backend, find_backend
from byokd.keysource.source import Item, Reason, decode_key, encode_key, new_key, source_error
from byokd.protocol.errors import VaultError
from byokd.protocol.vault import Protection

T = TypeVar("T")
Verify: TypeAlias = Callable[[Item, str, float], bool]

_MISSING_DELAYS_S: Final = (0.2, 0.2, 0.2)
"""macOS replaces an item by deleting and adding it; a reader in between sees none."""

CHILD_VARIABLES: Final = (
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_RUNTIME_DIR",
    "HOME",
    "USER",
    "LOGNAME",
    "PATH",
    "LANG",
    "SYSTEMROOT",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
)
"""The environment of the verification process: enough to find the same keyring."""

_CHILD: Final = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1));"
    " runpy.run_module('byokd.keysource.verify', run_name='__main__', alter_sys=True)"
)


class OsKeyring:
    """The default protection: the key is protected by the person's login.

    Args:
        verify: tells whether a new process reads the same value.
        interactive_timeout_ms: bounds a call that may show a prompt.
        missing_delays_s: waits between attempts before an item counts as missing.
    """

    protection: Protection = "osKeyring"
    protects_against = "other users, a stolen disk, and copies of the data folder or of backups"
    does_not_protect_against = "programs that run as you while you are logged in, and root"

    def __init__(
        self,
        backend: Backend | None = None,
        *,
        verify: Verify | None = None,
        timeout_ms: int = KEYRING_TIMEOUT_MS,
        interactive_timeout_ms: int = KEYRING_INTERACTIVE_TIMEOUT_MS,
        missing_delays_s: tuple[float, ...] = _MISSING_DELAYS_S,
    ) -> None:
        self._backend = backend or find_backend(timeout_ms)
        self._verify = verify or reads_back
        self._timeout_ms = timeout_ms
        self._interactive_timeout_ms = interactive_timeout_ms
        self._missing_delays_s = missing_delays_s
        self.calls = DeadlineThread()
        self._checks = DeadlineThread()  # a call does not have to wait for a check

    @property
    def backend(self) -> str:
        return self._backend.name

    async def check(self) -> None:
        await self._checks.run(self._backend.check, self._timeout_ms)

    async def read(self, item: Item, *, interactive: bool = False) -> bytes:
        limit_ms, prompt_ms = self._limits(interactive=interactive)

        def read_item() -> str:
            for delay in (*self._missing_delays_s, None):
                value = self._backend.get(item.service, item.user, prompt_timeout_ms=prompt_ms)
                if value is not None:
                    return value
                if delay is not None:
                    time.sleep(delay)
            raise source_error("itemMissing")

        return decode_key(await self.run(read_item, limit_ms))

    async def create(self, item: Item, *, interactive: bool = False) -> bytes:
        """Write a new key, verify it from a new process, and return it.

        Some keyrings report success and store nothing: the key would be lost at the next start.
        """
        limit_ms, prompt_ms = self._limits(interactive=interactive)
        key = new_key()
        abandoned = threading.Event()

        def write_item() -> None:
            value = encode_key(key)
            self._backend.set(item.service, item.user, value, prompt_timeout_ms=prompt_ms)
            try:
                if not self._verify(item, value, limit_ms / 1000):
                    raise source_error("itemCorrupt")
            except VaultError:
                self._discard(item)
                raise
            if abandoned.is_set():  # the caller gave up and will not use this key
                self._discard(item)

        try:
            await self.run(write_item, limit_ms)
        except BaseException:
            abandoned.set()
            raise
        return key

    async def delete(self, item: Item) -> None:
        with contextlib.suppress(VaultError):
            await self.run(lambda: self._discard(item), self._timeout_ms)

    def _discard(self, item: Item) -> None:
        with contextlib.suppress(VaultError):
            self._backend.delete(item.service, item.user)

    def _limits(self, *, interactive: bool) -> tuple[int, int | None]:
        if interactive:
            return self._interactive_timeout_ms, self._interactive_timeout_ms
        return self._timeout_ms, None

    async def run(self, call: Callable[[], T], timeout_ms: int) -> T:
        """Run a function on this keyring's thread; raises `timeout` when its result is late."""
        return await self.calls.run(call, timeout_ms)


def reads_back(item: Item, value: str, timeout_s: float) -> bool:
    """Tell whether a new process reads `value` under the item's name.

    The child answers with a hash, salted by this process: the value itself is not transmitted.
    """
    salt = secrets.token_hex(16)
    kind, _, answer = _answer_of_child(item, salt, timeout_s).partition(" ")
    if kind == "failed":
        raise source_error(
            next((reason for reason in get_args(Reason) if reason == answer), "noBackend")
        )
    if kind != "found":
        raise source_error("itemMissing")
    return secrets.compare_digest(answer, salted_hash(salt, value))


def _answer_of_child(item: Item, salt: str, timeout_s: float) -> str:
    package_root = str(Path(__file__).parents[2])
    command = [sys.executable, "-I", "-X", "utf8", "-c", _CHILD, package_root]
    environment = {name: os.environ[name] for name in CHILD_VARIABLES if name in os.environ}
    try:
        process = subprocess.Popen(  # noqa: S603  # our own interpreter, our own module
            [*command, item.service, item.user],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
    except OSError:
        raise source_error("noBackend") from None
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    with process, _timer(timeout_s, stop):
        answer = _exchange(process, salt)
        process.kill()
    if late.is_set():
        raise source_error("timeout")
    return answer


@contextlib.contextmanager
def _timer(timeout_s: float, act: Callable[[], None]) -> Iterator[None]:
    timer = threading.Timer(timeout_s, act)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _exchange(process: subprocess.Popen[bytes], salt: str) -> str:
    stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    with contextlib.suppress(OSError):  # it has ended; its answer says why
        os.write(stdin.fileno(), f"{salt}\n".encode())
    return stdout.readline().decode("ascii", "replace").strip()


def salted_hash(salt: str, value: str) -> str:
    return hashlib.sha256(f"{salt}{value}".encode()).hexdigest()
