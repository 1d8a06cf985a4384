"""Where the daemon's files belong on this platform.

Knows three folders and the names of the files in them. Must not create or open any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_APP = "byokd"


@dataclass(frozen=True, slots=True)
class StorePaths:
    """The folders of one person.

    Attributes:
        config: holds `config.toml`, written by the person.
        data: holds the databases; a backup of it alone opens nothing.
        state: holds what must not travel with the data: a key file, the audit anchor.
    """

    config: Path
    data: Path
    state: Path

    @property
    def config_file(self) -> Path:
        """The settings."""
        return self.config / "config.toml"

    @property
    def vault_db(self) -> Path:
        """Keys, their health and the audit trail."""
        return self.data / "vault.db"

    @property
    def backups(self) -> Path:
        """Copies of the vault; they open with what opens the vault, and with nothing else."""
        return self.data / "backups"

    @property
    def ledger_db(self) -> Path:
        """Usage and budgets."""
        return self.data / "ledger.db"

    @property
    def models_db(self) -> Path:
        """Lists of models as they were last seen; may be deleted at any time."""
        return self.state / "models.db"

    @property
    def init_lock(self) -> Path:
        """Held by the one process that makes the vault."""
        return self.data / "init.lock"


def store_paths(data_dir: Path | None = None) -> StorePaths:
    """Return this person's folders; `data_dir` (`--data-dir`) puts data and state below itself.

    State is its own folder even where the platform has one for both, so that a copy of the data
    does not carry a key file along. Below `data_dir` the two share a parent: whoever copies all of
    it copies both.
    """
    import platformdirs  # reads the environment, so not before somebody asks

    dirs = platformdirs.PlatformDirs(_APP, appauthor=False)
    config = dirs.user_config_path
    if data_dir is not None:
        root = data_dir.expanduser().absolute()
        return StorePaths(config, root / "data", root / "state")
    data, state = dirs.user_data_path, dirs.user_state_path
    return StorePaths(config, data, state if state != data else data / "state")
