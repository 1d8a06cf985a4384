"""Where files belong. Knows the names; opens nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from byokd.store.paths import store_paths


def test_data_dir_separates_data_and_state(tmp_path: Path) -> None:
    found = store_paths(tmp_path)
    assert found.vault_db == tmp_path / "data" / "vault.db"
    assert found.vault_db.parent == found.init_lock.parent == found.data
    assert found.state == tmp_path / "state"
    assert tmp_path not in found.config_file.parents
    assert not list(tmp_path.iterdir())


def test_platform_folders_are_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    found = store_paths()
    assert len({found.config, found.data, found.state}) == 3
    assert found.config_file == tmp_path / "xdg_config_home" / "byokd" / "config.toml"
