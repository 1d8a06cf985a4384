"""A model of a disk at a power cut: replays a trace of real system calls.

The model assumes what every file system guarantees: flushed bytes survive, and names survive once
their folder was flushed. Of later writes any part may survive, in any order, torn at sectors. It is
stricter than ext4: flushing a file does not flush its name.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

SECTOR_BYTES: Final = 512
CALLS: Final = (
    "openat,close,pwrite64,write,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,"
    "unlinkat"
)
"""The system calls that strace must record, with whole strings in hexadecimal."""

Image: TypeAlias = dict[str, bytes]
"""Names, relative to the root, and contents."""

_LINE: Final = re.compile(r"^(\d+) +(.*)$")
_CALL: Final = re.compile(r"^(\w+)\((.*)\) += (-?\d+)")
_RESUMED: Final = re.compile(r"^<\.\.\. \w+ resumed>(.*)$")
_TEXT: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes written at an offset; `data` None truncates the file there."""

    offset: int
    data: bytes | None


@dataclass(slots=True)
class File:
    """`flushed` is certainly on the disk; `pending` was written since the last flush."""

    flushed: bytes = b""
    pending: list[Write] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Named:
    """A change of a name: it now refers to `file`, or is removed where `file` is None."""

    name: str
    file: File | None


@dataclass(slots=True)
class Disk:
    """The files below one root, according to the trace of one process."""

    root: str
    names: dict[str, File] = field(default_factory=dict)
    pending: list[tuple[Named, ...]] = field(default_factory=list)
    live: dict[str, File] = field(default_factory=dict)
    stdout_lines: list[bytes] = field(default_factory=list)
    _open: dict[int, tuple[str, File | None, int]] = field(default_factory=dict)

    def play(self, trace: Path) -> Iterator[None]:
        """Apply the calls in order; yield after each one that changed something."""
        unfinished: dict[str, str] = {}
        for raw in trace.read_text(encoding="ascii").splitlines():
            if (line := _LINE.match(raw)) is None:
                continue
            pid, text = line.groups()
            if text.endswith("<unfinished ...>"):
                unfinished[pid] = text.removesuffix("<unfinished ...>").rstrip()
                continue
            if resumed := _RESUMED.match(text):
                text = unfinished.pop(pid, "") + resumed[1].lstrip()
            call = _CALL.match(text)
            if call and int(call[3]) >= 0 and self._do(call[1], call[2], int(call[3])):
                yield

    def _do(self, call: str, arguments: str, result: int) -> bool:
        """Apply one call; return whether it changed the disk or standard output."""
        texts = [bytes.fromhex(t.replace("\\x", "")) for t in _TEXT.findall(arguments)]
        if call == "openat":
            return self._opened(texts[0].decode(), "O_CREAT" in arguments, result)
        if call.startswith(("rename", "unlink")):
            names = [self._inside(text.decode()) for text in texts]
            return self._renamed(*names) if len(names) > 1 else self._unlinked(*names)
        descriptor = int(arguments.split(",", maxsplit=1)[0])
        if descriptor == 1 and call == "write":
            self.stdout_lines.append(texts[0])
            return True
        if call == "close":
            self._open.pop(descriptor, None)
            return False
        return descriptor in self._open and self._used(descriptor, call, arguments, texts)

    def _used(self, descriptor: int, call: str, arguments: str, texts: list[bytes]) -> bool:
        name, file, at = self._open[descriptor]
        if file is None:  # a folder
            if "sync" in call:
                self._flush_names(name)
        elif "sync" in call:
            file.flushed, file.pending = _content(file.flushed, file.pending), []
        elif call == "pwrite64":
            file.pending.append(Write(int(arguments.rsplit(",", 1)[1]), texts[0]))
        elif call == "write":
            file.pending.append(Write(at, texts[0]))
            self._open[descriptor] = (name, file, at + len(texts[0]))
        else:
            file.pending.append(Write(int(arguments.rsplit(",", 1)[1]), None))
        return True

    def _inside(self, path: str) -> str | None:
        return path[len(self.root) :].lstrip("/") if path.startswith(self.root) else None

    def _opened(self, path: str, create: bool, descriptor: int) -> bool:  # noqa: FBT001
        name = self._inside(path)
        if name is None:
            return False
        file = self.live.get(name)
        created = file is None and create
        if created:
            file = self.live[name] = File()
            self.pending.append((Named(name, file),))
        self._open[descriptor] = (name, file, 0)
        return created

    def _renamed(self, old: str | None, new: str | None) -> bool:
        if old is None or new is None:
            return False
        file = self.live[new] = self.live.pop(old)
        self.pending.append((Named(new, file), Named(old, None)))  # both names or neither
        return True

    def _unlinked(self, name: str | None) -> bool:
        if name is None:
            return False
        self.live.pop(name, None)
        self.pending.append((Named(name, None),))
        return True

    def _flush_names(self, folder: str) -> None:
        in_folder = [change for change in self.pending if _folder(change[0].name) == folder]
        self.pending = [change for change in self.pending if _folder(change[0].name) != folder]
        self.names = _named(self.names, in_folder)

    # --- what may be left ---

    def images(self, chance: random.Random, each: int) -> Iterator[Image]:
        """Yield what the disk may hold if the power fails now.

        First without and then with all pending writes, then `each` times three random parts: whole
        writes, torn writes, and a prefix whose last write is torn.
        """
        yield self._image(lambda _: [], 0)
        yield self._image(lambda pending: pending, len(self.pending))
        if not self.pending and not any(file.pending for file in self.live.values()):
            return
        for _ in range(each):
            for part in (_some, _torn, _cut):
                names = chance.randint(0, len(self.pending))
                yield self._image(partial(part, chance=chance), names)

    def _image(self, part: Callable[[list[Write]], list[Write]], names: int) -> Image:
        surviving = _named(self.names, self.pending[:names])
        return {
            name: _content(file.flushed, part(file.pending)) for name, file in surviving.items()
        }


