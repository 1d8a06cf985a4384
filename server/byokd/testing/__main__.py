"""The daemon for the demo and the tests: the real one, with a health policy of milliseconds.

Knows what a test may shorten, and nothing that `byokd --stdio` could be told.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from byokd.__main__ import Options as Started, serve
from byokd.app import Options
from byokd.core.settings import HealthPolicy, Settings
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
    """Serve a client; does not return."""
    parser = argparse.ArgumentParser(prog="byokd.testing")
    parser.add_argument("--stdio", action="store_true")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--log-level", default="warning")
    parser.add_argument("--store-max-pages", type=int)
    parser.add_argument("--keyring-timeout-ms", type=int)
    parser.add_argument("--probe-delay-ms", type=int)
    parser.add_argument("--allow-export", action="store_true")
    arguments = parser.parse_args()
    policy = POLICY
    if (delay_ms := arguments.probe_delay_ms) is not None:
        policy = replace(policy, probe_delay_min_ms=delay_ms, probe_delay_max_ms=delay_ms)

    def open_house(started: Started) -> WatchedApp:
        options = Options(
            data_dir=arguments.data_dir.absolute(),
            settings=Settings(health=policy),
            variables=started.variables,
            store_max_pages=arguments.store_max_pages,
            keyring_timeout_ms=arguments.keyring_timeout_ms,
            allow_export=arguments.allow_export,
        )
        return WatchedApp(options)

    serve(Started(log_level=arguments.log_level), open_house)


if __name__ == "__main__":
    main()
