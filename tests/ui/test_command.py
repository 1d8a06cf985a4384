"""`byokd ui` as a process: what it prints, what it starts the browser with, and how it ends."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from waits import WAIT_MAX_S

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a browser is a shell script here")


def _started(folder: Path, *options: str, browser: Path | None = None) -> subprocess.Popen[str]:
    environment = dict(os.environ)
    if browser:
        environment["BROWSER"] = f"{browser} %s"
    command = [sys.executable, "-I", "-X", "utf8", "-m", "byokd", "--data-dir", str(folder), "ui"]
    return subprocess.Popen(
        [*command, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment,
    )


def _get(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=WAIT_MAX_S) as answer:  # noqa: S310  # our own address
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_browser_is_started_with_a_private_file_and_no_token(tmp_path: Path) -> None:
    record = tmp_path / "record"
    browser = tmp_path / "browser"
    browser.write_text(
        f'#!/bin/sh\nfile="${{1#file://}}"\n'
        f'{{ echo "$*"; stat -c %a "$file"; cat "$file"; }} > {record}.new\n'
        f"mv {record}.new {record}\n"
    )
    browser.chmod(0o755)
    with _started(tmp_path / "data", browser=browser) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        arguments, mode, *page = record.read_text().splitlines()
        token = address.partition("token=")[2]
        assert len(token) > 40
        assert token not in arguments
        assert stat.S_IMODE(int(mode, 8)) == 0o600
        assert token in "".join(page)
        file = Path(arguments.removeprefix("file://"))
        assert file.exists()
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_MAX_S) == 0
        assert not file.exists()


def test_second_use_of_the_address_is_reported_and_ends_it(tmp_path: Path) -> None:
    with _started(tmp_path / "data", "--no-browser") as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert _get(address) == 200
        assert _get(address) == 403
        _, errors = process.communicate(timeout=WAIT_MAX_S)
        assert process.returncode == 1
        assert "opened a second time" in errors
        assert address.partition("token=")[2] not in errors
