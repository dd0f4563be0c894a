"""Two models on the same tokens, against all activations kept."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fixtures_cli import Command
from fixtures_tiny import BEHAVIOURS, Words, loaded, with_words

from inspector import Evidence, Finding, ModelDifferences, Site, compare_models, examine, load_model, models
from inspector.analyses.found_in_two import _rows
from inspector.errors import InputError
from inspector.figures import error_over_depth
from inspector.interventions.values import zero_ablate
from inspector.models import Model
from inspector.quantisation.apply import quantised
from inspector.testing import PlantedSink, PlantedSpike, planted_model, random_texts, tiny_hf, tiny_model

TEXTS = random_texts(9, 12, 40)


def other(architecture: str, seed: int = 1) -> Model:
    """The same tiny model with a little noise in its weights."""
    hf = tiny_hf(architecture)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in hf.parameters():
            weight.add_(0.01 * weight.std() * torch.randn(weight.shape, generator=generator))
    return load_model(hf, device="cpu")


def brute_force(model: Model, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Every layer's stream `[layer, pos, dim]` and the logits, kept whole by plain hooks."""
    streams: dict[int, np.ndarray] = {}
    points = {site.layer: point for site, point in model.hooks.items() if site.kind == "resid_post"}
    handles = [
        point.register_forward_hook(lambda m, i, out, layer=layer: streams.update({layer: out[0].double().numpy()}))
        for layer, point in points.items()
    ]
    logits = model.logits(torch.tensor([ids]))[0].double().numpy()
    for handle in handles:
        handle.remove()
    return np.stack([streams[layer] for layer in sorted(streams)]), logits


@pytest.mark.parametrize("architecture", [name for name in BEHAVIOURS if name != "MambaForCausalLM"])
def test_every_number_agrees_with_all_activations_kept(architecture: str) -> None:
    first, second = loaded(architecture), other(architecture)
    found = compare_models(first, second, TEXTS)
    errors, cosines, squared, whole, dims, kls, changed, losses = [], [], 0.0, 0.0, 0.0, [], [], []
    for ids in TEXTS:
        (a, mine), (b, theirs) = brute_force(first, ids), brute_force(second, ids)
        gap = np.linalg.norm(b - a, axis=2)
        errors.append((gap / np.linalg.norm(a, axis=2)).mean(axis=1))
        sizes = np.linalg.norm(a, axis=2) * np.linalg.norm(b, axis=2)
        cosines.append(((a * b).sum(axis=2) / sizes).mean(axis=1))
        squared, whole = squared + (gap**2).sum(axis=1), whole + (a**2).sum(axis=(1, 2))
        dims = dims + ((b - a) ** 2).sum(axis=1)
        p, q = (x - np.log(np.exp(x).sum(axis=1, keepdims=True)) for x in (mine, theirs))
        kls.append((np.exp(p) * (p - q)).sum(axis=1))
        changed.append(p.argmax(axis=1) != q.argmax(axis=1))
        losses.append([-x[np.arange(len(ids) - 1), ids[1:]] for x in (p, q)])
    layers = found.layers
    assert layers["relative_error"].to_numpy() == pytest.approx(np.mean(errors, axis=0), rel=1e-3)
    assert layers["cosine"].to_numpy() == pytest.approx(np.mean(cosines, axis=0), rel=1e-5)
    assert layers["sqnr"].to_numpy() == pytest.approx(10 * np.log10(whole / squared), abs=0.01)
    assert layers["dim"].tolist() == np.argmax(dims, axis=1).tolist()
    assert layers["dim_share"].to_numpy() == pytest.approx(
        (dims / dims.sum(axis=1, keepdims=True)).max(axis=1), rel=1e-2
    )
    tokens = found.tokens
    assert tokens["kl"].to_numpy() == pytest.approx(np.concatenate(kls), abs=1e-4)
    assert (tokens["changed"].to_numpy() == np.concatenate(changed)).mean() > 0.98  # ties round
    for column, number in (("loss_first", 0), ("loss_second", 1)):
        expected = np.concatenate([np.r_[np.nan, one[number]] for one in losses])
        assert tokens[column].to_numpy() == pytest.approx(expected, abs=1e-3, nan_ok=True)
    summary = found.summary.set_index("measure")
    assert summary.loc["kl", "value"] == pytest.approx(np.mean([kl.mean() for kl in kls]), abs=1e-5)
    assert summary.loc["kl", "low"] < summary.loc["kl", "value"] < summary.loc["kl", "high"]


