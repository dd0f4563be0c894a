"""Figures of candidate hallucination neurons, and which of them a record has."""

import html

import pandas as pd
import plotly.graph_objects as go

from inspector.detectors.hneurons.figures_decoding import decoding_family
from inspector.detectors.hneurons.figures_neuron import neuron_state
from inspector.detectors.hneurons.figures_tested import over_alpha, risk_coverage
from inspector.detectors.hneurons.frames import longest_run
from inspector.detectors.measured import Measured
from inspector.figures.drawing import Drawing, Source
from inspector.figures.palette import DIFFERENCES, NEUTRAL, VIOLET
from inspector.figures.style import finish

__all__ = [
    "decoding_family",
    "neuron_state",
    "neurons",
    "over_alpha",
    "over_neurons",
    "predictors",
    "reliability",
    "risk_coverage",
    "roc_curves",
    "two_predictors",
]
"""What `inspector.figures` offers."""


WRITTEN = 12
"""With more domains the numbers of a heatmap don't fit."""


def predictors(scores: pd.DataFrame) -> go.Figure:
    """AUROC of every predictor with its interval (frame `hneurons.scores`), the best on top."""
    ordered = scores.sort_values("auroc", ignore_index=True)
    figure = go.Figure()
    for mine, colour in ((True, VIOLET), (False, NEUTRAL)):
        rows = ordered[ordered["name"].isin(("probe", "probe 3-vs-1", "combined", "headline")) == mine]
        figure.add_scatter(
            x=rows["auroc"],
            y=rows["name"].map(html.escape),
            mode="markers",
            marker={"color": colour, "size": 10, "symbol": "circle" if mine else "square"},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": rows["high"] - rows["auroc"],
                "arrayminus": rows["auroc"] - rows["low"],
            },
            showlegend=False,
            hovertemplate="%{y}: AUROC %{x:.3f}<extra></extra>",
        )
    figure.add_vline(x=0.5, line_dash="dot", line_color=NEUTRAL)
    figure.update_xaxes(title="AUROC on answers not fitted on (line: chance)")
    figure.update_yaxes(categoryorder="array", categoryarray=ordered["name"].map(html.escape).tolist())
    by_name = scores.set_index("name")["auroc"]
    rival = by_name[scores.set_index("name")["plain"]].idxmax()
    return finish(
        figure,
        f"The probe distinguishes incorrect from correct answers with AUROC {by_name['probe']:.2f}; "
        f"the best that looks at no activation, {html.escape(rival)}, {by_name[rival]:.2f}",
    )


def over_neurons(k_curve: pd.DataFrame) -> go.Figure:
    """AUROC over the number of neurons, chosen and random (frame `hneurons.k_curve`)."""
    figure = go.Figure()
    band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=k_curve["k"], y=k_curve["random_low"], **band)
    figure.add_scatter(x=k_curve["k"], y=k_curve["random_high"], fill="tonexty", fillcolor=f"{NEUTRAL}33", **band)
    for name, column, colour in (("random", "random", NEUTRAL), ("chosen", "auroc", VIOLET)):
        figure.add_scatter(
            x=k_curve["k"],
            y=k_curve[column],
            name=f"{name} neurons",
            mode="lines+markers",
            line={"color": colour},
            hovertemplate="%{x} neurons: AUROC %{y:.3f}<extra></extra>",
        )
    figure.update_xaxes(type="log", title="neurons, k", tickvals=k_curve["k"])
    figure.update_yaxes(title="AUROC on answers not fitted on")
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    run = k_curve["k"].iloc[longest_run(k_curve["better"])]
    beats = f"better than as many random ones from k = {run.iloc[0]:,} to {run.iloc[-1]:,}" if len(run) else "no better"
    return finish(figure, f"Chosen neurons are {beats}{'' if len(run) else ' than random ones'}")


def between_domains(domains: pd.DataFrame) -> go.Figure:
    """AUROC of each domain's probe on each domain (frame `hneurons.domains`)."""
    square = domains.pivot(index="source", columns="target", values="auroc")
    names = [html.escape(name) for name in square.index]
    figure = go.Figure(
        go.Heatmap(
            z=square.to_numpy(),
            x=names,
            y=names,
            zmin=0,
            zmid=0.5,
            zmax=1,
            colorscale=DIFFERENCES,
            texttemplate="%{z:.2f}" if len(names) <= WRITTEN else None,
            hovertemplate="fitted on %{y}, tried on %{x}: AUROC %{z:.3f}<extra></extra>",
            colorbar={"title": "AUROC"},
        )
    )
    figure.update_xaxes(title="tried on", tickangle=-45, automargin=True)
    figure.update_yaxes(title="fitted on", autorange="reversed", automargin=True)
    figure.update_layout(height=max(360, 26 * len(names) + 220))
    own = domains["source"] == domains["target"]
    inside, across = (domains.loc[rows, "auroc"].mean() for rows in (own, ~own))
    return finish(figure, f"Within a domain the probe's AUROC is {inside:.2f} on average, across domains {across:.2f}")


