"""The types of a provider record: one TOML file becomes one `Provider`.

A record sets flags and strings; a difference that needs logic is a dialect.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field as Default,
    JsonValue,
    StringConstraints,
    model_validator,
)
from pydantic_core import to_json

from byokd.catalog.rules import RuleName
from byokd.catalog.variant import RawQuirks, Variant
from byokd.core.settings import OwnModel
from byokd.protocol.base import ProviderId
from byokd.protocol.errors import Kind

if TYPE_CHECKING:
    from byokd.catalog.quirks.shared import Quirks

Q = TypeVar("Q", bound="Quirks")

Pointer: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(/[^/]+)*$")]
"""A JSON pointer (RFC 6901); the empty one is the whole body."""


def _require_day(text: str) -> str:
    date.fromisoformat(text)
    return text


Day: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_require_day)
]
"""A calendar day, `YYYY-MM-DD`."""

# Without `#`, `\\`, spaces and control characters, which would end the path or a request line.
_PATH_CHARACTERS: Final = r"[!-\"$-\[\]-~]*"
Path: TypeAlias = Annotated[
    str, StringConstraints(pattern=rf"^(?:/|(?:\.\./)+){_PATH_CHARACTERS}$")
]
"""A path that `dialects.base.urls.join_url` puts under a base URL."""

UrlEnding: TypeAlias = Annotated[str, StringConstraints(pattern=rf"^[/:]{_PATH_CHARACTERS}$")]
"""The end of a URL, after its host."""

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


Refused: TypeAlias = Literal["parameter", "value", "forced"]
"""What of a parameter is refused: all of it, the value that was sent, or a forced tool call."""


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
    """How a credential is put on a request."""

    # bearer: `Authorization: Bearer <field>`; header: `<header>: <field>`; sigv4: AWS signing with
    # `accessKeyId`, `secretAccessKey`, `sessionToken`, `region`
    scheme: Literal["bearer", "header", "sigv4", "none"] = "bearer"
    field: str = "apiKey"
    header: str = "authorization"
    signing_name: str | None = None
    otherwise: Auth | None = None  # applies where an optional field is empty


class Condition(_Record):
    """When a row applies: all conditions that are set must hold."""

    status: tuple[int, ...] = ()
    # `code` and `type` are compared in lower case with those of the error, in the body or in a
    # header such as `x-amzn-errortype`; `*` matches any characters.
    code: tuple[str, ...] = ()
    type: tuple[str, ...] = ()
    message: str | None = None  # regular expression, searched in the error text in any case
    pointer: Pointer | None = None  # to a value in the body that equals `equals`
    equals: str | int | bool | None = None
    has: Pointer | None = None  # to a value that is in the body, whatever it is


class ErrorRow(_Record):
    """What an error body means. The first row that applies wins.

    A row with only a status is read last, after the general rows.
    """

    when: Condition
    kind: Kind
    health: HealthClass | None = None
    retryable: bool | None = None
    # What to do, for the person: lower case, no full stop. `{name}` is the provider, and the name
    # of a group in `when.message` is its digits. Without them the kind's own sentence is shown.
    hint: str | None = None
    # A wrong clock of ours causes it as well: without the provider's time it says nothing about the
    # key.
    signed: bool = False
    source: str = ""


class RefusalRow(_Record):
    """A text with which providers refuse a parameter, a conversation or a chat path."""

    # Regular expression, searched in the error text in any case. Its group `names` holds one
    # parameter, or several with commas, dotted where nested; `least` and `most` the bound of a
    # number; `inside` the object that holds the parameter; `accepted` the words that are accepted.
    message: str
    names: str = ""  # for a text without that group
    # What the next request does. leaveOut: leave the parameters out, rename them or move them to
    # the bound; setValue: send `value` instead; applyRule: apply the conversation rule `rule`;
    # changeSurface: use the surface whose dialect is `surface`; setQuirks: encode with `quirks`.
    then: Literal["leaveOut", "setValue", "applyRule", "changeSurface", "setQuirks"] = "leaveOut"
    of: Refused = "parameter"
    value: JsonValue = None
    beside: str = ""  # setValue: only in a body that has this field as well
    rule: RuleName | None = None
    surface: str | None = None
    quirks: RawQuirks | None = None
    once: bool = False  # learn it for this chat only
    source: str
    checked: Day

    @model_validator(mode="after")
    def _check_argument(self) -> RefusalRow:
        arguments = {
            "setValue": "value",
            "applyRule": "rule",
            "changeSurface": "surface",
            "setQuirks": "quirks",
        }
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

    `url` is used only while the key's origin is the record's default, else `path`; without a
    `path` there is then no probe.
    """

    method: Literal["GET", "POST"] = "GET"
    path: Path | None = None  # under the key's base URL
    # may hold `{field}` templates; on the provider's own or a companion origin
    url: str | None = None
    body: str | None = None
    models_pointer: Pointer | None = None
    details: dict[str, Pointer] = {}  # pointers into the answer, to report
    # the first that applies wins over the classifier, also on a 200
    verdicts: tuple[VerdictRow, ...] = ()
    fallback: Probe | None = None  # sent if the verdict is `unknown`


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
    """The request for each model whose context is not listed."""

    path: Path
    body: str  # `"{id}"` is replaced by the model's id


