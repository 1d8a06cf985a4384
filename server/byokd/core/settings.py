"""The settings of `config.toml` as frozen values, with their defaults.

Nothing here can be set by a request, an environment variable or a folder that an editor opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from byokd.core.limits import (
    CONNECT_TIMEOUT_MS,
    CONTENT_IDLE_TIMEOUT_MS,
    FIRST_BYTE_TIMEOUT_MS,
    FIRST_CONTENT_TIMEOUT_MS,
    PROMPT_TIMEOUT_MS,
    STREAM_TOTAL_TIMEOUT_MS,
)
from byokd.core.secret import Secret
from byokd.protocol.lifecycle import Features


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """When a key that its provider rejects is disabled."""

    rejections: int = 3  # in a row, before a probe confirms that the key is invalid
    window_ms: int = 15 * 60_000  # a longer time between two rejections starts the count again
    gap_min_ms: int = 2_000  # closer rejections count once: one failure affects many calls
    # Rejections do not count for this long after store or rotate, unless the key was accepted
    # before: a new key takes a while to reach every machine of its provider.
    grace_ms: int = 120_000
    probe_delay_min_ms: int = 20_000  # of the confirming probe; random between min and max
    probe_delay_max_ms: int = 40_000
    reprobe_delays_ms: tuple[int, ...] = (120_000, 300_000, 600_000)  # after inconclusive probes
    overdue_ms: int = 60_000  # after this a probe counts as lost, and the next use starts another
    # a rejected request is repeated once if the key worked within this time
    repeat_within_ms: int = 24 * 3_600_000
    repeat_delay_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class CatalogPolicy:
    """When a person is asked for a newer catalog, or one is fetched weekly."""

    first_check_ms: int = 10 * 60_000  # after the start: most commands end before
    check_every_ms: int = 3_600_000
    old_after_ms: int = 30 * 24 * 3_600_000  # a younger catalog needs no question
    again_after_ms: int = 7 * 24 * 3_600_000  # between two questions, or two weekly requests
    clock_ahead_ms: int = 0  # how far the clock that dates are compared with is ahead; for tests


@dataclass(frozen=True, slots=True)
class CatalogSettings:
    """`url` and `public_key` are the person's: the package ships neither."""

    refresh: Literal["never", "ask", "weekly"] = "ask"
    url: str | None = None  # of the catalog file, https
    public_key: str | None = None  # base64 of an Ed25519 key; no other key is trusted


@dataclass(frozen=True, slots=True)
class TimeoutSettings:
    """The timeouts of a chat."""

    connect_ms: int = CONNECT_TIMEOUT_MS
    first_byte_ms: int = FIRST_BYTE_TIMEOUT_MS
    first_content_ms: int = FIRST_CONTENT_TIMEOUT_MS
    idle_ms: int = CONTENT_IDLE_TIMEOUT_MS
    total_ms: int = STREAM_TOTAL_TIMEOUT_MS


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A team's shared key for one provider, and the base URL it may be sent to."""

    secret: Secret
    base_url: str | None = None


Money: TypeAlias = Annotated[str, StringConstraints(pattern=r"^\d{1,12}(\.\d{1,12})?$")]
"""A decimal amount as text."""


class _UserValue(BaseModel):
    # Built when the first one is read: most users set none.
    model_config = ConfigDict(
        extra="forbid", frozen=True, defer_build=True, hide_input_in_errors=True
    )


class OwnPrice(_UserValue):
    """The user's price of a model, per million tokens."""

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"
    input: Money
    output: Money
    cache_read: Money | None = None
    cache_write: Money | None = None


class OwnModel(_UserValue):
    """A model that the user describes. Fields set here win over provider and catalog."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    name: str | None = None
    chat: bool | None = None
    context_tokens: Annotated[int, Field(ge=1)] | None = None
    output_tokens: Annotated[int, Field(ge=1)] | None = None
    input_modalities: tuple[str, ...] | None = None
    tools: bool | None = None
    reasoning: bool | None = None
    deprecated: bool | None = None
    price: OwnPrice | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    features: Features = field(default_factory=Features)
    health: HealthPolicy = field(default_factory=HealthPolicy)
    timeouts: TimeoutSettings = field(default_factory=TimeoutSettings)
    catalog: CatalogSettings = field(default_factory=CatalogSettings)
    catalog_policy: CatalogPolicy = field(default_factory=CatalogPolicy)
    # these three by provider id; a header is never a credential
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    models: dict[str, tuple[OwnModel, ...]] = field(default_factory=dict)
    shared_pool: dict[str, SharedKey] = field(default_factory=dict)
    proxy: str | None = None  # the URL of an http(s) proxy for connections off this machine
    extra_ca_file: str | None = None  # a PEM file with certificates to trust beside the system's
    network_fault: str | None = None  # why nothing is sent: what sets the network is not followed
    faults: tuple[str, ...] = ()  # why files that the settings name are not used


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """What the command line, or a test, chooses for one process."""

    data_dir: Path | None = None  # holds data and state instead of the platform's folders
    store_max_pages: int | None = None  # of 4 KiB, to test a full disk; None for no bound
    keyring_timeout_ms: int | None = None  # of a read; None for the usual time
    prompt_timeout_ms: int = PROMPT_TIMEOUT_MS  # of a question to the person
    allow_export: bool = False  # whether `key/export` works
