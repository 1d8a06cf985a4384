"""Import and export of keys with real daemons and files; the sandbox is the provider."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from byokd.core.limits import ENV_FILE_MAX_BYTES, PASSPHRASE_MIN_CHARS, VARIABLES_MAX
from byokd.crypto import seal
from byokd.sandbox import Sandbox
from daemon import Daemon, Json, RpcError, running
from sandbox_env import BAD_KEY, GENERIC, KEY, ask, sandbox, store_key

pytestmark = pytest.mark.anyio

FILE = {"protection": "keyFile", "acceptRisk": "keyFile"}
PASSPHRASE = "moved with four words"
OTHER_KEY = "some-other-key-0123456789"
PROXY = "LITELLM_API_KEY"
"""A variable of a provider whose keys need a base URL from the person: here, the sandbox's."""


@asynccontextmanager
async def vault(folder: Path, *arguments: str, **options: Any) -> AsyncIterator[Daemon]:
    """Run the real daemon on a folder with a vault."""
    async with running(*arguments, data_dir=folder, module="byokd", **options) as daemon:
        await daemon.initialize()
        if (await daemon.request("vault/status", {}))["vault"]["state"] == "uninitialized":
            await daemon.request("vault/initialize", FILE)
        yield daemon


def _sealed(daemon: Daemon, method: str, field: str, text: str) -> Json:
    info = seal.info(method, account=daemon.info["account"], field=field)
    return {"sealed": seal.seal(daemon.info["sealing"]["publicKey"], text, info)}


def _variables(daemon: Daemon, variables: Mapping[str, str]) -> Json:
    sealed = {name: _sealed(daemon, "key/import", name, value) for name, value in variables.items()}
    return {"type": "variables", "variables": sealed}


async def _preview(daemon: Daemon, source: Json) -> Json:
    result: Json = await daemon.request("key/import", {"source": source})
    assert result["outcomes"] is None, "a preview stores nothing"
    return result


async def _import(daemon: Daemon, source: Json, *chosen: Json, probe: str = "skip") -> list[Json]:
    params = {"source": source, "choose": list(chosen), "probe": probe}
    outcomes: list[Json] = (await daemon.request("key/import", params))["outcomes"]
    assert [outcome["id"] for outcome in outcomes] == [choice["id"] for choice in chosen]
    return outcomes


async def _stored(daemon: Daemon) -> list[tuple[str, str | None]]:
    items = (await daemon.request("key/list", {}))["items"]
    return [(item["provider"], item["label"]) for item in items]


async def _refused(daemon: Daemon, source: Json) -> tuple[str, str]:
    with pytest.raises(RpcError) as refused:
        await daemon.request("key/import", {"source": source})
    assert refused.value.kind == "invalidParams"
    [detail] = refused.value.data["details"]
    return detail["pointer"], detail["reason"]


async def test_preview_shows_no_secret(tmp_path: Path) -> None:
    variables = {
        "MISTRAL_API_KEY": KEY,
        "OPENAI_API_KEY": f" {OTHER_KEY}\n",
        "OPENAI_BASE_URL": "https://gateway.example/v1",
        "GROQ_API_KEY": "wörd",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret/0123456789/abcdef",
        PROXY: OTHER_KEY,
        "AZURE_OPENAI_API_KEY": OTHER_KEY,
        "AZURE_OPENAI_ENDPOINT": "https://somewhere.cognitiveservices.azure.com",
        "UNKNOWN_API_KEY": OTHER_KEY,
    }
    async with vault(tmp_path) as daemon:
        preview = await _preview(daemon, _variables(daemon, variables))
        items = {item["provider"]: item for item in preview["items"]}
        results = {
            name: str(item["problem"]["type"] if item["problem"] else item["origin"])
            for name, item in items.items()
        }
        assert sorted(results.values()) == sorted([
            "https://api.mistral.ai:443", "https://api.openai.com:443", "malformed",
            "missingField", "baseUrl", "baseUrl",
        ])  # fmt: skip
        first = items["mistral"]
        assert (first["last4"], first["variables"]) == (KEY[-4:], ["MISTRAL_API_KEY"])
        assert (first["fields"], first["fingerprint"], first["storedAs"]) == (
            ["apiKey"],
            None,
            None,
        )
        ignored = [(item["variable"], item["reason"]) for item in preview["ignored"]]
        assert ignored == [("OPENAI_BASE_URL", "baseUrl")]
        preview_text = json.dumps(preview)
        for name, value in variables.items():
            assert value.strip() not in preview_text or name.endswith(("_URL", "_ENDPOINT"))
        assert await _stored(daemon) == []


