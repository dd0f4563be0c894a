"""Dead neurons, tested: ablated together, beside as many neurons that fire."""

from collections.abc import Sequence
from typing import Any

from inspector.plugin import Case, Finding, Planned, Site, Trial, Trials, Verdict, once, zero_ablate

CONTROLS, MOST = 20, 32


class DeadNeuronTrials(Trials):
    """Ablating the dead neurons of a layer should change nothing."""

    def planned(self, case: Case) -> Planned:
        """One trial for each of the layers with most dead neurons."""
        by_layer: dict[int, list[Finding]] = {}
        for one in case.claims:
            by_layer.setdefault(one.layer, []).append(one)
        table = case.measured.frame("neurons")
        alive = set(table.loc[table["share"] > case.measured.thresholds.share, "layer"])
        having = [layer for layer in by_layer if layer in alive]  # without living neurons there are no controls
        layers = sorted(having, key=lambda layer: -len(by_layer[layer]))[: case.settings.heads]
        return Planned([self._trial(case, layer, by_layer[layer][:MOST]) for layer in layers])

    def _trial(self, case: Case, layer: int, dead: Sequence[Finding]) -> Trial:
        rng, units = case.rng, [one.unit for one in dead]
        table = case.measured.frame("neurons")
        living = table[(table["layer"] == layer) & (table["share"] > case.measured.thresholds.share)]["neuron"].tolist()
        count = min(len(units), len(living))
        draws = [rng.choice(living, count, replace=False).tolist() for _ in range(case.settings.twins or CONTROLS)]
        first = dead[0]
        on = Verdict("dead_neurons", first.unit, layer, layer, None, "undecided")
        return Trial(
            f"{len(units)} dead neurons of layer {layer}",
            "ablate dead",
            self._ablated(layer, units),
            tuple(self._ablated(layer, drawn) for drawn in draws),
            {"loss": "none", "kl": "none"},
            on=on,
        )

    def _ablated(self, layer: int, units: Sequence[Any]) -> Any:
        return once(zero_ablate(Site("neuron", layer), units))
