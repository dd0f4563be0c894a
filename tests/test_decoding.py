"""Answers grown on any path are those of full forwards, token by token; and answering leaves no trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import pytest
import torch
from fixtures_tiny import architectures, loaded
from torch import Tensor

from inspector.batches import batches, tokenise
from inspector.errors import InputError, ModelError
from inspector.models import Decoder, Model, load_model
from inspector.models import attention_prefix as sharing
from inspector.models import attention_streamed as streaming
from inspector.models import generate as decoding
from inspector.models.attention import UnsupportedAttention, attend_part
from inspector.models.observe import observe
from inspector.testing import TINY, random_texts, tiny_hf

PATHS = dict.fromkeys(TINY, "shared") | {
    "Gemma2ForCausalLM": "cached",  # soft-capped scores
    "GptOssForCausalLM": "cached",  # learned sinks
    "GPTJForCausalLM": "cached",  # attention of its own, as the next three
    "GPTNeoForCausalLM": "cached",
    "BloomForCausalLM": "cached",
    "FalconForCausalLM": "cached",
    "MambaForCausalLM": "recomputed",  # no keys and values
}
SHARED = [name for name, path in PATHS.items() if path == "shared"]
A_ROAD_EACH = ["LlamaForCausalLM", "GPTJForCausalLM", "MambaForCausalLM"]
WINDOWED = ["MistralForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM", "GptOssForCausalLM", "GPTNeoForCausalLM"]
"""Tiny models whose window, of some layers or all, is 16 tokens."""

OLMO2 = pytest.param(
    "Olmo2ForCausalLM",
    marks=pytest.mark.xfail(raises=ModelError, reason="TransformerLens' attention of it mixes float32 and bfloat16"),
)

PREFIX = (9, 8, 77, 6, 5)
PROMPTS = torch.tensor([[11, 12, 13, 14], [50, 40, 30, 20], [60, 61, 11, 63]])
COPIES, LONGEST = 3, 5
NEVER = torch.zeros(101, dtype=torch.bool)

Answers = list[tuple[int, ...]]


@pytest.fixture(params=architectures())
def model(request: pytest.FixtureRequest) -> Model:
    return loaded(request.param)


def fanned(logits: Tensor, rows: Tensor, step: int | Tensor) -> Tensor:
    """One of the three likeliest tokens, another for each copy and step, so that no two answers are alike."""
    return logits.topk(3, dim=-1).indices.gather(1, ((rows + step * step) % 3).unsqueeze(1)).squeeze(1)


def greedy(logits: Tensor, rows: Tensor, step: int | Tensor) -> Tensor:
    return logits.argmax(dim=-1)


def by_full_forwards(
    model: Model, prefix: tuple[int, ...], prompts: Tensor = PROMPTS, choose: Any = fanned, copies: int = COPIES
) -> Answers:
    """Answers without a stop, by a forward pass over everything for each token."""
    return with_logits(model, prefix, prompts, choose, copies)[0]


def with_logits(
    model: Model, prefix: tuple[int, ...], prompts: Tensor = PROMPTS, choose: Any = fanned, copies: int = COPIES
) -> tuple[Answers, list[Tensor]]:
    """The same, and every step's logits `[row, vocab]`."""
    rows = prompts.repeat_interleave(copies, dim=0)
    ids = torch.cat([torch.tensor([prefix], dtype=torch.int64).expand(len(rows), -1), rows], dim=1)
    seen = []
    for step in range(LONGEST):
        seen.append(model.logits(ids)[:, -1].float())
        ids = torch.cat([ids, choose(seen[-1], torch.arange(len(rows)), step).unsqueeze(1)], dim=1)
    return [tuple(row) for row in ids[:, -LONGEST:].tolist()], seen


def cut(answers: Answers, stop: Tensor) -> Answers:
    """The answers up to their first stop token."""
    ends = [next((i for i, token in enumerate(answer) if stop[token]), len(answer)) for answer in answers]
    return [answer[:end] for answer, end in zip(answers, ends, strict=True)]


def stops_of(free: Answers) -> Tensor:
    """Two stop tokens, of a few, by which these answers end after the most different numbers of tokens."""
    pairs = combinations(sorted({token for answer in free for token in answer})[:12], 2)
    stops = [NEVER.index_fill(0, torch.tensor(pair), True) for pair in pairs]
    return max(stops, key=lambda stop: len({len(answer) for answer in cut(free, stop)}))


def generate(decoder: Decoder, stop: Tensor = NEVER, prompts: Tensor = PROMPTS, longest: int = LONGEST) -> Answers:
    return decoder.generate(prompts.tolist(), COPIES, fanned, stop, longest)


