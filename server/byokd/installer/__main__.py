"""The command line of the installer."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from byokd.installer.install import Source, install
from byokd.installer.processes import end_on_signals
from byokd.installer.report import InstallError, Report
from byokd.installer.uninstall import uninstall

_INSTALL = """Install byokd for you: a private Python environment in your data folder, and the
command byokd in ~/.local/bin. Nothing else of your system is changed. Run it again to update:
programs that use byokd meanwhile go on with their version until they end."""
_UNINSTALL = """Remove what was installed. Your keys and the audit log are kept, unless you type a
confirmation on a terminal; the files are listed before."""


def main(argv: Sequence[str], prog: str, source: Source | None = None) -> int:
    """Install or uninstall; return the exit code.

    Args:
        argv: the command and its options.
        prog: the name of the program in `--help`.
        source: what is installed; if it is None, the options say it.
    """
    options = _parser(prog, source).parse_args(argv)
    report = Report(as_json=options.json_progress)
    end_on_signals()
    os.umask(0o077)  # the store refuses a data folder that others can enter
    try:
        if options.command == "install":
            install(source or Source(options.wheel, options.lock, options.find_links), report)
        else:
            uninstall(report, _ask if sys.stdin.isatty() and not options.json_progress else None)
    except InstallError as error:
        report.error(error)
        return 1
    except OSError as error:
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        report.error(InstallError(text, "check the file, its permissions and the free space"))
        return 1
    except KeyboardInterrupt:
        report.error(InstallError("interrupted", "run it again; it repairs what is half done"))
        return 130
    return 0


def _parser(prog: str, source: Source | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    adding = commands.add_parser("install", help="install or update byokd", description=_INSTALL)
    removing = commands.add_parser("uninstall", help="remove it", description=_UNINSTALL)
    if source is None:
        adding.add_argument("--wheel", type=Path, required=True, help="the wheel of byokd")
        adding.add_argument("--lock", type=Path, required=True, help="its hash-pinned requirements")
        links = "take the packages from this folder, not from a package index"
        adding.add_argument("--find-links", type=Path, metavar="DIR", help=links)
    for command in (adding, removing):
        command.add_argument(
            "--json-progress", action="store_true", help="print JSON lines on stdout, for programs"
        )
    return parser


def _ask(question: str) -> str:
    sys.stderr.write(f"byokd: {question}")
    sys.stderr.flush()
    return sys.stdin.readline()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], "python -m byokd.installer"))
