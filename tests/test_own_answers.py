"""Answers that exist already: read from any table, studied as if they had been asked for, and scored in bulk."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from fixtures_cli import Command
from fixtures_tiny import Words, loaded, with_words
from sklearn.utils.validation import check_is_fitted

from inspector import Study, models, own_answers, study_hallucination
from inspector.detectors.hneurons.arrays import HEADLINE
from inspector.errors import InputError
from inspector.hallucination import neuron_states
from inspector.hallucination.answers.ask import Sampling
from inspector.hallucination.answers.measure import Meter
from inspector.hallucination.answers.own import OwnAnswer
from inspector.hallucination.answers.own_tokens import token_ids
from inspector.hallucination.baselines.text_alone import text_alone
from inspector.hallucination.compare_decoding import compare_decoding
from inspector.hallucination.compare_guards import compare_policies
from inspector.hallucination.grading.called import as_judge
from inspector.hallucination.grading.graders import WholeWords
from inspector.hallucination.notes import given_answers, words_alone
from inspector.hallucination.probe import select as selecting
from inspector.hallucination.probe.splits import split
from inspector.hallucination.questions.prompts import Form, as_spelt, following
from inspector.hallucination.questions.sets import Question
from inspector.models import Model
from inspector.progress import Progress
from inspector.run.report import open_run
from inspector.show.sentences import paragraphs
from inspector.stats import auroc

ROW = {"question": "Who wrote Faust?", "answer": "Goethe", "label": "right"}


def rows(count: int = 100, **also: Any) -> list[dict[str, Any]]:
    """Answers of three words, every second one wrong."""
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(4, 90)]
    return [
        {
            "question": f"Question w{n} w{n // 7} ?",
            "answer": " ".join(rng.choice(words, 3)),
            "label": ("right", "wrong")[n % 2],
            **also,
        }
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def tiny() -> Model:
    return with_words(loaded("GPT2LMHeadModel"))


@pytest.fixture(scope="module")
def own(tiny: Model) -> Study:
    """A study of answers whose last word gives the label away."""
    with pytest.MonkeyPatch.context() as fewer:
        for name in ("BOOTSTRAPS", "SHUFFLES", "RANDOM_DRAWS"):
            fewer.setattr(selecting, name, 2)
        fewer.setattr(neuron_states, "TEXTS", 3)
        return study_hallucination(
            tiny, answers=[{**one, "answer": f"{one['answer']} {one['label']}"} for one in rows()]
        )


# -- reading ---------------------------------------------------------------------------------------------------------


def written(table: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix.lower() in (".csv", ".tsv"):
        table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    elif path.suffix == ".json":
        path.write_text(json.dumps(table.to_dict("records")))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_dict("records")))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson", ".CSV"])
def test_every_kind_of_file_says_the_same_as_its_rows(suffix: str, tmp_path: Path) -> None:
    table = pd.DataFrame(
        [
            {**ROW, "group": "Goethe", "id": "a", "answers": '["Goethe", "J. W. Goethe"]', "prompt": "Q: Faust?\nA: "},
            {**ROW, "question": "ใครเขียน", "answer": "null, NA\nและ", "label": "wrong", "id": "b", "answers": "Goethe"},
        ]
    )
    for name in ("group", "prompt"):
        table[name] = table[name].fillna("")
    first, second = own_answers(written(table, tmp_path / f"answers{suffix}"))
    assert first == OwnAnswer(
        Question("a", "Who wrote Faust?", ("Goethe", "J. W. Goethe"), "Goethe"),
        "Goethe",
        "right",
        prompt="Q: Faust?\nA: ",
    )
    assert second == OwnAnswer(Question("b", "ใครเขียน", ("Goethe",)), "null, NA\nและ", "wrong")
    assert own_answers(table) == own_answers(table.to_dict("records")) == [first, second]


class Columns(dict[str, list[str]]):
    """A table that yields its columns and has a pandas one of itself, as polars' does."""

    def to_pandas(self) -> pd.DataFrame:
        return pd.DataFrame(dict(self))


@pytest.mark.parametrize(
    "table", [pd.DataFrame, pa.table, Columns, lambda rows: iter(pd.DataFrame(rows).to_dict("records"))]
)
def test_answers_come_in_any_table(table: Any) -> None:
    (answer,) = own_answers(table({"question": ["Who?"], "answer": ["Goethe"], "label": ["right"]}))
    assert (answer.question.question, answer.text) == ("Who?", "Goethe")


