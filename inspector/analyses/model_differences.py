"""`ModelDifferences`: what two models differ by on the same tokens, as tables and in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from inspector.detectors.compression.kept import NAME, tables_of
from inspector.pages import page
from inspector.printable import brief
from inspector.run.measurements import Keepable, Measurements
from inspector.stats import mean_interval
from inspector.token_text import whole

DIMS, AROUND = 8, 8
"""Dims listed for each layer, and tokens shown on both sides of one."""


@dataclass(frozen=True, repr=False, eq=False)
class ModelDifferences(Keepable):
    """What `compare_models` found. The first model is what the second is measured by.

    Args:
        first: the first model's card.
        second: the second's.
        inputs: the tokens, one row each: text (or window of a long one), source (the text's number), position, id,
            token.
        by_token: `[token]`: kl (nats), loss_first, loss_second (of the token; NaN at a text's first), top_first and
            top_second (ids).
        by_text: `[text, layer]`, windows of a text together: error (mean over tokens of ‖b − a‖ / ‖a‖), cosine,
            squared_error, squared, at_first (the first token's part of squared_error), lost (tokens whose stream isn't
            finite in one of the models).
        by_dim: `[layer, dim]`: squared error.
        names: text of every token id in `top_first` and `top_second`.
        findings: one row per finding of either model under the detectors' default thresholds: detector, kind, layer,
            unit, position, change (in both, appeared, gone, or moved: the same unit of the layer elsewhere), first and
            second (its scores), from_position (of what moved).
        notes: detectors that were left out, and why.
    """

    first: Mapping[str, Any]
    second: Mapping[str, Any]
    inputs: pd.DataFrame
    by_token: Mapping[str, np.ndarray]
    by_text: Mapping[str, Float[np.ndarray, "text layer"]]
    by_dim: Float[np.ndarray, "layer dim"]
    names: Mapping[int, str]
    findings: pd.DataFrame
    notes: tuple[str, ...] = ()

    @cached_property
    def layers(self) -> pd.DataFrame:
        """One row per layer: how far the second model's stream after it is from the first's.

        Columns: layer; relative_error (mean over tokens of ‖b − a‖ / ‖a‖, then over texts) with its interval over texts
        (low, high); cosine (mean over tokens); sqnr (10 · log10 of Σ‖a‖² / Σ‖b − a‖², in dB, infinite where they are
        equal); first_token (share of Σ‖b − a‖² at the texts' first tokens); dim, dim_share (the dim with most of it,
        and its share); lost (tokens whose stream isn't finite in one of the models, which no number counts).
        """
        t = self.by_text
        low, high = mean_interval(t["error"], share=False)
        squared, whole = t["squared_error"].sum(axis=0), t["squared"].sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            sqnr = 10 * np.log10(whole / squared)
            share = self.by_dim / self.by_dim.sum(axis=1, keepdims=True)
            first = t["at_first"].sum(axis=0) / squared
        return pd.DataFrame(
            {
                "layer": np.arange(len(squared)),
                "relative_error": np.nanmean(t["error"], axis=0),
                "low": low,
                "high": high,
                "cosine": np.nanmean(t["cosine"], axis=0),
                "sqnr": sqnr,
                "first_token": first,
                "dim": self.by_dim.argmax(axis=1),
                "dim_share": share.max(axis=1),
                "lost": t["lost"].sum(axis=0).astype(np.int64),
            }
        )

    @cached_property
    def dims(self) -> pd.DataFrame:
        """The dims of each layer with most of the squared error, the largest first: layer, rank, dim, share."""
        order = np.argsort(-self.by_dim, axis=1, kind="stable")[:, :DIMS]
        with np.errstate(invalid="ignore"):
            share = np.take_along_axis(self.by_dim, order, axis=1) / self.by_dim.sum(axis=1, keepdims=True)
        layers, ranks = np.indices(order.shape)
        columns = {"layer": layers, "rank": ranks, "dim": order, "share": share}
        return pd.DataFrame({name: values.reshape(-1) for name, values in columns.items()})

    @cached_property
    def tokens(self) -> pd.DataFrame:
        """One row per token: text, position, token, and how it was and is predicted.

        Columns: loss_first, loss_second (nats, of the token; NaN at a text's first); of the prediction after it kl
        (first‖second, nats), top_first, top_second, changed (whether they differ); empty where a model's logits are
        NaN.
        """
        t = self.by_token
        tops = {name: [self.names[i] for i in t[name].tolist()] for name in ("top_first", "top_second")}
        losses = {name: t[name] for name in ("loss_first", "loss_second", "kl")}
        changed = pd.array(t["top_first"] != t["top_second"], dtype="boolean")
        changed[np.isnan(t["kl"])] = pd.NA
        return self.inputs.assign(**losses, **tops, changed=changed)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Means over each text's tokens, then over texts, with 95 % intervals: measure, value, low, high, n (texts).

        The measures are kl, changed (share of tokens) and loss (second − first), all in nats but the share.
        """
        table = self.tokens.assign(loss=self.tokens["loss_second"] - self.tokens["loss_first"])
        rows = []
        for name, share in (("kl", False), ("changed", True), ("loss", False)):
            means = table.groupby("source")[name].mean().to_numpy(np.float64, na_value=np.nan)
            low, high = mean_interval(means, share=share)
            known = means[~np.isnan(means)]
            value = float(known.mean()) if len(known) else float("nan")
            rows.append((name, value, float(low), float(high), len(known)))
        return pd.DataFrame(rows, columns=["measure", "value", "low", "high", "n"])

    def worst(self, count: int = 10) -> pd.DataFrame:
        """The tokens after which predictions differ most: text, position, before, token, after, kl, the top tokens."""
        worst = self.tokens.sort_values("kl", ascending=False, kind="stable").head(count)
        rows = [self._around(int(row.text), int(row.position)) for row in worst.itertuples()]
        around = pd.DataFrame(rows, columns=["before", "after"], index=worst.index)
        return worst.join(around)[["text", "position", "before", "token", "after", "kl", "top_first", "top_second"]]

    def _around(self, text: int, position: int) -> tuple[str, str]:
        mine = self.inputs[self.inputs["text"] == text]
        near = mine[mine["position"].between(position - AROUND, position + AROUND)]
        before, after = near[near["position"] < position], near[near["position"] > position]
        return whole("".join(before["token"])), whole("".join(after["token"]))

    def sentences(self) -> list[str]:
        """What differs, in words."""
        s, layers = self.summary.set_index("measure"), self.layers
        kl, changed, loss = (s.loc[name] for name in ("kl", "changed", "loss"))
        said = [
            f"{_named(self.second)} differs from {_named(self.first)} by {kl['value']:.3g} nats per prediction"
            f"{_ends(kl, '.3g')} on {int(kl['n'])} text{'' if kl['n'] == 1 else 's'}; the likeliest token changes at "
            f"{changed['value']:.1%} of the tokens{_ends(changed, '.1%')}, and the loss by {loss['value']:+.4f} nats"
            f"{_ends(loss, '+.4f')}."
        ]
        if layers["lost"].any():
            first = layers[layers["lost"] > 0].iloc[0]
            said.append(
                f"From layer {first['layer']:.0f} on one of the models' streams isn't finite at up to "
                f"{layers['lost'].max():,.0f} tokens, which no number here counts."
            )
        if not (layers["relative_error"] > 0).any():
            return [*said, "No layer's stream differs.", *self.notes]
        most = layers.loc[layers["relative_error"].idxmax()]
        said.append(
            f"A token's stream is off by {layers['relative_error'].iloc[-1]:.1%} of its size after the last layer; "
            f"most after layer {most['layer']:.0f}, by {most['relative_error']:.1%}{_ends(most, '.1%')}."
        )
        heavy = layers.loc[layers["dim_share"].idxmax()]
        said.append(
            f"The squared error is most uneven after layer {heavy['layer']:.0f}: {heavy['dim_share']:.0%} of it lies "
            f"in dim {heavy['dim']:.0f}, and {heavy['first_token']:.0%} at the texts' first tokens."
        )
        return [*said, *self._found(), *self.notes]

    def _found(self) -> Iterator[str]:
        """What detectors find in one model alone, or elsewhere."""
        for kind, rows in self.findings.groupby("kind", sort=False):
            counts = rows["change"].value_counts()
            changed = [f"{counts[what]} {what}" for what in ("appeared", "gone", "moved") if what in counts]
            named = f"{kind}: {counts.get('in both', 0)} in both models"
            yield f"{named[0].upper()}{named[1:]}{', ' if changed else ''}{', '.join(changed)}."

    def measurements(self) -> Measurements:
        """What is kept of it in a run: layers, predictions, the worst tokens, findings of either model."""
        frames = {
            "differing_layers": self.layers,
            "differing_predictions": self.summary,
            "differing_tokens": self.worst(),
            "differing_findings": self.findings,
        }
        facts = {"second": _named(self.second), "said": self.sentences()}
        inputs = {name: self.inputs[name].to_numpy() for name in ("text", "source", "position", "id", "token")}
        return Measurements(NAME, "comparison", self.first, inputs, tables_of("comparison", frames), facts)

    def __repr__(self) -> str:
        kl = self.summary["value"].iloc[0]
        return f"<ModelDifferences of {_named(self.second)} from {_named(self.first)}: {kl:.3g} nats per prediction>"

    def _repr_html_(self) -> str:
        tables = {"Layers": self.layers, "Predictions": self.summary, "Findings": self.findings}
        return page(repr(self), self.sentences(), tables)


def _ends(row: Any, form: str) -> str:
    """An interval in brackets; nothing where there are too few texts for one."""
    return "" if np.isnan(row["low"]) else f" [{row['low']:{form}}, {row['high']:{form}}]"


def _named(card: Mapping[str, Any]) -> str:
    changed = " as it is changed" if card.get("changed") else ""
    return f"{brief(card['name'], 40)} ({card['dtype']}){changed}"
