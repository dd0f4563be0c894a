"""Figures of hallucination neurons that were tested, and of guards."""

import pandas as pd
import plotly.graph_objects as go

from inspector.figures.effects import METRICS
from inspector.figures.palette import NEUTRAL, VIOLET
from inspector.figures.style import finish


def over_alpha(alpha: pd.DataFrame, metric: str = "made_up") -> go.Figure:
    """A metric over the factor that the candidate neurons are scaled by, above the controls' band (frame `alpha`)."""
    rows = alpha[alpha["metric"] == metric].sort_values("alpha")
    figure = go.Figure()
    for ends, fill in (("twin_low", None), ("twin_high", "tonexty")):
        figure.add_scatter(
            x=rows["alpha"],
            y=rows[ends],
            mode="lines",
            line={"width": 0},
            fill=fill,
            fillcolor="rgba(134,142,150,0.25)",
            hoverinfo="skip",
            showlegend=False,
        )
    figure.add_scatter(
        x=rows["alpha"],
        y=rows["value"],
        mode="lines+markers",
        line={"color": VIOLET},
        showlegend=False,
        hovertemplate="α = %{x:g}: %{y:.3f}<extra></extra>",
    )
    figure.update_xaxes(title="α, the factor on the candidates<br>grey: 95 % of the matched random controls")
    name = METRICS.get(metric, (metric, metric))[0]
    figure.update_yaxes(title=f"{name} (nats per token)" if metric == "loss" else f"share of {name}")
    first, last = rows.iloc[0], rows.iloc[-1]
    outside = int(((rows["value"] < rows["twin_low"]) | (rows["value"] > rows["twin_high"])).sum())
    where = f"outside the controls' band at {outside} of {len(rows)}" if outside else "never outside the controls' band"
    return finish(
        figure,
        f"{name.capitalize()}: {first['value']:.3g} at α = {first['alpha']:g}, {last['value']:.3g} at "
        f"α = {last['alpha']:g}, {where}",
    )


def risk_coverage(curve: pd.DataFrame, guard: pd.DataFrame) -> go.Figure:
    """Errors among the answers given, most confident first, by policy (frames `guard_curve` and `guard`)."""
    figure = go.Figure()
    for (policy, by), dash in DASHES.items():
        rows = curve[(curve["policy"] == policy) & (curve["by"] == by)]
        colour = VIOLET if by == "probe" else NEUTRAL
        figure.add_scatter(
            x=rows["coverage"],
            y=rows["error"],
            mode="lines",
            name=policy if policy == "greedy" else f"{policy}, by {by}",
            line={"color": colour, "dash": dash},
            hovertemplate="%{fullData.name}: %{y:.0%} incorrect of %{x:.0%} answered<extra></extra>",
        )
    figure.update_xaxes(title="questions answered, most confident first", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title="incorrect among them", tickformat=".0%", range=[0, 1])
    figure.update_layout(legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"})
    known = guard.set_index(["policy", "by"])
    said = [
        f"by {by} it answers {known.loc[('abstain', by), 'coverage']:.0%} and "
        f"{known.loc[('abstain', by), 'wrong']:.0%} of all are incorrect"
        for by in ("probe", "entropy")
    ]
    return finish(figure, f"Abstaining when risky: {'; '.join(said)}").update_layout(margin={"t": 130})


DASHES = {
    ("greedy", "nothing"): "dash",
    ("abstain", "entropy"): "solid",
    ("abstain", "logprob"): "longdash",
    ("least", "logprob"): "dot",
    ("abstain", "probe"): "solid",
    ("least", "probe"): "dot",
}
"""Policies drawn, and how; asking again ranks answers nearly as abstaining does."""