@pytest.mark.parametrize(
    ("row", "one_is", "mark"),
    [
        ({"label": "Correct"}, None, "right"),
        ({"label": "hallucinated"}, None, "wrong"),
        ({"label": "refused"}, None, "abstained"),
        ({"label": 1}, "wrong", "wrong"),
        ({"label": 0.0}, "wrong", "right"),
        ({"label": np.int64(1)}, "right", "right"),
        ({"label": np.bool_(False)}, "right", "wrong"),
        ({"correct": True}, None, "right"),
        ({"correct": 0}, None, "wrong"),
        ({"hallucinated": "true"}, None, "wrong"),
        ({"label": float("nan"), "answers": ["Goethe"]}, None, None),
        ({"label": pd.NA, "answers": np.array(["Goethe"])}, None, None),
    ],
)
def test_labels_are_read_as_people_write_them(row: dict[str, Any], one_is: Any, mark: str | None) -> None:
    (read,) = own_answers([{"question": "Who wrote Faust?", "answer": "Goethe", **row}], one_is=one_is)
    assert read.mark == mark


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([{"question": "Who?", "label": 1}], r"Row 1 lacks answer; it has question, label"),
        ([{**ROW, "label": 1}], r"1 can mean correct or hallucinated\. Say which"),
        ([{**ROW, "label": "so so"}], r"'so so' for a label\. Write right, wrong or abstained"),
        ([{**ROW, "label": None}], r"neither a label nor accepted answers; its columns are question, answer, label"),
        ([ROW, {**ROW, "answer": " "}], r"Row 2 has an empty answer"),
        ([{**ROW, "answer": ["Goethe"]}], r"has a list for answer\. Give text"),
        ([{**ROW, "answer": "\ud83d"}], r"half a surrogate pair"),
        ([{**ROW, "samples": 3}], r"has an int for samples"),
        ([{**ROW, "id": "a"}, {**ROW, "id": "a"}], r"Rows 1 and 2 have the id 'a'"),
        ([], r"has no answers"),
        ([{**ROW, "correct": 0}], r"label right and correct 0, which contradict each other"),
        (
            pd.DataFrame([["a", "b", "right", "wrong"]], columns=["question", "answer", "label", "label"]),
            "named 'label'",
        ),
        ("answers.xlsx", r"is not \.jsonl"),
        ("nowhere.csv", r"can't be read"),
        ("nowhere.parquet", r"can't be read"),
    ],
)
def test_what_is_no_answer_is_named_in_a_line(source: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        own_answers(source)
    assert "\n" not in str(raised.value)


def test_columns_of_other_names_are_taken_and_misspelt_ones_suggested() -> None:
    table = pd.DataFrame({"prompt_text": ["Who?"], "reply": ["Goethe"], "truth": [1]})
    names = {"question": "prompt_text", "answer": "reply", "correct": "truth"}
    assert own_answers(table, columns=names)[0] == OwnAnswer(Question("1", "Who?", ()), "Goethe", "right")
    with pytest.raises(InputError, match=r"no column 'replay' for answer; .*Did you mean 'reply'\?"):
        own_answers(table, columns={**names, "answer": "replay"})
    with pytest.raises(InputError, match="No column 'reply' is known"):
        own_answers(table, columns={"reply": "answer"})


def test_a_mapping_may_swap_names_or_use_a_column_twice() -> None:
    (swapped,) = own_answers([ROW], columns={"question": "answer", "answer": "question"})
    assert (swapped.question.question, swapped.text) == ("Goethe", "Who wrote Faust?")
    (twice,) = own_answers([{**ROW, "q": "Who?"}], columns={"question": "q", "prompt": "q"})
    assert (twice.question.question, twice.prompt) == ("Who?", "Who?")


def test_label_one_means_right_or_wrong_and_nothing_else() -> None:
    with pytest.raises(InputError, match="'correct' is no meaning of label 1"):
        own_answers([{**ROW, "label": 1}], one_is="correct")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("question,answer,label,label\nWho?,me,right,wrong\n", "Several columns are named 'label'"),
        ("question,answer,label\nWho?,me,right,\n", "Expected 3 fields in line 2, saw 4"),
        ("question,answer,label\n", "has no answers"),
        ("", "No columns to parse"),
        ('question,answer,label\nWho?,"me,right\n', "EOF inside string"),
    ],
)
def test_a_damaged_csv_file_is_refused_and_no_column_is_guessed(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text(content)
    with pytest.raises(InputError, match=message) as raised:
        own_answers(file)
    assert "\n" not in str(raised.value)


def test_a_csv_file_from_excel_is_read(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_bytes("\ufeffquestion, answer ,label\r\nWho?,Müller,right\r\n".encode())
    assert own_answers(file) == [OwnAnswer(Question("1", "Who?", ()), "Müller", "right")]


def test_whole_numbers_name_rows_and_groups_where_some_are_missing() -> None:
    table = pd.DataFrame([ROW, ROW]).assign(id=[7, None], group=[3, None])
    assert table["id"].dtype == float
    first, second = (one.question for one in own_answers(table))
    assert (first.id, first.subject, second.id, second.subject) == ("7", "3", "2", None)


def test_aliases_are_accepted_answers_and_scoring_looks_at_none() -> None:
    row = {"question": "Who?", "answer": "Goethe", "aliases": ["Goethe"]}
    assert own_answers([row])[0].question.answers == ("Goethe",)
    assert own_answers([{**row, "aliases": 3, "samples": 4}], labels=False)[0].question.answers == ()


def test_after_a_prompt_of_its_own_an_answer_keeps_the_space_that_it_begins_with(tiny: Model) -> None:
    (one,) = own_answers([{**ROW, "answer": " Goethe ", "prompt": "Faust? A:"}])
    assert one.text == " Goethe"
    (alone,) = own_answers([{**ROW, "answer": " Goethe "}])
    assert alone.text == "Goethe"


def test_a_prompt_that_spells_the_bos_has_it_once() -> None:
    class Spelt(Words):
        def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
            ids = super().__call__(text.removeprefix("<bos>"), add_special_tokens)["input_ids"]
            return {"input_ids": [1, *ids] if text.startswith("<bos>") else ids}

    assert as_spelt(Spelt(), "<bos>w5 w6") == as_spelt(Spelt(), "w5 w6")
    assert following(Spelt(), "<bos>w5", " w6") == following(Spelt(), "w5", " w6")


# -- studying --------------------------------------------------------------------------------------------------------


def test_answers_read_back_are_the_tokens_that_the_model_said(study: Study, smollm2: Model) -> None:
    own = own_answers(study.frame("hneurons.answers"), labels=False)
    said, form, tokenizer = study.tokens, Form(), smollm2.tokenizer
    assert len(own) > 100
    same = 0
    for number, one in enumerate(own):
        whole = said["id"][said["text"] == number].tolist()
        prompt = list(form.prompt(tokenizer, one.question.question))
        ids, before = token_ids(smollm2, one, form), whole[: len(prompt)]
        assert before == prompt
        assert tokenizer.decode(list(ids)).strip() == tokenizer.decode(whole[len(prompt) :]).strip()
        same += list(ids) == whole[len(prompt) :]
    assert same >= 0.95 * len(own)  # a model may spell a word in other tokens than its tokenizer does


def test_the_command_studies_and_scores_a_file(
    tiny: Model, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BOOTSTRAPS", "SHUFFLES", "RANDOM_DRAWS"):
        monkeypatch.setattr(selecting, name, 1)
    monkeypatch.setattr(neuron_states, "TEXTS", 1)
    monkeypatch.setattr(models, "load_model", lambda *names, **options: tiny)
    table = pd.DataFrame(rows()).assign(label=[0, 1] * 50).rename(columns={"question": "q"})
    file, run, risks = written(table, tmp_path / "answers.csv"), tmp_path / "run", tmp_path / "risks.csv"
    unsaid = command("hallucinate", "--answers", file, "--column", "question=q", "--out", run)
    assert unsaid.code == 2 and "--one-is" in unsaid.err and unsaid.err.count("\n") == 1 and not run.exists()
    done = command("hallucinate", "--answers", file, "--column", "question=q", "--one-is", "wrong", "--out", run)
    assert done.code == 0 and "100 answers;" in done.err, done.err
    assert open_run(run).frame("hneurons.answers")["label"].tolist() == ["right", "wrong"] * 50
    assert command("score", run, file, "--column", "question=q", "--out", risks).code == 0
    assert pd.read_csv(risks)["risk"].between(0, 1).sum() == 100


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--questions", "world_facts"], "Give one of them"),
        (["--column", "question"], "is not NAME=THEIRS"),
        (["--column", "question=q"], "no column 'q' for question"),
        (["--count", "50"], "insufficient data: "),
    ],
)
def test_options_that_do_not_fit_are_said_in_a_line(
    more: list[str], message: str, tiny: Model, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "load_model", lambda *names, **options: tiny)
    file = written(pd.DataFrame(rows()), tmp_path / "answers.csv")
    done = command("hallucinate", "--answers", file, "--quiet", "--out", tmp_path / "run", *more)
    assert done.code == 2 and message in done.err and done.err.count("\n") == 1, done.err
    assert [path.name for path in tmp_path.iterdir()] == ["answers.csv"]


def test_a_study_of_own_answers_says_what_it_is_of(own: Study, tmp_path: Path) -> None:
    assert own.settings["study"]["answers"] == {"labelled": 100, "contexts": 0, "prompts": 0}
    assert own.frame("hneurons.answers")["label"].value_counts().to_dict() == {"right": 50, "wrong": 50}
    assert "100 answers that were given, 100 with a label and 0 judged" in " ".join(paragraphs(own))
    assert any("No samples were given" in note for note in own.notes)
    assert open_run(own.save(tmp_path / "own")).frame("hneurons.scores").equals(own.frame("hneurons.scores"))


def test_what_needs_asking_is_left_out_by_name_where_answers_can_not_be_marked(own: Study, tiny: Model) -> None:
    tables = compare_policies(own, tiny)
    assert set(tables["guard"]["policy"]) == {"greedy", "abstain"}
    with pytest.raises(InputError, match="not all of its questions have accepted answers"):
        compare_decoding(own, tiny)


def test_a_prompt_of_one_s_own_is_what_the_answer_follows(tiny: Model) -> None:
    meter, form = Meter(tiny, Form()), Form()
    prompt = "w7 w8 Question w5 w3 ? w9"
    one = OwnAnswer(Question("1", "Question w5 w3 ?", ()), "w11 w12", "right", prompt=f"{prompt} ")
    ids = token_ids(tiny, one, form)
    fed = meter.feed([one.put, "w5"], [ids, ids], [one.prompt, None])
    assert fed.prefix is None
    before = tiny.tokenizer(one.prompt)["input_ids"]
    assert fed.rows[0].ids == (*before, *ids)
    start, stop = fed.spans[0].question
    assert list(before[start:stop]) == list(
        tiny.tokenizer(one.question.question, add_special_tokens=False)["input_ids"]
    )
    assert fed.spans[0].answer == (len(before), len(before) + len(ids))
    alone = meter.measure(fed)
    logits = tiny.logits(torch.tensor([fed.rows[0].ids]))
    logp = logits[0, len(before) - 1 : -1].log_softmax(-1)
    assert alone.logprob[0] == pytest.approx(float(logp.gather(1, torch.tensor(ids)[:, None]).mean()), abs=1e-5)


def test_a_context_stands_before_the_question(tiny: Model) -> None:
    (one,) = own_answers([{**ROW, "context": "w5 w6 w7"}])
    assert one.put == "w5 w6 w7 Who wrote Faust?"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            rows(79),
            r"40 answers are correct and 39 incorrect; at least 40 of each kind are needed\. Give more incorrect",
        ),
        (rows(100, group="one"), r"All answers are of the group 'one'"),
        ([{**one, "label": "right"} for one in rows()], r"100 answers are correct and 0 incorrect"),
        (rows(100, prompt="w5 " * 5000), r"^Answer '1': .*the model's context is"),
        (rows(100, context="w5 " * 5000), r"^Answer '1': .*the model's context is"),
        ([{**one, "prompt": f"w5 {one['answer']}"} for one in rows()], r"'1' ends with its answer, and so do all"),
        ([{**one, "answer": f"w{n % 2}"} for n, one in enumerate(rows())], r"2 different texts, 'w0' 50 times"),
    ],
)
def test_what_can_not_be_studied_is_said_before_a_judge_is_asked(table: Any, message: str, tiny: Model) -> None:
    asked = []
    table = [{**one, "answers": ["w5"], "samples": ["w6"]} for one in table]
    with pytest.raises(InputError, match=message):
        study_hallucination(tiny, answers=table, judge=lambda *what: asked.append(what) or True)
    assert len(asked) <= 1  # the trial