def reliability(reliability: pd.DataFrame) -> go.Figure:
    """How many answers of each headline risk were incorrect (frame `hneurons.reliability`)."""
    rows = reliability[reliability["n"] > 0]
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": NEUTRAL, "dash": "dot"}, hoverinfo="skip", showlegend=False
    )
    figure.add_scatter(
        x=rows["risk"],
        y=rows["share"],
        mode="markers+text",
        text=rows["n"].map("{:,}".format),
        textposition=["middle right" if risk < 0.5 else "middle left" for risk in rows["risk"]],
        cliponaxis=False,
        marker={"color": VIOLET, "size": 10},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": rows["share_high"] - rows["share"],
            "arrayminus": rows["share"] - rows["share_low"],
        },
        showlegend=False,
        hovertemplate="%{text} answers, mean risk %{x:.2f}: %{y:.0%} incorrect<extra></extra>",
    )
    figure.update_xaxes(title="risk said (mean of the answers in a fifth of the range)", range=[-0.02, 1.02])
    figure.update_yaxes(title="share that was incorrect", range=[-0.02, 1.02], tickformat=".0%")
    top = rows.iloc[-1]
    return finish(
        figure,
        f"Of {top['n']:,.0f} answers with a risk of {top['low']:.1f} to {top['high']:.1f}, {top['wrong']:,.0f} were "
        "incorrect",
    )


def roc_curves(roc: pd.DataFrame) -> go.Figure:
    """ROC curves of probe, entropy, length and both together (frame `hneurons.roc`)."""
    figure = go.Figure()
    looks = {
        "combined": (VIOLET, "dot"),
        "probe": (VIOLET, "solid"),
        "entropy": (NEUTRAL, "solid"),
        "length": (NEUTRAL, "dot"),
    }
    for name, (colour, dash) in looks.items():
        curve = roc[roc["name"] == name]
        figure.add_scatter(
            x=curve["false_alarms"],
            y=curve["caught"],
            mode="lines",
            name=name,
            line={"color": colour, "dash": dash},
            hovertemplate=f"{name}: %{{y:.0%}} caught at %{{x:.0%}} false alarms<extra></extra>",
        )
    figure.update_xaxes(title="correct answers called incorrect", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title="incorrect answers caught", tickformat=".0%", range=[0, 1.02])
    figure.update_layout(legend={"x": 0.98, "xanchor": "right", "y": 0.05, "yanchor": "bottom"})
    probe = roc[roc["name"] == "probe"]
    at = probe[probe["false_alarms"] <= 0.1]["caught"].max()
    return finish(figure, f"At 10 % false alarms the probe catches {at:.0%} of incorrect answers")


