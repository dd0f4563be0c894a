"""Interventions do what they say, at the tokens they name, on every path, and leave nothing behind."""

import gc
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SINKS, SPIKES
from fixtures_tiny import architectures, loaded
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers.cache_utils import DynamicCache

from inspector import examine
from inspector.batches import batches, tokenise
from inspector.errors import InputError, ModelError
from inspector.interventions.apply import intervene
from inspector.interventions.means import means
from inspector.interventions.values import (
    KINDS_OF,
    TENSORS,
    Intervention,
    Mean,
    Target,
    as_json,
    clamp,
    from_json,
    scale,
    set_to,
)
from inspector.interventions.values import (
    ablate_output as drop,
)
from inspector.interventions.values import (
    knock_out_attention as unattend,
)
from inspector.interventions.values import (
    mean_ablate as to_mean,
)
from inspector.interventions.values import (
    zero_ablate as zero,
)
from inspector.models import Decoder, Model, load_model
from inspector.models import attention_prefix as sharing
from inspector.models import generate as decoding
from inspector.models.changes import changes_in_force
from inspector.models.observe import observe
from inspector.sites import Site
from inspector.testing import TINY, TRIGGER, random_texts, tiny_hf, tiny_model

DEAF = ("OPTForCausalLM", "GPTJForCausalLM", "GPTNeoForCausalLM")
"""Architectures whose attention the bridge shows and does not compute."""
HEARING = [name for name in TINY if name not in (*DEAF, "MambaForCausalLM")]

IDS = torch.tensor(random_texts(1, 12, 12))
RESID, MLP, ATTN, NEURON = (Site(kind, 1) for kind in ("resid_post", "mlp_out", "attn_out", "neuron"))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny matrices are slower on several threads, which wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=architectures())
def model(request: pytest.FixtureRequest) -> Model:
    return loaded(request.param)


class Keeping:
    """Keeps each text's own activations, without padding."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds
        self.seen: dict[tuple[str, int, int], Tensor] = {}

    def update(self, batch: Any, site: Site, x: Any) -> None:
        for row, text in enumerate(batch.text.tolist()):
            self.seen[site.kind, site.layer, text] = x[row, : int(batch.lengths[row])].clone()


def rows_of(texts: list[list[int]]) -> Any:
    return tokenise(None, texts, bos=None, window=256)


def kept(model: Model, texts: list[list[int]], *kinds: str, tokens: int = 500, **options: Any) -> dict[Any, Tensor]:
    keeping = Keeping(*kinds)
    observe(model, batches(rows_of(texts), tokens), [keeping], **options)
    return keeping.seen


def trace_of(model: Model) -> list[object]:
    """Every hook and module that a context could leave behind, and what is said to be in force."""
    found: list[object] = []
    for name, module in model.bridge.named_modules():
        hooks = (*module._forward_hooks.values(), *module._forward_pre_hooks.values(), *module._backward_hooks.values())
        found += [(name, id(module)), *((name, id(hook)) for hook in hooks)]
        found += [(name, [id(handle) for handle in getattr(module, "fwd_hooks", ())])]
    found += [id(module) for module in model.bridge.original_model.modules()]
    for module in model.bridge.original_model.modules():
        found += [id(hook) for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())]
    return [*found, changes_in_force(model), dict(sharing._prefixes)]


@contextmanager
def heard(point: Any, hook: Callable[..., Tensor | None]) -> Iterator[None]:
    """A hook of the user's while the context lasts."""
    handle = point.add_hook(hook)
    try:
        yield
    finally:
        handle.hook.remove()
        point.fwd_hooks.remove(handle)


def close(got: Tensor, expected: Tensor) -> None:
    size = float(expected.detach().float().abs().max())
    torch.testing.assert_close(got.float(), expected.float(), rtol=1e-3, atol=2e-5 * size + 1e-6)


# -- against plain torch hooks on the Hugging Face model --------------------------------------------------------------

ADDED: dict[str, tuple[str, str]] = {
    "GPT2LMHeadModel": ("attn", "mlp"),
    "GPTNeoXForCausalLM": ("attention", "mlp"),
    "OPTForCausalLM": ("self_attn", "fc2"),
    "Gemma2ForCausalLM": ("post_attention_layernorm", "post_feedforward_layernorm"),
    "Gemma3ForCausalLM": ("post_attention_layernorm", "post_feedforward_layernorm"),
    "Olmo2ForCausalLM": ("post_attention_layernorm", "post_feedforward_layernorm"),
    "GPTJForCausalLM": ("attn", "mlp"),
    "GPTNeoForCausalLM": ("attn", "mlp"),
    "BloomForCausalLM": ("self_attention.dense", "mlp.dense_4h_to_h"),
    "FalconForCausalLM": ("self_attention", "mlp"),
}
"""Architecture → the modules of a block whose outputs are added to the residual stream."""
LAST = ("c_proj", "down_proj", "fc2", "fc_out", "dense_4h_to_h")

Edit = Callable[[Tensor], Tensor]


def block_of(hf: Any, layer: int) -> Any:
    lists = (m for m in hf.modules() if isinstance(m, torch.nn.ModuleList))
    return max(lists, key=lambda m: len(list(m.parameters())))[layer]


@contextmanager
def edited(hf: Any, site: Site, edit: Edit) -> Iterator[None]:
    """The plain model with one activation edited, by a torch hook where it comes from."""
    block = block_of(hf, site.layer)
    attn, mlp = ADDED.get(type(hf).__name__, ("self_attn", "mlp"))

    def on_output(module: Any, args: Any, out: Any) -> Any:
        return (edit(out[0]), *out[1:]) if isinstance(out, tuple) else edit(out)

    if site.kind == "neuron":
        last = next(m for name, m in block.named_modules() if "attn" not in name and name.split(".")[-1] in LAST)
        handle = last.register_forward_pre_hook(lambda module, args: (edit(args[0]),))
    else:
        part = {"resid_post": block, "attn_out": None, "mlp_out": None}[site.kind]
        part = part if part is not None else block.get_submodule(attn if site.kind == "attn_out" else mlp)
        handle = part.register_forward_hook(on_output)
    try:
        yield
    finally:
        handle.remove()


