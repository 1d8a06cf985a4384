"""`account/…`: the namespaces that keys live in.

Knows what is told about an account. Must not know whose it is: an account keeps keys apart against
mistakes and authenticates nobody, so any session may list and delete any of them.
"""

from __future__ import annotations

from byokd.protocol.base import AccountId, AtMs, PageParams, Params, Result, Value
from byokd.protocol.errors import Action


class AccountInfo(Value):
    """An account that holds keys, or has held some; `current` is the one of this connection."""

    account: str
    keys: int
    created_at: AtMs
    current: bool


class AccountListParams(PageParams):
    """List the accounts."""


class AccountListResult(Result):
    """A page of accounts, by name."""

    items: tuple[AccountInfo, ...]
    next_cursor: str | None


class AccountDeleteParams(Params):
    """Forget an account and all its keys; `confirm` is its name once more."""

    account: AccountId
    confirm: AccountId


class AccountDeleteResult(Result):
    """The account is gone, and `keys` keys with it; `action` is what would end old copies too."""

    account: str
    keys: int
    action: Action | None
