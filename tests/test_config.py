"""`config.toml`: what is read, and how an invalid entry is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from byokd.config import load_configuration
from byokd.config.files import ConfigError, read_settings
from byokd.core.limits import CONFIG_MAX_BYTES, OWN_MODELS_MAX
from byokd.core.settings import CatalogSettings, OwnModel, OwnPrice, Settings

_WHOLE = """
[network]
proxy = "http://proxy.example:3128"
extra_ca_file = "/etc/ca.pem"

[features]
multi_field_providers = false

[providers.openrouter.headers]
X-Title = "my editor"

[[providers.openai-compatible.models]]
id = "mine"
context_tokens = 8192
price = { input = "0.5", output = "1" }

[timeouts]
idle_ms = 5000

[catalog]
refresh = "weekly"
url = "https://catalog.example/byokd.catalog?v=1"
public_key = "IsjljR9DSCI4Tdw4w183VGANqvxKp5PgCC4GQXVWBvo="
"""

_REFUSED = [
    ("[network]\nproxy = 'socks5://x'", "network.proxy"),
    ("[network]\ncolour = 1", "network.colour"),
    ("[providers.openrouter.headers]\nAuthorization = 'Bearer x'", "vault"),
    ("[providers.openrouter.headers]\n'X Title' = 'x'", "headers"),
    ("[[providers.openai.models]]\nname = 'no id'", "models.0.id"),
    ("[[providers.openai.models]]\nid = 'm'\ncolour = 1", "models.0.colour"),
    (
        "[[providers.openai.models]]\nid = 'm'\nprice = { input = '-1', output = '1' }",
        "price.input",
    ),
    (
        "[providers.openai]\nmodels = [" + "{ id = 'm' }," * (OWN_MODELS_MAX + 1) + "]",
        "providers.openai.models",
    ),
    ("[timeouts]\nidle_ms = 0", "timeouts.idle_ms"),
    ("[shared_pool.openai]\nkey_file = '/nowhere/at/all'", "shared key"),
    ("[catalog]\nrefresh = 'daily'", "catalog.refresh"),
    ("[catalog]\nurl = 'http://catalog.example/x'", "catalog.url"),
    ("[catalog]\nurl = 'https://me@catalog.example/x'", "catalog.url"),
    ("[catalog]\npublic_key = 'AAAA'", "catalog.public_key"),
    ("[catalog]\npublic_key = 'not base64'", "catalog.public_key"),
    ("[catalog]\ncolour = 1", "catalog.colour"),
    ("not toml", "TOML"),
    ("x = '" + "x" * CONFIG_MAX_BYTES + "'", "larger"),
]


def test_missing_file_gives_the_defaults(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "config.toml") == Settings()


def test_every_setting_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(_WHOLE)
    settings = read_settings(path)
    assert settings.proxy == "http://proxy.example:3128"
    assert settings.extra_ca_file == "/etc/ca.pem"
    assert not settings.features.multi_field_providers
    assert settings.headers == {"openrouter": {"x-title": "my editor"}}
    assert settings.timeouts.idle_ms == 5000
    assert settings.catalog == CatalogSettings(
        refresh="weekly",
        url="https://catalog.example/byokd.catalog?v=1",
        public_key="IsjljR9DSCI4Tdw4w183VGANqvxKp5PgCC4GQXVWBvo=",
    )
    own = OwnModel(id="mine", context_tokens=8192, price=OwnPrice(input="0.5", output="1"))
    assert settings.models == {"openai-compatible": (own,)}


def test_shared_key_is_read_from_a_file_and_not_shown(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("shared-key-0123456789\n")
    key_file.chmod(0o600)
    path = tmp_path / "config.toml"
    path.write_text(f"[shared_pool.openai]\nkey_file = '{key_file}'\n")
    settings = read_settings(path)
    assert settings.features.shared_pool
    assert settings.shared_pool["openai"].secret.reveal() == "shared-key-0123456789"
    assert "0123456789" not in repr(settings)


def test_relative_path_is_relative_to_the_file(tmp_path: Path) -> None:
    tmp_path.joinpath("key").write_text("shared-key-0123456789\n")
    tmp_path.joinpath("key").chmod(0o600)
    path = tmp_path / "config.toml"
    path.write_text("network.extra_ca_file = 'ca.pem'\n[shared_pool.openai]\nkey_file = 'key'\n")
    settings = read_settings(path)
    assert settings.extra_ca_file == str(tmp_path / "ca.pem")
    assert settings.shared_pool["openai"].secret.last4() == "6789"


@pytest.mark.parametrize(("text", "error_text"), _REFUSED)
def test_invalid_entry_is_refused_with_its_place(
    tmp_path: Path, text: str, error_text: str
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=error_text):
        read_settings(path)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_file_that_others_can_write_is_not_followed_and_stops_sending(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[network]\nproxy = "http://127.0.0.1:9"\n')
    path.chmod(0o666)
    settings = read_settings(path)
    assert settings.proxy is None
    assert settings.network_fault is not None
    assert f"chmod go-w {path}" in settings.network_fault
    assert settings.faults == (settings.network_fault,)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_ca_file_that_others_can_write_stops_sending(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    (tmp_path / "ca.pem").chmod(0o622)
    (tmp_path / "config.toml").write_text('[network]\nextra_ca_file = "ca.pem"\n')
    settings = read_settings(tmp_path / "config.toml")
    assert settings.extra_ca_file is None
    assert f"chmod go-w {tmp_path / 'ca.pem'}" in (settings.network_fault or "")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_pool_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "pool.key").write_text("sk-test-0123456789abcdef")
    (tmp_path / "pool.key").chmod(0o644)
    (tmp_path / "config.toml").write_text('[shared_pool.openai]\nkey_file = "pool.key"\n')
    settings = read_settings(tmp_path / "config.toml")
    assert not settings.shared_pool
    assert not settings.features.shared_pool
    assert settings.network_fault is None
    (fault,) = settings.faults
    assert "chmod 600" in fault


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_record_that_others_can_write_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "providers").mkdir(mode=0o755)
    record = tmp_path / "providers" / "acme.toml"
    record.write_text('id = "acme"\n')
    record.chmod(0o666)
    configuration = load_configuration(tmp_path / "config.toml")
    assert "acme" not in configuration.providers
    assert any("chmod go-w" in fault for fault in configuration.faults)
