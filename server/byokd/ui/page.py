"""The files of the page and the headers that they are served with."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Nothing runs or loads but our own files, and no other page may embed or read them."""

TYPES: Final = {"page.js": "text/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml"}

_HTML: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">{secret}
<title>AI Providers</title>
<link rel="stylesheet" href="/page.css">
<link rel="icon" href="/icon.svg">
</head>
<body>
<main id="page"><noscript>This page needs JavaScript.</noscript></main>
<script type="module" src="/page.js"></script>
</body>
</html>
"""


def html(secret: str | None) -> str:
    """Return the page. The page removes the secret from its document at once."""
    meta = "" if secret is None else f'\n<meta name="byokd-page" content="{secret}">'
    return _HTML.format(secret=meta)


def asset(name: str) -> bytes:
    return files("byokd.ui").joinpath("assets", name).read_bytes()
