"""What the probe's neurons do on ordinary texts, kept with a study so that it is seen without a model."""

from dataclasses import replace

import numpy as np
import pandas as pd

from inspector.analyses.neurons import describe_neurons
from inspector.errors import ModelError
from inspector.hallucination.study import Study
from inspector.models import Model
from inspector.progress import SILENT, Progress
from inspector.texts import built_in

TEXTS = 32
"""Built-in texts that a study looks through: some 8,000 tokens, a few seconds."""


def with_states(study: Study, model: Model, progress: Progress = SILENT) -> Study:
    """The study with its probe's neurons described (tables `hneurons.states`, `hneurons.tokens`), or a note why not."""
    neurons = [(int(layer), int(neuron)) for layer, neuron in study.probe.neurons]
    if not neurons:
        return study
    try:
        found = describe_neurons(model, neurons, built_in(TEXTS), progress=progress)
    except ModelError as error:
        return replace(study, notes=(*study.notes, f"The neurons' states were left out: {error}"))
    tables = {"hneurons.states": _columns(found.states), "hneurons.tokens": _columns(found.tokens)}
    return replace(study, tables={**study.tables, **tables}, notes=(*study.notes, *found.notes))


def _columns(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Columns as plain arrays; whole numbers that can be missing become floats."""
    return {
        str(name): column.to_numpy(dtype=np.float64, na_value=np.nan) if column.dtype == "Int64" else column.to_numpy()
        for name, column in table.items()
    }
