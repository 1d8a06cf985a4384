"""Which certificates the transport trusts, and which it refuses."""

from __future__ import annotations

import asyncio.constants
import os
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import byokd
from authority import DAY, NOW, Authority
from byokd.core.http import HttpRequest
from byokd.protocol.errors import NetworkFailed
from byokd.transport.http import HttpTransport
from byokd.transport.interface import Timeouts
from byokd.transport.tls import client_context
from waits import WAIT_MAX_S

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    Serve = Callable[..., AbstractAsyncContextManager[Any]]

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def _get(transport: HttpTransport, url: str) -> bytes:
    try:
        return (
            await transport.send(HttpRequest("GET", url), timeouts=Timeouts(60_000, 60_000))
        ).body
    finally:
        await transport.aclose()


async def test_extra_authority_is_trusted(serve: Serve, authority: Authority) -> None:
    async with serve(OK, tls=authority.server()) as upstream:
        assert await _get(HttpTransport(extra_ca_file=authority.file), upstream.url) == b"ok"


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("expired", {"until": NOW - DAY}, "expired"),
    ("another address", {"address": "127.0.0.2"}, "wrongHost"),
    ("self-signed", {"self_signed": True}, "untrusted"),
]


@pytest.mark.parametrize(("name", "certificate", "problem"), REFUSED)
async def test_bad_certificate_is_refused(
    serve: Serve, authority: Authority, name: str, certificate: dict[str, Any], problem: str
) -> None:
    async with serve(OK, tls=authority.server(**certificate)) as upstream:
        with pytest.raises(NetworkFailed) as caught:
            await _get(HttpTransport(extra_ca_file=authority.file), upstream.url)
    assert caught.value.data().details == {"reason": "tls", "certificate": problem}, name
    assert upstream.requests == []


async def test_unknown_authority_is_refused(serve: Serve, authority: Authority) -> None:
    async with serve(OK, tls=authority.server()) as upstream:
        with pytest.raises(NetworkFailed) as caught:
            await _get(HttpTransport(), upstream.url)
    assert caught.value.data().details == {"reason": "tls", "certificate": "untrusted"}


async def test_authority_in_the_environment_is_not_trusted(
    serve: Serve, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with serve(OK, tls=authority.server()) as upstream:
        with pytest.raises(NetworkFailed):
            await _get(HttpTransport(), upstream.url)


async def test_old_protocol_is_refused(serve: Serve, authority: Authority) -> None:
    context = client_context()
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    old = authority.server()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with serve(OK, tls=old) as upstream:
        with pytest.raises(NetworkFailed) as caught:
            await _get(HttpTransport(extra_ca_file=authority.file), upstream.url)
    # asyncio's server drops the connection before its alert is sent
    assert caught.value.data().details in ({"reason": "tls"}, {"reason": "reset"})


async def test_plain_text_on_a_tls_port_is_refused(serve: Serve) -> None:
    async with serve("eager", OK, "close") as upstream:
        url = upstream.url.replace("http:", "https:")
        with pytest.raises(NetworkFailed) as caught:
            await _get(HttpTransport(), url)
    assert caught.value.data().details == {"reason": "tls"}


def test_system_authorities_are_trusted() -> None:
    context = client_context()
    if not context.cert_store_stats()["x509_ca"]:
        pytest.skip("this machine has no bundle of authorities")
    assert context.cert_store_stats()["x509_ca"] > 10


def test_missing_ca_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        HttpTransport(extra_ca_file=tmp_path / "none.pem")


@pytest.mark.parametrize("steps", [("hang",), (b"HTTP/1.1 200 OK\r\n\r\nabc", "hang")])
async def test_cancel_does_not_wait_for_a_tls_goodbye(
    serve: Serve, authority: Authority, monkeypatch: pytest.MonkeyPatch, steps: tuple[Any, ...]
) -> None:
    # longer than the test waits
    monkeypatch.setattr(asyncio.constants, "SSL_SHUTDOWN_TIMEOUT", 10 * WAIT_MAX_S)
    transport = HttpTransport(extra_ca_file=authority.file)
    async with serve(*steps, tls=authority.server()) as upstream:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(transport.send, HttpRequest("GET", upstream.url))
            await upstream.reached.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(WAIT_MAX_S):
            await upstream.gone.wait()
    await transport.aclose()


KEY_LOG = """
import asyncio, os, sys
from pathlib import Path
from byokd.transport.http import HttpTransport
from byokd.core.http import HttpRequest

async def main():
    transport = HttpTransport(extra_ca_file=Path(sys.argv[1]))
    print((await transport.send(HttpRequest("GET", sys.argv[2]))).status)
    await transport.aclose()

asyncio.run(main())
"""


async def test_session_keys_are_never_logged(
    serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    log = tmp_path / "keys.log"
    environment = {**os.environ, "SSLKEYLOGFILE": str(log)}
    environment["PYTHONPATH"] = str(Path(byokd.__file__).parents[1])
    async with serve(OK, tls=authority.server()) as upstream:
        done = await anyio.run_process(
            [sys.executable, "-c", KEY_LOG, str(authority.file), upstream.url],
            env=environment,
            stderr=subprocess.STDOUT,
            check=False,
        )
    assert done.stdout == b"200\n", done.stdout.decode()
    assert not log.exists()


async def test_settings_that_cannot_be_followed_stop_every_request() -> None:
    transport = HttpTransport(fault="the configuration is not followed")
    with pytest.raises(NetworkFailed) as caught:
        await _get(transport, "http://127.0.0.1:9/")
    assert caught.value.data().details == {"reason": "settings"}
    assert not caught.value.data().retryable
    steps = [step async for step in transport.probe_connection("http://127.0.0.1:9")]
    assert [step.error is caught.value or step.error is not None for step in steps] == [True]
    await transport.aclose()