def test_questions_and_answers_are_not_both_taken(tiny: Model) -> None:
    with pytest.raises(InputError, match="both given"):
        study_hallucination(tiny, [Question("1", "Who?", ("me",))], answers=rows())


def test_a_prompt_without_its_question_counts_as_the_question_and_is_said() -> None:
    some = own_answers([{**ROW, "prompt": "Another text:"}, {**ROW, "prompt": f"Q: {ROW['question']} A:"}])
    assert any(note.startswith("1 prompts don't have their question") for note in given_answers(some))


def test_labels_that_the_words_give_away_are_said_with_the_number(own: Study) -> None:
    (said,) = (note for note in own.notes if "TF-IDF" in note)
    assert re.search(r"AUROC (1\.00|0\.9\d) \[0\.\d\d, (1\.00|0\.9\d)\] by TF-IDF", said)


def test_samples_count_as_often_as_they_stand_there_and_have_their_answer_s_mark() -> None:
    (one,) = own_answers([{**ROW, "answers": ["Paris"], "samples": ["Paris"] * 9 + ["Lyon", ""]}])
    assert one.samples == ("Paris",) * 9 + ("Lyon", "")


def test_a_file_is_not_written_twice(command: Command, tmp_path: Path) -> None:
    told = command("score", "run", "answers.csv", "--out", "r.csv", "--tokens", "./r.csv")
    assert told.code == 2 and "name one file twice" in told.err


