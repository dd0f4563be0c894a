"""`Study`: a report of a hallucination study, which can score new answers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from inspector.arguments import Share, meant, takes
from inspector.detectors.hneurons.arrays import HEADLINE, headline_columns
from inspector.detectors.hneurons.frames import said_of
from inspector.errors import InputError
from inspector.hallucination.features import Features
from inspector.hallucination.probe.probe import Probe, risk_of
from inspector.hallucination.risk import By, Risks
from inspector.hallucination.scored import SPEAKING, Scored, ScoredAnswers, tokens_of
from inspector.progress import SILENT, Progress
from inspector.run.report import Report

if TYPE_CHECKING:  # a saved study is opened and drawn without torch
    from sklearn.pipeline import Pipeline

    from inspector.hallucination.answers.measure import Fed, Meter
    from inspector.hallucination.answers.own import OwnAnswers
    from inspector.hallucination.questions.prompts import Form
    from inspector.models import Model
    from inspector.models.observe import Observer

AT_ONCE = 1024
"""Answers that are read together when many are scored."""


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

    @takes
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

    @cached_property
    def risks(self) -> Risks | None:
        """How new answers get their headline risk; None in a study that was made before there was one."""
        return Risks.of(self.evidence["hneurons"])

    @takes
    def score(
        self,
        model: "Model",
        question: str,
        answer: str | Sequence[int],
        *,
        by: By | None = None,
        base_rate: Share | None = None,
    ) -> float:
        """Risk in [0, 1] that this answer is incorrect: measured as the study's own answers were.

        Args:
            model: the one the study was made on.
            question: as it would be put to the model.
            answer: its text on one line, or its token ids.
            by: `headline`, the best validated score or combination, calibrated; or `probe`, the neurons alone, as if
                incorrect and correct answers were equally many. The headline where the study has one, if None.
            base_rate: share of incorrect answers where the risk is to be used; the study's own where None.

        Raises:
            InputError: another model, or an answer that is empty or has several lines.
        """
        return float(self.scores(model, [question], [answer], by=by, base_rate=base_rate)[0])

    @takes
    def scores(
        self,
        model: "Model",
        questions: Iterable[str],
        answers: Iterable[str | Sequence[int]],
        *,
        by: By | None = None,
        base_rate: Share | None = None,
    ) -> np.ndarray:
        """Risks of several answers at once, `[answer]`; see `score`."""
        risks = self._by(by, base_rate)
        if isinstance(questions, str) or isinstance(answers, str):
            raise InputError("scores got one string. Give lists, or take score for one answer.")
        questions, answers = list(questions), list(answers)
        meter, ids = self._meter(model), self._ids(model, questions, answers)
        fed = meter.feed(questions, ids)
        if risks is None:
            return self.probe.risk(meter.contributions_of(self.probe.neurons, fed))
        return risks.risk(self._measured(meter, fed)[1], base_rate)

    def _by(self, by: By | None, base_rate: float | None) -> Risks | None:
        """The headline's fit, or None where the probe is asked for or all there is."""
        if by not in (None, "headline", "probe"):
            raise InputError(f"No risk '{by}'.{meant(by, ('headline', 'probe'))}")
        if self.risks is None and (by == "headline" or base_rate is not None):
            raise InputError("This study was made before there was a headline risk. Make it again, or use by='probe'.")
        if by == "probe" and base_rate is not None:
            raise InputError("base_rate is for the headline risk, and by='probe' asks for another. Use one of them.")
        if self.risks is not None:
            self.risks.shift(base_rate)  # one that is none is said before anything is measured
        return None if by == "probe" else self.risks

    def _measured(self, meter: "Meter", fed: "Fed", also: Sequence["Observer"] = ()) -> tuple[np.ndarray, np.ndarray]:
        """CETTs of the probe's neurons, and the scores that the headline looks at, by one pass."""
        from inspector.hallucination.answers.cett import Uncertainty

        probe, seen = self.probe, Uncertainty(fed.spans)
        contributions = meter.contributions_of(probe.neurons, fed, [seen, *also])
        tokens = [span.answer[1] - span.answer[0] for span in fed.spans.values()]
        measured = {"entropy": seen.entropy, "logprob": seen.logprob, "self-certainty": seen.certainty}
        measured |= {"probe": probe.fit.log_odds(contributions), "length": np.array(tokens, np.float64)}
        return contributions, headline_columns(measured)

    @takes
    def score_all(
        self,
        model: "Model",
        answers: "OwnAnswers",
        *,
        tokens: bool = False,
        base_rate: Share | None = None,
        progress: Progress = SILENT,
    ) -> ScoredAnswers:
        """Risks of many answers, from a file, a DataFrame or rows with `question` and `answer`.

        Args:
            model: the one the study was made on.
            answers: from `inspector.own_answers`, or anything that it takes; labels aren't looked at.
            tokens: whether each token's risk, by the probe, is given too.
            base_rate: share of incorrect answers where the risks are to be used; the study's own where None.
            progress: hears of the answers that are scored.

        Raises:
            InputError: another model, a source that can't be read, or an answer that can't be scored; before any is.
        """
        from inspector.hallucination.answers.own import own_answers
        from inspector.hallucination.answers.own_tokens import fed_of, ids_of

        self._by(None, base_rate)
        meter, own = self._meter(model), own_answers(answers, labels=False)
        ids = ids_of(meter, own)
        fed = fed_of(meter, own, ids)  # what can't be scored is said before any is
        task = progress.task("scoring", len(own))
        parts, by_token = [], dict[int, np.ndarray]()
        for some in fed.parts(AT_ONCE):
            numbers = list(some.spans)
            found, each = self._risks(model, meter, some, tokens, base_rate)
            parts.append(found.set_index(pd.Index(numbers)))
            by_token |= dict(zip(numbers, each, strict=True)) if tokens else {}
            task.advance(len(numbers))
        table = pd.DataFrame(
            {
                "id": [one.question.id for one in own],
                "question": [one.question.question for one in own],
                "answer": [one.text.strip() for one in own],
            }
        ).join(pd.concat(parts))
        return ScoredAnswers(
            table, tokens_of(model, own, ids, [by_token[n] for n in sorted(by_token)]) if tokens else None
        )

    def _risks(
        self, model: "Model", meter: "Meter", fed: "Fed", tokens: bool, base_rate: float | None
    ) -> tuple[pd.DataFrame, list[np.ndarray]]:
        """Risks of answers and, where they are wanted, of each one's tokens."""
        from inspector.hallucination.answers.cett import TokenContributions

        probe = self.probe
        listeners = [TokenContributions(model, fed.spans, probe.neurons)] if tokens else []
        if self.risks is None:
            found = pd.DataFrame({"risk": probe.risk(meter.contributions_of(probe.neurons, fed, listeners))})
        else:
            _, scores = self._measured(meter, fed, listeners)
            columns = pd.DataFrame(scores, columns=list(HEADLINE))
            found = columns.assign(probe=risk_of(scores[:, HEADLINE.index("probe")]))
            found.insert(0, "risk", self.risks.risk(scores, base_rate))
        each = [risk_of(probe.fit.log_odds(values)) for one in listeners for values in one.by_text.values()]
        return found, each

    @takes
    def explain_parts(
        self,
        model: "Model",
        answers: "OwnAnswers",
        *,
        base_rate: Share | None = None,
        progress: Progress = SILENT,
    ) -> pd.DataFrame:
        """Risks of each sentence of long answers, and of the dates, numbers and names in them.

        A part is measured as an answer would be whose tokens are the part's, in its place: the headline was calibrated
        on whole answers, so a part's risk ranks parts and is no frequency.

        Args:
            model: the one the study was made on.
            answers: from `inspector.own_answers`, or anything that it takes: rows of `question` and `answer`, with a
                `prompt` or `context`, or conversations (`messages`) whose last turn may be the answer.
            base_rate: share of incorrect answers where the risks are to be used; the study's own where None.
            progress: hears of the answers that are scored.

        Returns:
            A row per part: id (the answer's), kind (sentence, date, number, name), start, stop (characters of the
            answer's text), text, tokens, risk, and of a study with a headline risk probe (its own risk), entropy (at
            the part's first token), logprob and self-certainty.

        Raises:
            InputError: another model, a source that can't be read, or an answer that can't be scored.
        """
        from inspector.hallucination.answers.own import own_answers
        from inspector.hallucination.answers.own_tokens import fed_of, ids_of
        from inspector.hallucination.long_answers import risks_of_parts

        risks = self._by(None, base_rate)
        meter, own = self._meter(model), own_answers(answers, labels=False)
        ids = ids_of(meter, own)
        fed, task, tables = fed_of(meter, own, ids), progress.task("scoring", len(own)), []
        for some in fed.parts(AT_ONCE):
            for number, table in risks_of_parts(meter, some, ids, self.probe, risks, base_rate):
                text = own[number].text
                table[["start", "stop"]] += len(text) - len(text.lstrip())
                tables.append((number, table.assign(id=own[number].question.id)))
            task.advance(len(some.rows))
        whole = pd.concat([table for _, table in sorted(tables, key=lambda pair: pair[0])], ignore_index=True)
        return whole[["id", *(name for name in whole if name != "id")]]

    @takes
    def explain(
        self, model: "Model", question: str, answer: str | Sequence[int], *, base_rate: Share | None = None
    ) -> Scored:
        """An answer's risk, each single score beside it, and the probe's risk of each token with the neurons' part.

        The tokens' log-odds have the probe's as their mean. Raises as `score` does.
        """
        from inspector.hallucination.answers.cett import TokenContributions
        from inspector.token_text import token_texts

        probe, meter = self.probe, self._meter(model)
        (ids,) = self._ids(model, [question], [answer])
        fed = meter.feed([question], [ids])
        risks = self._by(None, base_rate)
        listener = TokenContributions(model, fed.spans, probe.neurons)
        contributions, scores = self._measured(meter, fed, [listener])
        alone = float(probe.risk(contributions)[0])
        risk = alone if risks is None else float(risks.risk(scores, base_rate)[0])
        by_token = listener.by_text[0]
        terms = probe.terms(by_token)
        tokens = pd.DataFrame(
            {"token": token_texts(model.tokenizer, ids), "risk": risk_of(probe.fit.log_odds(by_token))}
        )
        tokens["neurons"] = [self._speaking(row) for row in terms]
        layer, neuron = probe.neurons.T
        neurons = pd.DataFrame({"layer": layer, "neuron": neuron, "weight": probe.fit.weight})
        neurons["stability"] = self._stability(neurons)
        neurons["value"], neurons["term"] = by_token.mean(axis=0), terms.mean(axis=0)
        text = answer if isinstance(answer, str) else model.tokenizer.decode(list(ids)).strip()
        neurons = neurons.sort_values("term", ascending=False)
        terms, neurons = terms[:, neurons.index], neurons.reset_index(drop=True)
        if risks is None:
            return Scored(question, text, risk, tokens, neurons, alone, by_token=terms)
        table = self.frame("hneurons.reliability")
        reliable = said_of(table, round(risk, 2)) if base_rate is None else ""
        return Scored(question, text, risk, tokens, neurons, alone, risks.beside(scores[0]), reliable, terms)

    def _stability(self, neurons: pd.DataFrame) -> list[float]:
        """Share of bootstraps that choose each of the probe's neurons with its sign."""
        known = self.frame("hneurons.candidates").set_index(["layer", "neuron"])["stability"].to_dict()
        return [known.get(place, float("nan")) for place in zip(neurons["layer"], neurons["neuron"], strict=True)]

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
        if len(questions) != len(answers) or not questions:
            raise InputError(f"Got {len(questions)} questions and {len(answers)} answers. Give an answer to each.")
        if empty := [number for number, question in enumerate(questions) if not question.strip()]:
            raise InputError(f"Question {empty[0]} is empty. Say what the answer is an answer to.")
        return [
            self.form.answer_ids(model.tokenizer, question, one) if isinstance(one, str) else _ids_of(model, one)
            for question, one in zip(questions, answers, strict=True)
        ]


def _ids_of(model: "Model", answer: Sequence[int]) -> tuple[int, ...]:
    """An answer's token ids.

    Raises:
        InputError: the model doesn't have one of them.
    """
    if not all(isinstance(one, Integral) and 0 <= one < model.shape.vocab for one in answer):
        raise InputError(f"An answer has a token id outside 0–{model.shape.vocab - 1}. Use the model's, or text.")
    return tuple(int(one) for one in answer)
