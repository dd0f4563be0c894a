"""Neurons scaled while the model answers: a planted cause is confirmed, an idle neuron not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fixtures_tiny import with_words

from inspector.batches import tokenise
from inspector.hallucination.answers.ask import Asker, Sampling
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import Question
from inspector.hallucination.trials import ALPHAS, AnswerBench, scaling
from inspector.interventions.apply import intervene
from inspector.interventions.values import scale
from inspector.interventions.values import zero_ablate as zero
from inspector.models import Model
from inspector.sites import Site
from inspector.testing import tiny_model
from inspector.testing.planted import random_texts
from inspector.verification.text_bench import TextBench
from inspector.verification.trials import Outcomes, run

FORM = Form("few-shot", (("who ?", "me"),))
SAMPLING = Sampling(samples=0, longest=3)
LAYER, IDLE, PUSHED = 2, 11, 40


def planted(seed: int) -> tuple[Model, int]:
    """A model with a neuron that, turned up, says the same word to every question; and that neuron."""
    model = with_words(tiny_model(seed=seed))
    asker = Asker(model, FORM, SAMPLING)
    prompts = [[*asker.prefix, *prompt] for prompt in ([30, 31], [50, 60, 70], [44])]
    fired: list[torch.Tensor] = []
    handle = model.hooks[Site("neuron", LAYER)].add_hook(lambda x, hook: fired.append(x.detach()[:, -1]))
    for prompt in prompts:
        model.logits(torch.tensor([prompt]))
    model.hooks[Site("neuron", LAYER)].remove_hooks()
    del handle
    neuron = int(torch.cat(fired).amin(dim=0).argmax())  # of all, the one that fires most surely
    with torch.no_grad():
        towards = model.bridge.original_model.get_output_embeddings().weight[PUSHED]
        model.w_out(LAYER)[neuron] = 6 * towards / towards.norm()
    return model, neuron


def bench_of(model: Model, neuron: int, count: int = 30) -> AnswerBench:
    """Questions whose right answers are what the model says without this neuron."""
    questions = [Question(f"q{i}", f"what {i} is thing{7 * i} ?", ("w0",)) for i in range(count)]
    asker = Asker(model, FORM, SAMPLING)
    with intervene(model, [zero(Site("neuron", LAYER), (neuron,))]):
        said = {one.id: one.answers[0] for batch in asker.batches(questions) for one in asker.ask(batch)}
    assert sum(map(bool, said.values())) > count / 2
    told = [Question(q.id, q.question, (model.tokenizer.decode(said[q.id]).strip(),)) for q in questions if said[q.id]]
    prose = TextBench(model, tokenise(None, random_texts(10, 64, 64), bos=None, window=64))
    premises = [Question(f"p{i}", f"why {i} ?", ()) for i in range(10)]
    return AnswerBench(model, FORM, told, premises, prose, SAMPLING)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_planted_neuron_is_confirmed_and_an_idle_one_is_not(seed: int) -> None:
    model, neuron = planted(seed)
    bench = bench_of(model, neuron, 14)
    width = model.w_out(LAYER).shape[0]
    others = [n for n in range(width) if n not in (neuron, IDLE)][:20]
    with torch.no_grad():
        model.w_out(LAYER)[IDLE] = 0
    trials = [
        scaling(name, "scale", [(LAYER, unit)], [[(LAYER, other)] for other in others], ALPHAS)
        for name, unit in (("planted", neuron), ("idle", IDLE))
    ]
    outcomes = Outcomes(bench)  # each trial by itself: 20 twins leave no room for a q over two
    effects = {(one.target, one.metric): one for trial in trials for one in run(outcomes, [trial])}
    planted_one, idle = effects["planted", "made_up"], effects["idle", "made_up"]
    assert planted_one.verdict == "confirmed", planted_one.reason
    assert abs(idle.change) < 1e-12 and idle.verdict == "undecided" and "takes 59" in idle.reason
    assert effects["planted", "accuracy"].change < 0


def test_metrics_are_what_they_say() -> None:
    model, neuron = planted(0)
    bench = bench_of(model, neuron)
    turned_up = [scale(Site("neuron", LAYER), (neuron,), 30.0)]
    before = bench.outcome((), ["accuracy"])["accuracy"]
    found = bench.outcome(turned_up, ["accuracy", "made_up", "compliance", "unparsed", "loss"])
    count = len(bench.questions)
    assert found["accuracy"].shape == (count,) and found["compliance"].shape == (10,)
    assert np.allclose(found["made_up"], np.concatenate([1 - found["accuracy"], found["compliance"]]))
    assert found["unparsed"].shape == (count + 10,)
    one_token = replace(bench.asker.sampling, longest=1)
    given = (bench.questions, bench.premises, bench.prose, one_token)
    short = AnswerBench(model, bench.asker.form, *given)
    assert (short.outcome((), ["unparsed"])["unparsed"] == 1).all()  # none has ended at one token
    assert (found["loss"] != bench.outcome((), ["loss"])["loss"]).all()
    assert (bench.outcome([zero(Site("neuron", LAYER), (neuron,))], ["accuracy"])["accuracy"] == 1).all()
    assert (bench.outcome((), ["accuracy"])["accuracy"] == before).all()  # nothing is left of the change
