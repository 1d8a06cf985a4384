"""The command line end to end: real daemons, one store, the sandbox as provider.

The command line runs in this process, so that the processes it starts can be checked.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from byokd.catalog.loader import load
from byokd.cli.main import main
from byokd.sandbox import Sandbox
from byokd.store.paths import store_paths
from cli.shell import Byokd
from sandbox_env import BAD_KEY, GENERIC, KEY

KEY_ID = r"key_[a-z2-7]{26}"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Sandbox(keys=[KEY])) as provider,
    ):
        yield provider


@pytest.fixture
def byokd(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Byokd]:
    monkeypatch.setenv("COLUMNS", "80")
    run = Byokd(tmp_path, capsys, monkeypatch)
    run("vault init --protection keyFile --accept-risk keyFile")
    yield run
    run.restart()


def test_key_is_stored_used_disabled_and_removed(byokd: Byokd, sandbox: Sandbox) -> None:
    add = f"keys add {GENERIC} --base-url {sandbox.base_url} --label mine --stdin"
    stored = byokd(add, stdin=KEY + "\n")
    assert stored.startswith("stored key_")
    key_id = stored.split()[1]

    byokd.restart()
    table = byokd("keys list")
    assert key_id in table
    assert KEY[-4:] in table
    assert max(map(len, table.splitlines())) <= 80
    [listed] = json.loads(byokd("keys list --json"))
    assert (listed["keyId"], listed["state"], listed["isDefault"]) == (key_id, "active", True)

    assert byokd("keys label mine other") == f"{key_id} is called other\n"
    byokd(f"keys label {key_id} {'x' * 129}", code=2)
    assert "at most 128 characters" in byokd.err
    byokd(f"keys label {key_id} mine")
    assert byokd("keys probe mine").startswith("valid: ")
    byokd(f"keys disable {key_id}")
    byokd(f"chat {GENERIC} sandbox-echo hello", code=1)
    assert byokd.err.splitlines()[0].startswith("error: ")
    assert byokd.err.splitlines()[-1].startswith("hint: for the reason: byokd keys list")
    assert "active" in byokd(f"keys enable {GENERIC} --probe")
    assert byokd(f"keys rotate {key_id[:12]} --stdin", stdin=KEY).startswith("rotated key_")
    byokd.restart()
    assert byokd("keys default mine")
    byokd("keys remove mine", code=2)
    assert "--yes" in byokd.err
    assert byokd("keys remove mine --yes") == f"removed {key_id}\n"
    assert json.loads(byokd("keys list --json")) == []

    entries = byokd("audit list")
    assert max(map(len, entries.splitlines())) <= 80
    events = [entry["event"] for entry in json.loads(byokd("audit list --json"))]
    assert events[0] == "key.deleted"
    assert "key.created" in events
    assert byokd("audit verify").startswith("complete and unchanged; entries: ")


def test_key_appears_in_no_output_and_no_argument(byokd: Byokd, sandbox: Sandbox) -> None:
    add = f"keys add {GENERIC} --base-url {sandbox.base_url} --stdin"
    byokd(add, stdin=KEY)
    outputs = [byokd.out, byokd.err]
    byokd(add, stdin=BAD_KEY, code=1)
    outputs += [byokd.out, byokd.err]
    for command in ("keys list", "keys list --json", "audit list --json", "vault status"):
        byokd(command)
        outputs += [byokd.out, byokd.err]
    for text in [*outputs, *byokd.started]:
        assert KEY not in text
        assert BAD_KEY not in text
    assert byokd.started
    for path in byokd.folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes()


def test_chat_writes_only_the_answer_to_stdout(byokd: Byokd, sandbox: Sandbox) -> None:
    byokd(f"keys add {GENERIC} --base-url {sandbox.base_url} --stdin", stdin=KEY)
    answer = byokd(f"chat {GENERIC} sandbox-reasoning", stdin="how far is the moon?")
    assert answer.strip()
    assert "tokens in" in byokd.err
    assert "cost" in byokd.err
    assert answer.strip() not in byokd.err
    byokd(f"chat {GENERIC} sandbox-tools weather?")
    [whole] = json.loads(byokd(f"chat {GENERIC} sandbox-echo hello --json"))
    assert whole["finishReason"]["unified"] == "stop"
    byokd(f"chat {GENERIC} sandbox-echo", code=2)
    assert "the prompt is empty" in byokd.err
    byokd(f"chat {GENERIC} sandbox-fault-500 hello", code=1)
    assert byokd.err.startswith(("error: ", "retry in"))


def test_account_is_listed_and_deleted(byokd: Byokd, sandbox: Sandbox) -> None:
    add = f"keys add {GENERIC} --base-url {sandbox.base_url} --stdin"
    byokd(add, stdin=KEY)
    byokd(f"--account work {add}", stdin=KEY)
    byokd(f"--account work {add}", stdin=KEY)
    table = byokd("--account work accounts list")
    assert max(map(len, table.splitlines())) <= 80
    assert [line.split()[:2] for line in table.splitlines()[2:]] == [
        ["default", "1"],
        ["work", "*"],
    ]
    byokd("accounts delete work", code=2)
    assert "--confirm work" in byokd.err
    byokd("accounts delete work --confirm default", code=2)
    byokd("accounts delete attic --confirm attic", code=2)
    assert "there is no account 'attic'" in byokd.err
    assert byokd("accounts delete work --confirm work") == "deleted work: 2 keys\n"
    [account] = json.loads(byokd("accounts list --json"))
    assert (account["account"], account["keys"], account["current"]) == ("default", 1, True)
    byokd(f"--account work chat {GENERIC} sandbox-echo hello", code=1)
    assert json.loads(byokd("--account work keys list --json")) == []


def test_damaged_vault_is_restored_from_backup(
    byokd: Byokd, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A damaged store is not written to; a restore replaces it with the backup."""
    byokd(f"keys add {GENERIC} --base-url {sandbox.base_url} --stdin", stdin=KEY)
    byokd.restart()
    assert re.search(r"backup 1 +\d{4}-\d\d-\d\d \d\d:\d\d, [\d,]+ bytes", byokd("vault status"))
    store = tmp_path / "data" / "vault.db"
    store.write_bytes(store.read_bytes()[:4096] + bytes(range(256)) * 32)
    damaged = store.read_bytes()
    byokd.restart()
    status = " ".join(byokd("vault status").split())
    assert "unavailable reason storeCorrupt" in status
    assert "byokd vault restore takes the newest of 1" in status
    for command in ("keys list", f"chat {GENERIC} sandbox-echo hello"):
        byokd(command, code=1)
        assert "hint: restore the newest backup: byokd vault restore" in byokd.err
    assert store.read_bytes() == damaged
    byokd("vault restore", code=2)
    byokd("vault restore --from 2 --yes", code=1)
    byokd(f"vault restore --from {tmp_path}/nowhere.db --yes", code=1)
    assert "the old vault" in byokd("vault restore --yes")
    [aside] = store.parent.glob("vault.db.aside-*")
    assert aside.read_bytes() == damaged
    [listed] = json.loads(byokd("keys list --json"))
    assert listed["state"] == "active"
    byokd(f"keys remove {listed['keyId']} --yes")
    [backup] = (tmp_path / "data" / "backups").glob("*.db")
    byokd(f"vault restore --from {backup} --yes")
    assert json.loads(byokd("keys list --json")) == [], "no backup keeps a deleted key"
    for empty in (True, False):  # a missing vault is not silently created again
        byokd.restart()
        store.unlink()
        if empty:
            store.touch(0o600)
        byokd("vault init --protection keyFile --accept-risk keyFile", code=1)
        assert "the vault is missing but has backups" in byokd.err
        assert "byokd vault restore" in byokd.err
        byokd("vault restore --yes")
        assert byokd("audit verify").startswith("complete and unchanged; ")


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*anchor*")}


