"""No exception of another library passes the transport, and no text of one."""

from __future__ import annotations

import inspect
import socket
import ssl
from types import ModuleType

import aiohttp
import httpx
import pytest
from aiohttp import client_exceptions, http_exceptions

from byokd.protocol.errors import ByokdError
from byokd.transport.exceptions import CAUSES, FOREIGN, head_failure

CANARY = "sk-test-canary-0123456789"


def _exceptions(module: ModuleType) -> list[type[BaseException]]:
    return [
        exception
        for _, exception in inspect.getmembers(module, inspect.isclass)
        if issubclass(exception, Exception)
        and not issubclass(exception, Warning)
        and exception.__module__.split(".")[0] in {"aiohttp", "httpx"}
    ]


# httpx and aiohttp raise nothing else; a new class in a new version must get a row by hand.
ALL = sorted(
    {*_exceptions(httpx), *_exceptions(client_exceptions), *_exceptions(http_exceptions)}
    | set(_exceptions(aiohttp)),
    key=lambda each: each.__name__,
)


def _instance_of(exception: type[BaseException], *args: object) -> BaseException:
    """Make an exception without its constructor, which needs a whole connection."""
    instance = exception.__new__(exception)
    instance.args = args
    return instance


def test_both_libraries_have_exceptions() -> None:
    assert len(ALL) > 60


@pytest.mark.parametrize("exception", ALL, ids=lambda each: each.__name__)
def test_each_exception_has_a_row(exception: type[BaseException]) -> None:
    assert exception in CAUSES
    assert issubclass(exception, FOREIGN)


@pytest.mark.parametrize("exception", [*ALL, OSError, ValueError, ssl.SSLError, socket.gaierror])
def test_every_exception_becomes_an_error_of_byokd(exception: type[BaseException]) -> None:
    for proxied in (False, True):
        failure = head_failure(_instance_of(exception, CANARY), proxied=proxied)
        assert isinstance(failure, ByokdError)
        assert CANARY not in failure.data().model_dump_json()


def test_inner_exception_decides_the_error() -> None:
    """A TLS alert arrives as a reset, a line that is too long as a malformed response."""
    alert = _instance_of(aiohttp.ClientOSError)
    alert.__cause__ = ssl.SSLError()
    assert head_failure(alert, proxied=False).data().details == {"reason": "tls"}
    line = _instance_of(aiohttp.ClientResponseError)
    line.__cause__ = _instance_of(http_exceptions.LineTooLong)
    assert "header" in head_failure(line, proxied=False).user_message


VERIFY = [
    (10, "expired"),
    (9, "notYetValid"),
    (62, "wrongHost"),
    (64, "wrongHost"),
    (18, "untrusted"),
    (19, "untrusted"),
    (20, "untrusted"),
]


@pytest.mark.parametrize(("code", "problem"), VERIFY)
def test_certificate_error_names_its_cause(code: int, problem: str) -> None:
    inner = ssl.SSLCertVerificationError()
    inner.verify_code = code
    outer = _instance_of(aiohttp.ClientConnectorCertificateError)
    outer.__cause__ = inner
    data = head_failure(outer, proxied=False).data()
    assert data.details == {"reason": "tls", "certificate": problem}
    assert not data.retryable


def test_unknown_name_through_a_proxy_is_a_proxy_failure() -> None:
    dns = _instance_of(aiohttp.ClientConnectorDNSError)
    assert head_failure(dns, proxied=False).data().details == {"reason": "dns"}
    assert head_failure(dns, proxied=True).data().details == {"reason": "proxy"}
