"""`key/import` and `key/export`: keys from elsewhere, and keys for another machine.

Knows what is offered and chosen. No type here carries a stored secret out in the clear.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from byokd.core.limits import (
    IMPORT_ITEMS_MAX,
    KEY_FIELD_MAX_CHARS,
    KEYS_PER_ACCOUNT_MAX,
    NAMED_PATH_MAX_CHARS,
    VARIABLES_MAX,
)
from byokd.protocol.base import KeyId, Params, Result, Value
from byokd.protocol.errors import ErrorData
from byokd.protocol.key import KeyInfo, Label, ProbePolicy, ProbeResult
from byokd.protocol.sealed import SecretInput

VariableName = Annotated[str, StringConstraints(max_length=128)]
NamedPath = Annotated[str, StringConstraints(min_length=1, max_length=NAMED_PATH_MAX_CHARS)]
ItemId = Annotated[str, StringConstraints(pattern=r"^item_[0-9a-f]{32}$")]


class EnvironmentSource(Value):
    """The variables that the daemon itself was started with. They are let go after the import."""

    type: Literal["environment"] = "environment"


class VariablesSource(Value):
    """Variables that the client read, by name; each sealed for the field of its own name."""

    type: Literal["variables"] = "variables"
    variables: dict[VariableName, SecretInput] = Field(max_length=VARIABLES_MAX)


class EnvFileSource(Value):
    """A file of `NAME=value` lines that the person named, by its absolute path."""

    type: Literal["envFile"] = "envFile"
    path: NamedPath


class BundleSource(Value):
    """A file that `key/export` made, by its absolute path; sealed for the field `passphrase`."""

    type: Literal["bundle"] = "bundle"
    path: NamedPath
    passphrase: SecretInput


ImportSource: TypeAlias = Annotated[
    EnvironmentSource | VariablesSource | EnvFileSource | BundleSource,
    Field(discriminator="type"),
]


class ImportChoice(Value):
    """One item that the person wants, and what they add to it.

    `fields` are plain ones that the source does not name, such as a region. `base_url` is the
    person's own word on where the key goes: a variable never decides that.
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
    """Look into a source (without `choose`), or store the items that were chosen from it."""

    source: ImportSource
    choose: tuple[ImportChoice, ...] | None = Field(default=None, max_length=IMPORT_ITEMS_MAX)
    probe: ProbePolicy = "require"


class ImportProblem(Value):
    """Why an item cannot be stored as it is.

    `type` is a display value: `missingField` (add it to the choice), `baseUrl` (give one in the
    choice), `malformed`, `stored` (this very key is stored for this very place).
    """

    type: str
    field: str | None
    message: str


class ImportItem(Value):
    """A key that was found. `fields` names those the source has, `origin` where it would go."""

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
    """A variable that names an address: an item of its provider may belong there."""

    variable: VariableName
    provider: str
    reason: str


class SourceWarning(Value):
    """What was noticed of a source; `type` is a display value: `openToOthers`, `line`."""

    type: str
    line: int | None
    message: str


class ImportOutcome(Value):
    """What became of a chosen item: the stored key and its probe, or why not."""

    id: str
    key: KeyInfo | None
    probe: ProbeResult | None
    notes: tuple[str, ...]
    error: ErrorData | None


class KeyImportResult(Result):
    """What the source holds, and for each chosen item what became of it; null in a preview."""

    items: tuple[ImportItem, ...]
    ignored: tuple[IgnoredVariable, ...]
    warnings: tuple[SourceWarning, ...]
    outcomes: tuple[ImportOutcome, ...] | None


class KeyExportParams(Params):
    """Seal keys for another machine, all or the named ones, under a passphrase (sealed, too)."""

    passphrase: SecretInput
    key_ids: tuple[KeyId, ...] | None = Field(default=None, max_length=KEYS_PER_ACCOUNT_MAX)


class KeyExportResult(Result):
    """The encrypted file, in base64. `left_out` are ids of keys that cannot be read any more."""

    bundle: str
    keys: int
    left_out: tuple[str, ...]
