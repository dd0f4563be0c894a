"""Two runs' headline numbers and what lies between them, with intervals over texts."""

import numpy as np
import pandas as pd

from dashboards.state import View
from inspector.stats import bootstrap_mean

DRAWS = 4000


def headlines(first: View, second: View) -> pd.DataFrame:
    """A row a number that both runs have: first, second, difference, and its 95 % interval where texts give one."""
    numbers = [_numbers(view) for view in (first, second)]
    rows = []
    for name in (name for name in numbers[0] if name in numbers[1]):
        a, b = numbers[0][name], numbers[1][name]
        low, high = _between(_per_text(first, name), _per_text(second, name), paired=_same_texts(first, second))
        rows.append((name, a, b, b - a, low, high))
    return pd.DataFrame(rows, columns=["number", "first", "second", "second − first", "95 % from", "to"])


def _numbers(view: View) -> dict[str, float]:
    found: dict[str, float] = {}
    if view.has("massive.layers"):
        layers = view.frame("massive.layers")
        found["largest |x|, mean over texts"] = float(np.nanmean(_per_text(view, "largest |x|, mean over texts")))
        found["largest ratio to the median"] = float(layers["ratio"].max())
        found["massive entries a text"] = float(layers["n_flagged"].sum()) / max(
            1, view.frame("tokens")["text"].nunique()
        )
    if view.has("sinks.heads"):
        found["sink rate at key 0"] = float(view.frame("sinks.controls").set_index("input")["sink_rate"]["texts"])
        found["mean received attention of heads"] = float(view.frame("sinks.heads")["received"].mean())
    if view.has("hneurons.candidates"):
        found["candidate neurons"] = float((view.frame("hneurons.candidates")["verdict"] != "").sum())
    if view.has("hneurons.scores"):
        scores = view.frame("hneurons.scores").set_index("name")["auroc"]
        found |= {f"AUROC of {name}": float(scores[name]) for name in ("probe", "entropy", "length") if name in scores}
    return found


def _per_text(view: View, name: str) -> np.ndarray:
    """A number's values for single texts, where it is a mean over them."""
    evidence = view.measured.evidence
    if name.startswith("largest |x|, mean"):
        return np.nanmax(np.abs(evidence["massive"]["value"]), axis=(1, 2))
    if name == "sink rate at key 0":
        e, epsilon = (
            evidence["sinks"],
            float(view.measured.settings.get("thresholds", {}).get("sinks", {}).get("epsilon", 0.3)),
        )
        received = e["received"][e["length"] >= e.facts["shortest"]][..., 0]
        above = np.where(np.isfinite(received), received > epsilon, np.nan).reshape(len(received), -1)
        seen = np.isfinite(above).any(axis=1)
        return np.nanmean(above[seen], axis=1) if seen.any() else np.array([])
    return np.array([])


def _same_texts(first: View, second: View) -> bool:
    """Whether both runs read the same tokens."""
    both = [[view.measured.tokens[name] for name in ("text", "position", "id")] for view in (first, second)]
    return all(np.array_equal(a, b) for a, b in zip(*both, strict=True))


def _between(a: np.ndarray, b: np.ndarray, *, paired: bool, seed: int = 0) -> tuple[float, float]:
    """A bootstrap interval of the difference of two means over texts, text by text if paired; NaN with too few."""
    if paired and len(a) == len(b) and len(a):
        low, high = bootstrap_mean(b - a, seed=seed)
        return float(low), float(high)
    ends = [bootstrap_mean(values, seed=seed) if len(values) else (np.nan, np.nan) for values in (a, b)]
    if not np.isfinite(ends).all():
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(len(values), size=(DRAWS, len(values)))].mean(axis=1) for values in (a, b)]
    low, high = np.quantile(means[1] - means[0], [0.025, 0.975])
    return float(low), float(high)
