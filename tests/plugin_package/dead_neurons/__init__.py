"""Dead neurons: MLP neurons that fire on almost no token of the texts.

A neuron fires at a token where its activation z, the input of the MLP's last matrix, is above a fifth of the
largest |z| of its layer at that token. A neuron that fires on none of the tokens writes almost nothing there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from inspector.plugin import (
    Drawing,
    Evidence,
    Finding,
    Frame,
    Headline,
    Measured,
    Names,
    Screen,
    Sentence,
    Term,
    TextTable,
    Tile,
    threshold,
    verdict_by,
)

FIRES_FROM = 0.2
"""A neuron fires at a token where |z| is above this share of its layer's largest there."""


@dataclass(frozen=True)
class Thresholds:
    """When a neuron is dead."""

    share: float = threshold(
        0.0,
        "a neuron that fires on this share of the tokens, or on less, is dead",
        high=1.0,
        label="Dead: fires on at most this share of the tokens",
        steps=(0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5),
    )


def neurons(m: Measured) -> pd.DataFrame:
    """Each neuron with the share of tokens that it fires on: layer, neuron, share, tokens."""
    fired, tokens = m.evidence["fired"], m.evidence["tokens"]
    layer, neuron = np.indices(fired.shape).reshape(2, -1)
    share = (fired / np.maximum(tokens, 1)[:, None]).reshape(-1)
    return pd.DataFrame({"layer": layer, "neuron": neuron, "share": share, "tokens": tokens[layer]})


def by_layer(m: Measured) -> pd.DataFrame:
    """Each layer with how many of its neurons are dead: layer, dead, neurons, share."""
    table = m.frame("neurons")
    grouped = table.assign(dead=table["share"] <= m.thresholds.share).groupby("layer")
    found = grouped.agg(dead=("dead", "sum"), neurons=("neuron", "size")).reset_index()
    return found.assign(share=found["dead"] / found["neurons"])


class DeadNeurons:
    """Finds neurons that fire on no token, or on few."""

    name = "dead_neurons"
    title = "Dead neurons"
    accent = "#0B7285"
    kinds: tuple[str, ...] = ("neuron",)
    thresholds = Thresholds
    presets: Mapping[str, Mapping[str, float]] = {"nearly-dead": {"share": 0.01}}
    terms = {"dead neuron": Term("Dead neuron", "A neuron that fires on no token of the texts.", "share ≤ threshold")}
    frames: Mapping[str, Frame] = {
        "neurons": Frame(neurons, verdicts=verdict_by("layer", "neuron")),
        "layers": Frame(by_layer),
    }
    page = ("dead_neurons.layers",)
    screen = Screen("Neurons of the MLP that fire on almost no token of these texts.")
    operations = ("ablate dead",)
    trials = "dead_neurons.trials:DeadNeuronTrials"

    def reducer(self, model: Any) -> Any:
        """A reducer for one scan of this model."""
        from dead_neurons.reducer import DeadNeuronReducer

        return DeadNeuronReducer(model)

    def judge(self, evidence: Evidence, names: Names, thresholds: Thresholds = Thresholds()) -> Sequence[Finding]:
        """A finding for each neuron that fires on at most the threshold's share of the tokens."""
        tokens = np.maximum(evidence["tokens"], 1)[:, None]
        share = evidence["fired"] / tokens
        nan = float("nan")
        return [
            Finding(
                self.name,
                "dead neuron",
                int(layer),
                int(unit),
                None,
                None,
                float(share[layer, unit]),
                nan,
                nan,
                thresholds.share,
            )
            for layer, unit in np.argwhere((share <= thresholds.share) & (evidence["tokens"] > 0)[:, None])
        ]

    def sentences(self, m: Measured) -> Iterator[Sentence]:
        """How many there are, and what was tested."""
        layers = m.frame("layers")
        most = layers.loc[layers["dead"].idxmax()]
        yield Sentence(
            self.name,
            f"Dead neurons: {int(layers['dead'].sum()):,} of {int(layers['neurons'].sum()):,} neurons fire on at most "
            f"{m.thresholds.share:.1%} of the tokens; most in layer {int(most['layer'])} ({int(most['dead'])}).",
            "On other texts they can fire.",
        )
        for one in m.effects:
            if one.metric == "loss":
                said = f"{one.change:+.4f} [{one.low:+.4f}, {one.high:+.4f}]"
                controls = f"{one.twin_low:+.4f} to {one.twin_high:+.4f}"
                yield Sentence(
                    self.name,
                    f"Tested: {one.target}, ablated: loss {said}, as many living neurons {controls}: {one.verdict}.",
                    tested=True,
                )

    def text_tables(self, m: Measured) -> Iterator[TextTable]:
        """The layers that have most."""
        yield TextTable(
            "Dead neurons by layer",
            m.frame("layers").nlargest(8, "dead"),
            {"layer": "{layer}", "dead": "{dead}", "of": "{neurons}", "share": "{share:.1%}"},
        )

    def figures(self, m: Measured) -> Mapping[str, Drawing]:
        """Dead neurons over the layers."""
        from dead_neurons.figures import dead_over_layers

        means = "Neurons that fire on almost no token, layer by layer. They could be spared; other texts may need them."
        return {"dead_neurons.layers": Drawing(dead_over_layers, ("dead_neurons.layers",), {}, means, ("dead neuron",))}

    def tiles(self, m: Measured) -> Iterator[Tile]:
        """How many there are."""
        yield Tile("Dead neurons", f"{len(m.findings):,}", f"fire on at most {m.thresholds.share:.1%} of the tokens")

    def headlines(self, m: Measured) -> Mapping[str, Headline]:
        """The number that two runs are compared by."""
        return {"dead neurons": Headline(float(len(m.findings)))}
