"""What a study measured of its answers, for a probe of one's own."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float16, Int

from inspector.alike import Alike
from inspector.errors import InputError
from inspector.pages import page
from inspector.printable import counted

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, repr=False, eq=False)
class Features(Alike):
    """Mean CETT of every neuron over each answer's tokens, with its axes.

    Args:
        values: CETTs, in float16.
        id: each answer's id.
        label: each answer's label: right, wrong, mixed or abstained.
        layers: the layer of each place on the second axis.
    """

    values: Float16[np.ndarray, "answer layer neuron"]
    id: np.ndarray
    label: np.ndarray
    layers: Int[np.ndarray, " layer"]

    def __repr__(self) -> str:
        answers, layers, neurons = self.values.shape
        return f"<Features of {counted(answers, 'answer')}: {counted(neurons, 'neuron')} in {counted(layers, 'layer')}>"

    def _repr_html_(self) -> str:
        return page(repr(self), (), {"Answers": pd.DataFrame({"id": self.id, "label": self.label})})

    @property
    def matrix(self) -> Float16[np.ndarray, "answer column"]:
        """The values with a row per answer and a column per neuron, layer after layer."""
        return self.values.reshape(len(self.values), -1)

    def to_xarray(self) -> "xarray.DataArray":
        """The values with named axes `answer`, `layer`, `neuron`, and `label` beside the answers.

        Raises:
            InputError: xarray isn't installed.
        """
        try:
            import xarray
        except ImportError as error:
            raise InputError("xarray is not installed. pip install xarray, or use .values and .layers.") from error
        coordinates = {"answer": self.id, "layer": self.layers, "label": ("answer", self.label)}
        return xarray.DataArray(self.values, dims=("answer", "layer", "neuron"), coords=coordinates, name="cett")
