"""Tables that pictures of a cell and of a head are made of."""

import numpy as np
import pandas as pd
import pytest
from conftest import SINKS, SPIKES

from inspector import Report, examine
from inspector.figures import carried_by, dim_over_layers, head_keys, size_spread, top_dims, writing
from inspector.models import Model
from inspector.testing.planted import random_texts


@pytest.fixture(scope="module")
def report(planted: Model) -> Report:
    return examine(planted, random_texts(12, 64, 70, trigger=7), ["massive", "sinks"])


def test_every_entry_is_counted_once_in_the_sizes(report: Report) -> None:
    counted = report.frame("massive.sizes").groupby("layer")["entries"].sum()
    assert counted.tolist() == report.frame("massive.layers")["n_entries"].tolist()


def test_what_is_flagged_was_kept_and_thresholds_do_not_move_what_was_kept(report: Report) -> None:
    place = ["text", "layer", "position", "dim"]
    kept, flagged = report.frame("massive.kept"), report.frame("massive.entries")
    assert len(flagged) and len(flagged.merge(kept, on=place)) == len(flagged)
    assert report.judge(massive={"ratio": 3000.0}).frame("massive.kept").equals(kept)
    assert (kept.groupby(["text", "layer"]).size() <= 16).all()


def test_a_heads_keys_have_the_received_attention_of_the_table_of_heads(report: Report) -> None:
    received = report.frame("sinks.received").set_index(["layer", "head", "key"])["received"]
    for row in report.frame("sinks.heads").itertuples():
        assert received[row.layer, row.head, row.key] == pytest.approx(row.received, rel=1e-5)
    assert received[SINKS[0].layer, SINKS[0].head, 0] > 0.9


def test_pictures_of_the_planted_cell_say_what_was_planted(report: Report) -> None:
    spike = SPIKES[0]
    kept = report.frame("massive.kept")
    titles = [
        top_dims(kept, 0, spike.layer, 0),
        dim_over_layers(kept, 0, 0, spike.dim),
        writing(report.frame("massive.writers"), spike.dim, spike.layer),
        carried_by(report.frame("massive.carriers"), spike.layer, spike.dim),
        head_keys(report.frame("sinks.received"), SINKS[0].layer, SINKS[0].head),
    ]
    said = [str(figure.layout.title.text).replace("<br>", " ") for figure in titles]
    assert said[0].startswith("Dim 5 holds 4,99")
    assert said[1].startswith("Dim 5 at token 0 (#7) is largest at layer")
    assert "In layer 2 the MLP adds 5,000 to dim 5, mostly its neurons 0 (100%)" in said[2]
    assert "position 0 has it in 100% of texts" in said[3]
    assert said[4].startswith("In head 2 of layer 1 key 0 receives")


def test_a_planted_entry_stands_alone_in_its_layers_spread(report: Report) -> None:
    value = float(report.frame("massive.layers")["max"][SPIKES[0].layer])
    title = str(size_spread(report.frame("massive.sizes"), SPIKES[0].layer, value).layout.title.text)
    assert "at most" in title and "larger than this one" in title
    assert np.isfinite(value)


@pytest.mark.parametrize(
    ("size", "said"),
    [(8.5, "between 3 and 7 are larger"), (16.0, "at most 2 are larger"), (2.7, "between 8 and 9 are larger")],
)
def test_a_spread_says_no_more_than_its_bins_tell(size: float, said: str) -> None:
    """Bins of an octave are of one width: 8 to 10, and 16 to 20."""
    sizes = pd.DataFrame({"layer": 0, "size": [2.5, 8.0, 16.0], "entries": [2, 5, 3]})
    assert said in size_spread(sizes, 0, size).layout.title.text
