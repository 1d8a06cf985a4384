"""What looks like a key is masked wherever text of unknown origin ends: logs, errors, tracebacks.

The beginnings of keys are read from the providers' records, so that a new one is not forgotten.
"""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import os
import pickle
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from byokd.catalog.loader import load
from byokd.core.redaction.patterns import redact, redact_patterns
from byokd.core.secret import MASK, Secret
from byokd.protocol.errors import BadRequest
from byokd.rpc import codec, logs

_TAIL = "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8"
_PREFIXES = sorted({each for record in load().values() for each in record.probe.key_prefixes})
_KEYS: dict[str, str] = {
    **{f"begins with {prefix}": prefix + _TAIL for prefix in _PREFIXES},
    "a bearer": f"Bearer {_TAIL}",
    "Amazon's access key": "AKIAIOSFODNN7EXAMPLE",
    "Amazon's temporary access key": "ASIAIOSFODNN7EXAMPLE",
    "a JSON web token": f"eyJhbGciOiJIUzI1NiJ9.eyJ{_TAIL}.{_TAIL}",
    "behind key=": f"api_key={_TAIL}",
    "behind a token:": f"token: {_TAIL}",
    "behind a secret, quoted": f'secret="{_TAIL}',
    "behind a password": "password=hunter2hunter2",
    "hexadecimal behind a key": f"key: {'0123456789abcdef' * 2}",
    "half masked": "gs***tF",
}
_KEPT = (
    "internal error 0123456789abcdef0123456789abcdef: builtins.ValueError at byokd.rpc:1 run",
    "the key key_aaaaaaaaaaaaaaaaaaaaaaaaaa is out of use",
    "use https: a key is sent over plain http to this machine only",
    "sk- is how keys begin",
    "store one: byokd keys add openai",
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
)


@pytest.mark.parametrize("text", _KEYS.values(), ids=_KEYS.keys())
def test_each_shape_is_masked(text: str) -> None:
    for said in (text, f"refused {text} here", f'{{"error":"{text}"}}'):
        shown = redact(said)
        assert MASK in shown
        assert _TAIL not in shown
        assert text.rsplit(maxsplit=1)[-1].rsplit("=", maxsplit=1)[-1] not in shown
        assert redact(shown) == shown


@pytest.mark.parametrize("text", _KEPT)
def test_what_is_no_key_stays(text: str) -> None:
    assert redact(text) == text


def test_a_strangers_text_loses_long_words_too() -> None:
    assert redact_patterns("id 0123456789abcdef0123456789abcdef") == f"id {MASK}"


@pytest.mark.parametrize("show", [redact, redact_patterns])
def test_masking_is_linear(show: Callable[[str], str]) -> None:
    for text in ("sk-" * 100_000, "key=" * 100_000, "a" * 400_000, "*" * 400_000, "eyJ." * 100_000):
        show(text)  # the time limit of a test is the assertion


# --- where it is worn ----------------------------------------------------------------------------


def test_an_error_answer_is_masked() -> None:
    error = BadRequest(f"it said {_PREFIXES[0]}{_TAIL}")
    assert _TAIL not in codec.error_response(1, -31034, error).decode()
    assert error.error_id in codec.error_response(1, -31034, error).decode()


