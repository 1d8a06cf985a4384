"""Backups of the vault, and putting one back.

Knows what is told of a backup. Must not know how one is taken.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from byokd.protocol.base import Params, Result, Value, at_most_one


class BackupInfo(Value):
    """One backup; `number` 1 is the newest. It opens with what opened the vault at that time."""

    number: int
    taken_at: int
    size_bytes: int


class VaultRestoreParams(Params):
    """Put a backup in the place of the vault, whatever state the vault is in.

    `number` is that of a backup in `vault/status`; `path` names a file elsewhere instead. Without
    both it is the newest backup.
    """

    model_config = at_most_one("number", "path")

    number: int | None = Field(default=None, ge=1)
    path: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> VaultRestoreParams:
        if self.number is not None and self.path is not None:
            raise ValueError("give either a number or a path")
        return self


class VaultRestoreResult(Result):
    """`restored` is the file that was put back, `aside` the one that was there before, as it was.

    Where the store is then older than it was, the vault is locked with the reason `rollback`, until
    `vault/unlock` accepts that.
    """

    restored: str
    aside: str | None
