"""What every test shares. Knows how async tests run, and nothing of any one part.

Warnings are errors, so a socket or a task that a test leaves behind fails it.
"""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Run tests marked `anyio` on asyncio, the loop that the daemon runs on."""
    return "asyncio"
