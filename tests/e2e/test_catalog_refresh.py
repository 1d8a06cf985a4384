"""The catalog is refreshed by the real daemon: on a person's word only, and with effect at once."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from contextlib import AbstractAsyncContextManager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from byokd.catalog.layers import bundled
from byokd.core.limits import CATALOG_MAX_BYTES
from catalog_file import Edit, Parts, a_provider, catalog_file, record_edit
from catalog_server import catalog_server, configured
from daemon import SILENT, Daemon, Json, RpcError, running
from sandbox_env import GENERIC, ask, sandbox, store_key, unlocked

pytestmark = pytest.mark.anyio

PROVIDER = a_provider()
DAY_MS = 24 * 3_600_000
AHEAD_DAYS = 60
TODAY = max(dt.datetime.now(dt.UTC).date(), dt.date.fromisoformat(bundled().date))
"""The daemons of these tests compare dates with a clock that is ahead, so these are in the past."""
FIRST, SECOND = ((TODAY + dt.timedelta(days)).isoformat() for days in (10, 20))


def daemon_at(
    folder: Path, config: Path, *more: str, **options: Any
) -> AbstractAsyncContextManager[Daemon]:
    """Run a daemon with a clock ahead, on a data folder."""
    ahead = str(AHEAD_DAYS * DAY_MS)
    arguments = ("--config", str(config), "--catalog-clock-ahead-ms", ahead, *more)
    return running(*arguments, data_dir=folder / "store", **options)


def written(folder: Path, *edits: Edit, day: str = FIRST) -> str:
    """Write a catalog file; return its path."""
    raw = catalog_file(*edits, day=day)
    path = folder / f"{sha256(raw).hexdigest()}.catalog"
    path.write_bytes(raw)
    return str(path)


async def refused(daemon: Daemon, **params: Any) -> tuple[str, str, str]:
    """Send a refresh that fails; return kind, reason and action of the error."""
    with pytest.raises(RpcError) as caught:
        await daemon.request("catalog/refresh", params)
    data = caught.value.data
    assert data["userMessage"]
    details = data["details"] if isinstance(data["details"], dict) else {}
    return (
        data["kind"],
        str(details.get("reason")),
        str((data["action"] or {}).get("type")),
    )


async def provider_info(daemon: Daemon, provider: str) -> Json:
    """Return a provider's entry of `provider/list`."""
    items = (await daemon.request("provider/list", {"limit": 1000}))["items"]
    return next(item for item in items if item["id"] == provider)


def model(parts: Parts) -> None:
    """Add a model with a price."""
    parts["models"]["providers"][PROVIDER].append(
        {"id": "invented-1", "rates": [{"input": "2", "output": "10"}]}
    )


