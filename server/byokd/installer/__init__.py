"""Installs byokd for one person, and removes it: a private environment and the command `byokd`.

Imports the standard library only, and runs from a clone (`python3 server install`) or from a wheel,
with any Python that byokd supports, in a process of its own:

    python -I -S -c CODE byokd-0.1.0-py3-none-any.whl install
        --wheel byokd-0.1.0-py3-none-any.whl --lock requirements.lock
        [--find-links DIR] [--json-progress]

    CODE: import sys, runpy; sys.path.append(sys.argv.pop(1));
          runpy.run_module("byokd.installer", run_name="__main__")

`--find-links` takes the packages from a folder and asks no package index. With `--json-progress`
stdout has one JSON object a line:

    {"type": "step", "step": "environment|packages|program|check|command", "message": "…"}
    {"type": "packages", "done": 3, "total": 42}           while packages are fetched
    {"type": "note", "message": "…"}                       for people
    {"type": "done", "message": "…", "version": "0.1.0", "command": "…/.local/bin/byokd",
     "onPath": true}                                       whether a shell finds it by its name
    {"type": "error", "message": "…", "hint": "…"}         instead of `done`; the exit code is 1

Without it, the same words go to stderr. In both cases stderr has what a failed step printed.

Layout: the environments are `<data folder>/byokd/program/<version>-<digest>`, made at their final
place beside older ones. The command is one small file that names an environment; replacing it is
the one step that changes what is started. Whatever is interrupted, the command starts the old
version or the new one, and the next run removes what is incomplete.

An environment is kept while a process of it holds a lock on its `pyvenv.cfg` (`locks.py`). The one
that was replaced is also kept until the next run, because a process may be starting from it.
"""
