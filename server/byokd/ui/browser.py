"""Opens the person's browser without showing the token to other users of the machine."""

from __future__ import annotations

import contextlib
import html
import os
import tempfile
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_REDIRECT: Final = """<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
<title>AI Providers</title>
<a href="{address}">AI Providers</a>
"""


@contextlib.contextmanager
def redirect_file(address: str) -> Iterator[Path]:
    """Make a file that leads to the address. Only the person may read it.

    Arguments of a process are visible to every user, and a browser is started with what it opens.
    """
    handle, name = tempfile.mkstemp(prefix="byokd-", suffix=".html")  # mode 0600
    path = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_REDIRECT.format(address=html.escape(address)))
        yield path
    finally:
        path.unlink(missing_ok=True)


def open_browser(file: Path) -> bool:
    """Return whether a browser was started."""
    try:
        return webbrowser.open(file.as_uri())
    except (webbrowser.Error, OSError):
        return False
