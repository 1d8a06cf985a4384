"""What all tests share: the option `--long` and the event loop of async tests.

Warnings are errors, so a test fails if it leaves a socket or a task open.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--long`, which also runs the tests marked `long`."""
    parser.addoption("--long", action="store_true", help="also run the tests marked `long`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests marked `long` in a quick run."""
    if not config.getoption("--long"):
        skip = pytest.mark.skip(reason="a full count; run it with --long")
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(skip)


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio, as the daemon does."""
    return "asyncio"
