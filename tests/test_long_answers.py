"""Long answers in parts: where sentences, numbers, dates and names stand, and what their risks are made of."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from fixtures_tiny import Words

from inspector import Study
from inspector.errors import InputError
from inspector.hallucination.answers.own import own_answers
from inspector.hallucination.answers.parts import parts_of
from inspector.hallucination.answers.token_places import places_of, tokens_of_stretch
from inspector.hallucination.probe.probe import risk_of
from inspector.models import Model

CURIE = (
    "Dr. Marie Curie was born in Warsaw on 7 November 1867. She won 2 Nobel Prizes, in 1903 and 1911! The U.S. gave "
    "her 1 gram (3.5%) of radium. Water boils at 100 °C. In Paris, the University of Paris hired her. Paris was home."
)


def said(text: str, kind: str) -> list[str]:
    return [text[part.start : part.stop] for part in parts_of(text) if part.kind == kind]


def test_a_text_has_its_sentences_dates_numbers_and_names() -> None:
    assert len(said(CURIE, "sentence")) == 6
    assert said(CURIE, "sentence")[2] == "The U.S. gave her 1 gram (3.5%) of radium."
    assert said(CURIE, "date") == ["7 November 1867", "1903", "1911"]
    assert said(CURIE, "number") == ["2", "1", "3.5%", "100 °C"]
    names = ["Dr. Marie Curie", "Warsaw", "Nobel Prizes", "U.S", "Paris", "University of Paris", "Paris"]
    assert said(CURIE, "name") == names  # not Water, which has a capital only at a sentence's beginning


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("東京は日本の首都です。人口は1400万人。", ["東京は日本の首都です。", "人口は1400万人。"]),
        ("ไอน์สไตน์เกิดใน 1879\nเขาเป็นนักฟิสิกส์", ["ไอน์สไตน์เกิดใน 1879", "เขาเป็นนักฟิสิกส์"]),
        ("यह सच है। वह गया।", ["यह सच है।", "वह गया।"]),
        ("It costs 3.50 dollars. J. F. Kennedy paid.", ["It costs 3.50 dollars.", "J. F. Kennedy paid."]),
        ("... !!", []),
        ("1. Paris is big.\n2. Lyon is not.", ["1. Paris is big.", "2. Lyon is not."]),
        ("The answer is no. He left.", ["The answer is no.", "He left."]),
    ],
)
def test_sentences_of_other_scripts_and_with_other_full_stops(text: str, sentences: list[str]) -> None:
    assert said(text, "sentence") == sentences


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        (
            "We saw Jan van Eyck and Theresa May in August Wilson.",
            "name",
            ["Jan van Eyck", "Theresa May", "August Wilson"],
        ),
        ("We saw Theresa May.", "date", []),
        ("In May 1945 and on June 3, 1950, in 1939-45.", "date", ["May 1945", "June 3, 1950", "1939"]),
        (
            "Née le 7 novembre 1867, am 3. März 1900 und in mayo 1945.",
            "date",
            ["7 novembre 1867", "3. März 1900", "mayo 1945"],
        ),
        ("They had COVID-19 then.", "name", ["COVID-19"]),
        ("They had COVID-19 at -3 °C.", "number", ["-3 °C"]),
    ],
)
def test_names_dates_and_numbers_are_told_apart(text: str, kind: str, found: list[str]) -> None:
    assert said(text, kind) == found


def test_every_part_is_made_of_the_tokens_that_have_its_characters(smollm2: Model) -> None:
    text = f" {CURIE} 東京は日本の首都です。"
    ids = smollm2.tokenizer(text, add_special_tokens=False)["input_ids"]
    whole, places = places_of(smollm2.tokenizer, ids)
    assert whole == text and len(places) == len(ids) and places == sorted(places)
    for part in parts_of(whole):
        first, last = tokens_of_stretch(places, part.start, part.stop)
        assert whole[part.start : part.stop] in str(smollm2.tokenizer.decode(ids[first:last]))
        if last - first > 1:
            inner = str(smollm2.tokenizer.decode(ids[first + 1 : last - 1]))
            assert len(inner) <= part.stop - part.start


def test_a_part_is_scored_as_an_answer_of_its_tokens_in_its_place(study: Study, smollm2: Model) -> None:
    question, answer = "Who was Marie Curie?", "She was born in Warsaw in 1867. She won 2 Nobel Prizes."
    rows = [{"id": "curie", "question": question, "answer": answer}]
    table = study.explain_parts(smollm2, rows)
    assert set(table["kind"]) == {"sentence", "date", "number", "name"} and set(table["id"]) == {"curie"}
    assert table["risk"].between(0, 1).all() and table["probe"].between(0, 1).all()
    whole = study.explain(smollm2, question, answer)
    odds = np.log(whole.tokens["risk"] / (1 - whole.tokens["risk"])).to_numpy()
    texts = whole.tokens["token"].tolist()
    blank = len("".join(texts)) - len("".join(texts).lstrip())  # the first token's own
    for row in table.itertuples():
        assert answer[row.start : row.stop] == row.text
        start = next(i for i in range(len(texts)) if len("".join(texts[: i + 1])) > row.start + blank)
        expected = risk_of(odds[start : start + row.tokens].mean(keepdims=True))
        assert row.probe == pytest.approx(float(expected[0]), abs=2e-3)
    everything = study.explain_parts(smollm2, [{"question": question, "answer": "Warsaw"}])
    alone = study.score_all(smollm2, [{"question": question, "answer": "Warsaw"}]).answers
    first = everything.iloc[0]
    assert first["kind"] == "sentence" and first["risk"] == pytest.approx(alone["risk"][0], abs=2e-3)


def test_a_conversation_is_put_through_the_chat_template(study: Study, smollm2: Model) -> None:
    turns = [
        {"role": "user", "content": "Who was Marie Curie?"},
        {"role": "assistant", "content": "A physicist from Warsaw.\nShe won two Nobel Prizes."},
    ]
    table = study.explain_parts(smollm2, [{"messages": turns}])
    assert (table["kind"] == "sentence").sum() == 2
    prompt = smollm2.tokenizer.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
    twice = study.explain_parts(smollm2, [{"messages": turns, "answer": turns[1]["content"]}])
    pd.testing.assert_frame_equal(table, twice)  # the answer stands in the prompt once
    same = study.explain_parts(smollm2, [{"question": "Who?", "prompt": prompt, "answer": turns[1]["content"]}])
    pd.testing.assert_frame_equal(table.drop(columns="id"), same.drop(columns="id"))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"messages": [{"role": "user"}]}, "no turns"),
        ({"messages": "hello"}, "no turns"),
        ({"messages": [{"role": "user", "content": 3}]}, "no turns"),
        (
            {"messages": [{"role": "user", "content": "Who?"}], "prompt": "p", "answer": "a"},
            "both messages and a prompt",
        ),
        ({"messages": [{"role": "user", "content": "Who?"}]}, "lacks answer"),
        (
            {
                "messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Me."}],
                "answer": "You.",
            },
            "another answer than its own",
        ),
        ({"messages": [{"role": "assistant", "content": "Me."}]}, "lacks question"),
    ],
)
def test_messages_that_are_none_are_refused(row: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        own_answers([row], labels=False)


def test_a_conversation_needs_a_template(study: Study, smollm2: Model) -> None:
    from dataclasses import replace

    turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Me."}]
    bare = replace(smollm2, tokenizer=Words())
    with pytest.raises(InputError, match="no chat template"):
        study.explain_parts(bare, [{"messages": turns}])