@contextmanager
def paths_taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The execution paths on which rows were grown while the context lasts, in order."""
    taken: list[str] = []
    rows = decoding._rows
    with monkeypatch.context() as patched:
        patched.setattr(decoding, "_rows", lambda model, path, *rest: taken.append(path) or rows(model, path, *rest))
        yield taken


def trace_of(model: Model) -> list[object]:
    """Every hook, module, configured attention function and registered prefix that answering could leave behind."""
    hf, found = model.bridge.original_model, []
    for name, module in model.bridge.named_modules():
        hooks = (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
        found += [(name, id(module), module.training), *((name, id(hook)) for hook in hooks)]
        found += [(name, child, id(m)) for child, m in module._modules.items()]
        found += [(name, len(getattr(module, "fwd_hooks", ())))]
    found += [id(module) for module in hf.modules()]
    configs = {id(c): c for m in hf.modules() if (c := getattr(m, "config", None)) is not None}
    found += [(key, getattr(config, "_attn_implementation", None)) for key, config in configs.items()]
    return [*found, hf.config.to_dict(), dict(sharing._prefixes), dict(streaming._listeners)]


# -- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", [PREFIX, ()], ids=["prefix", "no prefix"])
def test_answers_are_those_of_full_forwards_also_where_rows_stop_early(model: Model, prefix: tuple[int, ...]) -> None:
    free, logits = with_logits(model, prefix)
    stop = stops_of(free)
    expected = cut(free, stop)
    assert len({len(answer) for answer in expected}) >= 3  # the stops do stop some and not others
    decoder, spread = Decoder(model, prefix), float(logits[0].std())

    def choose(got: Tensor, rows: Tensor, steps: Tensor) -> Tensor:
        torch.testing.assert_close(got, torch.stack(logits)[steps, rows], rtol=0, atol=1e-4 * spread)
        return fanned(got, rows, steps)

    assert decoder.generate(PROMPTS.tolist(), COPIES, choose, stop, LONGEST) == expected


def test_the_path_is_the_fastest_one_that_this_architecture_allows(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture = model.card["architecture"]
    decoder = Decoder(model, PREFIX)
    with paths_taken(monkeypatch) as taken:
        generate(decoder, longest=2)
    assert taken == [PATHS[architecture]]
    assert decoder.paths[0] == PATHS[architecture]
    assert decoder.paths[-1] == "recomputed"
    assert (decoder.prefix is None) == (PATHS[architecture] != "shared")


@pytest.mark.parametrize("worth_keeping", [0.0, 1.1])
@pytest.mark.parametrize("architecture", A_ROAD_EACH)
def test_making_a_batch_smaller_never_changes_an_answer(
    architecture: str, worth_keeping: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(architecture)
    free = by_full_forwards(model, PREFIX)
    monkeypatch.setattr(decoding, "WORTH_KEEPING", worth_keeping)
    assert generate(Decoder(model, PREFIX), stops_of(free)) == cut(free, stops_of(free))


@pytest.mark.parametrize("path", ["shared", "cached", "recomputed"])
def test_copies_stand_side_by_side_and_kept_rows_keep_their_order(llama: Model, path: Any) -> None:
    prefix = sharing.compute_prefix(llama.bridge, PREFIX)
    own = [[*PROMPTS[i].tolist()] for i in (0, 0, 1, 1, 2, 2)]
    with decoding._rows(llama, path, prefix, PREFIX, 8) as rows:
        rows.feed(PROMPTS)
        rows.repeat(2)
        rows.feed(torch.tensor([[21], [22], [23], [24], [25], [26]]))
        rows.keep(torch.tensor([5, 0, 3]))
        got = rows.feed(torch.tensor([[31], [32], [33]]))
    for logits, kept, middle, last in zip(got, (5, 0, 3), (26, 21, 24), (31, 32, 33), strict=True):
        expected = llama.logits(torch.tensor([[*PREFIX, *own[kept], middle, last]]))[0, -1]
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("prompts", [PROMPTS, torch.tensor([[33]])], ids=["prompts", "one prompt of one token"])
@pytest.mark.parametrize("architecture", A_ROAD_EACH)
def test_one_greedy_copy_holds_the_likeliest_token_at_each_step(architecture: str, prompts: Tensor) -> None:
    model = loaded(architecture)
    for prefix in (PREFIX, ()):
        expected = by_full_forwards(model, prefix, prompts, choose=greedy, copies=1)
        assert Decoder(model, prefix).generate(prompts.tolist(), 1, greedy, NEVER, LONGEST) == expected


def test_choose_hears_which_rows_are_left_and_how_far_they_are(llama: Model) -> None:
    free = by_full_forwards(llama, PREFIX)
    stop, heard = stops_of(free), []

    def choose(logits: Tensor, rows: Tensor, steps: Tensor) -> Tensor:
        heard.append(rows.tolist())
        chosen = fanned(logits, rows, steps)
        assert chosen.tolist() == [free[row][step] for row, step in zip(rows.tolist(), steps.tolist(), strict=True)]
        return chosen

    answers = Decoder(llama, PREFIX).generate(PROMPTS.tolist(), COPIES, choose, stop, LONGEST)
    assert len(heard) == LONGEST
    assert len(heard[-1]) < len(heard[0]) == len(free)
    for step, rows in enumerate(heard):
        assert rows == sorted(rows)
        assert set(rows) >= {row for row, answer in enumerate(answers) if len(answer) > step}


def test_answering_ends_once_every_row_has_stopped(llama: Model) -> None:
    steps: list[int] = []

    def choose(logits: Tensor, rows: Tensor, told: Tensor) -> Tensor:
        steps.extend(told.tolist())
        return greedy(logits, rows, told)

    assert Decoder(llama).generate(PROMPTS.tolist(), 1, choose, ~NEVER, 50) == [(), (), ()]
    assert steps == [0, 0, 0]


@pytest.mark.parametrize("copies", [1, COPIES])
@pytest.mark.parametrize("architecture", A_ROAD_EACH)
def test_prompts_of_different_lengths_are_answered_as_each_alone(architecture: str, copies: int) -> None:
    model = loaded(architecture)
    decoder, prompts = Decoder(model, PREFIX), [[41], [42, 43, 44, 45, 46], [47, 48], [49, 50, 51]]

    def chosen_by_answer(logits: Tensor, rows: Tensor, steps: Tensor) -> Tensor:
        return fanned(logits, rows % copies, steps)

    alone = [decoder.generate([prompt], copies, chosen_by_answer, NEVER, LONGEST) for prompt in prompts]
    expected = [answer for answers in alone for answer in answers]
    stop = stops_of(expected)
    assert decoder.generate(prompts, copies, chosen_by_answer, NEVER, LONGEST) == expected
    assert decoder.generate(prompts, copies, chosen_by_answer, stop, LONGEST) == cut(expected, stop)


@pytest.mark.parametrize("architecture", [*architectures(name for name in TINY if name != "Olmo2ForCausalLM"), OLMO2])
def test_a_bfloat16_model_takes_the_same_path_and_its_tokens_are_the_likeliest_up_to_rounding(
    architecture: str,
) -> None:
    half = load_model(tiny_hf(architecture).to(torch.bfloat16), device="cpu")
    decoder = Decoder(half, PREFIX)
    assert decoder.paths[0] == PATHS[architecture]
    answers = decoder.generate(PROMPTS.tolist(), 1, greedy, NEVER, 3)
    ids = torch.tensor([[*PREFIX, *prompt, *answer] for prompt, answer in zip(PROMPTS.tolist(), answers, strict=True)])
    logits = half.logits(ids)[:, -4:-1].float()
    behind = logits.max(dim=-1).values - logits.gather(2, ids[:, -3:].unsqueeze(2)).squeeze(2)
    assert float(behind.max()) < 0.1 * float(logits.std())


@pytest.mark.parametrize("d_value", [8, 6], ids=["by the flash kernel", "written out"])
def test_attention_over_two_parts_of_the_keys_is_joined_by_their_log_sum_exps(d_value: int) -> None:
    generator = torch.Generator().manual_seed(0)
    query, key = (3 * torch.randn(2, heads, length, 8, generator=generator) for heads, length in ((4, 5), (2, 12)))
    value = torch.randn(2, 2, 12, d_value, generator=generator)
    first, first_lse = attend_part(query, key[:, :, :7], value[:, :, :7], 0.3, causal=False)
    own, own_lse = attend_part(query, key[:, :, 7:], value[:, :, 7:], 0.3, causal=True)
    share = torch.sigmoid(first_lse - own_lse).unsqueeze(-1)
    scores = 0.3 * query @ key.repeat_interleave(2, 1).transpose(-1, -2)
    future = torch.ones(5, 12, dtype=torch.bool).triu(8)
    whole = scores.masked_fill(future, float("-inf")).softmax(dim=-1) @ value.repeat_interleave(2, 1)
    torch.testing.assert_close(share * first + (1 - share) * own, whole, rtol=1e-4, atol=1e-5)


# -- windows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [8, 20])
@pytest.mark.parametrize("architecture", WINDOWED)
def test_a_window_shorter_than_prompt_and_answer_changes_the_path_and_not_the_answers(
    architecture: str, own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(architecture)
    prompts = torch.tensor(random_texts(3, own, own, seed=own))
    decoder = Decoder(model, PREFIX)
    with paths_taken(monkeypatch) as taken:
        assert generate(decoder, prompts=prompts) == by_full_forwards(model, PREFIX, prompts)
    assert taken == (["shared", "cached"] if PATHS[architecture] == "shared" else ["cached"])
    with paths_taken(monkeypatch) as taken:  # what happened once doesn't slow down what fits
        generate(decoder, prompts=prompts[:, :3], longest=2)
    assert taken == [PATHS[architecture]]


@pytest.mark.parametrize("length", [15, 16, 40])
@pytest.mark.parametrize("architecture", WINDOWED)
def test_a_window_shorter_than_the_prefix_is_no_obstacle(architecture: str, length: int) -> None:
    model = loaded(architecture)
    prefix = tuple(random_texts(1, length, length, seed=3)[0])
    assert generate(Decoder(model, prefix)) == by_full_forwards(model, prefix)


# -- hooks of the user's ---------------------------------------------------------------------------------------------


OUTSIDE = [
    "hook_in",
    "hook_out",
    "attn.hook_out",
    "attn.q.hook_out",
    "attn.o.hook_in",
    "mlp.out.hook_in",
    "ln1.hook_out",
]
INSIDE = ["attn.hook_pattern", "attn.hook_attn_scores", "attn.hook_in"]


@contextmanager
def hooked(model: Model, where: str, hook: Any) -> Iterator[None]:
    """A user's hook at this point of block 1."""
    point = model.bridge.blocks[1]
    for part in where.split("."):
        point = getattr(point, part)
    handle = point.add_hook(hook)
    try:
        yield
    finally:
        handle.hook.remove()
        point.fwd_hooks.remove(handle)


