"""`byokd chat`: ask a model, and read along.

Knows how an answer looks while it comes. Must not know how any provider says it. The answer goes
to stdout; thoughts, tool calls, usage and warnings go to stderr, so that a pipe gets the answer.
"""

from __future__ import annotations

import sys
from uuid import uuid4

import click
from pydantic_core import to_json
from rich.console import Console
from rich.text import Text

from byokd.cli import terminal
from byokd.cli.client import Daemon
from byokd.cli.keys import resolve
from byokd.cli.start import json_option, with_daemon
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
@click.option("--system", help="What the model is told before the conversation.")
@click.option("--key", help="Use this key and not the default one.")
@click.option(
    "--effort",
    type=click.Choice(["none", "minimal", "low", "medium", "high", "max"]),
    help="How much to think.",
)
@click.option("--max-tokens", type=click.IntRange(1), help="The longest answer.")
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
    """Ask MODEL of PROVIDER. Without PROMPT it is read from a pipe, or asked for line by line."""
    key_id = resolve(daemon, key).key_id if key else None
    history: tuple[Message, ...] = (Message(role="system", content=system),) if system else ()
    alone = prompt is not None or not sys.stdin.isatty()
    while text := _next(prompt, alone=alone):
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
        if alone:
            return
    if alone:
        raise click.UsageError("there is nothing to ask; give PROMPT or pipe it in")


def send(daemon: Daemon, params: SendParams) -> SendResult:
    """Ask once, printing the answer as it comes; returns all of it."""
    reading = Reading(params.stream_id)
    before, daemon.on_note = daemon.on_note, reading.hear
    try:
        result = daemon.call("chat/send", params, SendResult)
    finally:
        daemon.on_note = before
        reading.end()
    for warning in result.warnings:
        terminal.say(f"note: {warning.message}", dim=True)
    terminal.say(summary(result), dim=True)
    return result


class Reading:
    """Prints the events of one chat in their order."""

    def __init__(self, stream_id: str) -> None:
        self._stream_id = stream_id
        self._out, self._err = terminal.out(), terminal.err()
        self._text, self._thought = terminal.Cleaner(), terminal.Cleaner()
        self._open: Console | None = None  # where a line has been begun

    def hear(self, _method: str, params: Params) -> None:
        """Take a notification; others than this chat's are not for us."""
        if isinstance(params, ChatEvents) and params.stream_id == self._stream_id:
            for event in params.events:
                self._show(event)

    def end(self) -> None:
        """Close a line that is still open."""
        if self._open:
            self._open.print()
            self._open = None

    def _show(self, event: Event) -> None:
        match event:
            case TextDelta(delta=text):
                self._write(self._out, Text(self._text.feed(text)))
            case ReasoningDelta(delta=text):
                self._write(self._err, Text(self._thought.feed(text), style="dim"))
            case ReasoningEnd() | TextEnd():
                self.end()
            case ToolCallEnd():
                self.end()
                terminal.say(f"tool call {tool_call(event)}")
            case Citation(source=source):
                self.end()
                terminal.say(f"source: {source.url or source.title or source.document}", dim=True)
            case Retry():
                terminal.say(f"again in {event.delay_ms} ms: {event.kind}", dim=True)
            case Start(warnings=warnings):
                for warning in warnings:
                    terminal.say(f"note: {warning.message}", dim=True)
            case _:
                return

    def _write(self, console: Console, text: Text) -> None:
        if self._open is not console:
            self.end()
        console.print(text, end="", soft_wrap=True)
        self._open = console


def tool_call(event: ToolCallEnd) -> str:
    """Return a tool call as it would be written in code."""
    if event.parse_error:
        return f"{event.name}: its arguments are not JSON ({event.parse_error})"
    return f"{event.name}({to_json(event.arguments).decode()})"


def summary(result: SendResult) -> str:
    """Return how it ended, what was used and what it costs, on one line."""
    tried = f", {result.route.attempts} tries" if result.route.attempts > 1 else ""
    return f"{result.finish_reason.unified}{tried} · {used(result.usage)} · {price(result.cost)}"


def used(usage: Usage | None) -> str:
    """Return the tokens; the buckets are disjoint, so their sums count nothing twice."""
    if usage is None:
        return "usage unknown"
    read = usage.input_fresh + usage.input_cache_read + usage.input_cache_write
    cached = f" ({usage.input_cache_read} cached)" if usage.input_cache_read else ""
    written = usage.output_text + usage.output_reasoning
    thought = f" ({usage.output_reasoning} reasoning)" if usage.output_reasoning else ""
    return f"{read} tokens in{cached}, {written} out{thought}"


def price(cost: Cost) -> str:
    """Return the money and who says so; an unknown cost is said to be unknown."""
    if cost.amount is None:
        return "cost unknown"
    dated = f", {cost.as_of}" if cost.as_of else ""
    return f"cost {cost.amount} {cost.currency} ({cost.source}{dated})"


def _next(prompt: str | None, *, alone: bool) -> str:
    if prompt is not None:
        return prompt
    if alone:
        return sys.stdin.read(MESSAGE_MAX_BYTES).strip()
    try:
        return str(click.prompt("you", prompt_suffix="> ", err=True)).strip()
    except click.Abort:
        return ""