def _some(pending: list[Write], chance: random.Random) -> list[Write]:
    survivors = [write for write in pending if chance.random() < 0.5]
    chance.shuffle(survivors)
    return survivors


def _torn(pending: list[Write], chance: random.Random) -> list[Write]:
    return [piece for write in pending for piece in _sectors(write) if chance.random() < 0.5]


def _cut(pending: list[Write], chance: random.Random) -> list[Write]:
    if not pending:
        return []
    end = chance.randrange(len(pending))
    last = [piece for piece in _sectors(pending[end]) if chance.random() < 0.5]
    return [*pending[:end], *last]


def _sectors(write: Write) -> list[Write]:
    if write.data is None:
        return [write]
    data = write.data
    first = SECTOR_BYTES - write.offset % SECTOR_BYTES
    edges = [0, *range(first, len(data), SECTOR_BYTES), len(data)]
    return [Write(write.offset + a, data[a:b]) for a, b in itertools.pairwise(edges)]


def _content(flushed: bytes, writes: list[Write]) -> bytes:
    if not writes:
        return flushed
    content = bytearray(flushed)
    for write in writes:
        if write.data is None:
            if write.offset < len(content):
                del content[write.offset :]
            else:
                content.extend(bytes(write.offset - len(content)))
        else:
            end = write.offset + len(write.data)
            if end > len(content):
                content.extend(bytes(end - len(content)))
            content[write.offset : end] = write.data
    return bytes(content)


def _named(names: dict[str, File], changes: list[tuple[Named, ...]]) -> dict[str, File]:
    after = dict(names)
    for change in itertools.chain.from_iterable(changes):
        if change.file is None:
            after.pop(change.name, None)
        else:
            after[change.name] = change.file
    return after


def _folder(name: str) -> str:
    return name.rpartition("/")[0]
