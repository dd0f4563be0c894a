"""`guard`: answers at test time, with an eye on the risk that they are incorrect."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

import pandas as pd

from inspector.alike import Alike
from inspector.arguments import Count, Finite, Number, Share, meant, takes
from inspector.errors import InputError
from inspector.hallucination.answers.ask import Asker, Sampling
from inspector.hallucination.guarded import Did, Guarded
from inspector.hallucination.held_out import accepted_of, held_out_threshold
from inspector.hallucination.questions.prompts import with_context
from inspector.hallucination.questions.sets import Question
from inspector.hallucination.study import Study
from inspector.interventions.apply import intervene
from inspector.interventions.values import Intervention, scale
from inspector.models import Model
from inspector.pages import page
from inspector.printable import brief
from inspector.sites import Site

Policy = Literal["abstain", "again", "least"]
"""What to do with a risky answer: say nothing; answer again with the candidates scaled down and keep the less risky
answer; or take the least risky of several samples (done for every question, it needs no threshold)."""

SAMPLES = 5


@dataclass(frozen=True, repr=False, eq=False)
class Guard(Alike):
    """A study's risk, watching a model answer; made by `guard`.

    Args:
        model: answers.
        study: gives the risk.
        policy: what is done with a risky answer.
        threshold: above it an answer is risky.
        factor: what candidates are scaled by for `again`.
        sampling: how samples are drawn for `least`.
    """

    model: Model
    study: Study
    policy: Policy
    threshold: float
    factor: float
    sampling: Sampling

    def __repr__(self) -> str:
        name = brief(self.study.card.get("name"), 40)
        return f"<Guard of {name} by a study of it: {self.policy!r} above a risk of {self.threshold:.2f}>"

    def _repr_html_(self) -> str:
        return page(repr(self), [repr(self.model), repr(self.study)])

    @takes
    def answer(self, question: str) -> Guarded:
        """Answer one question.

        Raises:
            InputError: the model says nothing.
        """
        if not question.strip():
            raise InputError("The question is empty. Ask something.")
        (first,) = self.greedy([Question("asked", question, ())])
        if not first:
            raise InputError("The model ended its answer before it began. Put the question in other words.")
        (risk,) = self.study.scores(self.model, [question], [first], by="probe")
        given, its_risk, did = self._instead(question, first, float(risk))
        answer = None if did == "abstained" else self._text(given)
        return Guarded(question, answer, its_risk, did, self._text(first), float(risk))

    def _instead(self, question: str, first: tuple[int, ...], risk: float) -> tuple[tuple[int, ...], float, Did]:
        """What is answered instead of the greedy answer, its risk, and what was done."""
        asked = [Question("asked", question, ())]
        if self.policy != "least" and risk <= self.threshold:
            return first, risk, "answered"
        if self.policy == "abstain":
            return first, risk, "abstained"
        others = self.again(asked) if self.policy == "again" else self.samples(asked)[0]
        others = [other for other in others if other]
        if not others:
            return first, risk, "kept the first answer"
        risks = self.study.scores(self.model, [question] * len(others), others, by="probe")
        best = int(risks.argmin())
        if risks[best] >= risk:
            return first, risk, "kept the first answer"
        return others[best], float(risks[best]), "answered again" if self.policy == "again" else "took a sample"

    def greedy(self, questions: Sequence[Question]) -> list[tuple[int, ...]]:
        """The greedy answers to these questions, as token ids."""
        return [answers[0] for answers in self._ask(questions, 0)]

    def again(self, questions: Sequence[Question]) -> list[tuple[int, ...]]:
        """The greedy answers with the candidates scaled down."""
        with intervene(self.model, scaled(self.study, self.factor)):
            return self.greedy(questions)

    def samples(self, questions: Sequence[Question]) -> list[list[tuple[int, ...]]]:
        """Sampled answers to each question."""
        return [list(answers[1:]) for answers in self._ask(questions, self.sampling.samples)]

    def _ask(self, questions: Sequence[Question], samples: int) -> list[tuple[tuple[int, ...], ...]]:
        asker = Asker(self.model, self.study.form, replace(self.sampling, samples=samples))
        asked = {one.id: one.answers for batch in asker.batches(questions) for one in asker.ask(batch)}
        return [asked[question.id] for question in questions]

    def _text(self, ids: tuple[int, ...]) -> str:
        return str(self.model.tokenizer.decode(list(ids))).strip()


@takes
def guard(
    model: Model,
    study: Study,
    *,
    policy: str = "abstain",
    threshold: Share | None = None,
    factor: Finite = 0.0,
    samples: Count = SAMPLES,
    seed: Number = 0,
) -> Guard:
    """Watch a model's answers with a study's probe.

    Risk is always measured on the unmodified model. How much each policy helps on held-out questions is in the frame
    `guard` that `verify` adds to a study.

    Args:
        model: the one the study was made on.
        study: from `study_hallucination` or `open_run`.
        policy: `abstain`, `again` or `least`; see `Policy`.
        threshold: risk above which an answer counts as risky; where None, chosen on the answers that the probe was
            not fitted on (`held_out_threshold`).
        factor: what the candidates are scaled by for `again`.
        samples: answers drawn for `least`.
        seed: of these draws.

    Raises:
        InputError: another model, an unknown policy, no candidates to scale, a number out of range.
    """
    if policy not in get_args(Policy):
        raise InputError(f"No policy '{policy}'.{meant(policy, get_args(Policy))}")
    if policy == "again" and not study.findings:
        raise InputError("This study has no candidate neurons to scale down. Use the policy 'abstain' or 'least'.")
    study.check_model(model)
    chosen = held_out_threshold(study) if threshold is None else threshold
    return Guard(model, study, cast(Policy, policy), chosen, factor, sampling_of(study, samples, seed))


def sampling_of(study: Study, samples: int, seed: int) -> Sampling:
    """Draws as the study's own, but others: its labels were made with its own draws."""
    as_asked = study.settings["study"]
    chosen = {name: as_asked[name] for name in ("temperature", "top_p", "top_k", "longest")}
    return Sampling(samples=samples, seed=as_asked["seed"] + 1 + seed, **chosen)


def questions_of(table: pd.DataFrame) -> list[Question]:
    """The questions of these rows of `hneurons.answers`, as they were put: after the passage they are about, if any."""
    columns = ["id", "question", "subject", "relation", "context"]
    rows = table.reindex(columns=columns, fill_value="").itertuples(index=False)
    return [
        Question(
            str(row.id), with_context(row.question, row.context), accepted, row.subject or None, row.relation or None
        )
        for row, accepted in zip(rows, accepted_of(table), strict=True)
    ]


def scaled(study: Study, factor: float) -> list[Intervention]:
    """The study's candidates, scaled."""
    places = [(one.layer, one.unit) for one in study.findings if one.detector == "hneurons" and one.unit is not None]
    return [scale(Site("neuron", layer), (unit,), factor) for layer, unit in places]
