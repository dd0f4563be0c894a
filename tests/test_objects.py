"""What holds of every object that the package gives: its line, its page in a notebook, equality and hash."""

import copy
import pickle
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fixtures_runs import made_up_study
from fixtures_tiny import with_words

import inspector
from inspector import Entailment, Evidence, Model, Report, Site, Spared, Window
from inspector.alike import Alike, alike
from inspector.detectors.hneurons.arrays import HEADLINE, HeadlineArrays
from inspector.errors import ModelError
from inspector.hallucination.answers.ask import Sampling
from inspector.hallucination.context_use import ContextUse
from inspector.hallucination.guard import Guard
from inspector.hallucination.guarded import Guarded
from inspector.hallucination.risk import Risks
from inspector.hallucination.scored import Scored, ScoredAnswers
from inspector.interventions.values import Mean, Target, zero_ablate
from inspector.pruning.removals import Removals
from inspector.quantisation.apply import Constants
from inspector.quantisation.schemes import scheme
from inspector.testing import PlantedSpike, planted_model, random_texts

LONG = "<script>alert(1)</script>\n" * 120
MADE = {"Entailment", "HeavyHitters", "InspectorError", "Intervention", "Site", "Spared", "Window"}
"""Public classes of what a user makes; all others are answers, with a page of their own."""
SITE = Site("mlp_out", 2)
MANY = tuple(range(64))


def risks() -> Risks:
    one = np.ones(len(HEADLINE))
    fit = HeadlineArrays(one, 0 * one, one, np.zeros(1), np.array([1.0, 1.0, 0.0]), np.full(1, 0.5))
    return Risks(fit, np.tile(one, (9, 1)))


def by_hand() -> dict[str, Any]:
    """Objects that are made without measuring."""
    layers = pd.DataFrame({"what": ["layer"], "layer": [0], "head": [-1], "name": [LONG], "kl": [np.nan]})
    costs = [*("loss", "loss_low", "loss_high", "kl", "kl_low", "kl_high", "largest", "sink_rate")]
    parts = layers.reindex(columns=["what", "layer", "head", "name", *costs], fill_value=1.0)
    token = pd.DataFrame({"token": [LONG], "risk": [np.nan], "neurons": [""]})
    neuron = pd.DataFrame(
        {"layer": [1], "neuron": [2], "weight": [0.1], "stability": [1.0], "value": [1], "term": [0.1]}
    )
    rows = pd.DataFrame({"id": ["1"], "kind": ["given"], "answer": [LONG], "follows": [None], "attention": [0.1]})
    no_sets = pd.DataFrame(columns=["by", "share", "draw", *costs])
    return {
        "removals": Removals(parts, no_sets, no_sets, {"loss": 1.0, "largest": 1.0, "sink_rate": 0.1}, {}, {}),
        "guarded": Guarded(LONG, LONG, float("nan"), "answered", LONG, 0.3),
        "scored": Scored(LONG, LONG, float("nan"), token, neuron, by_token=np.full((1, 1), np.nan)),
        "scored answers": ScoredAnswers(pd.DataFrame({"id": ["1"], "answer": [LONG], "risk": [np.nan]})),
        "context": ContextUse(rows, np.zeros(1)),
        "risks": risks(),
        "fit": risks().fit,
        "spared": Spared(MANY, tuple((1, i) for i in MANY), MANY, frozenset(map(str, MANY))),
        "constants": Spared(constants=Constants(MANY, {})),
        "target": Target(SITE, MANY, MANY),
        "mean": Mean(Target(SITE, MANY), tuple(0.123456 * one for one in MANY), 5),
        "intervention": zero_ablate(SITE, MANY, MANY),
        "scheme": scheme("w4a8-kv4-g128-tensor"),
        "entailment": Entailment(LONG),
        "answer": inspector.own_answers([{"question": LONG, "answer": LONG, "label": "right", "context": LONG}])[0],
        "evidence": Evidence("massive", {"x": np.array([np.nan, 1])}, {"x": ("text",)}, {"x": "text"}, {"a": LONG}),
    }


