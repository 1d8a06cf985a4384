"""Environment variables: a short list stays, the others are removed and returned as secrets."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Final

from byokd.core.secret import Secret

# A library would obey any other variable that names a proxy, a certificate store, a keyring
# backend, a Python path or an OpenSSL module, and child processes would inherit a key.
ALLOWED: Final = frozenset(
    {
        # the user, their folders, language and time zone
        *("HOME", "USER", "LOGNAME", "PATH", "LANG", "TZ", "TMPDIR"),
        # the OS keyring and its prompt
        *("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"),
        *("SECURITYSESSIONID", "__CF_USER_TEXT_ENCODING"),  # macOS
        "CREDENTIALS_DIRECTORY",  # systemd puts a key file there
        # Windows: sockets, temporary files and the user's folders depend on these
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "OS"),
        *("USERNAME", "USERDOMAIN", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "COMPUTERNAME"),
        *("APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "ALLUSERSPROFILE", "SESSIONNAME"),
        *("NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE"),
    }
)
ALLOWED_PREFIXES: Final = ("LC_", "XDG_")


def strip_environment(environment: MutableMapping[str, str]) -> dict[str, Secret]:
    """Remove every variable that is not allowed; return the removed ones by name."""
    removed = [name for name in environment if not _is_allowed(name)]
    return {name: Secret(environment.pop(name)) for name in removed}


def allowed_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a daemon may be started with; none of them is a key."""
    return {name: value for name, value in environment.items() if _is_allowed(name)}


def _is_allowed(name: str) -> bool:
    return name in ALLOWED or name.startswith(ALLOWED_PREFIXES)
