"""The real daemon with policies of milliseconds, and options for tests."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from byokd.__main__ import Arguments, serve
from byokd.config import configure, load_configuration
from byokd.core.limits import PROMPT_TIMEOUT_MS
from byokd.core.settings import CatalogPolicy, HealthPolicy, ProcessOptions, Settings
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
    parser.add_argument("--config", type=Path)
    parser.add_argument("--catalog-old-after-ms", type=int, default=CatalogPolicy().old_after_ms)
    parser.add_argument("--catalog-again-after-ms", type=int, default=3_600_000)
    parser.add_argument("--catalog-clock-ahead-ms", type=int, default=0)
    parser.add_argument("--prompt-timeout-ms", type=int, default=PROMPT_TIMEOUT_MS)
    parser.add_argument("--allow-export", action="store_true")
    parsed = parser.parse_args()
    policy = POLICY
    if (delay_ms := parsed.probe_delay_ms) is not None:
        policy = replace(policy, probe_delay_min_ms=delay_ms, probe_delay_max_ms=delay_ms)

    catalog_policy = CatalogPolicy(
        first_check_ms=0,
        check_every_ms=20,
        old_after_ms=parsed.catalog_old_after_ms,
        again_after_ms=parsed.catalog_again_after_ms,
        clock_ahead_ms=parsed.catalog_clock_ahead_ms,
    )

    def create_app(arguments: Arguments) -> WatchedApp:
        options = ProcessOptions(
            data_dir=parsed.data_dir.absolute(),
            store_max_pages=parsed.store_max_pages,
            keyring_timeout_ms=parsed.keyring_timeout_ms,
            prompt_timeout_ms=parsed.prompt_timeout_ms,
            allow_export=parsed.allow_export,
        )
        read = configure(Settings())
        if parsed.config is not None:
            read = load_configuration(parsed.config.absolute(), options.data_dir)
        settings = replace(read.settings, health=policy, catalog_policy=catalog_policy)
        configuration = configure(settings, read.own, read.faults)
        return WatchedApp(options, configuration, arguments.variables)

    serve(Arguments(log_level=parsed.log_level), create_app)


if __name__ == "__main__":
    main()
