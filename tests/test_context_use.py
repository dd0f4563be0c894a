"""Passages: what is made of the built-in facts, what a model answers with them, and how it attends to them."""

from pathlib import Path

import numpy as np
import pytest
from fixtures_cli import Command

from inspector import Study, context_use
from inspector.errors import InputError
from inspector.hallucination.context_use import FOLLOWS
from inspector.hallucination.passages import as_passages, passages
from inspector.models import Model


@pytest.mark.slow
def test_each_built_in_question_has_a_right_a_wrong_and_an_irrelevant_passage() -> None:
    rows = passages()
    assert len(rows) == 360 and len({one.question.id for one in rows}) == 120
    assert [one.kind for one in rows] == ["right", "wrong", "irrelevant"] * 120
    for right, wrong, irrelevant in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        assert right.question == wrong.question == irrelevant.question
        assert right.question.answers[0] in right.passage and right.says == right.question.answers
        assert wrong.says[0] in wrong.passage and not set(wrong.says) & set(right.says)
        assert right.question.subject in wrong.passage and irrelevant.says == ()
        assert right.question.answers[0] not in irrelevant.passage.split(": ")[-1] or len(right.question.answers[0]) < 4
    assert passages(seed=1) != rows == passages()
    with pytest.raises(InputError, match="0 questions"):
        passages(0)


@pytest.mark.slow
def test_a_real_model_follows_a_right_passage_and_a_wrong_one(smollm2: Model, study: Study) -> None:
    rows = passages(8)
    found = context_use(smollm2, rows, study=study)
    table = found.rows
    assert len(table) == 24 and set(table["follows"]) <= set(FOLLOWS)
    follows = {kind: part["follows"].isin(["passage", "both"]).mean() for kind, part in table.groupby("kind")}
    assert follows["right"] > 0.6 > follows["wrong"] > 0
    assert table.loc[table["kind"] == "right", "correct"].mean() > table["correct_without"].mean()
    spoken = table["answer"] != ""
    assert table.loc[spoken, "attention"].between(0, 1).all() and table.loc[spoken, "lookback"].between(0, 1).all()
    assert table.loc[spoken, "risk"].between(0, 1).all() and (table["risk"] != table["risk_without"]).any()
    summary = found.summary.set_index(["kind", "measure"])
    shares = [summary.loc[("wrong", f"follows {name}"), "value"] for name in FOLLOWS]
    assert sum(shares) == pytest.approx(1) and len(found.sentences()) == 3
    assert "With right passages" in str(found.figure().layout.title.text)
    again = study.scores(smollm2, [f"{table['passage'][0]} {table['question'][0]}"], [table["answer"][0]])
    assert table["risk"][0] == pytest.approx(float(again[0]), abs=1e-3)


def test_own_rows_say_what_they_know(smollm2: Model, command: Command, tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text(
        '{"question": "Who runs Exampleland?", "context": "Exampleland is run by Ada Byron.", "says": "Ada Byron"}\n'
    )
    (row,) = as_passages(file)
    assert row.kind == "given" and row.says == ("Ada Byron",) and row.question.answers == ()
    table = context_use(smollm2, file).rows
    assert table["follows"][0] == "passage" and table["correct"].isna().all() and "risk" not in table
    silent = context_use(smollm2, [{"question": "Who runs Exampleland?", "context": "It is run by Ada Byron."}] * 2)
    assert silent.rows["follows"].isna().all() and "follows passage" not in set(silent.summary["measure"])
    assert silent.sentences() == ["With given passages (2) the answers follow: not known."]
    assert silent.subject.tolist() == [0, 0]  # one question, twice
    with pytest.raises(InputError, match="No row says"):
        silent.figure()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ([{"question": "Who?"}], "no text for context; its columns are question"),
        ([{"question": 3, "context": "c"}], "no text for question"),
        ([{"question": "Who?", "context": "c", "says": 4}], "says that are no texts"),
        ([3], "is an int, not a row"),
        ([], "What was given has no rows"),
    ],
)
def test_rows_that_are_none_are_refused(source: list[object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        as_passages(source)


def test_attention_to_a_passage_is_the_mean_of_the_whole_patterns(llama: Model) -> None:
    from fixtures_tiny import with_words
    from test_scores_with_passes import ANSWERS, SHOTS, Truth

    from inspector.hallucination.answers.context import context_places
    from inspector.hallucination.answers.measure import Meter
    from inspector.hallucination.baselines.lookback import Lookback
    from inspector.hallucination.questions.prompts import Form

    model = with_words(llama)
    meter = Meter(model, Form(shots=SHOTS))
    fed = meter.feed([one.put for one in ANSWERS], [one.ids[0] for one in ANSWERS]).in_full()
    places = context_places(meter, ANSWERS)
    heard = Lookback(fed.spans, places, model.shape.layers_of("attention"))
    meter.watch(fed, [heard])
    for row in fed.rows:
        patterns = Truth.of("LlamaForCausalLM", row.ids).patterns
        start, stop = fed.spans[row.text].answer
        mass = patterns[:, :, start:stop, slice(*places[row.text])].sum(axis=-1).mean()
        assert heard.mass[row.text] == pytest.approx(float(np.mean(mass)), rel=1e-4)
