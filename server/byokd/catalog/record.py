"""What a provider is, as frozen types: one TOML record becomes one `Provider`.

Knows the shape of the facts. Must not know any one fact, nor read a file. A record may set flags
and strings; the moment a difference needs logic it is a dialect.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field as Default, StringConstraints

from byokd.protocol.errors import Kind

HealthClass: TypeAlias = Literal[
    "authOk", "authInvalid", "authDead", "forbiddenScope", "notFromProvider", "neutral"
]
"""What one answer says about the key (`authOk` also for an error that proves it was accepted)."""

Verdict: TypeAlias = Literal[
    "valid", "validRestricted", "noFunds", "rateLimited", "invalid",
    "wrongProvider", "wrongRegion", "unreachable", "unknown",
]  # fmt: skip


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Field(_Record):
    """One input of the key form."""

    name: str
    label: str
    secret: bool = True
    required: bool = True
    pattern: str | None = None
    hint: str | None = None


class Auth(_Record):
    """How a credential goes on a request.

    `bearer`: `Authorization: Bearer <field>`; `header`: `<header>: <field>`; `sigv4`: AWS signing;
    `none`: nothing. An optional field that is empty puts nothing on the request.
    """

    scheme: Literal["bearer", "header", "sigv4", "none"] = "bearer"
    field: str = "apiKey"
    header: str = "authorization"
    signing_name: str | None = None


class Condition(_Record):
    """When a row applies: all that is given must hold.

    `code` and `type` are compared, as lower-case text, with the body's error code and type;
    `message` is a regular expression searched in the error's text without regard to case;
    `pointer` is a JSON pointer into the body, compared with `equals` as JSON.
    """

    status: tuple[int, ...] = ()
    code: tuple[str, ...] = ()
    type: tuple[str, ...] = ()
    message: str | None = None
    pointer: str | None = None
    equals: str | int | bool | None = None


class ErrorRow(_Record):
    """One line of the classifier: what an error body means. The first row that applies wins."""

    when: Condition
    kind: Kind
    health: HealthClass | None = None
    retryable: bool | None = None
    source: str = ""


class VerdictRow(_Record):
    """What an answer to the probe means, where the general reading would be wrong."""

    when: Condition
    verdict: Verdict
    source: str = ""


class Probe(_Record):
    """The cheapest authenticated question. `path` is under the key's base URL; `url` is absolute,
    on a companion origin, and used only while the key's origin is the record's default.
    """

    method: Literal["GET", "POST"] = "GET"
    path: str | None = None
    url: str | None = None
    body: str | None = None
    models_pointer: str | None = None
    details: dict[str, str] = {}
    verdicts: tuple[VerdictRow, ...] = ()


class Models(_Record):
    """How the live list is read.

    `items`: JSON pointer to the array ("" when the body is the array). The other fields are
    pointers inside an item; `context` and `output` may name several, the first number wins.
    `id_prefix` is cut off an id. `next_pointer` and `next_query` follow pages.
    """

    path: str | None = None
    url: str | None = None
    items: str = "/data"
    id: str = "/id"
    id_prefix: str = ""
    name: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    modalities: str | None = None
    tools: str | None = None
    kind: str | None = None
    chat_kinds: tuple[str, ...] = ()
    non_chat_pattern: str | None = None
    next_pointer: str | None = None
    next_query: str | None = None
    static: tuple[str, ...] = ()


class Quirks(_Record):
    """What a provider wants to be *sent* differently. What it sends is accepted in any spelling.

    Each flag has its evidence in the records that set it.
    """

    max_tokens_field: Literal["max_tokens", "max_completion_tokens", "max_output_tokens"] = (
        "max_tokens"
    )
    max_tokens_default: int | None = None
    reasoning_models: str | None = None
    reasoning_max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    reasoning_drops: tuple[str, ...] = ()
    stream_usage: bool = True
    unsupported: tuple[str, ...] = ()
    tool_choice_required: str = "required"
    tool_choice_named: bool = True
    tool_call_id_pattern: str | None = None
    tools_supported: bool = True
    parallel_tool_calls: bool | None = None
    response_format: Literal["json_schema", "json_object", "none"] = "json_schema"
    images: bool = True
    image_data_uri_only: bool = False
    files: Literal["file", "data_without_prefix", "none"] = "none"
    effort_field: Literal[
        "reasoning_effort", "reasoning", "thinking", "enable_thinking", "none"
    ] = "none"
    effort_words: dict[str, str] = {}
    reasoning_echo: Literal[
        "reasoning_content", "reasoning", "reasoning_details", "think_tags", "none"
    ] = "none"
    reasoning_echo_models: str | None = None
    think_tags: bool = False
    system_role: Literal["system", "developer"] = "system"
    strict_alternation: bool = False
    user_after_tool_forbidden: bool = False
    text_content_as_string: bool = False
    cache_control: bool = False
    reasoning_in_completion: bool = True
    cache_in_prompt: bool = True
    cost_pointer: str | None = None
    cost_divisor: int = 1
    cost_header: str | None = None
    temperature_min_exclusive: bool = False
    temperature_max: float | None = None
    extra_body: dict[str, str | int | bool] = {}


class Source(_Record):
    """Where a fact was read, and when."""

    url: str
    checked: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    what: str = ""


class Provider(_Record):
    """One provider: all that the daemon knows about it.

    `base_url` may hold `{field}` templates filled from the key's plain fields. `chat_path` is
    joined to it by the dialect. `companion_origins` are https templates for probe and model calls.
    """

    id: str
    name: str
    kind: Literal["managed", "singleField", "multiField", "custom"]
    stage: Literal["stable", "preview"] = "stable"
    dialect: str
    base_url: str | None = None
    base_url_required: bool = False
    base_url_hint: str | None = None
    keyless: bool = False
    fields: tuple[Field, ...]
    auth: Auth = Auth()
    headers: dict[str, str] = {}
    chat_path: str = "/chat/completions"
    companion_origins: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    key_url: str | None = None
    key_prefix_hint: str | None = None
    docs_url: str | None = None
    tool_calling: str
    pricing: str
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    probe: Probe
    models: Models
    quirks: Quirks = Quirks()
    errors: tuple[ErrorRow, ...] = ()
    sources: tuple[Source, ...] = Default(min_length=1)

    def field(self, name: str) -> Field | None:
        """Return the field of that name, or None."""
        return next((field for field in self.fields if field.name == name), None)
