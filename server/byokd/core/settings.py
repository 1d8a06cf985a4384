"""What a person may set in `config.toml`, as frozen values.

Knows the shape of the settings and their defaults. Must not read a file: the roof does. Nothing
here can be set by a request, an environment variable or a folder that an editor opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from byokd.core.limits import (
    CONNECT_TIMEOUT_MS,
    CONTENT_IDLE_TIMEOUT_MS,
    FIRST_BYTE_TIMEOUT_MS,
    FIRST_CONTENT_TIMEOUT_MS,
    STREAM_TOTAL_TIMEOUT_MS,
)
from byokd.core.secret import Secret
from byokd.protocol.lifecycle import Features


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """When a rejected key is taken out of use.

    Attributes:
        rejections: how many in a row make a key suspect enough to be asked about.
        window_ms: the row is broken by more than this between two rejections.
        gap_min_ms: rejections closer together than this count once: one glitch hits many calls.
        grace_ms: after store or rotate nothing counts for so long, unless the key was accepted
            before: a new key takes a while to reach every machine of its provider.
        probe_delay_min_ms: the confirming probe waits at least so long.
        probe_delay_max_ms: and at most so long.
        reprobe_delays_ms: when the probe could not tell, it is repeated after these.
        overdue_ms: a probe that is so late has lost its prober; the next use asks for another.
        repeat_within_ms: a rejected request is tried once more if the key worked so lately.
        repeat_delay_ms: and after this.
    """

    rejections: int = 3
    window_ms: int = 15 * 60_000
    gap_min_ms: int = 2_000
    grace_ms: int = 120_000
    probe_delay_min_ms: int = 20_000
    probe_delay_max_ms: int = 40_000
    reprobe_delays_ms: tuple[int, ...] = (120_000, 300_000, 600_000)
    overdue_ms: int = 60_000
    repeat_within_ms: int = 24 * 3_600_000
    repeat_delay_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class TimeoutSettings:
    """How long a chat waits, in milliseconds, for each thing it can wait for."""

    connect_ms: int = CONNECT_TIMEOUT_MS
    first_byte_ms: int = FIRST_BYTE_TIMEOUT_MS
    first_content_ms: int = FIRST_CONTENT_TIMEOUT_MS
    idle_ms: int = CONTENT_IDLE_TIMEOUT_MS
    total_ms: int = STREAM_TOTAL_TIMEOUT_MS


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A key that a team shares, for one managed provider, and where it may go."""

    secret: Secret
    base_url: str | None = None


Money: TypeAlias = Annotated[str, StringConstraints(pattern=r"^\d{1,12}(\.\d{1,12})?$")]
"""An amount, as decimal text."""


class _Stated(BaseModel):
    # Built when the first one is read: most people state nothing.
    model_config = ConfigDict(
        extra="forbid", frozen=True, defer_build=True, hide_input_in_errors=True
    )


class OwnPrice(_Stated):
    """What a person says a model costs: money per million tokens."""

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"
    input: Money
    output: Money
    cache_read: Money | None = None
    cache_write: Money | None = None


class OwnModel(_Stated):
    """A model that a person names. What is stated wins over provider and catalog."""

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
    """Everything a person may set.

    Attributes:
        features: switches; a client can only narrow them.
        health: when a rejected key is taken out of use.
        patience: how long a chat waits.
        headers: extra or replaced request headers per provider, never a credential.
        models: what the person states about models, per provider.
        proxy: an http(s) proxy for every connection off this machine.
        extra_ca_file: a PEM file of certificates trusted beside the system's.
        shared_pool: shared keys per provider.
    """

    features: Features = field(default_factory=Features)
    health: HealthPolicy = field(default_factory=HealthPolicy)
    patience: TimeoutSettings = field(default_factory=TimeoutSettings)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    models: dict[str, tuple[OwnModel, ...]] = field(default_factory=dict)
    proxy: str | None = None
    extra_ca_file: str | None = None
    shared_pool: dict[str, SharedKey] = field(default_factory=dict)