@pytest.fixture(scope="module")
def objects() -> Mapping[str, Any]:
    model = planted_model([PlantedSpike(2, 5)])
    words, texts = with_words(model), random_texts(16, 80, 80)
    report = inspector.examine(model, random_texts(4, 32, 70, trigger=7))
    named = replace(report, card={**report.card, "name": LONG})
    study = made_up_study(report)
    watch = inspector.watch(words, [1, 2, 3], longest=1)
    return {
        "model": model,
        "shape": model.shape,
        "report": report,
        "named": named,
        "study": study,
        "form": study.form,
        "question": replace(inspector.own_answers([{"question": LONG, "answer": "a", "label": "right"}])[0].question),
        "probe": study.probe,
        "probe's fit": study.probe.fit,
        "features": study.features(),
        "findings": report.findings,
        "sentences": tuple(report.sentences()[:1]),
        "finding": report.findings[0],
        "parts": report.parts,
        "effect": inspector.effect(model, zero_ablate(SITE, MANY[:5]), texts, controls=1),
        "lens": inspector.logit_lens(model, [[1, 2, 3]]),
        "states": inspector.describe_neurons(model, [(2, 5)], [[1, 2, 3]]),
        "sensitivity": inspector.sensitivity(model, "w8a8-tensor", texts, each="none", controls=0),
        "windows": inspector.windowable_heads(model, texts, window=Window(2, 8), length=80, controls=0),
        "differences": inspector.compare_models(model, model, texts[:2]),
        "comparison": inspector.compare(named, report),
        "generated": inspector.examine_generated(words, [[1, 2, 3]], longest=1),
        "watch": watch,
        "watched": next(watch),
        "sweep": inspector.sweep([model], texts[:1]),
        "guard": Guard(model, study, "abstain", 0.5, 0.0, Sampling()),
        **by_hand(),
    }


def test_every_object_shows_itself_in_one_short_line_without_its_arrays_or_a_long_text(
    objects: Mapping[str, Any],
) -> None:
    shown = {name: repr(one) for name, one in objects.items()}
    assert not {name: said for name, said in shown.items() if len(said) > 160 or not said.isprintable()}
    assert not [name for name, said in shown.items() if "array(" in said or " object at 0x" in said]
    assert not {name: said for name, said in shown.items() if re.search(r"\b1 (?!samples)[a-z]+s\b", said)}
    assert repr(objects["intervention"]) == "<Intervention: zero ablation at mlp_out 2, 64 dims, 64 positions>"
    assert repr(zero_ablate(SITE, [5, 7], [0])) == "<Intervention: zero ablation at mlp_out 2, dims 5, 7, position 0>"
    assert repr(Spared(tokens=(0,))) == "<Spared: 1 token>" and repr(Spared()) == "<Spared: nothing>"
    assert repr(objects["sentences"]) == f"(<model: {objects['report'].sentences()[0]}>,)"
    assert repr(objects["risks"]).startswith("<Risks by probe, entropy, logprob, self-certainty, length, beside 9 ans")


def test_every_answer_has_a_small_page_in_a_notebook_which_is_escaped(objects: Mapping[str, Any]) -> None:
    answers = {name: one for name, one in objects.items() if hasattr(one, "_repr_html_")}
    for name, one in answers.items():
        page = one._repr_html_()
        assert len(page.encode()) < 50_000 and "<script" not in page, name
        assert not re.search(r"(?<!-)\bcolor:(?!inherit)|background", page), name
    shown = {type(one) for one in answers.values()}
    public = {getattr(inspector, name) for name in inspector.__all__ if name[0].isupper() and name not in MADE}
    given = {type(objects[name]) for name in ("probe", "risks", "watched")}
    assert public | given <= shown, (public | given) - shown


def test_a_page_of_a_long_table_has_its_first_rows_and_says_so() -> None:
    many = pd.DataFrame({name: [LONG] * 5_000 for name in "abcdefgh"})
    page = ScoredAnswers(many.assign(risk=0.5), many)._repr_html_()
    assert len(page.encode()) < 50_000 and "of 5,000 rows" in page


