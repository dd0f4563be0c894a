"""How unlikely the model finds its own samples: an estimate of the entropy of what it would answer."""

import numpy as np

from inspector.errors import InputError
from inspector.hallucination.answers.cett import Uncertainty
from inspector.hallucination.answers.samples import samples_of
from inspector.hallucination.baselines.contract import MeasuredScore, Passes
from inspector.hallucination.baselines.semantic_entropy import SAMPLED
from inspector.printable import printable


def measure(passes: Passes) -> np.ndarray | None:
    """Entropy in nats; None where no answer has samples.

    Raises:
        InputError: an answer has no sample with tokens, and others have.
    """
    samples = samples_of(passes.meter, passes.answers)
    if not any(samples):
        return None
    if lacking := sum(not row for row in samples):
        raise InputError(f"{lacking} of {len(samples)} answers have no sample with tokens.")
    pairs = [(number, ids) for number, row in enumerate(samples) for ids in dict.fromkeys(row)]
    own = [passes.answers[number] for number, _ in pairs]
    names = [f"'{printable(one.question.id)}' (a sample of it)" for one in own]
    fed = passes.meter.feed([one.put for one in own], [ids for _, ids in pairs], [one.prompt for one in own], names)
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
    caveat=f"{SAMPLED}; they are drawn from the top of a distribution and scored by all of it, without what ends them",
    measure=measure,
)
