"""Model folders that are damaged in one way each; `python -m tests.damaged_models` prints docs/damaged-folders.md."""

import json
import os
import pickle
import shutil
import struct
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

VOCAB = 300
SIZES: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
LAYERS = "model.layers.1.mlp.down_proj.weight"
TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}"

Damage = Callable[[Path], None]
"""Changes a whole folder into a damaged one."""


def byte_tokenizer() -> Any:
    """A token for each byte, and two special ones."""
    vocab = {"<s>": 0, "</s>": 1, **{c: i + 2 for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}}
    raw = Tokenizer(models.BPE(vocab, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="</s>", chat_template=TEMPLATE
    )


def whole_folder(folder: Path, **saving: Any) -> Path:
    """A tiny Llama with a tokenizer, as `save_pretrained` leaves them."""
    torch.manual_seed(0)
    hf = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES))
    with torch.no_grad():
        for weight in hf.parameters():
            weight.add_(0.1 * torch.randn_like(weight)) if weight.ndim == 1 else weight.mul_(3)
    hf.save_pretrained(folder, **saving)
    byte_tokenizer().save_pretrained(folder)
    return folder


# -- ways to damage ---------------------------------------------------------------------------------------------------


def write(name: str, content: str | bytes, folder: Path) -> None:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def remove(name: str, folder: Path) -> None:
    (folder / name).unlink()


def edit(name: str, change: Callable[[Any], Any], folder: Path) -> None:
    """Change the content of a JSON file, in place or by giving another."""
    content = json.loads((folder / name).read_text())
    changed = change(content)
    (folder / name).write_text(json.dumps(content if changed is None else changed))


def config(**fields: Any) -> Damage:
    return partial(edit, "config.json", lambda content: content.update(fields))


def settings(**fields: Any) -> Damage:
    return partial(edit, "tokenizer_config.json", lambda content: content.update(fields))


def tokens(change: Callable[[Any], Any]) -> Damage:
    return partial(edit, "tokenizer.json", change)


def weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Damage:
    def damage(folder: Path) -> None:
        file = folder / "model.safetensors"
        content = load_file(file)
        content = {name: x.clone() for name, x in content.items()}
        change(content)
        save_file(content, file, metadata={"format": "pt"})

    return damage


def header(change: Callable[[dict[str, Any]], Any]) -> Damage:
    """Change the header of the safetensors file and nothing else."""

    def damage(folder: Path) -> None:
        file = folder / "model.safetensors"
        content = file.read_bytes()
        size = struct.unpack("<Q", content[:8])[0]
        said = json.loads(content[8 : 8 + size])
        change(said)
        written = json.dumps(said).encode()
        file.write_bytes(struct.pack("<Q", len(written)) + written + content[8 + size :])

    return damage


def truncated(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def sharded(change: Callable[[dict[str, Any]], Any]) -> Damage:
    """The weights in several files, and a change of their index."""

    def damage(folder: Path) -> None:
        remove("model.safetensors", folder)
        whole_folder(folder, max_shard_size="60KB")
        edit("model.safetensors.index.json", change, folder)

    return damage


def renamed(content: dict[str, Any], value: str) -> None:
    content["weight_map"] = dict.fromkeys(content["weight_map"], value)


def forgetful(content: dict[str, Any]) -> None:
    del content["weight_map"][LAYERS]


class Code:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.file}",))


def pickled(folder: Path) -> None:
    """A `.bin` that runs code when it is unpickled."""
    remove("model.safetensors", folder)
    torch.save({LAYERS: Code(folder / "executed")}, folder / "pytorch_model.bin")


def plainly_pickled(folder: Path) -> None:
    remove("model.safetensors", folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Code(folder / "executed")))


def outside(folder: Path) -> None:
    """A weights file that is a link to a file that isn't there."""
    remove("model.safetensors", folder)
    (folder / "model.safetensors").symlink_to("../../nowhere/model.safetensors")


def pipe(name: str, folder: Path) -> None:
    """A pipe in a file's place, from which nothing comes."""
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)


def pickled_without_code(folder: Path) -> None:
    """Ten million layers beside weights in a `.bin`."""
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    remove("model.safetensors", folder)
    config(num_hidden_layers=10**7)(folder)


def python_code(folder: Path) -> None:
    """A model class of the folder's own, which leaves a file behind where it is imported."""
    write("modeling_own.py", f"open({str(folder / 'executed')!r}, 'w')\nclass Own: pass\n", folder)
    config(auto_map={"AutoConfig": "modeling_own.Own", "AutoModelForCausalLM": "modeling_own.Own"}, model_type="own")(
        folder
    )


def split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def many(first: Damage, second: Damage) -> Damage:
    def damage(folder: Path) -> None:
        first(folder)
        second(folder)

    return damage


