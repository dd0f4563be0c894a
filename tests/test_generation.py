"""What a model writes: read token by token as in one pass, watched with a study's risk, examined in two parts."""

from typing import Any

import numpy as np
import pytest
import torch
from fixtures_tiny import architectures, loaded, with_words
from torch import Tensor

import inspector
from inspector import Study, examine_generated, watch
from inspector.errors import InputError
from inspector.hallucination.answers.ask import Asker, Sampling
from inspector.hallucination.questions.sets import Question
from inspector.models import Model, reading
from inspector.models.attention import StreamedAttention, WholeAttention
from inspector.models.token_stream import TokenStream
from inspector.sites import Site

KINDS = ("resid_post", "neuron", "attention")
TEXT = tuple(7 + 5 * i % 80 for i in range(24))


def in_one_pass(model: Model, ids: tuple[int, ...]) -> dict[Site, Tensor]:
    """The last token's activations, by a pass over the whole text."""
    found: dict[Site, Tensor] = {}

    def read(site: Site, x: Any) -> None:
        if isinstance(x, StreamedAttention | WholeAttention):
            *_, last = x.blocks(torch.ones(1, len(ids), dtype=torch.bool))
            found[site] = last.pattern[0, :, -1]
        else:
            found[site] = x[0, -1].clone()

    with reading(model, [kind for kind in KINDS if model.shape.has(kind)], read):
        model.logits(torch.tensor([ids]))
    return found


@pytest.mark.parametrize("name", architectures())
def test_a_text_that_grows_is_read_as_in_one_pass(name: str) -> None:
    model, found = loaded(name), dict[Site, Tensor]()
    hooks = inspector.models.hooks_of_others(model)

    def read(site: Site, x: Tensor) -> None:
        found[site] = (x if site.kind == "attention" else x[-1]).clone()

    stream = TokenStream(model, KINDS, read, len(TEXT))
    assert (stream.cache is not None) == (model.route == "streamed")
    logits = stream.feed(TEXT[:-3])
    for end in (-3, -2, -1, None):
        if end != -3:
            logits = stream.feed([TEXT[:end][-1]])
        expected = in_one_pass(model, TEXT[:end])
        assert found.keys() == expected.keys()
        for site, value in expected.items():
            torch.testing.assert_close(found[site].float(), value.float(), rtol=1e-3, atol=1e-4, msg=str(site))
        torch.testing.assert_close(
            logits, model.logits(torch.tensor([TEXT[:end]]))[0, -1].float(), rtol=1e-3, atol=1e-3
        )
        found.clear()
    assert inspector.models.hooks_of_others(model) == hooks


def test_a_hook_of_the_user_s_inside_attention_makes_each_token_be_computed_again() -> None:
    model = loaded("LlamaForCausalLM")
    point, fired = model.bridge.blocks[0].attn.hook_pattern, []
    with model.bridge.hooks(fwd_hooks=[(point.name, lambda x, hook: fired.append(x.shape[-1]))]):
        stream = TokenStream(model, KINDS, lambda site, x: None, 8)
        stream.feed([5, 6, 7])
        stream.feed([8])
    assert stream.cache is None and fired == [3, 4]


def test_what_is_watched_is_the_greedy_answer_and_its_own_numbers() -> None:
    model = with_words(loaded("LlamaForCausalLM"))
    seen = watch(model, [1, 9, 8, 7, 30], longest=6)
    tokens = list(seen)
    ids = [1, 9, 8, 7, 30]
    for one in tokens:
        logp = model.logits(torch.tensor([ids]))[0, -1].double().log_softmax(dim=-1)
        assert one.id == int(logp.argmax()) and one.logprob == pytest.approx(float(logp.max()), abs=1e-4)
        assert one.entropy == pytest.approx(float(-(logp.exp() * logp).sum()), abs=1e-3)
        ids.append(one.id)
        expected = in_one_pass(model, tuple(ids))
        largest = {site.layer: float(x.abs().max()) for site, x in expected.items() if site.kind == "resid_post"}
        assert one.largest == pytest.approx(max(largest.values()), rel=1e-3)
        assert one.layer == max(largest, key=largest.__getitem__)
        first = [float(x[:, 0].mean()) for site, x in expected.items() if site.kind == "attention"]
        assert one.on_first == pytest.approx(np.mean(first), abs=1e-4)
    assert [one.position for one in tokens] == list(range(5, 5 + len(tokens)))
    assert len(seen.frame()) == len(tokens) and all(np.isnan(risk) for _, risk in tokens)
    assert list(seen) == []  # an answer that has ended stays so


