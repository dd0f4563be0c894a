"""A hallucination study on the real model: what it says of itself, and that scoring is measuring."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from documented import undocumented
from fixtures_cli import TEXT, Command
from fixtures_study import QUESTIONS, SAMPLING, TEXTS
from fixtures_tiny import EVERY, loaded, with_words
from scipy.special import logit
from test_imports import HEAVY, loaded_after

from inspector import Study, describe_neurons, guard, models, open_run, study_hallucination, verify
from inspector.analyses import neurons as neurons_module
from inspector.detectors.hneurons.arrays import EXPLAINED, headline_columns
from inspector.detectors.hneurons.frames import said_of
from inspector.errors import InputError, ModelError, RunError
from inspector.hallucination import neuron_states as describing
from inspector.hallucination import pipeline
from inspector.hallucination.answers import resume as answering
from inspector.hallucination.answers.ask import Sampling
from inspector.hallucination.compare_guards import compare_policies, verdict
from inspector.hallucination.grading.graders import Mark, WholeWords
from inspector.hallucination.grading.labels import Label, label, label_all
from inspector.hallucination.held_out import held_out
from inspector.hallucination.probe import select as selecting
from inspector.hallucination.probe.nested_cv import Answers
from inspector.hallucination.probe.probe import risk_of
from inspector.hallucination.probe.select import Sample
from inspector.hallucination.probe.splits import key_numbers, keys_of
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import Question, load
from inspector.hallucination.transfer_studies import between, with_transfers
from inspector.hallucination.trials import unseen_questions
from inspector.models import Model
from inspector.progress import UNHEARD, Progress
from inspector.show.html import render
from inspector.show.sentences import paragraphs
from inspector.testing import tiny_model
from inspector.texts import built_in

NONE = Sampling(samples=0, longest=6)
"""Greedy answers alone."""


def test_a_study_counts_every_question_once(study: Study, questions: list[Question]) -> None:
    counts = study.frame("hneurons.counts")
    kinds = counts[["right", "wrong", "mixed", "abstained"]]
    assert (kinds.sum(axis=1) == len(questions)).all()
    assert (kinds["right"].diff().dropna() >= 0).all()  # a laxer agreement loses no right answer
    used = counts[counts["used"]].iloc[0]
    assert min(used["right"], used["wrong"]) >= 40
    assert study.frame("hneurons.scores").set_index("name").loc["probe", "n"] == used["right"] + used["wrong"]


def test_every_predictor_and_null_is_in_the_table_of_scores(study: Study) -> None:
    scores = study.frame("hneurons.scores").set_index("name")
    wanted = {"probe", "length", "entropy", "logprob", "residual", "relation", "combined", "random", "shuffled"}
    assert wanted <= set(scores.index)
    assert (scores["accuracy_low"].dropna() <= scores["accuracy_high"].dropna()).all()
    assert scores["accuracy_high"].dropna().max() <= 1
    assert (scores["low"] <= scores["auroc"]).all() and (scores["auroc"] <= scores["high"]).all()
    assert scores.loc["probe", "auroc"] > 0.6
    assert abs(scores.loc["shuffled", "auroc"] - 0.5) < 0.15


def test_a_candidate_raises_the_risk_is_stable_and_passes_on_held_out_answers(study: Study) -> None:
    found = study.judge(hneurons={"stability": 0.3, "q": 0.2}).frame("hneurons.candidates")
    passed = (found["weight"] > 0) & (found["stability"] >= 0.3) & (found["q"] < 0.2)
    assert (found["verdict"] == "candidate").equals(passed)
    known = found.dropna(subset=["q"])
    assert len(known) and (known["q"] >= known["p"]).all()


def test_a_threshold_moves_the_findings_without_the_model(study: Study) -> None:
    none = study.judge(hneurons={"q": 0.0})
    every = study.judge(hneurons={"q": 1.1, "stability": 0.0})
    assert not none.findings
    weights = study.frame("hneurons.candidates")["weight"]
    assert len(every.findings) == (weights > 0).sum() > 0
    assert {finding.verdict for finding in every.findings} == {"candidate"}


def test_no_answer_has_a_risk_by_a_probe_that_was_fitted_on_it(study: Study) -> None:
    e, answers = study.evidence["hneurons"], study.frame("hneurons.answers")
    fitted = answers["split"] == "fit"
    nested = e["odds"][e.facts["predictors"].index("probe")]
    assert np.allclose(answers["risk"][fitted], risk_of(nested[fitted]))
    flat = study.evidence["hneurons.contributions"]["answer"].reshape(len(answers), -1)
    final = study.probe.risk(flat[:, study.probe.fit.columns].astype(np.float32))
    assert np.allclose(answers["risk"][~fitted], final[~fitted])
    assert set(answers["split"]) == {"fit", "held out", "not used"}


def test_held_out_answers_share_no_subject_and_no_answer_with_those_fitted_on(study: Study) -> None:
    answers = study.frame("hneurons.answers")
    sides = {name: answers[answers["split"] == name] for name in ("fit", "held out")}
    for column in ("subject", "answer"):
        shared = set(sides["fit"][column].str.lower()) & set(sides["held out"][column].str.lower())
        assert not shared


def test_scoring_an_answer_is_measuring_it(study: Study, smollm2: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """The risk of an answer scored alone is the one in the table, which was measured in a batch."""
    answers = study.frame("hneurons.answers")
    rows = answers[answers["split"] != "fit"].head(3)
    put = (rows["question"].tolist(), rows["answer"].tolist())
    risks = study.scores(smollm2, *put, by="probe")
    alone = [study.score(smollm2, row.question, row.answer, by="probe") for row in rows.itertuples()]
    assert np.allclose(risks, rows["risk"], atol=2e-3)
    assert np.allclose(alone, rows["risk"], atol=2e-3)
    names = {"entropy": "entropy", "logprob": "logprob", "length": "tokens"}
    measured = {name: rows[column].to_numpy() for name, column in names.items()}
    measured |= {
        "probe": logit(rows["risk"].to_numpy()),
        "self-certainty": study.evidence["hneurons"]["certainty"][rows.index],
    }
    assert study.risks is not None
    assert study.scores(smollm2, *put) == pytest.approx(study.risks.risk(headline_columns(measured)), abs=2e-3)
    assert study.scores(smollm2, *put, base_rate=0.05).mean() < study.scores(smollm2, *put).mean()


def test_a_headline_that_is_misspelt_or_contradicts_is_refused(study: Study, smollm2: Model) -> None:
    with pytest.raises(InputError, match=r"No risk 'prob'.* Did you mean 'probe'\?"):
        study.score(smollm2, "Who?", "Me", by="prob")
    with pytest.raises(InputError, match=r"base_rate is for the headline risk"):
        study.score(smollm2, "Who?", "Me", by="probe", base_rate=0.5)


def test_an_answer_is_explained_by_every_score_and_both_ways(study: Study, smollm2: Model) -> None:
    told = study.explain(smollm2, "Who painted the Mona Lisa?", "Leonardo da Vinci")
    assert told.scores is not None and told.risk == study.score(smollm2, told.question, told.answer)
    assert told.probe == pytest.approx(study.score(smollm2, told.question, told.answer, by="probe"))
    assert told.scores["percentile"].between(0, 100).all() and told.scores["in_headline"].any()
    assert told.reliability == said_of(study.frame("hneurons.reliability"), round(told.risk, 2))
    assert [said.split()[2] for said in told.pull()] == ["raise", "lower"]
    assert "headline" in study.frame("hneurons.scores")["name"].tolist()


def test_scoring_measures_what_fitting_measured(study: Study, smollm2: Model) -> None:
    from inspector.hallucination.answers.measure import Meter

    question, answer = "What is the capital of France?", (5042,)
    meter = Meter(smollm2, study.form)
    whole = meter.measure(meter.feed([question], [answer])).answer
    neurons = np.asarray(whole).reshape(1, -1)[:, study.probe.fit.columns].astype(np.float32)
    risk = study.score(smollm2, question, answer, by="probe")
    assert risk == pytest.approx(float(study.probe.risk(neurons)[0]), abs=1e-6)


def test_tokens_log_odds_have_the_answers_as_their_mean(study: Study, smollm2: Model) -> None:
    told = study.explain(smollm2, "Who painted the Mona Lisa?", "Leonardo da Vinci")
    odds = np.log(told.tokens["risk"] / (1 - told.tokens["risk"]))
    assert len(told.tokens) > 1
    assert odds.mean() == pytest.approx(logit(told.probe), abs=0.02)
    assert told.neurons["stability"].between(0, 1).all()
    assert told.neurons["term"].sum() + study.probe.fit.bias == pytest.approx(odds.mean(), abs=1e-6)
    assert "".join(told.tokens["token"]).strip() == told.answer == "Leonardo da Vinci"


def test_a_saved_study_scores_to_the_last_bit_the_same(study: Study, saved: Path, smollm2: Model) -> None:
    opened = open_run(saved)
    assert isinstance(opened, Study)
    for answer in ("Oslo", "Bergen, in the west"):
        question = "What is the capital of Norway?"
        assert opened.score(smollm2, question, answer) == study.score(smollm2, question, answer)
    for name in study.frames():
        if not name.startswith("evidence."):
            assert opened.frame(name).equals(study.frame(name)), name
    contributions = opened.evidence["hneurons.contributions"]["answer"]
    assert contributions.dtype == np.float16
    assert (contributions == study.evidence["hneurons.contributions"]["answer"]).all()


def test_a_study_keeps_the_states_of_its_probe_s_neurons(study: Study, smollm2: Model) -> None:
    neurons = [(int(layer), int(neuron)) for layer, neuron in study.probe.neurons]
    states, tokens = study.frame("hneurons.states"), study.frame("hneurons.tokens")
    assert list(zip(states["layer"], states["neuron"], strict=True)) == neurons
    assert set(zip(tokens["layer"], tokens["neuron"], strict=True)) == set(neurons)
    again = describe_neurons(smollm2, neurons[:2], built_in(TEXTS))
    assert states.head(2).equals(again.states)
    # What two neurons promote comes of a smaller product than what forty do, and a processor may add that up otherwise.
    pd.testing.assert_frame_equal(tokens.head(len(again.tokens)), again.tokens, rtol=1e-6)


def test_the_answers_a_neuron_fires_on_are_those_with_its_largest_cett(study: Study) -> None:
    told, answers = study.frame("hneurons.fires_on"), study.frame("hneurons.answers")
    for layer, neuron in study.probe.neurons[:5]:
        cett = study.evidence["hneurons.contributions"]["answer"][:, layer, neuron].astype(np.float32)
        mine = told[(told["layer"] == layer) & (told["neuron"] == neuron)]
        assert mine["cett"].tolist() == sorted(cett.tolist(), reverse=True)[:10]
        assert mine["rank"].tolist() == list(range(10))
        by_id = answers.set_index("id").loc[mine["id"]]
        assert by_id["answer"].tolist() == mine["answer"].tolist()
        assert cett[answers.index[answers["id"] == mine["id"].iloc[0]]] == mine["cett"].iloc[0]


def test_a_run_made_before_neurons_were_described_still_opens(study: Study, tmp_path: Path) -> None:
    old = replace(study, tables={"answers": study.tables["answers"]})
    opened = open_run(old.save(tmp_path / "old"))
    assert not {"hneurons.states", "hneurons.tokens"} & set(opened.frames())
    assert len(opened.frame("hneurons.fires_on")) == 10 * len(study.probe.neurons)


def test_a_study_of_a_model_that_can_not_be_read_says_so(
    study: Study, smollm2: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(model: Model) -> None:
        raise ModelError("Logits differ.")

    monkeypatch.setattr(neurons_module, "check_readout", refuse)
    bare = describing.with_states(replace(study, tables={}), smollm2)
    assert not bare.tables and "left out: Logits differ." in bare.notes[-1]


def test_a_study_is_told_in_sentences_that_call_candidates_candidates(study: Study) -> None:
    text = " ".join(paragraphs(study))
    assert f"{QUESTIONS} questions" in text and "By the paper's rule" in text
    assert "candidate" in text and "AUROC" in text


def test_another_model_is_refused(study: Study) -> None:
    with pytest.raises(InputError, match="with other weights"):
        study.score(tiny_model(), "Who?", "Me")


@pytest.mark.parametrize("answer", ["", "  ", "two\nlines"])
def test_an_answer_must_be_one_line(study: Study, smollm2: Model, answer: str) -> None:
    with pytest.raises(InputError, match="not one line"):
        study.score(smollm2, "Who?", answer)


def test_a_killed_study_goes_on_where_it_was(
    smollm2: Model, questions: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, form = questions[:6], Form()
    whole = answering.ask_all(smollm2, few, form, SAMPLING)
    asked: list[int] = []
    ask = answering.Asker.ask

    def counted(self: answering.Asker, batch: list[Question]) -> object:
        asked.append(len(batch))
        if sum(asked) > 3:
            raise KeyboardInterrupt
        return ask(self, batch)

    monkeypatch.setattr(answering.Asker, "ask", counted)
    with pytest.raises(KeyboardInterrupt):
        answering.ask_all(smollm2, few, form, SAMPLING, tmp_path)
    log = tmp_path / "answers.jsonl"
    log.write_text(log.read_text() + '["world", [[1, 2')  # killed in the middle of a line
    done = sum(asked[:-1])
    asked.clear()
    monkeypatch.setattr(answering.Asker, "ask", lambda self, batch: (asked.append(len(batch)), ask(self, batch))[1])
    assert answering.ask_all(smollm2, few, form, SAMPLING, tmp_path) == whole
    assert done > 0 and sum(asked) == len(few) - done


def test_damage_in_the_middle_of_the_log_is_named(smollm2: Model, questions: list[Question], tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text('["a", [[1]]]\nrubbish\n["b", [[2]]]\n')
    with pytest.raises(RunError, match="line 2 is damaged"):
        answering.ask_all(smollm2, questions[:3], Form(), SAMPLING, tmp_path)


def test_too_few_usable_questions_give_no_number(smollm2: Model, questions: list[Question]) -> None:
    with pytest.raises(InputError, match="insufficient data: 8 questions, 8 of which have an accepted answer"):
        study_hallucination(smollm2, questions[:8])
    with pytest.raises(InputError, match="0 of which have an accepted answer"):
        study_hallucination(smollm2, load("false_premises"))


def test_questions_that_none_answers_rightly_give_no_number(tiny: Model, questions: list[Question]) -> None:
    impossible = [Question(q.id, q.question, ("no such thing as this",)) for q in questions[:90]]
    with pytest.raises(
        InputError, match=r"insufficient data: \d+ usable of 90 \(0 correct, .*at least 40 of each kind"
    ):
        study_hallucination(tiny, impossible, sampling=NONE)


def test_what_can_not_be_studied_is_refused_before_any_work(smollm2: Model, questions: list[Question]) -> None:
    with pytest.raises(ModelError, match="no MLP whose last matrices are known"):
        study_hallucination(tiny_model("MambaForCausalLM"), questions)
    with pytest.raises(InputError, match="No questions"):
        study_hallucination(smollm2, [])
    with pytest.raises(InputError, match="same id"):
        study_hallucination(smollm2, [questions[0], questions[0]])
    again = Question("again", f" {questions[0].question.upper()}", questions[0].answers)
    with pytest.raises(InputError, match="is there 2 times"):
        study_hallucination(smollm2, [*questions, again])


def test_a_probe_is_tried_on_another_study_without_a_model(study: Study) -> None:
    there, back = between(study, study, ("one", "other"))
    assert there.right == there.wrong == 0 and np.isnan(there.auroc)  # every question is in the other
    table = study.tables["answers"]
    renamed = {**table, **{name: table[name] + " it" for name in ("question", "answer", "accepted", "subject")}}
    aliases = [json.dumps([f"{alias} it" for alias in json.loads(one)]) for one in table["aliases"]]
    renamed["aliases"] = np.array(aliases, dtype=object)
    other = replace(study, tables={"answers": renamed})
    there, back = between(study, other, ("one", "other"))
    assert there.right >= 10 and there.auroc > 0.7 and back.auroc > 0.7
    rows = with_transfers(study, "facts", {"trivia": other}).frame("hneurons.transfers").tail(2)
    assert rows["source"].tolist() == rows["target"].tolist()[::-1] == ["facts", "trivia"]
    card = {**study.card, "fingerprint": "another"}
    with pytest.raises(InputError, match="different models"):
        between(study, replace(study, card=card), ("one", "other"))


@pytest.mark.parametrize(
    ("marks", "agreement", "expected"),
    [
        ("RRR", 1.0, "right"),
        ("RRW", 1.0, "mixed"),
        ("RRW", 0.5, "right"),
        ("RWW", 0.5, "mixed"),
        ("RWW", 0.0, "right"),
        ("WWW", 1.0, "wrong"),
        ("WRW", 0.5, "wrong"),
        ("WAW", 1.0, "mixed"),
        ("ARR", 0.0, "abstained"),
        ("R", 1.0, "right"),
        ("RRRRRRRRWWW", 0.7, "right"),  # 7 of 10 samples agree
        ("RRRRRRRWWWW", 0.7, "mixed"),
    ],
)
def test_a_label_is_the_greedy_mark_if_enough_samples_agree(marks: str, agreement: float, expected: str) -> None:
    names = {"R": "right", "W": "wrong", "A": "abstained"}
    assert label([names[mark] for mark in marks], agreement) is Label[expected]


def test_the_strictest_agreement_that_leaves_enough_is_taken() -> None:
    def answers(right: int, of: int) -> list[str]:
        return ["right", *["right"] * right, *["wrong"] * (of - right)]

    wrong = [["wrong"] * 11] * 150
    assert label_all([answers(10, 10)] * 100 + wrong).agreement == 1.0
    assert label_all([answers(10, 10)] * 99 + [answers(8, 10)] + wrong).agreement == 0.8
    assert label_all([answers(10, 10)] * 45 + wrong).agreement == 1.0  # no laxer rule gives more
    assert label_all([answers(10, 10)] * 45 + [answers(3, 10)] * 60 + wrong).agreement == 0.3
    with pytest.raises(InputError, match="39 correct"):
        label_all([answers(10, 10)] * 39 + wrong)
    with pytest.raises(InputError, match="agreement is 2"):
        label_all(wrong, 2.0)


@pytest.mark.slow
def test_shuffled_labels_leave_no_candidate() -> None:
    """At most one seed of twenty may have a candidate, on features as correlated as real ones."""
    survivors = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.gamma(2.0, size=(160, 30)) @ rng.gamma(0.5, size=(30, 400)) + rng.gamma(1.0, size=(160, 400))
        made_up = rng.permutation(np.arange(160) % 2 == 0)
        answers = Answers(x.astype(np.float32), made_up, key_numbers({"subject": [None] * 160}))
        survivors += named(sample_of(answers), seed)
    assert survivors <= 1


def sample_of(answers: Answers, plain: Mapping[str, np.ndarray] | None = None) -> Sample:
    return Sample(
        answers, answers.x, np.zeros((len(answers.x), 1, 1), np.float32), plain or {}, (), np.zeros(len(answers.x))
    )


def named(sample: Sample, seed: int) -> bool:
    """Whether a study of this sample names a candidate."""
    fit, _, _, tested, added = selecting.final(sample, seed, UNHEARD, bootstraps=5)
    return bool(((fit.weight > 0) & (tested.stability >= 0.5) & (tested.q < 0.05) & (added.q < 0.05)).any())


@pytest.mark.parametrize(("subjects", "each"), [pytest.param(60, 8, marks=pytest.mark.slow), (40, 10)])
def test_answers_that_come_by_subject_leave_no_candidate(subjects: int, each: int) -> None:
    """Labels and neurons both follow the subject, and nothing else; p that ignores it names one in 20 to 35 %."""
    survivors = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        subject = np.repeat(np.arange(subjects), each)
        made_up = rng.random(len(subject)) < rng.beta(0.4, 0.4, subjects)[subject]
        x = rng.gamma(1.0, size=(subjects, 200))[subject] + 0.3 * rng.gamma(1.0, size=(len(subject), 200))
        keys = key_numbers({"subject": [str(one) for one in subject]})
        survivors += named(sample_of(Answers(x.astype(np.float32), made_up, keys)), seed)
    assert survivors <= 2


def test_what_follows_the_answers_length_alone_is_no_candidate_and_says_so() -> None:
    survivors, explained = 0, set()
    for seed in range(6):
        rng = np.random.default_rng(seed)
        length = rng.integers(1, 9, 300)
        made_up = rng.random(300) < 1 / (1 + np.exp(-(length - 4.5)))
        x = rng.gamma(1.0, size=(300, 200)) + 0.5 * (length / 4.5)[:, None] * (np.arange(200) < 20)
        plain = {"length": length.astype(float), "entropy": rng.random(300), "logprob": rng.random(300)}
        sample = sample_of(Answers(x.astype(np.float32), made_up, key_numbers({"subject": [None] * 300})), plain)
        fit, _, _, tested, added = selecting.final(sample, seed, UNHEARD, bootstraps=5)
        alone = (fit.weight > 0) & (tested.stability >= 0.5) & (tested.q < 0.05)
        survivors += bool((alone & (added.q < 0.05)).any())
        explained |= {EXPLAINED[one] for one in added.explained[alone & ~(added.q < 0.05)]}
    assert survivors <= 1 and "length" in explained


def test_what_adds_to_length_is_a_candidate_still() -> None:
    rng = np.random.default_rng(0)
    length = rng.integers(1, 9, 400)
    made_up = rng.random(400) < 1 / (1 + np.exp(-(length - 4.5)))
    x = rng.gamma(1.0, size=(400, 200)) + 2.0 * made_up[:, None] * (np.arange(200) < 3)
    plain = {"length": length.astype(float), "entropy": rng.random(400), "logprob": rng.random(400)}
    keys = key_numbers({"subject": [None] * 400})
    assert named(sample_of(Answers(x.astype(np.float32), made_up, keys), plain), 0)


@pytest.mark.parametrize(
    ("damage", "message"),
    [(np.nan, "contributions of 1 of 200 answers are NaN"), (None, "No neuron's contribution differs")],
)
def test_features_that_nothing_can_be_fitted_on_are_an_error_in_a_line(damage: float | None, message: str) -> None:
    x = np.ones((200, 50), np.float32)
    if damage is not None:
        x[:] = np.random.default_rng(0).random(x.shape)
        x[3, 4] = damage
    answers = Answers(x, np.arange(200) % 2 == 0, key_numbers({"subject": [None] * 200}))
    with pytest.raises(InputError, match=message):
        selecting.select(sample_of(answers), 0, UNHEARD)


def test_keys_see_through_spelling_and_aliases() -> None:
    keys = keys_of(
        ["Who wrote Emma?", "who wrote  EMMA", "Who wrote Persuasion?", "Capital of Peru?", "Largest city of Peru?"],
        [None, None, None, "Peru", "peru"],
        [("Jane Austen",), ("Austen",), ("Austen", "Jane Austen"), ("Lima",), ("Lima", "Ciudad de los Reyes")],
        ["Jane Austen", "Brontë", "the Austen", "Cusco", "Lima"],
    )
    subject, accepted, given = keys.T.tolist()
    assert subject[0] == subject[1] != -1 and subject[2] == -1 and subject[3] == subject[4] != -1
    assert accepted[0] == accepted[1] == accepted[2] and accepted[3] == accepted[4] != accepted[0]
    assert given[0] == given[2] == accepted[0] and given[4] == accepted[3] and given[1] not in accepted


class InTurn:
    """A judge to whom every second question with an answer is answered rightly, whatever is said."""

    name = "in turn"

    def __init__(self) -> None:
        self.asked: dict[str, Mark] = {}

    def __call__(self, question: str, answers: Sequence[str], answer: str) -> Mark:
        turn: Mark = "right" if len(self.asked) % 2 else "wrong"
        return self.asked.setdefault(question, turn) if answers else WholeWords()(question, answers, answer)


@pytest.fixture(scope="module")
def tiny() -> Model:
    return with_words(loaded("GPT2LMHeadModel"))


@pytest.fixture
def answered(questions: list[Question], tmp_path: Path) -> Path:
    """A folder with answers of three words to every question: a tiny model says nearly the same to all."""
    rng, words = np.random.default_rng(0), [word for word in range(4, 100) if word % EVERY != EVERY - 1]
    asked = [*questions[:110], *load("false_premises", count=4)]
    lines = [json.dumps([one.id, [rng.choice(words, 3).tolist()]]) + "\n" for one in asked]
    (tmp_path / "answers.jsonl").write_text("".join(lines), encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_the_pipeline_reports_every_step_it_said_it_would(
    tiny: Model, questions: list[Question], answered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[int]] = {}

    def step(what: str, done: int, total: int | None) -> None:
        entry = seen.setdefault(what, [0, total])
        entry[0] += done

    monkeypatch.setattr(selecting, "BOOTSTRAPS", 2)
    pipeline.study_hallucination(
        tiny, questions[:110], sampling=NONE, judge=InTurn(), folder=answered, progress=Progress(step)
    )
    assert set(seen) == {"asking", "judging", "measuring", "selecting", "describing"}
    assert all(done == total for done, total in seen.values()), seen


@pytest.mark.slow
def test_a_set_with_false_premises_in_it_can_be_studied(
    tiny: Model, questions: list[Question], answered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "BOOTSTRAPS", 2)
    mixed = [*questions[:110], *load("false_premises", count=4)]
    study = study_hallucination(tiny, mixed, sampling=NONE, judge=InTurn(), folder=answered)
    marks = study.frame("hneurons.answers").set_index("id")["mark"]
    premises = [one.id for one in mixed[110:] if one.id in marks.index]
    assert premises and set(marks[premises]) <= {"wrong", "abstained"}
    assert set(marks.drop(premises)) == {"right", "wrong"}


def test_every_table_of_a_study_and_its_columns_are_documented(study: Study) -> None:
    tables = [name for name in study.frames() if not name.startswith("evidence.")]
    assert {"hneurons.scores", "hneurons.answers", "hneurons.states", "hneurons.fires_on"} <= set(tables)
    for name in tables:
        assert not undocumented(name, study.frame(name)), name


@pytest.mark.slow  # test_imports opens and draws a scan so
def test_a_saved_study_is_opened_and_drawn_without_torch(saved: Path) -> None:
    code = (
        f"import inspector; r = inspector.open_run({str(saved)!r}); r.judge(hneurons={{'q': 0.5}});"
        "[r.frame(n) for n in r.frames() if not n.startswith('evidence')];"
        "from inspector.show.figures import figures; assert len(figures(r)) == 5; assert r.probe.fit.bias is not None"
    )
    assert not loaded_after(code) & set(HEAVY)


def test_the_page_shows_a_study(saved: Path) -> None:
    assert "hneurons.candidates" in render(open_run(saved))


def test_the_command_shows_a_study(saved: Path, command: Command) -> None:
    told = command("show", str(saved))
    assert told.code == 0
    for word in ("probe 3-vs-1", "shuffled", "Hallucination neurons", "within"):
        assert word in told.out
    as_json = json.loads(command("show", str(saved), "--json").out)
    assert {row["name"] for row in as_json["hneurons.scores"]} >= {"probe", "length", "entropy", "random"}


def test_a_question_is_asked_and_its_answer_scored(saved: Path, real: Command) -> None:
    told = real("ask", "What is the capital of France?", "--run", str(saved), "--json")
    assert told.code == 0, told.err
    asked = json.loads(told.out)
    assert asked["answer"] == "Paris" and 0 <= asked["risk"] <= 1
    assert [row["token"] for row in asked["tokens"]] == [" Paris"]
    table = real("ask", "What is the capital of France?", "--run", str(saved), "--answer", "Lyon or Nice")
    assert "Lyon or Nice" in table.out and "Risk:" in table.out


def held_out_few(study: Study, count: int = 12) -> Study:
    """The study with only so many questions held out."""
    e = study.evidence["hneurons"]
    fewer = np.where((e["split"] == 1) & (np.cumsum(e["split"] == 1) > count), 2, e["split"])
    return replace(study, evidence={**study.evidence, "hneurons": replace(e, arrays={**e.arrays, "split": fewer})})


@pytest.mark.slow
def test_a_study_s_questions_are_decoded_every_way_and_kept(study: Study, real: Command, tmp_path: Path) -> None:
    run, out = held_out_few(study).save(tmp_path / "run"), tmp_path / "out"
    told = real("decode", str(run), "--samples", "1", "--out", str(out), "--json")
    assert told.code == 0, told.err
    rows = {row["member"]: row for row in json.loads(told.out)["decoding"]}
    assert {"greedy", "softmax", "sparsemax", "best of 1 by risk"} <= set(rows)
    assert rows["best of 1 by risk"]["accuracy"] == rows["best of 1 by logprob"]["accuracy"]
    assert rows["greedy"]["accuracy"] > 0.2 and 0 < rows["greedy"]["risk"] < 1
    assert "best of 1 by risk" in real("show", str(out)).out
    assert "decoding" not in open_run(run).frames()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["decode", "nowhere"], "No run in 'nowhere'"),
        (["decode", "nowhere", "--out", "there", "--in-place"], "Both --out and --in-place"),
        (["hallucinate", "--questions", "nowhere.jsonl"], "nowhere.jsonl"),
        (["hallucinate", "--judge", "endpoint"], "endpoint"),
        (["hallucinate", "--agreement", "2"], "agreement"),
        (["hallucinate", "--transfer", "nowhere"], "No run in 'nowhere'"),
        (["ask", "Who?", "--run", "nowhere"], "No run in 'nowhere'"),
        (["examine", "--text", "w5", "--detectors", "hneurons"], "inspector hallucinate"),
        (["verify", "nowhere"], "--in-place"),
    ],
)
def test_a_mistake_is_one_line_before_a_model_is_loaded(
    arguments: list[str], words: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object, **options: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(models, "load_model", never)
    monkeypatch.chdir(tmp_path)
    if arguments[0] in ("hallucinate", "examine"):
        arguments = [*arguments, "--out", str(tmp_path / "run")]
    told = command(*arguments)
    assert told.code == 2 and words in told.err, told.err
    assert len(told.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_scan_is_no_study(command: Command, tiny_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "scan"
    assert command("examine", "--model", str(tiny_folder), "--text", TEXT, "--out", str(run)).code == 0
    assert "no hallucination study" in command("ask", "Who?", "--run", str(run)).err


# -- guarding and verifying ------------------------------------------------------------------------------------------


def test_held_out_rows_are_mixed_as_all_answers_are_and_none_was_fitted_on(study: Study) -> None:
    rows = held_out(study, 0)
    split = study.frame("hneurons.answers")["split"]
    assert len(set(rows)) == len(rows) and (split.iloc[rows] != "fit").all()
    assert set(np.flatnonzero(split == "held out")) <= set(rows)
    share = (split == "held out").sum() / (split != "not used").sum()
    assert abs((split.iloc[rows] == "not used").sum() - share * (split == "not used").sum()) <= 0.5


@pytest.mark.slow
def test_a_guard_answers_below_its_threshold_and_does_what_it_should_above(smollm2: Model, study: Study) -> None:
    question = "What is the capital of Mongolia?"
    told = guard(smollm2, study, threshold=1.0).answer(question)
    assert told.did == "answered" and told.answer == told.first
    assert told.risk == pytest.approx(study.score(smollm2, question, told.first, by="probe"), abs=1e-3)
    silent = guard(smollm2, study, threshold=0.0).answer(question)
    assert silent.did == "abstained" and silent.answer is None and silent.first == told.first
    best = guard(smollm2, study, policy="least", samples=3).answer(question)
    assert best.risk <= best.first_risk and best.answer is not None
    assert guard(smollm2, study, policy="least", samples=3).answer(question) == best  # the same draws


@pytest.mark.slow
def test_asking_again_scales_the_candidates_and_measures_risk_on_the_untouched_model(
    smollm2: Model, study: Study
) -> None:
    every = study.judge(hneurons={"q": 1.1, "stability": 0.0})
    watching = guard(smollm2, every, policy="again", threshold=0.0, factor=0.0)
    given = watching.answer("Who wrote the novel Frankenstein?")
    assert given.risk <= given.first_risk
    again = every.score(smollm2, given.question, given.answer or "", by="probe")
    assert given.risk == pytest.approx(again, abs=1e-3)
    assert guard(smollm2, every, threshold=1.0).answer(given.question).first == given.first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policy": "hope"}, "No policy 'hope'"),
        ({"threshold": 1.5}, "from 0 to 1"),
        ({"policy": "least", "samples": 0}, "got 0 for samples"),
        ({"policy": "again"}, "no candidate"),
    ],
)
def test_a_guard_that_makes_no_sense_is_refused(
    smollm2: Model, study: Study, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        guard(smollm2, study.judge(hneurons={"q": 0.0}), **options)
    with pytest.raises(InputError, match="other weights"):
        guard(tiny_model(), study)


@pytest.mark.slow
def test_policies_are_compared_on_the_same_questions(smollm2: Model, study: Study) -> None:
    study = held_out_few(study, 8).judge(hneurons={"q": 1.1, "stability": 0.0})
    tables = compare_policies(study, smollm2)
    table = pd.DataFrame(tables["guard"]).set_index(["policy", "by"])
    for name, columns in tables.items():
        assert not undocumented(name, pd.DataFrame(columns)), name
    assert set(table.index) == {
        ("greedy", "nothing"),
        *((policy, by) for policy in ("abstain", "again") for by in ("probe", "entropy")),
        ("abstain", "logprob"),
        ("least", "probe"),
        ("least", "logprob"),
    }
    rows = held_out(study, 0)
    answers = study.frame("hneurons.answers").iloc[rows]
    greedy = table.loc["greedy", "nothing"]
    assert greedy["n"] == len(rows) and greedy["coverage"] == 1
    assert greedy["wrong"] == pytest.approx((answers["mark"] == "wrong").mean())
    silent = table.loc["abstain", "probe"]
    assert silent["coverage"] < 1 and silent["wrong"] <= greedy["wrong"]
    assert greedy["aurc"] == pytest.approx(greedy["wrong"])  # greedy ranks nothing
    assert silent["aurc"] < greedy["aurc"]
    assert table.loc["abstain", "entropy"]["aurc_change"] == 0
    assert table.loc["abstain", "logprob"]["aurc_change_logprob"] == 0
    assert (table["wrong_low"] <= table["wrong"]).all() and (table["wrong"] <= table["wrong_high"]).all()
    assert "Guarding, on" in verdict(pd.DataFrame(tables["guard"]))


def test_held_out_questions_share_nothing_with_what_the_probe_was_fitted_on(study: Study) -> None:
    table = study.frame("hneurons.answers")
    rows = held_out(study, 0)
    aliases = [tuple(json.loads(one)) for one in table["aliases"]]
    keys = keys_of(table["question"].tolist(), table["subject"].tolist(), aliases, table["answer"].tolist())
    fitted = np.flatnonzero(table["split"] == "fit")
    shared = set(keys[rows].ravel().tolist()) & set(keys[fitted].ravel().tolist())
    assert len(rows) > 20 and shared <= {-1}


def test_questions_to_verify_on_were_not_asked_by_the_study(study: Study) -> None:
    unseen, where = unseen_questions(study, 0)
    assert len(unseen) == 200 and "did not ask" in where
    assert not {one.question for one in unseen} & set(study.frame("hneurons.answers")["question"])
    assert [one.id for one in unseen_questions(study, 0)[0]] == [one.id for one in unseen]


@pytest.mark.slow
def test_a_study_without_candidates_is_verified_by_its_guard_alone(smollm2: Model, study: Study) -> None:
    verified = verify(held_out_few(study, 2).judge(hneurons={"q": 0.0}), smollm2)
    assert not verified.effects and "guard" in verified.frames()
    assert any("none was tested" in note for note in verified.notes)


def test_a_study_with_nothing_to_compare_guards_on_is_verified_and_says_so(smollm2: Model, study: Study) -> None:
    verified = verify(held_out_few(study, 0).judge(hneurons={"q": 0.0}), smollm2)
    assert "guard" not in verified.frames()
    assert any("guards were not compared" in note for note in verified.notes)


def test_ask_with_a_guard_says_what_it_did(saved: Path, real: Command) -> None:
    question = "What is the capital of Mongolia?"
    told = json.loads(real("ask", question, "--run", saved, "--guard", "abstain", "--threshold", 0, "--json").out)
    assert told["did"] == "abstained" and told["answer"] is None and told["threshold"] == 0
    assert "too risky" in real("ask", question, "--run", saved, "--guard", "abstain", "--threshold", 0).out
    assert real("ask", question, "--run", saved, "--threshold", 0.5).code == 2
    assert real("ask", question, "--run", saved, "--guard", "least", "--answer", "Oslo").code == 2
