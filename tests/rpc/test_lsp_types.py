"""The stand-in for `lsprotocol.types` equals the real module, and is replaced by it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from byokd.rpc.lsp_types import CONSTANTS, LazyReference, StandIn
from waits import WAIT_MAX_S

SERVER = Path(__file__).resolve().parents[2] / "server"

# Runs in a process of its own, because another test may have imported the real module.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from byokd.rpc import lsp_types

served = {}
look_up = lsp_types.StandIn.__getattr__

def record(self, name):
    served[name] = value = look_up(self, name)
    return value

lsp_types.StandIn.__getattr__ = record
with lsp_types.standing_in():
    import pygls.server, pygls.protocol, pygls.exceptions
assert "lsprotocol.types" not in sys.modules, "the real module was imported"
assert "attrs" in sys.modules, "what pygls needs is imported"

import lsprotocol.types as real
assert not isinstance(real, lsp_types.StandIn)
served = dict(served)
for name, value in served.items():
    if isinstance(value, lsp_types.LazyReference):
        assert value.resolve() is getattr(real, name), name
    else:
        assert value == getattr(real, name), name
assert set(lsp_types.CONSTANTS) == {n for n, v in served.items() if isinstance(v, str)}

error = pygls.exceptions.JsonRpcInternalError("x").to_response_error()
assert type(error) is real.ResponseError and error.code == -32603
assert isinstance(error, pygls.exceptions.ResponseError)
from pygls.lsp import get_method_options_type, METHOD_TO_OPTIONS
assert get_method_options_type("textDocument/completion") is real.CompletionOptions
converter = pygls.protocol.default_converter()
assert converter.unstructure(error) == {"code": -32603, "message": "x"}
print(len(served))
"""


def test_stand_in_equals_the_real_module_where_pygls_uses_it() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, str(SERVER)],
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_MAX_S,
    )
    assert done.returncode == 0, done.stderr
    print(f"\nnames served to pygls: {done.stdout.strip()}")


def test_unlisted_constant_comes_from_the_real_module() -> None:
    assert StandIn("x").TEXT_DOCUMENT_HOVER == "textDocument/hover"
    assert CONSTANTS["EXIT"] == StandIn("x").EXIT


def test_lazy_reference_to_a_missing_name_fails_when_used() -> None:
    with pytest.raises(AttributeError):
        StandIn("x").NoSuchType()
    assert isinstance(StandIn("x").PositionEncodingKind.Utf8, LazyReference)
