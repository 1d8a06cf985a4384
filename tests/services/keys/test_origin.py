"""Base URLs: accepted ones in canonical form, refused ones with a reason."""

from __future__ import annotations

import pytest

from byokd.protocol.errors import InvalidParams
from byokd.services.keys.origin import URL_MAX_CHARS, read_base_url

_ACCEPTED = [
    ("https://api.openai.com/v1", "https://api.openai.com/v1", "https://api.openai.com:443"),
    ("https://API.OpenAI.com:443/v1/", "https://api.openai.com/v1", "https://api.openai.com:443"),
    ("  https://h.example:8443  ", "https://h.example:8443", "https://h.example:8443"),
    ("https://xn--pi-6kc.example", "https://xn--pi-6kc.example", "https://xn--pi-6kc.example:443"),
    ("http://localhost:11434/v1", "http://localhost:11434/v1", "http://localhost:11434"),
    ("http://127.0.0.1", "http://127.0.0.1", "http://127.0.0.1:80"),
    ("http://127.8.9.1:1/x", "http://127.8.9.1:1/x", "http://127.8.9.1:1"),
    ("http://[::1]:8080", "http://[::1]:8080", "http://[::1]:8080"),
    ("https://[2001:DB8:0::1]/a", "https://[2001:db8::1]/a", "https://[2001:db8::1]:443"),
    ("https://8.8.8.8", "https://8.8.8.8", "https://8.8.8.8:443"),
    ("https://10.0.0.1/v1", "https://10.0.0.1/v1", "https://10.0.0.1:443"),
    ("https://a_b.example/p%20q/", "https://a_b.example/p%20q", "https://a_b.example:443"),
]

_REFUSED = [
    "", "api.openai.com", "ftp://h.example", "https://", "https:///v1", "https:h.example",
    "https://api.openai.com@evil.example/", "https://user:pw@h.example", "https://h.example?x=1",
    "https://h.example/#f", "https://api.openai.com%2eevil.example", "https://h.example.",
    "https://h..example", "https://-h.example", "https://h-.example", "https://h example",
    "https://h.example/a b", "https://h.example/a/../b", "https://h.example/./b",
    "https://h.example//b", "https://h.example\\b", "https://h.example/%zz", "https://127.1",
    "https://0x7f000001", "https://0x7f.1", "https://2130706433", "https://1.2.3.04",
    "https://1.2.3.256", "https://1.2.3", "https://h.example:0", "https://h.example:65536",
    "https://h.example:", "https://h.example:x", "https://[::1", "https://[::g]",
    "https://[fe80::1%25eth0]", "https://\u0430pi.openai.com", "https://h\u3002example",
    "http://h.example", "http://8.8.8.8", "http://10.0.0.1", "http://[fd00::1]",
    "http://169.254.169.254", "https://169.254.169.254", "https://0.0.0.0", "https://[::]",
    "https://[fe80::1]", "https://224.0.0.1", "https://[::ffff:169.254.169.254]",
    "http://localhost.evil.example", "https://" + "a" * 64 + ".example",
    "https://h.example/" + "a" * URL_MAX_CHARS, "https://h.example/\n", "https://h.ex\tample",
]  # fmt: skip


@pytest.mark.parametrize(("text", "url", "origin"), _ACCEPTED)
def test_accepted_base_url_is_canonical(text: str, url: str, origin: str) -> None:
    base = read_base_url(text)
    assert (base.url, base.origin) == (url, origin)
    assert read_base_url(base.url) == base, "the canonical form stays the same"


@pytest.mark.parametrize("text", _REFUSED)
def test_base_url_is_refused(text: str) -> None:
    # A line break at the very end is white space around what was pasted, and is cut off.
    if text.endswith("\n"):
        assert read_base_url(text).url == text.rstrip("/\n")
        return
    with pytest.raises(InvalidParams) as caught:
        read_base_url(text)
    assert caught.value.user_message.startswith("this base URL is not accepted: ")


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("http://10.0.0.1", True),
        ("http://192.168.1.5:8080/v1", True),
        ("http://[fd00::1]", True),
        ("http://8.8.8.8", False),
        ("http://h.example", False),
        ("http://169.254.169.254", False),
    ],
)
def test_plain_http_to_a_private_address_needs_permission(text: str, *, allowed: bool) -> None:
    if allowed:
        assert read_base_url(text, allow_insecure=True).url == text
    else:
        with pytest.raises(InvalidParams):
            read_base_url(text, allow_insecure=True)