def vocab_of(content: dict[str, Any]) -> dict[str, int]:
    return content["model"]["vocab"]


def negative(content: dict[str, Any]) -> None:
    vocab_of(content)["a"] = -5


def fraction(content: dict[str, Any]) -> None:
    vocab_of(content)["a"] = 1.5


def same_ids(content: dict[str, Any]) -> None:
    vocab = vocab_of(content)
    vocab["a"] = vocab["b"]


def far_ids(content: dict[str, Any]) -> None:
    vocab = vocab_of(content)
    vocab.update({token: i + 1000 for token, i in vocab.items() if i > 1})


def without_unknown(content: dict[str, Any]) -> None:
    content["model"] = {"type": "WordLevel", "vocab": {"<s>": 0, "</s>": 1, "the": 2}, "unk_token": "<unk>"}
    content["pre_tokenizer"] = {"type": "Whitespace"}


def without_letters(content: dict[str, Any]) -> None:
    content["model"]["vocab"] = {"<s>": 0, "</s>": 1, "#": 2}
    content["post_processor"] = None


def doubling(content: dict[str, Any]) -> None:
    twice = {"type": "Replace", "pattern": {"String": "e"}, "content": "ee"}
    content["normalizer"] = {"type": "Sequence", "normalizers": [twice] * 60}


def appends_eos(content: dict[str, Any]) -> None:
    content["post_processor"]["single"].append({"SpecialToken": {"id": "</s>", "type_id": 0}})
    content["post_processor"]["special_tokens"]["</s>"] = {"id": "</s>", "ids": [1], "tokens": ["</s>"]}


CONFIG: dict[str, Damage] = {
    "no config.json": partial(remove, "config.json"),
    "config.json is empty": partial(write, "config.json", ""),
    "config.json is a list": partial(write, "config.json", "[]"),
    "config.json is null": partial(write, "config.json", "null"),
    "config.json is cut off": partial(write, "config.json", '{"model_type": "llama", "hidden'),
    "config.json is binary": partial(write, "config.json", b"\xff\xfe\x00\x80"),
    "config.json is nested without end": partial(write, "config.json", '{"a":' * 100_000),
    "config.json is a folder": lambda folder: (remove("config.json", folder), (folder / "config.json").mkdir())[0],
    "no model_type": partial(edit, "config.json", lambda c: {k: v for k, v in c.items() if k != "model_type"}),
    "an unknown model_type": config(model_type="from_the_future"),
    "model_type is a number": config(model_type=5),
    "model_type is a list": config(model_type=["llama"]),
    "model_type of an encoder": config(model_type="bert", architectures=["BertModel"]),
    "no architectures": config(architectures=None),
    "architectures is a string": config(architectures="LlamaForCausalLM"),
    "architectures of another model": config(architectures=["GPT2LMHeadModel"]),
    "a model class of its own": python_code,
    "heads are a string": config(num_attention_heads="4"),
    "heads are null": config(num_attention_heads=None),
    "no heads": config(num_attention_heads=0),
    "heads are negative": config(num_attention_heads=-4),
    "heads are a fraction": config(num_attention_heads=4.5),
    "heads are a list": config(num_attention_heads=[4]),
    "heads don't divide": config(num_attention_heads=5, head_dim=None),
    "key heads don't divide": config(num_key_value_heads=3),
    "no key heads": config(num_key_value_heads=0),
    "head_dim is 0": config(head_dim=0),
    "head_dim is negative": config(head_dim=-8),
    "head_dim is odd": config(head_dim=7),
    "no layers": config(num_hidden_layers=0),
    "fewer layers": config(num_hidden_layers=1),
    "more layers": config(num_hidden_layers=3),
    "ten million layers": config(num_hidden_layers=10_000_000),
    "layers beyond 64 bits": config(num_hidden_layers=10**30),
    "ten million layers and a .bin": pickled_without_code,
    "hidden_size of 10^12": config(hidden_size=10**12),
    "hidden_size is true": config(hidden_size=True),
    "hidden_size is NaN": config(hidden_size=float("nan")),
    "vocab_size of 10^12": config(vocab_size=10**12),
    "vocab_size below the weights'": config(vocab_size=100),
    "vocab_size is 0": config(vocab_size=0),
    "intermediate_size of 10^15": config(intermediate_size=10**15),
    "max_position_embeddings is 0": config(max_position_embeddings=0),
    "max_position_embeddings is a string": config(max_position_embeddings="many"),
    "an unknown hidden_act": config(hidden_act="from_the_future"),
    "hidden_act is a number": config(hidden_act=3),
    "rms_norm_eps is a string": config(rms_norm_eps="small"),
    "rms_norm_eps is NaN": config(rms_norm_eps=float("nan")),
    "rope_scaling is a string": config(rope_scaling="linear"),
    "rope_scaling of an unknown kind": config(rope_scaling={"rope_type": "from_the_future", "factor": 2.0}),
    "rope_parameters is a list": config(rope_parameters=[1, 2]),
    "rope_theta is 0": config(rope_parameters={"rope_type": "default", "rope_theta": 0}),
    "an unknown dtype": config(dtype="float3"),
    "dtype is a number": config(dtype=32),
    "quantization_config is a string": config(quantization_config="int4"),
    "quantization_config of an unknown kind": config(quantization_config={"quant_method": "from_the_future"}),
    "quantization_config of a library that is missing": config(
        quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}
    ),
    **{
        f"quantization_config of {kind}": config(quantization_config={"quant_method": kind, **more})
        for kind, more in {
            "torchao": {"quant_type": "int4_weight_only"},
            "gptq": {"bits": 4},
            "awq": {"bits": 4},
            "fp8": {},
            "mxfp4": {},
            "compressed-tensors": {"config_groups": 7},
        }.items()
    },
    "text_config is an object": config(text_config={"hidden_size": 32}),
    "text_config is null": config(text_config=None),
    "text_config is a string": config(text_config="large"),
    "layer_types is too short": config(layer_types=["full_attention"]),
    "attention_bias is an object": config(attention_bias={}),
    "tie_word_embeddings is a string": config(tie_word_embeddings="yes"),
    "bos_token_id is a string": config(bos_token_id="<s>"),
    "pad_token_id over the vocabulary": config(pad_token_id=10**6),
}

