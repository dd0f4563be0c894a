"""What a notebook gives and gets: inputs as people have them, errors in a line, objects that can be looked at."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
import transformers
from fixtures_tiny import Words, with_words

import inspector
from inspector import (
    Report,
    Site,
    Spared,
    compare,
    describe_neurons,
    examine,
    intervene,
    load_model,
    logit_lens,
    loss,
    open_run,
    verify,
)
from inspector.errors import InputError, ModelError
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import Question, as_questions, load
from inspector.interventions.values import zero_ablate
from inspector.models import Model
from inspector.run.differences import unlike
from inspector.testing import PlantedSpike, planted_model, random_texts, tiny_hf
from inspector.texts import as_texts

TEXTS = ["one two", "three"]


@pytest.fixture(scope="module")
def scanned() -> tuple[Model, Report]:
    model = planted_model([PlantedSpike(2, 5)])
    return model, examine(model, random_texts(4, 32, 70, trigger=7))


def streamed() -> Any:
    return datasets.Dataset.from_dict({"text": TEXTS}).to_iterable_dataset()


@pytest.mark.parametrize(
    ("given", "column"),
    [
        (tuple(TEXTS), None),
        ((text for text in TEXTS), None),
        (np.array(TEXTS), None),
        (pd.Series(TEXTS), None),
        (pd.DataFrame({"text": TEXTS, "n": [1, 2]}), None),
        (pd.DataFrame({"words": TEXTS}), "words"),
        (pa.table({"words": TEXTS}), "words"),
        ({"words": TEXTS}, "words"),
        ([{"text": text} for text in TEXTS], None),
        (datasets.Dataset.from_dict({"text": TEXTS}), None),
        (streamed(), None),
    ],
)
def test_texts_are_taken_from_whatever_holds_them(given: Any, column: str | None) -> None:
    assert as_texts(given, column) == TEXTS


def test_a_file_s_path_is_its_texts_and_a_string_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two", encoding="utf-8")
    assert as_texts(tmp_path / "a.txt") == as_texts([tmp_path / "a.txt"]) == ["one two"]
    with pytest.raises(InputError, match=r"one string where a list"):
        as_texts(str(tmp_path / "a.txt"))


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ({"input_ids": [[5, 6, 0], [7, 8, 9]], "attention_mask": [[1, 1, 0], [1, 1, 1]]}, [[5, 6], [7, 8, 9]]),
        ({"input_ids": torch.tensor([[0, 5]]), "attention_mask": torch.tensor([[0, 1]])}, [[5]]),
        ({"input_ids": [5, 6], "attention_mask": [1, 1]}, [[5, 6]]),
        ({"input_ids": torch.tensor([5, 6])}, [[5, 6]]),
    ],
)
def test_what_a_tokenizer_gave_is_its_ids_without_padding(given: Any, ids: list[list[int]]) -> None:
    assert [[int(i) for i in row] for row in as_texts(given)] == ids


@pytest.mark.parametrize(
    ("given", "column", "said"),
    [
        (pd.DataFrame({"a": TEXTS}), None, r"DataFrame without the column 'text'; it has a\. Pass the column"),
        ({"a": TEXTS}, None, r"dict without the column 'text'"),
        (pd.DataFrame({"a": TEXTS}), "b", r"without the column 'b'"),
        ([{"a": "x"}], None, r"Row 0 has no 'text'; it has a"),
        (TEXTS, "a", r"column='a' was given, and the texts are no table"),
        ({"text": "one"}, None, r"Got one row, whose 'text' is a string"),
        (datasets.DatasetDict({"train": datasets.Dataset.from_dict({"text": TEXTS})}), None, r"several splits: train"),
        ({"one", "two"}, None, r"a set of texts, which has no order"),
        (b"one", None, r"Got bytes where a list"),
        (None, None, r"Got NoneType where a list"),
        (7, None, r"Got int where a list"),
        ([], None, r"No texts were given"),
    ],
)
def test_what_holds_no_texts_is_refused_in_one_line(given: Any, column: str | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        as_texts(given, column)


@pytest.mark.parametrize("text", [b"abc", [True, False], [1.5], 3, None, float("nan")])
def test_what_is_no_text_is_named_by_its_number(text: Any) -> None:
    with pytest.raises(InputError, match=r"Text 1 \(\w+\) is neither a string nor a sequence of token ids"):
        examine(planted_model(), [[1, 2], text])


def test_a_conversation_is_what_the_chat_template_writes() -> None:
    model = with_words(planted_model(), "any")
    turns = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    written = Words()("user : one \n assistant : two \n", add_special_tokens=False)["input_ids"]
    for given in (turns, [turns]):
        assert examine(model, given).tokens["id"].tolist() == written
    with pytest.raises(InputError, match="no chat template"):
        examine(with_words(planted_model()), turns)


QUESTION = Question("1", "q", ("a",))


@pytest.mark.parametrize(
    "given",
    [
        [QUESTION],
        [("q", "a")],
        [("q", ["a"])],
        [{"question": "q", "answers": ["a"]}],
        [{"question": "q", "answer": "a"}],
        [{"question": "q", "answer": "a", "aliases": ["a"]}],
        pd.DataFrame({"question": ["q"], "answers": ['["a"]']}),
        pa.table({"question": ["q"], "aliases": [["a"]]}),
    ],
)
def test_questions_are_taken_from_whatever_holds_them(given: Any) -> None:
    assert as_questions(given) == [QUESTION]


def test_questions_of_a_csv_file_and_without_answers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('question,answers\nq,"[""a""]"\nwho,[]\n', encoding="utf-8")
    assert as_questions(tmp_path / "a.csv") == [QUESTION, Question("2", "who", ())]
    assert as_questions(["q"]) == [Question("1", "q", ())]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([3], r"row 1 is an int\. Give a question"),
        (5, r"Questions were given as an int"),
        (pd.DataFrame({"a": [1]}), r"which is no known schema"),
        ([("q", 5)], r"has 5 for answers"),
        (pd.DataFrame({"question": ["q"], "answer": [None]}), r"row 1 has an empty answer"),
        (pd.DataFrame({"question": ["q"], "gold": ["a"]}), r"no known schema"),
    ],
)
def test_what_is_no_question_is_refused_in_one_line(given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        as_questions(given)


def unchecked(kind: Any) -> Callable[..., Any]:
    """A dataclass made without the checks of types that tests run under."""

    def make(*values: Any) -> Any:
        made = object.__new__(kind)
        for field, value in zip(fields(kind), values, strict=False):
            object.__setattr__(made, field.name, value)
        made.__post_init__()
        return made

    return make


def test_one_string_is_no_list_of_answers_and_a_template_is_no_form() -> None:
    with pytest.raises(InputError, match=r"one string\. Pass \('Paris',\)"):
        unchecked(Question)("i", "q", "Paris")
    with pytest.raises(InputError, match=r"No form 'Q: .*There is: few-shot, chat"):
        unchecked(Form)("Q: {question}\nA:")


WALK = """
import inspector
for name in dir(inspector):
    getattr(inspector, name)
