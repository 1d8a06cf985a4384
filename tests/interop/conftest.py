"""One llama.cpp server for the session and one daemon per module, because starting is slow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from daemon import Daemon, running
from interop.llama import Llama, missing, serving
from sandbox_env import unlocked


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Llama]:
    """Run the server; skip where it is not installed."""
    if reason := missing():
        pytest.skip(reason)
    with serving(tmp_path_factory.mktemp("llama")) as server:
        yield server


@pytest.fixture(scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """Run a daemon with an unlocked vault."""
    async with running(data_dir=tmp_path_factory.mktemp("daemon")) as daemon:
        await unlocked(daemon)
        yield daemon
        assert await daemon.close() == 0
