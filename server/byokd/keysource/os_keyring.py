"""The master key in the operating system's keyring, asked with a deadline.

Knows deadlines, retries and how to make sure that a write was kept. Must not know any keyring's
interface: `keyrings` does.

A keyring may answer never, so it is asked on a daemon thread that nobody has to wait for: not the
loop, and not the end of the process.
"""

from __future__ import annotations

import asyncio
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
from byokd.keysource.keyrings import Backend, find_backend
from byokd.keysource.source import Item, Reason, decode_key, encode_key, new_key, source_error
from byokd.protocol.errors import VaultError
from byokd.protocol.vault import Protection

T = TypeVar("T")
Verify: TypeAlias = Callable[[Item, str, float], bool]

_MISSING_DELAYS_S: Final = (0.2, 0.2, 0.2)
"""macOS replaces an item by deleting and adding it; a reader in between finds nothing."""

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
"""What the checking process may see of our environment: enough to find the same keyring."""

_CHILD: Final = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1));"
    " runpy.run_module('byokd.keysource.verify', run_name='__main__', alter_sys=True)"
)


class OsKeyring:
    """The default: the key is protected by the person's login.

    Args:
        backend: the keyring; the platform's own when not given.
        verify: tells whether a fresh process reads the same value.
        timeout_ms: for one answer without a prompt.
        interactive_timeout_ms: for one answer while a person may be typing.
        missing_delays_s: waits before an absent item is believed to be absent.
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
        self._asking: threading.Thread | None = None
        self._answered = threading.Event()
        self._answered.set()

    @property
    def backend(self) -> str:
        """The keyring's name."""
        return self._backend.name

    async def read(self, item: Item, *, interactive: bool = False) -> bytes:
        """Return the key of an item. Raises `failed` with any of the reasons."""
        limit_ms, prompt_ms = self._limits(interactive=interactive)

        def question() -> str:
            for delay in (*self._missing_delays_s, None):
                value = self._backend.get(item.service, item.user, prompt_timeout_ms=prompt_ms)
                if value is not None:
                    return value
                if delay is not None:
                    time.sleep(delay)
            raise source_error("itemMissing")

        return decode_key(await self.run(question, limit_ms))

    async def create(self, item: Item, *, interactive: bool = False) -> bytes:
        """Write a new key and read it back from a fresh process, then return it.

        Some keyrings report success and keep nothing; a key that only this process can see would
        take every stored API key with it at the next start.
        """
        limit_ms, prompt_ms = self._limits(interactive=interactive)
        key = new_key()
        given_up = threading.Event()

        def question() -> None:
            value = encode_key(key)
            self._backend.set(item.service, item.user, value, prompt_timeout_ms=prompt_ms)
            try:
                if not self._verify(item, value, limit_ms / 1000):
                    raise source_error("itemCorrupt")
            except VaultError:
                self._discard(item)
                raise
            if given_up.is_set():  # nobody waits any more, so nobody will use this key
                self._discard(item)

        try:
            await self.run(question, limit_ms)
        except BaseException:
            given_up.set()
            raise
        return key

    async def delete(self, item: Item) -> None:
        """Remove an item as far as the keyring lets us."""
        with contextlib.suppress(VaultError):
            await self.run(lambda: self._discard(item), self._timeout_ms)

    def _discard(self, item: Item) -> None:
        with contextlib.suppress(VaultError):
            self._backend.delete(item.service, item.user)

    def _limits(self, *, interactive: bool) -> tuple[int, int | None]:
        if interactive:
            return self._interactive_timeout_ms, self._interactive_timeout_ms
        return self._timeout_ms, None

    async def run(self, question: Callable[[], T], timeout_ms: int) -> T:
        """Run a question on a daemon thread; raises its reason, or `timeout` when it is late.

        While an earlier question still hangs no other is asked: a keyring that never answers
        costs one thread, not one for each try.
        """
        if not self._answered.is_set():
            raise source_error("timeout")
        self._answered = answered = threading.Event()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: Exception | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # T where there is no error

        def run() -> None:
            try:
                outcome: tuple[T | None, Exception | None] = (question(), None)
            except VaultError as error:
                outcome = (None, error)
            except BaseException:  # noqa: BLE001  # a foreign library failed; its text stays here
                outcome = (None, source_error("noBackend"))
            answered.set()
            with contextlib.suppress(RuntimeError):  # the loop may be gone
                loop.call_soon_threadsafe(settle, *outcome)

        self._asking = threading.Thread(target=run, name="byokd-keyring", daemon=True)
        self._asking.start()
        try:
            return await asyncio.wait_for(future, timeout_ms / 1000)
        except TimeoutError:
            raise source_error("timeout") from None


def reads_back(item: Item, value: str, timeout_s: float) -> bool:
    """Tell whether a fresh process finds `value` under the item's name.

    The child gets the name in its arguments and a random salt on its input, and answers with a
    salted hash: the value itself never travels.

    Raises:
        VaultUnavailable: `itemMissing` or `timeout`, or the reason that the child met.
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
    """Run the checking process. Its input stays open meanwhile: it ends when we do."""
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
        found = _exchange(process, salt)
        process.kill()
    if late.is_set():
        raise source_error("timeout")
    return found


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
    asked, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    with contextlib.suppress(OSError):  # it ended before it was asked; its answer says that
        os.write(asked.fileno(), f"{salt}\n".encode())
    return answers.readline().decode("ascii", "replace").strip()


def salted_hash(salt: str, value: str) -> str:
    """Return what the checking process says of the value it found."""
    return hashlib.sha256(f"{salt}{value}".encode()).hexdigest()