class Ending(_Record):
    """The day on which models are switched off."""

    models: str  # a regular expression for the whole id
    day: Day
    source: str
    checked: Day


class Models(_Record):
    """How the live model list is read.

    Pointers after `items` are inside an item; of several, the first that holds a value wins.
    `path` and `url` are chosen as in `Probe`.
    """

    path: Path | None = None
    url: str | None = None
    items: Pointer = "/data"  # to the array; "" if the body is the array
    id: Pointer = "/id"
    id_prefix: str = ""  # cut off an id
    name: tuple[Pointer, ...] = ()
    context: tuple[Pointer, ...] = ()
    output: tuple[Pointer, ...] = ()
    modalities: Pointer | None = None
    # `tools`, `reasoning` and `deprecated` point at a flag, or at a list of feature names that is
    # searched for `tool`, `reasoning` or `deprecat`; for `deprecated` any date or text counts too.
    tools: Pointer | None = None
    reasoning: Pointer | None = None
    deprecated: Pointer | None = None
    efforts: Pointer | None = None  # to a list of effort words, or an object of them
    ends: Pointer | None = None  # to the time at which the model is switched off
    price: LivePrice | None = None
    # To a word, a list of words or a flag (`true` or `false`): the model chats if one of them is in
    # `chat_kinds`.
    kind: Pointer | None = None
    chat_kinds: tuple[str, ...] = ()
    non_chat_pattern: str | None = None  # searched in the id
    # The next page is the same request with `next_query` set to what this points at, while that is
    # not empty and `more_pointer`, if set, is not false.
    next_pointer: Pointer | None = None
    next_query: str | None = None
    more_pointer: Pointer | None = None
    also: tuple[Models, ...] = ()  # further lists of the same provider
    over: bool = False  # in `also`: adds no models, and its facts win
    if_bare: bool = False  # with `over`: read only if no model of the lists states its context
    fallback: Models | None = None  # read instead if the path does not exist
    detail: ModelDetail | None = None
    static: tuple[str, ...] = ()  # ids that are always listed; `{field}` is a plain field
    own: tuple[OwnModel, ...] = ()  # the person's own entries
    # Days on which models end, where the list does not say; the first that matches counts.
    endings: tuple[Ending, ...] = ()


class Host(_Record):
    """Another address of the same provider: a region, a plan, a network.

    It is a choice for people, stored as the base URL of a key. A shipped default never moves.
    """

    name: str
    base_url: str  # may hold `{field}` templates
    note: str = ""  # who needs it, and which keys work there
    source: str  # with the day it was current


class KeyPrefix(_Record):
    """How keys of the provider begin: a hint for which provider a key is, never a check of one."""

    text: Annotated[str, StringConstraints(min_length=2, max_length=32)]
    shared: bool = False  # keys of other providers begin so, too
    source: str  # with the day or month it was current


class Pasted(_Record):
    """An address that people paste, and what it says about a key."""

    pattern: str  # must match the whole address, in any case; its named groups are plain fields
    base_url: str | None = None  # a template over those groups; None: the record's base URL


class Like(_Record):
    """Whose quirks a surface has: those of another shipped record of the same dialect.

    `prefix` is cut off the ids of models: gateways name the maker in front.
    """

    provider: ProviderId
    prefix: str = ""


