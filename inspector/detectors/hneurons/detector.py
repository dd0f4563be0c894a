"""Candidate hallucination neurons (H-neurons): Gao et al. 2025, arXiv 2512.01797.

Evidence comes from a study of questions and answers (`inspector hallucinate`), not from a scan of
texts: CETT_j(t) = |z_j| · ‖W_out[j]‖ / ‖z · W_out‖, averaged over an answer's tokens, and an L1
logistic regression of "this answer is wrong" on it. A neuron with a positive weight that most
bootstraps choose too, and whose CETT alone tells held-out answers apart, is a candidate; whether it
makes the model invent things only an intervention can tell.
"""

from collections.abc import Iterator, Mapping, Sequence

from inspector.detectors.base import Names
from inspector.detectors.hneurons import sentences
from inspector.detectors.hneurons.frames import FRAMES, findings
from inspector.detectors.hneurons.schema import SCHEMA
from inspector.detectors.hneurons.terms import TERMS
from inspector.detectors.hneurons.thresholds import DEFAULTS, Thresholds
from inspector.detectors.measured import Measured
from inspector.detectors.shown import Door, Headline, Screen, Suggestion, TextTable, Tile
from inspector.figures.drawing import Drawing
from inspector.figures.palette import VIOLET
from inspector.records import Evidence, Finding, Sentence


class HNeurons:
    """Judges a study's probe; its evidence is made by `inspector.study_hallucination`."""

    name = "hneurons"
    title = "Hallucination neurons"
    accent = VIOLET
    terms = TERMS
    schema = SCHEMA
    command = "hallucinate"
    thresholds = Thresholds
    frames = FRAMES
    tables = ("alpha", "guard", "guard_curve", "decoding")
    sources = ("answers",)
    page = (
        *(f"hneurons.{name}" for name in ("scores", "candidates", "transfers", "counts", "answers")),
        *("alpha", "guard", "decoding"),
    )
    screen = Screen(
        "A few neurons whose activity predicts that an answer is incorrect (hallucinated): candidates.",
        path="neurons",
        absent="This run asked no questions. Studies are made by: inspector hallucinate --out RUN.",
        measured="study",
        order=3,
        door=Door(
            "Why did it make this up?",
            "A question; an answer to it on the next line, if you have one",
            "What is the capital of Mongolia?",
            "Ask",
            of_run=True,
            order=1,
        ),
    )
    report = "inspector.hallucination.study:Study"
    operations = ("scale", "scale alone")
    trials = "inspector.hallucination.trials:NeuronTrials"

    def judge(self, evidence: Evidence, names: Names, thresholds: Thresholds = DEFAULTS) -> Sequence[Finding]:
        """Candidates, the heaviest weight first."""
        return findings(evidence, thresholds)

    def sentences(self, m: Measured) -> Iterator[Sentence]:
        """What the study found, how it compares with cheaper scores, and what tests said."""
        yield from sentences.found(m)
        yield from sentences.tested(m)

    def text_tables(self, m: Measured) -> Iterator[TextTable]:
        """Scores, the probe's neurons, transfers; and what was tested and compared."""
        return sentences.tables(m)

    def figures(self, m: Measured) -> Mapping[str, Drawing]:
        """Scores, ROC curves, the probe's neurons; α, guards and decoding where they were measured."""
        from inspector.detectors.hneurons import figures

        return figures.drawings(m)

    def tiles(self, m: Measured) -> Iterator[Tile]:
        """How many candidates, and the probe's AUROC."""
        return sentences.tiles(m)

    def headlines(self, m: Measured) -> Mapping[str, Headline]:
        """The numbers that two studies are compared by."""
        scores = m.frame("scores").set_index("name")["auroc"]
        found = {"candidate neurons": Headline(float((m.frame("candidates")["verdict"] != "").sum()))}
        known = [name for name in ("probe", "entropy", "length") if name in scores]
        return found | {f"AUROC of {name}": Headline(float(scores[name])) for name in known}

    def comparison(self, first: Measured, second: Measured) -> Mapping[str, Drawing]:
        """Two studies' scores."""
        from inspector.detectors.hneurons import figures

        return figures.comparison(first, second)

    def suggestion(self, m: Measured) -> Suggestion | None:
        """The heaviest neuron, zeroed."""
        neurons = m.frame("candidates")
        if not len(neurons):
            return None
        return Suggestion("neuron", int(neurons.iloc[0]["layer"]), int(neurons.iloc[0]["neuron"]), None, "zero")
