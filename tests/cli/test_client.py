"""The command line's client: daemons that fail, are silent or are cancelled."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from byokd.catalog.loader import load
from byokd.cli.client import Daemon, DaemonError, DaemonGone
from byokd.protocol.base import Params
from byokd.protocol.chat import SendParams, SendResult
from byokd.protocol.key import KeyListParams, KeyListResult, KeyStoreParams, KeyStoreResult
from byokd.protocol.parts import Message
from byokd.protocol.provider import ProviderListParams, ProviderListResult
from byokd.protocol.vault import VaultInitializeParams, VaultInitializeResult
from byokd.sandbox import Sandbox
from sandbox_env import GENERIC, KEY


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(["--data-dir", str(tmp_path)], module="byokd.testing") as running:
        yield running


def test_failed_start_reports_last_line() -> None:
    with pytest.raises(DaemonGone) as caught, Daemon(module="byokd.nowhere"):
        pytest.fail("it started")
    assert "No module named byokd.nowhere" in caught.value.last_line


def test_killed_daemon_raises_daemon_gone(daemon: Daemon) -> None:
    daemon._process.kill()
    for _ in range(2):
        with pytest.raises(DaemonGone, match="ended before it answered"):
            daemon.call("key/list", KeyListParams(), KeyListResult)


def test_missing_answer_times_out(daemon: Daemon) -> None:
    with pytest.raises(DaemonGone, match="no answer to provider/list within 0 s"):
        daemon.call("provider/list", ProviderListParams(), ProviderListResult, timeout_s=0)
    assert not daemon.wait(lambda: False, timeout_s=0)


def test_error_response_keeps_its_data(daemon: Daemon) -> None:
    with pytest.raises(DaemonError) as caught:
        daemon.call("provider/list", ProviderListParams(cursor="attic"), ProviderListResult)
    assert caught.value.data.kind == "invalidParams"
    assert caught.value.data.error_id


def test_pages_reads_every_page(daemon: Daemon) -> None:
    pages = list(daemon.pages("provider/list", ProviderListParams(limit=10), ProviderListResult))
    full, rest = divmod(len(load()), 10)
    assert [len(page.items) for page in pages] == [10] * full + [rest] * bool(rest)


def test_exit_ends_the_process(tmp_path: Path) -> None:
    with Daemon(["--data-dir", str(tmp_path)], module="byokd.testing") as running:
        process = running._process
    assert process.returncode == 0


@pytest.fixture
def ctrl_c_interrupts() -> Iterator[None]:
    """Handle SIGINT as Python does by default; a suite in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_second_ctrl_c_ends_the_command(daemon: Daemon) -> None:
    def interrupt_twice(_method: str, _params: Params) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second one did not raise")

    accept = VaultInitializeParams(protection="memory", accept_risk="memory")
    with pytest.raises(KeyboardInterrupt), daemon.notifying(interrupt_twice):
        daemon.call("vault/initialize", accept, VaultInitializeResult)  # sends vault/changed
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_ctrl_c_cancels_and_returns_the_partial_answer(daemon: Daemon) -> None:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Sandbox(keys=[KEY])) as sandbox,
    ):
        accept = VaultInitializeParams(protection="memory", accept_risk="memory")
        daemon.call("vault/initialize", accept, VaultInitializeResult)
        url = sandbox.base_url
        sealed = daemon.sealed(
            KEY, method="key/store", provider=GENERIC, base_url=url, field="apiKey"
        )
        key = KeyStoreParams(provider=GENERIC, fields={"apiKey": sealed}, base_url=url)
        daemon.call("key/store", key, KeyStoreResult)

        interrupts = iter([signal.SIGINT])

        def interrupt(_method: str, _params: Params) -> None:
            for number in interrupts:
                signal.raise_signal(number)

        question = (Message(role="user", content="go on"),)
        params = SendParams(
            stream_id="s", provider=GENERIC, model="sandbox-paced-20hz-400", messages=question
        )
        with daemon.notifying(interrupt):
            result = daemon.call("chat/send", params, SendResult)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert result.finish_reason.unified == "cancelled"
    assert result.message.role == "assistant"
