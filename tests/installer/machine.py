"""A person's home folder for tests of the installer, and small packages to install there."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from source_tree import SOURCE

RUN = (
    "import sys, runpy; sys.path.append(sys.argv.pop(1));"
    ' runpy.run_module("byokd.installer", run_name="__main__")'
)
"""As the package of the installer says; the extension runs it so."""

_PROGRAM = """
from __future__ import annotations
import sys
from byokd.process.installation import hold_environment
hold_environment()
if sys.argv[1:] == ["--version"]:
    print("byokd, version @VERSION@")
else:
    print("ready", flush=True)
    sys.stdin.readline()  # the test has installed other versions meanwhile
    import byokd.late
    import byokd_requirement
    print(byokd.late.VERSION, byokd_requirement.NAME)
"""


def wheel(folder: Path, version: str, program: str = _PROGRAM) -> Path:
    """Write a wheel named byokd: a small program, with the real installer and the real hold."""
    files = {
        "__init__.py": f'__version__ = "{version}"\n',
        "__main__.py": program.replace("@VERSION@", version),
        "late.py": f'VERSION = "{version}"\n',
    }
    parts = [*(SOURCE / "installer").glob("*.py"), *(SOURCE / "process").glob("*.py")]
    files |= {path.relative_to(SOURCE).as_posix(): path.read_text("utf-8") for path in parts}
    content = {f"byokd/{name}": text for name, text in files.items()}
    return _zipped(folder, "byokd", version, content)


def requirement(folder: Path) -> str:
    """Write a wheel that byokd needs; return its lines in a lock."""
    content = {"byokd_requirement/__init__.py": 'NAME = "requirement"\n'}
    path = _zipped(folder, "byokd_requirement", "1.0", content)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"byokd-requirement==1.0 \\\n    --hash=sha256:{digest}\n"


def _zipped(folder: Path, name: str, version: str, content: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    content = content | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": tags,
    }
    record = "".join(f"{file},,\n" for file in [*content, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**content, f"{info}/RECORD": record}.items():
            archive.writestr(file, text)
    return path


class Machine:
    """A home folder, whose name needs quoting, and the installer run as a process for it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "Häuschen & 'co' $HOME"
        self.files = folder / "package"
        self.home.mkdir()
        self.lock = self.files / "requirements.lock"
        self.files.mkdir()
        self.lock.write_text(requirement(self.files), encoding="utf-8")
        self.command = self.home / ".local" / "bin" / "byokd"
        self.program = self.home / ".local" / "share" / "byokd" / "program"
        self.environment = {"HOME": str(self.home), "PATH": os.defpath, "LANG": "C.UTF-8"}

    def start(self, words: list[str], package: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", RUN, str(package), *words]
        return subprocess.Popen(
            command,
            env=self.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def installing(self, package: Path) -> subprocess.Popen[str]:
        """Start an installation; its stdout has JSON lines."""
        sources = ["--wheel", str(package), "--lock", str(self.lock)]
        words = ["install", *sources, "--find-links", str(self.files), "--json-progress"]
        return self.start(words, package)

    def install(self, package: Path, *, code: int = 0) -> list[dict[str, Any]]:
        """Install and return what was reported."""
        return self._finished(self.installing(package), code)

    def uninstall(self, package: Path, *, code: int = 0) -> list[dict[str, Any]]:
        """Uninstall and return what was reported."""
        return self._finished(self.start(["uninstall", "--json-progress"], package), code)

    def _finished(self, process: subprocess.Popen[str], code: int) -> list[dict[str, Any]]:
        out, self.err = process.communicate()
        assert process.returncode == code, out + self.err
        return [json.loads(line) for line in out.splitlines()]

    def version(self) -> str:
        """Return what the installed command prints, without a variable but its own."""
        done = subprocess.run(
            [self.command, "--version"], env={}, capture_output=True, text=True, check=True
        )
        return done.stdout.strip().rpartition(" ")[2]

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        """Run the installed command until the end of the block."""
        with subprocess.Popen(
            [self.command, "--stdio"],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process

    def environments(self) -> list[str]:
        """Return the versions of the environments that are there."""
        paths = self.program.glob("*-*") if self.program.exists() else ()
        return sorted(path.name.rpartition("-")[0] for path in paths)


def steps(reported: list[dict[str, Any]]) -> list[str]:
    """Return the names of the steps, in order."""
    return [line["step"] for line in reported if line["type"] == "step"]


def notes(reported: list[dict[str, Any]]) -> str:
    """Return all notes, one a line."""
    return "\n".join(line["message"] for line in reported if line["type"] == "note")