async def test_chosen_keys_are_probed_and_stored(tmp_path: Path) -> None:
    async with sandbox() as provider, vault(tmp_path) as daemon:
        names = {PROXY: KEY, "MISTRAL_API_KEY": OTHER_KEY, "OPENAI_API_KEY": OTHER_KEY}
        source = _variables(daemon, names)
        items = {item["provider"]: item for item in (await _preview(daemon, source))["items"]}
        proxy, plain = items["litellm"], items["mistral"]
        unknown = {"id": "item_" + "0" * 32}
        address = {"baseUrl": provider.base_url, "label": "from my shell"}
        good, missing, no_address = await _import(
            daemon,
            source,
            {"id": proxy["id"]} | address,
            unknown,
            {"id": proxy["id"]},
            probe="require",
        )
        assert good["probe"]["verdict"] == "valid"
        assert good["key"]["origin"] == provider.base_url.rsplit("/", 1)[0]
        assert missing["error"]["kind"] == "notFound"
        assert no_address["error"]["kind"] == "invalidParams", "no address was given"
        assert await _stored(daemon) == [("litellm", "from my shell")]

        [stored] = await _import(daemon, source, {"id": plain["id"], "makeDefault": True})
        assert stored["key"]["isDefault"]
        assert stored["probe"] is None
        [duplicate] = await _import(daemon, source, {"id": plain["id"]})
        assert (duplicate["error"]["kind"], duplicate["key"]) == ("conflict", None)
        assert duplicate["error"]["keyId"] == stored["key"]["keyId"]
        after = {item["provider"]: item for item in (await _preview(daemon, source))["items"]}
        assert after["mistral"]["storedAs"] == stored["key"]["keyId"]
        assert after["mistral"]["problem"]["type"] == "stored"
        assert after["mistral"]["fingerprint"] == stored["key"]["fingerprint"]
        assert after["openai"]["storedAs"] is None, "the same secret at another provider is another"

        entries = (await daemon.request("audit/list", {}))["items"]
        created = [entry for entry in entries if entry["event"] == "key.created"]
        assert [entry["details"]["cause"] for entry in created] == ["import", "import"]
        assert (await daemon.request("audit/verify", {}))["ok"]


async def test_invalid_key_does_not_stop_the_others(tmp_path: Path) -> None:
    async with sandbox() as provider, vault(tmp_path) as daemon:
        source = _variables(daemon, {PROXY: BAD_KEY, "LITELLM_PROXY_API_KEY": KEY})
        bad, good = (await _preview(daemon, source))["items"]
        address = {"baseUrl": provider.base_url}
        refused, stored = await _import(
            daemon,
            source,
            {"id": bad["id"]} | address,
            {"id": good["id"]} | address,
            probe="require",
        )
        assert refused["error"]["kind"] == "keyInvalid"
        assert stored["key"]["state"] == "active"
        assert BAD_KEY not in json.dumps(refused)


