"""What all tests share: the option `--long`, the event loop of async tests, the check for leaks.

Warnings are errors, so a test fails if it leaves a socket or a task open.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--long`, which also runs the tests marked `long`."""
    parser.addoption("--long", action="store_true", help="also run the tests marked `long`")


def pytest_configure(config: pytest.Config) -> None:
    """Let no generated example depend on the machine's speed, nor on chance in a quick run."""
    settings.register_profile(
        "byokd",
        deadline=None,
        derandomize=not config.getoption("--long"),
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("byokd")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests marked `long` in a quick run."""
    if not config.getoption("--long"):
        skip = pytest.mark.skip(reason="a full count; run it with --long")
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the collected tests out of garbage collection: they are many and stay to the end."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _leaks() -> Iterator[None]:
    """Collect garbage after each module, so that what it left open fails there and not later."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, as the daemon does. For the session: fixtures may be shared."""
    return "asyncio"
