"""The real daemon with policies of milliseconds, and options for tests of clients.

A key is taken out of use as by `byokd --stdio`, but within a tenth of a second.
"""

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
    parsed = _parser().parse_args()
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m byokd.testing", description=__doc__)
    add = parser.add_argument
    add("--stdio", action="store_true", help="as of byokd; it always serves stdio")
    add("--data-dir", type=Path, required=True, help="keys and audit log are stored here")
    add("--log-level", default="warning", help="debug, info, warning or error")
    add("--config", type=Path, help="use this configuration file")
    add("--allow-export", action="store_true", help="answer key/export")
    add("--probe-delay-ms", type=int, help="of the probe that confirms rejections (20 to 40)")
    add(
        "--prompt-timeout-ms",
        type=int,
        default=PROMPT_TIMEOUT_MS,
        help="withdraw a question to the user after this time",
    )
    add("--keyring-timeout-ms", type=int, help="of every call to the OS keyring")
    add("--store-max-pages", type=int, help="a disk that is full after so many 4 KiB")
    add(
        "--catalog-old-after-ms",
        type=int,
        default=CatalogPolicy().old_after_ms,
        help="ask about a catalog of this age",
    )
    add("--catalog-again-after-ms", type=int, default=3_600_000, help="and then again")
    add("--catalog-clock-ahead-ms", type=int, default=0, help="compare dates with a later time")
    return parser


if __name__ == "__main__":
    main()
