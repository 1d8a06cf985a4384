"""The plugins as packages: help, the linters of their communities, where they look for byokd."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from editors.programs import neovim, neovim_problem
from source_tree import ROOT

NEOVIM = ROOT / "server" / "editors" / "nvim"
EMACS = ROOT / "server" / "editors" / "emacs" / "byokd.el"
_NOT_MENDED = (
    "uninstallable in all released Emacs versions",  # an old package-lint knows no newer ones
    "should have a Homepage or URL header",  # there is no address yet
)


def _emacs(*words: str, home: Path | None = None, path: str | None = None) -> str:
    if (emacs := shutil.which("emacs")) is None:
        pytest.skip("emacs is not installed")
    environment = {"PATH": path or os.environ["PATH"], "HOME": str(home or Path.home())}
    done = subprocess.run(
        [emacs, "--batch", *words], check=False, capture_output=True, text=True, env=environment
    )
    return done.stdout + done.stderr


def _neovim(script: str, environment: Mapping[str, str]) -> str:
    if problem := neovim_problem():
        pytest.skip(problem)
    command = [neovim(), "--clean", "--headless"]
    command += ["--cmd", f"set rtp^={NEOVIM}", "-c", f"lua {script}", "-c", "qa!"]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | environment
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
    for name in ("add-key", "unlock", "model", "chat", "rewrite", "insert", "health"):
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
for _, command in ipairs({ false, 'own-byokd' }) do
  options.command = command or nil
  local words, where = require('byokd.daemon').find()
  io.stdout:write((words and words[1] or 'nothing') .. ' ')
end
""".replace("\n", " ")

_LISP_PLACES = """(progn (load-file (car command-line-args-left))
  (dolist (byokd-command '(nil ("own-byokd")))
    (princ (concat (condition-case nil (caar (byokd--find)) (user-error "nothing")) " ")))
  (setq command-line-args-left nil))"""


@pytest.mark.parametrize("editor", ["neovim", "emacs"])
def test_setting_path_and_install_place_are_tried_in_this_order(
    editor: str, tmp_path: Path
) -> None:
    def places(path: Path) -> list[str]:
        if editor == "neovim":
            words = _neovim(_LUA_PLACES, {"PATH": f"{path}:{os.defpath}", "HOME": str(tmp_path)})
        else:
            lisp = ["-Q", "--eval", _LISP_PLACES, str(EMACS)]
            words = _emacs(*lisp, home=tmp_path, path=f"{path}:{os.defpath}")
        return [word for word in words.split() if word == "nothing" or word.endswith("byokd")]

    on_path, installed = tmp_path / "bin" / "byokd", tmp_path / ".local" / "bin" / "byokd"
    assert places(on_path.parent) == ["nothing", "own-byokd"]
    for program in (installed, on_path):
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        assert places(on_path.parent) == [str(program), "own-byokd"]
