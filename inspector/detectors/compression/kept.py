"""What a measurement of compression keeps in a run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from inspector.detectors.compression.schema import PARTS, TABLES

NAME = "compression"
DTYPES: dict[str, Any] = {"float": np.float64, "int": np.int64, "bool": np.bool_, "text": object}


def tables_of(part: str, tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables of one part with the columns and dtypes of the schema; others are left out."""
    return {
        name: pd.DataFrame({key: _cast(tables[name][key], column.kind) for key, column in TABLES[name].items()})
        for name in PARTS[part]
    }


def _cast(values: pd.Series, kind: str) -> pd.Series:
    return pd.to_numeric(values, errors="coerce").astype(np.float64) if kind == "float" else values.astype(DTYPES[kind])
