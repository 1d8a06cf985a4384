"""What `byokd chat` shows of an answer."""

from __future__ import annotations

import pytest

from byokd.cli.chat import AnswerPrinter
from byokd.protocol.events import ChatEvents, Citation, TextDelta
from byokd.protocol.parts import Source


def test_source_that_is_cited_twice_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    moon, light = Source(url="https://example.org/moon"), Source(title="The speed of light")
    events = (TextDelta("t0", "Far away."), Citation(moon), Citation(light), Citation(moon))
    printer = AnswerPrinter("s1")
    printer.on_notification("chat/events", ChatEvents(stream_id="s1", seq=0, events=events))
    printer.end_line()
    out, err = capsys.readouterr()
    assert out == "Far away.\n"
    assert err == "source: https://example.org/moon\nsource: The speed of light\n"