@pytest.mark.parametrize("made", ["before the hook", "after the hook"])
@pytest.mark.parametrize("where", [*OUTSIDE, *INSIDE])
def test_the_users_hooks_fire_at_every_token_and_survive(llama: Model, where: str, made: str) -> None:
    calls: list[int] = []
    early = Decoder(llama, PREFIX) if made == "before the hook" else None
    with hooked(llama, where, lambda x, hook: calls.append(1)):
        decoder, before = early or Decoder(llama, PREFIX), trace_of(llama)
        assert decoder.paths  # found anew, now that there is a hook
        calls.clear()
        generate(decoder)
        assert len(calls) == LONGEST
        assert trace_of(llama) == before
        llama.bridge(PROMPTS)
        assert len(calls) == LONGEST + 1


@pytest.mark.parametrize("where", ["hook_out", "attn.hook_out", "mlp.out.hook_in", "attn.hook_pattern"])
def test_what_the_users_hooks_edit_is_in_the_answers(llama: Model, where: str) -> None:
    untouched = by_full_forwards(llama, PREFIX)
    with hooked(llama, where, lambda x, hook: -1.5 * x):
        expected = by_full_forwards(llama, PREFIX)
        assert expected != untouched
        assert generate(Decoder(llama, PREFIX)) == expected
    assert generate(Decoder(llama, PREFIX)) == untouched


