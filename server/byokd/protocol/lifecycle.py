"""`initialize`, and the LSP requests and notifications that the daemon sends."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from pydantic import ConfigDict, Field

from byokd.core.limits import MESSAGE_MAX_BYTES, STREAMS_MAX
from byokd.protocol.base import AccountId, JsonObject, Params, Result, Value
from byokd.protocol.vault import VaultInfo

PROTOCOL_VERSION: Final = 1
DEFAULT_ACCOUNT: Final = "default"
SEALING_SUITE: Final = "DHKEM(X25519,HKDF-SHA256)/HKDF-SHA256/AES-256-GCM"


class ClientInfo(Value):
    """The client's name and version; the name is in the audit log."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(max_length=128)
    version: str | None = Field(default=None, max_length=64)


class ClientCapabilities(Value):
    """What the client supports: `prompt` is `window/showMessageRequest`."""

    model_config = ConfigDict(extra="ignore")

    prompt: bool = False


class Features(Value):
    """Switches; a client can only switch off what the configuration allows."""

    model_config = ConfigDict(extra="ignore")

    multi_field_providers: bool = True
    shared_pool: bool = False


class ClientOptions(Value):
    """`initializationOptions.byokd`; unknown fields are warned of, so a newer client can attach."""

    model_config = ConfigDict(extra="ignore")

    protocol_version: int = PROTOCOL_VERSION
    client_info: ClientInfo | None = None
    account: AccountId = DEFAULT_ACCOUNT
    capabilities: ClientCapabilities = ClientCapabilities()
    opt_out_notifications: tuple[str, ...] = ()
    features: Features = Features()


class Sealing(Value):
    """How to seal a secret for this process. `public_key` is base64 of 32 bytes."""

    suite: str = SEALING_SUITE
    public_key: str
    key_id: str


class ServerLimits(Value):
    max_message_bytes: int = MESSAGE_MAX_BYTES
    max_concurrent_streams: int = STREAMS_MAX


class ServerOptions(Result):
    """`capabilities.experimental.byokd`. `warnings` are about options that are not known."""

    protocol_version: int
    schema_hash: str
    account: str
    sealing: Sealing
    features: Features
    limits: ServerLimits
    warnings: tuple[str, ...] = ()
    vault: VaultInfo


class InitializeParams(Params):
    """The fields of LSP's `InitializeParams` that are read; others are ignored."""

    model_config = ConfigDict(extra="ignore")

    process_id: int | None = None
    client_info: ClientInfo | None = None
    initialization_options: JsonObject | None = None


class MessageAction(Value):
    """LSP's `MessageActionItem`."""

    title: str


PromptTopic: TypeAlias = Literal["key", "catalog", "budget", "origin"]


class PromptMeta(Value):
    """What a prompt is about, for programs; `message` is for people.

    `key_id`, `provider` and `label` name a key. `reason` of a key is `rejected` or `accepted`, of a
    catalog `old`, of an origin `moved`.
    """

    topic: PromptTopic
    key_id: str | None = None
    provider: str | None = None
    label: str | None = None
    reason: str | None = None


class ShowMessageRequest(Value):
    """`window/showMessageRequest`: a question with the titles of its answers.

    `type` is LSP's: 2 is a warning, 3 information.
    """

    type: int
    message: str
    actions: tuple[MessageAction, ...]
    meta: PromptMeta = Field(alias="_meta")


WARNING: Final = 2
INFO: Final = 3
"""LSP's MessageTypes."""


class CancelParams(Params):
    """`$/cancelRequest`, also from the daemon: the prompt of this id is withdrawn."""

    id: str


class LogMessage(Params):
    """`window/logMessage`. `type`: 1 error, 2 warning, 3 info, 4 log."""

    type: int
    message: str