WEIGHTS: dict[str, Damage] = {
    "no weights": partial(remove, "model.safetensors"),
    "empty weights": partial(write, "model.safetensors", b""),
    "weights that are text": partial(write, "model.safetensors", b"version https://git-lfs.github.com/spec/v1\n" * 3),
    "weights that are cut off": truncated,
    "a header larger than the file": partial(write, "model.safetensors", struct.pack("<Q", 10**12) + b"{}"),
    "a header of another dtype": header(lambda h: h[LAYERS].update(dtype="F16")),
    "a header of an unknown dtype": header(lambda h: h[LAYERS].update(dtype="F3")),
    "a header of another shape": header(lambda h: h[LAYERS].update(shape=[64, 32])),
    "a header of a huge shape": header(lambda h: h[LAYERS].update(shape=[10**9, 10**9])),
    "a header that reaches beyond": header(lambda h: h[LAYERS].update(data_offsets=[0, 10**12])),
    "a weight of another shape": weights(lambda w: w.update({"model.norm.weight": torch.ones(7)})),
    "a missing weight": weights(lambda w: w.pop(LAYERS)),
    "an unexpected weight": weights(lambda w: w.update({"model.layers.1.surprise": torch.ones(2)})),
    "no weight at all": weights(lambda w: w.clear()),
    "a weight that is NaN": weights(lambda w: w[LAYERS].fill_(torch.nan)),
    "a weight that is infinite": weights(lambda w: w[LAYERS].fill_(torch.inf)),
    "weights of integers": weights(lambda w: w.update({k: x.int() for k, x in w.items()})),
    "embeddings of zeros": weights(lambda w: w["model.embed_tokens.weight"].zero_()),
    "a .bin with code": pickled,
    "a .bin that is a plain pickle": plainly_pickled,
    "a pipe instead of weights": partial(pipe, "model.safetensors"),
    "a link to nowhere": outside,
    "a shard index that is a list": sharded(lambda index: []),
    "a shard index without a map": sharded(lambda index: {"metadata": {}}),
    "a shard index whose map is a list": sharded(lambda index: index.update(weight_map=["a", "b"])),
    "a shard index with numbers": sharded(lambda index: index.update(weight_map=dict.fromkeys(index["weight_map"], 7))),
    "a shard that is missing": sharded(lambda index: renamed(index, "model-00009-of-00009.safetensors")),
    "a shard outside the folder": sharded(lambda index: renamed(index, "../other.safetensors")),
    "a shard with an absolute path": sharded(lambda index: renamed(index, "/etc/passwd")),
    "a shard index that forgets weights": sharded(forgetful),
    "adapter_config.json is a list": partial(write, "adapter_config.json", "[]"),
    "generation_config.json is a list": partial(write, "generation_config.json", "[]"),
    "generation_config.json is cut off": partial(write, "generation_config.json", '{"eos'),
    "generation_config.json with a string": partial(write, "generation_config.json", '{"eos_token_id": "</s>"}'),
}