async def test_choice_adds_fields_that_the_variables_lack(tmp_path: Path) -> None:
    pair = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": OTHER_KEY}
    endpoint = {
        "AZURE_OPENAI_API_KEY": KEY, "AZURE_OPENAI_ENDPOINT": "https://a.openai.azure.com/"
    }  # fmt: skip
    async with vault(tmp_path) as daemon:
        source = _variables(daemon, pair | endpoint)
        items = {item["provider"]: item for item in (await _preview(daemon, source))["items"]}
        aws, azure = items["bedrock"], items["azure-openai"]
        assert (aws["problem"]["type"], aws["problem"]["field"]) == ("missingField", "region")
        assert azure["problem"] is None
        assert azure["origin"] == "https://a.openai.azure.com:443"
        region = {"id": aws["id"], "fields": {"region": "eu-west-1"}}
        with_secret_field = {"id": aws["id"], "fields": {"secretAccessKey": "in the clear"}}
        stored, refused = await _import(daemon, source, region, with_secret_field)
        assert stored["key"]["origin"] == "https://bedrock-runtime.eu-west-1.amazonaws.com:443"
        assert refused["error"]["kind"] == "invalidParams"


async def test_secret_in_a_wrong_variable_is_not_shown(tmp_path: Path) -> None:
    pair = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": OTHER_KEY}
    token = {"CLOUDFLARE_API_TOKEN": OTHER_KEY, "CLOUDFLARE_ACCOUNT_ID": KEY}
    async with vault(tmp_path) as daemon:
        source = _variables(daemon, pair | token | {"AWS_REGION": KEY})
        preview = await _preview(daemon, source)
        assert [item["problem"]["type"] for item in preview["items"]] == ["malformed"] * 2
        outcomes = await _import(daemon, source, *({"id": item["id"]} for item in preview["items"]))
        assert [outcome["error"]["kind"] for outcome in outcomes] == ["invalidParams"] * 2
        assert KEY not in json.dumps([preview, outcomes])


async def test_env_file_is_imported(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        f"export MISTRAL_API_KEY='{KEY}' # mine\nOPENAI_API_KEY=$SECRET\nOTHER=$NOT_OURS\n"
        f'GROQ_API_KEY="{OTHER_KEY}"\nnonsense\n'
    )
    file.chmod(0o640)
    source = {"type": "envFile", "path": str(file)}
    async with vault(tmp_path / "store") as daemon:
        preview = await _preview(daemon, source)
        assert [item["provider"] for item in preview["items"]] == ["mistral", "groq"]
        warned = [(warning["type"], warning["line"]) for warning in preview["warnings"]]
        assert warned == [("openToOthers", None), ("line", 2), ("line", 5)]
        first = {"id": preview["items"][0]["id"]}
        file.write_text(f"MISTRAL_API_KEY={OTHER_KEY}\n")
        [changed] = await _import(daemon, source, first)
        assert changed["error"]["kind"] == "notFound", "only a previewed key is stored"
        [item] = (await _preview(daemon, source))["items"]
        [stored] = await _import(daemon, source, {"id": item["id"]})
        assert stored["key"]["last4"] == OTHER_KEY[-4:]


async def test_unusable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"A=\0")
    (tmp_path / "latin").write_bytes(b"A=\xe4")
    (tmp_path / "large").write_bytes(b"#" * (ENV_FILE_MAX_BYTES + 1))
    (tmp_path / "largest").write_bytes(b"#" * ENV_FILE_MAX_BYTES)
    reasons = {"binary": "notText", "latin": "notText", "large": "tooLarge", "none": "notFound"}
    async with vault(tmp_path / "store") as daemon:
        for name, reason in reasons.items():
            source = {"type": "envFile", "path": str(tmp_path / name)}
            assert await _refused(daemon, source) == ("/source/path", reason)
        relative = {"type": "envFile", "path": "largest"}
        assert await _refused(daemon, relative) == ("/source/path", "notAbsolute")
        largest = {"type": "envFile", "path": str(tmp_path / "largest")}
        assert (await _preview(daemon, largest))["items"] == []
        sealed = _sealed(daemon, "key/import", "x", "v")
        for count, fits in ((VARIABLES_MAX, True), (VARIABLES_MAX + 1, False)):
            many = {
                "type": "variables",
                "variables": {f"x{n}": {"plain": "v"} for n in range(count)},
            }
            if fits:
                assert (await _preview(daemon, many))["items"] == []
            else:
                with pytest.raises(RpcError):
                    await daemon.request("key/import", {"source": many})
        moved = {"type": "variables", "variables": {"y": sealed}}
        with pytest.raises(RpcError) as refused:
            await daemon.request("key/import", {"source": moved})
        assert refused.value.kind == "invalidParams", "it is sealed for another name"


