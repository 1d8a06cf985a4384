"""`account/…`: the namespaces of keys.

An account authenticates nobody: any session may list and delete every account.
"""

from __future__ import annotations

from byokd.protocol.actions import Action
from byokd.protocol.base import AccountId, AtMs, PageParams, Params, Result, Value


class AccountInfo(Value):
    """An account that holds keys or held some; `current` marks the account of this connection."""

    account: str
    keys: int
    created_at: AtMs
    current: bool


class AccountListParams(PageParams):
    """List the accounts."""


class AccountListResult(Result):
    """Accounts by name."""

    items: tuple[AccountInfo, ...]
    next_cursor: str | None


class AccountDeleteParams(Params):
    """Delete an account and all its keys; `confirm` repeats its name."""

    account: AccountId
    confirm: AccountId


class AccountDeleteResult(Result):
    """The number of deleted keys; `action` would make older copies of them unreadable too."""

    account: str
    keys: int
    action: Action | None