def _written(act: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what went to stderr while something acted under our hooks."""
    read, write = os.pipe()
    kept = (sys.excepthook, sys.unraisablehook, threading.excepthook)
    monkeypatch.setattr(logs, "_STDERR", write)
    root, ours = logging.getLogger(), logging.getLogger("byokd")
    before = (root.handlers[:], root.level, ours.handlers[:], ours.propagate, ours.level)
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
    monkeypatch.setattr(logging, "raiseExceptions", True)
    try:
        logs.set_up("debug")
        act()
    finally:
        sys.excepthook, sys.unraisablehook, threading.excepthook = kept
        root.handlers[:], ours.handlers[:], ours.propagate = before[0], before[2], before[3]
        root.setLevel(before[1])
        ours.setLevel(before[4])
        os.close(write)
    with os.fdopen(read, "rb") as pipe:
        return pipe.read().decode()


_SAID = f"sk-proj-{_TAIL}"


def _fail() -> None:
    key = _SAID  # a local, which a traceback must not show
    raise ValueError(f"refused {key}")


def _in_thread() -> None:
    thread = threading.Thread(target=_fail)
    thread.start()
    thread.join()


def _in_hook() -> None:
    try:
        _fail()
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)


def _in_loop() -> None:
    async def lose() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(logs.loop_exception_handler)
        loop.call_soon(_fail)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(lose())


class _Lost:
    def __del__(self) -> None:
        _fail()


def _in_destructor() -> None:
    lost = _Lost()
    del lost


def _in_log() -> None:
    log = logging.getLogger("byokd.rpc.any")
    log.error("refused %s", _SAID)
    try:
        _fail()
    except ValueError:
        log.exception("it failed")
    for other in ("httpx", "asyncio", "pygls.protocol", "aiohttp.client"):
        logging.getLogger(other).critical("refused %s", _SAID)


@pytest.mark.parametrize("act", [_in_thread, _in_hook, _in_loop, _in_destructor, _in_log])
def test_every_last_resort_is_masked(
    act: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = _written(act, monkeypatch)
    assert said.startswith("byokd error ")
    assert _TAIL not in said
    assert "Traceback" not in said


def test_the_command_line_masks_what_nobody_foresaw() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from byokd.cli import main\n"
        f"def fail(*_, **__): raise ValueError({_SAID!r})\n"
        "main.byokd.main = fail\n"
        "main.main(['keys'])\n"
    )
    server = Path(__file__).resolve().parents[2] / "server"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(server)], capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"ValueError: ***" in done.stderr
    assert _TAIL.encode() not in done.stdout + done.stderr


# --- a secret has no accidental way out ----------------------------------------------------------


@dataclass(frozen=True)
class _Holder:
    name: str
    secret: Secret


_SECRET = Secret(_SAID)
_WAYS: dict[str, Callable[[], object]] = {
    "repr": lambda: repr(_SECRET),
    "str": lambda: str(_SECRET),
    "format": lambda: f"{_SECRET:>40}{_SECRET!r}{_SECRET!s}",
    "percent": lambda: "%s %r" % (_SECRET, _SECRET),  # noqa: UP031 - the old way is a way
    "str.format": lambda: "{0} {0!r}".format(_SECRET),  # noqa: UP032 - so is this
    "in a list": lambda: str([_SECRET, {"k": _SECRET}, (_SECRET,)]),
    "in a dataclass": lambda: repr(_Holder("n", _SECRET)),
    "in a changed dataclass": lambda: repr(replace(_Holder("n", _SECRET), name="m")),
    "in an exception": lambda: repr(ValueError(_SECRET)) + str(ValueError("x", _SECRET)),
    "in its names": lambda: dir(_SECRET),
    "in a log": lambda: logging.LogRecord("n", 1, "p", 1, "%s", (_SECRET,), None).getMessage(),
}


@pytest.mark.parametrize("way", _WAYS.values(), ids=_WAYS.keys())
def test_a_secret_is_shown_nowhere(way: Callable[[], object]) -> None:
    assert _TAIL not in str(way())


@pytest.mark.parametrize(
    "way",
    [
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        json.dumps,
        hash,
        vars,
        len,
        iter,
        bytes,
        lambda secret: asdict(_Holder("n", secret)),
        lambda secret: secret + "",
        lambda secret: codec.notification("key/list", secret),
    ],
)
def test_a_secret_becomes_nothing_else(way: Callable[[Any], object]) -> None:
    with pytest.raises((TypeError, AttributeError)) as caught:
        way(_SECRET)
    assert _TAIL not in str(caught.value)


def test_a_traceback_has_no_locals() -> None:
    try:
        _fail()
    except ValueError as error:
        told = "".join(traceback.format_exception(error)[:-1])
        assert _TAIL not in told
