"""Risks of new answers: the study's headline risk, and beside it every single score among the study's own answers."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import expit, logit

from inspector.alike import Alike
from inspector.detectors.hneurons.arrays import HEADLINE, HeadlineArrays, headline_columns
from inspector.errors import InputError
from inspector.pages import page
from inspector.printable import counted
from inspector.records import Evidence

By = str
"""`headline` or `probe`."""
TOWARDS = {"probe": 1, "entropy": 1, "logprob": -1, "self-certainty": -1, "length": 1}
"""Which way each score says that the risk goes."""
_ARRAYS = {"entropy": "entropy", "logprob": "logprob", "self-certainty": "certainty", "length": "tokens"}


@dataclass(frozen=True, repr=False, eq=False)
class Risks(Alike):
    """How a study turns an answer's scores into its headline risk.

    Args:
        fit: the regression.
        own: the study's own answers' scores, the probe's out of fold, a column for each of `HEADLINE`.
    """

    fit: HeadlineArrays
    own: Float[np.ndarray, "answer score"]

    def __repr__(self) -> str:
        by = ", ".join(name for name, weight in zip(HEADLINE, self.fit.weight, strict=True) if weight)
        return f"<Risks by {by or 'no score'}, beside {counted(len(self.own), 'answer')} of the study>"

    def _repr_html_(self) -> str:
        said = "What each score adds to the headline's log-odds, and what the study's own answers have of it."
        return page(repr(self), [said], {"Scores": self.frame()})

    def frame(self) -> pd.DataFrame:
        """A row per score: its weight in the headline (0: not in it), and quartiles among the study's own answers."""
        quartiles = np.quantile(self.own, (0.25, 0.5, 0.75), axis=0)
        names = ("lower_quartile", "median", "upper_quartile")
        return pd.DataFrame({"score": HEADLINE, "weight": self.fit.weight, **dict(zip(names, quartiles, strict=True))})

    @classmethod
    def of(cls, evidence: Evidence) -> "Risks | None":
        """Those of a study; None where it was made before there were any."""
        if "headline_weight" not in evidence.arrays:
            return None
        odds = evidence["odds"][evidence.facts["predictors"].index("probe")]
        own = headline_columns({"probe": odds} | {name: evidence[array] for name, array in _ARRAYS.items()})
        return cls(HeadlineArrays.of(evidence.arrays), own[np.isfinite(odds)])

    def risk(self, scores: Float[np.ndarray, "row score"], base_rate: float | None = None) -> Float[np.ndarray, " row"]:
        """Probability in [0, 1] that an answer is incorrect, where this share of all is; the study's own where None."""
        return expit(self.fit.log_odds(scores) + self.shift(base_rate))

    def shift(self, base_rate: float | None) -> float:
        """What another share of incorrect answers than the study's adds to the log-odds.

        Raises:
            InputError: it isn't between 0 and 1.
        """
        if base_rate is None:
            return 0.0
        if not 0 < base_rate < 1:
            raise InputError(f"base_rate is {base_rate}. Use a share of incorrect answers between 0 and 1.")
        return float(logit(base_rate) - logit(self.fit.base[0]))

    def beside(self, scores: Float[np.ndarray, " score"]) -> pd.DataFrame:
        """Each score of an answer: its value, its percentile of risk, and what it adds to the headline's log-odds.

        The percentile is the share, in percent, of the study's own answers that look less risky by that score.
        """
        toward = np.array([TOWARDS[name] for name in HEADLINE])
        less = (self.own * toward < scores * toward).mean(axis=0)
        ties = (self.own == scores).mean(axis=0)
        return pd.DataFrame(
            {
                "score": HEADLINE,
                "value": scores,
                "percentile": 100 * (less + ties / 2),
                "term": self.fit.terms(scores[None])[0],
                "in_headline": self.fit.weight != 0,
            }
        )