def test_objects_that_hold_the_same_are_equal_and_have_one_hash(objects: Mapping[str, Any]) -> None:
    alone = ("model", "watch", "entailment", "guard", "constants")  # a live model, or weights, in them
    for name, one in objects.items():
        again = one if name in alone else copy.deepcopy(one)
        assert one == again and [one] == [again] and one in [again] and hash(one) == hash(again), name
        assert one != 3 and one != name
    for name, one in by_hand().items():
        if name not in alone:
            assert objects[name] == one and hash(objects[name]) == hash(one), name


def test_objects_that_hold_something_else_are_not_equal(objects: Mapping[str, Any]) -> None:
    report, evidence = objects["report"], objects["report"].evidence["massive"]
    name = next(name for name, array in evidence.arrays.items() if array.dtype.kind == "f" and array.size)
    other = evidence.arrays[name].copy()
    other.flat[0] += 1
    moved = replace(evidence, arrays={**evidence.arrays, name: other})
    assert moved != evidence and replace(report, evidence={**report.evidence, "massive": moved}) != report
    assert report not in [objects["study"], replace(report, notes=("x",))] and len({report, objects["study"]}) == 2
    assert objects["lens"] != replace(objects["lens"], g=0.1)
    assert objects["scored answers"] != ScoredAnswers(pd.DataFrame({"id": ["2"], "answer": [LONG], "risk": [np.nan]}))


def test_an_opened_run_equals_the_report_that_was_saved(objects: Mapping[str, Any], tmp_path: Any) -> None:
    for name in ("report", "study"):
        folder = objects[name].save(tmp_path / name)
        first, second = inspector.open_run(folder), inspector.open_run(folder)
        assert first == second == objects[name] and hash(first) == hash(second) == hash(objects[name])
        assert first.parts == second.parts and first.findings == second.findings
    assert pickle.loads(pickle.dumps(objects["report"])) == objects["report"]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), True),
        (np.array(["a", None], object), np.array(["a", None], object), True),
        (np.array([1.0, np.nan], object), np.array([1.0, float("nan")], object), True),
        (np.array(["a", "b"]), np.array(["a", "b"], object), True),
        (np.array([1, 2]), np.array([[1, 2]]), False),
        (np.array([1, 2]), [1, 2], False),
        (float("nan"), float("nan"), True),
        ({"a": (1, np.zeros(2))}, {"a": [1, np.zeros(2)]}, True),
        ({"a": 1}, {"b": 1}, False),
        (pd.DataFrame({"a": [np.nan]}), pd.DataFrame({"a": [np.nan]}), True),
        (pd.DataFrame({"a": [1]}), pd.Series([1]), False),
        (None, np.zeros(1), False),
        (None, pd.DataFrame({"a": [1]}), False),
    ],
)
def test_values_are_alike_by_their_content(first: Any, second: Any, same: bool) -> None:
    assert alike(first, second) is same and alike(second, first) is same


def test_a_model_is_itself_alone_and_is_not_pickled(objects: Mapping[str, Any]) -> None:
    model: Model = objects["model"]
    assert model == model and model != replace(model) and {model: 1}[model] == 1 and not isinstance(model, Alike)
    for tried in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(
            ModelError, match=r"^Got <Model .*> to pickle or copy; .* load it anew where it is needed\.$"
        ):
            tried(model)


def test_findings_stay_findings_when_they_are_cut_and_put_together(objects: Mapping[str, Any]) -> None:
    report: Report = objects["report"]
    some, both = report.findings[:3], report.findings[:1] + report.findings[1:]
    assert type(some) is type(both) is type(report.findings) and both == report.findings
    assert some.of("massive") == some == tuple(report.findings)[:3] and len(some.frame()) == 3
    assert both.known == some.known == report.findings.known
    assert isinstance(report.findings[0], inspector.Finding)
    assert type(copy.deepcopy(some)) is type(some) and pickle.loads(pickle.dumps(some)).known == some.known
