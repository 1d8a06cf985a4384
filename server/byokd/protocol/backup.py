"""`vault/restore`, and backups in `vault/status`."""

from __future__ import annotations

from pydantic import Field, model_validator

from byokd.protocol.base import Params, Result, Value, at_most_one


class BackupInfo(Value):
    """One backup; `number` 1 is the newest. It opens with what opened the vault at that time."""

    number: int
    taken_at: int
    size_bytes: int


class VaultRestoreParams(Params):
    """Replace the vault with a backup, in any state of the vault.

    `number` is from `vault/status`; `path` names another file instead. Without both, the newest
    backup is used.
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
    """`restored` is the backup's file; `aside` is where the previous store was moved, unchanged.

    If the store is now older than before, the vault is locked with the reason `rollback` until
    `vault/unlock` accepts that.
    """

    restored: str
    aside: str | None
