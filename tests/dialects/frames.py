"""Writes valid and invalid AWS event-stream frames; reads only their lengths, because the reader is
under test."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any
from zlib import crc32

from pydantic_core import to_json


def prelude(total: int, headers: int) -> bytes:
    """Return the lengths and their checksum."""
    lengths = struct.pack("!II", total, headers)
    return lengths + struct.pack("!I", crc32(lengths))


def header(name: str, kind: int, value: bytes = b"") -> bytes:
    """Return a header of a type, with its value in wire form."""
    return bytes([len(name)]) + name.encode() + bytes([kind]) + value


def text(name: str, value: str) -> bytes:
    """Return a header that holds text."""
    return header(name, 7, struct.pack("!H", len(value.encode())) + value.encode())


def frame(headers: Iterable[bytes], payload: bytes) -> bytes:
    """Return a frame."""
    head = b"".join(headers)
    body = prelude(16 + len(head) + len(payload), len(head)) + head + payload
    return body + struct.pack("!I", crc32(body))


def event(name: str, payload: bytes, kind: str = "event") -> bytes:
    """Return a frame as AWS sends it: an `event`, or an `exception`."""
    headers = text(f":{kind}-type", name), text(":content-type", "application/json")
    return frame([*headers, text(":message-type", kind)], payload)


def stream(events: Iterable[tuple[str, Any]]) -> bytes:
    """Return a stream of events; one whose name ends in `Exception` is an exception."""
    return b"".join(
        event(name, to_json(payload), "exception" if name.endswith("Exception") else "event")
        for name, payload in events
    )


def frame_ends(body: bytes) -> set[int]:
    """Return where the frames of a body end, by their lengths alone."""
    ends, at = set(), 0
    while at < len(body):
        at += int.from_bytes(body[at : at + 4])
        ends.add(at)
    return ends
