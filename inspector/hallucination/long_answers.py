"""Risks of the parts of long answers."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from inspector.detectors.hneurons.arrays import HEADLINE, headline_columns
from inspector.hallucination.answers.cett import TokenContributions, TokenUncertainty
from inspector.hallucination.answers.measure import Fed, Meter
from inspector.hallucination.answers.parts import parts_of
from inspector.hallucination.answers.token_places import places_of, tokens_of_stretch
from inspector.hallucination.probe.probe import Probe, risk_of
from inspector.hallucination.risk import Risks


def risks_of_parts(
    meter: Meter,
    fed: Fed,
    ids: Sequence[tuple[int, ...]],
    probe: Probe,
    risks: Risks | None,
    base_rate: float | None,
) -> Iterator[tuple[int, pd.DataFrame]]:
    """Each fed answer's number and its parts' risks; see `Study.explain_parts`.

    Places are counted from the first character that isn't a blank: an answer's tokens may begin with one of their own.
    """
    contributions, doubt = TokenContributions(meter.model, fed.spans, probe.neurons), TokenUncertainty(fed.spans)
    meter.watch(fed, [contributions, doubt])
    for number in fed.spans:
        text, places = places_of(meter.model.tokenizer, ids[number])
        parts = parts_of(text)
        stretches = [tokens_of_stretch(places, part.start, part.stop) for part in parts]
        cett = _means(contributions.by_text[number], stretches)
        table = pd.DataFrame([(part.kind, part.start, part.stop) for part in parts], columns=["kind", "start", "stop"])
        table["text"] = [text[part.start : part.stop] for part in parts]
        table[["start", "stop"]] -= len(text) - len(text.lstrip())
        table["tokens"] = [last - first for first, last in stretches]
        odds = probe.fit.log_odds(cett)
        if risks is None:
            yield number, table.assign(risk=risk_of(odds))
            continue
        said = doubt.by_text[number]
        means = _means(said, stretches)
        measured = {"entropy": said[[first for first, _ in stretches], 0], "logprob": means[:, 1]}
        measured |= {"self-certainty": means[:, 2], "probe": odds, "length": table["tokens"].to_numpy(np.float64)}
        table["risk"] = risks.risk(headline_columns(measured), base_rate)
        table["probe"] = risk_of(odds)
        yield number, table.assign(**{name: measured[name] for name in HEADLINE if name not in ("probe", "length")})


def _means(values: np.ndarray, stretches: Sequence[tuple[int, int]]) -> np.ndarray:
    """Means over stretches of tokens, a row a stretch."""
    return np.array([values[first:last].mean(axis=0) for first, last in stretches]).reshape(-1, values.shape[1])