async def test_refresh_is_used_at_once_recorded_kept_and_undone(tmp_path: Path) -> None:
    config = configured(tmp_path)
    first = written(tmp_path, model, record_edit(PROVIDER, notes=["first"]))
    second = written(tmp_path, model, record_edit(PROVIDER, notes=["second"]), day=SECOND)
    async with daemon_at(tmp_path, config) as daemon:
        await unlocked(daemon)
        shown = await daemon.request("catalog/refresh", {"from": first, "dryRun": True})
        assert not shown["applied"]
        assert {change["kind"] for change in shown["changes"]} == {"modelAdded", "recordChanged"}
        assert (await provider_info(daemon, PROVIDER))["layer"] == "bundled"

        assert (await daemon.request("catalog/refresh", {"from": first}))["applied"]
        changed = await daemon.until("catalog/changed")
        assert (changed["cause"], changed["catalog"]["date"]) == ("refreshed", FIRST)
        info = await provider_info(daemon, PROVIDER)
        assert (info["layer"], info["notes"]) == ("refreshed", ["first"])
        again = await daemon.request("catalog/refresh", {"from": first})
        assert (again["applied"], again["changes"]) == (False, [])
        assert (await daemon.request("catalog/refresh", {"from": second}))["applied"]
        assert await refused(daemon, **{"from": first}) == ("conflict", "notNewer", "None")

        undone = await daemon.request("catalog/undo", {})
        assert (undone["before"]["date"], undone["after"]["date"]) == (SECOND, FIRST)
        assert (await provider_info(daemon, PROVIDER))["notes"] == ["first"]
        assert (await daemon.request("catalog/refresh", {"from": second}))["applied"]
        assert (await daemon.request("catalog/undo", {}))["after"]["date"] == FIRST
        assert (await daemon.request("catalog/undo", {}))["after"]["layer"] == "bundled"
        with pytest.raises(RpcError, match="nothing to undo"):
            await daemon.request("catalog/undo", {})
        assert await refused(daemon, **{"from": first}) == ("conflict", "notNewer", "None")

        entries = (await daemon.request("audit/list", {}))["items"]
        recorded = [
            (entry["event"], entry["details"]["from"], entry["details"]["to"])
            for entry in reversed(entries)
            if entry["event"].startswith("catalog.")
        ]
        base = bundled().date
        assert recorded == [
            ("catalog.refreshed", base, FIRST), ("catalog.refreshed", FIRST, SECOND),
            ("catalog.undone", SECOND, FIRST), ("catalog.refreshed", FIRST, SECOND),
            ("catalog.undone", SECOND, FIRST), ("catalog.undone", FIRST, base),
        ]  # fmt: skip
        assert (await daemon.request("audit/verify", {}))["ok"]
        state = await daemon.request("catalog/show", {})
        assert [event["event"] for event in state["history"]] == [
            event.partition(".")[2] for event, _, _ in reversed(recorded)
        ]
        assert state["floor"] == SECOND


async def test_refreshed_data_is_in_the_first_answer_after_a_start(tmp_path: Path) -> None:
    config = configured(tmp_path)
    async with daemon_at(tmp_path, config) as daemon:
        await daemon.initialize()
        await daemon.request("catalog/refresh", {"from": written(tmp_path, model)})
        await daemon.close()
    async with daemon_at(tmp_path, config, module="byokd.testing") as daemon:
        await daemon.initialize()
        assert (await provider_info(daemon, PROVIDER))["layer"] == "refreshed"
        listed = await daemon.request("model/list", {"provider": PROVIDER, "includeUnlisted": True})
        assert "invented-1" in {item["id"] for item in listed["items"]}
        state = await daemon.request("catalog/show", {})
        assert state["history"][0]["event"] == "refreshed", "without a vault only here"
    no_key = configured(tmp_path, key=None)
    async with daemon_at(tmp_path, no_key) as daemon:
        await daemon.initialize()
        assert (await provider_info(daemon, PROVIDER))["layer"] == "bundled"


async def test_broken_record_is_repaired_by_a_refresh_without_a_restart(tmp_path: Path) -> None:
    """The price, its day and the data that it is from are those of the refreshed file, too."""
    config = configured(tmp_path)
    broken = written(tmp_path, record_edit(GENERIC, chat_path="/retired/completions"))
    repaired = written(tmp_path, _priced_echo, day=SECOND)
    async with sandbox() as provider, daemon_at(tmp_path, config) as daemon:
        await unlocked(daemon)
        await daemon.request("catalog/refresh", {"from": broken})
        key_id = (await store_key(daemon, provider, probe="skip"))["keyId"]
        with pytest.raises(RpcError):
            await ask(daemon, "sandbox-echo", key_id=key_id)
        result = await daemon.request("catalog/refresh", {"from": repaired})
        answer = await ask(daemon, "sandbox-echo", key_id=key_id)
        assert answer["message"]["content"][0]["text"].startswith("You said")
        assert answer["cost"]["basis"] == f"refreshed:{result['after']['sha256'][:16]}"
        assert answer["cost"]["source"] == "catalog"


def _priced_echo(parts: Parts) -> None:
    parts["models"]["providers"][GENERIC] = [
        {"id": "sandbox-echo", "rates": [{"input": "1", "output": "2"}]}
    ]


