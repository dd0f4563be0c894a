"""How unlikely the model's own samples are: the entropy of what it would answer, estimated from them."""

import numpy as np

from inspector.hallucination.answers.cett import Uncertainty
from inspector.hallucination.answers.samples import samples_of
from inspector.hallucination.baselines.contract import MeasuredScore, Passes
from inspector.hallucination.baselines.semantic_entropy import SAMPLED


def measure(passes: Passes) -> np.ndarray | None:
    """Entropy in nats; None where an answer has fewer than two samples with tokens."""
    samples = samples_of(passes.meter, passes.answers)
    if any(len(row) < 2 for row in samples):
        return None
    pairs = [(number, ids) for number, row in enumerate(samples) for ids in dict.fromkeys(row)]
    own = [passes.answers[number] for number, _ in pairs]
    fed = passes.meter.feed([one.put for one in own], [ids for _, ids in pairs], [one.prompt for one in own])
    seen = Uncertainty(fed.spans)
    passes.meter.watch(fed, [seen])
    lengths = np.array([len(ids) for _, ids in pairs])
    logprob = dict(zip(pairs, seen.logprob.astype(np.float64) * lengths, strict=True))
    return np.array([-np.mean([logprob[number, ids] for ids in row]) for number, row in enumerate(samples)])


BASELINE = MeasuredScore(
    "predictive entropy",
    "−mean over the samples of Σ log p of their tokens, at temperature 1",
    "Malinin and Gales 2021, arXiv 2002.07650; Kuhn et al. 2023, arXiv 2302.09664",
    cost="the samples, drawn anyway where a study has them, and a pass over them",
    caveat=SAMPLED,
    measuring=measure,
)