def test_a_judge_s_class_is_not_a_judge() -> None:
    with pytest.raises(InputError, match=r"Give one of it: WholeWords\(\)"):
        as_judge(WholeWords)


def test_words_that_say_nothing_are_not_mentioned_and_those_that_say_less_beside_the_probe() -> None:
    made_up, none = np.arange(200) % 2 == 1, np.random.default_rng(0).normal(size=200)
    own = np.arange(200)
    assert words_alone(none, made_up - 0.5, made_up, own) == []
    (less,) = words_alone(none + made_up, made_up - 0.5, made_up, own)
    assert re.search(r"by TF-IDF; the probe's AUROC is \+0\.\d+ \[\+0.* beside it\.$", less)
    assert words_alone(none, made_up - 0.5, made_up, own // 50) == []  # too few groups to say anything
    (more,) = words_alone(made_up - 0.5, none, made_up, own)
    assert "AUROC 1.00" in more and more.endswith("not clearly more: it may have learnt the words.")


def test_words_are_learnt_from_other_folds_alone() -> None:
    made_up = np.arange(100) % 2 == 1
    folds = split(np.arange(100)[:, None], made_up, 5)
    unique = [f"only{n} here" for n in range(100)]  # a label that a row's own words tell, and no other's
    assert np.unique(text_alone(unique, ["?!"] * 100, made_up, folds)).size <= 5
    told = ["yes" if one else "no" for one in made_up]
    assert auroc(text_alone(unique, told, made_up, folds), made_up) == 1


# -- judges ----------------------------------------------------------------------------------------------------------


def test_any_function_is_a_judge_and_is_tried_before_anything_is_asked(tiny: Model) -> None:
    assert as_judge(lambda question, answers, answer: answer in answers)("Who?", ("me",), "me") == "right"
    assert as_judge(lambda question, answers, answer: np.bool_(False))("Who?", ("me",), "me") == "wrong"
    asked = []
    tiny_asked = [Question(str(n), f"w{n} ?", ("w5",)) for n in range(100)]
    for bad, message in (
        (lambda answer: True, "fails on the answer 'w5': TypeError"),
        (lambda question, answers, answer: 0.7, "gave '0.7' for the answer 'w5'"),
    ):
        with pytest.raises(InputError, match=message):
            study_hallucination(
                tiny,
                tiny_asked,
                judge=bad,
                sampling=Sampling(samples=0),
                progress=Progress(lambda *told: asked.append(told)),
            )
    assert not asked


def test_a_judge_that_fails_on_one_answer_is_named_with_it(tiny: Model) -> None:
    def fails(question: str, answers: Any, answer: str) -> bool:
        return bool(1 / (answer != "w7 w7 w7"))

    table = [{**one, "label": None, "answers": ["w5"]} for one in rows()]
    table[50]["answer"] = "w7 w7 w7"
    with pytest.raises(InputError, match="The judge fails fails on the answer 'w7 w7 w7': ZeroDivisionError: division"):
        study_hallucination(tiny, answers=table, judge=fails)


# -- scoring ---------------------------------------------------------------------------------------------------------


def test_scores_in_bulk_are_the_scores_one_by_one(own: Study, tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    some = rows(9)
    monkeypatch.setattr("inspector.hallucination.study.AT_ONCE", 4)
    scored = own.score_all(tiny, pd.DataFrame(some), tokens=True)
    alone = [own.score(tiny, one["question"], one["answer"]) for one in some]
    np.testing.assert_allclose(scored.answers["risk"], alone, atol=1e-3)  # CETTs are float16, batches differ
    assert scored.tokens is not None
    assert scored.tokens.groupby("id", sort=False).size().tolist() == [3] * 9
    assert (scored.tokens.groupby("id", sort=False)["position"].max() == 2).all()
    odds = np.log(scored.tokens["risk"] / (1 - scored.tokens["risk"])).groupby(scored.tokens["id"], sort=False).mean()
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), scored.answers["probe"], atol=2e-3)
    assert set(HEADLINE) <= set(scored.answers) and (scored.answers["length"] == 3).all()
    assert own.score_all(tiny, pd.DataFrame(some)).tokens is None


