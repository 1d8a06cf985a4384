"""A private session bus, with or without a keyring."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

HAVE_BUS = sys.platform == "linux" and shutil.which("dbus-daemon") is not None
_STUB = Path(__file__).with_name("secret_service_stub.py")

# Starts no service: the session's own configuration would start an installed keyring.
_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir={folder}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


class Bus:
    """A running bus; `keyring` starts a service on it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        # not in the test's folder: the path of a socket has at most 100 characters
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="byokd-bus-")))
        config = folder / "bus.conf"
        config.write_text(_CONFIG.format(folder=folder), encoding="utf-8")
        command = ("dbus-daemon", f"--config-file={config}", "--nofork", "--print-address")
        self.address = self._start(stack, *command, environment={})

    def keyring(self, mode: str, items_file: Path | None = None) -> None:
        """Start a service that lives as long as the bus."""
        self._keyring(self._stack, mode, items_file)

    @contextmanager
    def service(self, mode: str, items_file: Path) -> Iterator[None]:
        """Run a service during the block."""
        with ExitStack() as stack:
            self._keyring(stack, mode, items_file)
            yield

    def _keyring(self, stack: ExitStack, mode: str, items_file: Path | None) -> None:
        command = [sys.executable, str(_STUB), mode, *([str(items_file)] if items_file else [])]
        environment = {"DBUS_SESSION_BUS_ADDRESS": self.address}
        assert self._start(stack, *command, environment=environment) == "ready"

    @staticmethod
    def _start(stack: ExitStack, *command: str, environment: dict[str, str]) -> str:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        stack.enter_context(process)
        stack.callback(process.kill)
        assert process.stdout is not None
        return process.stdout.readline().strip()


@contextmanager
def bus() -> Iterator[Bus]:
    """Run a bus during the block."""
    with ExitStack() as stack:
        yield Bus(stack)
