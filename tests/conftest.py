"""What every test shares. Knows how async tests run, and nothing of any one part.

Warnings are errors, so a socket or a task that a test leaves behind fails it.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--long`, which runs the full counts as well."""
    parser.addoption("--long", action="store_true", help="run the full counts as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the full counts out of a quick run, and say so."""
    if not config.getoption("--long"):
        left_out = pytest.mark.skip(reason="a full count; run it with --long")
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(left_out)


@pytest.fixture
def anyio_backend() -> str:
    """Run tests marked `anyio` on asyncio, the loop that the daemon runs on."""
    return "asyncio"
