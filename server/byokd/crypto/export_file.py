"""The file that carries keys to another machine.

Every record is bound to the header and to its index, so none can be removed, added or moved. The
digest distinguishes damage from a wrong passphrase before the costly derivation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from byokd.core.limits import EXPORT_FILE_MAX_BYTES, KEYS_PER_ACCOUNT_MAX
from byokd.crypto.encoding import pack, unpack
from byokd.crypto.envelope import EnvelopeError, open_blob, seal
from byokd.crypto.kdf import digest, same

Fault: TypeAlias = Literal["notABundle", "newer", "damaged", "tooLarge", "wrongPassphrase"]

# MAGIC || 0x01 || T(cost of the passphrase, number of records, record, …) || SHA-256
MAGIC: Final = b"byokd keys\n"
VERSION: Final = 1

_PURPOSE: Final = "export"
_DIGEST_BYTES: Final = 32


class ExportFileError(ValueError):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault: Final = fault


@dataclass(frozen=True, slots=True, repr=False)
class ExportFile:
    """A parsed file, still sealed."""

    cost: bytes
    records: tuple[bytes, ...]


def write(key: bytes, cost: bytes, plaintexts: Sequence[bytes]) -> bytes:
    """Return the file; `key` is derived at the packed `cost`. Raises `tooLarge`."""
    head = _head(cost, len(plaintexts))
    records = [
        seal(key, _PURPOSE, (head, index), plaintext) for index, plaintext in enumerate(plaintexts)
    ]
    body = head + pack(*records)
    if len(body) + _DIGEST_BYTES > EXPORT_FILE_MAX_BYTES:
        raise ExportFileError("tooLarge")
    return body + digest(body)


def read(data: bytes) -> ExportFile:
    """Return the parts, still sealed.

    Raises:
        ExportFileError: `notABundle`, `newer`, `damaged` or `tooLarge`.
    """
    if len(data) > EXPORT_FILE_MAX_BYTES:
        raise ExportFileError("tooLarge")
    if not data.startswith(MAGIC):
        raise ExportFileError("notABundle")
    start = len(MAGIC) + 1
    version = data[len(MAGIC) : start]
    body, stored_digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if version > bytes([VERSION]):
        raise ExportFileError("newer")
    if version != bytes([VERSION]) or not same(digest(body), stored_digest):
        raise ExportFileError("damaged")
    try:
        cost, count, *records = unpack(body[start:])
    except ValueError:
        raise ExportFileError("damaged") from None
    if not 0 < len(records) <= KEYS_PER_ACCOUNT_MAX or pack(len(records)) != pack(count):
        raise ExportFileError("damaged")
    return ExportFile(cost, tuple(records))


def open_records(key: bytes, file: ExportFile) -> list[bytearray]:
    """Return the opened records, in buffers that the caller may wipe.

    Raises:
        ExportFileError: `wrongPassphrase` where no record opens, `damaged` where some do.
    """
    head = _head(file.cost, len(file.records))
    opened: list[bytearray] = []
    for index, record in enumerate(file.records):
        try:
            opened.append(open_blob(key, _PURPOSE, (head, index), record))
        except EnvelopeError:
            raise ExportFileError("damaged" if opened else "wrongPassphrase") from None
    return opened


def _head(cost: bytes, count: int) -> bytes:
    return MAGIC + bytes([VERSION]) + pack(cost, count)
