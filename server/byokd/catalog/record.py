"""The types of a provider record: one TOML file becomes one `Provider`.

A record sets flags and strings; a difference that needs logic is a dialect. Quirks are typed in
`catalog.quirks`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field as Default,
    JsonValue,
    StringConstraints,
    model_validator,
)
from pydantic_core import to_json

from byokd.catalog.rules import RuleName
from byokd.core.settings import OwnModel
from byokd.protocol.base import ProviderId
from byokd.protocol.errors import Kind

if TYPE_CHECKING:
    from byokd.catalog.quirks.shared import Quirks

Q = TypeVar("Q", bound="Quirks")

Pointer: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(/[^/]+)*$")]
"""A JSON pointer (RFC 6901); the empty one is the whole body."""

Day: TypeAlias = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
"""A calendar day, `YYYY-MM-DD`."""

Origin: TypeAlias = Annotated[str, StringConstraints(pattern=r"^https://[a-z0-9.{}A-Z-]+$")]
"""An https origin, which may hold `{field}` templates."""

HealthClass: TypeAlias = Literal[
    "authOk", "authInvalid", "authUnsure", "authDead", "forbiddenScope", "notFromProvider",
    "neutral",
]  # fmt: skip
"""What an answer says about the key (`authOk` also for an error that proves it was accepted).

`authUnsure`: the same answer comes for a bad key and for a good one at the wrong address.
"""

Verdict: TypeAlias = Literal[
    "valid", "validRestricted", "noFunds", "rateLimited", "invalid",
    "wrongProvider", "wrongRegion", "unreachable", "unknown",
]  # fmt: skip


RawQuirks: TypeAlias = dict[str, JsonValue]
"""Quirks as a record has them, by name.

They are validated by the loader and by `Provider.quirks_for`, and not when a record is built: the
list of providers is answered without them, and a dialect's type is needed at its first chat only.
"""


class _Record(BaseModel):
    # The schemas are built together when the first record is validated, and not at import. For the
    # same reason defaults are tables that are validated, and not instances.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Field(_Record):
    """One input of the key form; see `protocol.provider.FieldInfo`."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][A-Za-z0-9]{0,63}$")]
    label: str
    secret: bool = True
    required: bool = True
    address_only: bool = False
    pattern: str | None = None
    hint: str | None = None
    env: tuple[str, ...] = ()


class Auth(_Record):
    """How a credential is put on a request.

    `bearer`: `Authorization: Bearer <field>`; `header`: `<header>: <field>`; `sigv4`: AWS signing
    with `accessKeyId`, `secretAccessKey`, `sessionToken`, `region`; `none`: not at all. Where an
    optional field is empty, `otherwise` applies.
    """

    scheme: Literal["bearer", "header", "sigv4", "none"] = "bearer"
    field: str = "apiKey"
    header: str = "authorization"
    signing_name: str | None = None
    otherwise: Auth | None = None


class Condition(_Record):
    """When a row applies: all conditions that are set must hold.

    `code` and `type` are compared in lower case with those of the error, in the body or in a header
    such as `x-amzn-errortype`; `*` matches any characters. `message` is a regular expression,
    searched in the error's text in any case. `pointer` leads to a value in the body that equals
    `equals`.
    """

    status: tuple[int, ...] = ()
    code: tuple[str, ...] = ()
    type: tuple[str, ...] = ()
    message: str | None = None
    pointer: Pointer | None = None
    equals: str | int | bool | None = None


class ErrorRow(_Record):
    """One line of the classifier: what an error body means. The first row that applies wins.

    A row with only a status is read last, after the general rows.

    `hint` tells the person what to do: lower case, no full stop. `signed` marks an error that a
    wrong clock of ours causes as well: without the provider's time it says nothing about the key.
    """

    when: Condition
    kind: Kind
    health: HealthClass | None = None
    retryable: bool | None = None
    hint: str | None = None
    signed: bool = False
    source: str = ""