async def test_broken_record_is_repaired_by_an_override(tmp_path: Path) -> None:
    config = configured(tmp_path)
    broken = written(tmp_path, record_edit(GENERIC, chat_path="/retired/completions"))
    folder = config.parent / "providers"
    folder.mkdir()
    async with sandbox() as provider:
        async with daemon_at(tmp_path, config) as daemon:
            await daemon.initialize()
            await daemon.request("catalog/refresh", {"from": broken})
            await daemon.close()
        (folder / f"{GENERIC}.toml").write_text(_override(GENERIC), encoding="utf-8")
        async with daemon_at(tmp_path, config) as daemon:
            await unlocked(daemon)
            assert (await provider_info(daemon, GENERIC))["layer"] == "override"
            key_id = (await store_key(daemon, provider))["keyId"]
            answer = await ask(daemon, "sandbox-echo", key_id=key_id)
            assert answer["message"]["content"][0]["text"].startswith("You said")
            state = await daemon.request("catalog/show", {})
            assert [(o["provider"], o["unused"]) for o in state["overrides"]] == [(GENERIC, None)]
            # the shipped record becomes newer than the person's
            sources = [{"url": "https://x.example", "checked": SECOND}]
            newer = written(tmp_path, record_edit(GENERIC, sources=sources), day=SECOND)
            await daemon.request("catalog/refresh", {"from": newer})
            assert (await provider_info(daemon, GENERIC))["layer"] == "refreshed"
            note = await daemon.until(
                "window/logMessage", lambda p: f"providers/{GENERIC}.toml" in p["message"]
            )
            assert "not used: the shipped record is newer" in note["message"]


def _override(provider: str) -> str:
    """Return the text of the shipped record as an override."""
    from importlib import resources

    shipped = resources.files("byokd.catalog").joinpath("providers", f"{provider}.toml")
    return "overrides = true\n" + shipped.read_text("utf-8")


# --- nothing leaves unasked ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["never", "ask", "weekly"])
async def test_real_daemon_connects_to_nothing_by_itself(tmp_path: Path, mode: str) -> None:
    async with catalog_server(tmp_path) as server:
        config = configured(tmp_path, server, refresh=mode)
        async with running(
            "--config", str(config), data_dir=tmp_path / "store", module="byokd"
        ) as daemon:
            await daemon.initialize(capabilities={"prompt": True})
            await daemon.request("provider/list", {})
            await daemon.request("model/list", {"allProviders": True})
            await daemon.request("vault/status", {})
            assert (await daemon.request("catalog/show", {}))["mode"] == mode
            await daemon.close()
        assert server.connections == 0


CHECKED = b"the catalog in use is of"
QUIET: list[tuple[str, str, bool, str | None]] = [
    ("ask", "fresh", True, "Refresh"),
    ("weekly", "fresh", True, "Refresh"),
    ("ask", "old", False, "Refresh"),  # the client cannot ask
    ("ask", "old", True, "Not now"),
    ("ask", "old", True, None),
]


@pytest.mark.parametrize(("mode", "age", "prompt", "answer"), QUIET)
async def test_no_connection_without_consent(
    tmp_path: Path, mode: str, age: str, answer: str | None, *, prompt: bool
) -> None:
    ages = ["--catalog-old-after-ms", "0"]
    if age == "fresh":
        ages = ["--catalog-old-after-ms", str(10**13), "--catalog-again-after-ms", str(10**13)]
    async with catalog_server(tmp_path) as server:
        config = configured(tmp_path, server, refresh=mode)
        async with daemon_at(tmp_path, config, *ages, "--log-level", "debug") as daemon:
            daemon.on_request = lambda _method, _params: {"title": answer} if answer else None
            await daemon.initialize(capabilities={"prompt": prompt})
            await daemon.logged(CHECKED, 5)
            await daemon.close()
        assert server.connections == 0


