"""What is found out about a model once is not found out again, and is forgotten when the model changes."""

from collections.abc import Callable

import pytest
import torch
from fixtures_tiny import Words

from inspector import intervene
from inspector.hallucination.answers.ask import stop_tokens
from inspector.interventions.values import scale, zero_ablate
from inspector.models import Decoder, Model, generate
from inspector.models.changes import state_of
from inspector.sites import Site
from inspector.testing.planted import tiny_model

RESID = Site("resid_post", 1)


@pytest.fixture
def llama() -> Model:
    return tiny_model("LlamaForCausalLM")


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The execution paths that are tried."""
    tried: list[str] = []
    works = generate._works
    monkeypatch.setattr(generate, "_works", lambda model, path, *rest: tried.append(path) or works(model, path, *rest))
    return tried


def test_execution_paths_are_tried_once_for_all_decoders_of_a_model(llama: Model, tries: list[str]) -> None:
    assert [Decoder(llama, ids).paths[0] for ids in ((), (5, 6), (5, 6))] == ["shared"] * 3
    assert tries == ["shared", "cached"]


def test_they_are_tried_again_under_other_interventions_and_known_where_they_come_back(
    llama: Model, tries: list[str]
) -> None:
    Decoder(llama)
    for known in (2, 4, 4):
        assert len(tries) == known
        with intervene(llama, [zero_ablate(RESID, (1,))]):
            Decoder(llama)
    with intervene(llama, [scale(RESID, None, 1.0)]):
        Decoder(llama)
    Decoder(llama)
    assert len(tries) == 4


def bridge_hook(model: Model, hook: Callable[..., None]) -> Callable[[], None]:
    model.hooks[RESID].add_hook(hook)
    return model.hooks[RESID].remove_hooks


def torch_hook(model: Model, hook: Callable[..., None]) -> Callable[[], None]:
    return model.bridge.original_model.register_forward_hook(lambda *given: hook(*given[:2])).remove


@pytest.mark.parametrize("hooked", [bridge_hook, torch_hook])
def test_they_are_tried_again_when_a_hook_comes_or_another_in_its_place(
    llama: Model, tries: list[str], hooked: Callable[..., Callable[[], None]]
) -> None:
    Decoder(llama)
    states = {state_of(llama)}
    for known in (4, 6):
        remove = hooked(llama, lambda x, hook: None)
        Decoder(llama)
        assert len(tries) == known
        states.add(state_of(llama))
        remove()
    Decoder(llama)
    assert len(tries) == 6
    assert len(states) == 3


def test_a_vocabulary_is_swept_for_stop_tokens_once(llama: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    swept: list[int] = []

    class Counted(Words):
        def batch_decode(self, rows: list[list[int]], **how: object) -> list[str]:
            swept.append(len(rows))
            return super().batch_decode(rows)

    model = replace(llama, tokenizer=Counted())
    first = stop_tokens(model)
    assert torch.equal(stop_tokens(model), first) and len(swept) == 1
    monkeypatch.setattr(Counted, "all_special_ids", (0, 1, 2, 11))
    assert torch.equal(
        stop_tokens(model).nonzero().squeeze(1), torch.tensor(sorted({*first.nonzero().squeeze(1).tolist(), 11}))
    )
    assert len(swept) == 2
