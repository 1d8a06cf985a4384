"""Simulated providers on loopback, over real HTTP."""

from __future__ import annotations

from byokd.sandbox.server import Sandbox

__all__ = ["Sandbox"]
