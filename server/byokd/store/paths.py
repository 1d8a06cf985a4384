"""The folders and files of one person. Creates and opens none of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_APP = "byokd"


@dataclass(frozen=True, slots=True)
class StorePaths:
    """The folders of one person.

    Attributes:
        config: holds `config.toml`, written by the person.
        data: holds the databases; a copy of it alone opens nothing.
        state: holds what must not be copied with the data: a key file, the audit anchor.
    """

    config: Path
    data: Path
    state: Path

    @property
    def config_file(self) -> Path:
        return self.config / "config.toml"

    @property
    def vault_db(self) -> Path:
        return self.data / "vault.db"

    @property
    def backups(self) -> Path:
        return self.data / "backups"

    @property
    def models_db(self) -> Path:
        """Cached model lists; may be deleted at any time."""
        return self.state / "models.db"

    @property
    def init_lock(self) -> Path:
        """Locked while the vault is created or its slots change."""
        return self.data / "init.lock"


def store_paths(data_dir: Path | None = None) -> StorePaths:
    """Return the folders; `data_dir` (`--data-dir`) replaces the platform's data and state folders.

    State is a folder of its own even where the platform has one for both, so that a copy of the
    data does not contain a key file.
    """
    import platformdirs  # it reads the environment, so not at import time

    dirs = platformdirs.PlatformDirs(_APP, appauthor=False)
    config = dirs.user_config_path
    if data_dir is not None:
        root = data_dir.expanduser().absolute()
        return StorePaths(config, root / "data", root / "state")
    data, state = dirs.user_data_path, dirs.user_state_path
    return StorePaths(config, data, state if state != data else data / "state")