@pytest.fixture(scope="module")
def noisy() -> ModelDifferences:
    return compare_models(loaded("LlamaForCausalLM"), other("LlamaForCausalLM"), TEXTS)


def test_batches_change_nothing_and_texts_keep_their_order(
    noisy: ModelDifferences, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.analyses.two_models.ROOM", 1)
    alone = compare_models(loaded("LlamaForCausalLM"), other("LlamaForCausalLM"), TEXTS)
    assert alone.tokens["kl"].to_numpy() == pytest.approx(noisy.tokens["kl"].to_numpy(), abs=1e-5)
    assert alone.tokens["text"].tolist() == [n for n, ids in enumerate(TEXTS) for _ in ids]


def test_windows_of_a_text_are_one_text() -> None:
    first, second = loaded("LlamaForCausalLM"), other("LlamaForCausalLM")
    found = compare_models(first, second, TEXTS, window=16)
    tokens = found.tokens
    assert tokens["text"].nunique() > tokens["source"].nunique() == len(TEXTS) == found.summary["n"].max()
    by_text = tokens.groupby("source")["kl"].mean()
    assert found.summary.set_index("measure").loc["kl", "value"] == pytest.approx(by_text.mean())
    assert found.by_text["error"].shape == (len(TEXTS), first.shape.layers)


def test_predictions_of_nan_logits_are_no_predictions() -> None:
    hf = tiny_hf("LlamaForCausalLM")
    broken = load_model(hf, device="cpu")
    with torch.no_grad():
        hf.lm_head.weight[3] = torch.nan
    found = compare_models(broken, loaded("LlamaForCausalLM"), TEXTS)
    assert found.tokens["kl"].isna().all() and found.tokens["changed"].isna().all()
    with pytest.raises(InputError, match=r"got 0 for window"):
        compare_models(broken, broken, TEXTS, window=0)
    with pytest.raises(InputError, match="token id outside"):
        compare_models(broken, broken, [[3, 1000]])


def test_a_model_does_not_differ_from_itself() -> None:
    found = compare_models(loaded("LlamaForCausalLM"), loaded("LlamaForCausalLM"), TEXTS)
    assert (found.layers["relative_error"] == 0).all() and np.isinf(found.layers["sqnr"]).all()
    assert found.summary["value"].abs().max() < 1e-9
    assert "No layer's stream differs." in found.sentences()
    assert error_over_depth(found.layers).layout.title.text == "No layer's stream differs"


def test_an_intervention_differs_from_its_layer_on_and_in_its_dim() -> None:
    model = loaded("LlamaForCausalLM")
    found = compare_models(
        model, model, TEXTS, interventions=[zero_ablate(Site("resid_post", 1), units=(3,), positions=(0,))]
    )
    error = found.layers["relative_error"].to_numpy()
    assert error[0] == 0 and (error[1:] > 0).all()
    assert found.layers.loc[1, ["dim", "dim_share", "first_token"]].tolist() == [3, 1.0, 1.0]
    assert "as it is changed" in found.sentences()[0]
    assert not any("interventions" in note for note in examine(model, TEXTS[:1]).notes)


def test_what_is_not_finite_is_said_and_not_counted() -> None:
    hf = tiny_hf("LlamaForCausalLM")
    broken = load_model(hf, device="cpu")
    with torch.no_grad():
        hf.model.embed_tokens.weight[TEXTS[2][4]] = torch.nan
    found = compare_models(loaded("LlamaForCausalLM"), broken, TEXTS)
    hit = sum(len(ids) - ids.index(TEXTS[2][4]) for ids in TEXTS if TEXTS[2][4] in ids)
    assert found.layers["lost"].max() >= hit > 0 and found.layers["relative_error"].notna().all()
    assert any("isn't finite" in said for said in found.sentences())


def test_models_that_can_not_be_compared_are_refused_in_one_line() -> None:
    first = loaded("LlamaForCausalLM")
    with pytest.raises(InputError, match=r"their layers are \d+ and \d+"):
        compare_models(first, planted_model(), TEXTS)
    wide = replace(tiny_model(seed=1), shape=replace(first.shape, vocab=7))
    with pytest.raises(InputError, match=r"their vocabulary are 101 and 7"):
        compare_models(first, wide, TEXTS)

    class Backwards(Words):
        def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
            return {"input_ids": super().__call__(text, add_special_tokens)["input_ids"][::-1]}

    with pytest.raises(InputError, match="tokenizers differ: text 1 has other tokens"):
        compare_models(with_words(first), replace(first, tokenizer=Backwards()), ["one", "two words"], bos=False)


def test_worst_tokens_stand_in_their_text(noisy: ModelDifferences) -> None:
    worst = noisy.worst(3)
    assert worst["kl"].tolist() == sorted(noisy.tokens["kl"], reverse=True)[:3]
    row = worst.iloc[0]
    around = row["before"] + row["token"] + row["after"]
    assert around in "".join(f"#{i}" for i in TEXTS[int(row["text"])])


def test_differences_are_shown(noisy: ModelDifferences) -> None:
    assert len(repr(noisy)) < 200 and "\n" not in repr(noisy)
    assert "<table" in noisy._repr_html_()
    assert error_over_depth(noisy.layers).data[0].y is not None
    assert set(noisy.dims["rank"]) == set(range(8)) and noisy.dims.groupby("layer")["share"].sum().max() <= 1 + 1e-9


def test_the_command_compares_models_and_runs(
    command: Command, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = iter([with_words(loaded("LlamaForCausalLM")), with_words(other("LlamaForCausalLM"))] * 2)
    monkeypatch.setattr(models, "load_model", lambda *names, **options: next(made))
    told = command("compare", "one", "other", "--texts", "9")
    assert told.code == 0 and "differs from" in told.out and "Tokens after which predictions differ most" in told.out
    as_json = json.loads(command("compare", "one", "other", "--texts", "9", "--json").out)
    assert {"first", "second", "summary", "layers", "dims", "worst", "findings"} == set(as_json)
    runs = [tmp_path_factory.mktemp("runs") / name for name in ("a", "b")]
    for number, run in enumerate(runs):
        examine(planted_model(seed=number), TEXTS).save(run)
    told = command("compare", str(runs[0]), str(runs[1]))
    assert told.code == 0 and "Numbers that both runs have" in told.out
    told = command("compare", str(runs[0]), "other")
    assert told.code == 2 and "is a run, and the other is none" in told.err


def test_findings_of_either_model_are_set_side_by_side() -> None:
    first = planted_model((PlantedSpike(layer=2, dim=5), PlantedSpike(layer=4, dim=9)), (PlantedSink(layer=1, head=2),))
    second = planted_model(
        (PlantedSpike(layer=2, dim=5), PlantedSpike(layer=4, dim=11)), (PlantedSink(layer=3, head=0),)
    )
    texts = random_texts(8, 64, 70, trigger=7)
    found = compare_models(first, second, texts)
    table = found.findings
    for model, score, gone in (
        (first, "first", ["in both", "gone", "moved"]),
        (second, "second", ["in both", "appeared"]),
    ):
        scanned = {
            (one.detector, one.kind, one.layer, one.unit, one.position): one.score
            for one in examine(model, texts).findings
        }
        rows = table[table[score].notna()]
        places = zip(rows["detector"], rows["kind"], rows["layer"], rows["unit"], rows["position"], strict=True)
        assert dict(zip(places, rows[score], strict=True)) == pytest.approx(scanned)
        assert set(rows["change"]) <= {*gone, "moved"}
    by_unit = table[table["detector"] == "massive"].groupby("unit")["change"].agg(set).to_dict()
    assert by_unit == {5: {"in both"}, 9: {"gone"}, 11: {"appeared"}}
    sinks = table[table["detector"] == "sinks"].set_index(["layer", "unit"])["change"].to_dict()
    assert sinks == {(1, 2): "gone", (3, 0): "appeared"}
    assert "Massive activation: " in " ".join(found.sentences())
    assert compare_models(first, second, texts[:2], detectors=[]).findings.empty


class Failing:
    """A detector that fails where it is asked to."""

    kinds: tuple[str, ...] = ("resid_post",)

    def __init__(self, where: str) -> None:
        self.name, self.where = f"fails_in_{where}", where

    def reducer(self, model: Model) -> "Failing":
        if self.where == "reducer":
            raise ValueError("no reducer")
        return self

    def update(self, batch: Any, site: Site, x: torch.Tensor) -> None:
        if self.where == "update":
            raise ValueError("no update")
        if self.where == "overwriting":
            x.zero_()

    def merge(self, other: "Failing") -> None:
        raise NotImplementedError

    def evidence(self) -> Evidence:
        arrays = {"text": np.arange(2)} if self.where == "judge" else {"rows": np.arange(2)}
        return Evidence(self.name, arrays, dict.fromkeys(arrays, ("text",)), dict.fromkeys(arrays, "text"), {})

    def judge(self, evidence: Evidence, names: Any) -> list[Finding]:
        raise ValueError("no judgement")


@pytest.mark.parametrize("where", ["reducer", "update", "overwriting", "evidence", "judge"])
def test_a_detector_that_fails_costs_its_own_part_only(where: str) -> None:
    first, second = loaded("LlamaForCausalLM"), other("LlamaForCausalLM")
    plain = compare_models(first, second, TEXTS[:2], detectors=[])
    found = compare_models(first, second, TEXTS[:2], detectors=[Failing(where), "massive"])
    assert found.summary["value"].tolist() == plain.summary["value"].tolist()
    assert len(found.notes) == 1 and f"fails_in_{where}" in found.notes[0] and found.notes[0] in found.sentences()


def test_a_finding_at_another_token_has_moved() -> None:
    def at(layer: int, unit: int, position: int) -> Finding:
        return Finding("massive", "massive activation", layer, unit, position, None, 5.0, np.nan, np.nan, 1.0)

    rows = _rows([at(1, 5, 0), at(1, 5, 3), at(2, 6, 0)], [at(1, 5, 4), at(1, 5, 3)])
    assert [(row["change"], row["position"], row["from_position"]) for row in rows] == [
        ("in both", 3, None),
        ("moved", 4, 0),
        ("gone", 0, None),
    ]


def test_a_copy_under_a_scheme_is_compared_with_the_model(llama: Model) -> None:
    copy = tiny_model("LlamaForCausalLM")
    assert compare_models(llama, copy, TEXTS[:2], detectors=[]).summary["value"].abs().max() < 1e-6
    with quantised(copy, "w4"):
        found = compare_models(llama, copy, TEXTS[:2], detectors=[])
        by_hand = [copy.logits(torch.tensor([ids])).log_softmax(dim=-1)[0] for ids in TEXTS[:2]]
    before = [llama.logits(torch.tensor([ids])).log_softmax(dim=-1)[0] for ids in TEXTS[:2]]
    kls = [float((a.exp() * (a - b)).sum(dim=-1).mean()) for a, b in zip(before, by_hand, strict=True)]
    assert found.summary["value"].iloc[0] == pytest.approx(np.mean(kls), rel=1e-3) and kls[0] > 1e-4