async def test_prompt_asks_once_and_fetches_after_consent(tmp_path: Path) -> None:
    prompts: list[Json] = []
    async with catalog_server(tmp_path, catalog_file(model, day=FIRST)) as server:
        config = configured(tmp_path, server, refresh="ask")
        old = ("--catalog-old-after-ms", "0", "--log-level", "debug")
        async with daemon_at(tmp_path, config, *old) as daemon:

            def consent(method: str, params: Json) -> Json:
                assert (method, server.connections) == ("window/showMessageRequest", 0)
                prompts.append(params)
                return {"title": "Refresh"}

            daemon.on_request = consent
            await daemon.initialize(capabilities={"prompt": True})
            assert (await daemon.until("catalog/changed"))["catalog"]["date"] == FIRST
            checks = daemon.stderr.count(CHECKED)
            await daemon.logged(CHECKED, checks + 3)
            await daemon.close()
        assert server.connections == 1
        [prompt] = prompts
        assert prompt["_meta"] == {
            "topic": "catalog",
            "keyId": None,
            "provider": None,
            "label": None,
            "reason": "old",
        }
        assert [action["title"] for action in prompt["actions"]] == ["Refresh", "Not now"]
        assert "127.0.0.1" in prompt["message"]
        # another process of the same person does not ask again
        async with daemon_at(tmp_path, config, *old) as daemon:
            await daemon.initialize(capabilities={"prompt": True})
            await daemon.logged(CHECKED, 3)
            await daemon.close()
        assert server.connections == 1


async def test_prompt_without_an_answer_is_withdrawn(tmp_path: Path) -> None:
    async with catalog_server(tmp_path) as server:
        config = configured(tmp_path, server, refresh="ask")
        options = ("--catalog-old-after-ms", "0", "--prompt-timeout-ms", "1")
        async with daemon_at(tmp_path, config, *options) as daemon:
            daemon.on_request = lambda _method, _params: SILENT
            await daemon.initialize(capabilities={"prompt": True})
            assert (await daemon.until("$/cancelRequest"))["id"].startswith("s:")
            await daemon.close()
        assert server.connections == 0


async def test_weekly_is_consent_in_the_configuration(tmp_path: Path) -> None:
    async with catalog_server(tmp_path, catalog_file(model, day=FIRST)) as server:
        config = configured(tmp_path, server, refresh="weekly")
        async with daemon_at(tmp_path, config, "--log-level", "debug") as daemon:
            await daemon.initialize()
            assert (await daemon.until("catalog/changed"))["cause"] == "refreshed"
            checks = daemon.stderr.count(CHECKED)
            await daemon.logged(CHECKED, checks + 3)
            await daemon.close()
        assert server.connections == 1


# --- the request ---------------------------------------------------------------------------------


async def test_request_says_nothing_about_the_person(tmp_path: Path) -> None:
    async with catalog_server(tmp_path, catalog_file(model, day=FIRST)) as server:
        server.headers = 'set-cookie: id=1\r\netag: "person-1"\r\n'
        config = configured(tmp_path, server)
        async with daemon_at(tmp_path, config) as daemon:
            await daemon.initialize()
            assert (await daemon.request("catalog/refresh", {}))["applied"]
            assert not (await daemon.request("catalog/refresh", {}))["applied"]
        host = server.url.removeprefix("https://").partition("/")[0]
        exact = (
            f"GET /byokd.catalog HTTP/1.1\r\nhost: {host}\r\nuser-agent: byokd\r\naccept: */*\r\n"
            "accept-encoding: identity\r\nconnection: close\r\n\r\n"
        )
        assert [head.decode().lower() for head in server.requests] == [exact.lower()] * 2