print(*dir(inspector))
from inspector.testing import planted_model, random_texts
model = planted_model()
report = inspector.examine(model, random_texts(2, 16, 70))
good = {"model": model, "report": report, "study": report, "texts": [[1, 2]]}
functions = [getattr(inspector, n) for n in inspector.__all__ if n[0].islower()]
def tried(what, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
        print(function.__name__, what, "passed", sep="|")
    except inspector.InspectorError as error:
        print(function.__name__, what, "told", " ".join(str(error).split("\\n")), str(error).count("\\n"), sep="|")
    except BaseException as error:
        print(function.__name__, what, type(error).__name__, error, sep="|")
for f in functions:
    tried("wrong type", f, object())
    tried("none", f, None)
    if f is not inspector.compare:  # which takes just that
        tried("swapped", f, report, report)
    tried("swapped", f, [[1, 2]], model)
    tried("misspelt", f, model, nonsense=1)

import inspect
from inspector.plugin import zero_ablate
study = inspector.Study(report.card, report.settings, report.evidence, (), report.tokens)
change, pair = zero_ablate(inspector.Site("resid_post", 1), (3,)), {"first": model, "second": model}
good |= {"study": study, "prompts": [[1, 2]], "prompt": [1, 2], "interventions": change, "limit": inspector.Window()}
good |= {"how": "w8a8", "neurons": [(0, 1)], "reports": [report, report], "folder": "nowhere", "models": [model]}
for f in functions:
    these = good | (pair if f is inspector.compare_models else {"first": report, "second": report})
    parameters = inspect.signature(f).parameters.values()
    needed = [these.get(one.name) for one in parameters if one.default is one.empty]
    for one in parameters:
        if one.default is not one.empty:
            tried(one.name, f, *needed, **{one.name: object()})
class Else: pass
for method, given in (
    (study.score, ("q", "a")), (study.scores, (["q"], ["a"])), (study.explain, ("q", "a")),
    (study.score_all, ([],)), (study.explain_parts, ([],)),
):
    tried("model", method, Else(), *given)
    if given[-1]:
        tried("answer", method, model, *given[:-1], Else())
    tried("base_rate", method, model, *given, base_rate=2)
for method in (report.frame, report.figure, report.save, study.save_probe):
    tried("name", method, Else())
tried("judge", report.judge, massive=5)
tried("judge", report.judge, {"massive": {"ratio": 5}})
for make, given in (
    (inspector.Window, ("x", 64)), (inspector.Window, (float("nan"), 8)), (inspector.Spared, (5,)),
    (inspector.Site, ("resid_post", -1)), (inspector.Intervention, ("resid_post", "zero")),
    (zero_ablate, ("resid_post", (1,))), (inspector.HeavyHitters, (2.5, 4)),
):
    tried("made of", make, *given)
"""


def test_public_names_are_found_and_every_function_says_what_is_wrong_with_its_arguments() -> None:
    """Without the checks of types that tests run under, as a user has it."""
    done = subprocess.run([sys.executable, "-c", WALK], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr
    names, *lines = done.stdout.splitlines()
    rows = [line.split("|") for line in lines]
    bare = [row for row in rows if row[2] != "told"]
    assert not bare, "\n".join("|".join(row)[:150] for row in bare)
    assert {name for name in inspector.__all__ if name[0].islower()} <= {row[0] for row in rows}
    assert all(len(row[3]) < 400 and row[4] == "0" for row in rows)
    # Tab completion finds the public names and modules, and nothing else.
    assert set(names.split()) == {*inspector.__all__, *inspector.MODULES}
    assert {"figures", "texts", "plugin"} <= set(inspector.MODULES)


def without_findings(report: Report) -> Report:
    return replace(report, findings=())


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda model, report: verify(model, report),
            r"verify\(report, model, texts\) got a Model for report\. Pass a R",
        ),
        (lambda model, report: examine(model, [[1]], widow=3), r"takes no 'widow'.* Did you mean 'window'\?"),
        (lambda model, report: examine(model, [[1]], ["masive"]), r"No detector 'masive'.* Did you mean 'massive'\?"),
        (lambda model, report: report.frame("massive.layer"), r"Did you mean 'massive\.layers'\?"),
        (lambda model, report: report.figure("massive.lifecycle"), r"Did you mean 'massive\.life_cycle'\?"),
        (lambda model, report: report.judge(massive={"ration": 1}), r"Did you mean 'ratio'\?"),
        (lambda model, report: report.findings.of("massif"), r"Did you mean 'massive'\?"),
        (lambda model, report: without_findings(report).findings.of("masive"), r"Did you mean 'massive'\?"),
        (lambda model, report: report.part("masive"), r"No detector 'masive'.* Did you mean 'massive'\?"),
        (
            lambda model, report: report.findings.with_verdict("confrmed"),
            r"got 'confrmed' for verdict\. Pass one of candidate, .* Did you mean 'confirmed'\?",
        ),
        (
            lambda model, report: report.findings.in_layer("11"),
            r"got '11' for layer\. Pass a whole number of 0 or more",
        ),
        (lambda model, report: report.findings.in_layer(1.0), r"got 1\.0 for layer\. Pass a whole number"),
        (lambda model, report: report.findings.in_layer(-1), r"got -1 for layer\. Pass a whole number"),
        (lambda model, report: report.findings.in_layer(True), r"got True for layer\. Pass a whole number"),
        (lambda model, report: logit_lens(report, [[1]]), r"got a Report for model\. Pass a Model, from load_model"),
        (
            lambda model, report: report.judge(massive={"ratio": 10**400}),
            r"ratio is 1000.*Use a finite number",
        ),
        (lambda model, report: report.judge(massive={"ratio": float("inf")}), r"is inf\. Use a finite number"),
        (lambda model, report: report.judge(massive={1: 2}), r"got a dict for massive\. Pass a mapping of str to any"),
        (lambda model, report: examine(model, [[1]], {"massive": {"ratio": 5}}), r"Pass thresholds as thresholds="),
        (lambda model, report: compare(report, report).figure(["x"]), r"got a list for name\. Pass a str"),
        (
            lambda model, report: describe_neurons(model, ("a", "b")),
            r"a and 1 more is no neuron\. Pass pairs of a layer and a",
        ),
        (lambda model, report: loss(model, pd.DataFrame({"a": ["b"]})), r"it has a\. Pass the column that holds"),
        (lambda model, report: load(3), r"got 3 for source\. Pass a str or a Path"),
        (lambda model, report: zero_ablate(Site("resid_post", 1), (True,)), r"for units\. Pass a list of whole number"),
    ],
)
def test_what_was_meant_is_said(
    scanned: tuple[Model, Report], call: Callable[[Model, Report], object], said: str
) -> None:
    with pytest.raises(inspector.InspectorError, match=said):
        call(*scanned)


@pytest.mark.parametrize("number", [np.float32(500), np.int64(500), np.float64(500)], ids=repr)
def test_a_number_of_numpy_s_is_a_threshold(scanned: tuple[Model, Report], number: Any) -> None:
    _, report = scanned
    assert report.judge(massive={"ratio": number}).findings == report.judge(massive={"ratio": 500}).findings


def test_every_item_of_an_argument_is_looked_at() -> None:
    for _ in range(20):  # a look at one of them, drawn at random, would let some by
        with pytest.raises(InputError, match="got a tuple for tokens"):
            Spared(tokens=(0, 1, 2.5))


def test_neurons_come_as_pairs_as_an_array_or_as_a_table(scanned: tuple[Model, Report]) -> None:
    model, _ = scanned
    pairs = [(2, 5), (3, 1)]
    for given in (pairs, np.array(pairs), pd.DataFrame(pairs, columns=["layer", "neuron"])):
        states = describe_neurons(model, given, [[1, 2, 3]]).states
        assert list(zip(states["layer"], states["neuron"], strict=True)) == pairs


def test_a_detector_that_fails_to_judge_again_is_said_and_keeps_its_findings(
    scanned: tuple[Model, Report],
) -> None:
    _, report = scanned
    massive = report.evidence["massive"]
    arrays = {name: array for name, array in massive.arrays.items() if name != "histogram"}
    broken = replace(report, evidence={**report.evidence, "massive": replace(massive, arrays=arrays)})
    with pytest.raises(inspector.errors.DetectorError, match=r"massive.*judge"):
        broken.judge(massive={"ratio": 500})
    again = broken.judge()
    assert again.findings == report.findings and "failed in judge" in again.notes[-1]
    assert broken.judge(sinks={"epsilon": 0.3}).findings.of("massive") == report.findings.of("massive")


def test_objects_show_themselves_in_one_line_without_their_arrays(scanned: tuple[Model, Report]) -> None:
    model, report = scanned
    lens = logit_lens(model, [[1, 2, 3]])
    for one in (model, report, report.findings, report.evidence["massive"], lens):
        assert len(repr(one)) < 200 and "\n" not in repr(one) and "array(" not in repr([one])
    name, count = model.card["name"], len(report.findings)
    assert repr(report) == f"<Report of {name} on 4 texts: massive, sinks; {count} findings>"


def test_a_report_s_page_in_a_notebook_is_small_and_escaped(scanned: tuple[Model, Report]) -> None:
    model, report = scanned
    named = replace(report, card={**report.card, "name": "<script>alert(1)</script>"}, notes=("<img src=x>",))
    page = named._repr_html_()
    assert len(page.encode()) < 50_000 and "<script" not in page and "<img" not in page
    assert "<svg" in page and "massive.layers" in page and "report.figure(" in page
    assert set(re.findall(r"<(\w+)", page)) <= {
        *("div", "style", "details", "summary", "p", "svg", "title", "path", "polyline", "text", "br", "span", "code"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }


def test_findings_can_be_narrowed_down(scanned: tuple[Model, Report]) -> None:
    _, report = scanned
    some = report.findings.of("massive").in_layer(3)
    assert len(some) and {(one.detector, one.layer) for one in some} == {("massive", 3)}
    assert report.findings == tuple(report.findings) and len(some.frame()) == len(some)
    assert not some.with_verdict("confirmed") and some.with_verdict("candidate") == some
    assert some == report.findings.of("massive").in_layer(np.int64(3)) and not report.findings.of("hneurons")


def test_a_detector_that_measured_nothing_has_no_part_and_one_that_is_not_there_is_refused(
    scanned: tuple[Model, Report],
) -> None:
    _, report = scanned
    assert report.part("massive") in report.parts and report.part("hneurons") is None
    plugin = replace(report, evidence={**report.evidence, "left": report.evidence["massive"]})
    assert plugin.part("left") is None and plugin.findings.of("left") == ()
    assert plugin.figures() == report.figures()


def test_figures_and_sentences_are_a_report_s_own(scanned: tuple[Model, Report]) -> None:
    _, report = scanned
    assert "massive.life_cycle" in report.figures()
    assert report.figure("massive.life_cycle").data
    assert any("dim 5" in one.text for one in report.sentences())


def test_a_saved_report_shows_the_same(scanned: tuple[Model, Report], tmp_path: Path) -> None:
    _, report = scanned
    assert repr(open_run(report.save(tmp_path / "run"))) == repr(report)


def same(first: Report, second: Report) -> bool:
    return all(
        np.array_equal(array, second.evidence[name][key], equal_nan=True)
        for name, evidence in first.evidence.items()
        for key, array in evidence.arrays.items()
    )


@pytest.mark.parametrize("architecture", ["GPT2LMHeadModel", "LlamaForCausalLM"])
def test_training_mode_and_autocast_change_no_number_and_come_back(architecture: str) -> None:
    hf, texts = tiny_hf(architecture), random_texts(3, 24, 70)
    for part in hf.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.5
    hf.train()
    model = load_model(hf, device="cpu")
    assert hf.training
    training = examine(model, texts)
    assert hf.training and torch.is_grad_enabled()
    hf.eval()
    assert same(training, examine(model, texts))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert same(training, examine(model, texts))
        assert torch.is_autocast_enabled("cpu")


def test_each_scan_has_the_fingerprint_of_the_weights_it_saw() -> None:
    model, texts = planted_model([PlantedSpike(2, 5)]), random_texts(4, 32, 70, trigger=7)
    first = examine(model, texts)
    with torch.no_grad():
        model.bridge.original_model.lm_head.weight.mul_(1.1)
    second = examine(model, texts)
    assert first.card["fingerprint"] != second.card["fingerprint"]
    assert {one.facts["model"] for one in second.evidence.values()} == {second.card["fingerprint"]}
    with pytest.raises(InputError, match="has other weights"):
        verify(first, model)


def test_hooks_of_the_user_s_are_noted_and_ours_are_not() -> None:
    model, texts = planted_model(), random_texts(2, 16, 70)
    plain = examine(model, texts)
    assert not any("hooks of yours" in note for note in plain.notes) and "hooks" not in plain.settings
    point = model.bridge.blocks[1].hook_mlp_out
    handle = point.add_hook(lambda x, hook: x * 2)
    mine = model.bridge.original_model.transformer.h[0].register_forward_hook(lambda *all: None)
    noted = examine(model, texts)
    assert [note for note in noted.notes if "hooks of yours" in note and "blocks.1.mlp.hook_out" in note]
    assert len(noted.settings["hooks"]) == 2
    mine.remove()
    handle.hook.remove()
    assert not any("hooks of yours" in note for note in examine(model, texts).notes)


def test_runs_that_begin_otherwise_are_said_to_differ() -> None:
    model = with_words(planted_model())
    first, second = (examine(model, ["one two one"], bos=bos) for bos in (True, False))
    assert unlike(first, second) == ["The texts or their tokens differ.", "BOS: each text and none."]
    assert not unlike(first, first)


@pytest.mark.parametrize(
    "architecture",
    [
        "GPT2LMHeadModel",
        "LlamaForCausalLM",
        *(pytest.param(f"{name}ForCausalLM", marks=pytest.mark.slow) for name in ("Phi", "Falcon")),
    ],
)
def test_a_released_model_is_the_one_that_was_given_to_the_key(architecture: str, tmp_path: Path) -> None:
    hf, ids = tiny_hf(architecture), torch.arange(3, 15)[None]
    keys, names = list(hf.state_dict()), [name for name, _ in hf.named_modules()]
    attributes, attends = set(vars(hf)), hf.config._attn_implementation
    with torch.no_grad():
        logits = hf(ids).logits
    for _ in range(2):
        model = load_model(hf, device="cpu")
        examine(model, [[1, 2, 3]])
        assert model.release() is hf
        assert list(hf.state_dict()) == keys and [name for name, _ in hf.named_modules()] == names
        assert set(vars(hf)) == attributes and hf.config._attn_implementation == attends
        with torch.no_grad():
            assert torch.equal(hf(ids).logits, logits)
    hf.save_pretrained(tmp_path / "again")
    with pytest.raises(ModelError, match="has been released"):
        examine(model, [[1, 2, 3]])
    with pytest.raises(ModelError, match="nothing to give back"):
        model.release()


def test_a_model_loaded_from_a_folder_can_be_released_and_saved(tiny_folder: Path, tmp_path: Path) -> None:
    plain = transformers.AutoModelForCausalLM.from_pretrained(tiny_folder)
    net = load_model(str(tiny_folder), device="cpu").release()
    assert list(net.state_dict()) == list(plain.state_dict())
    net.save_pretrained(tmp_path)
    again, told = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not told["unexpected_keys"] and list(again.state_dict()) == list(plain.state_dict())


def test_a_model_that_can_not_be_loaded_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    hf = tiny_hf("LlamaForCausalLM")
    keys, attributes, attends = list(hf.state_dict()), set(vars(hf)), hf.config._attn_implementation
    with monkeypatch.context() as broken:
        broken.setattr("inspector.models.checks.working_sites", lambda *all: {})
        with pytest.raises(ModelError):
            load_model(hf, device="cpu")
    assert list(hf.state_dict()) == keys and set(vars(hf)) == attributes
    assert hf.config._attn_implementation == attends
    model = load_model(hf, device="cpu")
    assert len(examine(model, [[1, 2, 3]]).frame("tokens")) == 3 and model.release() is hf


def test_what_a_user_added_stays_when_a_model_is_released() -> None:
    hf = tiny_hf("LlamaForCausalLM")
    model = load_model(hf, device="cpu")
    hf.mine, hf.model.adapter = "kept", torch.nn.Linear(2, 2)
    model.release()
    assert hf.mine == "kept" and isinstance(hf.model.adapter, torch.nn.Linear)
    assert any("model.adapter" in key for key in hf.state_dict())


def test_dropout_of_one_part_in_training_changes_no_number() -> None:
    hf, texts = tiny_hf("GPT2LMHeadModel"), random_texts(3, 24, 70)
    model = load_model(hf, device="cpu")
    plain = examine(model, texts)
    dropouts = [part for part in hf.modules() if isinstance(part, torch.nn.Dropout)]
    for part in dropouts:
        part.p = 0.5
        part.train()
    assert dropouts and not hf.training and same(plain, examine(model, texts))
    assert all(part.training for part in dropouts)


def test_a_report_s_arrays_have_a_name_for_each_axis_in_xarray(
    scanned: tuple[Model, Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, report = scanned
    tree = report.to_xarray()
    for name, evidence in report.evidence.items():
        node = tree[name].to_dataset()
        assert node.attrs.keys() == evidence.facts.keys()
        for key, values in evidence.arrays.items():
            np.testing.assert_array_equal(node[key].to_numpy(), values)
            named = zip(node[key].dims, evidence.axes[key], strict=True)
            assert all(axis in (own, f"{own}_2") for axis, own in named)
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(InputError, match="xarray is not installed"):
        report.to_xarray()


def test_two_reports_are_compared_in_words_numbers_and_figures(scanned: tuple[Model, Report]) -> None:
    model, report = scanned
    with intervene(model, zero_ablate(Site("mlp_out", 2), range(model.shape.d_model))):
        other = examine(model, random_texts(8, 64, 70, trigger=7))
    both = compare(report, other)
    numbers = both.numbers.set_index("number")
    assert numbers.loc["sink rate at key 0", "difference"] == pytest.approx(
        numbers.loc["sink rate at key 0", "second"] - numbers.loc["sink rate at key 0", "first"]
    )
    assert len(both.sentences()) == 1 + len(numbers) + len(both.unlike) and "numbers" in repr(both)
    assert both.figures() and all(both.figure(name).data for name in both.figures())
    assert "<table" in both._repr_html_()
    with pytest.raises(InputError, match="No figure 'x'"):
        both.figure("x")