def test_restored_older_copy_is_shown_as_locked_until_it_is_accepted(
    byokd: Byokd, sandbox: Sandbox, tmp_path: Path
) -> None:
    add = f"keys add {GENERIC} --base-url {sandbox.base_url} --stdin"
    byokd(add, stdin=KEY)
    byokd.restart()
    # A copy of the person's own: byokd's backups are taken in the background.
    paths = store_paths(byokd.folder)
    copy = shutil.copy(paths.vault_db, tmp_path / "older.db")
    anchors = _contents(paths.state)
    while _contents(paths.state) == anchors:  # a busy daemon may end before it writes the anchor
        byokd(add, stdin=KEY)
        byokd.restart()
    shown = " ".join(byokd(f"vault restore --yes --from {copy}").split())
    assert "state locked" in shown
    assert "reason rollback" in shown
    assert "byokd vault unlock --accept-rollback" in shown
    byokd("keys list", code=1)
    assert "byokd vault unlock --accept-rollback" in byokd.err
    assert "unlocked" in byokd("vault unlock --accept-rollback")
    assert len(json.loads(byokd("keys list --json"))) == 1


def test_providers_and_models_are_listed(byokd: Byokd, sandbox: Sandbox) -> None:
    providers = json.loads(byokd("providers --json"))
    assert [item["id"] for item in providers] == list(load())
    table = byokd("providers")
    assert max(map(len, table.splitlines())) <= 80
    assert all(item["id"] in table for item in providers)
    for item in providers:
        if item["kind"] == "multiField":
            one = byokd(f"providers {item['id']}")
            assert all(field["name"] in one for field in item["fields"])
            break
    byokd(f"keys add {GENERIC} --base-url {sandbox.base_url} --stdin", stdin=KEY)
    models = json.loads(byokd(f"models {GENERIC} --json"))
    assert models
    assert max(map(len, byokd(f"models {GENERIC}").splitlines())) <= 80


