"""Translates the exceptions of aiohttp, httpx, ssl and the operating system into byokd's errors.

None may pass, not even as a cause: an aiohttp error holds the request's headers, and so the key.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Final, Literal, TypeAlias

import aiohttp
import httpx
from aiohttp import client_exceptions, http_exceptions

from byokd.protocol.errors import (
    ByokdError,
    Internal,
    NetworkFailed,
    ProviderError,
    StreamInterrupted,
    TimedOut,
    Unsupported,
)
from byokd.transport.addresses import ForbiddenAddress

Cause: TypeAlias = Literal[
    "dns", "forbiddenAddress", "refused", "proxy", "tls", "reset", "connect", "firstByte",
    "malformed", "headers", "address", "ours",
]  # fmt: skip

FOREIGN: Final = (
    aiohttp.ClientError,
    aiohttp.EofStream,
    aiohttp.WebSocketError,
    http_exceptions.HttpProcessingError,
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.CookieConflict,
    httpx.StreamError,
    OSError,  # ssl, sockets, name resolution and TimeoutError
    ValueError,  # a header or an address that cannot be encoded
    TypeError,  # aiohttp's exception for a message of the wrong kind
)

CAUSES: Final[dict[type[BaseException], Cause]] = {
    ForbiddenAddress: "forbiddenAddress",
    # the operating system
    socket.gaierror: "dns",
    ConnectionRefusedError: "refused",
    ConnectionResetError: "reset",
    ConnectionAbortedError: "reset",
    BrokenPipeError: "reset",
    ssl.SSLError: "tls",
    TimeoutError: "connect",
    OSError: "refused",
    ValueError: "address",
    TypeError: "ours",
    # aiohttp
    client_exceptions.ClientError: "reset",
    client_exceptions.ClientResponseError: "malformed",
    client_exceptions.ContentTypeError: "ours",
    client_exceptions.WSServerHandshakeError: "ours",
    client_exceptions.ClientHttpProxyError: "proxy",
    client_exceptions.TooManyRedirects: "ours",
    client_exceptions.ClientConnectionError: "reset",
    client_exceptions.ClientConnectionResetError: "reset",
    client_exceptions.ClientOSError: "reset",
    client_exceptions.ClientConnectorError: "refused",
    client_exceptions.ClientConnectorDNSError: "dns",
    client_exceptions.ClientProxyConnectionError: "proxy",
    client_exceptions.UnixClientConnectorError: "refused",
    client_exceptions.ServerConnectionError: "reset",
    client_exceptions.ServerDisconnectedError: "reset",
    client_exceptions.ServerTimeoutError: "firstByte",
    client_exceptions.ConnectionTimeoutError: "connect",
    client_exceptions.SocketTimeoutError: "firstByte",
    client_exceptions.ServerFingerprintMismatch: "tls",
    client_exceptions.ClientPayloadError: "reset",
    client_exceptions.UploadAbortedError: "reset",
    client_exceptions.InvalidURL: "address",
    client_exceptions.InvalidUrlClientError: "address",
    client_exceptions.RedirectClientError: "ours",
    client_exceptions.NonHttpUrlClientError: "address",
    client_exceptions.InvalidUrlRedirectClientError: "ours",
    client_exceptions.NonHttpUrlRedirectClientError: "ours",
    client_exceptions.ClientSSLError: "tls",
    client_exceptions.ClientConnectorSSLError: "tls",
    client_exceptions.ClientConnectorCertificateError: "tls",
    client_exceptions.WSMessageTypeError: "ours",
    aiohttp.EofStream: "reset",
    aiohttp.WebSocketError: "ours",
    http_exceptions.HttpProcessingError: "malformed",
    http_exceptions.BadHttpMessage: "malformed",
    http_exceptions.HttpBadRequest: "malformed",
    http_exceptions.PayloadEncodingError: "malformed",
    http_exceptions.ContentEncodingError: "malformed",
    http_exceptions.TransferEncodingError: "malformed",
    http_exceptions.ContentLengthError: "malformed",
    http_exceptions.DecompressSizeError: "malformed",
    http_exceptions.LineTooLong: "headers",
    http_exceptions.InvalidHeader: "malformed",
    http_exceptions.BadStatusLine: "malformed",
    http_exceptions.BadHttpMethod: "malformed",
    http_exceptions.InvalidURLError: "malformed",
    # httpx
    httpx.HTTPError: "reset",
    httpx.HTTPStatusError: "ours",
    httpx.RequestError: "reset",
    httpx.DecodingError: "malformed",
    httpx.TooManyRedirects: "ours",
    httpx.TransportError: "reset",
    httpx.TimeoutException: "firstByte",
    httpx.ConnectTimeout: "connect",
    httpx.PoolTimeout: "connect",
    httpx.ReadTimeout: "firstByte",
    httpx.WriteTimeout: "firstByte",
    httpx.NetworkError: "reset",
    httpx.ConnectError: "refused",
    httpx.ReadError: "reset",
    httpx.WriteError: "reset",
    httpx.CloseError: "reset",
    httpx.ProxyError: "proxy",
    httpx.UnsupportedProtocol: "address",
    httpx.ProtocolError: "malformed",
    httpx.LocalProtocolError: "address",
    httpx.RemoteProtocolError: "malformed",
    httpx.InvalidURL: "address",
    httpx.CookieConflict: "ours",
    httpx.StreamError: "ours",
    httpx.StreamConsumed: "ours",
    httpx.StreamClosed: "ours",
    httpx.ResponseNotRead: "ours",
    httpx.RequestNotRead: "ours",
}
"""The cause of each exception before the head has arrived. A subclass without a row has its
parent's. A test looks through both libraries for missing classes."""

