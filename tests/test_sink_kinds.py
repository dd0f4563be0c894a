"""Sinks at a later key, at one that moves, in some texts only, and on a learned logit: found, said and tested."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures_tiny import loaded
from hypothesis import given
from hypothesis import strategies as st

from inspector import Report, examine, verify
from inspector.batches import pad_rows, tokenise
from inspector.detectors.agreement import agreed, agreed_by_place
from inspector.detectors.measured import with_sources
from inspector.detectors.sinks.detector import Sinks
from inspector.detectors.sinks.thresholds import Thresholds
from inspector.detectors.sinks.trials import SinkTrials
from inspector.detectors.trials import Case, Settings
from inspector.models import Model
from inspector.models.attention import AttentionBlock
from inspector.models.attention_sums import add_up
from inspector.sites import Site
from inspector.testing import TRIGGER, PlantedSink, measure, planted_model, random_texts
from inspector.verification.text_bench import TextBench
from inspector.verification.trials import Outcomes, run


@pytest.fixture(scope="module")
def sinking() -> Model:
    return planted_model(sinks=[PlantedSink(1, 2, strength=1.0)])


def texts_at(*positions: int) -> list[list[int]]:
    """Texts with the trigger at these positions; −1 where a text has none."""
    rows = random_texts(len(positions), 70, 70)
    return [ids if at < 0 else [*ids[:at], TRIGGER, *ids[at + 1 :]] for ids, at in zip(rows, positions, strict=True)]


def said(report: Report) -> str:
    (part,) = [one for one in report.parts if one.name == "sinks"]
    return "\n".join(sentence.text for sentence in part.ask("sentences"))


@pytest.mark.parametrize("position", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_a_sink_at_a_fixed_later_key_has_its_position_and_is_tested(sinking: Model, position: int) -> None:
    texts = texts_at(*[position] * 32)
    report = examine(sinking, texts, ["sinks"])
    (found,) = report.findings
    assert (found.kind, found.layer, found.unit, found.position) == ("attention sink", 1, 2, position)
    assert f"on token {position}." in said(report) and "moves" not in said(report)
    tested = verify(report, sinking, texts, twins=20)
    effects = tested.frame("effects").query("metric == 'kl'").set_index("op")
    assert effects.loc["hide", "n"] == 16
    assert effects.loc["hide", "target"] == f"key {position} of head 2 of layer 1"
    assert tested.findings[0].verdict == effects.loc["hide", "verdict"]


def test_a_sink_that_moves_is_tested_at_each_texts_own_key(sinking: Model) -> None:
    texts = texts_at(*(5 + 3 * (i % 8) for i in range(32)))
    report = examine(sinking, texts, ["sinks"])
    (found,) = report.findings
    assert (found.kind, found.position, found.token) == ("attention sink", None, f"#{TRIGGER}")
    tested = verify(report, sinking, texts, twins=20)
    (effect,) = [one for one in tested.effects if (one.op, one.metric) == ("hide", "kl")]
    assert (effect.n, effect.target) == (16, "the key that moves of head 2 of layer 1")
    assert tested.findings[0].verdict == effect.verdict != "candidate"


def test_a_key_that_moves_is_hidden_where_each_text_has_it(sinking: Model) -> None:
    texts = texts_at(*(5 + 3 * (i % 8) for i in range(32)))
    (part,) = examine(sinking, texts, ["sinks"]).parts
    rows = [row for row in tokenise(None, texts, bos=None, window=64) if row.start == 0]
    evidence = measure(Sinks(), sinking, [row.ids for row in rows])
    numbered = [replace(row, text=i) for i, row in enumerate(rows)]
    bench = TextBench(sinking, numbered)
    case = Case(part, sinking, part.findings, bench, bench.metrics, numbered, (), Settings(20), evidence=evidence)
    alone = SinkTrials().planned(case).trials[0]
    hidden = {i: doses[1.0][0].positions for i, doses in alone.elsewhere.items()}
    assert hidden == {i: (row.ids.index(TRIGGER),) for i, row in enumerate(numbered)}
    outcomes = Outcomes(bench)
    (effect,) = run(outcomes, [replace(alone, claims={"loss": "change"})])
    each = [outcomes.slopes(doses, 0.0, ["loss"])["loss"][i] for i, doses in alone.elsewhere.items()]
    assert effect.change == pytest.approx(np.mean(each), abs=1e-9)


def test_a_sink_in_some_texts_is_a_finding_of_its_own_kind_with_the_share_of_texts(sinking: Model) -> None:
    texts = texts_at(*(0 if i in (0, 4, 8, 14, 20, 26) else -1 for i in range(32)))
    report = examine(sinking, texts, ["sinks"])
    (found,) = report.findings
    assert (found.kind, found.layer, found.unit, found.position) == ("dormant sink", 1, 2, 0)
    assert found.score > 0.9
    row = report.frame("sinks.heads").query("layer == 1 and head == 2").iloc[0]
    assert (row["kind"], row["active"], row["active_texts"]) == ("dormant sink", 6 / 32, 6)
    assert "in 19% of texts (6)" in said(report) and "1 of 24 heads is a sink in some texts" in said(report)
    effects = verify(report, sinking, texts, twins=20).frame("effects")
    assert (effects["n"] == 6).all() and set(effects["op"]) == {"hide"}


def test_a_head_that_is_no_sink_anywhere_has_no_kind(sinking: Model) -> None:
    report = examine(sinking, texts_at(*[-1] * 24), ["sinks"])
    assert report.findings == () and set(report.frame("sinks.heads")["kind"]) == {""}


def test_a_head_with_its_mass_on_a_learned_sink_is_said_and_is_no_sink_of_a_token(unplanted: Model) -> None:
    rows = tokenise(None, random_texts(10, 64, 64), bos=None, window=100)
    batch, reducer = pad_rows(rows), Sinks().reducer(unplanted)
    causal = torch.ones(64, 64).tril()
    even = (causal / causal.sum(-1, keepdim=True)).expand(10, 4, 64, 64).clone()
    mass = torch.zeros(10, 4, 64)
    even[:, 1] *= 0.02
    mass[:, 1] = 0.98
    log = even.log().clamp(min=-1e6)
    sums = add_up([log], torch.zeros(10, 4, 64), torch.empty(10 * 4 * 64 * 64))
    for layer in range(unplanted.shape.layers):
        block = AttentionBlock(0, 64, lambda: log, mass, torch.ones(10, 4, 64), last=True, add_up=lambda: sums)
        reducer.update(batch, Site("attention", layer), block)
    evidence = with_sources(reducer.evidence(), rows, unplanted.card)
    found = Sinks().judge(evidence, {}, Thresholds())
    assert {(one.kind, one.layer, one.unit) for one in found} == {("learned sink", layer, 1) for layer in range(6)}
    assert found[0].score == pytest.approx(0.98) and found[0].position is None


def test_a_learned_sink_is_in_a_sentence_and_is_not_tested_as_a_key() -> None:
    model = loaded("GptOssForCausalLM")
    report = examine(model, random_texts(8, 64, 70), ["sinks"], thresholds={"sinks": {"epsilon": 0.05}})
    learned = [one for one in report.findings if one.kind == "learned sink"]
    assert learned and "learned sink, a logit that is no token" in said(report)
    top = report.frame("sinks.heads")["sink_mass"].max()
    assert learned[0].score == pytest.approx(top)


@contextmanager
def broken(model: Model, layer: int) -> Iterator[None]:
    """The stream of each batch's first row is NaN at one place after this layer."""
    point = model.bridge.blocks[layer].hook_out

    def poison(x: torch.Tensor, hook: object) -> torch.Tensor:
        x = x.clone()
        x[0, 2, 4] = float("nan")
        return x

    handle = point.add_hook(poison)
    try:
        yield
    finally:
        handle.hook.remove()
        point.fwd_hooks.remove(handle)