def test_the_last_risk_is_the_answer_s_own(study: Study, smollm2: Model) -> None:
    question = "What is the capital of Mongolia?"
    seen = watch(smollm2, question, study, longest=8)
    tokens = list(seen)
    asked = Asker(smollm2, study.form, Sampling(samples=0, longest=8)).ask([Question("q", question, ())])
    ids = tuple(one.id for one in tokens)
    assert ids == asked[0].answers[0] and ids
    assert tokens[-1].risk == pytest.approx(study.score(smollm2, question, ids), abs=2e-3)
    by_token = study.explain(smollm2, question, ids).tokens["risk"]
    np.testing.assert_allclose([one.token_risk for one in tokens], by_token, atol=2e-3)


def test_parts_are_those_of_the_whole_text() -> None:
    model = with_words(loaded("LlamaForCausalLM"))
    prompts = [[1, 9, 8, 7, 30, 12, 44], [1, 20, 21, 22]]
    found = examine_generated(model, prompts, longest=9)
    streams: dict[tuple[int, str], list[Tensor]] = {}
    shares: dict[tuple[int, int, str], list[float]] = {}
    for row, prompt in enumerate(prompts):
        answer = [int(x) for x in model.tokenizer(found.answers["answer"][row], add_special_tokens=False)["input_ids"]]
        assert len(answer) == found.answers["tokens"][row] or "\n" in found.answers["answer"][row]
        ids = (*prompt, *_written(model, prompt, 9))
        for site, x in _whole(model, ids).items():
            for part, where in (("prompt", slice(0, len(prompt))), ("generated", slice(len(prompt), None))):
                if site.kind == "resid_post":
                    streams.setdefault((site.layer, part), []).append(x[where].abs().flatten())
                else:
                    queries = x[:, slice(max(1, where.start), where.stop), 0]
                    for head, share in enumerate(queries.mean(dim=1).tolist()):
                        shares.setdefault((site.layer, head, part), []).append(share)
    for row in found.layers.itertuples():
        size = torch.cat(streams[row.layer, row.part])
        assert row.largest == pytest.approx(float(size.max()), rel=1e-5)
        assert row.median == pytest.approx(float(size.quantile(0.5)), rel=0.02)
    assert len(found.layers) == len(streams) and len(found.heads) == len(shares)
    for row in found.heads.itertuples():
        assert row.on_first == pytest.approx(np.mean(shares[row.layer, row.head, row.part]), abs=1e-5)
        assert row.strongest >= row.on_first - 1e-6 or row.part == "prompt"
    assert found.report.settings["texts"] == 2 and len(found.sentences()) == 4


def _written(model: Model, prompt: list[int], longest: int) -> list[int]:
    return [one.id for one in watch(model, prompt, longest=longest)]


def _whole(model: Model, ids: tuple[int, ...]) -> dict[Site, Tensor]:
    found: dict[Site, Tensor] = {}

    def read(site: Site, x: Any) -> None:
        if isinstance(x, StreamedAttention):
            parts = [block.pattern[0] for block in x.blocks(torch.ones(1, len(ids), dtype=torch.bool))]
            width = len(ids)
            found[site] = torch.cat([torch.nn.functional.pad(p, (0, width - p.shape[-1])) for p in parts], dim=1)
        else:
            found[site] = x[0].clone()

    with reading(model, ["resid_post", "attention"], read):
        model.logits(torch.tensor([ids]))
    return found


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m: watch(m, ["a", "b"]), "Give one prompt"),
        (lambda m: watch(m, ""), "Text 0 is empty"),
        (lambda m: watch(m, "a", longest=0), "got 0 for longest"),
        (lambda m: watch(m, [1] * 500), r"more than the model's context"),
        (lambda m: watch(loaded("LlamaForCausalLM"), [1, 2]), "came without a tokenizer"),
        (lambda m: examine_generated(m, []), "o text"),
        (lambda m: examine_generated(m, [[1, 2], [5000]]), "outside"),
    ],
)
def test_what_is_no_prompt_is_refused_in_one_line(call: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call(with_words(loaded("LlamaForCausalLM")))
