"""What a detector knows of single MLP neurons: columns beside what `describe_neurons` says of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inspector.records import Evidence


@dataclass(frozen=True)
class Described:
    """The neurons that are described, as far as columns are made from it.

    Args:
        neurons: layer and neuron of each.
        output: what each writes where it is 1: its row of the MLP's last matrix.
        peak: each one's z where |z| is largest; NaN where none was seen.
        top: of each the tokens on which it activates most, as (number of the input in the evidence, position).
        lengths: tokens of each input, by its number.
    """

    neurons: Int[np.ndarray, "neuron 2"]
    output: Float[np.ndarray, "neuron d_model"]
    peak: Float[np.ndarray, " neuron"]
    top: tuple[tuple[tuple[int, int], ...], ...]
    lengths: Mapping[int, int]


@dataclass(frozen=True)
class NeuronColumns:
    """Columns that a detector adds to described neurons.

    Args:
        make: evidence of the detector → a frame with one row per neuron.
        dtypes: the frame's columns and their types; they are empty where the model can't be measured.
        these_texts: whether the evidence must be of the texts on which the neurons are described; if not, that of an
            earlier scan of the model serves as well.
    """

    make: Callable[[Evidence, Described], pd.DataFrame]
    dtypes: Mapping[str, str]
    these_texts: bool = False

    def frame(self, evidence: Evidence | None, described: Described) -> pd.DataFrame:
        """The columns; empty ones without evidence."""
        made = pd.DataFrame() if evidence is None else self.make(evidence, described)
        return made.reindex(index=range(len(described.neurons)), columns=list(self.dtypes)).astype(dict(self.dtypes))
