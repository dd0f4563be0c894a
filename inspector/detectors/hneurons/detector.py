"""Candidate hallucination neurons (H-neurons): Gao et al. 2025, arXiv 2512.01797.

Evidence comes from a study of questions and answers (`inspector hallucinate`), not from a scan of
texts: CETT_j(t) = |z_j| · ‖W_out[j]‖ / ‖z · W_out‖, averaged over an answer's tokens, and an L1
logistic regression of "this answer is wrong" on it. A neuron with a positive weight that most
bootstraps choose too, and whose CETT alone tells held-out answers apart, is a candidate; whether it
makes the model invent things only an intervention can tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from inspector.detectors.base import Names, Reducer
from inspector.detectors.hneurons.schema import ProbeArrays, Scores, Tested, Transfer, transfers_of
from inspector.errors import InputError
from inspector.records import Evidence, Finding

if TYPE_CHECKING:
    from inspector.models import Model

LABELS = ("right", "wrong", "mixed", "abstained")
SPLITS = ("fit", "held out", "not used")


@dataclass(frozen=True)
class Thresholds:
    """Both are defaults of ours; the paper has none."""

    stability: float = 0.5
    """Share of bootstrap samples that must choose the neuron with the same sign."""
    q: float = 0.05
    """Largest adjusted p of the neuron alone, on held-out answers."""


class HNeurons:
    """The detector; its evidence is made by `inspector.study_hallucination`."""

    name = "hneurons"
    kinds: tuple[str, ...] = ("neuron",)
    command = "hallucinate"

    def reducer(self, model: "Model") -> Reducer:
        """Not for a scan of texts: it takes questions.

        Raises:
            InputError: always.
        """
        raise InputError("Detector 'hneurons' needs questions, not texts. Run: inspector hallucinate --out RUN.")

    def judge(self, evidence: Evidence, names: Names, **thresholds: float) -> Sequence[Finding]:
        """Candidates, the heaviest weight first."""
        t = Thresholds(**thresholds)
        table = candidates(evidence, names, t)
        return tuple(
            Finding(
                detector=self.name,
                kind="neuron",
                layer=int(row.layer),
                unit=int(row.neuron),
                position=None,
                token=None,
                score=float(row.auroc),
                low=float(row.low),
                high=float(row.high),
                threshold=t.q,
                verdict="candidate",
            )
            for row in table[table["verdict"] == "candidate"].itertuples()
        )


def candidates(evidence: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """The probe's neurons, the heaviest first; `verdict` is empty where one is no candidate."""
    probe, tested = ProbeArrays.of(evidence.arrays), Tested.of(evidence.arrays)
    table = pd.DataFrame({"layer": probe.layer, "neuron": probe.neuron, "weight": probe.weight, **vars(tested)})
    passed = (table["weight"] > 0) & (table["stability"] >= t.stability) & (table["q"] < t.q)
    table["verdict"] = np.where(passed, "candidate", "")
    return table.sort_values("weight", ascending=False, ignore_index=True)


def scores(evidence: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """Every predictor on answers not fitted on; of `random` and `shuffled` the mean, 5 % and 95 % of the draws."""
    e = evidence
    table = pd.DataFrame({"name": e.facts["predictors"], **vars(Scores.of(e.arrays))})
    draws = {"random": e["random_auroc"], "shuffled": e["shuffled_auroc"]}
    rows = [
        {"name": name, "auroc": areas.mean(), "low": np.quantile(areas, 0.05), "high": np.quantile(areas, 0.95)}
        for name, areas in draws.items()
        if len(areas)
    ]
    return pd.concat([table, pd.DataFrame(rows)], ignore_index=True)


def counts(evidence: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """How many questions are right, wrong, mixed or abstained, by the agreement asked of the samples."""
    table = pd.DataFrame(evidence["counts"], columns=list(LABELS))
    table.insert(0, "agreement", evidence["agreements"])
    table["used"] = table["agreement"] == evidence.facts["agreement"]
    return table


def transfers(evidence: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """Probes tried on relations that they were not fitted on."""
    names_of = [field.name for field in fields(Transfer)]
    return pd.DataFrame([asdict(one) for one in transfers_of(evidence.facts)], columns=names_of)


def roc(evidence: Evidence, names: Names, t: Thresholds) -> pd.DataFrame:
    """ROC curves of the predictors, at most 200 points each: name, false_alarms, caught."""
    made_up = evidence["label"] == LABELS.index("wrong")
    parts = []
    for name, odds in zip(evidence.facts["predictors"], evidence["odds"], strict=True):
        known = np.isfinite(odds)
        order = np.argsort(-odds[known], kind="stable")
        caught = np.cumsum(made_up[known][order]) / max(1, made_up[known].sum())
        false = np.cumsum(~made_up[known][order]) / max(1, (~made_up[known]).sum())
        keep = np.unique(np.linspace(0, len(order) - 1, 200).astype(int))
        parts.append(
            pd.DataFrame({"name": name, "false_alarms": np.r_[0, false[keep]], "caught": np.r_[0, caught[keep]]})
        )
    return pd.concat(parts, ignore_index=True)


def answers(evidence: Evidence, table: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """One row a question: question, accepted answers, greedy answer, label, risk, split."""
    frame = pd.DataFrame(dict(table))
    frame["label"] = [LABELS[i] for i in evidence["label"]]
    frame["risk"] = evidence["risk"]
    frame["split"] = [SPLITS[i] for i in evidence["split"]]
    for name in ("tokens", "entropy", "logprob", "agreeing"):
        frame[name] = evidence[name]
    return frame


FIRES_ON = 10
"""Answers listed for each neuron."""


def fires_on(evidence: Evidence, contributions: Evidence, table: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """For each of the probe's neurons the answers with its largest CETT: layer, neuron, rank, cett, and the answer."""
    flat = contributions["answer"].reshape(len(contributions["answer"]), -1)
    probe = ProbeArrays.of(evidence.arrays)
    cett = flat[:, probe.column].astype(np.float32)
    rows = np.argsort(-cett, axis=0, kind="stable")[:FIRES_ON]
    told = answers(evidence, table)
    parts = []
    for column, best in enumerate(rows.T):
        part = told.loc[best, ["id", "question", "answer", "label", "risk"]].reset_index(drop=True)
        place = {"layer": probe.layer[column], "neuron": probe.neuron[column]}
        parts.append(part.assign(**place, rank=range(len(best)), cett=cett[best, column]))
    columns = ["layer", "neuron", "rank", "cett", "id", "question", "answer", "label", "risk"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


FRAMES: Mapping[str, Any] = {
    "candidates": candidates,
    "scores": scores,
    "counts": counts,
    "transfers": transfers,
    "roc": roc,
}
