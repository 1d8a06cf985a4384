"""Pack the installed packages of a lock as wheels: `python wheels.py LOCK FOLDER`.

Writes the wheels and `requirements.lock`, which has their hashes, to FOLDER. A test installs the daemon
from them without a network.
"""

from __future__ import annotations

import hashlib
import re
import sys
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path


def main(lock: Path, folder: Path) -> None:
    """Pack each package of the lock that this environment has."""
    lines = []
    for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock.read_text(encoding="utf-8"), re.MULTILINE):
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # for another platform
        wheel = pack(package, folder)
        lines.append(f"{name}=={package.version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    (folder / "requirements.lock").write_text("".join(lines), encoding="utf-8")


def pack(package: Distribution, folder: Path) -> Path:
    """Write the files of an installed package to a wheel; return its path."""
    tags = re.findall(r"^Tag: (\S+)", package.read_text("WHEEL") or "", re.MULTILINE)
    parts = [sorted({tag.split("-")[i] for tag in tags}) for i in range(3)]
    name = re.sub(r"[-_.]+", "_", package.metadata["Name"])
    path = folder / f"{name}-{package.version}-{'-'.join('.'.join(part) for part in parts)}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file in package.files or ():
            # Scripts lie outside; the installer writes its own records.
            if ".." in file.parts or "__pycache__" in file.parts or file.name in {"INSTALLER", "REQUESTED", "direct_url.json"}:
                continue
            wheel.write(package.locate_file(file), file.as_posix())
    return path


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
