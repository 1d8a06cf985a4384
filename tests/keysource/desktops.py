"""A desktop session's own keyring: a private bus with GNOME's keyring on it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jeepney import (  # type: ignore[import-untyped]
    MatchRule,
    message_bus,
)
from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped]

from keysource.buses import HAVE_BUS, bus
from waits import WAIT_MAX_S

HAVE_DESKTOP = HAVE_BUS and shutil.which("gnome-keyring-daemon") is not None
PASSWORD = "the login's password"
SERVICE = "org.freedesktop.secrets"


@contextmanager
def desktop(home: Path, password: str | None = PASSWORD) -> Iterator[dict[str, str]]:
    """Start a session's keyring, unlocked if there is a password; yield its environment."""
    runtime = home / "run"
    runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    with bus() as session:
        environment = {
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(runtime),
            "DBUS_SESSION_BUS_ADDRESS": session.address,
        }
        unlock = [] if password is None else ["--unlock"]
        command = ["gnome-keyring-daemon", "--foreground", "--components=secrets", *unlock]
        with open_dbus_connection(session.address) as watcher:
            rule = MatchRule(type="signal", member="NameOwnerChanged")
            rule.add_arg_condition(0, SERVICE)
            watcher.send_and_get_reply(message_bus.AddMatch(rule))
            with (
                watcher.filter(rule) as changes,
                subprocess.Popen(
                    command,
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                ) as keyring,
            ):
                assert keyring.stdin is not None
                keyring.stdin.write((password or "").encode())
                keyring.stdin.close()
                try:
                    watcher.recv_until_filtered(changes, timeout=WAIT_MAX_S)
                    yield environment
                finally:
                    keyring.kill()
