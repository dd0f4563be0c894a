"""`Study`: a report of a hallucination study, which can score new answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from inspector.errors import InputError
from inspector.hallucination.probe.probe import Probe, risk_of
from inspector.run.report import Report

if TYPE_CHECKING:  # a saved study is opened and drawn without torch
    from inspector.hallucination.questions.prompts import Form
    from inspector.models import Model

SPEAKING = 3
"""Neurons named for each token."""


@dataclass(frozen=True)
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


@dataclass(frozen=True)
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

    def check_model(self, model: "Model") -> None:
        """Check that this is the model the study was made on.

        Raises:
            InputError: it isn't.
        """
        if model.card["fingerprint"] != self.card["fingerprint"]:
            raise InputError(
                f"This study was made on {self.card['name']} in {self.card['dtype']}, and the model given is "
                f"{model.card['name']} in {model.card['dtype']}, with other weights. Load the study's model and dtype."
            )

    def _meter(self, model: "Model") -> Any:
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