def neurons(candidates: pd.DataFrame) -> go.Figure:
    """The final probe's neurons: weight and AUROC alone (frame `hneurons.candidates`)."""
    figure = go.Figure()
    is_candidate = candidates["verdict"] != ""
    for mine, name in ((True, "candidate"), (False, "in the probe, no candidate")):
        rows = candidates[is_candidate == mine]
        figure.add_scatter(
            x=rows["weight"],
            y=rows["auroc"],
            mode="markers",
            name=name,
            marker={
                "color": VIOLET if mine else NEUTRAL,
                "symbol": "circle" if mine else "circle-open",
                "size": 6 + 10 * rows["stability"],
            },
            customdata=rows[["layer", "neuron", "stability", "q"]].to_numpy(),
            hovertemplate="neuron %{customdata[1]} of layer %{customdata[0]}<br>weight %{x:+.3f}, alone %{y:.3f}<br>"
            "stability %{customdata[2]:.0%}, q %{customdata[3]:.2g}<extra></extra>",
        )
    figure.add_hline(y=0.5, line_dash="dot", line_color=NEUTRAL)
    figure.update_xaxes(title="weight in the probe (right: raises the risk)")
    figure.update_yaxes(title="AUROC alone, on held-out answers")
    figure.update_layout(legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"})
    tested = candidates.loc[is_candidate, "verdict"].value_counts().drop("candidate", errors="ignore")
    said = ", ".join(f"{count} {verdict}" for verdict, count in tested.items())
    title = f"{int(is_candidate.sum())} of the probe's {len(candidates)} neurons are candidates"
    return finish(figure, f"{title}; tested as causes: {said}" if said else title)


def two_predictors(first: pd.DataFrame, second: pd.DataFrame, names: tuple[str, str]) -> go.Figure:
    """AUROC of every predictor of two studies with its interval, side by side (frame `hneurons.scores`)."""
    known = [*dict.fromkeys([*first["name"], *second["name"]])]
    figure = go.Figure()
    for table, name, colour, shift in ((first, names[0], VIOLET, -0.15), (second, names[1], NEUTRAL, 0.15)):
        figure.add_scatter(
            x=table["auroc"],
            y=[known.index(predictor) + shift for predictor in table["name"]],
            mode="markers",
            name=html.escape(name),
            marker={"color": colour, "size": 10, "symbol": "circle" if shift < 0 else "square"},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": table["high"] - table["auroc"],
                "arrayminus": table["auroc"] - table["low"],
            },
            customdata=table["name"].map(html.escape),
            hovertemplate="%{customdata}: AUROC %{x:.3f}<extra>%{fullData.name}</extra>",
        )
    figure.add_vline(x=0.5, line_dash="dot", line_color=NEUTRAL)
    figure.update_xaxes(title="AUROC on answers not fitted on (line: chance)")
    labels = [html.escape(name) for name in known]
    figure.update_yaxes(tickvals=list(range(len(known))), ticktext=labels, autorange="reversed", automargin=True)
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    probes = [float(table.set_index("name")["auroc"]["probe"]) for table in (first, second)]
    return finish(figure, f"The probe's AUROC: {probes[0]:.2f} in the first, {probes[1]:.2f} in the second")


def drawings(m: Measured) -> dict[str, Drawing]:
    """The figures of one record."""
    return {
        "hneurons.predictors": Drawing(
            predictors,
            ("hneurons.scores",),
            {},
            "All on answers that nothing was fitted on. If length or entropy does as well, the neurons add little.",
            ("AUROC",),
        ),
        "hneurons.k_curve": Drawing(
            over_neurons,
            ("hneurons.k_curve",),
            {},
            "Where the chosen neurons' line lies within the band of random ones, it doesn't matter which are taken.",
            ("AUROC",),
        ),
        "hneurons.domains": Drawing(
            between_domains,
            ("hneurons.domains",),
            {},
            "A probe that knows what makes an answer wrong works off the diagonal too; 0.5 is chance, below it the "
            "probe misleads. Answers that share a subject or an answer with those fitted on are left out.",
            ("AUROC",),
        ),
        "hneurons.reliability": Drawing(
            reliability,
            ("hneurons.reliability",),
            {},
            "On the dotted line a risk is what it says. The numbers count answers; no fit saw the answer it is of.",
            ("risk",),
        ),
        "hneurons.roc": Drawing(
            roc_curves,
            ("hneurons.roc",),
            {},
            "How many incorrect answers are caught, for how many correct ones called incorrect.",
            ("AUROC",),
        ),
        "hneurons.neurons": Drawing(
            neurons,
            ("hneurons.candidates",),
            {},
            "To the right: its activity raises the risk. Above the line: alone it distinguishes incorrect from correct "
            "answers. Size: how many bootstraps choose it.",
            ("candidate", "CETT", "AUROC"),
        ),
        "effects.alpha": Drawing(
            over_alpha,
            ("alpha",),
            {},
            "If the candidates cause hallucination, the curve leaves the controls' band as they are scaled.",
            ("candidate", "matched random control"),
        ),
        "effects.guard": Drawing(
            risk_coverage,
            ("guard_curve", "guard"),
            {},
            "Held-out questions, answered from the least risky on: the lower the curve, the better the ranking. If the "
            "entropy of the first token ranks as well, the neurons add nothing.",
            ("risk",),
        ),
        "decoding": Drawing(
            decoding_family,
            ("decoding",),
            {},
            "The same held-out questions, answered by other ways to choose the next token.",
            ("risk",),
        ),
    }


def comparison(first: Measured, second: Measured) -> dict[str, Drawing]:
    """The figures of two studies: sources are of the reports `first` and `second`."""
    names = ("first", "second")
    scores = tuple(Source("hneurons.scores", report=name) for name in names)
    means = "Each interval is of one run alone: where two overlap much, no difference is seen."
    return {"predictors": Drawing(two_predictors, scores, {"names": names}, means, ("AUROC",))}
