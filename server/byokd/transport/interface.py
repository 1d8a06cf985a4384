"""The interface of the network for the services. Independent of httpx."""

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
    """The timeouts about content are the chat engine's."""

    connect_ms: int = CONNECT_TIMEOUT_MS
    first_byte_ms: int = FIRST_BYTE_TIMEOUT_MS


DEFAULT_TIMEOUTS: Final = Timeouts()


class HttpStream(Protocol):
    """An answer whose head has arrived."""

    @property
    def head(self) -> HttpHead: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            StreamInterrupted: the connection broke before the end of the body.
            ProviderError: the body is longer than its bound.
        """
        ...


class Transport(Protocol):
    """Sends requests. Redirects are not followed, the environment is not read.

    Every method raises `NetworkFailed` (dns, refused, proxy, tls, reset), `TimedOut` (connect,
    firstByte) or `ProviderRedirect`. Leaving the context or a cancellation closes the socket.
    """

    def stream(
        self,
        request: HttpRequest,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        body_max_bytes: int = STREAM_MAX_BYTES,
        fresh: bool = False,
    ) -> AbstractAsyncContextManager[HttpStream]:
        """Yield the answer once its head has arrived; `fresh` opens a new connection."""
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
        """Read the whole answer; a long body of an error status is cut."""
        ...

    async def aclose(self) -> None: ...


StepName: TypeAlias = Literal["dns", "tcp", "tls"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a connection to a provider.

    `target` is `host:port`, the proxy's for `dns` and `tcp` if there is one. `details` hold the
    addresses, the one that answered, or the TLS version and the certificate.
    """

    name: StepName
    target: str
    proxied: bool
    duration_ms: int
    details: JsonObject
    error: ByokdError | None = None


class ConnectionProbe(Protocol):
    def probe_connection(self, url: str) -> AsyncGenerator[Step, None]:
        """Yield each step once it is done; the first that fails is the last. Never raises."""
        ...