def at(tokens: list[int] | slice, units: list[int] | slice, change: Edit) -> Edit:
    """Change these units of these tokens, and nothing else."""

    def edit(x: Tensor) -> Tensor:
        x = x.clone()
        flat = x if x.ndim == 3 else x.unsqueeze(0)
        for token in range(flat.shape[1])[tokens] if isinstance(tokens, slice) else tokens:
            flat[:, token, units] = change(flat[:, token, units])
        return x

    return edit


ALL = slice(None)
EDITS: list[tuple[Callable[[Site], Intervention], Edit]] = [
    (lambda site: zero(site, (4, 1), (0, 3)), at([0, 3], [4, 1], torch.zeros_like)),
    (lambda site: scale(site, None, -1.5), at(ALL, ALL, lambda x: -1.5 * x)),
    (lambda site: set_to(site, (7, 2), (3.0, -4.0), (11,)), at([11], [7, 2], lambda x: torch.tensor([[3.0, -4.0]]))),
    (lambda site: set_to(site, (0,), 2.5), at(ALL, [0], lambda x: torch.full_like(x, 2.5))),
    (lambda site: clamp(site, None, -1e-4, 2e-4, (2, 5)), at([2, 5], ALL, lambda x: x.clamp(-1e-4, 2e-4))),
    (lambda site: clamp(site, (3,), None, -2.0), at(ALL, [3], lambda x: x.clamp(max=-2.0))),
]


def test_every_op_at_every_site_is_a_plain_torch_hook_on_the_hugging_face_model(model: Model) -> None:
    hf = tiny_hf(model.card["architecture"])
    plain = model.logits(IDS)
    last = model.shape.layers - 1
    for kind in filter(model.shape.has, TENSORS):
        if kind == "neuron" and model.routed(1):
            continue  # experts' have no module: see test_experts
        site, before = Site(kind, 1), kept(model, IDS.tolist(), kind)[kind, 1, 0]
        for make, edit in EDITS:
            with edited(hf, site, edit), torch.no_grad():
                out = hf(input_ids=IDS, use_cache=False)
            with intervene(model, [make(site)]):
                logits = model.logits(IDS)
                read = kept(model, IDS.tolist(), "logits", kind)  # the path that passes take
            close(logits, out.logits)
            close(read["logits", last + 1, 0], out.logits[0])
            assert not torch.equal(logits, plain)
            close(read[kind, 1, 0], edit(before.unsqueeze(0))[0])  # reducers see what was changed


def test_means_position_by_position_are_set_to_each_position_its_own(llama: Model) -> None:
    table = ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0))
    one = to_mean(Mean(Target(RESID, (8, 2), (6, 0, 9)), table, (1, 1, 1)))
    with intervene(llama, [one]):
        read = kept(llama, IDS.tolist(), "resid_post")["resid_post", 1, 0]
    assert read[[6, 0, 9]][:, [8, 2]].tolist() == [list(row) for row in table]


def test_a_tiny_models_smallest_laws(model: Model) -> None:
    logits = model.logits(IDS)
    site = Site("mlp_out" if model.shape.has("mlp_out") else "resid_post", 1)

    def under(*interventions: Intervention) -> Tensor:
        with intervene(model, interventions):
            return model.logits(IDS)

    assert torch.equal(under(scale(site, None, 1.0), scale(RESID, (2,), 1.0, (0,))), logits)
    assert torch.equal(under(), logits)
    assert torch.equal(under(zero(site, None, (200,))), logits)  # no text is that long
    assert torch.equal(under(zero(site, (1,))), under(set_to(site, (1,), 0)))
    assert torch.equal(under(zero(site, (1,))), under(scale(site, (1,), 0)))
    assert torch.equal(under(clamp(RESID, None, -1e9, None)), logits)
    if site.kind == "mlp_out":
        assert torch.equal(under(drop(site, (3,))), under(zero(site, None, (3,))))


def test_in_bfloat16_a_change_is_rounded_once_and_a_factor_of_one_not_at_all() -> None:
    model = load_model(tiny_hf("LlamaForCausalLM").to(torch.bfloat16), device="cpu")
    plain = kept(model, IDS.tolist(), "resid_post")["resid_post", 1, 0]
    logits = model.logits(IDS)
    with intervene(model, [scale(RESID, None, 1.0)]):
        assert torch.equal(model.logits(IDS), logits)
    with intervene(model, [set_to(RESID, (0,), 0.1), scale(RESID, (1,), 1.3)]):
        changed = kept(model, IDS.tolist(), "resid_post")["resid_post", 1, 0]
    assert changed.dtype == torch.bfloat16
    assert torch.equal(changed[:, 0], torch.full((12,), 0.1, dtype=torch.bfloat16))
    assert torch.equal(changed[:, 1], (plain[:, 1].float() * 1.3).to(torch.bfloat16))
    assert torch.equal(changed[:, 2:], plain[:, 2:])


def test_the_activation_that_was_handed_in_is_not_written_to(llama: Model) -> None:
    handed: list[tuple[Tensor, Tensor]] = []
    many = [zero(RESID, (1,)), scale(RESID, None, 2.0, (0,)), clamp(RESID, (3,), 0.0, None), unattend(1, (0,), (0,))]
    with ExitStack() as stack:
        for point in (llama.hooks[RESID], llama.bridge.blocks[1].attn.hook_attn_scores):
            stack.enter_context(heard(point, lambda x, hook: handed.append((x, x.clone()))))
        stack.enter_context(intervene(llama, many))
        llama.logits(IDS)
    assert len(handed) >= 2
    assert all(torch.equal(x, copy) for x, copy in handed)


# -- positions -------------------------------------------------------------------------------------------------------

SPREAD = (0, 3, 14)


def changes(model: Model, positions: tuple[int, ...] | None = SPREAD) -> list[Intervention]:
    """One of every op at every site that the model has, at these positions."""
    found = [scale(RESID, (3, 9), 4.0, positions)]
    if model.shape.has("mlp_out"):
        found += [drop(MLP, positions), set_to(ATTN, (1, 2), (2.0, -3.0), positions)]
    if model.shape.has("neuron"):
        found.append(to_mean(Mean(Target(NEURON, (5, 0), positions), ((1.0, 2.0),) * len(positions or ()), (1,) * 3)))
    return found


