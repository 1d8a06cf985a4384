"""Vectors of our own: a body, and the events and the reply of its decoder.

`<name>.body` holds the bytes. `<name>.json` describes them (`about`), may set `status`, `headers`,
`quirks` and `params`, and expects `events` (adjacent deltas merged), `reply`, and `wholeFrom`: the
shortest length at which the body counts as a whole answer (null: never).

A vector of binary frames has no `.body`. It lists its `frames` as `[event, payload]`, and its
`wholeFrom` counts frames. A body may also be in the vector, as text (`body`) or as `hex`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from itertools import accumulate
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import chunking
from byokd.core.http import Headers, HttpHead
from byokd.dialects.base.call import Call, Decoder, Fault, Reply
from byokd.dialects.registry import find_dialect
from byokd.protocol.events import Event
from dialects import records
from dialects.frames import stream

FOLDER = Path(__file__).resolve().parent.parent / "vectors"
_EVENTS = TypeAdapter(list[Event])
_INPUTS = ("about", "status", "headers", "quirks", "params", "frames", "body", "hex")


@dataclass(frozen=True)
class Vector:
    """One body, its inputs, and the expected events and reply.

    `frame_ends` are the lengths at which a frame ends, for a body of binary frames.
    """

    dialect: str
    name: str
    body: bytes
    inputs: dict[str, Any]
    expected: dict[str, Any]
    frame_ends: tuple[int, ...] = ()

    @property
    def whole_from(self) -> int | None:
        """The shortest length of a body that is a whole answer."""
        length: int | None = self.expected["wholeFrom"]
        return self.frame_ends[length] if self.frame_ends and length is not None else length

    @property
    def call(self) -> Call:
        return records.call(self.inputs.get("params"), **self.inputs.get("quirks", {}))

    @property
    def head(self) -> HttpHead:
        headers = self.inputs.get("headers", {})
        return HttpHead(self.inputs.get("status", 200), Headers(headers.items()))

    def decoder(self) -> Decoder:
        """Return a new decoder for this body."""
        return find_dialect(self.dialect).decoder(self.call, self.head)


def load(dialect: str) -> list[Vector]:
    """Return all vectors of a dialect."""
    return [_read(path) for path in sorted((FOLDER / dialect).glob("*.json"))]


def _read(path: Path) -> Vector:
    document = json.loads(path.read_text("utf-8"))
    inputs = {name: value for name, value in document.items() if name in _INPUTS}
    expected = {name: value for name, value in document.items() if name not in _INPUTS}
    frames = [stream([(name, payload)]) for name, payload in inputs.get("frames", ())]
    ends = (0, *accumulate(map(len, frames))) if frames else ()
    return Vector(path.parent.name, path.stem, _body(path, inputs, frames), inputs, expected, ends)


def _body(path: Path, inputs: dict[str, Any], frames: list[bytes]) -> bytes:
    if "hex" in inputs:
        return bytes.fromhex(inputs["hex"])
    if "body" in inputs:
        return str(inputs["body"]).encode()
    return b"".join(frames) if "frames" in inputs else path.with_suffix(".body").read_bytes()


def observe(vector: Vector) -> dict[str, Any]:
    """Return the events and the reply for a body, in the form of the expectations."""
    events, reply = chunking.run(vector.decoder(), [vector.body])
    return plain(events, reply) | {"wholeFrom": whole_from(vector)}


def plain(events: list[Event], reply: Reply) -> dict[str, Any]:
    """Return events and reply as JSON; null and usual values are left out."""
    fields_of_reply = {
        "message": reply.message.model_dump(mode="json", by_alias=True)["content"],
        "finishReason": reply.finish_reason and reply.finish_reason.model_dump(mode="json"),
        "state": reply.message.provider_state,
        "usage": reply.usage and reply.usage.model_dump(mode="json", by_alias=True),
        "billed": reply.billed and reply.billed.model_dump(mode="json", by_alias=True),
        "cost": reply.cost,
        "model": reply.model,
        "responseId": reply.response_id,
        "fault": reply.fault and _fault(reply.fault),
        "warnings": [warning.message for warning in reply.warnings] or None,
    }
    dumped = list(_EVENTS.dump_python(events, mode="json", by_alias=True))
    return {
        "events": [_short(event) for event in dumped],
        "reply": {
            name: _short(value) for name, value in fields_of_reply.items() if value is not None
        },
    }


def _fault(fault: Fault) -> dict[str, Any]:
    values = {field.name: getattr(fault, field.name) for field in fields(fault)}
    return {name: value for name, value in values.items() if name != "message" and value}


def _short(value: Any) -> Any:
    """Leave out null fields, zero buckets, the origin of states and the provider's raw usage."""
    if isinstance(value, list):
        return [_short(child) for child in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") in {"usage", "raw"}:
        return {"type": value["type"]}
    if value.get("type") in {"toolCall", "toolCallEnd"}:
        arguments = value.pop("arguments")
        return {**_short(value | {"type": ""}), "type": value["type"], "arguments": arguments}
    if "inputFresh" in value:
        value = {name: count for name, count in value.items() if count and name != "raw"}
    set_fields = {name: child for name, child in value.items() if child is not None}
    if set_fields.get("provider") == records.ID:
        del set_fields["provider"], set_fields["model"]
    return {name: _short(child) for name, child in set_fields.items() if child != {}}


def whole_from(vector: Vector) -> int | None:
    """Return the shortest length at which the body counts as a whole answer."""
    lengths = range(len(vector.body) + 1)
    short = chunking.short_replies(vector.decoder(), vector.body, list(lengths))
    return next((length for length, reply in short if reply.fault is None), None)
