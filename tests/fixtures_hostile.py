"""Runs whose every string is markup that would run a script or fetch from outside where a page obeyed it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from fuzz.damage import rehashed
from safetensors import safe_open
from safetensors.numpy import save_file

OUTSIDE = "stranger.example"
ATTACKS = (
    f"<img src=x onerror=\"alert(1);fetch('https://{OUTSIDE}/a')\">",
    f'<a href="https://{OUTSIDE}/b" style="background:url(https://{OUTSIDE}/c)">a</a>',
    f'<span style="fill:url(https://{OUTSIDE}/d);background:url(https://{OUTSIDE}/e)">s</span>',
    "</script><script>alert(2)</script>",
    f"![i](https://{OUTSIDE}/f) [l](javascript:alert(3)) :material/home:",
    f"$\\href{{javascript:alert(4)}}{{x}}$<style>@import 'https://{OUTSIDE}/g'</style>",
    f"%{{customdata}}&lt;img src=https://{OUTSIDE}/h&gt;<b>bold</b>",
)

KEPT = {
    *("detector", "detectors", "axes", "combine", "metric", "verdict", "claim", "kind"),
    *("policy", "by", "what", "where", "heads", "of", "measure", "change", "scheme"),
}
"""Names under which a run that opens has one of a few words, or one that must be found elsewhere in it."""
NEEDED = ("probe", "entropy")
"""Predictors that every study has."""


def hostile(run: Path) -> None:
    """Put markup in the place of every string of a saved run that its schema lets be any string."""
    about = json.loads((run / "run.json").read_text(encoding="utf-8"))
    for part in ("model", "settings", "notes", "libraries"):
        about[part] = _attacked(about[part])
    (run / "run.json").write_text(json.dumps(about), encoding="utf-8")
    for path in run.glob("*.parquet"):
        table = pq.read_table(path).to_pandas()
        for name in set(table) - KEPT:
            table[name] = [_attack(i) if isinstance(old, str) else old for i, old in enumerate(table[name])]
        table.to_parquet(path, index=False)
    for path in (run / "evidence").glob("*.safetensors"):
        with safe_open(path, "np") as file:
            arrays = {name: np.asarray(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
            meta = json.loads(file.metadata()["about"])
        meta["facts"] = _attacked(meta["facts"])
        save_file(arrays, path, metadata={"about": json.dumps(meta)})
    rehashed(run)


def _attack(number: int) -> str:
    return f"{ATTACKS[number % len(ATTACKS)]} {number}"


def _attacked(value: Any, name: str = "", number: int = 0) -> Any:
    if name in KEPT:
        return value
    if isinstance(value, Mapping):
        return {key: _attacked(one, key, i) for i, (key, one) in enumerate(value.items())}
    if isinstance(value, list):
        return [_attacked(one, name, number + i) for i, one in enumerate(value)]
    return _attack(number) if isinstance(value, str) and value not in NEEDED else value
