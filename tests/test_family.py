"""The comparison of decoders on a tiny model: every number agrees with asking, judging and scoring one by one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from documented import undocumented
from fixtures_tiny import loaded, with_words

from inspector import compare_decoding
from inspector.detectors.hneurons.figures import decoding_family
from inspector.errors import InputError
from inspector.hallucination import compare_decoding as family
from inspector.hallucination.answers.ask import Asker, Sampling
from inspector.hallucination.answers.cett import Uncertainty
from inspector.hallucination.answers.measure import Meter
from inspector.hallucination.answers.samplers import GREEDY, SPARSEMAX, Member
from inspector.hallucination.found import as_evidence
from inspector.hallucination.grading.graders import WholeWords
from inspector.hallucination.probe.lasso import Fit
from inspector.hallucination.probe.probe import Probe
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import Question
from inspector.hallucination.study import Study
from inspector.models import Model
from inspector.run import disk
from inspector.testing import tiny_model

COUNT, LONGEST, SAMPLES = 12, 5, 3
OWN = Member("top-k 20, top-p 0.9", 2.0, top_k=20, top_p=0.9)


@pytest.fixture(scope="module")
def tiny() -> Model:
    return with_words(loaded("GPT2LMHeadModel"))


@pytest.fixture(scope="module")
def study(tiny: Model) -> Study:
    """A study as the pipeline leaves it, half of its questions accepting a word of the greedy answer."""
    questions = [Question(f"q{i}", f"what is w{i} of w{2 * i}", ()) for i in range(COUNT)]
    asker = Asker(tiny, Form(), Sampling(samples=0, longest=LONGEST))
    asked = {one.id: one.answers[0] for batch in asker.batches(questions) for one in asker.ask(batch)}
    greedy = [tiny.tokenizer.decode(asked[q.id]).strip() for q in questions]
    accepted = [text.split()[0] if text and i % 2 else f"none{i}" for i, text in enumerate(greedy)]
    fit = Fit(np.array([3, 150]), np.array([1.5, -1.0]), np.array([0.05, 0.02]), np.array([0.02, 0.02]), 0.1)
    probe = Probe.of(fit, (0, 1, 2), tiny.shape.d_mlp)
    arrays = {**probe.arrays(), "label": np.array([i % 2 == 0 for i in range(COUNT)], np.int8)}
    arrays |= {"split": np.ones(COUNT, np.int8)}  # none was fitted on: a random model says the same to many
    arrays |= {name: np.full(COUNT, 0.5) for name in ("risk", "tokens", "entropy", "logprob", "agreeing")}
    texts = {"id": [q.id for q in questions], "question": [q.question for q in questions], "answer": greedy}
    texts |= {"mark": ["wrong"] * COUNT, "accepted": accepted, "samples": [""] * COUNT, "relation": [""] * COUNT}
    texts |= {"subject": [f"s{i // 2}" for i in range(COUNT)]}
    settings = {"temperature": 2.0, "top_p": 0.9, "top_k": 20, "longest": LONGEST, "seed": 3, "samples": 2}
    settings |= {"questions": COUNT}
    shots = {"name": "few-shot", "shots": [list(shot) for shot in Form().shots]}
    empty = {name: np.array([], np.int64) for name in ("text", "source", "position", "id", "token")}
    return Study(
        tiny.card,
        {"detectors": ["hneurons"], "seed": 3, "study": {**settings, "form": shots, "judge": "whole-words"}},
        {"hneurons": as_evidence(arrays, {})},
        (),
        empty,
        tables={"answers": {name: np.array(column, dtype=object) for name, column in texts.items()}},
    )


@pytest.fixture(scope="module")
def compared(study: Study, tiny: Model) -> Study:
    return compare_decoding(study, tiny, samples=SAMPLES)


def by_hand(study: Study, model: Model, member: Member) -> list[list[tuple[str, float, float]]]:
    """Mark, risk and mean log-probability of each answer to each question, one at a time; the greedy one first."""
    table, meter = study.frame("hneurons.answers"), Meter(model, study.form)
    found = []
    for row in table[table["split"] == "held out"].itertuples():
        question = Question(row.id, row.question, (row.accepted,))
        sampling = Sampling(samples=SAMPLES, longest=LONGEST, seed=3 + 1)
        (asked,) = Asker(model, study.form, sampling, member).ask([question])
        mine = []
        for ids in asked.answers:
            mark = WholeWords()(row.question, (row.accepted,), model.tokenizer.decode(ids).strip())
            risk, logprob = np.nan, np.nan
            if ids:
                fed = meter.feed([row.question], [ids])
                uncertainty = Uncertainty(fed.spans)
                (risk,) = study.probe.risk(meter.contributions_of(study.probe.neurons, fed, [uncertainty]))
                logprob = float(uncertainty.logprob[0])
                assert mine or risk == pytest.approx(study.score(model, row.question, ids, by="probe"), abs=1e-6)
            mine.append((mark, risk, logprob))
        found.append(mine)
    return found


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize(
    "name", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("softmax", "top-p 0.9")), "sparsemax", OWN.name]
)
def test_a_member_s_numbers_are_those_of_answers_asked_one_by_one(
    name: str, compared: Study, study: Study, tiny: Model
) -> None:
    members = {
        "softmax": Member("", 1.0),
        "sparsemax": SPARSEMAX,
        OWN.name: OWN,
        "top-p 0.9": Member("", 2.0, top_p=0.9),
    }
    answers = by_hand(study, tiny, members[name])
    table = compared.frame("decoding").set_index("member")
    row, greedy = table.loc[name], table.loc["greedy"]
    right = np.array([[mark == "right" for mark, _, _ in mine] for mine in answers])
    risk = np.array([[risk for _, risk, _ in mine] for mine in answers])
    assert row["n"] == len(answers) == COUNT and row["k"] == row["kept"] == SAMPLES
    assert row["accuracy"] == pytest.approx(right[:, 1:].mean())
    assert greedy["accuracy"] == pytest.approx(right[:, 0].mean()) and 0 < greedy["accuracy"] < 1
    assert row["mixed"] == pytest.approx(np.mean([len({mark for mark, _, _ in mine[1:]}) > 1 for mine in answers]))
    assert row["accuracy_change"] == pytest.approx(right[:, 1:].mean() - right[:, 0].mean())
    assert row["risk"] == pytest.approx(np.nanmean(np.nanmean(risk[:, 1:], axis=1)), abs=2e-3)
    change = np.nanmean(risk[:, 1:], axis=1) - risk[:, 0]
    assert row["risk_change"] == pytest.approx(np.nanmean(change), abs=2e-3)
    assert row["empty"] == np.isnan(risk[:, 1:]).mean()


def test_best_of_k_keeps_the_likeliest_answer_or_the_least_risky(compared: Study, study: Study, tiny: Model) -> None:
    answers = [mine[1:] for mine in by_hand(study, tiny, OWN)]
    table = compared.frame("decoding").set_index("member")
    for by, at, sign in (("logprob", 2, -1), ("risk", 1, 1)):
        row = table.loc[f"best of {SAMPLES} by {by}"]
        kept = [min(mine, key=lambda one: np.nan_to_num(sign * one[at], nan=np.inf)) for mine in answers]
        assert row["accuracy"] == pytest.approx(np.mean([mark == "right" for mark, _, _ in kept]))
        assert row["risk"] == pytest.approx(np.nanmean([risk for _, risk, _ in kept]), abs=2e-3)
        assert (row["k"], row["kept"]) == (SAMPLES, 1) and np.isnan(row["mixed"])
    assert table.loc[f"best of {SAMPLES} by risk", "risk"] <= table.loc[OWN.name, "risk"]


def test_equal_members_get_equal_answers_because_the_draws_are_common(study: Study, tiny: Model) -> None:
    pair = [Member("one", 1.3), Member("other", 1.3), Member("nearly greedy", 1e-4)]
    table = compare_decoding(study, tiny, members=pair, samples=2).frame("decoding").set_index("member")
    numbers = table.drop(columns=["omega", "support", "strength", "k", "kept"])
    assert numbers.loc["one"].equals(numbers.loc["other"])
    assert numbers.loc["nearly greedy"].equals(numbers.loc["greedy"])
    assert numbers.loc["greedy", "mixed"] == 0 and numbers.loc["greedy", "risk_change"] == 0


def test_the_draws_are_not_those_that_made_the_labels(
    study: Study, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = []

    class Watched(Asker):
        def __init__(self, model: Model, form: Form, sampling: Sampling, member: Member | None = None) -> None:
            seeds.append(sampling.seed)
            super().__init__(model, form, sampling, member)

    monkeypatch.setattr(family, "Asker", Watched)
    compare_decoding(study, tiny, members=[], samples=1)
    assert seeds == [study.settings["study"]["seed"] + 1]


def test_answers_are_measured_alike_in_any_batch(
    compared: Study, study: Study, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(family, "SCORED", 7)
    again = compare_decoding(study, tiny, samples=SAMPLES).frame("decoding")
    plain = compared.frame("decoding")
    for name in plain.columns:
        if plain[name].dtype.kind == "f":
            assert np.allclose(again[name], plain[name], atol=2e-3, equal_nan=True), name


def test_the_table_is_saved_drawn_and_told(compared: Study, tmp_path: Path) -> None:
    opened = Study.of(disk.read(compared.save(tmp_path / "run")))  # its arrays are too few for `open_run`
    table = opened.frame("decoding")
    pd.testing.assert_frame_equal(table, compared.frame("decoding"), check_dtype=False)
    assert "decoding" in opened.frames() and not undocumented("decoding", table)
    figure = decoding_family(table)
    assert list(figure.layout.yaxis.ticktext) == table["member"].tolist()
    assert list(figure.data[0].x) == table["accuracy"].tolist()
    assert f"On {table['n'].iloc[0]} questions greedy decoding answers" in figure.layout.title.text.replace("<br>", " ")


def test_mistakes_are_refused(study: Study, tiny: Model) -> None:
    with pytest.raises(InputError, match="got 0 for samples"):
        compare_decoding(study, tiny, samples=0)
    for pair in ([GREEDY], [Member("same", 1.0), Member("same", 2.0)]):
        with pytest.raises(InputError, match="same name"):
            compare_decoding(study, tiny, members=pair)
    with pytest.raises(InputError, match="with other weights"):
        compare_decoding(study, tiny_model("LlamaForCausalLM"))
