"""What looks like a key is redacted from text of unknown origin: logs, errors, tracebacks.

The prefixes of keys are read from the providers' records, so that a new one is tested, too.
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
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from byokd.catalog.loader import load
from byokd.core.redaction.patterns import redact, redact_patterns
from byokd.core.secret import MASK, Secret
from byokd.protocol.errors import BadRequest
from byokd.rpc import codec, logs
from cpu_time import cost

_TAIL = "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8"
_PREFIXES = sorted({each.text for record in load().values() for each in record.key_prefixes})
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
_UNCHANGED = (
    "internal error 0123456789abcdef0123456789abcdef: builtins.ValueError at byokd.rpc:1 run",
    "the key key_aaaaaaaaaaaaaaaaaaaaaaaaaa is out of use",
    "use https: a key is sent over plain http to this machine only",
    "sk- is how keys begin",
    "store one: byokd keys add openai",
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
)


@pytest.mark.parametrize("text", _KEYS.values(), ids=_KEYS.keys())
def test_likely_key_is_redacted(text: str) -> None:
    for output in (text, f"refused {text} here", f'{{"error":"{text}"}}'):
        shown = redact(output)
        assert MASK in shown
        assert _TAIL not in shown
        assert text.rsplit(maxsplit=1)[-1].rsplit("=", maxsplit=1)[-1] not in shown
        assert redact(shown) == shown


@pytest.mark.parametrize("text", _UNCHANGED)
def test_text_without_a_key_is_unchanged(text: str) -> None:
    assert redact(text) == text


def test_foreign_text_loses_long_random_words() -> None:
    assert redact_patterns("id 0123456789abcdef0123456789abcdef") == f"id {MASK}"


_HEX = "4bf92f3577b34da6a3ce929d0e0e4736"
_ALNUM = "68a1Xb2c3D4e5f6A7b8c9d0e1f2A3b4c5d6e7f8a9b0c1d2e3f"
_IDS = (
    f"Item 'rs_{_ALNUM}' of type 'reasoning' was provided without its required following item",
    f"Item with id 'fc_{_ALNUM}' not found",
    f"Previous response with id 'resp_{_ALNUM}' not found",
    f"include the request ID req_{_HEX} in your message",
    f"No tool output found for function call call_{_ALNUM}",
    f"tool_use ids were found without tool_result blocks: toolu_01{_ALNUM[:22]}",
    f"see chatcmpl-{_HEX} and msg_{_ALNUM} and gen-1763-{_ALNUM}",
    f"internal error (request id: {_HEX})",
    "Request id: 0217450022188878000000000000000000000ffffac1532bda2e2c",
    f'{{"traceId": "{_HEX}", "requestId": "{_ALNUM}"}}',
    f"trace_id={_HEX} span-id 00f067aa0ba902b7",
    f"traceparent: 00-{_HEX}-00f067aa0ba902b7-01",
    "failed. Request ID: 3fbd29f6-f17f-447c-8e5f-0f789bea5c4c (Service: Bedrock, Status: 400)",
    "blocked by Cloudflare, Ray ID: 8f2b1c3d4e5f6a7b-FRA",
    f"RequestId={_HEX.upper()}; correlation id {_HEX}; invocationId: {_HEX}",
    f"logid {_HEX}, error id: {_HEX}",
)
_SECRETS = (
    *(f"request id: {prefix}{_TAIL}" for prefix in _PREFIXES),
    *(f"trace {prefix}{_TAIL}" for prefix in _PREFIXES),
    f"key {_HEX}",
    f"token {_HEX} refused",
    f"Incorrect API key provided ({_HEX})",
    f"the key {_HEX}.Ab1Cd2Ef3Gh4Ij5K is expired",
    f"api key id and key: {_ALNUM}",
    f"request id: Bearer {_TAIL}",
    f"request id: eyJhbGciOiJIUzI1NiJ9.eyJ{_TAIL}.{_TAIL}",
    "secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY is wrong",
    "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "call-sk-proj-Zx81mQv0rT5bN2kLw9Ye7Gd4",
    "req_abc***xyz",
)


@pytest.mark.parametrize("text", _IDS)
def test_ids_of_a_provider_are_shown(text: str) -> None:
    assert redact_patterns(text) == text


@pytest.mark.parametrize("text", _SECRETS)
def test_what_may_be_a_key_is_masked_beside_ids(text: str) -> None:
    shown = redact_patterns(text)
    assert MASK in shown
    for secret in (_TAIL, _HEX, _ALNUM, "K7MDENG", "IOSFODNN7", "Zx81mQv0", "***xyz"):
        assert secret not in shown


_LINEAR_COST_MAX = 200
"""In units of `cpu_time`, about 10 ms. Quadratic time would be thousands of them."""


@pytest.mark.parametrize("show", [redact, redact_patterns])
def test_redaction_time_is_linear(show: Callable[[str], str]) -> None:
    runs = ("sk-", "key=", "aaaa", "****", "eyJ.", "req_", "trace", "request id ", "aB3/")
    for text in (run * 20_000 for run in runs):
        work = partial(show, text)
        assert cost(work, _LINEAR_COST_MAX) < _LINEAR_COST_MAX, text[:10]


# --- where text is redacted -----------------------------------------------------------------------


def test_error_response_is_redacted() -> None:
    error = BadRequest(f"it answered {_PREFIXES[0]}{_TAIL}")
    assert _TAIL not in codec.error_response(1, -31034, error).decode()
    assert error.error_id in codec.error_response(1, -31034, error).decode()


def _written(act: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what is written to stderr while a function runs under the hooks of the logs."""
    read, write = os.pipe()
    hooks = (sys.excepthook, sys.unraisablehook, threading.excepthook)
    monkeypatch.setattr(logs, "_STDERR", write)
    root, ours = logging.getLogger(), logging.getLogger("byokd")
    before = (root.handlers[:], root.level, ours.handlers[:], ours.propagate, ours.level)
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
    monkeypatch.setattr(logging, "raiseExceptions", True)
    try:
        logs.set_up("debug")
        act()
    finally:
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
        root.handlers[:], ours.handlers[:], ours.propagate = before[0], before[2], before[3]
        root.setLevel(before[1])
        ours.setLevel(before[4])
        os.close(write)
    with os.fdopen(read, "rb") as pipe:
        return pipe.read().decode()


