"""The seam of the network: what the rest of the house may ask of it.

Knows the shape of sending a request. Must not know httpx, or what any byte means.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from byokd.core.http import HttpHead, HttpRequest, HttpResponse
from byokd.core.limits import (
    CONNECT_TIMEOUT_MS,
    ERROR_BODY_MAX_BYTES,
    FIRST_BYTE_TIMEOUT_MS,
    RESPONSE_BODY_MAX_BYTES,
    STREAM_MAX_BYTES,
)
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import ByokdError


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The two waits that the transport can see; the two about content belong to the engine."""

    connect_ms: int = CONNECT_TIMEOUT_MS
    first_byte_ms: int = FIRST_BYTE_TIMEOUT_MS


DEFAULT_TIMEOUTS: Final = Timeouts()


class HttpStream(Protocol):
    """An answer whose head has come."""

    @property
    def head(self) -> HttpHead:
        """Status and headers."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            StreamInterrupted: the connection broke before the end of the body.
            ProviderError: the body is longer than its cap, or compressed though we asked not to.
        """
        ...


class Transport(Protocol):
    """Sends requests. Redirects are not followed, the environment is not read.

    Every method raises `NetworkFailed` (dns, refused, proxy, tls, reset), `TimedOut`
    (connect, firstByte) or `ProviderRedirect`; leaving the context or being cancelled closes the
    socket at once.
    """

    def stream(
        self,
        request: HttpRequest,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        body_max_bytes: int = STREAM_MAX_BYTES,
        fresh: bool = False,
    ) -> AbstractAsyncContextManager[HttpStream]:
        """Send and give the answer once its head is there; `fresh` opens a new connection."""
        ...

    async def send(
        self,
        request: HttpRequest,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        body_max_bytes: int = RESPONSE_BODY_MAX_BYTES,
        error_body_max_bytes: int = ERROR_BODY_MAX_BYTES,
        fresh: bool = False,
    ) -> HttpResponse:
        """Send and read the whole answer; the body of an error status is cut, not refused."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


StepName: TypeAlias = Literal["dns", "tcp", "tls"]


@dataclass(frozen=True, slots=True)
class Step:
    """One leg of the way to a provider.

    Attributes:
        name: which.
        target: host and port that it leads to: the proxy's, where there is one, but for `tls`.
        proxied: whether a proxy is on the way.
        duration_ms: how long it took, also where it failed.
        details: what was found: addresses, the one that answered, protocol and certificate.
        error: why it failed, or None.
    """

    name: StepName
    target: str
    proxied: bool
    duration_ms: int
    details: JsonObject
    error: ByokdError | None = None


class ConnectionProbe(Protocol):
    """Goes the way that requests go, and sends none."""

    def probe_connection(self, url: str) -> AsyncGenerator[Step, None]:
        """Yield each leg once it is gone; the first that failed is the last. Never raises."""
        ...
