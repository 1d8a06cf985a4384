"""`python -m byokd.testing`: the real daemon with a health policy that tests can wait for.

Knows one short policy. Must not be reachable from `byokd`: a person's daemon always takes its time
before it takes a key out of use.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from byokd.__main__ import Options, parse, serve
from byokd.settings import HealthPolicy

if TYPE_CHECKING:
    from byokd.services.house import House

SHORT: Final = HealthPolicy(
    gap_min_ms=0,
    grace_ms=0,
    probe_delay_min_ms=50,
    probe_delay_max_ms=100,
    reprobe_delays_ms=(100, 200),
)


def main() -> int:
    """Serve a client over stdio, as `byokd --stdio` does; any other argument is refused."""
    options = parse(sys.argv[1:])
    if options is not None:
        serve(options, _open_house)
    sys.stderr.write("usage: python -m byokd.testing --stdio [--data-dir DIR] [--config FILE]\n")
    return 2


def _open_house(options: Options) -> House:
    from byokd.app import open_house

    return open_house(options.data_dir, options.config, health=SHORT)


if __name__ == "__main__":
    sys.exit(main())
