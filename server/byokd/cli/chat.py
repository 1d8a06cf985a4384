"""`byokd chat`: the answer goes to stdout; reasoning, tool calls, usage and warnings to stderr."""

from __future__ import annotations

import sys
from typing import get_args
from uuid import uuid4

import click
from pydantic_core import to_json
from rich.console import Console
from rich.text import Text

from byokd.cli import terminal
from byokd.cli.client import Daemon
from byokd.cli.daemon_options import json_option, with_daemon
from byokd.cli.keys import resolve
from byokd.core.limits import MESSAGE_MAX_BYTES
from byokd.protocol.base import Params
from byokd.protocol.chat import Effort, Reasoning, SendParams, SendResult
from byokd.protocol.events import (
    ChatEvents,
    Citation,
    Event,
    ReasoningDelta,
    ReasoningEnd,
    Retry,
    Start,
    TextDelta,
    TextEnd,
    ToolCallEnd,
)
from byokd.protocol.parts import Message
from byokd.protocol.usage import Cost, Usage


@click.command()
@click.argument("provider")
@click.argument("model")
@click.argument("prompt", required=False)
@click.option("--system", help="A system message before the conversation.")
@click.option("--key", help="Use this key instead of the default one.")
@click.option(
    "--effort",
    type=click.Choice(get_args(Effort)),
    help="How much reasoning to ask for.",
)
@click.option(
    "--max-tokens", type=click.IntRange(1), help="The most tokens that the answer may have."
)
@json_option
@with_daemon
def chat(
    daemon: Daemon,
    *,
    provider: str,
    model: str,
    prompt: str | None,
    system: str | None,
    key: str | None,
    effort: Effort | None,
    max_tokens: int | None,
    as_json: bool,
) -> None:
    """Send PROMPT to MODEL of PROVIDER.

    Without PROMPT it is read from a pipe, or you are asked for one message after the other. Ctrl-C
    ends the answer, not the conversation.
    """
    key_id = resolve(daemon, key).key_id if key else None
    history: tuple[Message, ...] = (Message(role="system", content=system),) if system else ()
    single = prompt is not None or not sys.stdin.isatty()
    while text := _next_prompt(prompt, single=single):
        history = (*history, Message(role="user", content=text))
        params = SendParams(
            stream_id=uuid4().hex,
            stream=not as_json,
            provider=provider,
            model=model,
            key_id=key_id,
            messages=history,
            reasoning=Reasoning(effort=effort) if effort else None,
            max_output_tokens=max_tokens,
        )
        result = send(daemon, params)
        history = (*history, result.message)
        if as_json:
            terminal.show_json([result])
        if single and result.finish_reason.unified == "cancelled":
            raise KeyboardInterrupt  # a script that runs this command stops, too
        if single:
            return
    if single:
        raise click.UsageError("the prompt is empty; give PROMPT or pipe it in")


def send(daemon: Daemon, params: SendParams) -> SendResult:
    printer = AnswerPrinter(params.stream_id)
    try:
        with daemon.notifying(printer.on_notification):
            result = daemon.call("chat/send", params, SendResult)
    finally:
        printer.end_line()
    for warning in result.warnings:
        terminal.say(f"note: {warning.message}", dim=True)
    terminal.say(summary(result), dim=True)
    return result


class AnswerPrinter:
    def __init__(self, stream_id: str) -> None:
        self._stream_id = stream_id
        self._out, self._err = terminal.out(), terminal.err()
        self._text, self._reasoning = terminal.Cleaner(), terminal.Cleaner()
        self._sources: set[str] = set()
        self._open: Console | None = None  # the console with an unfinished line

    def on_notification(self, _method: str, params: Params) -> None:
        if isinstance(params, ChatEvents) and params.stream_id == self._stream_id:
            for event in params.events:
                self._show(event)

    def end_line(self) -> None:
        """End the unfinished line, if there is one."""
        if self._open:
            self._open.print()
            self._open = None

    def _show(self, event: Event) -> None:
        match event:
            case TextDelta(delta=text):
                self._write(self._out, Text(self._text.feed(text)))
            case ReasoningDelta(delta=text):
                self._write(self._err, Text(self._reasoning.feed(text), style="dim"))
            case ReasoningEnd() | TextEnd():
                self.end_line()
            case ToolCallEnd():
                self.end_line()
                terminal.say(f"tool call {tool_call_text(event)}")
            case Citation(source=source):
                self._show_source(source.url or source.title or str(source.document))
            case Retry():
                terminal.say(f"retry in {event.delay_ms} ms: {event.kind}", dim=True)
            case Start(warnings=warnings):
                for warning in warnings:
                    terminal.say(f"note: {warning.message}", dim=True)
            case _:
                return

    def _show_source(self, name: str) -> None:
        """Show a source the first time that the answer cites it."""
        if name not in self._sources:
            self._sources.add(name)
            self.end_line()
            terminal.say(f"source: {name}", dim=True)

    def _write(self, console: Console, text: Text) -> None:
        if self._open is not console:
            self.end_line()
        console.print(text, end="", soft_wrap=True)
        self._open = console


def tool_call_text(event: ToolCallEnd) -> str:
    if event.parse_error:
        return f"{event.name}: its arguments are not JSON ({event.parse_error})"
    return f"{event.name}({to_json(event.arguments).decode()})"


def summary(result: SendResult) -> str:
    attempts = f", {result.route.attempts} attempts" if result.route.attempts > 1 else ""
    usage, cost = usage_text(result.usage), cost_text(result.cost)
    return f"{result.finish_reason.unified}{attempts} · {usage} · {cost}"


def usage_text(usage: Usage | None) -> str:
    if usage is None:
        return "usage unknown"
    cached_tokens = usage.input_cache_read + usage.input_cache_write
    input_tokens = _sum_text(usage.input_fresh, cached_tokens)
    cached = f" ({usage.input_cache_read} cached)" if usage.input_cache_read else ""
    output_tokens = _sum_text(usage.output_text, usage.output_reasoning)
    reasoning = f" ({usage.output_reasoning} reasoning)" if usage.output_reasoning else ""
    return f"{input_tokens} tokens in{cached}, {output_tokens} out{reasoning}"


def _sum_text(count: int | None, more: int) -> str:
    """Return the sum as text, without a number where a count is unknown."""
    if count is not None:
        return str(count + more)
    return f"over {more}" if more else "unknown"


def cost_text(cost: Cost) -> str:
    if cost.amount is None:
        return "cost unknown"
    dated = f", {cost.as_of}" if cost.as_of else ""
    return f"cost {cost.amount} {cost.currency} ({cost.source}{dated})"


def _next_prompt(prompt: str | None, *, single: bool) -> str:
    if prompt is not None:
        return prompt
    if single:
        return sys.stdin.read(MESSAGE_MAX_BYTES).strip()
    try:
        return str(click.prompt("you", prompt_suffix="> ", err=True)).strip()
    except click.Abort:
        return ""
