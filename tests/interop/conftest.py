"""One server and one daemon for all questions of this folder, because starting them is slow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from daemon import Daemon, running
from interop.llama import Llama, missing, serving
from sandbox_env import unlocked


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """As everywhere; for the whole module, because the daemon lives as long."""
    return "asyncio"


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Llama]:
    """Give the running server, or say why there is none."""
    if reason := missing():
        pytest.skip(reason)
    with serving(tmp_path_factory.mktemp("llama")) as server:
        yield server


@pytest.fixture(scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """Give a daemon with an open vault."""
    async with running(data_dir=tmp_path_factory.mktemp("daemon")) as daemon:
        await unlocked(daemon)
        yield daemon
        assert await daemon.close() == 0
