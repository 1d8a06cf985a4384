"""`key/import` and `key/export`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from byokd.core.limits import (
    IMPORT_ITEMS_MAX,
    KEY_FIELD_MAX_CHARS,
    KEYS_PER_ACCOUNT_MAX,
    USER_PATH_MAX_CHARS,
    VARIABLES_MAX,
)
from byokd.protocol.base import KeyId, Params, Result, Value
from byokd.protocol.error_data import ErrorData
from byokd.protocol.key import KeyInfo, Label, ProbePolicy, ProbeResult
from byokd.protocol.sealed import SecretInput

VariableName = Annotated[str, StringConstraints(max_length=128)]
NamedPath = Annotated[str, StringConstraints(min_length=1, max_length=USER_PATH_MAX_CHARS)]
ItemId = Annotated[str, StringConstraints(pattern=r"^item_[0-9a-f]{32}$")]


class EnvironmentSource(Value):
    """The daemon's own environment variables; dropped after the import."""

    type: Literal["environment"] = "environment"


class VariablesSource(Value):
    """Environment variables that the client read, by name; each is sealed for that field name."""

    type: Literal["variables"] = "variables"
    variables: dict[VariableName, SecretInput] = Field(max_length=VARIABLES_MAX)


class EnvFileSource(Value):
    """A file of `NAME=value` lines that the user named; `path` is absolute."""

    type: Literal["envFile"] = "envFile"
    path: NamedPath


class BundleSource(Value):
    """A file from `key/export`; `path` is absolute, `passphrase` is sealed for that field name."""

    type: Literal["bundle"] = "bundle"
    path: NamedPath
    passphrase: SecretInput


ImportSource: TypeAlias = Annotated[
    EnvironmentSource | VariablesSource | EnvFileSource | BundleSource,
    Field(discriminator="type"),
]


class ImportChoice(Value):
    """One item that the user chose.

    `fields` are non-secret fields that the source does not have, such as a region. `base_url` comes
    from the user: a variable never decides where a key is sent.
    """

    id: ItemId
    label: Label | None = None
    fields: dict[
        Annotated[str, StringConstraints(max_length=64)],
        Annotated[str, StringConstraints(max_length=KEY_FIELD_MAX_CHARS)],
    ] = Field(default_factory=dict)
    base_url: str | None = None
    allow_insecure_origin: bool = False
    make_default: bool = False


class KeyImportParams(Params):
    """List the items of a source (without `choose`), or store the chosen ones."""

    source: ImportSource
    choose: tuple[ImportChoice, ...] | None = Field(default=None, max_length=IMPORT_ITEMS_MAX)
    probe: ProbePolicy = "require"


class ImportProblem(Value):
    """Why an item cannot be stored as it is.

    `type` is a display value: `missingField` or `baseUrl` (add it to the choice), `malformed`,
    `stored` (this key is already stored for this origin).
    """

    type: str
    field: str | None
    message: str


class ImportItem(Value):
    """A key in the source. `fields` are the fields it has, `origin` where it would be sent."""

    id: str
    provider: str
    label: str | None
    variables: tuple[str, ...]
    fields: tuple[str, ...]
    origin: str | None
    base_url: str | None
    last4: str | None
    fingerprint: str | None
    stored_as: str | None
    problem: ImportProblem | None


class IgnoredVariable(Value):
    """A variable with an address, which is not used; keys of its provider may belong to it."""

    variable: VariableName
    provider: str
    reason: str


class SourceWarning(Value):
    """A warning about the source; `type` is a display value: `openToOthers`, `line`."""

    type: str
    line: int | None
    message: str


class ImportOutcome(Value):
    """A chosen item: the stored key and its probe, or the error."""

    id: str
    key: KeyInfo | None
    probe: ProbeResult | None
    notes: tuple[str, ...]
    error: ErrorData | None


class KeyImportResult(Result):
    """The items of the source; `outcomes` is null without `choose`."""

    items: tuple[ImportItem, ...]
    ignored: tuple[IgnoredVariable, ...]
    warnings: tuple[SourceWarning, ...]
    outcomes: tuple[ImportOutcome, ...] | None


class KeyExportParams(Params):
    """Encrypt all or the named keys under a passphrase."""

    passphrase: SecretInput
    key_ids: tuple[KeyId, ...] | None = Field(default=None, max_length=KEYS_PER_ACCOUNT_MAX)


class KeyExportResult(Result):
    """The encrypted file in base64. `left_out` are the ids of keys that cannot be read."""

    bundle: str
    keys: int
    left_out: tuple[str, ...]
