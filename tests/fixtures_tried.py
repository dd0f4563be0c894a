"""A run of what was tried of compression, with invented numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from inspector import Report
from inspector.detectors.compression.kept import NAME, tables_of
from inspector.detectors.compression.schema import PARTS, TABLES
from inspector.run.measurements import Measurements, keep

ROWS = 8
FACTS: dict[str, dict[str, Any]] = {
    "quantisation": {
        "w8a8-tensor": {
            "words": "weights in 8 bits",
            "spikes": {"dims": [5], "neurons": [[2, 3]], "tokens": [0], "prefix": [1]},
        }
    },
    "windows": {"first": 4, "last": 64, "most": 0.05, "p": 1 / 21, "verdict": "less than random heads"},
    "removals": {"loss": 3.2, "largest": 5000.0, "sink_rate": 0.4},
    "comparison": {"second": "other", "said": ["The second model differs."]},
}
WORDS: dict[str, dict[str, list[Any]]] = {
    "quantisation": {
        "scheme": ["w8a8-tensor"] * ROWS,
        "what": ["all", "layer", "layer", *["matrix"] * 5],
        "layer": [np.nan, 0, 1, 0, 0, 1, 1, 2],
    },
    "remedies": {
        "scheme": ["w8a8-tensor"] * ROWS,
        "kind": ["", "dims", "neurons", "tokens", "constants", "prefix", "grid", "matrix"],
        "verdict": ["", *["helps, more than random ones"] * (ROWS - 1)],
        "remedy": ["as it is", "<script>alert(1)</script>", "<a href='https://x.example'>x</a>", *["kept"] * 5],
    },
    "windowable_heads": {"layer": [0, 0, 1, 1, 2, 2, 3, 3], "head": [0, 1] * 4, "kv_head": [0, 0] * 4},
    "window_tests": {"heads": ["chosen", *["random"] * 5, "least elsewhere", "random share"]},
    "removals": {
        "what": ["layer", "attention", "mlp", *["head"] * 5],
        "layer": [2] * ROWS,
        "largest": [10.0, *[5000.0] * (ROWS - 1)],
    },
    "removed_sets": {"of": ["neurons", "weights"] * 4, "by": ["random", "magnitude"] * 4},
    "differing_layers": {"layer": list(range(ROWS)), "dim": [5] * ROWS},
    "differing_predictions": {"measure": ["kl", "changed", "loss"]},
    "differing_findings": {"change": ["in both", "appeared", "gone", "moved"] * 2, "unit": [5] * ROWS},
}


def tried(scan: Report, folder: Path) -> Path:
    """The scan's run with a table of each kind that the commands keep."""
    rng = np.random.default_rng(0)
    scan.save(folder)
    for part, names in PARTS.items():
        frames = {name: _table(name, rng) for name in names}
        keep(Measurements(NAME, part, scan.card, scan.tokens, tables_of(part, frames), FACTS[part]), folder)
    return folder


def _table(name: str, rng: np.random.Generator) -> pd.DataFrame:
    rows = 3 if name == "differing_predictions" else ROWS
    made: dict[str, Any] = {}
    for key, column in TABLES[name].items():
        numbers = np.sort(rng.random(rows))
        plain = {
            "float": numbers,
            "int": np.arange(rows),
            "bool": numbers > 0.5,
            "text": [f"{key} {i}" for i in range(rows)],
        }
        made[key] = WORDS.get(name, {}).get(key, plain[column.kind])
    return pd.DataFrame(made)
