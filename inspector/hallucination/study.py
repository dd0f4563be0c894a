"""`Study`: a report of a hallucination study, which can score new answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from inspector.errors import InputError
from inspector.hallucination.features import Features
from inspector.hallucination.probe.probe import Probe, risk_of
from inspector.printable import printable
from inspector.progress import SILENT, Progress
from inspector.run.report import Report

if TYPE_CHECKING:  # a saved study is opened and drawn without torch
    from sklearn.pipeline import Pipeline

    from inspector.hallucination.answers.measure import Fed, Meter
    from inspector.hallucination.answers.own import OwnAnswer, OwnAnswers
    from inspector.hallucination.questions.prompts import Form
    from inspector.models import Model

AT_ONCE = 1024
"""Answers that are read together when many are scored."""

SPEAKING = 3
"""Neurons named for each token."""


@dataclass(frozen=True, repr=False, eq=False)
class Scored:
    """An answer with its risk, token by token.

    Args:
        question, answer: as text.
        risk: probability in [0, 1] that the answer is incorrect, where incorrect and correct ones are equally many.
        tokens: one row per token: token, risk, and the neurons that raise it most.
        neurons: one row per neuron of the probe: layer, neuron, weight, value, term (what it adds to the log-odds).
    """

    question: str
    answer: str
    risk: float
    tokens: pd.DataFrame
    neurons: pd.DataFrame

    def __repr__(self) -> str:
        return f"<Scored {printable(self.answer)[:60]!r}: risk {self.risk:.2f}, {len(self.tokens)} tokens>"


@dataclass(frozen=True, repr=False, eq=False)
class ScoredAnswers:
    """Answers with their risks.

    Args:
        answers: one row per answer: id, question, answer, risk in [0, 1].
        tokens: where it was asked for, one row per token: id (the answer's), position in the answer, token_id, token,
            risk.
    """

    answers: pd.DataFrame
    tokens: pd.DataFrame | None = None

    def __repr__(self) -> str:
        return f"<{len(self.answers):,} scored answers: mean risk {self.answers['risk'].mean():.2f}>"


@dataclass(frozen=True, repr=False, eq=False)
class Study(Report):
    """What a hallucination study found; see `Report`. `score` and `explain` judge new answers."""

    @property
    def probe(self) -> Probe:
        """The fitted probe, exactly as it was saved."""
        return Probe.read(self.evidence["hneurons"].arrays)

    @property
    def form(self) -> "Form":
        """How the questions were put."""
        from inspector.hallucination.questions.prompts import Form

        form = self.settings["study"]["form"]
        return Form(form["name"], tuple((question, answer) for question, answer in form["shots"]))

    def save_probe(self, folder: str | Path) -> Path:
        """Write the probe for use elsewhere, as `probe.safetensors` and `probe.json`; see `probe.export`.

        Raises:
            InputError: the place can't be written.
        """
        from inspector.hallucination.probe.export import save_probe

        return save_probe(self.probe, self.card, self.settings["study"]["form"], folder)

    def pipeline(self) -> "Pipeline":
        """The probe as a fitted scikit-learn pipeline that takes CETTs of its neurons, in the order of `probe`."""
        from inspector.hallucination.probe.export import as_pipeline

        return as_pipeline(self.probe)

    def features(self) -> Features:
        """CETTs of every neuron and answer, with their axes, for a probe of one's own.

        Raises:
            InputError: the run doesn't have them.
        """
        if "hneurons.contributions" not in self.evidence:
            raise InputError("This run has no contributions of its answers. Make the study again.")
        measured, answers = self.evidence["hneurons.contributions"], self.frame("hneurons.answers")
        layers = measured.facts.get("layers", range(measured["answer"].shape[1]))  # earlier runs: all have neurons
        ids, labels = (answers[name].to_numpy() for name in ("id", "label"))
        return Features(measured["answer"], ids, labels, np.array(layers, np.int64))

    def score(self, model: "Model", question: str, answer: str | Sequence[int]) -> float:
        """Risk in [0, 1] that this answer is incorrect: measured as the study's own answers were.

        Args:
            model: the one the study was made on.
            question: as it would be put to the model.
            answer: its text on one line, or its token ids.

        Raises:
            InputError: another model, or an answer that is empty or has several lines.
        """
        return float(self.scores(model, [question], [answer])[0])

    def scores(self, model: "Model", questions: Sequence[str], answers: Sequence[str | Sequence[int]]) -> np.ndarray:
        """Risks of several answers at once, `[answer]`."""
        meter, ids = self._meter(model), self._ids(model, questions, answers)
        return self.probe.risk(meter.contributions_of(self.probe.neurons, meter.feed(questions, ids)))

    def score_all(
        self, model: "Model", answers: "OwnAnswers", *, tokens: bool = False, progress: Progress = SILENT
    ) -> ScoredAnswers:
        """Risks of many answers, from a file, a DataFrame or rows with `question` and `answer`.

        Args:
            model: the one the study was made on.
            answers: from `inspector.own_answers`, or anything that it takes; labels aren't looked at.
            tokens: whether each token's risk is given too.
            progress: hears of the answers that are scored.

        Raises:
            InputError: another model, a source that can't be read, or an answer that can't be scored; before any is.
        """
        from inspector.hallucination.answers.own import own_answers
        from inspector.hallucination.answers.own_tokens import fed_of, ids_of

        meter, own = self._meter(model), own_answers(answers, labels=False)
        ids = ids_of(meter, own)
        fed = fed_of(meter, own, ids)  # what can't be scored is said before any is
        task = progress.task("scoring", len(own))
        risks, by_token = np.full(len(own), np.nan), dict[int, np.ndarray]()
        for some in fed.parts(AT_ONCE):
            numbers = list(some.spans)
            found, each = self._risks(model, meter, some, tokens)
            risks[numbers] = found
            by_token |= dict(zip(numbers, each, strict=True)) if tokens else {}
            task.advance(len(numbers))
        table = pd.DataFrame(
            {
                "id": [one.question.id for one in own],
                "question": [one.question.question for one in own],
                "answer": [one.text.strip() for one in own],
                "risk": risks,
            }
        )
        return ScoredAnswers(
            table, _tokens(model, own, ids, [by_token[n] for n in sorted(by_token)]) if tokens else None
        )

    def _risks(self, model: "Model", meter: "Meter", fed: "Fed", tokens: bool) -> tuple[np.ndarray, list[np.ndarray]]:
        """Risks of answers and, where they are wanted, of each one's tokens."""
        from inspector.hallucination.answers.cett import TokenContributions

        probe = self.probe
        if not tokens:
            return probe.risk(meter.contributions_of(probe.neurons, fed)), []
        listener = TokenContributions(model, fed.spans, probe.neurons)
        risks = probe.risk(meter.contributions_of(probe.neurons, fed, [listener]))
        return risks, [risk_of(probe.fit.log_odds(values)) for values in listener.by_text.values()]

    def explain(self, model: "Model", question: str, answer: str | Sequence[int]) -> Scored:
        """An answer's risk, that of each of its tokens, and the neurons that raise it.

        The tokens' log-odds have the answer's as their mean. Raises as `score` does.
        """
        from inspector.batches import token_texts
        from inspector.hallucination.answers.cett import TokenContributions

        probe, meter = self.probe, self._meter(model)
        (ids,) = self._ids(model, [question], [answer])
        fed = meter.feed([question], [ids])
        listener = TokenContributions(model, fed.spans, probe.neurons)
        risk = probe.risk(meter.contributions_of(probe.neurons, fed, [listener]))[0]
        by_token = listener.by_text[0]
        terms = probe.terms(by_token)
        tokens = pd.DataFrame(
            {"token": token_texts(model.tokenizer, ids), "risk": risk_of(probe.fit.log_odds(by_token))}
        )
        tokens["neurons"] = [self._speaking(row) for row in terms]
        layer, neuron = probe.neurons.T
        neurons = pd.DataFrame({"layer": layer, "neuron": neuron, "weight": probe.fit.weight})
        neurons["value"], neurons["term"] = by_token.mean(axis=0), terms.mean(axis=0)
        text = answer if isinstance(answer, str) else model.tokenizer.decode(list(ids)).strip()
        neurons = neurons.sort_values("term", ascending=False, ignore_index=True)
        return Scored(question, text, float(risk), tokens, neurons)

    def _speaking(self, terms: np.ndarray) -> str:
        """The neurons that raise a token's risk most, in words."""
        order = [i for i in np.argsort(-terms)[:SPEAKING] if terms[i] > 0]
        return ", ".join(
            f"{layer}.{neuron} (+{terms[i]:.2f})" for i in order for layer, neuron in [self.probe.neurons[i]]
        )

    @property
    def unaskable(self) -> str | None:
        """Why the study's questions can't be put to a model again and its answers marked; None where they can."""
        given = self.settings["study"].get("answers")
        if not given:
            return None
        if given["prompts"]:
            return "its answers came with prompts of their own"
        if not all(self.tables["answers"]["accepted"]):
            return "not all of its questions have accepted answers, by which new answers could be marked"
        return None

    def check_model(self, model: "Model") -> None:
        """Check that this is the model the study was made on.

        Raises:
            InputError: it isn't.
        """
        if model.current_card()["fingerprint"] != self.card["fingerprint"]:
            raise InputError(
                f"This study was made on {self.card['name']} in {self.card['dtype']}, and the model given is "
                f"{model.card['name']} in {model.card['dtype']}, with other weights. Load the study's model and dtype."
            )

    def _meter(self, model: "Model") -> "Meter":
        from inspector.hallucination.answers.measure import Meter

        self.check_model(model)
        return Meter(model, self.form)

    def _ids(
        self, model: "Model", questions: Sequence[str], answers: Sequence[str | Sequence[int]]
    ) -> list[tuple[int, ...]]:
        return [
            self.form.answer_ids(model.tokenizer, question, answer) if isinstance(answer, str) else tuple(answer)
            for question, answer in zip(questions, answers, strict=True)
        ]


def _tokens(
    model: "Model", answers: "Sequence[OwnAnswer]", ids: Sequence[tuple[int, ...]], risks: Sequence[np.ndarray]
) -> pd.DataFrame:
    """One row per token of these answers."""
    from inspector.batches import token_texts

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
