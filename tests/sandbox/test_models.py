"""The simulated models that work in steps."""

from __future__ import annotations

from typing import Any

import pytest

from byokd.sandbox import models
from byokd.sandbox.turn import Answer, ChatRequest, Tool

WEATHER = Tool("weather", {"type": "object", "properties": {"city": {"type": "string"}}})
READ = Tool("read", {"type": "object", "properties": {"path": {"type": "string"}}})


def _answer(text: str, results: tuple[str, ...] = (), *, answered: bool = False) -> Answer:
    request = ChatRequest(
        "m-sandbox-agent-3", text, tools=(WEATHER, READ), results=results, answered=answered
    )
    answer = models.answer(request)
    assert answer is not None
    return answer


def test_agent_calls_a_tool_in_each_step() -> None:
    ids = set()
    for count in range(3):
        answer = _answer("Weather in Lisbon?", ("18",) * count, answered=count > 0)
        assert answer.finish == "calls"
        assert [call.arguments for call in answer.calls] == [{"city": "Lisbon"}]
        assert answer.text_of_kind("reasoning")
        ids.add(answer.calls[0].call_id)
    assert len(ids) == 3
    last = _answer("Weather in Lisbon?", ("18", "18", "19"), answered=True)
    assert (last.finish, last.text_of_kind("text")) == ("stop", "The tool says: 19")


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ('call read({"path": "a b.txt"}) now', "read", {"path": "a b.txt"}),
        ('unknown({"x": 1}) or weather({"city": "Oslo"})', "weather", {"city": "Oslo"}),
        ("read({broken}) and Rome", "weather", {"city": "Rome"}),
    ],
)
def test_agent_calls_what_the_text_spells_out(
    text: str, name: str, arguments: dict[str, Any]
) -> None:
    call = _answer(text).calls[0]
    assert (call.name, call.arguments) == (name, arguments)