async def test_request_goes_through_the_persons_proxy(tmp_path: Path) -> None:
    heads: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 403 no\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(proxy, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    config = configured(
        tmp_path,
        network=f'proxy = "http://127.0.0.1:{port}"',
        url="https://catalog.example/byokd.catalog",
    )
    async with listener, daemon_at(tmp_path, config) as daemon:
        await daemon.initialize()
        assert (await refused(daemon))[:2] == ("network", "proxy")
    [head] = heads
    assert head.startswith(b"CONNECT catalog.example:443 HTTP/1.1\r\n")
    assert b"byokd/" not in head


ANSWERS: list[tuple[str, str, bytes, tuple[str, str, str]]] = [
    ("404 Not Found", "", b"", ("providerError", "None", "editSettings")),
    ("503 Busy", "", b"", ("providerError", "None", "wait")),
    (
        "302 Found", "location: https://x.example\r\n", b"",
        ("providerRedirect", "None", "editSettings"),
    ),
    ("204 No Content", "", b"", ("providerError", "None", "editSettings")),
    ("200 OK", "", b"<html>login</html>", ("conflict", "notACatalog", "None")),
    ("200 OK", "", catalog_file(day=FIRST)[:-1], ("conflict", "signature", "None")),
    ("200 OK", "", b" " * CATALOG_MAX_BYTES, ("conflict", "notACatalog", "None")),
    ("200 OK", "", b" " * (CATALOG_MAX_BYTES + 1), ("providerError", "None", "None")),
]  # fmt: skip


async def test_answer_that_is_no_catalog_changes_nothing(tmp_path: Path) -> None:
    async with catalog_server(tmp_path) as server:
        config = configured(tmp_path, server)
        async with daemon_at(tmp_path, config) as daemon:
            await daemon.initialize()
            for status, headers, body, expected in ANSWERS:
                server.status, server.headers, server.body = status, headers, body
                assert await refused(daemon) == expected, status
            state = await daemon.request("catalog/show", {})
            assert (state["catalog"]["layer"], state["history"]) == ("bundled", [])


async def test_untrusted_server_is_refused(tmp_path: Path) -> None:
    async with catalog_server(tmp_path, catalog_file(day=FIRST)) as server:
        config = configured(tmp_path, url=server.url)
        async with daemon_at(tmp_path, config) as daemon:
            await daemon.initialize()
            assert await refused(daemon) == ("network", "tls", "checkNetwork")


@pytest.mark.parametrize(
    ("key", "url", "params"),
    [
        (None, None, {}),
        (None, "https://catalog.example/x", {}),
        ("pinned", None, {}),
        (None, None, {"from": "any"}),
    ],
)
async def test_without_address_and_key_nothing_is_asked(
    tmp_path: Path, key: str | None, url: str | None, params: Json
) -> None:
    options: Json = {"url": url} if key else {"url": url, "key": None}
    config = configured(tmp_path, **options)
    if "from" in params:
        params = {"from": written(tmp_path)}
    async with daemon_at(tmp_path, config) as daemon:
        await daemon.initialize()
        assert await refused(daemon, **params) == ("unsupported", "None", "editSettings")


# --- refused, damaged, several processes ---------------------------------------------------------


async def test_refused_file_changes_nothing(tmp_path: Path) -> None:
    config = configured(tmp_path)
    moved = written(tmp_path, _dearer)
    cases: list[tuple[str, str]] = [
        (written(tmp_path, day="2020-01-01"), "notNewer"),
        (written(tmp_path, record_edit(PROVIDER, base_url="https://x.example")), "fixedField"),
        (moved, "priceMoved"),
    ]
    async with daemon_at(tmp_path, config) as daemon:
        await unlocked(daemon)
        before = await daemon.request("catalog/show", {})
        for path, reason in cases:
            assert (await refused(daemon, **{"from": path}))[:2] == ("conflict", reason)
        assert (await refused(daemon, **{"from": "relative"}))[0] == "invalidParams"
        assert (await refused(daemon, **{"from": str(tmp_path)}))[0] == "invalidParams"
        assert await daemon.request("catalog/show", {}) == before
        events = {entry["event"] for entry in (await daemon.request("audit/list", {}))["items"]}
        assert not {event for event in events if event.startswith("catalog.")}
        assert (await daemon.request("catalog/refresh", {"from": moved, "accept": True}))["applied"]


def _dearer(parts: Parts) -> None:
    line = next(each for each in parts["models"]["providers"][PROVIDER] if "rates" in each)
    for rates in line["rates"]:
        rates["output"] = "99999"


async def test_locked_vault_refuses_and_nothing_is_sent(tmp_path: Path) -> None:
    async with catalog_server(tmp_path, catalog_file(day=FIRST)) as server:
        config = configured(tmp_path, server)
        async with daemon_at(tmp_path, config) as daemon:
            await unlocked(daemon)
            await daemon.request("vault/lock", {})
            assert (await refused(daemon))[0] == "vaultLocked"
            assert server.connections == 0
            with pytest.raises(RpcError, match="lock"):
                await daemon.request("catalog/undo", {})


@pytest.mark.parametrize("damage", ["bit", "cut", "gone", "state", "other state"])
async def test_damaged_file_is_put_aside_and_reported(tmp_path: Path, damage: str) -> None:
    config = configured(tmp_path)
    path = written(tmp_path, model)
    folder = tmp_path / "store" / "data" / "catalog"
    async with daemon_at(tmp_path, config) as daemon:
        await daemon.initialize()
        await daemon.request("catalog/refresh", {"from": path})
        await daemon.close()
    [file] = folder.glob("*.catalog")
    _damage(folder, file, damage)
    async with daemon_at(tmp_path, config) as daemon:
        await daemon.initialize()
        assert (await provider_info(daemon, PROVIDER))["layer"] == "bundled"
        note = await daemon.until("window/logMessage", lambda p: "bundled" in p["message"])
        assert note["type"] == 2
        assert "byokd catalog refresh" in note["message"]
        state = await daemon.request("catalog/show", {})
        assert state["history"][0]["event"] == "putAside"
        assert state["refreshed"] is None
        assert (await daemon.request("catalog/refresh", {"from": path}))["applied"]
    assert list(folder.glob("*.bad"))


def _damage(folder: Path, file: Path, damage: str) -> None:
    state = folder / "state.json"
    match damage:
        case "bit":
            file.write_bytes(file.read_bytes().replace(b"invented", b"invanted"))
        case "cut":
            file.write_bytes(file.read_bytes()[:-1])
        case "gone":
            file.unlink()
        case "state":
            state.write_bytes(b"{")
        case _:
            state.write_text(json.dumps(json.loads(state.read_text()) | {"colour": 1}))


async def _applied(daemon: Daemon, path: str) -> bool:
    """Refresh, again as long as the other process holds the store; tell whether it was applied."""
    while True:
        try:
            result = await daemon.request("catalog/refresh", {"from": path})
        except RpcError as error:
            if error.kind != "storeBusy":
                raise
        else:
            return bool(result["applied"])


async def test_two_processes_refresh_at_once(tmp_path: Path) -> None:
    config = configured(tmp_path)
    path = written(tmp_path, model)
    async with daemon_at(tmp_path, config) as one, daemon_at(tmp_path, config) as two:
        for daemon in (one, two):
            await daemon.initialize()
        results = await asyncio.gather(*(_applied(daemon, path) for daemon in (one, two, one, two)))
        assert sorted(results) == [False, False, False, True]
        for daemon in (one, two):
            assert (await daemon.until("catalog/changed"))["catalog"]["date"] == FIRST
            assert (await provider_info(daemon, PROVIDER))["layer"] == "refreshed"
        state = await one.request("catalog/show", {})
        assert [event["event"] for event in state["history"]] == ["refreshed"]
        await two.request("catalog/undo", {})
        undone = await one.until("catalog/changed", lambda p: p["catalog"]["layer"] == "bundled")
        assert undone["cause"] == "elsewhere"
    assert len(list((tmp_path / "store" / "data" / "catalog").glob("*.catalog"))) == 0


async def test_last_two_files_are_kept(tmp_path: Path) -> None:
    config = configured(tmp_path)
    folder = tmp_path / "store" / "data" / "catalog"
    async with daemon_at(tmp_path, config) as daemon:
        await daemon.initialize()
        for number in range(1, 5):
            day = (TODAY + dt.timedelta(number)).isoformat()
            await daemon.request("catalog/refresh", {"from": written(tmp_path, day=day)})
            assert len(list(folder.glob("*.catalog"))) == min(number, 2)
            assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


async def test_chat_that_runs_keeps_its_record(tmp_path: Path) -> None:
    config = configured(tmp_path)
    broken = written(tmp_path, record_edit(GENERIC, chat_path="/retired/completions"))
    async with sandbox() as provider, daemon_at(tmp_path, config) as daemon:
        await unlocked(daemon)
        key_id = (await store_key(daemon, provider))["keyId"]
        running_chat = asyncio.ensure_future(ask(daemon, "sandbox-paced-20hz-40", key_id=key_id))
        await daemon.until("chat/events")
        await daemon.request("catalog/refresh", {"from": broken})
        assert (await running_chat)["finishReason"]["unified"] == "length"