MISTAKES = [
    ("providers attic", "", 2, "there is no provider 'attic'"),
    ("keys probe attic", "", 2, "there is no key 'attic'"),
    ("keys add attic --stdin", KEY, 2, "there is no provider 'attic'"),
    (f"keys add {GENERIC} --stdin", KEY, 1, "base URL"),
    (f"keys add {GENERIC} --base-url ftp://a.test --stdin", KEY, 1, "http"),
    (f"keys add {GENERIC} --field apiKey=x --stdin", KEY, 2, "cannot be given on the command line"),
    (f"keys add {GENERIC} --field nothing=x --stdin", KEY, 2, "NAME=VALUE"),
    (f"keys add {GENERIC}", KEY, 2, "--stdin"),
    ("vault init --protection memory", "", 2, "--accept-risk memory"),
    ("vault init --protection memory --accept-risk keyFile", "", 2, "--accept-risk memory"),
    ("vault init --protection keyFile --accept-risk keyFile", "", 1, "vault"),
    ("chat attic model hello", "", 1, "no such provider"),
    ("models attic", "", 1, "no such provider"),
]


def test_mistakes_print_an_error_and_a_hint(byokd: Byokd) -> None:
    for command, stdin, code, error in MISTAKES:
        byokd(command, stdin=stdin, code=code)
        first = byokd.err.splitlines()[0]
        assert first.startswith("error: "), command
        assert error.lower() in first.lower(), command
        assert "Traceback" not in byokd.err, command


def test_daemon_that_cannot_start_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("nonsense = [", encoding="utf-8")
    assert main(["--data-dir", str(tmp_path), "--config", str(config), "keys", "list"]) == 1
    error_text = capsys.readouterr().err
    assert error_text.startswith("error: ")
    assert "Traceback" not in error_text
    assert "hint: the daemon cannot start: " in error_text


@pytest.mark.skipif(sys.platform == "win32", reason="warnings at the start are not read there")
def test_provider_file_that_cannot_be_used_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("", encoding="utf-8")
    (tmp_path / "providers").mkdir()
    (tmp_path / "providers" / "attic.toml").write_text("nonsense = [", encoding="utf-8")
    options = ["--data-dir", str(tmp_path / "store"), "--config", str(config)]
    assert main([*options, "providers", "attic"]) == 2
    first, second = capsys.readouterr().err.splitlines()[:2]
    assert first.startswith("warning: the provider record ")
    assert "attic.toml cannot be used: not TOML" in first
    assert second.startswith("error: there is no provider 'attic'")
    assert main([*options, "providers", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-I", "-X", "utf8", "-m", "byokd", "demo"],
        env=os.environ | {"TMPDIR": str(tmp_path), "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        encoding="utf-8",
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "Nothing was left behind" in process.stdout
    assert list(tmp_path.iterdir()) == []
    assert "\x1b" not in process.stdout
