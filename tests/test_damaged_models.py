"""Damaged model folders: each is refused in one line, soon, and nothing of it is run; or it loads and is right."""

import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest
import torch
from damaged_models import DAMAGES, byte_tokenizer, damaged, edit, outcome, split, tokens, whole_folder, write
from fixtures_cli import Command

from inspector.errors import ModelError
from inspector.models import load_model, tokenizer_files
from inspector.models.backend import Backend

LOADING = {
    "no architectures",
    "architectures is a string",
    "architectures of another model",
    "quantization_config of an unknown kind",
    "quantization_config of fp8",
    "quantization_config of mxfp4",
    "text_config is null",
    "embeddings of zeros",
    "a shard index that forgets weights",
    "generation_config.json with a string",
    "two tokens with one id",
    "a tokenizer that appends EOS",
    "an unknown tokenizer class",
    "eos_token that no vocabulary has",
    "added_tokens_decoder with a negative id",
    "a chat template that is a number",
    "a chat template that raises",
    "a chat template that is no template",
    "a chat template without end",
}
"""What is wrong with these leaves the model as it is, or concerns what not everybody uses."""

NAMED = {
    "config.json is a list": "config.json",
    "an unknown model_type": "model_type.*from_the_future.*transformers",
    "a model class of its own": "Python code of its own.*trust_remote_code",
    "heads are a string": "num_attention_heads",
    "no heads": "num_attention_heads = 0",
    "ten million layers": "num_hidden_layers = 10000000",
    "an unknown hidden_act": "hidden_act = 'from_the_future'",
    "vocab_size of 10^12": "GB of memory",
    "text_config is an object": "text_config",
    "quantization_config of torchao": "torchao",
    "a weight of another shape": r"model\.norm\.weight, \[7\] in the weights and \[32\] by config",
    "weights that are cut off": r"model\.safetensors",
    "a .bin with code": r"\.bin holds more than tensors",
    "a shard index that is a list": r"model\.safetensors\.index\.json",
    "a shard outside the folder": r"outside the folder, '\.\./other",
    "no tokenizer": r"no tokenizer\. .*tokenizer=",
    "tokenizer.json of a newer version": "tokenizer can't be loaded.*version",
    "ids over the vocabulary": "token id 1053.*0–299",
    "an unknown token that is missing": "UNK",
    "a regular expression that explodes": "patterns in tokenizer.json",
    "a normalizer that doubles 60 times": "come to no end",
}
"""What the line must name, where it can be told."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_folder(tmp_path_factory.mktemp("whole") / "tiny")


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_files, "SECONDS", 2.0)


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_folder_is_refused_in_one_line_or_loads(name: str, whole: Path, tmp_path: Path) -> None:
    folder = damaged(whole, tmp_path / "tiny", name)
    start = time.monotonic()
    said = outcome(folder)
    assert time.monotonic() - start < 10
    assert not (folder / "executed").exists()
    assert (said == "loads") == (name in LOADING), said
    assert said.isprintable() and len(said) <= 300
    if name in NAMED:
        assert re.search(NAMED[name], said), said


def test_the_page_names_each_damage_and_what_is_said() -> None:
    page = (Path(__file__).parent.parent / "docs" / "damaged-folders.md").read_text()
    said = dict(line.strip("| ").split(" | ", 1) for line in page.splitlines() if line.startswith("| "))
    assert set(said) - {"what is wrong"} == set(DAMAGES)
    assert {name for name in DAMAGES if said[name] == "*loads*"} == LOADING


def test_what_loads_in_spite_of_its_damage_gives_the_whole_models_logits(whole: Path, tmp_path: Path) -> None:
    ids = torch.tensor([[5, 6, 7, 8]])
    want = load_model(whole, device="cpu").logits(ids)
    for name in ("no architectures", "architectures of another model", "a shard index that forgets weights"):
        got = load_model(damaged(whole, tmp_path / name, name), device="cpu").logits(ids)
        assert torch.equal(got, want)


def test_a_long_path_leaves_room_for_what_is_wrong(whole: Path, tmp_path: Path) -> None:
    folder = damaged(whole, tmp_path / ("deep" * 50) / "tiny", "heads are a string")
    with pytest.raises(ModelError, match="num_attention_heads") as caught:
        load_model(folder)
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize("name", ["heads are a string", "a pre-tokenizer from the future", "a .bin with code"])
def test_the_command_says_it_in_one_line_too(name: str, whole: Path, tmp_path: Path, command: Command) -> None:
    folder = damaged(whole, tmp_path / "tiny", name)
    done = command("examine", "--quiet", "--text", "a", "--model", str(folder), "--out", str(tmp_path / "run"))
    assert done.code == 2 and done.out == ""
    assert len(done.err.strip().splitlines()) == 1 and done.err.startswith("inspector: ")
    assert not (tmp_path / "run").exists()


# -- sound folders -----------------------------------------------------------------------------------------------------

PATTERNS = {
    "GPT-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "Llama 3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+",
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
"""The regular expressions by which much-used tokenizers split a text."""


@pytest.mark.parametrize("family", PATTERNS)
def test_the_patterns_of_much_used_tokenizers_pass(family: str, whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "tiny"))
    both = [
        split(PATTERNS[family]),
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    ]
    tokens(lambda c: c.update(pre_tokenizer={"type": "Sequence", "pretokenizers": both}))(folder)
    assert load_model(folder, device="cpu").tokenizer("a b")["input_ids"]


def test_links_to_files_elsewhere_are_followed_as_in_the_hubs_cache(whole: Path, tmp_path: Path) -> None:
    blobs, folder = Path(shutil.copytree(whole, tmp_path / "blobs")), tmp_path / "snapshots" / "tiny"
    folder.mkdir(parents=True)
    for file in blobs.iterdir():
        (folder / file.name).symlink_to(Path("../../blobs") / file.name)
    assert load_model(folder, device="cpu").card["source"] == "folder"


def test_a_folder_in_half_precision_and_one_in_shards_load(tmp_path: Path) -> None:
    sharded = whole_folder(tmp_path / "sharded", max_shard_size="60KB")
    edit("config.json", lambda content: content.update(dtype="bfloat16"), sharded)
    assert load_model(sharded, device="cpu", dtype="bfloat16").card["dtype"] == "bfloat16"


def test_a_tokenizer_that_is_handed_over_spares_the_folders_own(whole: Path, tmp_path: Path) -> None:
    folder = damaged(whole, tmp_path / "tiny", "a pre-tokenizer from the future")
    own = byte_tokenizer()
    assert load_model(folder, tokenizer=own, device="cpu").tokenizer is own


def test_more_memory_than_is_free_is_refused_before_anything_is_read(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backend, "host_bytes", lambda backend: 100_000)
    with pytest.raises(ModelError, match=r"takes 0\.0 GB of memory, and 0\.0 GB are free"):
        load_model(whole, device="cpu")


def test_code_of_a_folder_is_only_run_where_that_is_asked_for(whole: Path, tmp_path: Path) -> None:
    folder = damaged(whole, tmp_path / "tiny", "a model class of its own")
    with pytest.raises(ModelError, match="Python code of its own"):
        load_model(folder)
    assert not (folder / "executed").exists()


def test_a_missing_shard_of_weights_that_a_link_hides_is_named(whole: Path, tmp_path: Path) -> None:
    folder = whole_folder(tmp_path / "tiny", max_shard_size="60KB")
    shard = sorted(folder.glob("model-*.safetensors"))[0]
    os.replace(shard, tmp_path / "elsewhere")
    shard.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=shard.name):
        load_model(folder)


def test_layers_are_compared_with_the_weights_in_a_nested_config_too(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "tiny"))
    text = json.loads((folder / "config.json").read_text())
    text |= {"num_hidden_layers": 10**7, "model_type": "gemma3_text"}
    write("config.json", json.dumps({"model_type": "gemma3", "text_config": text}), folder)
    with pytest.raises(ModelError, match="num_hidden_layers = 10000000"):
        load_model(folder)
