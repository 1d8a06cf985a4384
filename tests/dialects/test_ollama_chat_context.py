"""What only the Ollama decoder reads: a prompt that fills the context, and lines at their edges."""

from __future__ import annotations

import json
from typing import Any

import pytest

import chunking
from byokd.core.limits import JSON_MAX_DEPTH
from byokd.dialects.ollama_chat import decoder
from byokd.protocol.events import Raw, UsageSnapshot
from dialects import records
from dialects.answers import FORMATS, nested

_FORMAT = FORMATS["ollama_chat"]
_OK = _FORMAT.head
_END = _FORMAT.frame(_FORMAT.end[0] | {"prompt_eval_count": 3})


def test_answer_is_done_when_the_newline_of_the_last_line_comes() -> None:
    machine = decoder(records.call(), _OK)
    for body, ended in (
        (_FORMAT.frame(_FORMAT.text("a")), False),
        (_END[:-1], False),
        (b"\n", True),
    ):
        machine.feed(body)
        assert machine.ending is machine.done is ended


def test_raw_lines_that_nest_too_deep_are_left_out_one_by_one() -> None:
    deep = _FORMAT.text("b") | {"more": nested(JSON_MAX_DEPTH)}
    body = _FORMAT.frames([_FORMAT.text("a"), deep]) + _END
    events, _ = chunking.run(decoder(records.call({"includeRaw": True}), _OK), [body])
    raw = [event.chunk for event in events if isinstance(event, Raw)]
    assert [chunk is None for chunk in raw] == [False, True, False]
    assert sum(isinstance(event, UsageSnapshot) for event in events) == 1


_FULL: list[tuple[int, Any, bool]] = [
    # tokens read, options, whether a notice comes
    (2048, {}, True), (4096, {}, True), (32768, {}, True), (262144, {}, True),
    (4095, {}, False), (4097, {}, False), (0, {}, False),
    (4096, {"num_ctx": 4097}, False), (4096, {"num_ctx": 4096}, True), (9, {"num_ctx": 8}, True),
    (4096, {"num_ctx": None}, True), (4096, {"num_ctx": True}, True), (4096, {"num_ctx": 0}, True),
    (4096, 7, True), (10, {"num_ctx": "8"}, False),
]  # fmt: skip


@pytest.mark.parametrize(("read", "options", "noticed"), _FULL)
def test_prompt_that_may_have_been_cut_is_noticed(
    read: int,
    options: Any,
    noticed: bool,  # noqa: FBT001 - a row of the table
) -> None:
    end = json.dumps({"message": {}, "done": True, "prompt_eval_count": read}).encode()
    call = records.call({"providerOptions": {"options": options}})
    warnings = chunking.run(decoder(call, _OK), [end])[1].warnings
    assert [warning.type for warning in warnings] == ["notice"] * noticed
