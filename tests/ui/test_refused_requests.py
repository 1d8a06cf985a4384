"""What the server of `byokd ui` refuses. A refusal changes nothing, so the tests share one page."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from byokd.core.limits import UI_BODY_MAX_BYTES
from byokd.ui.authorization import COOKIE, HEADER
from ui.browser import Browser, opened

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with opened(tmp_path_factory.mktemp("page")) as browser:
        assert (await browser.read())["type"] == "hello"  # a page that reads is not closed
        yield browser


@pytest.fixture
async def browser(page: Browser) -> AsyncIterator[Browser]:
    """Lend the page; afterwards its own browser is still served."""
    cookies = page.cookies
    yield page
    page.cookies = cookies
    assert page.server.reason is None
    assert await page.post("/message", {"type": "cancel", "id": 1}) == 204


async def test_page_without_a_token_has_no_secret(browser: Browser) -> None:
    response = await browser.get("/", Cookie=f"{COOKIE}={browser.auth.cookie}")
    text = await response.text()
    assert response.status == 200
    for secret in (browser.auth.secret, browser.auth.cookie, browser.auth.token):
        assert secret not in text
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    "changes",
    [
        {HEADER: None},
        {HEADER: "x"},
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://example.com"},
        {"Host": "example.com"},
        {"Host": "localhost"},
        {"Host": "127.0.0.1:1"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/message", "/events"])
async def test_another_page_is_refused(
    browser: Browser, path: str, changes: dict[str, str | None]
) -> None:
    renamed = {name.replace("-", "_"): value for name, value in changes.items()}
    assert await browser.post(path, {"type": "cancel", "id": 1}, **renamed) == 403
    assert await browser.post("/message", {"type": "cancel", "id": 1}) == 204


async def test_a_cookie_alone_and_a_secret_alone_open_nothing(browser: Browser) -> None:
    message = {"type": "cancel", "id": 1}
    assert await browser.post("/message", message, **{HEADER.replace("-", "_"): None}) == 403
    browser.cookies = {}
    assert await browser.post("/message", message) == 403
    browser.cookies = {COOKIE: "x"}
    assert await browser.post("/message", message) == 403


async def test_no_cors_and_strict_headers_on_every_answer(browser: Browser) -> None:
    for path in ("/", "/page.js", "/page.css", "/icon.svg", "/nothing", "/?token=x"):
        response = await browser.get(path, Origin="https://example.com")
        assert "Access-Control-Allow-Origin" not in response.headers
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert (await browser.get("/nothing")).status == 404
    assert (await browser.get("/page.js", Host="example.com")).status == 403


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        {},
        {"type": "request"},
        {"type": "request", "id": "1", "method": "x", "params": {}},
        {"type": "cancel", "id": None},
        {"type": "answer", "id": 1, "title": None},
        {"type": "other"},
    ],
    ids=str,
)
async def test_what_is_no_message_is_refused(browser: Browser, message: Any) -> None:
    assert await browser.post("/message", message) == 400


async def test_body_has_a_bound(browser: Browser) -> None:
    frame = len(json.dumps({"type": "cancel", "id": 1, "x": ""}))
    fits = {"type": "cancel", "id": 1, "x": "x" * (UI_BODY_MAX_BYTES - frame)}
    assert await browser.post("/message", fits) == 204
    assert await browser.post("/message", fits | {"x": str(fits["x"]) + "x"}) == 413
    assert await browser.post("/message", {}, Content_Type="text/plain") == 415
