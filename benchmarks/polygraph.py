"""Our uncertainty scores beside LM-Polygraph's own code, on the same logits and attention.

LM-Polygraph is no dependency: `pip download --no-deps lm-polygraph`, unzip the wheel, and name the folder.

    python -m benchmarks.polygraph FOLDER
"""

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from benchmarks.scan import weights

FILES = {
    "rauq": "RAUQ",
    "self_certainty": "SelfCertainty",
    "perplexity": "Perplexity",
    "monte_carlo_sequence_entropy": "MonteCarloSequenceEntropy",
}
QUESTIONS, SAMPLES = 24, 4


def theirs(folder: Path) -> dict[str, Any]:
    """Their estimators' classes, each file loaded by itself: the whole package needs much more."""
    for name in ("lm_polygraph", "lm_polygraph.utils", "lm_polygraph.utils.common", "lm_polygraph.estimators"):
        sys.modules[name] = ModuleType(name)
    vars(sys.modules["lm_polygraph.utils.common"])["polygraph_module_init"] = lambda function: function
    found = {}
    for file, name in {"estimator": "Estimator", **FILES}.items():
        full = f"lm_polygraph.estimators.{file}"
        spec = importlib.util.spec_from_file_location(full, folder / "lm_polygraph" / "estimators" / f"{file}.py")
        assert spec is not None and spec.loader is not None
        sys.modules[full] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found[name] = getattr(module, name)
    return found


def main() -> None:
    """Print each score's largest difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    estimators = theirs(parser.parse_args().folder)
    ours, stats = measured()
    model = {"n_layers": stats.pop("layers"), "n_heads": stats.pop("heads")}
    said = {
        "RAUQ": estimators["RAUQ"](**model)(stats) - 1,  # they add 1, which orders nothing otherwise
        "self-certainty": -estimators["SelfCertainty"]()(stats),
        "logprob": -estimators["Perplexity"]()(stats),
        "predictive entropy": estimators["MonteCarloSequenceEntropy"]()(stats),
    }
    for name, values in said.items():
        off = np.abs(values - ours[name])
        largest = f"{off.max():.2g}, of {np.abs(values).max():.3g} at most"
        print(f"{name:20} {len(values)} answers, largest difference {largest}")


def measured() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Our scores of greedy answers, and what their code takes, from plain transformers with eager attention."""
    from inspector import load_model
    from inspector.hallucination.answers.ask import Asker, Sampling
    from inspector.hallucination.answers.cett import Uncertainty
    from inspector.hallucination.answers.measure import Meter
    from inspector.hallucination.answers.resume import Answered
    from inspector.hallucination.baselines import Passes, measure_all
    from inspector.hallucination.questions.prompts import Form
    from inspector.hallucination.questions.sets import load
    from inspector.progress import SILENT

    model, form, questions = load_model(device="cpu"), Form(), load("world_facts", count=QUESTIONS)
    asker = Asker(model, form, Sampling(samples=SAMPLES))
    asked = {one.id: one.answers for batch in asker.batches(questions) for one in asker.ask(batch)}
    answers = [
        Answered(one, asked[one.id], tuple(map(str, model.tokenizer.batch_decode(asked[one.id]))), ("wrong",))
        for one in questions
        if all(asked[one.id])
    ]
    meter = Meter(model, form)
    fed = meter.feed([one.put for one in answers], [one.ids[0] for one in answers])
    seen = Uncertainty(fed.spans)
    meter.watch(fed, [seen])
    found, _ = measure_all(Passes(meter, answers, fed), SILENT.task("scoring"))
    ours = {**found, "self-certainty": seen.certainty, "logprob": seen.logprob}

    hf = AutoModelForCausalLM.from_pretrained(weights(), dtype=torch.float32, attn_implementation="eager").eval()
    stats: dict[str, Any] = {
        "attention_all": [],
        "greedy_log_likelihoods": [],
        "greedy_log_probs": [],
        "sample_log_probs": [],
    }
    for one in answers:
        prompt = form.prompt(model.tokenizer, one.put)
        logp, attention = _forward(hf, prompt, one.ids[0])
        stats["attention_all"].append(attention)
        stats["greedy_log_probs"].append(list(logp))
        stats["greedy_log_likelihoods"].append(logp[np.arange(len(logp)), one.ids[0]])
        sampled = [_forward(hf, prompt, ids)[0][np.arange(len(ids)), list(ids)].sum() for ids in one.ids[1:]]
        stats["sample_log_probs"].append(sampled)
    return ours, {**stats, "layers": model.shape.layers, "heads": model.shape.heads}


def _forward(hf: Any, prompt: tuple[int, ...], answer: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities before each of an answer's tokens, and attention among them `[layer · head, token, token]`."""
    with torch.no_grad():
        out = hf(input_ids=torch.tensor([[*prompt, *answer]]), use_cache=False, output_attentions=True)
    start = len(prompt)
    logp = out.logits[0, start - 1 : -1].double().log_softmax(dim=-1).numpy()
    return logp, torch.cat(out.attentions).flatten(0, 1)[:, start:, start:].double().numpy()


if __name__ == "__main__":
    main()
