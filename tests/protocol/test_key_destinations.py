"""No request can choose the address, proxy or certificate authority for an existing key.

A field whose name contains such a word needs a row in `_ALLOWED` with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from byokd.config.files import _File
from byokd.protocol.lifecycle import ClientOptions
from contract_methods import REQUESTS

_WORDS = re.compile(
    r"url|uri|origin|host|address|endpoint|port$|proxy|tunnel|insecure|verify(?!$)|tls|ssl|"
    r"cert|authorit|(^|_)ca(_|$)|file|path|folder|dir|exec|command|binary|program|env|header",
    re.IGNORECASE,
)
_NEW_KEY = "of a key in the same request, which is sealed to it"
_NO_KEY = "read and shown; no key is in the request, and nothing is sent"
_SAME = "bound to the sealed secret; an origin other than the key's own is a conflict"
_CONTENT = "of an image or a source in a message; nothing is fetched from it"
_BACKUP = "of a backup, whose rows are authenticated under this vault's own keys"
_MASTER = "one of three fixed places of a key file; it names no path"
_ALLOWED: dict[tuple[str, str], str] = {
    ("key/store", "baseUrl"): _NEW_KEY,
    ("key/store", "allowInsecureOrigin"): _NEW_KEY,
    ("key/probe", "baseUrl"): _NEW_KEY,
    ("key/probe", "allowInsecureOrigin"): _NEW_KEY,
    ("provider/readAddress", "baseUrl"): _NO_KEY,
    ("provider/readAddress", "allowInsecureOrigin"): _NO_KEY,
    ("provider/test", "baseUrl"): _NEW_KEY,
    ("provider/test", "allowInsecureOrigin"): _NEW_KEY,
    ("key/import", "baseUrl"): _NEW_KEY,
    ("key/import", "allowInsecureOrigin"): _NEW_KEY,
    ("key/import", "path"): "of a file that the user named, to read keys from",
    ("key/rotate", "baseUrl"): _SAME,
    ("chat/send", "url"): _CONTENT,
    ("chat/countTokens", "url"): _CONTENT,
    ("vault/initialize", "keyFile"): _MASTER,
    ("vault/rekey", "keyFile"): _MASTER,
    ("vault/restore", "path"): _BACKUP,
}
_OPEN = {
    "chat/send": {"providerOptions", "inputSchema", "schema", "arguments", "providerState"},
    "chat/countTokens": {"inputSchema", "arguments", "providerState"},
}


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from node.get("properties", {})
        for each in node.values():
            yield from _names(each)
    elif isinstance(node, list):
        for each in node:
            yield from _names(each)


def test_no_request_names_the_destination_of_a_stored_key() -> None:
    used = {
        (method.name, name)
        for method in REQUESTS
        for name in _names(method.params_type().model_json_schema(by_alias=True))
        if _WORDS.search(name) and name not in _OPEN.get(method.name, ())
    }
    assert used <= _ALLOWED.keys(), "a request must not say where a stored key is sent"
    assert used == _ALLOWED.keys(), "a row of the table is out of date"


def test_initialize_names_no_key_destination() -> None:
    names = set(_names(ClientOptions.model_json_schema(by_alias=True)))
    assert not {name for name in names if _WORDS.search(name)}


def test_pattern_matches_the_names_in_the_configuration_file() -> None:
    names = set(_names(_File.model_json_schema()))
    matching = {name for name in names if _WORDS.search(name)}
    assert {"proxy", "extra_ca_file", "key_file", "base_url", "headers"} <= matching
