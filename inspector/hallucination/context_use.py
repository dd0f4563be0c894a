"""Does a model use the passage that it is given: what it answers with and without it, how it attends, what it risks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from inspector.alike import Alike
from inspector.arguments import Count, takes
from inspector.errors import InputError
from inspector.figures.palette import BLUE, NEUTRAL, ORANGE, VIOLET
from inspector.figures.style import finish
from inspector.hallucination.answers.ask import Asker, Sampling
from inspector.hallucination.answers.context import context_places
from inspector.hallucination.answers.measure import Meter
from inspector.hallucination.answers.resume import Answered
from inspector.hallucination.baselines.lookback import Lookback
from inspector.hallucination.grading.called import Function, as_judge
from inspector.hallucination.grading.graders import Judge, WholeWords
from inspector.hallucination.passages import WithPassage, as_passages, passages
from inspector.hallucination.questions.prompts import Form, with_context
from inspector.hallucination.questions.sets import Question, subjects
from inspector.hallucination.study import Study
from inspector.models import Model
from inspector.pages import page
from inspector.printable import counted
from inspector.progress import SILENT, Progress
from inspector.stats import mean_interval

FOLLOWS = ("passage", "memory", "both", "neither")
"""Whose answer an answer is: what the passage says, what the model said without it, both, or neither."""
COLOURS = dict(zip(FOLLOWS, (BLUE, ORANGE, VIOLET, NEUTRAL), strict=True))


@dataclass(frozen=True, repr=False, eq=False)
class ContextUse(Alike):
    """What a model made of passages.

    Args:
        rows: one row per question and passage: id, question, passage, kind (right, wrong, irrelevant, given); answer
            (with the passage), without (the model's answer without it); follows (passage, memory, both or neither;
            None where a row doesn't say what its passage answers);
            correct, correct_without (missing where no true answer is known); attention (mean over layers, heads and the
            answer's tokens of the attention that goes to the passage), lookback (the mean lookback ratio); and with a
            study risk (of the answer) and risk_without (of the same answer, had there been no passage).
        subject: what each row is about, as a number.
    """

    rows: pd.DataFrame
    subject: np.ndarray

    @cached_property
    def summary(self) -> pd.DataFrame:
        """By kind of passage and measure: value, low, high (95 %, questions on one subject together), n (rows).

        The measures are the shares of each of `FOLLOWS`, correct and correct_without, and the means of attention,
        lookback, risk and risk_without, as far as they are known.
        """
        found = []
        for kind, rows in self.rows.groupby("kind", sort=False):
            told = rows["follows"].map(lambda one: np.nan if one is None else 1.0)
            shares = {f"follows {name}": (rows["follows"] == name) * told for name in FOLLOWS}
            names = ("correct", "correct_without", "attention", "lookback", "risk", "risk_without")
            means = {name: rows[name].astype(float) for name in names if name in rows}
            for measure, values in {**shares, **means}.items():
                known = values.notna().to_numpy()
                if not known.any():
                    continue
                share = measure.startswith(("follows", "correct"))
                about = np.unique(self.subject[rows.index.to_numpy()][known], return_inverse=True)[1]
                low, high = mean_interval(values[known].to_numpy(np.float64), about, share=share)
                found.append((kind, measure, values[known].mean(), float(low), float(high), int(known.sum())))
        return pd.DataFrame(found, columns=["kind", "measure", "value", "low", "high", "n"])

    def sentences(self) -> list[str]:
        """What the model did with each kind of passage, in words."""
        said = []
        for kind, rows in self.summary.groupby("kind", sort=False):
            value = rows.set_index("measure")["value"]
            known = [name for name in FOLLOWS if f"follows {name}" in value]
            shares = ", ".join(f"{value[f'follows {name}']:.0%} {name}" for name in known)
            text = f"With {kind} passages ({rows['n'].max():,.0f}) the answers follow: {shares or 'not known'}."
            if "correct" in value:
                text += f" {value['correct']:.0%} are correct, {value['correct_without']:.0%} without a passage."
            if "risk" in value:
                alone = value["risk_without"]
                text += f" Mean risk {value['risk']:.2f}; of the same answers without the passage {alone:.2f}."
            said.append(text)
        return said

    def figure(self) -> go.Figure:
        """Whose answer the answers are, for each kind of passage.

        Raises:
            InputError: no row says what its passage answers.
        """
        figure, table = go.Figure(), self.summary
        kinds = list(dict.fromkeys(table.loc[table["measure"] == "follows passage", "kind"]))
        if not kinds:
            raise InputError("No row says what its passage answers (says), so whose answer it is isn't known.")
        for name in FOLLOWS:
            rows = table[table["measure"] == f"follows {name}"].set_index("kind").loc[kinds]
            figure.add_bar(
                y=kinds,
                x=rows["value"],
                name=name,
                orientation="h",
                marker={"color": COLOURS[name]},
                customdata=rows[["low", "high", "n"]],
                hovertemplate="%{y} passages: %{x:.0%} [%{customdata[0]:.0%}, %{customdata[1]:.0%}] of %{customdata[2]}"
                "<extra>%{fullData.name}</extra>",
            )
        figure.update_layout(barmode="stack", legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
        figure.update_xaxes(title="share of the answers", tickformat=".0%", range=[0, 1])
        figure.update_yaxes(title="passage", autorange="reversed")
        first = table[table["kind"] == kinds[0]].set_index("measure")["value"]
        follows = first["follows passage"] + first["follows both"]
        return finish(figure, f"With {kinds[0]} passages {follows:.0%} of the answers say what the passage says")

    def __repr__(self) -> str:
        kinds = counted(len(set(self.rows["kind"])), "kind")
        return f"<ContextUse: {counted(len(self.rows), 'answer')} with a passage, {kinds}>"

    def _repr_html_(self) -> str:
        return page(repr(self), self.sentences(), {"Summary": self.summary, "Answers": self.rows})


@takes
def context_use(
    model: Model,
    rows: Any = None,
    *,
    study: Study | None = None,
    form: Form | None = None,
    judge: Judge | Function | None = None,
    longest: Count = Sampling.longest,
    progress: Progress = SILENT,
) -> ContextUse:
    """Ask each question greedily with its passage and without, and say which of both the answer follows.

    Args:
        model: from `load_model`.
        rows: rows of `question` and `context`, and where known `answers` (names of the true one) and `says` (of the
            passage's): a file, a DataFrame or mappings; 120 built-in facts with a right, a wrong and an irrelevant
            passage each where None.
        study: gives the risk of each answer; its form of asking is then taken.
        form: few-shot or chat.
        judge: what tells whether two answers are the same; whole-word aliases where None.
        longest: most tokens of an answer.
        progress: hears of the tasks.

    Raises:
        InputError: a source that can't be read, no answer at all, or another model than the study's.
    """
    if study is not None:
        study.check_model(model)
        form = study.form
    form, given = form or Form(), passages() if rows is None else as_passages(rows)
    to_try = [(one.question.question, one.says, one.says[0]) for one in given if one.says][:1]
    judge = as_judge(judge or WholeWords(), *to_try)
    asker = Asker(model, form, Sampling(samples=0, longest=longest))
    alone = _answers(asker, [one.question.question for one in given], progress, "asking without passages")
    put = [with_context(one.question.question, one.passage) for one in given]
    answers = _answers(asker, put, progress, "asking with passages")
    texts, texts_alone = (
        [str(model.tokenizer.decode(list(ids))).strip() for ids in found] for found in (answers, alone)
    )
    table = pd.DataFrame(
        {
            "id": [one.question.id for one in given],
            "question": [one.question.question for one in given],
            "passage": [one.passage for one in given],
            "kind": [one.kind for one in given],
            "answer": texts,
            "without": texts_alone,
            "follows": [_follows(judge, one, *said) for one, *said in zip(given, texts, texts_alone, strict=True)],
        }
    )
    for name, said in (("correct", texts), ("correct_without", texts_alone)):
        table[name] = pd.array([_correct(judge, *pair) for pair in zip(given, said, strict=True)], "boolean")
    about = subjects([_about(one.question) for one in given])
    spoken = [number for number, ids in enumerate(answers) if ids]
    if not spoken:
        raise InputError("The model gave no answer with any of the passages. Use another form, or another model.")
    measured = _measured(model, form, study, [(given[n], answers[n], texts[n]) for n in spoken], progress)
    return ContextUse(table.join(measured.set_index(pd.Index(spoken))), about)


def _about(question: Question) -> Question:
    """A question with a subject: its own words, where it has no other."""
    return question if question.subject else replace(question, subject=" ".join(question.question.casefold().split()))


def _answers(asker: Asker, questions: Sequence[str], progress: Progress, task: str) -> list[tuple[int, ...]]:
    """Greedy answers; equal questions are asked once."""
    asked = {text: Question(str(number), text, ()) for number, text in enumerate(dict.fromkeys(questions))}
    heard, found = progress.task(task, len(asked)), dict[str, tuple[int, ...]]()
    for batch in asker.batches(list(asked.values())):
        found |= {one.id: one.answers[0] for one in asker.ask(batch)}
        heard.advance(len(batch))
    return [found[asked[text].id] for text in questions]


def _same(judge: Judge, question: str, names: Sequence[str], answer: str) -> bool:
    return bool(names) and bool(answer) and judge(question, names, answer) == "right"


def _correct(judge: Judge, one: WithPassage, answer: str) -> bool | None:
    """Whether an answer is the true one; None where that isn't known."""
    names = one.question.answers
    return _same(judge, one.question.question, names, answer) if names else None


def _follows(judge: Judge, one: WithPassage, answer: str, alone: str) -> str | None:
    if one.kind == "given" and not one.says:
        return None
    question = one.question.question
    passage = _same(judge, question, one.says, answer)
    same = answer == alone or _same(judge, question, [alone], answer) or _same(judge, question, [answer], alone)
    memory = bool(alone) and bool(answer) and same
    return {(True, True): "both", (True, False): "passage", (False, True): "memory"}.get((passage, memory), "neither")


def _measured(
    model: Model,
    form: Form,
    study: Study | None,
    rows: Sequence[tuple[WithPassage, tuple[int, ...], str]],
    progress: Progress,
) -> pd.DataFrame:
    """Attention to the passage and, with a study, the risk of each answer with the passage and without."""
    answered = [Answered(one.question, (ids,), (text,), ("wrong",), one.passage) for one, ids, text in rows]
    meter, layers, found = Meter(model, form), model.shape.layers_of("attention"), pd.DataFrame(index=range(len(rows)))
    put = [one.put for one in answered]
    if layers:
        fed = meter.feed(put, [one.ids[0] for one in answered]).in_full()
        heard = Lookback(fed.spans, context_places(meter, answered), layers)
        meter.watch(fed, [heard], progress.task("reading attention", sum(len(row.ids) for row in fed.rows)))
        found["attention"] = list(heard.mass.values())
        found["lookback"] = [float(heard.ratio[text].mean()) for text in fed.spans]
    if study is not None:
        ids = [one.ids[0] for one in answered]
        found["risk"] = study.scores(model, put, ids)
        found["risk_without"] = study.scores(model, [one.question.question for one in answered], ids)
    return found