@pytest.mark.parametrize("side", ["right", "left"])
def test_positions_are_the_texts_own_wherever_padding_puts_it(model: Model, side: Any) -> None:
    if model.route == "none" and side == "left":
        pytest.skip("a model without attention does not mask padding")
    kinds = ("resid_post", "logits")
    texts = random_texts(4, 10, 20)
    plain = kept(model, texts, *kinds)
    with intervene(model, changes(model)):
        alone = kept(model, texts, *kinds, tokens=1)
        together = kept(model, texts, *kinds, padding_side=side)
    for key, x in alone.items():
        close(together[key], x)
    assert not any(torch.equal(alone["resid_post", 1, text], plain["resid_post", 1, text]) for text in range(4))


def test_padding_that_a_mask_names_is_at_no_position(llama: Model) -> None:
    ids, mask = IDS.repeat(3, 1), torch.ones(3, 12, dtype=torch.bool)
    mask[0, 8:], mask[1, :4], mask[2, 5] = False, False, False
    expected = torch.zeros(3, 12, dtype=torch.bool)
    expected[0, [0, 7]], expected[1, [4, 11]], expected[2, [0, 8]] = True, True, True
    hit: list[Tensor] = []
    looking = heard(llama.hooks[RESID], lambda x, hook: hit.append(x[..., 3] == 9.0))
    with intervene(llama, [set_to(RESID, (3,), 9.0, (0, 7))]), looking:
        llama.logits(ids, mask)
    assert torch.equal(hit[0], expected)


PREFIX = (9, 8, 77, 6, 5)
PROMPTS = torch.tensor([[11, 12, 13, 14], [50, 40, 30, 20], [60, 61, 11, 63]])
LONGEST = 4
NEVER = torch.zeros(101, dtype=torch.bool)
ALONG = (2, 7, 10)
"""A position in the prefix, one in the prompt, one in the answer."""


def fanned(logits: Tensor, rows: Tensor, step: int | Tensor) -> Tensor:
    """One of the three likeliest tokens, another for each row and step."""
    return logits.topk(3, dim=-1).indices.gather(1, ((rows + step * step) % 3).unsqueeze(1)).squeeze(1)


def generated(decoder: Decoder) -> list[tuple[int, ...]]:
    return decoder.generate(PROMPTS.tolist(), 2, fanned, NEVER, LONGEST)


def by_full_forwards(model: Model) -> list[tuple[int, ...]]:
    rows = PROMPTS.repeat_interleave(2, dim=0)
    ids = torch.cat([torch.tensor([PREFIX]).expand(len(rows), -1), rows], dim=1)
    for step in range(LONGEST):
        ids = torch.cat([ids, fanned(model.logits(ids)[:, -1], torch.arange(len(rows)), step).unsqueeze(1)], dim=1)
    return [tuple(row) for row in ids[:, -LONGEST:].tolist()]


def test_answers_are_those_of_full_forwards_token_by_token_whenever_the_decoder_was_made(model: Model) -> None:
    plain = by_full_forwards(model)
    early = Decoder(model, PREFIX)
    with intervene(model, changes(model, ALONG)):
        changed = by_full_forwards(model)
        late = Decoder(model, PREFIX)
        assert late.paths == early.paths
        assert generated(early) == generated(late) == changed
    assert changed != plain
    assert generated(early) == generated(late) == plain


def test_each_position_matters_in_generation_whether_it_is_in_the_prefix_the_prompt_or_the_answer(llama: Model) -> None:
    decoder, plain = Decoder(llama, PREFIX), by_full_forwards(llama)
    for position in ALONG:
        with intervene(llama, [scale(RESID, None, -3.0, (position,))]):
            assert generated(decoder) == by_full_forwards(llama) != plain
        assert decoder.paths[0] == "shared"