def test_an_answer_that_can_not_be_scored_is_said_before_any_is(
    own: Study, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Meter, "watch", lambda *arguments: pytest.fail("something was measured"))
    table = [*rows(5), {"question": "w5 " * 5000, "answer": "w6", "id": "long"}]
    with pytest.raises(InputError, match=r"^Answer 'long': .*the model's context is"):
        own.score_all(tiny, table)


def test_a_file_is_scored_by_the_command(saved: Path, real: Command, tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    pd.DataFrame({"q": ["Who wrote Faust?"] * 2, "answer": ["Goethe", "Schiller"]}).to_csv(file, index=False)
    out, tokens = tmp_path / "risks.parquet", tmp_path / "tokens.csv"
    done = real("score", saved, file, "--column", "question=q", "--out", out, "--tokens", tokens)
    assert done.code == 0, done.err
    risks = pd.read_parquet(out)
    assert risks["risk"].between(0, 1).all() and list(risks["answer"]) == ["Goethe", "Schiller"]
    assert set(pd.read_csv(tokens)["id"]) == {1, 2}
    again = real("score", saved, file, "--out", out)
    assert again.code == 2 and "exists" in again.err


# -- the probe and the features elsewhere ------------------------------------------------------------------------------


def test_the_probe_is_the_same_in_scikit_learn_and_on_disk(study: Study, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    columns = study.features().matrix[:, study.probe.fit.columns].astype(np.float64)
    pipeline = study.pipeline()
    check_is_fitted(pipeline)
    np.testing.assert_allclose(pipeline.predict_proba(columns)[:, 1], study.probe.risk(columns), rtol=1e-6)
    folder = study.save_probe(tmp_path / "probe")
    arrays, about = load_file(folder / "probe.safetensors"), json.loads((folder / "probe.json").read_text())
    odds = arrays["bias"] + ((columns - arrays["mean"]) / arrays["scale"]) @ arrays["weight"]
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), study.probe.risk(columns), rtol=1e-6)
    assert about["model"]["fingerprint"] == study.card["fingerprint"] and about["version"] == 1


def test_features_have_a_name_for_each_axis(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    features = study.features()
    layer, neuron = study.probe.neurons[0]
    place = list(features.layers).index(layer)
    whole = study.evidence["hneurons.contributions"]["answer"]
    assert (features.values[:, place, neuron] == whole[:, place, neuron]).all()
    assert list(features.id) == list(study.frame("hneurons.answers")["id"])
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(InputError, match="xarray is not installed"):
        features.to_xarray()
