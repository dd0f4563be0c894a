"""The largest dims of one token after each layer, measured on demand: runs keep those of the largest tokens only."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from inspector.analyses.one_text import read_one
from inspector.batches import Batch
from inspector.errors import InputError
from inspector.models import Model
from inspector.progress import Reported
from inspector.sites import Site

COUNT = 16
"""Dims of each layer: as many as a scan keeps of each text and layer."""


def token_dims(
    model: Model, ids: Sequence[int], position: int, count: int = COUNT, *, progress: Reported = None
) -> pd.DataFrame:
    """The residual stream's largest entries at one token of a text, after each layer.

    Args:
        model: from `load_model`.
        ids: the text's input token ids (`report.frame("tokens")` has them).
        position: of the token, 0-based.
        count: entries of each layer.
        progress: hears of the task `reading`, in tokens.

    Returns:
        A row for each entry, of each layer the largest |x| first: layer, position, dim, value.

    Raises:
        InputError: no tokens, more than the context holds, or no token at this position.
    """
    if not 0 <= position < len(ids):
        raise InputError(f"There is no token {position}: the text has {len(ids)}, counted from 0.")
    reader = _OneToken(position, count)
    read_one(model, ids, reader, progress)
    return pd.concat(reader.tables, ignore_index=True)


class _OneToken:
    """Keeps a token's largest entries as its layers stream by."""

    kinds: tuple[str, ...] = ("resid_post",)

    def __init__(self, position: int, count: int) -> None:
        self.position, self.count = position, count
        self.tables: list[pd.DataFrame] = []

    def update(self, batch: Batch, site: Site, x: Float[Tensor, "batch pos d"]) -> None:
        values = x[0, self.position].float().cpu().numpy()
        dims = np.argsort(-np.abs(values), kind="stable")[: self.count]
        place = {"layer": site.layer, "position": self.position}
        self.tables.append(pd.DataFrame({**place, "dim": dims, "value": values[dims].astype(np.float64)}))
