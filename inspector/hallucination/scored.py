"""Answers with their risks: what `Study.explain` and `Study.score_all` give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from inspector.alike import Alike
from inspector.pages import page
from inspector.printable import brief, counted

if TYPE_CHECKING:
    from inspector.hallucination.answers.own import OwnAnswer
    from inspector.models import Model

SPEAKING = 3
"""Neurons named for each token."""


@dataclass(frozen=True, repr=False, eq=False)
class Scored(Alike):
    """An answer with its risk, token by token.

    Args:
        question, answer: as text.
        risk: probability in [0, 1] that the answer is incorrect: the headline's, at the study's base rate or the one
            that was named; in studies without one the probe's.
        tokens: one row per token: token, risk by the probe, and the neurons that raise it most.
        neurons: one row per neuron of the probe: layer, neuron, weight, stability (share of bootstraps that choose it),
            value, term (what it adds to the log-odds).
        probe: risk by the probe alone, where incorrect and correct answers are equally many.
        scores: one row per score: score, value, percentile (of risk, among the study's answers), term (what it adds to
            the headline's log-odds), in_headline; None in studies without a headline.
        by_token: what each neuron adds to the probe's log-odds at each token, `[token, neuron]`, in the order of
            `neurons`.
        reliability: how many of the study's answers with such a risk were incorrect; empty without a headline, and
            at another base rate than the study's.
    """

    question: str
    answer: str
    risk: float
    tokens: pd.DataFrame
    neurons: pd.DataFrame
    probe: float = float("nan")
    scores: pd.DataFrame | None = None
    reliability: str = ""
    by_token: np.ndarray | None = None

    def pull(self) -> list[str]:
        """The probe's neurons that raise and lower its risk most, in words."""
        said = []
        for what, rows in (("raise", self.neurons), ("lower", self.neurons[::-1])):
            some = rows[rows["term"] > 0] if what == "raise" else rows[rows["term"] < 0]
            named = [f"{row.layer}.{row.neuron} ({row.term:+z.2f})" for row in some.head(SPEAKING).itertuples()]
            if named:
                said.append(f"Neurons that {what} the probe's risk most: {', '.join(named)}.")
        return said

    def beside(self) -> pd.DataFrame:
        """Each score among those of the study's answers, in words; without rows in studies without a headline."""
        columns = ["score", "value", "riskier than", "adds to the risk"]
        if self.scores is None:
            return pd.DataFrame(columns=columns)
        s = self.scores
        adds = s["term"].map("{:+z.2f}".format).where(s["in_headline"], "not in it")
        said = (s["score"], s["value"].map("{:,.3g}".format), s["percentile"].map("{:.0f} %".format), adds)
        return pd.DataFrame(dict(zip(columns, said, strict=True)))

    def __repr__(self) -> str:
        return f"<Scored {brief(self.answer)!r}: risk {self.risk:.2f}, {counted(len(self.tokens), 'token')}>"

    def _repr_html_(self) -> str:
        said = [self.reliability] if self.reliability else []
        tables = {"Tokens": self.tokens, "Neurons": self.neurons, "Scores": self.beside()}
        return page(repr(self), [*said, *self.pull()], tables)


@dataclass(frozen=True, repr=False, eq=False)
class ScoredAnswers(Alike):
    """Answers with their risks.

    Args:
        answers: one row per answer: id, question, answer, risk in [0, 1]; and of a study with a headline risk probe
            (its own risk), entropy, logprob, self-certainty and length.
        tokens: where it was asked for, one row per token: id (the answer's), position in the answer, token_id, token,
            risk.
    """

    answers: pd.DataFrame
    tokens: pd.DataFrame | None = None

    def __repr__(self) -> str:
        return f"<{counted(len(self.answers), 'scored answer')}: mean risk {self.answers['risk'].mean():.2f}>"

    def _repr_html_(self) -> str:
        tokens = {} if self.tokens is None else {"Tokens": self.tokens}
        return page(repr(self), (), {"Answers": self.answers, **tokens})


def tokens_of(
    model: "Model", answers: "Sequence[OwnAnswer]", ids: Sequence[tuple[int, ...]], risks: Sequence[np.ndarray]
) -> pd.DataFrame:
    """One row per token of these answers."""
    from inspector.token_text import token_texts

    lengths = [len(one) for one in ids]
    flat = [token for one in ids for token in one]
    return pd.DataFrame(
        {
            "id": np.repeat([one.question.id for one in answers], lengths),
            "position": np.concatenate([np.arange(length) for length in lengths]),
            "token_id": flat,
            "token": token_texts(model.tokenizer, flat),
            "risk": np.concatenate(risks),
        }
    )
