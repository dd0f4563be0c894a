"""How often intervals hold the truth, candidates are named where there is none, and verdicts are wrong, by simulation.

Everything is drawn from known distributions, so the truth is known. The tables go to standard output, or between the
two marks of a page:

    python -m benchmarks.calibration [--page docs/statistics.md] [--studies N]
"""

import argparse
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from inspector.hallucination.probe import select
from inspector.hallucination.probe.nested_cv import Answers
from inspector.hallucination.probe.select import Sample
from inspector.hallucination.probe.splits import key_numbers, keys_of
from inspector.interventions.trial import Trial, once
from inspector.interventions.values import Intervention, zero_ablate
from inspector.progress import UNHEARD
from inspector.records import Claim
from inspector.sites import Site
from inspector.stats import auroc_interval, mean_interval
from inspector.verification.trials import Outcomes, run

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
TRIED = 2000
"""Data sets for each number of the tables of coverage."""


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def held(low: np.ndarray, high: np.ndarray, truth: float) -> str:
    """The share of intervals that hold the truth."""
    return f"{np.mean((low <= truth) & (truth <= high)):.3f}"


def coverage_of_means(rng: np.random.Generator) -> Iterator[list[str]]:
    """Rows: what, then the coverage with 8, 16 and 64 texts."""
    for share in (0.02, 0.1, 0.5, 0.9, 0.98):
        drawn = [(rng.random((n, TRIED)) < share).astype(float) for n in (8, 16, 64)]
        yield [f"a share of {share:g}", *(held(*mean_interval(x), share) for x in drawn)]
    for name, draw, truth in (
        ("a mean, normal", lambda n: rng.normal(size=(n, TRIED)), 0.0),
        ("a mean, lognormal with σ = 1", lambda n: rng.lognormal(size=(n, TRIED)), float(np.exp(0.5))),
    ):
        yield [name, *(held(*mean_interval(draw(n)), truth) for n in (8, 16, 64))]
    yield ["a share of 0.1, in 2 to 6 windows a text, by text", *(_by_text(rng, n) for n in (8, 16, 64))]