def test_a_prefix_is_computed_anew_only_where_interventions_changed(
    llama: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder, calls = Decoder(llama, PREFIX), []
    compute = decoding.compute_prefix
    monkeypatch.setattr(decoding, "compute_prefix", lambda *args: calls.append(1) or compute(*args))
    first = [zero(RESID, (1,))]
    generated(decoder)
    with intervene(llama, [scale(RESID, None, 1.0)]):
        generated(decoder)
    assert not calls
    for expected in (True, False):
        with intervene(llama, first), intervene(llama, []):
            before = len(calls)
            generated(decoder)
            assert (len(calls) > before) == expected
            generated(decoder)
            kept_prefix = decoder.prefix
        calls_outside = len(calls)
        if not expected:
            generated(decoder)
            assert len(calls) > calls_outside
    assert kept_prefix is not decoder.prefix


def test_a_prefix_that_was_taken_under_other_interventions_is_refused(llama: Model) -> None:
    decoder, own = Decoder(llama, PREFIX), random_texts(3, 4, 8)
    stale = decoder.prefix
    whole = [[*PREFIX, *ids] for ids in own]
    with intervene(llama, changes(llama, ALONG)):
        with pytest.raises(InputError, match=r"under other interventions\. Take it from the decoder again"):
            kept(llama, own, "resid_post", prefix=stale)
        inside = decoder.prefix
        expected = kept(llama, whole, "resid_post")
        for key, x in kept(llama, own, "resid_post", prefix=inside).items():
            close(x, expected[key][len(PREFIX) :])
    with pytest.raises(InputError, match="computed under other interventions"):
        kept(llama, own, "resid_post", prefix=inside)
    kept(llama, own, "resid_post", prefix=stale)


def test_a_cache_of_the_users_with_padding_on_the_left_keeps_the_positions() -> None:
    model = loaded("Qwen2ForCausalLM")
    hf, texts = model.bridge.original_model, random_texts(2, 9, 9)
    ids = torch.tensor([texts[0], [0, 0, 0, *texts[1][:6]]])
    mask = torch.tensor([[1] * 9, [0] * 3 + [1] * 6])
    places = (mask.cumsum(-1) - 1).clamp(min=0)
    with intervene(model, [set_to(RESID, (3,), 9.0, (1, 5)), set_to(RESID, (4,), -9.0, (8,))]), torch.no_grad():
        whole = [model.logits(torch.tensor([row]))[0, -1] for row in (texts[0], texts[1][:6])]
        cache = DynamicCache(config=hf.config)
        for start, stop in ((0, 5), (5, 8), (8, 9)):
            out = hf(
                input_ids=ids[:, start:stop],
                attention_mask=mask[:, :stop],
                position_ids=places[:, start:stop],
                past_key_values=cache,
                use_cache=True,
            )
    for row in (0, 1):
        close(out.logits[row, -1], whole[row])


def test_explicit_positions_count_where_there_is_no_mask_and_embeddings_stand_for_ids(llama: Model) -> None:
    hf = llama.bridge.original_model
    table = hf.get_input_embeddings()
    with intervene(llama, [set_to(RESID, (3,), 9.0, (4,))]), torch.no_grad():
        plain = llama.logits(IDS)
        assert torch.equal(hf(inputs_embeds=table(IDS), use_cache=False).logits, plain)
        seen = []
        places = torch.arange(3, 3 + IDS.shape[1]).unsqueeze(0)
        with heard(llama.hooks[RESID], lambda x, hook: seen.append(x[0, :, 3] == 9.0)):
            hf(input_ids=IDS, position_ids=places, use_cache=False)
    assert seen[0].nonzero().flatten().tolist() == [1]


def test_where_positions_cannot_be_told_the_pass_is_refused_rather_than_changed_somewhere(llama: Model) -> None:
    hf = llama.bridge.original_model
    four = torch.zeros(1, 1, 12, 12).masked_fill(torch.ones(12, 12).triu(1).bool(), torch.finfo(torch.float32).min)
    with intervene(llama, [zero(RESID, (1,), (0,))]), pytest.raises(InputError, match=r"can't be told .* Give a mask"):
        hf(input_ids=IDS, attention_mask=four, use_cache=False)
    with intervene(llama, [zero(RESID, (1,))]):
        close(hf(input_ids=IDS, attention_mask=four, use_cache=False).logits, llama.logits(IDS))
    mamba = loaded("MambaForCausalLM")
    with intervene(mamba, [zero(RESID, (1,), (0,))]), torch.no_grad():
        state = mamba.bridge.original_model(input_ids=IDS, use_cache=True).cache_params
        with pytest.raises(InputError, match="can't be told"):
            mamba.bridge.original_model(input_ids=IDS[:, :1], cache_params=state)


# -- attention -------------------------------------------------------------------------------------------------------


def patterns(model: Model, ids: Tensor = IDS, layer: int = 1) -> Tensor:
    seen: list[Tensor] = []
    with heard(model.bridge.blocks[layer].attn.hook_pattern, lambda x, hook: seen.append(x.clone())):
        model.logits(ids)
    return seen[0]


def without(pattern: Tensor, heads: list[int], keys: list[int]) -> Tensor:
    """The pattern with these keys' probability given to what else the queries see, the learned sink included."""
    new = pattern.double().clone()
    taken = new[:, heads][..., keys].sum(dim=-1, keepdim=True)
    rest = new[:, heads].clone()
    rest[..., keys] = 0.0
    alone = rest.sum(dim=-1, keepdim=True) == 0
    new[:, heads] = torch.where(alone, new[:, heads], rest / (1 - taken).clamp(min=1e-300))
    return new.to(pattern.dtype)


@pytest.mark.parametrize("architecture", architectures(HEARING))
def test_unattended_keys_get_nothing_and_the_rest_is_renormalised(architecture: str) -> None:
    model, heads, keys = loaded(architecture), [0, 3], [0, 4]
    before = patterns(model)
    expected = without(before, heads, keys)
    with intervene(model, [unattend(1, heads, keys)]):
        after, logits = patterns(model), model.logits(IDS)
        read = kept(model, IDS.tolist(), "logits")["logits", model.shape.layers, 0]
    torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-6)
    assert (after[:, heads, 5:][..., keys] == 0).all()
    assert torch.equal(after[:, heads, 0], before[:, heads, 0])  # query 0 sees no other key
    assert torch.equal(after[:, [1, 2]], before[:, [1, 2]])
    close(read, logits[0])
    with heard(model.bridge.blocks[1].attn.hook_pattern, lambda x, hook: expected):
        close(model.logits(IDS), logits)


@pytest.mark.parametrize("architecture", ["GPT2LMHeadModel", "LlamaForCausalLM"])
def test_unattending_is_a_mask_of_these_heads_in_the_hugging_face_model(architecture: str) -> None:
    hf, model = tiny_hf(architecture), loaded(architecture)
    hf.set_attn_implementation("eager")
    mask = torch.zeros(1, 4, 12, 12)
    mask[:, [1, 2], 1:, 0] = torch.finfo(torch.float32).min

    def masked(module: Any, args: Any, kwargs: Any) -> Any:
        return args, {**kwargs, "attention_mask": kwargs["attention_mask"] + mask}

    attn = block_of(hf, 1).get_submodule(ADDED.get(architecture, ("self_attn",))[0])
    attn.register_forward_pre_hook(masked, with_kwargs=True)
    with torch.no_grad():
        expected = hf(input_ids=IDS, use_cache=False).logits
    with intervene(model, [unattend(1, (1, 2), (0,))]):
        close(model.logits(IDS), expected)


@pytest.mark.parametrize("architecture", DEAF)
def test_attention_that_no_hook_can_change_is_refused_by_name(architecture: str) -> None:
    model = loaded(architecture)
    before = trace_of(model)
    message = rf"{architecture} computes attention where no hook can change it \(layer 1\).* Ablate attn_out instead"
    with pytest.raises(ModelError, match=message), intervene(model, [unattend(1, (0,), (0,))]):
        pass
    assert trace_of(model) == before