class RefusalRow(_Record):
    """Words with which providers refuse a parameter, a conversation or a chat path.

    `message` is searched in the error's text without regard to case. Its group `names` holds one
    parameter, or several with commas, dotted where it is nested; `names` here stands in where the
    words have none. The groups `least` and `most` hold the bound of a number, and `inside` the
    object that holds the parameter.

    `then` is what the next request does. `leaveOut`: leave the parameters out, rename them or move
    them to the bound. `setValue`: send `value` in their place. `applyRule`: apply the conversation
    rule `rule`. `changeSurface`: use the surface whose dialect is `surface`.
    """

    message: str
    names: str = ""
    then: Literal["leaveOut", "setValue", "applyRule", "changeSurface"] = "leaveOut"
    value: JsonValue = None
    rule: RuleName | None = None
    surface: str | None = None
    source: str
    checked: Day

    @model_validator(mode="after")
    def _check_argument(self) -> RefusalRow:
        arguments = {"setValue": "value", "applyRule": "rule", "changeSurface": "surface"}
        present = [name for name in arguments.values() if getattr(self, name) is not None]
        needed = arguments.get(self.then)
        if present != ([needed] if needed else []):
            raise ValueError(f"a row with then = {self.then!r} has the wrong argument: {present}")
        return self


class VerdictRow(_Record):
    """What an answer to the probe means, where the classifier would be wrong."""

    when: Condition
    verdict: Verdict
    source: str = ""


class Probe(_Record):
    """The cheapest authenticated request.

    `path` is under the key's base URL. `url` is absolute, may hold `{field}` templates, and is on
    the provider's own or a companion origin; it is used only while the key's origin is the record's
    default. With another origin `path` is used, and without a `path` there is no probe. The first
    of `verdicts` that applies wins over the classifier, also on a 200. `fallback` is sent when the
    verdict is `unknown`. `details` are pointers into the answer to report.

    Keys that begin with one of `key_prefixes` are probably this provider's: it is a hint for a key
    that another provider has refused, and nothing more.
    """

    method: Literal["GET", "POST"] = "GET"
    path: str | None = None
    url: str | None = None
    body: str | None = None
    key_prefixes: tuple[str, ...] = ()
    models_pointer: Pointer | None = None
    details: dict[str, Pointer] = {}
    verdicts: tuple[VerdictRow, ...] = ()
    fallback: Probe | None = None


class LivePrice(_Record):
    """Where a model list states prices: pointers inside an item, to a number or decimal text.

    A price times `per_million` is money per million tokens.
    """

    input: Pointer
    output: Pointer
    cache_read: Pointer | None = None
    cache_write: Pointer | None = None
    per_million: Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?$")] = "1"
    currency: str = "USD"


class ModelDetail(_Record):
    """The request for each model whose context is not listed; `"{id}"` in `body` is its id."""

    path: str
    body: str


class Models(_Record):
    """How the live model list is read.

    `items`: JSON pointer to the array ("" when the body is the array). The other fields are
    pointers inside an item; where several are named, the first that holds a value wins.
    `path` and `url` are chosen as in `Probe`. `id_prefix` is cut off an id.

    `tools`, `reasoning` and `deprecated` point at a flag, or at a list of feature names that is
    searched for `tool`, `reasoning` or `deprecat`; for `deprecated` any date or text counts too.
    `kind` points at a word, a list of words or a flag (read as `true` or `false`): the model
    chats if one of them is in `chat_kinds`. `non_chat_pattern` is searched in the id.

    The page after this one is the same request with `next_query` set to what `next_pointer`
    holds, as long as that is not empty and `more_pointer`, if given, is not false. `also` are
    further lists of the same provider; one that is `over` adds no models, and its facts win.
    `fallback` is read instead where the path does not exist. `static` ids are always listed;
    `{field}` is a plain field of the key. `own` are the person's own entries.
    """

    path: str | None = None
    url: str | None = None
    items: Pointer = "/data"
    id: Pointer = "/id"
    id_prefix: str = ""
    name: tuple[Pointer, ...] = ()
    context: tuple[Pointer, ...] = ()
    output: tuple[Pointer, ...] = ()
    modalities: Pointer | None = None
    tools: Pointer | None = None
    reasoning: Pointer | None = None
    deprecated: Pointer | None = None
    price: LivePrice | None = None
    kind: Pointer | None = None
    chat_kinds: tuple[str, ...] = ()
    non_chat_pattern: str | None = None
    next_pointer: Pointer | None = None
    next_query: str | None = None
    more_pointer: Pointer | None = None
    also: tuple[Models, ...] = ()
    over: bool = False
    fallback: Models | None = None
    detail: ModelDetail | None = None
    static: tuple[str, ...] = ()
    own: tuple[OwnModel, ...] = ()


