"""Collects nothing where the vendors' clients are not installed.

`python3 tests --long` makes an environment for them.
"""

from __future__ import annotations

from importlib.util import find_spec

CLIENTS = ("anthropic", "botocore", "cohere", "google", "mistralai", "ollama", "openai")

collect_ignore_glob = [] if all(map(find_spec, CLIENTS)) else ["test_*.py"]
