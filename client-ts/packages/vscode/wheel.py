"""Build the daemon's wheel without a network: `python wheel.py FOLDER` prints its name.

Needs `uv_build`, as in the environment of `python3 tests`. The files in the wheel are not compressed:
the package compresses the whole, which makes it a third smaller.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]


def main(folder: Path) -> None:
    """Build the wheel and write it to `folder`."""
    import uv_build

    programs = str(Path(sys.executable).parent)  # uv_build starts a program that lies there
    os.environ["PATH"] = programs + os.pathsep + os.environ.get("PATH", "")
    os.chdir(PROJECT)
    with tempfile.TemporaryDirectory() as scratch:
        name = uv_build.build_wheel(scratch)
        with zipfile.ZipFile(Path(scratch) / name) as wheel, zipfile.ZipFile(folder / name, "w") as stored:
            for item in wheel.infolist():
                with wheel.open(item) as source, stored.open(zipfile.ZipInfo(item.filename, item.date_time), "w") as target:
                    shutil.copyfileobj(source, target)
    sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
