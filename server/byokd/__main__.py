"""The start of the process: serve a client over stdio, or hand over to the command line.

Knows the few options of the daemon, and how a process should stand that holds keys. Must not import
anything before it knows which of the two it is: an editor waits for us.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from byokd.core.secret import Secret
    from byokd.services.house import Application

_VALUES: Final = {"--data-dir": "data_dir", "--config": "config", "--log-level": "log_level"}
_FLAGS: Final = {"--allow-export": "allow_export"}
_LEVELS: Final = frozenset({"debug", "info", "warning", "error"})
_IGNORED: Final = "--clientProcessId="  # vscode-languageclient adds it; initialize tells it again


@dataclass(slots=True)
class Options:
    """What the daemon can be told when it is started; paths as they were given.

    `variables` are those of the client's environment that only an import may look at.
    `allow_export` is said by `byokd keys export` alone, after it asked on a terminal.
    """

    data_dir: str | None = None
    config: str | None = None
    log_level: str = "warning"
    variables: MutableMapping[str, Secret] = field(default_factory=dict)
    allow_export: bool = False


def main() -> int:
    """Run byokd; return the exit code where a person asked, and never return where a client did."""
    arguments = sys.argv[1:]
    options = parse(arguments)
    if options is not None and ("--stdio" in arguments or not sys.stdin.isatty()):
        serve(options, _open_house)
    from byokd.cli.main import main as run_command

    return run_command(arguments)


def parse(arguments: Sequence[str]) -> Options | None:
    """Read the daemon's options, or return None where any argument is not one of them."""
    options = Options()
    left = iter(arguments)
    for argument in left:
        name, has_value, value = argument.partition("=")
        if name in _VALUES:
            found = value if has_value else next(left, None)
            if not found or (name == "--log-level" and found not in _LEVELS):
                return None
            setattr(options, _VALUES[name], found)
        elif argument in _FLAGS:
            setattr(options, _FLAGS[argument], True)
        elif argument != "--stdio" and not argument.startswith(_IGNORED):
            return None
    return options


def serve(options: Options, create_app: Callable[[Options], Application]) -> NoReturn:
    """Serve the client on stdin and stdout, then end the process.

    The end is `os._exit`: everything that must be on disk was closed in order, and a thread that a
    keyring or a resolver keeps waiting must not keep us.
    """
    gc.disable()  # imports make no garbage worth looking for; serving turns it on again
    from byokd.process.environment import set_aside
    from byokd.process.hardening import leave_folder, stand_alone

    options.variables = set_aside(os.environ)
    # A pydantic plugin is code from any installed package that would see every value we check.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    from byokd.rpc import logs
    from byokd.rpc.serve import run, take_stdout

    stdout_fd = take_stdout()
    logs.set_up(options.log_level)
    stand_alone()
    code = 1
    try:
        house = create_app(options)
        leave_folder()  # paths that the client gave were read by now
    except Exception as error:  # noqa: BLE001 - said in our words, then the process ends
        logs.say_why_not(error)
        os._exit(code)
    try:
        code = run(house, sys.stdin.fileno(), stdout_fd)
    except BaseException as error:  # noqa: BLE001 - likewise
        sys.excepthook(type(error), error, error.__traceback__)
    os._exit(code)


def _open_house(options: Options) -> Application:
    from byokd.app import create_app

    return create_app(
        options.data_dir,
        options.config,
        options.variables,
        allow_export=options.allow_export,
    )


if __name__ == "__main__":
    sys.exit(main())