class Surface(_Record):
    """Another dialect of a provider, and when it is used.

    `models`, `base_url` and `fields` are regular expressions, searched; all that are set must
    match. A surface without any is used only where the client names its dialect, or the key's
    base URL ends in its `chat_path`. What is None is that of the record.
    """

    dialect: str
    chat_path: Path
    source: str = ""  # where it is documented, with the day that was current
    auth: Auth | None = None
    headers: dict[str, str] = {}  # besides those of the record
    probe: Probe | None = None  # for a key whose address selects the surface, as `listing`
    listing: Models | None = None
    like: Like | None = None
    models: str | None = None
    base_url: str | None = None
    fields: dict[str, str] = {}  # by plain field of the key
    fallback: bool = False  # also used where the usual path does not exist
    quirks: RawQuirks = {}  # win over those of the record


class TokenCount(_Record):
    """A free request that counts the input tokens of a chat in `dialect`.

    It goes to the chat's URL with `ending` in place of `chat_ending`.
    """

    dialect: str
    chat_ending: UrlEnding  # of the URL of a chat that is not streamed
    ending: UrlEnding
    fields: tuple[str, ...]  # of the chat's body that are sent
    add: dict[str, str] = {}  # further fields; `{model}` is the model's id
    inside: Pointer = ""  # where the fields are in the body
    tokens: Pointer  # to the number in the answer


class Source(_Record):
    url: str
    checked: Day  # on which what it says was current, which may be before it was opened
    what: str = ""


class Provider(_Record):
    """One provider.

    `dialect` is used at `chat_path`, unless one of `surfaces` applies (`catalog.surfaces`).
    """

    id: ProviderId
    name: str
    kind: Literal["managed", "singleField", "multiField", "custom"]
    stage: Literal["stable", "preview"] = "stable"
    dialect: str
    base_url: str | None = None  # may hold `{field}` templates for the key's plain fields
    base_url_required: bool = False
    base_url_hint: str | None = None
    # variables that set it in other programs, but not here
    base_url_env: tuple[str, ...] = ()
    hosts: tuple[Host, ...] = ()
    pasted: tuple[Pasted, ...] = ()  # the first that matches a pasted address reads it
    keyless: bool = False
    fields: tuple[Field, ...]
    one_of: tuple[tuple[str, ...], ...] = ()  # sets of fields, one of which must be complete
    auth: Auth = Default(default={}, validate_default=True)
    # may hold `{field}` templates; a header is left out while its field is empty
    headers: dict[str, str] = {}
    chat_path: Path = "/chat/completions"
    surfaces: tuple[Surface, ...] = ()
    token_counts: tuple[TokenCount, ...] = ()
    companion_origins: tuple[Origin, ...] = ()  # for probe and model requests
    key_url: str | None = None
    key_prefixes: tuple[KeyPrefix, ...] = ()  # the usual one first
    docs_url: str | None = None
    tool_calling: str
    pricing: str
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    probe: Probe
    models: Models
    quirks: RawQuirks = {}
    # over the shared rules of `families.toml`; all that match apply, later ones over earlier ones
    variants: tuple[Variant, ...] = ()
    errors: tuple[ErrorRow, ...] = ()  # `errors` and `refusals` are read before the general ones.
    refusals: tuple[RefusalRow, ...] = ()
    sources: tuple[Source, ...] = Default(min_length=1)
    overrides: bool = False  # a person's own record in place of the shipped one

    @property
    def checked(self) -> str:
        """The day on which its newest source was checked."""
        return max(source.checked for source in self.sources)

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)

    def quirks_for(self, model: str) -> Quirks:
        """Return the quirks for a model, with those of its variants.

        Raises:
            TypeError: the record's dialect is unknown.
        """
        from byokd.catalog.quirks import quirks_type

        form = quirks_type(self.dialect)
        if form is None:
            raise TypeError(f"the dialect {self.dialect} has no quirks")
        return self.quirks_as(form, model)

    def quirks_as(self, form: type[Q], model: str) -> Q:
        """Return the quirks for a model, in the type of the dialect that reads them."""
        from byokd.catalog.families import merged

        quirks: Q = _parse_quirks(form, to_json(merged(self._layers(form, model))))
        return quirks

    def _layers(self, form: type[Q], model: str) -> Iterator[RawQuirks]:
        """Yield the record's quirks, those of the model's family, and those of the variants."""
        from byokd.catalog.families import applies, shared_quirks

        yield self.quirks
        for quirks in shared_quirks(model, self.dialect):
            yield {name: value for name, value in quirks.items() if name in form.model_fields}
        for variant in self.variants:
            if applies(variant, model, self.dialect):
                yield variant.quirks


@lru_cache(maxsize=256)
def _parse_quirks(form: type[Q], raw: bytes) -> Q:
    # Each chat asks for quirks, and validating them costs more than writing a short request.
    return form.model_validate_json(raw)