@pytest.mark.parametrize("where", ["hook_out", "attn.hook_pattern"])
def test_a_hook_that_comes_after_the_decoder_edits_the_prefix_too(llama: Model, where: str) -> None:
    decoder = Decoder(llama, PREFIX)
    with hooked(llama, where, lambda x, hook: -1.5 * x):
        assert generate(decoder) == by_full_forwards(llama, PREFIX)


# -- no trace --------------------------------------------------------------------------------------------------------


def test_answering_leaves_nothing_behind_and_the_logits_are_the_same_to_the_bit(model: Model) -> None:
    before, logits = trace_of(model), model.logits(PROMPTS)
    decoder = Decoder(model, PREFIX)
    generate(decoder, prompts=torch.tensor(random_texts(3, 20, 20)))  # past the windows
    assert trace_of(model) == before
    assert torch.equal(model.logits(PROMPTS), logits)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, UnsupportedAttention])
@pytest.mark.parametrize("architecture", A_ROAD_EACH)
def test_an_exception_in_choose_comes_through_and_leaves_nothing_behind(
    architecture: str, error: type[BaseException]
) -> None:
    model = loaded(architecture)

    def failing(logits: Tensor, rows: Tensor, steps: Tensor) -> Tensor:
        if (steps == 2).any():
            raise error("stop")
        return fanned(logits, rows, steps)

    decoder = Decoder(model, PREFIX)
    before, logits = trace_of(model), model.logits(PROMPTS)
    with pytest.raises(BaseException) as raised:  # an UnsupportedAttention of ours ends as a ModelError
        decoder.generate(PROMPTS.tolist(), COPIES, failing, NEVER, LONGEST)
    assert isinstance(raised.value, error) or error is UnsupportedAttention
    assert trace_of(model) == before
    assert torch.equal(model.logits(PROMPTS), logits)
    assert generate(decoder) == by_full_forwards(model, PREFIX)


