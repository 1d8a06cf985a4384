"""No request can say where an existing key goes, through what, or whom to believe there.

Knows the words that would. Must not know what a method does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from byokd.config.files import _File
from byokd.protocol.lifecycle import ClientOptions
from byokd.protocol.methods import REQUESTS

_WORDS = re.compile(
    r"url|uri|origin|host|address|endpoint|port$|proxy|tunnel|insecure|verify(?!$)|tls|ssl|"
    r"cert|authorit|(^|_)ca(_|$)|file|path|folder|dir|exec|command|binary|program|env|header",
    re.IGNORECASE,
)
_NEW_KEY = "of a key that comes with the request; it is sealed to it"
_SAME = "bound to the sealed secret; another origin than the key's own is a conflict"
_CONTENT = "of a picture or a source in a message; nothing is fetched from it"
_BACKUP = "of a backup, whose rows are authenticated under this vault's own keys"
_MASTER = "one of three fixed places of a master key; it names no path"
_ALLOWED: dict[tuple[str, str], str] = {
    ("key/store", "baseUrl"): _NEW_KEY,
    ("key/store", "allowInsecureOrigin"): _NEW_KEY,
    ("key/probe", "baseUrl"): _NEW_KEY,
    ("key/probe", "allowInsecureOrigin"): _NEW_KEY,
    ("provider/test", "baseUrl"): _NEW_KEY,
    ("provider/test", "allowInsecureOrigin"): _NEW_KEY,
    ("key/import", "baseUrl"): _NEW_KEY,
    ("key/import", "allowInsecureOrigin"): _NEW_KEY,
    ("key/import", "path"): "of a file that the person named, to read keys from",
    ("key/rotate", "baseUrl"): _SAME,
    ("chat/send", "url"): _CONTENT,
    ("vault/initialize", "keyFile"): _MASTER,
    ("vault/rekey", "keyFile"): _MASTER,
    ("vault/restore", "path"): _BACKUP,
}
_OPEN = {"chat/send": {"providerOptions", "inputSchema", "schema", "arguments", "providerState"}}


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from node.get("properties", {})
        for each in node.values():
            yield from _names(each)
    elif isinstance(node, list):
        for each in node:
            yield from _names(each)


def test_no_request_names_where_an_existing_key_goes() -> None:
    found = {
        (method.name, name)
        for method in REQUESTS
        for name in _names(method.params_type().model_json_schema(by_alias=True))
        if _WORDS.search(name) and name not in _OPEN.get(method.name, ())
    }
    assert found <= _ALLOWED.keys(), "a request must not say where a stored key goes"
    assert found == _ALLOWED.keys(), "a row of the table is out of date"


def test_initialize_does_not_either() -> None:
    names = set(_names(ClientOptions.model_json_schema(by_alias=True)))
    assert not {name for name in names if _WORDS.search(name)}


def test_words_match_the_configuration_file() -> None:
    """What only the configuration file may say is among them."""
    names = set(_names(_File.model_json_schema()))
    said = {name for name in names if _WORDS.search(name)}
    assert {"proxy", "extra_ca_file", "key_file", "base_url", "headers"} <= said
