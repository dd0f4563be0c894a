"""Measurements of a model: a study of its answers, what its layers would predict, any of its neurons."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from dashboards import charts, long_work, widgets
from dashboards.measuring import Measure, Work, model_name, new_name
from dashboards.state import View
from inspector.errors import InputError
from inspector.figures import lens_map, settling
from inspector.hallucination.answers.own import own_answers
from inspector.hallucination.questions.sets import load

TABLES = ["csv", "tsv", "jsonl", "json", "parquet"]
BUILT_IN = "Built-in questions (world facts)"
QUESTIONS = "Questions of a file"
ANSWERS = "Answers of a file, with labels"


def _study(view: View | None) -> Callable[[], Work]:
    name = model_name()
    st.radio("What is studied", (BUILT_IN, QUESTIONS, ANSWERS), horizontal=True, key="studied")
    st.file_uploader("File: rows of question and answers; or of question, answer and label", TABLES, key="study_file")
    left, middle, right = st.columns(3)
    left.number_input("Questions at most", 10, 100_000, 400, key="study_count")
    middle.number_input("Sampled answers a question", 0, 50, 4, key="study_samples")
    right.number_input("Seed", 0, 10_000, 0, key="study_seed")
    place = new_name(None, "study")

    def work() -> Work:
        typed: Any = st.session_state
        file, source, count, seed = typed.study_file, typed.studied, int(typed.study_count), int(typed.study_seed)
        if file is None and source != BUILT_IN:
            raise InputError(f"'{source}' needs a file. Choose one, or take the built-in questions.")
        questions: list[Any] = []
        answers: list[Any] | None = None
        if source == BUILT_IN:
            questions = load("world_facts", count=count, seed=seed)
        elif source == QUESTIONS:
            questions = _read(file, partial(load, count=count, seed=seed))
        else:
            answers = _read(file, own_answers)
        asked = {"samples": int(typed.study_samples), "seed": seed, "target": place()}
        return partial(long_work.study, name=name(), questions=questions, answers=answers, **asked)

    return work


def _read(file: Any, reader: Callable[[Path], list[Any]]) -> list[Any]:
    """What a reader of files makes of an uploaded one.

    Raises:
        InputError: the file can't be read; it is called by its own name.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"uploaded{Path(file.name).suffix.lower()}"
        path.write_bytes(file.getvalue())
        try:
            return reader(path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), Path(file.name).name)) from error


def _lens(view: View | None) -> Callable[[], Work]:
    name = model_name()
    st.text_area("Text", "The capital of France is", height=96, key="lens text")

    def work() -> Work:
        text = st.session_state["lens text"]
        if not text.strip():
            raise InputError("There is no text. Type a sentence.")
        return partial(long_work.lens, name=name(), text=text)

    return work


def _show_lens(result: long_work.Layers) -> None:
    code = (
        "import inspector\nfrom inspector.figures import lens_map, settling\n\n"
        "model = inspector.load_model()\nread = inspector.logit_lens(model, ['your text'])\n"
    )
    means = "How far each layer's prediction is from the last one's, in bits. A dot: from there on it is settled."
    lens = lens_map(result.lens)
    charts.chart("lens", lens, result.lens, f"{code}lens_map(read.lens)", means, ("logit lens",))
    share = "Tokens that need many layers settle late."
    figure = settling(result.depth, result.deep_from, result.layers)
    drawn = f"{code}settling(read.depth, read.deep_from, {result.layers})"
    charts.chart("settling", figure, result.depth, drawn, share, ("deep-thinking ratio",))


def _neuron(view: View | None) -> Callable[[], Work]:
    name = model_name()
    left, middle, right = st.columns([1, 1, 2])
    left.number_input("Layer", 0, 1000, 0, key="neuron_layer")
    middle.number_input("Neuron", 0, 1_000_000, 0, key="neuron_number")
    right.text_input("Or: neurons that promote this token", placeholder=" Paris", key="promoted")

    def work() -> Work:
        typed: Any = st.session_state
        if typed.promoted.strip():
            return partial(long_work.search, name=name(), text=typed.promoted)
        where = {"layer": int(typed.neuron_layer), "number": int(typed.neuron_number)}
        return partial(long_work.neuron, name=name(), **where)

    return work


def _show_neuron(result: Any) -> None:
    if isinstance(result, pd.DataFrame):
        token = repr(str(result["token"].iloc[0]))
        widgets.finding(f"The neurons that promote {token} most, by what their output adds to its logit.")
        widgets.plain_table(result)
        return
    from inspector.detectors.hneurons.figures import neuron_state

    states, tokens = result.states, result.tokens
    figure = neuron_state(states, tokens, layer=result.layer, neuron=result.number)
    where = f"({result.layer}, {result.number})"
    code = f"import inspector\n\nmodel = inspector.load_model()\nfound = inspector.describe_neurons(model, [{where}])\n"
    means = (
        "Above: tokens of built-in texts on which it activates most. Below: what its output promotes and suppresses."
    )
    charts.chart("neuron", figure, tokens, code, means, ("residual stream",))
    facts = states.T.reset_index().set_axis(["", "value"], axis=1)
    widgets.plain_table(facts)


MEASURES = (
    Measure(
        "study",
        "Study answers",
        "The model is asked, its answers are marked, and neurons are looked for whose contribution predicts that an "
        "answer is incorrect. 400 questions with 4 samples take some ten minutes on a laptop. The study is a new run.",
        _study,
        leads=("neurons", "What was found"),
    ),
    Measure(
        "lens",
        "What each layer would predict",
        "The logit lens: each layer's stream read by the model's own last norm and unembedding.",
        _lens,
        _show_lens,
    ),
    Measure(
        "neuron",
        "Any neuron, by number or by what it promotes",
        "What an MLP neuron fires on and promotes; or, for a token, the neurons whose output raises its logit most.",
        _neuron,
        _show_neuron,
    ),
)
