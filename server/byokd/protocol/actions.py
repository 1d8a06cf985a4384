"""What a person can do about an error: one type per action, each with its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import Field

from byokd.protocol.base import JsonObject, Value
from byokd.protocol.vault import ProtectionChoice


class _Action(Value):
    url: str | None = None
    choices: tuple[ProtectionChoice, ...] | None = None
    details: JsonObject | None = None


class _Bare(_Action):
    url: None = None
    choices: None = None
    details: None = None


class InitializeVaultAction(_Action):
    """Create the vault with one of the protections in `choices`."""

    type: Literal["initializeVault"] = "initializeVault"
    url: None = None
    choices: tuple[ProtectionChoice, ...]
    details: None = None


class UnlockVaultAction(_Bare):
    """Ask for the passphrase, or let the OS keyring ask; then `vault/unlock`."""

    type: Literal["unlockVault"] = "unlockVault"


class ResetVaultAction(_Bare):
    """Move the vault away and begin without keys; the person confirms with `store_id`."""

    type: Literal["resetVault"] = "resetVault"
    store_id: str | None = None


class RekeyVaultAction(_Bare):
    """Send `vault/rekey` with this change."""

    type: Literal["rekeyVault"] = "rekeyVault"
    change: Literal["rootKey", "dataKeys", "everything"]


class RestoreBackupAction(_Bare):
    """Choose a backup of `vault/status`; then `vault/restore`."""

    type: Literal["restoreBackup"] = "restoreBackup"


class PromptKeyAction(_Action):
    """Show the form for a key of `provider`, or a new secret for `key_id`.

    `url` is the page of the provider where keys are made.
    """

    type: Literal["promptKey"] = "promptKey"
    provider: str | None = None
    key_id: str | None = None
    choices: None = None
    details: None = None


class EnableKeyAction(_Action):
    """Send `key/enable`, or ask for a new secret."""

    type: Literal["enableKey"] = "enableKey"
    key_id: str | None = None
    url: None = None
    choices: None = None


class AcceptOriginAction(_Bare):
    """Send `key/acceptOrigin`; the daemon shows both origins and asks the person."""

    type: Literal["acceptOrigin"] = "acceptOrigin"
    key_id: str
    from_: str = Field(alias="from")
    to: str


class EditSettingsAction(_Bare):
    """Open the configuration file; `setting` names the entry, such as `catalog.url`."""

    type: Literal["editSettings"] = "editSettings"
    setting: str | None = None


class WaitAction(_Bare):
    """Wait, then try again; `retry_after_ms` is null if the provider did not say how long."""

    type: Literal["wait"] = "wait"
    retry_after_ms: int | None = None


class PickModelAction(_Bare):
    """Choose another model of `provider`."""

    type: Literal["pickModel"] = "pickModel"
    provider: str | None = None


class OpenUrlAction(_Action):
    """Open a page of the provider, such as the one for payments."""

    type: Literal["openUrl"] = "openUrl"
    url: str
    choices: None = None
    details: None = None


class RaiseBudgetAction(_Bare):
    """Change the budget that does not allow the call."""

    type: Literal["raiseBudget"] = "raiseBudget"
    budget_id: str | None = None


class RefreshCatalogAction(_Action):
    """Send `catalog/refresh`, with `accept` after the person has seen the changes."""

    type: Literal["refreshCatalog"] = "refreshCatalog"
    accept: bool = False
    url: None = None
    choices: None = None


class CheckNetworkAction(_Bare):
    """Check the connection, the proxy and the provider's address."""

    type: Literal["checkNetwork"] = "checkNetwork"


class FreeSpaceAction(_Bare):
    """Free some space on the disk of the vault."""

    type: Literal["freeSpace"] = "freeSpace"


Action: TypeAlias = Annotated[
    InitializeVaultAction
    | UnlockVaultAction
    | ResetVaultAction
    | RekeyVaultAction
    | RestoreBackupAction
    | PromptKeyAction
    | EnableKeyAction
    | AcceptOriginAction
    | EditSettingsAction
    | WaitAction
    | PickModelAction
    | OpenUrlAction
    | RaiseBudgetAction
    | RefreshCatalogAction
    | CheckNetworkAction
    | FreeSpaceAction,
    Field(discriminator="type"),
]

_A = TypeVar("_A", bound=_Action)


def completed(action: _A, facts: Mapping[str, object]) -> _A:
    """Return the action with its empty fields set from facts of the same names."""
    empty = {name for name in type(action).model_fields if getattr(action, name) is None}
    known = {name: facts[name] for name in empty & facts.keys() & FROM_ERROR}
    return action.model_copy(update=known) if known else action


FROM_ERROR = frozenset({"provider", "key_id", "retry_after_ms"})
"""Fields that an action has in common with `error.data`."""
