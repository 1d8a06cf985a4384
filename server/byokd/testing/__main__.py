"""The real daemon with a health policy of milliseconds, and options for tests."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from byokd.__main__ import Arguments, serve
from byokd.config import configure
from byokd.core.settings import HealthPolicy, ProcessOptions, Settings
from byokd.testing.loop_watch import WatchedApp

POLICY = HealthPolicy(
    gap_min_ms=0,
    probe_delay_min_ms=20,
    probe_delay_max_ms=40,
    reprobe_delays_ms=(50, 100, 200),
    overdue_ms=200,
    repeat_delay_ms=10,
)


def main() -> NoReturn:
    parser = argparse.ArgumentParser(prog="byokd.testing")
    parser.add_argument("--stdio", action="store_true")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--log-level", default="warning")
    parser.add_argument("--store-max-pages", type=int)
    parser.add_argument("--keyring-timeout-ms", type=int)
    parser.add_argument("--probe-delay-ms", type=int)
    parser.add_argument("--allow-export", action="store_true")
    parsed = parser.parse_args()
    policy = POLICY
    if (delay_ms := parsed.probe_delay_ms) is not None:
        policy = replace(policy, probe_delay_min_ms=delay_ms, probe_delay_max_ms=delay_ms)

    def create_app(arguments: Arguments) -> WatchedApp:
        options = ProcessOptions(
            data_dir=parsed.data_dir.absolute(),
            store_max_pages=parsed.store_max_pages,
            keyring_timeout_ms=parsed.keyring_timeout_ms,
            allow_export=parsed.allow_export,
        )
        return WatchedApp(options, configure(Settings(health=policy)), arguments.variables)

    serve(Arguments(log_level=parsed.log_level), create_app)


if __name__ == "__main__":
    main()