class Variant(_Record):
    """Quirks that hold only for models whose id `models`, a regular expression, is found in."""

    models: str
    quirks: RawQuirks


class Pasted(_Record):
    """An address that people paste, and what it says about a key.

    `pattern` must match the whole address, in any case; its named groups are plain fields of the
    key. `base_url` is a template over those groups, where the key's base URL is not the record's.
    """

    pattern: str
    base_url: str | None = None


class Surface(_Record):
    """Another dialect of a provider, and when it is used.

    `models` is searched in the model id, `base_url` in the key's base URL and each of `fields` in
    that plain field of the key; all that are set must match. A surface without any is used only
    where the client names its dialect, or the key's base URL ends in its `chat_path`. With
    `fallback` it is also used where the usual path does not exist. Its `quirks` win over those of
    the record.
    """

    dialect: str
    chat_path: str
    models: str | None = None
    base_url: str | None = None
    fields: dict[str, str] = {}
    fallback: bool = False
    quirks: RawQuirks = {}


class Source(_Record):
    """Where facts were read, and when."""

    url: str
    checked: Day
    what: str = ""


class Provider(_Record):
    """One provider.

    `base_url` may hold `{field}` templates for the key's plain fields. `base_url_env` names the
    variables that change it in other programs; here they never do. The first of `pasted` that
    matches a pasted address reads it. `companion_origins` are https templates for probe and model
    requests. At least one of the sets of fields in `one_of` must be complete. All of `variants`
    that match a model apply, later ones over earlier ones. `dialect` is used at `chat_path`, unless
    one of `surfaces` applies (`catalog.surfaces`). The rows of `errors` and `refusals` are read
    before the general ones.
    """

    id: ProviderId
    name: str
    kind: Literal["managed", "singleField", "multiField", "custom"]
    stage: Literal["stable", "preview"] = "stable"
    dialect: str
    base_url: str | None = None
    base_url_required: bool = False
    base_url_hint: str | None = None
    base_url_env: tuple[str, ...] = ()
    pasted: tuple[Pasted, ...] = ()
    keyless: bool = False
    fields: tuple[Field, ...]
    one_of: tuple[tuple[str, ...], ...] = ()
    auth: Auth = Default(default={}, validate_default=True)
    headers: dict[str, str] = {}
    chat_path: str = "/chat/completions"
    surfaces: tuple[Surface, ...] = ()
    companion_origins: tuple[Origin, ...] = ()
    key_url: str | None = None
    key_prefix_hint: str | None = None
    docs_url: str | None = None
    tool_calling: str
    pricing: str
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    probe: Probe
    models: Models
    quirks: RawQuirks = {}
    variants: tuple[Variant, ...] = ()
    errors: tuple[ErrorRow, ...] = ()
    refusals: tuple[RefusalRow, ...] = ()
    sources: tuple[Source, ...] = Default(min_length=1)

    def field(self, name: str) -> Field | None:
        """Return the field of that name, or None."""
        return next((field for field in self.fields if field.name == name), None)

    def quirks_for(self, model: str) -> Quirks:
        """Return the quirks that hold for a model, with those of its variants.

        Raises:
            TypeError: the record's dialect is unknown.
        """
        from byokd.catalog.quirks import quirks_type

        form = quirks_type(self.dialect)
        if form is None:
            raise TypeError(f"the dialect {self.dialect} has no quirks")
        return self.quirks_as(form, model)

    def quirks_as(self, form: type[Q], model: str) -> Q:
        """Return the quirks that hold for a model, in the type of the dialect that reads them."""
        raw = dict(self.quirks)
        for variant in self.variants:
            if re.search(variant.models, model):
                raw |= variant.quirks
        quirks: Q = _parse_quirks(form, to_json(raw))
        return quirks


@lru_cache(maxsize=256)
def _parse_quirks(form: type[Q], raw: bytes) -> Q:
    # Each chat asks for quirks, and validating them costs more than writing a short request.
    return form.model_validate_json(raw)
