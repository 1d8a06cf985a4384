"""The start of the process: serves a client over stdio, or runs the command line.

Nothing is imported before it is clear which of the two it is: an editor waits for the daemon.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from byokd.core.secret import Secret
    from byokd.services.interface import App

_VALUES: Final = frozenset({"--data-dir", "--config", "--log-level"})
_LEVELS: Final = frozenset({"debug", "info", "warning", "error"})
_IGNORED: Final = "--clientProcessId="  # vscode-languageclient adds it; `initialize` repeats it


@dataclass(frozen=True, slots=True)
class Arguments:
    """The daemon's command line, and the environment variables that an import may read."""

    data_dir: str | None = None
    config: str | None = None
    log_level: str = "warning"
    allow_export: bool = False  # `byokd keys export` sets it after a confirmation on a terminal
    variables: MutableMapping[str, Secret] = field(default_factory=dict)


def main() -> int:
    """Run the daemon, which does not return, or a command; return the command's exit code."""
    from byokd.process.installation import hold_environment

    hold_environment()
    argv = sys.argv[1:]
    arguments = parse(argv)
    if arguments is not None and ("--stdio" in argv or not sys.stdin.isatty()):
        serve(arguments, _create_app)
    from byokd.cli.main import main as run_command

    return run_command(argv)


def parse(argv: Sequence[str]) -> Arguments | None:
    """Return the daemon's arguments, or None if any argument is not one of the daemon's options."""
    values: dict[str, str] = {}
    allow_export = False
    remaining = iter(argv)
    for argument in remaining:
        name, has_value, value = argument.partition("=")
        if name in _VALUES:
            text = value if has_value else next(remaining, None)
            if not text or (name == "--log-level" and text not in _LEVELS):
                return None
            values[name] = text
        elif argument == "--allow-export":
            allow_export = True
        elif argument != "--stdio" and not argument.startswith(_IGNORED):
            return None
    return Arguments(
        data_dir=values.get("--data-dir"),
        config=values.get("--config"),
        log_level=values.get("--log-level", "warning"),
        allow_export=allow_export,
    )


def serve(arguments: Arguments, create_app: Callable[[Arguments], App]) -> NoReturn:
    """Serve the client on stdin and stdout, then end the process.

    `create_app` gets the arguments with the variables filled in; what it raises is logged.
    """
    gc.disable()  # imports make little garbage; `rpc.serve` turns it on again
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in `rpc.serve`, but during the imports too
    from byokd.process.environment import strip_environment
    from byokd.process.hardening import leave_folder, restrict_files

    arguments = replace(arguments, variables=strip_environment(os.environ))
    # A pydantic plugin is code of any installed package, and it would see every value we check.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    from byokd.rpc import logs
    from byokd.rpc.serve import redirect_stdout, run

    stdout_fd = redirect_stdout()
    logs.set_up(arguments.log_level)
    restrict_files()
    code = 1
    try:
        app = create_app(arguments)
        leave_folder()  # relative paths on the command line are resolved by now
    except Exception as error:  # noqa: BLE001 - logged, then the process ends
        logs.log_start_failure(error)
        os._exit(code)
    try:
        code = run(app, sys.stdin.fileno(), stdout_fd)
    except BaseException as error:  # noqa: BLE001 - reported, then the process ends
        sys.excepthook(type(error), error, error.__traceback__)
    # Everything that must be on disk was closed before, and a thread that waits for a keyring or a
    # resolver must not delay the end.
    os._exit(code)


def _create_app(arguments: Arguments) -> App:
    from byokd.app import create_app

    return create_app(
        arguments.data_dir,
        arguments.config,
        arguments.variables,
        allow_export=arguments.allow_export,
    )


if __name__ == "__main__":
    sys.exit(main())
