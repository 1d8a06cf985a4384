"""Gets a catalog file: by one request to the configured address, or from a file on this machine."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import anyio

from byokd.core.http import Headers, HttpRequest
from byokd.core.limits import CATALOG_MAX_BYTES, CATALOG_TIMEOUT_MS
from byokd.protocol.actions import CheckNetworkAction, EditSettingsAction, WaitAction
from byokd.protocol.errors import (
    ByokdError,
    NetworkFailed,
    ProviderError,
    ProviderRedirect,
    StreamInterrupted,
    TimedOut,
)
from byokd.transport.interface import Transport

# No version, no cookie, no ETag: nothing that tells one person's requests from another's.
_HEADERS: Final = Headers([("user-agent", "byokd"), ("accept", "*/*")])
_TEXTS: Final = {
    "dns": "the name in url under [catalog] could not be resolved; check it, and the network",
    "refused": "the address of the catalog does not answer; check the network, or try again later",
    "proxy": "the proxy does not let the catalog through; check proxy under [network]",
    "tls": "the certificate at the address of the catalog is not trusted; check url, the clock, and"
    " extra_ca_file under [network]",
}
_REDIRECT: Final = (
    "the address of the catalog redirects, which is not followed; set url to where it leads"
)
_BROKEN: Final = "the connection to the address of the catalog broke; try again"
_TRANSIENT: Final = frozenset({408, 425, 429}) | set(range(500, 600))


async def fetch(transport: Transport, url: str) -> bytes:
    """Return the body at the address. Redirects are not followed.

    Raises:
        ProviderError: another status than 200, or the body is too long.
        TimedOut, NetworkFailed, ProviderRedirect: as for any request.
    """
    request = HttpRequest("GET", url, _HEADERS)
    with anyio.move_on_after(CATALOG_TIMEOUT_MS / 1000):
        try:
            response = await transport.send(request, body_max_bytes=CATALOG_MAX_BYTES, fresh=True)
        except (NetworkFailed, ProviderRedirect, StreamInterrupted) as error:
            raise _about_catalog(error) from None
        if response.status != HTTPStatus.OK:
            retryable = response.status in _TRANSIENT
            advice = "try again later" if retryable else "check url under [catalog] in config.toml"
            raise ProviderError(
                f"the address of the catalog answered with the status {response.status}; {advice}",
                http_status=response.status,
                retryable=retryable,
                action=WaitAction() if retryable else EditSettingsAction(setting="catalog.url"),
            )
        return response.body
    raise TimedOut("the catalog file did not come in time; try again")


def _about_catalog(error: ByokdError) -> ByokdError:
    """Return the error with a text that names the catalog's address instead of a provider."""
    details = error.fields.get("details")
    reason = details.get("reason") if isinstance(details, dict) else None
    text = _TEXTS.get(str(reason), _REDIRECT if error.kind == "providerRedirect" else _BROKEN)
    moved = error.kind == "providerRedirect"
    action = EditSettingsAction(setting="catalog.url") if moved else CheckNetworkAction()
    return type(error)(f"{text}; nothing was changed", details=details, action=action)
