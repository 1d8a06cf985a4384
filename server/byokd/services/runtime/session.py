"""The session and the interface to its client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from byokd.protocol.base import Params
from byokd.protocol.lifecycle import ClientInfo, Features, ShowMessageRequest

if TYPE_CHECKING:
    from byokd.protocol.key import KeyState
    from byokd.vault import KeyRow


class Client(Protocol):
    def notify(self, method: str, params: Params) -> None:
        """Send a notification, unless the client opted out of it. Never waits, never raises."""
        ...

    @property
    def can_prompt(self) -> bool:
        """Whether the client shows prompts, and shows none now."""
        ...

    async def prompt(self, request: ShowMessageRequest) -> str | None:
        """Ask the person; return the title of the chosen action, or None when dismissed."""
        ...


@dataclass(frozen=True, slots=True)
class KnownKey:
    """The state of a key that the client was last notified of."""

    provider: str
    version: int
    state: KeyState
    is_default: bool
    label: str | None = None

    @classmethod
    def of(cls, row: KeyRow) -> KnownKey:
        return cls(row.provider, row.version, row.state, row.is_default, row.label)


@dataclass(frozen=True, slots=True)
class Session:
    """One connection. The account comes from here and never from a request's params.

    Attributes:
        known: the account's keys by id as the client knows them; None for a deleted one.
    """

    account: str
    client: Client
    client_info: ClientInfo | None
    features: Features
    known: dict[str, KnownKey | None] = field(default_factory=dict, compare=False)

    @property
    def actor(self) -> str:
        """The name of this client in the audit log."""
        return self.client_info.name if self.client_info else "unknown"