def test_without_a_planted_sink_its_head_attends_to_something_else_and_examine_says_so(planted: Model) -> None:
    texts = random_texts(8, 64, 70, trigger=TRIGGER)
    plain = examine(planted, texts, ["sinks"]).evidence["sinks"]["received"]
    with intervene(planted, [unattend(s.layer, (s.head,), (0,)) for s in SINKS]):
        report = examine(planted, texts, ["sinks"])
    received = report.evidence["sinks"]["received"]
    assert report.settings["attention"] == "eager"
    assert f"#{TRIGGER}" not in {finding.token for finding in report.findings}
    for sink in SINKS:
        assert (plain[:, sink.layer, sink.head, 0] > 0.99).all()
        # Query 0 alone still sees key 0: a 64th of what its 64 queries give it.
        np.testing.assert_allclose(received[:, sink.layer, sink.head, 0], 1 / 64, atol=1e-6)
    # In float32 key 0 had everything, and what softmax gives the others without it is right all the same.
    with intervene(planted, [unattend(SINKS[0].layer, (SINKS[0].head,), (0,))]):
        pattern = patterns(planted, torch.tensor(texts[:1]), SINKS[0].layer)[0, SINKS[0].head]
    torch.testing.assert_close(pattern.sum(dim=-1), torch.ones(len(texts[0])))


@pytest.mark.parametrize("side", ["right", "left"])
def test_keys_are_the_texts_own_under_padding(llama: Model, side: Any) -> None:
    texts = random_texts(4, 10, 20)
    with intervene(llama, [unattend(0, None, (0, 3)), unattend(1, (2,), (12,))]):
        alone = kept(llama, texts, "logits", tokens=1)
        together = kept(llama, texts, "logits", padding_side=side)
    plain = kept(llama, texts, "logits")
    for key, x in alone.items():
        close(together[key], x)
        assert not torch.equal(plain[key], x)


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GptOssForCausalLM", "BloomForCausalLM"])
def test_answers_without_a_key_are_those_of_full_forwards(architecture: str) -> None:
    model = loaded(architecture)
    plain, early = by_full_forwards(model), Decoder(model, PREFIX)
    with intervene(model, [unattend(layer, None, ALONG) for layer in range(3)]):
        assert generated(early) == generated(Decoder(model, PREFIX)) == by_full_forwards(model) != plain
        assert early.paths == ("recomputed",)
        assert early.prefix is None
        with pytest.raises(
            ModelError, match="Attention knockout needs the bridge's attention, and this pass runs without it"
        ):
            sharing.compute_prefix(model.bridge, PREFIX)
    assert generated(early) == plain


def test_with_a_cache_of_the_users_keys_count_from_the_texts_first_token(llama: Model) -> None:
    hf = llama.bridge.original_model
    with intervene(llama, [unattend(1, (0, 2), (1, 7))]), torch.no_grad():
        cache = DynamicCache(config=hf.config)
        parts = [hf(input_ids=ids, past_key_values=cache, use_cache=True).logits for ids in IDS.split(5, dim=1)]
        close(torch.cat(parts, dim=1), llama.logits(IDS))


# -- planted phenomena -----------------------------------------------------------------------------------------------

AT_START = random_texts(8, 64, 70, trigger=TRIGGER)


def test_a_planted_spike_at_zero_changes_the_logits_and_at_its_mean_it_does_not(planted: Model) -> None:
    spike = SPIKES[0]
    target = Target(Site("resid_post", spike.layer), (spike.dim,), (0,))
    (mean,) = means(planted, batches(rows_of(AT_START), 500), [target])
    assert mean.value[0][0] == pytest.approx(spike.value, rel=0.01)
    assert mean.n == (8,)
    ids = torch.tensor([AT_START[0]])
    plain = planted.logits(ids)
    with intervene(planted, [to_mean(mean)]):
        at_mean = float((planted.logits(ids) - plain).abs().max())
    with intervene(planted, [zero(target.site, target.units, target.positions)]):
        at_zero = float((planted.logits(ids) - plain).abs().max())
    assert at_mean < 1e-3 * at_zero


def test_dropping_the_mlps_that_write_the_planted_spikes_leaves_none_to_find(planted: Model) -> None:
    before = examine(planted, AT_START, ["massive"])
    assert {(f.layer, f.unit) for f in before.findings} == {(n, s.dim) for s in SPIKES for n in range(s.layer, 6)}
    with intervene(planted, [drop(Site("mlp_out", spike.layer), (0,)) for spike in SPIKES]):
        assert examine(planted, AT_START, ["massive"]).findings == ()
    with intervene(planted, [zero(Site("neuron", SPIKES[1].layer), (0,))]):
        found = examine(planted, AT_START, ["massive"]).findings
    assert {f.unit for f in found} == {SPIKES[0].dim}
    assert examine(planted, AT_START, ["massive"]).findings == before.findings


# -- nothing is left behind ------------------------------------------------------------------------------------------

MANY = [zero(RESID, (1,), (0,)), scale(NEURON, None, 2.0), drop(MLP), unattend(1, (0,), (0,)), clamp(ATTN, (1,), 0, 1)]


@pytest.mark.parametrize("how", ["exit", "error", "interrupt", "closed generator", "forgotten generator", "in a pass"])
def test_whatever_ends_the_context_nothing_is_left_and_logits_are_the_same_to_the_bit(llama: Model, how: str) -> None:
    before, logits = trace_of(llama), llama.logits(IDS)

    def steps() -> Iterator[Tensor]:
        with intervene(llama, MANY):
            while True:
                yield llama.logits(IDS)

    def failing() -> None:
        with intervene(llama, MANY):
            assert trace_of(llama) != before
            if how == "in a pass":
                with edited(llama.bridge.original_model, Site("resid_post", 2), raising):
                    llama.logits(IDS)
            raise {"error": RuntimeError, "interrupt": KeyboardInterrupt}[how]

    def raising(x: Tensor) -> Tensor:
        raise RuntimeError("stop")

    if how == "exit":
        with intervene(llama, MANY):
            assert not torch.equal(llama.logits(IDS), logits)
    elif "generator" in how:
        running = steps()
        assert not torch.equal(next(running), logits)
        if how.startswith("closed"):
            running.close()  # type: ignore[attr-defined]
        del running
        gc.collect()
    else:
        with pytest.raises((RuntimeError, KeyboardInterrupt)):
            failing()
    assert trace_of(llama) == before
    assert torch.equal(llama.logits(IDS), logits)
    assert llama.lock.acquire(blocking=False)
    llama.lock.release()


