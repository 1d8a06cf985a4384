"""Make and sign a catalog file from the data of this checkout, for `byokd catalog refresh`.

    python tests/tools/make_catalog.py --key FILE --date YYYY-MM-DD --out FILE
        [--models FILE] [--check litellm=FILE] [--check models.dev=FILE]
    python tests/tools/make_catalog.py --new-key FILE

The private key is PEM in a file outside of the checkout, which `--new-key` makes; the public key
for `config.toml` is printed. Each `--check` names a copy of another price list; models whose price
differs there are printed, and a person decides. `--models` replaces the checkout's `models.json`.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from byokd.catalog.layers import PARTS, bundled
from byokd.catalog.refresh import require_usable
from byokd.catalog.signed_file import SCHEMA, Header, message, payload, read_verified
from byokd.crypto.signature import VerifyingKey

CHECKOUT = Path(__file__).resolve().parents[2]
MILLION = Decimal(1_000_000)

# Our provider id, and its name in each of the other lists.
NAMES = {
    "litellm": {"google": "gemini", "grok": "xai", "cloudflare-workers-ai": "cloudflare"},
    "models.dev": {"grok": "xai", "glm": "zai", "together": "togetherai", "azure-openai": "azure"},
}


def public_key(key: Ed25519PrivateKey) -> str:
    """Return the text of `public_key` in `config.toml`."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def signed(key: Ed25519PrivateKey, day: str, parts: Any, schema: int = SCHEMA) -> bytes:
    """Return a catalog file of these parts."""
    key_id = VerifyingKey(public_key(key)).id
    lines = payload(parts)
    signature = base64.b64encode(key.sign(message(schema, day, key_id, lines))).decode()
    return Header(schema, day, key_id, signature).line() + lines


def checkout_parts(models: Path | None = None) -> dict[str, Any]:
    """Return the parts of this checkout's data as plain values."""
    parts: dict[str, Any] = {part: bundled().raw(part) for part in PARTS}
    if models is not None:
        parts["models"] = json.loads(models.read_text("utf-8"))
    return parts


def new_key(path: Path) -> Ed25519PrivateKey:
    """Write a new private key that only its owner can read."""
    refuse_checkout(path)
    key = Ed25519PrivateKey.generate()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def load_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key; exit if it is in the checkout or of another kind."""
    refuse_checkout(path)
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        sys.exit(f"{path} is no Ed25519 key; make one with --new-key")
    return key


def refuse_checkout(path: Path) -> None:
    """Exit if a private key would be in the repository."""
    if path.resolve().is_relative_to(CHECKOUT):
        sys.exit("keep the private key outside of the checkout")


# --- other price lists ---------------------------------------------------------------------------


def disagreements(models: Any, source: str, other: Any) -> Iterator[tuple[str, str, str, str]]:
    """Yield (provider, model, our price, theirs) where a list has another price per million."""
    for provider, lines in models["providers"].items():
        for line in lines:
            ours = _first_rates(line)
            theirs = _PRICES[source](other, NAMES[source].get(provider, provider), line["id"])
            if ours and theirs and any(ours[i] != theirs[i] for i in (0, 1) if ours[i] is not None):
                yield provider, line["id"], _shown(ours), _shown(theirs)


def _first_rates(line: Any) -> tuple[Decimal | None, Decimal | None] | None:
    rates = line.get("rates") or [{}]
    plain = [each for each in rates if "utc" not in each] or rates
    return _amount(plain[-1].get("input")), _amount(plain[-1].get("output"))


def _amount(value: Any) -> Decimal | None:
    if value is None:
        return None
    return Decimal(value if isinstance(value, str) else value[0][1]).normalize()


def _litellm(other: Any, provider: str, model: str) -> tuple[Decimal, Decimal] | None:
    entry = other.get(f"{provider}/{model}") or other.get(model) or {}
    if entry.get("litellm_provider", provider) != provider or "output_cost_per_token" not in entry:
        return None
    amounts = (entry.get("input_cost_per_token", 0), entry["output_cost_per_token"])
    return tuple((Decimal(str(each)) * MILLION).normalize() for each in amounts)  # type: ignore[return-value]


def _models_dev(other: Any, provider: str, model: str) -> tuple[Decimal, Decimal] | None:
    cost = other.get(provider, {}).get("models", {}).get(model, {}).get("cost")
    if not cost:
        return None
    return Decimal(str(cost["input"])).normalize(), Decimal(str(cost["output"])).normalize()


_PRICES = {"litellm": _litellm, "models.dev": _models_dev}


def _shown(pair: Sequence[Decimal | None]) -> str:
    return " / ".join("?" if each is None else f"{each:f}" for each in pair)


def main(arguments: Sequence[str]) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--new-key", type=Path, help="write a new private key here, and stop")
    parser.add_argument("--key", type=Path, help="the private key, PEM")
    parser.add_argument("--date", type=date.fromisoformat, help="the day of the data")
    parser.add_argument("--out", type=Path, help="the file to write")
    parser.add_argument("--models", type=Path, help="models instead of the checkout's")
    parser.add_argument("--check", action="append", default=[], metavar="SOURCE=FILE")
    options = parser.parse_args(arguments)
    if options.new_key:
        print(f"public_key = {public_key(new_key(options.new_key))!r}")
        return
    if not (options.key and options.date and options.out):
        parser.error("--key, --date and --out are needed, or --new-key")
    key = load_key(options.key)
    parts = checkout_parts(options.models)
    for check in options.check:
        source, _, name = check.partition("=")
        if source not in _PRICES:
            parser.error(f"--check knows {' and '.join(_PRICES)}")
        other = json.loads(Path(name).read_text("utf-8"))
        for provider, model, ours, theirs in disagreements(parts["models"], source, other):
            print(f"{source} disagrees: {provider} {model}: {ours} here, {theirs} there")
    raw = signed(key, options.date.isoformat(), parts)
    require_usable(read_verified(raw, VerifyingKey(public_key(key))))
    options.out.write_bytes(raw)
    print(f"{options.out}: {len(raw)} bytes of {options.date}, public_key = {public_key(key)!r}")


if __name__ == "__main__":
    main(sys.argv[1:])