_KEY = f"sk-proj-{_TAIL}"


def _fail() -> None:
    key = _KEY  # a local that no traceback may show
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
    log.error("refused %s", _KEY)
    try:
        _fail()
    except ValueError:
        log.exception("it failed")
    for library in ("httpx", "asyncio", "pygls.protocol", "aiohttp.client"):
        logging.getLogger(library).critical("refused %s", _KEY)


@pytest.mark.parametrize("act", [_in_thread, _in_hook, _in_loop, _in_destructor, _in_log])
def test_unhandled_exception_and_log_are_redacted(
    act: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = _written(act, monkeypatch)
    assert output.startswith("byokd error ")
    assert _TAIL not in output
    assert "Traceback" not in output


def test_command_line_redacts_an_unexpected_exception() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from byokd.cli import main\n"
        f"def fail(*_, **__): raise ValueError({_KEY!r})\n"
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


# --- conversions of a secret ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Holder:
    name: str
    secret: Secret


_SECRET = Secret(_KEY)
_CONVERSIONS: dict[str, Callable[[], object]] = {
    "repr": lambda: repr(_SECRET),
    "str": lambda: str(_SECRET),
    "format": lambda: f"{_SECRET:>40}{_SECRET!r}{_SECRET!s}",
    "percent": lambda: "%s %r" % (_SECRET, _SECRET),  # noqa: UP031 - the old formatting, too
    "str.format": lambda: "{0} {0!r}".format(_SECRET),  # noqa: UP032 - this formatting, too
    "in a list": lambda: str([_SECRET, {"k": _SECRET}, (_SECRET,)]),
    "in a dataclass": lambda: repr(_Holder("n", _SECRET)),
    "in a changed dataclass": lambda: repr(replace(_Holder("n", _SECRET), name="m")),
    "in an exception": lambda: repr(ValueError(_SECRET)) + str(ValueError("x", _SECRET)),
    "in its names": lambda: dir(_SECRET),
    "in a log": lambda: logging.LogRecord("n", 1, "p", 1, "%s", (_SECRET,), None).getMessage(),
}


@pytest.mark.parametrize("convert", _CONVERSIONS.values(), ids=_CONVERSIONS.keys())
def test_secret_is_not_shown_by_any_conversion_to_text(convert: Callable[[], object]) -> None:
    assert _TAIL not in str(convert())


@pytest.mark.parametrize(
    "convert",
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
def test_secret_cannot_be_copied_serialized_or_hashed(convert: Callable[[Any], object]) -> None:
    with pytest.raises((TypeError, AttributeError)) as caught:
        convert(_SECRET)
    assert _TAIL not in str(caught.value)


def test_traceback_shows_no_locals() -> None:
    try:
        _fail()
    except ValueError as error:
        text = "".join(traceback.format_exception(error)[:-1])
        assert _TAIL not in text
