"""A probe: a logistic regression on a few neurons' CETT; its log-odds are those of an incorrect answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inspector.alike import Alike
from inspector.detectors.hneurons.arrays import ProbeArrays
from inspector.hallucination.probe.lasso import Fit
from inspector.pages import page
from inspector.printable import brief, counted


@dataclass(frozen=True, repr=False, eq=False)
class Probe(Alike):
    """The neurons, and the fit on their CETTs.

    Args:
        neurons: layer and number of each neuron, in the order of the fit's weights.
        fit: its `columns` are the neurons' places in a flat [layer, neuron] array.
    """

    neurons: Int[np.ndarray, "neuron 2"]
    fit: Fit

    def __repr__(self) -> str:
        layers = ", ".join(str(layer) for layer in np.unique(self.neurons[:, 0]))
        return f"<Probe of {counted(len(self.neurons), 'neuron')} in layers {brief(layers) or 'none'}>"

    def _repr_html_(self) -> str:
        said = "Log-odds of an incorrect answer: the bias, and each neuron's (CETT − mean) / scale times its weight."
        return page(repr(self), [said, f"Bias {self.fit.bias:.3g}."], {"Neurons": self.frame()})

    def frame(self) -> pd.DataFrame:
        """A row per neuron: layer, neuron, weight, and the mean and scale of its CETT; the largest weights first."""
        layer, neuron = self.neurons.T
        columns = {"weight": self.fit.weight, "mean": self.fit.mean, "scale": self.fit.scale}
        rows = pd.DataFrame({"layer": layer, "neuron": neuron, **columns})
        return rows.sort_values("weight", key=abs, ascending=False, ignore_index=True)

    @classmethod
    def of(cls, fit: Fit, layers: tuple[int, ...], d_mlp: int) -> "Probe":
        """The probe of a fit on flattened [layer, neuron] columns, where `layers` are the layers with neurons."""
        neurons = np.stack([np.array(layers)[fit.columns // d_mlp], fit.columns % d_mlp], axis=1)
        return cls(neurons.astype(np.int64), fit)

    def risk(self, values: Float[np.ndarray, "row neuron"]) -> Float[np.ndarray, " row"]:
        """Probability in [0, 1] that an answer is incorrect, where incorrect and correct ones are equally many."""
        return risk_of(self.fit.log_odds(values))

    def terms(self, values: Float[np.ndarray, "row neuron"]) -> Float[np.ndarray, "row neuron"]:
        """What each neuron adds to the log-odds; with the bias they add up to it."""
        return (values.astype(np.float64) - self.fit.mean) / self.fit.scale * self.fit.weight

    def arrays(self) -> dict[str, np.ndarray]:
        """The probe as arrays, to be saved."""
        fit, (layer, neuron) = self.fit, self.neurons.T
        saved = ProbeArrays(layer, neuron, fit.columns, fit.weight, fit.mean, fit.scale, np.array([fit.bias]))
        return saved.arrays()

    @classmethod
    def read(cls, arrays: Mapping[str, Any]) -> "Probe":
        """The probe that `arrays` came from."""
        saved = ProbeArrays.of(arrays)
        fit = Fit(saved.column, saved.weight, saved.mean, saved.scale, float(saved.bias[0]))
        return cls(np.stack([saved.layer, saved.neuron], axis=1), fit)


def risk_of(log_odds: Float[np.ndarray, "*rows"]) -> Float[np.ndarray, "*rows"]:
    """Probabilities of log-odds."""
    return np.asarray(1 / (1 + np.exp(-log_odds)))