@pytest.mark.parametrize("layer", [0, 3])
def test_a_text_that_is_not_finite_in_some_layers_is_in_no_rate(sinking: Model, layer: int) -> None:
    texts = texts_at(*[0] * 6, *[-1] * 6)
    with broken(sinking, layer):
        report = examine(sinking, texts, ["sinks"], batch_tokens=100_000)
    rates = {
        "controls": report.frame("sinks.controls").set_index("input").loc["texts", "sink_rate"],
        "keys": report.frame("sinks.keys")["sink_rate"].iloc[0],
        "layers": report.frame("sinks.layers")["sink_rate"].mean(),
        "curve": report.frame("sinks.curve").set_index("epsilon").loc[0.3, "sink_rate"],
        "heads": report.frame("sinks.heads").query("key == 0")["sink_rate"].sum() / 24,
    }
    whole = examine(sinking, texts[1:], ["sinks"]).frame("sinks.controls").set_index("input").loc["texts", "sink_rate"]
    assert all(rates[name] == pytest.approx(whole) for name in ("controls", "keys", "layers", "curve")), rates
    assert report.frame("sinks.controls")["n"].iloc[0] == 11 == report.frame("sinks.keys")["n_texts"].iloc[0]
    (part,) = [one for one in report.parts if one.name == "sinks"]
    assert part.ask("headlines")["sink rate at key 0"].value == pytest.approx(whole)
    assert any("in no rate at all" in note for note in report.notes)


def test_texts_that_are_too_short_say_so_everywhere_and_nothing_fails(sinking: Model) -> None:
    from inspector.show.figures import figures
    from inspector.show.html import render
    from inspector.show.sentences import paragraphs

    for texts in ([[9]], [[9], [10]], [[9, 11, 12]]):
        report = examine(sinking, texts, ["massive", "sinks"])
        assert not [note for note in report.notes if "failed" in note]
        for name in report.frames():
            report.frame(name)
        assert paragraphs(report) and figures(report) and "failed in" not in render(report)
        for part in report.parts:
            part.ask("headlines"), part.ask("tiles")


def test_kinds_are_verdicts_of_their_own_in_the_table_of_heads(sinking: Model) -> None:
    heads = examine(sinking, texts_at(*[0] * 12), ["sinks"]).frame("sinks.heads")
    row = heads.query("layer == 1 and head == 2").iloc[0]
    assert (row["kind"], row["verdict"], row["active"]) == ("attention sink", "candidate", 1.0)
    assert pd.isna(heads.query("kind == ''")["active_received"]).all() and np.isfinite(row["active_received"])


@given(
    texts=st.integers(0, 12),
    heads=st.integers(1, 3),
    share=st.floats(0, 1),
    seed=st.integers(0, 1000),
    dtype=st.sampled_from(["int32", "int64", "uint32"]),
)
def test_what_texts_agree_on_at_many_places_is_what_they_agree_on_at_each(
    texts: int, heads: int, share: float, seed: int, dtype: str
) -> None:
    draw = np.random.default_rng(seed)
    keys = np.where(draw.random((texts, 2, heads)) < 0.93, 7, draw.integers(0, 9, (texts, 2, heads)))
    keys, asked = keys.astype(dtype), draw.random(keys.shape) < share
    each = [agreed(keys[:, *place][asked[:, *place]]) for place in np.ndindex(2, heads)]
    assert agreed_by_place(keys, asked).reshape(-1).tolist() == [-1 if one is None else one for one in each]
