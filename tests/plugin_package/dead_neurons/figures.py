"""The picture of dead neurons."""

import pandas as pd
import plotly.graph_objects as go


def dead_over_layers(layers: pd.DataFrame) -> go.Figure:
    """How many neurons of each layer are dead (frame `dead_neurons.layers`)."""
    hover = "layer %{x}: %{y} of its neurons are dead<extra></extra>"
    figure = go.Figure(go.Bar(x=layers["layer"], y=layers["dead"], marker_color="#0B7285", hovertemplate=hover))
    figure.update_xaxes(title="layer")
    figure.update_yaxes(title="dead neurons")
    title = f"{int(layers['dead'].sum()):,} of {int(layers['neurons'].sum()):,} neurons are dead on these texts"
    return figure.update_layout(title={"text": title}, template="plotly_white")
