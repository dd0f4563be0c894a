"""The streaming pass leaves no trace, keeps the user's hooks, and holds little."""

import threading
import tracemalloc
from typing import Any

import pytest
import torch
from fixtures_tiny import counting, loaded

from inspector import examine
from inspector.analyses.logit_lens import logit_lens
from inspector.batches import batches, tokenise
from inspector.detectors.massive.detector import Massive
from inspector.errors import InputError, ModelError
from inspector.models import Backend, Model, reading, route_now
from inspector.models.observe import Forecast, forecast, observe
from inspector.testing import random_texts, tiny_model

ROWS = tokenise(None, random_texts(6, 20, 60), bos=None, window=256)


class Counter:
    """Counts what it sees."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds
        self.seen: list[Any] = []

    def update(self, batch: object, site: Any, x: Any) -> None:
        self.seen.append((site.kind, site.layer))

    def evidence(self) -> Any:
        raise NotImplementedError

    def merge(self, other: object) -> None:
        raise NotImplementedError


def hooks_of(model: Model) -> list[object]:
    """Every hook on every module, and what each attention module is."""
    found: list[object] = []
    for name, module in model.bridge.named_modules():
        found += [(name, id(h)) for h in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())]
    found += [(i, id(block.attn)) for i, block in enumerate(model.bridge.blocks)]
    found += [id(m) for m in model.bridge.original_model.modules()]
    return [*found, model.bridge.original_model.config._attn_implementation]


def test_a_pass_leaves_no_trace_and_the_logits_are_the_same_to_the_bit(llama: Model) -> None:
    ids = torch.tensor([ROWS[0].ids])
    before, logits = hooks_of(llama), llama.bridge(ids)
    examine(llama, [list(row.ids) for row in ROWS])
    assert hooks_of(llama) == before
    assert torch.equal(llama.bridge(ids), logits)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_inside_a_pass_leaves_no_hook_behind(llama: Model, error: type[BaseException]) -> None:
    class Failing(Counter):
        def update(self, batch: object, site: Any, x: Any) -> None:
            raise error("stop")

    before = hooks_of(llama)
    with pytest.raises(error):
        observe(llama, batches(ROWS, 100), [Failing("attention", "resid_post")])
    assert hooks_of(llama) == before


@pytest.mark.parametrize("where", ["hook_out", "attn.hook_out", "attn.hook_pattern"])
def test_the_users_hooks_keep_firing_and_survive(where: str) -> None:
    model = tiny_model()
    point = model.bridge.blocks[1]
    for part in where.split("."):
        point = getattr(point, part)
    calls: list[int] = []
    point.add_hook(lambda x, hook: calls.append(1))
    examine(model, [list(row.ids) for row in ROWS], ["massive"])
    fired = len(calls)
    assert fired > 0
    model.bridge(torch.tensor([ROWS[0].ids]))
    assert len(calls) == fired + 1


def test_hooks_inside_the_bridges_attention_switch_to_whole_patterns_and_the_report_says_so() -> None:
    model = tiny_model()
    plain = examine(model, [list(row.ids) for row in ROWS])
    model.bridge.blocks[0].attn.hook_pattern.add_hook(lambda x, hook: None)
    assert route_now(model) == "eager"
    hooked = examine(model, [list(row.ids) for row in ROWS])
    assert (plain.settings["attention"], hooked.settings["attention"]) == ("streamed", "eager")
    torch.testing.assert_close(
        torch.tensor(plain.evidence["sinks"]["received"]),
        torch.tensor(hooked.evidence["sinks"]["received"]),
        rtol=1e-4,
        atol=1e-5,
        equal_nan=True,
    )


def test_an_edit_by_a_users_hook_is_seen_by_the_scan(llama: Model) -> None:
    point = llama.bridge.blocks[0].attn.hook_out
    plain = examine(llama, [list(ROWS[0].ids)], ["massive"]).evidence["massive"]["moments"]
    handle = point.add_hook(lambda x, hook: torch.zeros_like(x))
    try:
        edited = examine(llama, [list(ROWS[0].ids)], ["massive"]).evidence["massive"]
    finally:
        handle.hook.remove()
        point.fwd_hooks.remove(handle)
    assert (edited["attn"][:, 0] == 0).all()
    assert not (edited["moments"] == plain).all()


def test_streamed_outputs_equal_the_bare_forward_exactly() -> None:
    from inspector.testing import tiny_hf

    hf = tiny_hf("LlamaForCausalLM")
    hf.set_attn_implementation("sdpa")
    ids = torch.tensor([ROWS[0].ids])
    with torch.no_grad():
        bare = hf(input_ids=ids).logits
    model = tiny_model("LlamaForCausalLM")
    with reading(model, ["attention"], lambda site, x: None), torch.no_grad():
        streamed = model.bridge.original_model(input_ids=ids).logits
    assert torch.equal(bare, streamed)


def test_the_unembedding_is_skipped_unless_a_reducer_wants_logits(llama: Model) -> None:
    calls: list[int] = []
    point = llama.bridge.unembed.hook_out
    handle = point.add_hook(lambda x, hook: calls.append(1))
    try:
        observe(llama, batches(ROWS, 1000), [Counter("resid_post")])
        assert not calls
        counter = Counter("logits")
        observe(llama, batches(ROWS, 1000), [counter])
        assert calls
        assert set(counter.seen) == {("logits", llama.shape.layers)}
    finally:
        handle.hook.remove()
        point.fwd_hooks.remove(handle)


def test_every_layer_comes_once_a_batch_in_the_order_of_the_forward_pass(llama: Model) -> None:
    counter = Counter("resid_post", "neuron")
    observe(llama, batches(ROWS[:1], 100), [counter])
    assert counter.seen == [(kind, layer) for layer in range(3) for kind in ("neuron", "resid_post")]


def test_a_kind_of_site_that_the_model_lacks_is_an_error_before_anything_runs() -> None:
    with pytest.raises(ModelError, match="MambaForCausalLM has no site of the kind 'attention'"):
        observe(tiny_model("MambaForCausalLM"), batches(ROWS, 100), [Counter("attention")])


def test_two_threads_on_one_model_get_the_numbers_they_would_get_alone(llama: Model) -> None:
    texts = [random_texts(4, 30, 60, seed=s) for s in (1, 2)]
    alone = [examine(llama, t).evidence["massive"]["moments"] for t in texts]
    together: dict[int, Any] = {}

    def run(i: int) -> None:
        together[i] = examine(llama, texts[i]).evidence["massive"]["moments"]

    threads = [threading.Thread(target=run, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((alone[i] == together[i]).all() for i in (0, 1))


def test_progress_counts_every_real_token(llama: Model) -> None:
    done: list[int] = []
    observe(
        llama,
        batches(ROWS, 100),
        [Counter("resid_post")],
        task=counting(done),
    )
    assert sum(done) == sum(len(row.ids) for row in ROWS)


def test_a_text_that_cannot_fit_is_refused_with_what_it_needs(llama: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backend, "free_bytes", lambda backend: 1000)
    with pytest.raises(InputError, match="Use a smaller window or batch size"):
        forecast(llama, ROWS)


def test_the_batch_shrinks_with_free_memory(llama: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    roomy = forecast(llama, ROWS).tokens_per_batch
    monkeypatch.setattr(Backend, "free_bytes", lambda backend: 4_000_000)
    assert forecast(llama, ROWS).tokens_per_batch < roomy


@pytest.mark.parametrize(
    "architecture", ["LlamaForCausalLM", "GPT2LMHeadModel", "GptOssForCausalLM", "BloomForCausalLM"]
)
def test_the_forecast_counts_what_is_kept_of_many_short_texts(architecture: str) -> None:
    plans: list[Forecast] = []
    texts = random_texts(300, 3, 9)
    report = examine(loaded(architecture), texts, on_forecast=plans.append)
    rows = [
        array.nbytes
        for evidence in report.evidence.values()
        for name, array in evidence.arrays.items()
        if evidence.combine[name] == "text"
    ]
    said = plans[0].kept_bytes
    kept = 2 * sum(rows) + 100 * plans[0].tokens
    assert kept / 1.3 < said < 1.3 * kept
    assert plans[0].peak_bytes > said
    outweighed = architecture in ("BloomForCausalLM", "GptOssForCausalLM")  # by whole patterns, by all experts' neurons
    assert outweighed or "kept of the texts" in str(plans[0])


def test_making_evidence_of_many_short_texts_takes_little_more_than_the_evidence(llama: Model) -> None:
    reducer = Massive().reducer(llama)
    observe(llama, batches(tokenise(None, random_texts(300, 3, 9), bos=None, window=256), 2048), [reducer])
    tracemalloc.start()
    try:
        evidence = reducer.evidence()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.3 * sum(array.nbytes for array in evidence.arrays.values()) + 500_000


def test_more_texts_than_memory_holds_are_refused_before_the_pass(
    llama: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backend, "host_bytes", lambda backend: 100_000)
    with pytest.raises(InputError, match=r"What is kept of 3\d\d texts needs about .* Scan fewer texts"):
        examine(llama, random_texts(300, 3, 9))


def test_a_lens_says_what_it_keeps_of_each_token(llama: Model) -> None:
    plans: list[Forecast] = []
    lens = logit_lens(llama, random_texts(3), on_forecast=plans.append)
    kept = sum(array.nbytes for array in lens.arrays.values())
    assert (plans[0].kept_bytes - 100 * plans[0].tokens) / 2 == kept


def test_evidence_grows_with_the_model_and_the_texts_not_with_their_tokens(llama: Model) -> None:
    def size(length: int) -> int:
        report = examine(llama, [[5] * length] * 10, first_text=100)  # beyond the mapped texts
        return sum(a.nbytes for e in report.evidence.values() for a in e.arrays.values())

    assert size(200) == size(100)


def test_a_pass_does_not_keep_activations(llama: Model) -> None:
    alive: list[int] = []

    class Watching(Counter):
        def update(self, batch: object, site: Any, x: torch.Tensor) -> None:
            import gc

            if site.layer == 2:
                tensors = [o for o in gc.get_objects() if type(o) is torch.Tensor]
                alive.append(sum(t.numel() for t in tensors if t.shape == x.shape))

    observe(llama, batches(ROWS, 60), [Massive().reducer(llama), Watching("resid_post")])
    assert max(alive) - min(alive) < 12 * 60 * 32
