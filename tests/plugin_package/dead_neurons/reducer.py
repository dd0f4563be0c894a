"""Counts the tokens on which each neuron fires, while activations stream."""

from typing import Any

from dead_neurons import FIRES_FROM
from inspector.plugin import Batch, Evidence, Site, Tally


class DeadNeuronReducer:
    """Sums over tokens; small whatever the texts' length."""

    kinds = ("neuron",)

    def __init__(self, model: Any) -> None:
        self.tally = Tally(model.shape.layers)

    def update(self, batch: Batch, site: Site, x: Any) -> None:
        """Take in the activations of one layer, `[batch, pos, d_mlp]`, padded on the right."""
        size = x.float().abs()
        fires = (size > FIRES_FROM * size.amax(dim=-1, keepdim=True)) & batch.real.unsqueeze(-1)
        self.tally.add("fired", site.layer, fires.sum(dim=(0, 1)))
        self.tally.add("tokens", site.layer, batch.real.sum())
        self.tally.put("seen", site.layer, batch.text, batch.real.sum(dim=1).int())

    def merge(self, other: "DeadNeuronReducer") -> None:
        """Take in what another reducer counted on other texts."""
        self.tally.merge(other.tally)

    def evidence(self) -> Evidence:
        """The counts so far."""
        axes = {"fired": ("neuron",), "tokens": (), "seen": ()}
        return self.tally.evidence("dead_neurons", axes, {"fires_from": FIRES_FROM})
