"""The paths of the daemon's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from byokd.store.paths import store_paths


def test_data_dir_separates_data_and_state(tmp_path: Path) -> None:
    paths = store_paths(tmp_path)
    assert paths.vault_db == tmp_path / "data" / "vault.db"
    assert paths.vault_db.parent == paths.init_lock.parent == paths.data
    assert paths.state == tmp_path / "state"
    assert tmp_path not in paths.config_file.parents
    assert not list(tmp_path.iterdir())


def test_platform_folders_are_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    paths = store_paths()
    assert len({paths.config, paths.data, paths.state}) == 3
    assert paths.config_file == tmp_path / "xdg_config_home" / "byokd" / "config.toml"