async def test_variables_of_the_start_can_be_imported_once(tmp_path: Path) -> None:
    environment = {"MISTRAL_API_KEY": KEY, "GROQ_API_KEY": OTHER_KEY}
    source = {"type": "environment"}
    async with vault(tmp_path, environment=environment) as daemon:
        items = (await _preview(daemon, source))["items"]
        assert [item["provider"] for item in items] == ["mistral", "groq"]
        assert len((await _preview(daemon, source))["items"]) == 2, "a preview keeps the variables"
        [stored] = await _import(daemon, source, {"id": items[0]["id"]})
        assert stored["key"]["last4"] == KEY[-4:]
        assert (await _preview(daemon, source))["items"] == [], "an import drops them"


async def test_preview_works_without_a_vault(tmp_path: Path) -> None:
    async with running(data_dir=tmp_path, module="byokd") as daemon:
        await daemon.initialize()
        source = _variables(daemon, {"MISTRAL_API_KEY": KEY})
        [item] = (await _preview(daemon, source))["items"]
        assert (item["problem"], item["fingerprint"]) == (None, None)


async def _export(daemon: Daemon, passphrase: str = PASSPHRASE, **more: Any) -> Json:
    sealed = _sealed(daemon, "key/export", "passphrase", passphrase)
    result: Json = await daemon.request("key/export", {"passphrase": sealed} | more)
    return result


def _bundle(daemon: Daemon, file: Path, passphrase: str = PASSPHRASE) -> Json:
    sealed = _sealed(daemon, "key/import", "passphrase", passphrase)
    return {"type": "bundle", "path": str(file), "passphrase": sealed}


async def _two_keys(daemon: Daemon, provider: Sandbox) -> None:
    key = await store_key(daemon, provider)
    off = {"provider": "mistral", "label": "spare ✓", "probe": "skip"}
    stored = await daemon.request("key/store", off | {"fields": {"apiKey": {"plain": OTHER_KEY}}})
    await daemon.request("key/disable", {"keyId": stored["key"]["keyId"]})
    assert key["isDefault"]


async def test_exported_keys_are_imported_on_another_machine(tmp_path: Path) -> None:
    file = tmp_path / "keys.byokd"
    async with sandbox() as provider:
        async with vault(tmp_path / "here", "--allow-export") as daemon:
            await _two_keys(daemon, provider)
            result = await _export(daemon)
            assert (result["keys"], result["leftOut"]) == (2, [])
            file.write_bytes(base64.b64decode(result["bundle"]))
            entries = (await daemon.request("audit/list", {"limit": 2}))["items"]
            assert {entry["event"] for entry in entries} == {"key.exported"}
            assert len({entry["keyId"] for entry in entries}) == 2
            assert (await daemon.request("audit/verify", {}))["ok"]
        for secret in (KEY, OTHER_KEY, PASSPHRASE, "spare", provider.base_url):
            assert secret.encode() not in file.read_bytes()
        async with vault(tmp_path / "there") as daemon:
            source = _bundle(daemon, file)
            items = (await _preview(daemon, source))["items"]
            assert [(item["provider"], item["label"], item["variables"]) for item in items] == [
                ("mistral", "spare ✓", []), (GENERIC, None, []),
            ]  # fmt: skip
            assert items[1]["baseUrl"] == provider.base_url
            chosen = [{"id": item["id"]} for item in items]
            off, on = await _import(daemon, source, *chosen, probe="warn")
            assert (off["key"]["state"], off["key"]["label"]) == ("userDisabled", "spare ✓")
            notes = [note for method, note in daemon.notes if method == "key/changed"]
            notes = [note for note in notes if note["keyId"] == off["key"]["keyId"]]
            assert [(note["change"], note["state"], note["reason"]) for note in notes] == [
                ("stored", "userDisabled", "user")
            ], "it was never on here"
            assert (on["key"]["state"], on["probe"]["verdict"]) == ("active", "valid")
            answer = await ask(daemon, "sandbox-echo")
            assert answer["route"]["keyId"] == on["key"]["keyId"]
            imported_again = await _import(daemon, source, *chosen)
            assert [outcome["error"]["kind"] for outcome in imported_again] == ["conflict"] * 2
            entries = (await daemon.request("audit/list", {"keyId": off["key"]["keyId"]}))["items"]
            assert [entry["event"] for entry in entries if entry["event"] != "key.probe"] == [
                "key.user_disabled", "key.created",
            ]  # fmt: skip
            assert (await daemon.request("audit/verify", {}))["ok"]