_CERTIFICATE: Final = {  # OpenSSL's X509_V_ERR_* numbers
    9: ("notYetValid", "the provider's certificate is not valid yet; check this machine's clock"),
    10: ("expired", "the provider's certificate has expired; check this machine's clock"),
    62: ("wrongHost", "the certificate is for another name; check the base URL"),
    64: ("wrongHost", "the certificate is for another address; check the base URL"),
}
_UNTRUSTED = (
    "untrusted",
    (
        "no authority that this machine trusts has signed the provider's certificate;"
        " where a company inspects traffic, name its CA file in the configuration"
    ),
)

_NETWORK_TEXTS: Final[dict[str, str]] = {
    "dns": "the provider's name could not be resolved; check the network and the base URL",
    "refused": "the provider could not be reached; check the network and the base URL",
    "proxy": "the proxy did not connect; check the proxy in the configuration",
    "tls": "no secure connection to the provider; check the base URL and any filtering proxy",
    "reset": "the provider closed the connection before it answered; try again",
}

_OTHER_ERRORS: Final[dict[str, Callable[[], ByokdError]]] = {
    "connect": lambda: TimedOut(
        "the provider could not be reached in time; check the network",
        details={"phase": "connect"},
    ),
    "firstByte": lambda: TimedOut(
        "the provider did not begin to answer in time; try again",
        details={"phase": "firstByte"},
    ),
    "malformed": lambda: ProviderError(
        "the answer is not HTTP; check the base URL", retryable=False
    ),
    "headers": lambda: ProviderError("the provider sent a header that is too long"),
    "address": lambda: Unsupported(
        "this request cannot be sent; check the base URL, and the key for line breaks"
    ),
    "ours": lambda: Internal("the request failed inside byokd; the log names this error's id"),
}


def head_failure(exc: BaseException, *, proxied: bool) -> ByokdError:
    """Return the error for an exception that was raised before the head.

    Raise it outside the `except` block, or the exception becomes its context. If `proxied`, the
    proxy resolves the provider's name, so a DNS failure is the proxy's.
    """
    chain = list(_chain(exc))
    cause = _cause(chain)
    if cause == "forbiddenAddress":
        return forbidden_address_failure()
    if proxied and cause == "dns":
        cause = "proxy"
    if cause == "tls":
        return _tls_failure(chain)
    if text := _NETWORK_TEXTS.get(cause):
        return NetworkFailed(text, details={"reason": cause})
    return _OTHER_ERRORS[cause]()


def _cause(chain: list[BaseException]) -> Cause:
    # An inner exception is more precise: a TLS alert arrives as a reset of the socket, a reset
    # during the handshake as a failed connection, a line that is too long as malformed.
    for inner in (
        ForbiddenAddress,
        ssl.SSLError,
        http_exceptions.LineTooLong,
        ConnectionResetError,
    ):
        if any(isinstance(exc, inner) for exc in chain):
            return CAUSES[inner]
    for ancestor in type(chain[0]).__mro__:
        if (cause := CAUSES.get(ancestor)) is not None:
            return cause
    return "ours"


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__


def _tls_failure(chain: list[BaseException]) -> NetworkFailed:
    # aiohttp's own certificate error inherits from the ssl one and has no code.
    codes = [getattr(exc, "verify_code", None) for exc in chain]
    code = next((code for code in codes if code is not None), None)
    if code is None:
        return NetworkFailed(_NETWORK_TEXTS["tls"], retryable=False, details={"reason": "tls"})
    problem, text = _CERTIFICATE.get(code, _UNTRUSTED)
    details = {"reason": "tls", "certificate": problem}
    return NetworkFailed(text, retryable=False, details=details)


def dns_failure() -> NetworkFailed:
    return NetworkFailed(_NETWORK_TEXTS["dns"], details={"reason": "dns"})


def forbidden_address_failure() -> NetworkFailed:
    return NetworkFailed(
        "the provider's name resolves to an address that cannot be a provider's;"
        " check the base URL and this network's name server",
        retryable=False,
        details={"reason": "dns"},
    )


def proxy_failure() -> NetworkFailed:
    return NetworkFailed(_NETWORK_TEXTS["proxy"], details={"reason": "proxy"})


def body_failure() -> ByokdError:
    return StreamInterrupted("the provider's answer broke off; try again")


def first_byte_failure() -> ByokdError:
    return _OTHER_ERRORS["firstByte"]()


def idle_failure() -> TimedOut:
    return TimedOut(
        "the provider stopped in the middle of its answer; try again", details={"phase": "idle"}
    )
