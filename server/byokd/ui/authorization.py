"""Who may use the page: a one-time token in its address, then a cookie and a second secret.

A cookie alone opens nothing, because browsers send it to every port of this machine. The second
secret is handed to the page once and travels in a header, which another page cannot add. Host and
Origin are compared too, against names that resolve to this machine.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

HEADER: Final = "X-Byokd-Page"
COOKIE: Final = "byokd-page"
Exchange: TypeAlias = Literal["accepted", "repeated", "wrong"]


class Authorization:
    """The token and the two secrets of one session. `origin` is where the page is served."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.token = secrets.token_urlsafe(32)
        self.secret = secrets.token_urlsafe(32)
        self.cookie = secrets.token_urlsafe(32)
        self._exchanged = False

    @property
    def address(self) -> str:
        """The address that opens the page once."""
        return f"{self.origin}/?token={self.token}"

    @property
    def exchanged(self) -> bool:
        return self._exchanged

    def exchange(self, token: str) -> Exchange:
        """Use the token up. A second use means that somebody else had it."""
        if not _equal(token, self.token):
            return "wrong"
        if self._exchanged:
            return "repeated"
        self._exchanged = True
        return "accepted"

    def is_own_host(self, headers: Mapping[str, str]) -> bool:
        """Refuse a name that leads here, such as one of DNS rebinding."""
        return f"http://{headers.get('Host', '')}" == self.origin

    def is_page(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> bool:
        """Return whether a request comes from the page that the token opened."""
        return (
            self._exchanged
            and headers.get("Origin") == self.origin
            and _equal(headers.get(HEADER, ""), self.secret)
            and _equal(cookies.get(COOKIE, ""), self.cookie)
        )


def _equal(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())
