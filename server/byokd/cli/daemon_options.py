"""The options that every command shares, and the daemon that they start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import click

from byokd.cli import terminal
from byokd.cli.client import Daemon, PromptHandler
from byokd.cli.passphrases import PassphraseSource
from byokd.cli.unlock import unlock_if_possible

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class DaemonOptions:
    data_dir: str | None = None
    config: str | None = None
    account: str | None = None
    passphrases: PassphraseSource = field(default_factory=PassphraseSource)

    def arguments(self) -> list[str]:
        """Return the arguments of a daemon with these options."""
        arguments: list[str] = []
        if self.data_dir:
            arguments += ["--data-dir", self.data_dir]
        if self.config:
            arguments += ["--config", self.config]
        return arguments

    def daemon(
        self, *, allow_export: bool = False, on_prompt: PromptHandler | None = None
    ) -> Daemon:
        """Return a daemon that is not started yet.

        The caller asks the person before it sets `allow_export`.
        """
        return Daemon(
            [*(["--allow-export"] if allow_export else []), *self.arguments()],
            account=self.account,
            on_prompt=on_prompt,
            on_locked=lambda daemon, data: unlock_if_possible(daemon, data, self.passphrases),
        )


def with_daemon(command: Callable[Concatenate[Daemon, P], R]) -> Callable[P, R]:
    """Start a daemon, pass it to the command as first argument, and end it afterwards."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with daemon_options().daemon() as daemon:
            for warning in daemon.warnings:
                terminal.say(f"warning: {warning}")
            return command(daemon, *args, **kwargs)

    return run


def daemon_options() -> DaemonOptions:
    return click.get_current_context().find_object(DaemonOptions) or DaemonOptions()


def passphrase_source() -> PassphraseSource:
    return daemon_options().passphrases


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
