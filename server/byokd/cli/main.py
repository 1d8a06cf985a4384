"""The commands of the command line, exit codes, and hints for errors."""

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
    catalog,
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
    ui,
    uninstall,
    vault,
)
from byokd.cli.client import DaemonError, DaemonGone
from byokd.cli.daemon_options import DaemonOptions
from byokd.cli.passphrases import PassphraseSource
from byokd.cli.unlock import error_reason
from byokd.core.redaction.patterns import redact
from byokd.protocol.error_data import ErrorData

_HINTS = {
    "promptKey": "store one: byokd keys add {provider}",
    "acceptOrigin": "use it at the new address: byokd keys accept-origin {key}",
    "enableKey": "for the reason: byokd keys list; to use it again: byokd keys enable KEY",
    "initializeVault": "choose how the vault is protected: byokd vault init --help",
    "unlockVault": "unlock the keyring of this session, then try again",
    "pickModel": "list the models: byokd models {provider}",
    "checkNetwork": "check the connection, a proxy in config.toml, and the base URL",
    "restoreBackup": "restore the newest backup: byokd vault restore",
    "freeSpace": "free some space on the disk, then try again",
    "editSettings": "check config.toml",
    "wait": "wait a little, then try again",
    "refreshCatalog": "see them: byokd catalog diff; use them: byokd catalog refresh --accept",
}
"""Hints by the action that the daemon proposes; `openUrl` shows its address."""

_HINTS_BY_KIND = {
    "vaultUnavailable": "see byokd vault status; other protections: byokd vault init --help",
    "notFound": "list them: byokd providers",
    "keyDisabled": _HINTS["enableKey"],
    "invalidParams": "for the fields it needs: byokd providers {provider}",
}
"""Hints by error kind, if the daemon proposes no action; see `_hint_by_kind`."""

_HINTS_BY_REASON: dict[object, str] = {
    "passphraseNeeded": "run it on a terminal, or: byokd --passphrase-fd 3 … 3<FILE",
    "wrongPassphrase": "with a recovery code: byokd vault rekey protection passphrase"
    " --recovery-code",
    "itemMissing": "with a recovery code: byokd vault rekey protection KIND --recovery-code",
    "lockedByUser": "byokd vault unlock",
}
"""Hints for a vault that does not open, by reason."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="byokd")
@click.option("--data-dir", metavar="DIR", help="Store keys and the audit log in this folder.")
@click.option("--config", metavar="FILE", help="Use this configuration file.")
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
    """Store your LLM API keys encrypted on this machine and use them from every editor.

    Editors start `byokd --stdio` themselves; these commands are for you.
    """
    ctx.obj = DaemonOptions(data_dir, config, account, PassphraseSource(passphrase_fd))


for _command in (
    demo.demo,
    providers.providers,
    keys.keys,
    vault.vault,
    models.models,
    catalog.catalog,
    doctor.doctor,
    chat.chat,
    audit.audit,
    accounts.accounts,
    ui.ui,
    sandbox.sandbox,
    schema.schema,
    uninstall.uninstall,
):
    byokd.add_command(_command)
for _command in (transfer.import_, transfer.export):
    keys.keys.add_command(_command)


def main(argv: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    sys.excepthook = _print_bug  # prints no values, and masks what looks like a key
    try:
        result = byokd.main(args=list(argv), prog_name="byokd", standalone_mode=False)
    except (click.ClickException, DaemonError, DaemonGone) as error:
        return _report(error)
    except (KeyboardInterrupt, click.Abort):
        terminal.say("interrupted")
        return 130  # 128 and SIGINT, as shells report it
    except BrokenPipeError:  # the reader of our output has ended
        return 1
    return result if isinstance(result, int) else 0


def _print_bug(_kind: type[BaseException], error: BaseException, _tb: TracebackType | None) -> None:
    terminal.say(redact("".join(traceback.format_exception(error))))


def _report(error: click.ClickException | DaemonError | DaemonGone) -> int:
    match error:
        case click.exceptions.NoArgsIsHelpError():
            error.show()
            return 2
        case click.UsageError():
            text = _lowered(error.format_message())
            if "unexpected extra argument" in text:  # click repeats it, and it may be a key
                text = "too many arguments; a key is never an argument"
            command = error.ctx.command_path if error.ctx else "byokd"
            terminal.fail(text, f"{command} --help")
            return 2
        case click.ClickException():
            terminal.fail(_lowered(error.format_message()))
        case DaemonError():
            terminal.fail(error.data.user_message, hint(error.data))
        case DaemonGone():
            terminal.fail(str(error), error.last_line or None)
    return 1


def hint(data: ErrorData) -> str | None:
    if data.provider_message:
        return f"the provider said: {data.provider_message}"
    if data.action and data.action.url:
        return f"see {data.action.url}"
    text = _HINTS_BY_REASON.get(error_reason(data)) or (
        _HINTS.get(data.action.type) if data.action else _hint_by_kind(data)
    )
    text = (text or "").replace("{provider}", data.provider or "PROVIDER")
    return text.replace("{key}", data.key_id or "KEY") or None


def _hint_by_kind(data: ErrorData) -> str | None:
    """Return the hint of an error kind; none if it is about a provider and the error is not."""
    if data.kind == "invalidParams" and data.provider is None:
        return None
    if data.kind == "notFound" and not (
        isinstance(data.details, dict) and "provider" in data.details
    ):
        return None
    return _HINTS_BY_KIND.get(data.kind)


def _lowered(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text[:1].lower() + text[1:]