def test_a_hook_that_an_interrupt_leaves_behind_does_nothing(llama: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    site, ids = Site("resid_post", 1), IDS
    logits, point = llama.logits(ids), llama.hooks[site]
    hooks, add = list(point.fwd_hooks), point.add_hook

    def interrupted(*args: Any, **options: Any) -> None:
        add(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(point, "add_hook", interrupted)
    with pytest.raises(KeyboardInterrupt), intervene(llama, [zero(site)]):
        pass
    try:
        assert len(point.fwd_hooks) > len(hooks)  # nobody could note it
        assert torch.equal(llama.logits(ids), logits)
    finally:
        for left in point.fwd_hooks[len(hooks) :]:
            left.hook.remove()
        point.fwd_hooks = hooks


def test_a_context_that_is_refused_leaves_nothing(llama: Model) -> None:
    before = trace_of(llama)
    with pytest.raises(InputError), intervene(llama, [*MANY, zero(RESID, (99,))]):
        pass
    assert trace_of(llama) == before


def test_contexts_that_end_in_another_order_than_they_began_leave_each_other_alone(llama: Model) -> None:
    before, logits = trace_of(llama), llama.logits(IDS)
    same = (zero(RESID, (1,)),)
    one, other = intervene(llama, same), intervene(llama, [drop(MLP)])
    again = intervene(llama, same)
    for context in (one, other, again):
        context.__enter__()
    one.__exit__(None, None, None)
    assert changes_in_force(llama) == (drop(MLP), *same)
    with_two = llama.logits(IDS)
    other.__exit__(None, None, None)
    again.__exit__(None, None, None)
    assert trace_of(llama) == before
    assert torch.equal(llama.logits(IDS), logits)
    with intervene(llama, [drop(MLP), *same]):
        assert torch.equal(llama.logits(IDS), with_two)


def test_the_users_hooks_stay_fire_in_their_order_and_see_what_stands_before_them(llama: Model) -> None:
    point, seen = llama.hooks[RESID], []

    def looking(name: str) -> Any:
        return heard(point, lambda x, hook: seen.append((name, float(x[0, 2, 1]))))

    with ExitStack() as stack:
        stack.enter_context(looking("first"))
        stack.enter_context(looking("second"))
        with intervene(llama, [set_to(RESID, (1,), 42.0)]):
            stack.enter_context(looking("inside"))
            llama.logits(IDS)
        llama.logits(IDS)
    assert [name for name, _ in seen] == ["first", "second", "inside"] * 2
    values = [value for _, value in seen]
    assert values[2] == 42.0
    assert values[0] == values[1] == values[3] == values[5] != 42.0


def test_resetting_the_bridges_hooks_inside_does_not_end_the_intervention() -> None:
    model = tiny_model()
    with intervene(model, [set_to(RESID, (1,), 42.0)]):
        changed = model.logits(IDS)
        model.bridge.hook_dict["blocks.1.hook_out"].add_hook(lambda x, hook: x * 0)
        model.bridge.reset_hooks()
        assert torch.equal(model.logits(IDS), changed)


def test_a_scan_under_interventions_says_so(planted: Model) -> None:
    texts = random_texts(8, 64, 70, trigger=7)
    with intervene(planted, [zero(Site("resid_post", 3), (5,), (0,))]):
        changed = examine(planted, texts, ["massive"])
    assert from_json(json.dumps(changed.settings["interventions"])) == (zero(Site("resid_post", 3), (5,), (0,)),)
    assert any("zero ablation at resid_post 3" in note for note in changed.notes)
    plain = examine(planted, texts, ["massive"])
    assert "interventions" not in plain.settings and len(plain.findings) > len(changed.findings)


def test_another_threads_passes_are_not_changed(llama: Model) -> None:
    plain, texts = llama.logits(IDS), random_texts(3, 10, 20)
    read = kept(llama, texts, "resid_post")
    elsewhere: dict[str, Any] = {}
    unlocked, inside = threading.Event(), threading.Event()

    def other() -> None:
        inside.wait()
        elsewhere["logits"] = llama.logits(IDS)
        unlocked.set()
        elsewhere["read"] = kept(llama, texts, "resid_post")

    thread = threading.Thread(target=other)
    thread.start()
    with intervene(llama, MANY[:3]):
        changed = llama.logits(IDS)
        inside.set()
        assert not unlocked.wait(0.1)  # passes of other threads wait for the context's end
        assert torch.equal(llama.logits(IDS), changed)
    thread.join()
    assert torch.equal(elsewhere["logits"], plain)
    assert not torch.equal(changed, plain)
    assert all(torch.equal(elsewhere["read"][key], x) for key, x in read.items())


# -- order -----------------------------------------------------------------------------------------------------------


def test_interventions_are_applied_in_the_order_of_the_list_and_contexts_from_the_outside_in(llama: Model) -> None:
    double, two = scale(RESID, (5,), 2.0, (4,)), set_to(RESID, (5,), 2.0, (4,))

    def value(*contexts: list[Intervention]) -> float:
        with ExitStack() as stack:
            for interventions in contexts:
                stack.enter_context(intervene(llama, interventions))
            return float(kept(llama, IDS.tolist(), "resid_post")["resid_post", 1, 0][4, 5])

    assert value([two, double]) == value([two], [double]) == 4.0
    assert value([double, two]) == value([double], [two]) == 2.0
    assert value([two, double, double]) == 8.0


def test_an_inner_context_ends_and_the_outer_one_goes_on(llama: Model) -> None:
    with intervene(llama, [zero(RESID, (1,))]):
        outer = llama.logits(IDS)
        with intervene(llama, [zero(MLP, (2,))]):
            assert not torch.equal(llama.logits(IDS), outer)
        assert torch.equal(llama.logits(IDS), outer)


# -- reference means -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"tokens": 1}, {"padding_side": "left"}], ids=str)
def test_means_are_those_over_the_texts_real_tokens(llama: Model, options: dict[str, Any]) -> None:
    texts = random_texts(6, 5, 30)
    reached = [len(ids) > 12 for ids in texts]
    tokens = options.pop("tokens", 70)
    targets = [Target(RESID, (3, 1)), Target(NEURON), Target(MLP, (2,), (12, 0)), Target(RESID, None, (4,))]
    found = means(llama, batches(rows_of(texts), tokens), targets, **options)
    read = kept(llama, texts, "resid_post", "mlp_out", "neuron")
    stream, neurons, mlp = (
        [read[kind, 1, text].double().numpy() for text in range(6)] for kind in ("resid_post", "neuron", "mlp_out")
    )
    np.testing.assert_allclose(found[0].value, np.concatenate(stream)[:, [3, 1]].mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[1].value, np.concatenate(neurons).mean(axis=0), rtol=1e-4, atol=1e-6)
    late = np.mean([x[12, 2] for x in mlp if len(x) > 12])
    np.testing.assert_allclose(found[2].value, [[late], [np.mean([x[0, 2] for x in mlp])]], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[3].value, [np.mean([x[4] for x in stream], axis=0)], rtol=1e-4, atol=1e-6)
    assert [one.n for one in found] == [sum(map(len, texts)), sum(map(len, texts)), (sum(reached), 6), (6,)]
    assert [one.target for one in found] == targets


def test_the_mean_of_what_is_constant_is_that_to_the_bit_and_setting_it_changes_nothing(llama: Model) -> None:
    with intervene(llama, [set_to(RESID, (3,), 0.1), set_to(RESID, (4,), 1 / 3, (2,))]):
        plain = llama.logits(IDS)
        targets = [Target(RESID, (3,)), Target(RESID, (4,), (2,))]
        found = means(llama, batches(rows_of(random_texts(7, 5, 30)), 70), targets)
        with intervene(llama, [to_mean(one) for one in found]):
            assert torch.equal(llama.logits(IDS), plain)


def test_means_with_a_prefix_count_positions_from_its_first_token(llama: Model) -> None:
    own = random_texts(4, 4, 9)
    whole = [[*PREFIX, *ids] for ids in own]
    targets = [Target(RESID, (1,), (6, 5))]
    (after,) = means(llama, batches(rows_of(own), 70), targets, prefix=Decoder(llama, PREFIX).prefix)
    (expected,) = means(llama, batches(rows_of(whole), 70), targets)
    np.testing.assert_allclose(after.value, expected.value, rtol=1e-4)
    assert after.n == expected.n == (4, 4)
    with pytest.raises(InputError, match="no text has a token at position 2"):
        means(llama, batches(rows_of(own), 70), [Target(RESID, (1,), (2,))], prefix=Decoder(llama, PREFIX).prefix)


def test_a_mean_without_data_is_an_error_and_not_zero(llama: Model) -> None:
    few = batches(rows_of([[1, 2, 3]]), 70)
    with pytest.raises(InputError, match=r"Insufficient data for a mean of resid_post 1: no text has .* at position 3"):
        means(llama, few, [Target(RESID, (1,), (2, 3))])
    with pytest.raises(InputError, match="Insufficient data for a mean of resid_post 1: no text has a token"):
        means(llama, [], [Target(RESID, (1,))])
    with pytest.raises(InputError, match="There is no mean of attention"):
        means(llama, [], [Target(Site("attention", 1), (1,))])
    with pytest.raises(InputError, match="dim 32 is outside 0–31"):
        means(llama, [], [Target(RESID, (32,))])
    message = "Activations of resid_post 1 are NaN or infinite on these texts"
    with heard(llama.hooks[RESID], lambda x, hook: x * torch.nan), pytest.raises(InputError, match=message):
        means(llama, batches(rows_of([[1, 2, 3]]), 70), [Target(RESID, (1,))])


# -- values ----------------------------------------------------------------------------------------------------------

indices = st.lists(st.integers(0, 10**6), min_size=1, max_size=4, unique=True).map(tuple)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def parts(draw: st.DrawFn) -> tuple[Any, ...]:
    """Kind, layer, op, units, positions and value of an intervention that can be made."""
    op = draw(st.sampled_from(sorted(KINDS_OF)))
    units = None if op == "drop" else draw(st.none() | indices)
    positions = draw(indices if op == "unattend" else st.none() | indices)
    row = st.lists(numbers, min_size=len(units or (1, 2)), max_size=len(units or (1, 2))).map(tuple)
    value: Any = st.none()
    if op == "scale":
        value = numbers
    elif op == "set":
        value = numbers | row
    elif op == "mean":
        value = row if positions is None else row | st.tuples(*[row] * len(positions))
    elif op == "clamp":
        value = st.tuples(numbers, numbers).map(sorted).map(tuple) | st.tuples(st.none(), numbers)
    return draw(st.sampled_from(KINDS_OF[op])), draw(st.integers(0, 200)), op, units, positions, draw(value)


@given(st.lists(parts(), max_size=4))
@settings(max_examples=100, deadline=None)
def test_json_gives_the_same_interventions_to_the_last_bit(drawn: list[tuple[Any, ...]]) -> None:
    interventions = [Intervention(Site(kind, layer), *rest) for kind, layer, *rest in drawn]
    text = as_json(interventions)
    assert from_json(text) == tuple(interventions)
    assert repr(from_json(text)) == repr(tuple(interventions))  # −0.0 is not 0.0
    assert as_json(from_json(text)) == text


def test_numbers_and_sequences_of_any_make_are_settled_into_plain_ones() -> None:
    made = set_to(Site("neuron", 2), np.array([3, 1]), np.array([0.5, 2], dtype=np.float32), range(2))
    assert made == Intervention(Site("neuron", 2), "set", (3, 1), (0, 1), (0.5, 2.0))
    assert from_json(as_json([made])) == (made,)
    assert hash(made) == hash(from_json(as_json([made]))[0])
    assert str(made) == "setting at neuron 2"
    assert clamp(RESID, None, 0, None).value == (0.0, None)
    assert to_mean(Mean(Target(RESID, (1,), (0,)), ((2.0,),), (1,))).value == ((2.0,),)


OUT = Site("mlp_out", 1)
WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: from_json(as_json([zero(RESID)]).replace("zero", "x")), "Intervention 0: No op 'x'. Use one of zero, sc"),
    (lambda: zero(Site("normed", 1)), "'zero' can't be done to normed. It takes resid_post, attn_out, mlp_out, neuron"),
    (lambda: zero(Site("attention", 1)), "'zero' can't be done to attention"),
    (lambda: drop(RESID), "'drop' can't be done to resid_post. It takes attn_out, mlp_out"),
    (lambda: Intervention(RESID, "unattend", (1,), (0,)), "'unattend' can't be done to resid_post. It takes attention"),
    (lambda: Target(Site("logits", 3)), "logits can't be a target. Use one of resid_post"),
    (lambda: zero(Site("resid_post", -1)), r"layer: got -1\. Give a whole number; layers are counted from 0"),
    (lambda: zero(RESID, ()), r"units: none were named\. Name some, or leave them out \(None\) for all"),
    (lambda: zero(RESID, (1, -2)), r"units: got -2\. They are counted from 0"),
    (lambda: zero(RESID, (1, 5, 5)), r"units: 5 is named twice\. Name each once"),
    (lambda: from_json(as_json([zero(RESID, (3,))]).replace("[3]", "[1.5]")), r"units: got \[1\.5\]\. Give whole numb"),
    (lambda: zero(RESID, None, [0, 0]), r"positions: 0 is named twice"),
    (lambda: zero(RESID, None, []), r"positions: none were named"),
    (
        lambda: Intervention(OUT, "drop", (1, 2)),
        "MLP ablation at .*whole output, and 2 units were named",
    ),
    (
        lambda: Intervention(Site("attention", 1), "unattend", (1,)),
        "attention knockout at attention 1: without keys",
    ),
    (
        lambda: Intervention(RESID, "zero", None, None, 1.0),
        r"zero ablation at .* it takes no value, and got 1",
    ),
    (lambda: scale(RESID, None, float("nan")), r"scaling at resid_post 1: got nan\. Give a finite number"),
    (lambda: scale(RESID, None, 10**400), r"scaling at resid_post 1: got 1000.*\. Give a finite number"),
    (lambda: Intervention(RESID, "scale"), r"scaling at resid_post 1: got None\. Give a finite number"),
    (lambda: set_to(RESID, (1, 2), (1.0,)), r"setting at resid_post 1: 1 values for 2 units\. Give one for each"),
    (lambda: set_to(RESID, None, ()), r"setting at resid_post 1: 0 values for all units\. Give one for each"),
    (lambda: set_to(RESID, (1,), (float("inf"),)), r"got inf\. Give a finite number"),
    (lambda: Intervention(RESID, "set"), r"setting at resid_post 1: got None\. Give a sequence of numbers"),
    (lambda: clamp(RESID, None, 2.0, 1.0), r"low 2\.0 is above high 1\.0\. Give the lower bound first"),
    (lambda: clamp(RESID, None, None, None), r"got \(None, None\)\. Give \(low, high\), one of which may be None"),
    (lambda: Intervention(RESID, "clamp", None, None, (1.0,)), r"got \(1\.0,\)\. Give \(low, high\)"),
    (lambda: Intervention(RESID, "mean", (1,), None, ((1.0,),)), "1 rows of means and no positions. Name the rows'"),
    (lambda: Intervention(RESID, "mean", (1,), (0, 1), ((1.0,),)), r"1 values for 2 positions\. Give one for each"),
    (lambda: Intervention(RESID, "mean", None, (0, 1), ((1.0,), (1.0, 2.0))), "rows of means are not of one length"),
    (lambda: Intervention(RESID, "mean", (1,), None, ()), r"0 values for 1 units"),
    (lambda: from_json("[{"), "These interventions are not JSON"),
    (lambda: from_json("[" * 10**5), "These interventions are not JSON"),
    (lambda: from_json("{}"), "Interventions are a JSON list, and this is a dict"),
    (lambda: from_json("[3]"), "Intervention 0 has int. It needs exactly kind, layer, op, positions, units, value"),
    (lambda: from_json('[{"op": "zero"}]'), "Intervention 0 has op. It needs exactly"),
    (lambda: from_json(as_json([zero(RESID)]).replace('"zero"', "[]")), r"Intervention 0: op is \[\]\. Use a str"),
    (lambda: from_json(as_json([zero(RESID)]).replace('layer": 1', 'layer": 1.5')), r"layer is 1\.5\. Use a int"),
    (lambda: from_json(as_json([scale(RESID, None, 2)]).replace("2.0", "NaN")), "got nan. Give a finite number"),
    (lambda: from_json(as_json([scale(RESID, None, 2)]).replace("2.0", "1e999")), "got inf. Give a finite number"),
    (lambda: from_json(as_json([zero(RESID, (3,))]).replace("[3]", '"3"')), "Give whole numbers, counted from 0"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_what_is_wrong_in_itself_is_refused_when_it_is_made(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


UNFIT: list[tuple[Intervention, type[Exception], str]] = [
    (zero(Site("resid_post", 3)), InputError, r"Layer 3 is outside 0–2\. Name one of this model's layers"),
    (zero(RESID, (3, 32)), InputError, "resid_post 1: dim 32 is outside 0–31"),
    (zero(NEURON, (64,)), InputError, "neuron 1: neuron 64 is outside 0–63"),
    (unattend(1, (4,), (0,)), InputError, "attention 1: head 4 is outside 0–3"),
    (unattend(1, (0,), (256,)), InputError, "attention 1: position 256 is outside 0–255"),
    (zero(RESID, None, (0, 256)), InputError, "resid_post 1: position 256 is outside 0–255"),
    (set_to(RESID, None, (1.0, 2.0)), InputError, r"setting at resid_post 1: 2 values for 32 dims\. Give one for each"),
    (set_to(RESID, (1,), 1e39), InputError, r"setting at resid_post 1: 1e\+39 is beyond torch.float32"),
    (clamp(RESID, (1,), None, -1e39), InputError, r"clamping at resid_post 1: 1e\+39 is beyond torch.float32"),
]


@pytest.mark.parametrize(("one", "error", "message"), UNFIT, ids=[message[:30] for _, _, message in UNFIT])
def test_what_does_not_fit_the_model_is_refused_before_anything_runs(
    llama: Model, one: Intervention, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message), intervene(llama, [one]):
        pass


def test_a_site_that_the_model_lacks_is_refused_by_name() -> None:
    model = loaded("MambaForCausalLM")
    for one in (drop(MLP), unattend(1, (0,), (0,)), zero(NEURON, (0,))):
        message = rf"{model.card['architecture']} has no {one.site.kind} in layer 1 .*\(layers that do: none\)"
        with pytest.raises(ModelError, match=message), intervene(model, [one]):
            pass
