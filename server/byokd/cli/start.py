"""How a command gets its daemon.

Knows the options that every command shares and passes on. Must not know any command.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import click

from byokd.cli.client import Daemon
from byokd.cli.phrases import Phrases
from byokd.cli.unlock import opens

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Start:
    """What the command line said about the daemon to start."""

    data_dir: str | None = None
    config: str | None = None
    account: str | None = None
    phrases: Phrases = field(default_factory=Phrases)

    def daemon(self, *, allow_export: bool = False) -> Daemon:
        """Return a daemon, not yet running; one that may export only where a person was asked."""
        arguments: list[str] = ["--allow-export"] if allow_export else []
        if self.data_dir:
            arguments += ["--data-dir", self.data_dir]
        if self.config:
            arguments += ["--config", self.config]
        return Daemon(
            arguments,
            account=self.account,
            on_locked=lambda daemon, data: opens(daemon, data, self.phrases),
        )


def with_daemon(command: Callable[Concatenate[Daemon, P], R]) -> Callable[P, R]:
    """Start a daemon for the command, give it as the first argument, and end it afterwards."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        start = click.get_current_context().find_object(Start) or Start()
        with start.daemon() as daemon:
            return command(daemon, *args, **kwargs)

    return run


def phrases() -> Phrases:
    """Return where this command's passphrases come from."""
    return (click.get_current_context().find_object(Start) or Start()).phrases


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