async def test_export_file_opens_with_its_passphrase_only(tmp_path: Path) -> None:
    vector = json.loads(
        (Path(__file__).parents[1] / "vectors" / "crypto" / "bundle.json").read_text("utf-8")
    )
    data = bytes.fromhex(vector["file"])
    file = tmp_path / "keys.byokd"
    file.write_bytes(data)
    async with vault(tmp_path / "store") as daemon:
        preview = await _preview(daemon, _bundle(daemon, file, vector["passphrase"]))
        assert [item["provider"] for item in preview["items"]] == ["mistral", "bedrock"]
        assert preview["items"][1]["origin"].startswith("https://bedrock-runtime.eu-west-1.")
        refused = await _refused(daemon, _bundle(daemon, file, vector["passphrase"] + "!"))
        assert refused == ("/source/passphrase", "wrongPassphrase")
        for name, changed in {
            "damaged": data[:-1],
            "newer": data.replace(b"keys\n\x01", b"keys\n\x02", 1),
            "notABundle": b"PK\x03\x04" + data,
        }.items():
            file.write_bytes(changed)
            source = _bundle(daemon, file, vector["passphrase"])
            assert await _refused(daemon, source) == ("/source/path", name)


async def test_client_cannot_export(tmp_path: Path) -> None:
    async with sandbox() as provider, vault(tmp_path) as daemon:
        await _two_keys(daemon, provider)
        with pytest.raises(RpcError) as refused:
            await _export(daemon)
        assert refused.value.kind == "unsupported"
        events = {entry["event"] for entry in (await daemon.request("audit/list", {}))["items"]}
        assert "key.exported" not in events


async def test_export_with_invalid_input_is_refused(tmp_path: Path) -> None:
    async with sandbox() as provider, vault(tmp_path, "--allow-export") as daemon:
        with pytest.raises(RpcError) as refused:
            await _export(daemon)
        assert refused.value.kind == "notFound", "no key at all"
        await _two_keys(daemon, provider)
        for passphrase, kind in (("x" * (PASSPHRASE_MIN_CHARS - 1), "invalidParams"),):
            with pytest.raises(RpcError) as refused:
                await _export(daemon, passphrase)
            assert refused.value.kind == kind
        with pytest.raises(RpcError) as refused:
            await _export(daemon, keyIds=["key_" + "a" * 26])
        assert refused.value.kind == "notFound"
        events = [entry["event"] for entry in (await daemon.request("audit/list", {}))["items"]]
        assert "key.exported" not in events
        [first, *_] = (await daemon.request("key/list", {}))["items"]
        exported = await _export(daemon, "x" * PASSPHRASE_MIN_CHARS, keyIds=[first["keyId"]])
        assert exported["keys"] == 1


async def test_no_key_is_inherited_or_left_in_a_file(tmp_path: Path) -> None:
    environment = {"MISTRAL_API_KEY": KEY}
    async with vault(tmp_path, "--log-level", "debug", environment=environment) as daemon:
        source = {"type": "environment"}
        items = (await _preview(daemon, source))["items"]
        await _import(daemon, source, {"id": items[0]["id"]})
        children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children")
        assert children.read_text() == ""
        assert await daemon.close() == 0
        output = b"".join(daemon.wire) + bytes(daemon.stderr)
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in output + files
    assert os.environ.get("MISTRAL_API_KEY") is None