TOKENIZER: dict[str, Damage] = {
    "no tokenizer": lambda folder: [remove(n, folder) for n in ("tokenizer.json", "tokenizer_config.json")].clear(),
    "a pipe instead of a chat template": partial(pipe, "chat_template.jinja"),
    "tokenizer.json is missing": partial(remove, "tokenizer.json"),
    "tokenizer.json is empty": partial(write, "tokenizer.json", ""),
    "tokenizer.json is a list": partial(write, "tokenizer.json", "[]"),
    "tokenizer.json is cut off": partial(write, "tokenizer.json", '{"version": "1.0", "mod'),
    "tokenizer.json of a newer version": tokens(lambda c: c.update(version="9.0")),
    "a pre-tokenizer from the future": tokens(lambda c: c.update(pre_tokenizer={"type": "FromTheFuture", "x": 1})),
    "a model from the future": tokens(lambda c: c.update(model={"type": "FromTheFuture", "vocab": {}})),
    "no model in tokenizer.json": tokens(lambda c: {k: v for k, v in c.items() if k != "model"}),
    "a decoder from the future": tokens(lambda c: c.update(decoder={"type": "FromTheFuture"})),
    "added_tokens is an object": tokens(lambda c: c.update(added_tokens={"a": 1})),
    "merges of unknown tokens": tokens(lambda c: c["model"].update(merges=[["no", "where"]])),
    "merges are numbers": tokens(lambda c: c["model"].update(merges=[1, 2])),
    "a negative id": tokens(negative),
    "an id that is a fraction": tokens(fraction),
    "two tokens with one id": tokens(same_ids),
    "ids over the vocabulary": tokens(far_ids),
    "an unknown token that is missing": tokens(without_unknown),
    "no token for ordinary text": tokens(without_letters),
    "a regular expression that explodes": tokens(lambda c: c.update(pre_tokenizer=split(r"(\w+\s?)+$|(.*)*\d{99}"))),
    "another one": tokens(lambda c: c.update(pre_tokenizer=split(r"(a|a)+$|([a-zA-Z ,]+)*#"))),
    "a regular expression that is none": tokens(lambda c: c.update(pre_tokenizer=split("(unclosed"))),
    "a normalizer that doubles 60 times": tokens(doubling),
    "a tokenizer that appends EOS": tokens(appends_eos),
    "a template that names no token": tokens(lambda c: c["post_processor"].update(special_tokens={})),
    "tokenizer_config.json is a list": partial(write, "tokenizer_config.json", "[]"),
    "tokenizer_config.json is cut off": partial(write, "tokenizer_config.json", '{"bos'),
    "an unknown tokenizer class": settings(tokenizer_class="FromTheFuture"),
    "a tokenizer class that is a number": settings(tokenizer_class=5),
    "bos_token is a list": settings(bos_token=["<s>"]),
    "bos_token is a number": settings(bos_token=5),
    "eos_token that no vocabulary has": settings(eos_token="<nowhere>"),
    "model_max_length is a string": settings(model_max_length="long"),
    "added_tokens_decoder is a list": settings(added_tokens_decoder=[1]),
    "added_tokens_decoder with a negative id": settings(added_tokens_decoder={"-3": {"content": "<x>"}}),
    "extra_special_tokens is a number": settings(extra_special_tokens=7),
    "padding_side is unknown": settings(padding_side="up"),
    "a chat template that is a number": many(settings(chat_template=7), partial(remove, "chat_template.jinja")),
    "a chat template that raises": partial(write, "chat_template.jinja", "{{ raise_exception('Only user turns') }}"),
    "a chat template that is no template": partial(write, "chat_template.jinja", "{% for %}"),
    "a chat template without end": partial(
        write,
        "chat_template.jinja",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    ),
}

DAMAGES = {**CONFIG, **WEIGHTS, **TOKENIZER}
"""What is wrong → how it is made so."""


def damaged(whole: Path, folder: Path, name: str) -> Path:
    """A copy of a whole folder with this damage."""
    shutil.copytree(whole, folder)
    DAMAGES[name](folder)
    return folder


def outcome(folder: Path) -> str:
    """What loading it says: the message of the refusal, or that it loads."""
    from inspector.errors import ModelError
    from inspector.models import load_model

    try:
        load_model(folder, device="cpu")
    except ModelError as error:
        return str(error).replace(f"{folder}", folder.name)
    return "loads"


PAGE = """# Damaged model folders

What `inspector.load_model(folder)` says of a tiny model that is damaged in one way; *loads* where the damage leaves the
model as it is. Printed by `python -m tests.damaged_models`; a test checks every one: a single line, in seconds, and no
code of the folder run.

| what is wrong | what is said |
|---|---|"""


def main() -> None:
    """Print the page."""
    print(PAGE)
    with tempfile.TemporaryDirectory() as scratch:
        whole = whole_folder(Path(scratch) / "whole")
        for number, name in enumerate(DAMAGES):
            said = outcome(damaged(whole, Path(scratch) / str(number) / "tiny", name))
            print(f"| {name} | {'*loads*' if said == 'loads' else said.replace('|', chr(92) + '|')} |")


if __name__ == "__main__":
    main()
