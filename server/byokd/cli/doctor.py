"""`byokd doctor`: check the connection to a provider step by step."""

from __future__ import annotations

import click

from byokd.cli import terminal
from byokd.cli.client import Daemon
from byokd.cli.daemon_options import json_option, with_daemon
from byokd.cli.keys import resolve
from byokd.protocol.diagnosis import ProviderTestParams, ProviderTestResult, ProviderTestStep

_HINTS = {
    "promptKey": "store one: byokd keys add {provider}",
    "acceptOrigin": "use it at the new address: byokd keys accept-origin {key}",
    "enableKey": "use it again: byokd keys enable {key}",
    "pickModel": "list the models: byokd models {provider}",
    "checkNetwork": "check the connection, a proxy in config.toml, and the base URL",
    "editSettings": "check [network] in config.toml",
    "wait": "wait a little, then try again",
    "unlockVault": "unlock the keyring of this session, then try again",
}
"""A hint for each action that the daemon proposes for a step."""


@click.command()
@click.argument("provider")
@click.option("--key", help="Use this key instead of the default one.")
@click.option("--chat", is_flag=True, help="Also send a chat of one token, which costs money.")
@click.option("--model", help="Use this model instead of the cheapest; implies --chat.")
@json_option
@with_daemon
def doctor(
    daemon: Daemon, *, provider: str, key: str | None, chat: bool, model: str | None, as_json: bool
) -> int:
    """Check the connection to PROVIDER step by step.

    The steps: DNS, TCP, TLS, the key, the list of models. Free of charge unless --chat.
    """
    params = ProviderTestParams(
        provider=provider,
        key_id=resolve(daemon, key).key_id if key else None,
        chat=chat or model is not None,
        model=model,
    )
    result = daemon.call("provider/test", params, ProviderTestResult)
    if as_json:
        terminal.show_json([result])
    else:
        _show(result)
    return 0 if result.ok else 1


def _show(result: ProviderTestResult) -> None:
    via = " through the proxy" if result.proxied else ""
    terminal.say(f"{result.provider} at {result.base_url or 'an unknown address'}{via}", dim=True)
    terminal.table(("step", "result", "time", "details"), (_row(s) for s in result.steps), whole=3)
    for step in result.steps:
        text = _hint(step, result)
        if step.status == "failed":
            terminal.fail(step.message, text)
        elif text:
            terminal.say(f"hint: {text}")
            return


def _row(step: ProviderTestStep) -> tuple[str | None, ...]:
    took = f"{step.duration_ms} ms" if step.duration_ms is not None else None
    return step.name, step.status, took, terminal.in_options(step.message)


def _hint(step: ProviderTestStep, result: ProviderTestResult) -> str | None:
    if message := step.details.get("providerMessage"):
        return f"the provider said: {message}"
    action = step.action
    if action is None:
        return None
    text = _HINTS.get(action.type, "")
    text = text.replace("{provider}", result.provider).replace("{key}", result.key_id or "KEY")
    return ", or see ".join(part for part in (text, action.url) if part) or None