def _by_text(rng: np.random.Generator, texts: int) -> str:
    found = []
    for _ in range(TRIED // 4):
        text = np.repeat(np.arange(texts), rng.integers(2, 7, texts))
        rate = rng.beta(0.5, 4.5, texts)[text]
        found.append(mean_interval((rng.random(len(text)) < rate).astype(float), text))
    low, high = np.array(found).T
    return held(low, high, 0.1)


def coverage_of_areas(rng: np.random.Generator) -> Iterator[list[str]]:
    """Rows: the true AUROC, then the coverage with 8, 10, 16 and 64 answers of each kind."""
    for area in (0.75, 0.9, 0.95, 0.99):
        row = [f"{area:g}"]
        for each in (8, 10, 16, 64):
            positive = np.arange(2 * each) < each
            scores = rng.normal(size=(2 * each, TRIED // 2)) + np.sqrt(2) * ndtri(area) * positive[:, None]
            row.append(held(*auroc_interval(scores, positive), area))
        yield row


def by_subject(subjects: int, each: int, copies: int = 1) -> Callable[[np.random.Generator], Sample]:
    """Labels and neurons follow the subject, and nothing else; each question is there so many times."""

    def draw(rng: np.random.Generator) -> Sample:
        subject = np.repeat(np.arange(subjects), each)
        made_up = rng.random(len(subject)) < rng.beta(0.4, 0.4, subjects)[subject]
        x = rng.gamma(1.0, size=(subjects, 200))[subject] + 0.3 * rng.gamma(1.0, size=(len(subject), 200))
        named = [str(one) for one in subject] if copies == 1 else [None] * len(subject) * copies
        questions = [f"question {i}" + " " * copy for copy in range(copies) for i in range(len(subject))]
        keys = keys_of(questions, named, [()] * len(questions), [""] * len(questions))
        return sample(np.tile(x, (copies, 1)), np.tile(made_up, copies), keys)

    return draw


def by_length(rng: np.random.Generator, added: float = 0.0) -> Sample:
    """Labels follow the answer's length, neurons too; three neurons add so much to it."""
    length = rng.integers(1, 9, 300)
    made_up = rng.random(300) < 1 / (1 + np.exp(-(length - 4.5)))
    x = rng.gamma(1.0, size=(300, 200)) + 0.5 * (length / 4.5)[:, None] * (np.arange(200) < 20)
    x += added * made_up[:, None] * (np.arange(200) < 3)
    plain = {"length": length.astype(float), "entropy": rng.random(300), "logprob": rng.random(300)}
    return sample(x, made_up, key_numbers({"subject": [None] * 300}), plain)


def sample(x: np.ndarray, made_up: np.ndarray, keys: np.ndarray, plain: dict[str, np.ndarray] | None = None) -> Sample:
    """Answers of which nothing is known but this."""
    x = x.astype(np.float32)
    return Sample(Answers(x, made_up, keys), x, np.zeros((len(x), 1, 1), np.float32), plain or {}, (), np.zeros(len(x)))


def names_a_candidate(one: Sample, seed: int) -> bool:
    """Whether a study of this sample names any."""
    fit, _, _, tested, added = select.final(one, seed, UNHEARD, bootstraps=10)
    return bool(((fit.weight > 0) & (tested.stability >= 0.5) & (tested.q < 0.05) & (added.q < 0.05)).any())


def candidates(studies: int) -> Iterator[list[str]]:
    """Rows: where candidates come from, and the share of studies that name one."""
    for name, draw in (
        ("nothing: 100 subjects × 4 answers", by_subject(100, 4)),
        ("nothing: 60 × 8", by_subject(60, 8)),
        ("nothing: 40 × 10", by_subject(40, 10)),
        ("nothing: 200 questions, each three times", by_subject(200, 1, copies=3)),
        ("the answer's length alone", by_length),
        ("three neurons that add to length", lambda rng: by_length(rng, added=1.5)),
    ):
        named = [names_a_candidate(draw(np.random.default_rng(seed)), seed) for seed in range(studies)]
        yield [name, f"{np.mean(named):.3f}"]


class Bench:
    """Inputs of which each changes by an amount of its own under what is tested, and by noise under the controls."""

    def __init__(self, costs: np.ndarray, more: np.ndarray | None, controls: np.ndarray) -> None:
        self.costs, self.controls, self.name = costs, controls, f"{len(costs)} inputs"
        self.wider = None if more is None else Bench(more, None, controls)

    def outcome(self, interventions: Sequence[Intervention], metrics: Collection[str]) -> dict[str, np.ndarray]:
        """What is measured of them."""
        unit = (interventions[0].units or (None,))[0] if interventions else None
        change = 0.0 if unit is None else self.costs if unit == 0 else self.controls[unit - 1]
        return dict.fromkeys(metrics, 3.0 + change + np.zeros(len(self.costs)))


TAILS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "1.5 nats in one text of twenty (mean 0.075)": lambda rng, n: np.where(rng.random(n) < 0.05, 1.5, 0.0),
    "0.75 in one of ten (mean 0.075)": lambda rng, n: np.where(rng.random(n) < 0.1, 0.75, 0.0),
    "lognormal, σ = 1.5, mean 0.075": lambda rng, n: 0.075 * rng.lognormal(-1.125, 1.5, n),
    "nothing": lambda rng, n: np.zeros(n),
    "0.3 in each, give or take 0.2": lambda rng, n: 0.3 + 0.2 * rng.normal(size=n),
}


def verdicts(studies: int) -> Iterator[list[str]]:
    """Rows: what the change is, and the share of studies that say each word of it."""
    doses = [once(zero_ablate(Site("resid_post", 1), (dim,))) for dim in range(25)]
    for name, draw in TAILS.items():
        counted: dict[str, int] = {}
        for seed in range(studies):
            rng = np.random.default_rng(seed)
            costs, more = (draw(rng, n) + 0.01 * rng.normal(size=n) for n in (16, 64))
            bench = Bench(costs, more, 0.01 * rng.normal(size=24))
            for claim in ("none", "change"):
                trial = Trial("dim 0", "mean", doses[0], tuple(doses[1:]), {"loss": claim})
                (effect,) = run(Outcomes(bench), [trial])
                word = _word(claim, effect.verdict)
                counted[word] = counted.get(word, 0) + 1
        columns = ("harmless", "not harmless", "refuted", "negligible", "confirmed")
        yield [name, *(f"{counted.get(word, 0) / studies:.3f}" for word in columns)]


def _word(claim: Claim, verdict: str) -> str:
    return {"confirmed": "harmless", "refuted": "not harmless"}.get(verdict, "") if claim == "none" else verdict


def page(studies: int) -> str:
    """All tables."""
    rng = np.random.default_rng(0)
    parts = [
        f"Share of nominal 95 % intervals that hold the truth, {TRIED:,} data sets each:",
        table(["of", "8 texts", "16", "64"], list(coverage_of_means(rng))),
        f"The same of an AUROC, {TRIED // 2:,} data sets each:",
        table(["AUROC", "8 of each kind", "10", "16", "64"], list(coverage_of_areas(rng))),
        f"Share of {studies} studies that name a candidate, by what the labels follow:",
        table(["labels follow", "name a candidate"], list(candidates(studies))),
        f"Share of {studies} verifications on 16 texts (64 where no change is to be shown) that say so; the margin is "
        "0.05. The first two columns are of a claim of no change, the others of a claim of a change:",
        table(
            ["the change is", "harmless", "not harmless", "refuted", "negligible", "confirmed"],
            list(verdicts(studies)),
        ),
    ]
    return "\n\n".join(parts)


def main() -> None:
    """Measure, and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--studies", type=int, default=200)
    given = parser.parse_args()
    measured = page(given.studies)
    if given.page is None:
        print(measured)
        return
    before, rest = given.page.read_text(encoding="utf-8").split(BEGIN)
    text = f"{before}{BEGIN}\n\n{measured}\n\n{END}{rest.split(END)[1]}"
    given.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
