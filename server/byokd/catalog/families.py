"""Reads the conversation rules that the models of a family need, whoever serves them."""

from __future__ import annotations

import re
import tomllib
from functools import cache, lru_cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, TypeAdapter

from byokd.catalog.record import Day
from byokd.catalog.rules import RuleName


class Family(BaseModel):
    """Rules for models whose id matches.

    `models` is a regular expression, searched in any case. It leaves out the old models that do
    not need the rules, so that a new one gets them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: str
    rules: tuple[RuleName, ...]
    source: str
    checked: Day


@cache
def load_families() -> tuple[Family, ...]:
    text = files("byokd.catalog").joinpath("families.toml").read_text(encoding="utf-8")
    return TypeAdapter(tuple[Family, ...]).validate_python(tomllib.loads(text)["families"])


@lru_cache(maxsize=256)
def family_rules(model: str) -> frozenset[RuleName]:
    """Return the rules for a model id, which may have the prefix of a gateway."""
    return frozenset(
        rule
        for family in load_families()
        if re.search(family.models, model, re.IGNORECASE)
        for rule in family.rules
    )