def test_answering_never_changes_the_prefix_that_the_next_answers_go_on_from(llama: Model) -> None:
    decoder = Decoder(llama, PREFIX)
    assert decoder.prefix is not None
    kept = [x.clone() for x in (*decoder.prefix.keys, *decoder.prefix.values)]
    first = generate(decoder)
    generate(decoder, prompts=PROMPTS.flip(1), longest=9)
    assert generate(decoder) == first
    assert all(torch.equal(a, b) for a, b in zip(kept, (*decoder.prefix.keys, *decoder.prefix.values), strict=True))


# -- reading with a prefix -------------------------------------------------------------------------------------------


class Keeping:
    """Keeps each text's own activations, without padding."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds
        self.seen: dict[tuple[str, int, int], Tensor] = {}

    def update(self, batch: Any, site: Any, x: Any) -> None:
        for row, text in enumerate(batch.text.tolist()):
            self.seen[site.kind, site.layer, text] = x[row, : int(batch.lengths[row])].clone()


@pytest.mark.parametrize("architecture", architectures(SHARED))
def test_reading_with_a_prefix_gives_the_activations_of_the_whole_prompt(architecture: str) -> None:
    model = loaded(architecture)
    own = random_texts(5, 3, 16 - len(PREFIX))  # within the windows
    kinds = [kind for kind in ("neuron", "resid_post", "logits", "mlp_out", "attn_out") if model.shape.has(kind)]
    prefix = Decoder(model, PREFIX).prefix
    before = trace_of(model)
    whole, after = Keeping(*kinds), Keeping(*kinds)
    rows = tokenise(None, [[*PREFIX, *ids] for ids in own], bos=None, window=256)
    observe(model, batches(rows, 1), [whole])
    observe(model, batches(tokenise(None, own, bos=None, window=256), 30), [after], prefix=prefix)
    assert trace_of(model) == before
    assert whole.seen.keys() == after.seen.keys()
    for key, x in whole.seen.items():
        torch.testing.assert_close(after.seen[key], x[len(PREFIX) :], rtol=1e-3, atol=1e-4 * float(x.abs().max()))


def test_attention_and_left_padding_are_refused_with_a_prefix(llama: Model) -> None:
    prefix = Decoder(llama, PREFIX).prefix
    rows = tokenise(None, random_texts(2, 3, 5), bos=None, window=256)
    message = "With a shared prefix attention can't be read, and padding is on the right"
    with pytest.raises(InputError, match=message):
        observe(llama, batches(rows, 30), [Keeping("attention", "resid_post")], prefix=prefix)
    with pytest.raises(InputError, match=message):
        observe(llama, batches(rows, 30), [Keeping("resid_post")], padding_side="left", prefix=prefix)


def test_a_hook_that_would_not_fire_with_a_prefix_is_refused(llama: Model) -> None:
    prefix, rows = Decoder(llama, PREFIX).prefix, tokenise(None, random_texts(2, 3, 5), bos=None, window=256)
    with hooked(llama, "attn.hook_pattern", lambda x, hook: None), pytest.raises(InputError, match="would not fire"):
        observe(llama, batches(rows, 10), [Keeping("resid_post")], prefix=prefix)


@pytest.mark.parametrize("where", ["attn.hook_out", "attn.q.hook_out"])
def test_the_users_hooks_fire_while_reading_with_a_prefix(llama: Model, where: str) -> None:
    prefix = Decoder(llama, PREFIX).prefix
    calls: list[int] = []
    rows = tokenise(None, random_texts(4, 3, 5), bos=None, window=256)
    with hooked(llama, where, lambda x, hook: calls.append(1)):
        observe(llama, batches(rows, 10), [Keeping("resid_post")], prefix=prefix)
    assert len(calls) == len(list(batches(rows, 10)))
