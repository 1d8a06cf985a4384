"""The variables that the process was started with: a few stay, the rest are set aside as secrets.

Knows the names of those that the daemon and the libraries in it need. Must not know what any of the
others is for: a proxy, a certificate store, a keyring backend, a Python path or an OpenSSL module
would each be obeyed by somebody in this process, and a key would be inherited by its children.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Final

from byokd.core.secret import Secret

KEPT: Final = frozenset(
    {
        # who and where the person is, and which language and time zone they have
        *("HOME", "USER", "LOGNAME", "PATH", "LANG", "TZ", "TMPDIR"),
        # the way to the keyring, and to its prompt
        *("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"),
        *("SECURITYSESSIONID", "__CF_USER_TEXT_ENCODING"),  # macOS
        "CREDENTIALS_DIRECTORY",  # where systemd puts a key file
        # Windows: sockets, temporary files and the person's folders depend on these
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "OS"),
        *("USERNAME", "USERDOMAIN", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "COMPUTERNAME"),
        *("APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "ALLUSERSPROFILE", "SESSIONNAME"),
        *("NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE"),
    }
)
KEPT_PREFIXES: Final = ("LC_", "XDG_")


def set_aside(environment: MutableMapping[str, str]) -> dict[str, Secret]:
    """Take every variable out that is not needed, and return them by name."""
    found = [name for name in environment if name not in KEPT]
    return {
        name: Secret(environment.pop(name)) for name in found if not name.startswith(KEPT_PREFIXES)
    }


def kept(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a daemon may be started with: it never gets a key this way."""
    return {
        name: value
        for name, value in environment.items()
        if name in KEPT or name.startswith(KEPT_PREFIXES)
    }
