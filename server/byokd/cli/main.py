"""The command line: which words there are, and how a failure is told.

Knows the groups of commands, the exit codes, and what would help with each kind of error. Must not
know what a command does. Exit codes: 0 done, 1 failed, 2 not understood, 130 interrupted.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from types import TracebackType

import click

from byokd import __version__
from byokd.cli import (
    accounts,
    audit,
    chat,
    demo,
    doctor,
    keys,
    models,
    providers,
    sandbox,
    schema,
    terminal,
    transfer,
    vault,
)
from byokd.cli.client import DaemonError, DaemonGone
from byokd.cli.phrases import Phrases
from byokd.cli.start import Start
from byokd.cli.unlock import reason_of
from byokd.core.redaction.patterns import redact
from byokd.protocol.errors import ErrorData

_HINTS = {
    "promptKey": "store one: byokd keys add {provider}",
    "enableKey": "see why: byokd keys list; use it again: byokd keys enable KEY",
    "initializeVault": "choose where the master key lives: byokd vault init --help",
    "unlockVault": "unlock the keyring of this session, then try again",
    "pickModel": "see what there is: byokd models {provider}",
    "checkNetwork": "check the connection, a proxy in config.toml, and the base URL",
    "restoreBackup": "put the newest backup in its place: byokd vault restore",
    "freeSpace": "free some space on the disk, then try again",
    "editSettings": "look into config.toml",
    "wait": "wait a little, then try again",
}
"""What would help, by the action that the daemon proposes; `openUrl` shows its address."""

_HINTS_BY_KIND = {
    "vaultUnavailable": "see why: byokd vault status; what else there is: byokd vault init --help",
    "keyDisabled": _HINTS["enableKey"],
    "invalidParams": "see what is needed: byokd providers {provider}",
}
"""What would help where the daemon proposes nothing."""

_HINTS_BY_REASON: dict[object, str] = {
    "passphraseNeeded": "run it on a terminal, or: byokd --passphrase-fd 3 … 3<FILE",
    "wrongPassphrase": "with a recovery code: byokd vault rekey protection passphrase"
    " --recovery-code",
    "itemMissing": "with a recovery code: byokd vault rekey protection osKeyring --recovery-code",
    "lockedByUser": "byokd vault unlock",
}
"""What would help with a vault that does not open, by the reason."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="byokd")
@click.option("--data-dir", metavar="DIR", help="Keep keys and their record here.")
@click.option("--config", metavar="FILE", help="Read these settings.")
@click.option("--account", metavar="NAME", help="Use the keys of this account.")
@click.option(
    "--passphrase-fd",
    type=click.IntRange(min=0),
    metavar="N",
    help="Read the vault's passphrase from this descriptor, such as 3 with 3<FILE.",
)
@click.pass_context
def byokd(
    ctx: click.Context,
    *,
    data_dir: str | None,
    config: str | None,
    account: str | None,
    passphrase_fd: int | None,
) -> None:
    """Keep your own LLM API keys encrypted on this machine, and lend them to every editor.

    Editors start `byokd --stdio` themselves; these commands are for you.
    """
    ctx.obj = Start(data_dir, config, account, Phrases(passphrase_fd))


for _command in (
    demo.demo,
    providers.providers,
    keys.keys,
    vault.vault,
    models.models,
    doctor.doctor,
    chat.chat,
    audit.audit,
    accounts.accounts,
    sandbox.sandbox,
    schema.schema,
):
    byokd.add_command(_command)
for _command in (transfer.import_, transfer.export):
    keys.keys.add_command(_command)


def main(argv: Sequence[str]) -> int:
    """Run one command, return its exit code; a failure ends in words, never in a traceback.

    One that nobody foresaw does end in one: without values, and with what looks like a key masked.
    """
    sys.excepthook = _unforeseen
    try:
        result = byokd.main(args=list(argv), prog_name="byokd", standalone_mode=False)
    except (click.ClickException, DaemonError, DaemonGone) as error:
        return _tell(error)
    except (KeyboardInterrupt, click.Abort):
        terminal.say("interrupted")
        return 130
    except BrokenPipeError:  # whoever read us has seen enough
        return 1
    return result if isinstance(result, int) else 0


def _unforeseen(
    _kind: type[BaseException], error: BaseException, _tb: TracebackType | None
) -> None:
    terminal.say(redact("".join(traceback.format_exception(error))))


def _tell(error: click.ClickException | DaemonError | DaemonGone) -> int:
    match error:
        case click.exceptions.NoArgsIsHelpError():
            error.show()
            return 2
        case click.UsageError():
            text = _lowered(error.format_message())
            if "unexpected extra argument" in text:  # it would be repeated, and it may be a key
                text = "there are more words here than this command takes; a key is never one"
            command = error.ctx.command_path if error.ctx else "byokd"
            terminal.fail(text, f"{command} --help")
            return 2
        case click.ClickException():
            terminal.fail(_lowered(error.format_message()))
        case DaemonError():
            terminal.fail(error.data.user_message, hint(error.data))
        case DaemonGone():
            terminal.fail(str(error), error.said or None)
    return 1


def hint(data: ErrorData) -> str | None:
    """Say what would help with an error, or None where nothing can be said."""
    if data.provider_message:
        return f"the provider said: {data.provider_message}"
    if data.action and data.action.url:
        return f"see {data.action.url}"
    text = _HINTS_BY_REASON.get(reason_of(data)) or (
        _HINTS.get(data.action.type) if data.action else _HINTS_BY_KIND.get(data.kind)
    )
    return (text or "").replace("{provider}", data.provider or "PROVIDER") or None


def _lowered(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text[:1].lower() + text[1:]
