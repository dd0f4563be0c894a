"""A probe for use elsewhere: safetensors and JSON, or a scikit-learn pipeline."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inspector.errors import InputError
from inspector.hallucination.probe.probe import Probe

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

VERSION = 1
"""Of the exported files."""

ARRAYS, ABOUT = "probe.safetensors", "probe.json"

FORMULA = "1 / (1 + exp(-(bias + sum_j weight_j * (CETT_j - mean_j) / scale_j)))"


def save_probe(probe: Probe, card: Mapping[str, Any], form: Mapping[str, Any], folder: str | Path) -> Path:
    """Write a probe's arrays to `probe.safetensors` and what they mean to `probe.json`.

    The arrays have a row per neuron: layer, neuron (both from 0), weight, mean, scale; and `bias` has one entry.

    Args:
        probe: to be written.
        card: of the model it is for.
        form: how questions were put.
        folder: made where it isn't there; files of these names in it are replaced.

    Raises:
        InputError: the place can't be written.
    """
    from safetensors.numpy import save_file

    layer, neuron = probe.neurons.T
    fit, folder = probe.fit, Path(folder).expanduser()
    arrays = {
        "layer": layer.astype(np.int64),
        "neuron": neuron.astype(np.int64),
        "weight": fit.weight.astype(np.float64),
        "mean": fit.mean.astype(np.float64),
        "scale": fit.scale.astype(np.float64),
        "bias": np.array([fit.bias], np.float64),
    }
    about = {
        "version": VERSION,
        "model": {name: card[name] for name in ("name", "architecture", "dtype", "fingerprint")},
        "form": form,
        "feature": "mean over an answer's tokens of |z_j| * norm(W_out[j]) / norm(z @ W_out), at each MLP",
        "risk": FORMULA,
        "of": "an incorrect answer, where incorrect and correct ones are equally many",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / ARRAYS)
        (folder / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"'{folder}' can't be written: {error.strerror}. Choose another place.") from error
    return folder


def as_pipeline(probe: Probe) -> "Pipeline":
    """The probe as a fitted scikit-learn pipeline; it takes CETTs of the probe's neurons, in their order.

    `predict_proba(x)[:, 1]` is the risk.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fit, count = probe.fit, len(probe.neurons)
    scaler, regression = StandardScaler(), LogisticRegression()
    scaler.mean_, scaler.scale_ = fit.mean.astype(np.float64), fit.scale.astype(np.float64)
    scaler.var_, scaler.n_features_in_, scaler.n_samples_seen_ = scaler.scale_**2, count, 1
    regression.coef_, regression.intercept_ = fit.weight.astype(np.float64)[None], np.array([fit.bias], np.float64)
    regression.classes_, regression.n_features_in_ = np.array([0, 1]), count
    regression.n_iter_ = np.array([0])
    return make_pipeline(scaler, regression)
