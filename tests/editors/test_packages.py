"""The plugins as packages: help, the linters of their communities, where they look for byokd."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from byokd.process.environment import allowed_environment
from editors.programs import neovim, neovim_problem
from sandbox_env import KEY
from source_tree import ROOT

NEOVIM = ROOT / "server" / "editors" / "nvim"
EMACS = ROOT / "server" / "editors" / "emacs" / "byokd.el"
_NOT_MENDED = (
    "uninstallable in all released Emacs versions",  # an old package-lint knows no newer ones
    "should have a Homepage or URL header",  # there is no address yet
)


def _emacs(
    *words: str,
    home: Path | None = None,
    path: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> str:
    if (emacs := shutil.which("emacs")) is None:
        pytest.skip("emacs is not installed")
    folder = home or Path.home()
    environment = {"PATH": path or os.environ["PATH"], "HOME": str(folder)} | dict(extra or {})
    done = subprocess.run(
        [emacs, "--batch", *words],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
    )
    return done.stdout + done.stderr


def _neovim(script: str, environment: Mapping[str, str], folder: Path | None = None) -> str:
    if problem := neovim_problem():
        pytest.skip(problem)
    command = [str(shutil.which(neovim())), "--clean", "--headless"]
    command += ["--cmd", f"set rtp^={NEOVIM}", "-c", f"lua {script}", "-c", "qa!"]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | environment,
        cwd=folder,
    )
    return done.stdout + done.stderr


def test_emacs_package_compiles_without_warning(tmp_path: Path) -> None:
    copy = str(shutil.copy(EMACS, tmp_path))
    assert _emacs("-Q", "-f", "batch-byte-compile", copy).strip() == ""
    assert (tmp_path / "byokd.elc").exists()


def test_checkdoc_has_no_complaint() -> None:
    assert _emacs("-Q", "--eval", f"(checkdoc-file {json.dumps(str(EMACS))})").strip() == ""


def test_package_lint_has_no_complaint() -> None:
    if "package-lint.el" not in _emacs("--eval", '(princ (locate-library "package-lint"))'):
        pytest.skip("package-lint is not installed")
    output = _emacs("-l", "package-lint", "-f", "package-lint-batch-and-exit", str(EMACS))
    complaints = [line for line in output.splitlines() if line.startswith("byokd.el:")]
    assert not [line for line in complaints if not any(text in line for text in _NOT_MENDED)]


def test_commands_of_emacs_are_autoloaded(tmp_path: Path) -> None:
    shutil.copy(EMACS, tmp_path)
    evaluated = f'(progn (require \'package) (package-generate-autoloads "byokd" "{tmp_path}"))'
    _emacs("-Q", "--eval", evaluated)
    autoloads = (tmp_path / "byokd-autoloads.el").read_text(encoding="utf-8")
    for name in ("add-key", "unlock", "model", "chat", "write", "health"):
        assert f"(autoload 'byokd-{name} " in autoloads


def test_every_command_of_neovim_is_in_its_help(tmp_path: Path) -> None:
    folder = shutil.copytree(NEOVIM / "doc", tmp_path / "doc")
    output = _neovim(f"vim.cmd.helptags('{folder}')", {})
    tags = (tmp_path / "doc" / "tags").read_text(encoding="utf-8")
    assert "E154" not in output
    for name in ("key", "unlock", "model", "chat", "send", "replace", "insert", "stop"):
        assert f":Byokd-{name}\t" in tags


_LUA_PLACES = """
local options = require('byokd').options
for _, command in ipairs({ false, 'own-byokd', '~/own-byokd' }) do
  options.command = command or nil
  local words = require('byokd.daemon').find()
  io.stdout:write((words and words[1] or 'nothing') .. ' ')
end
""".replace("\n", " ")

_LISP_PLACES = """(progn (load-file (car command-line-args-left))
  (dolist (byokd-command '(nil ("own-byokd") ("~/own-byokd")))
    (princ (concat (condition-case nil (car (byokd--find)) (user-error "nothing")) " ")))
  (setq command-line-args-left nil))"""


@pytest.mark.parametrize("editor", ["neovim", "emacs"])
def test_setting_path_and_install_place_are_tried_in_this_order(
    editor: str, tmp_path: Path
) -> None:
    def places() -> list[str]:
        path = f"relative:{on_path.parent}:{os.defpath}"
        if editor == "neovim":
            words = _neovim(_LUA_PLACES, {"PATH": path, "HOME": str(tmp_path)}, tmp_path)
        else:
            lisp = ["-Q", "--eval", _LISP_PLACES, str(EMACS)]
            words = _emacs(*lisp, home=tmp_path, path=path)
        return [word for word in words.split() if word == "nothing" or word.endswith("byokd")]

    relative, on_path = tmp_path / "relative" / "byokd", tmp_path / "bin" / "byokd"
    installed = tmp_path / ".local" / "bin" / "byokd"
    named, own = on_path.with_name("own-byokd"), tmp_path / "own-byokd"
    _make_program(relative)
    assert places() == ["nothing"] * 3
    _make_program(installed)
    assert places() == [str(installed), "nothing", "nothing"]
    for program in (on_path, named, own):
        _make_program(program)
    assert places() == [str(on_path), str(named), str(own)]


def _make_program(path: Path, text: str = "#!/bin/sh\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


_SET_BY_EDITORS = {"PWD", "NVIM", "SHLVL", "OLDPWD", "_"}
_NEEDED = (
    *("HOME", "PATH", "LANG", "LC_TIME", "TMPDIR", "XDG_RUNTIME_DIR", "XAUTHORITY"),
    *("DBUS_SESSION_BUS_ADDRESS", "SYSTEMROOT", "APPDATA"),
)
_LUA_START = """
require('byokd').options.command = vim.env.HOME .. '/byokd'
pcall(require('byokd.daemon').call, 'vault/status')
io.stdout:write(vim.env.OPENAI_API_KEY)
""".replace("\n", " ")
_LISP_START = """(progn (load-file (car command-line-args-left))
  (setq byokd-command '("~/byokd") command-line-args-left nil)
  (condition-case nil (byokd--call 'vault/status) (error nil))
  (princ (getenv "OPENAI_API_KEY")))"""


@pytest.mark.parametrize("editor", ["neovim", "emacs"])
def test_daemon_gets_the_variables_that_it_needs_and_no_others(editor: str, tmp_path: Path) -> None:
    needed = dict.fromkeys(_NEEDED, "value")
    folders = {"PATH": os.defpath, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    environment = needed | folders | {"OPENAI_API_KEY": KEY, "HTTPS_PROXY": "proxy"}
    _make_program(tmp_path / "byokd", f"#!/bin/sh\nenv > {tmp_path}/variables\n")
    if editor == "neovim":
        output = _neovim(_LUA_START, environment, tmp_path)
    else:
        lisp = ["-Q", "--eval", _LISP_START, str(EMACS)]
        output = _emacs(*lisp, home=tmp_path, extra=environment)
    assert KEY in output  # the editor keeps its own
    text = (tmp_path / "variables").read_text(encoding="utf-8")
    environ = {line.split("=")[0]: "" for line in text.splitlines()}
    assert environ.keys() >= needed.keys()
    assert environ.keys() - allowed_environment(environ).keys() <= _SET_BY_EDITORS
