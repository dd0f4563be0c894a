"""What to spare, as data, from the tables of a run; each entry with the measurement behind it."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from inspector.detectors.compression.sentences import HELPS, LESS, worst_first


def recipe_of(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe: what to spare under each scheme, and which heads can have a window.

    Only what helped more than random ones did is in it, and heads only where they cost less than random ones.
    """
    found: dict[str, Any] = {}
    parts, remedies = tables.get("quantisation"), tables.get("remedies")
    if parts is not None and remedies is not None:
        found["schemes"] = {}
        for scheme, rows in parts.groupby("scheme", sort=False):
            mine = remedies[remedies["scheme"] == scheme]
            found["schemes"][str(scheme)] = _spared(rows, mine, facts["quantisation"][str(scheme)])
    if "windowable_heads" in tables:
        found["windows"] = _windows(tables["windowable_heads"], tables["window_tests"], facts["windows"])
    return found


def _spared(parts: pd.DataFrame, remedies: pd.DataFrame, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Dims, neurons, tokens, a prefix, and modules as llm-compressor's `ignore` takes them."""
    helped = remedies[remedies["verdict"] == HELPS].drop_duplicates("kind").set_index("kind")
    spikes = facts["spikes"]
    found: dict[str, Any] = {}
    for kind in ("dims", "neurons", "tokens"):
        found[kind] = {"spare": spikes[kind], **_measured(helped.loc[kind])} if kind in helped.index else {"spare": []}
    if "prefix" in helped.index:
        found["prefix"] = {"ids": spikes.get("prefix", []), **_measured(helped.loc["prefix"])}
    names: list[str] = []
    measured: dict[str, float] = {}
    worst = {what: worst_first(parts[parts["what"] == what]) for what in ("matrix", "layer")}
    if "matrix" in helped.index and len(worst["matrix"]):
        names, measured = [str(worst["matrix"]["name"].iloc[0])], _measured(helped.loc["matrix"])
    elif "layer" in helped.index and len(worst["layer"]):
        block = facts.get("blocks", {}).get(str(int(worst["layer"]["layer"].iloc[0])), "")
        if block:
            names, measured = [f"re:^{re.escape(block)}.*"], _measured(helped.loc["layer"])
    return {**found, "ignore": {"modules": names, **measured}}


def _windows(heads: pd.DataFrame, tests: pd.DataFrame, facts: Mapping[str, Any]) -> dict[str, Any]:
    window = {"first": facts["first"], "last": facts["last"]}
    chosen = tests[tests["heads"] == "chosen"]
    if not len(chosen) or facts["verdict"] != LESS:
        return {**window, "heads": {}}
    served = heads[heads["served"]].groupby("layer")["head"]
    by_layer = {str(int(str(layer))): [int(one) for one in some] for layer, some in served}
    measured = {name: float(chosen[name].iloc[0]) for name in ("loss", "kl")}
    return {**window, "heads": by_layer, **measured, "p": float(facts["p"])}


def _measured(row: pd.Series) -> dict[str, float]:
    names = ("kl", "gain", "gain_low", "gain_high", "p")
    return {name: float(row[name]) for name in names if np.isfinite(row[name])}
