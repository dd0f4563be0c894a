"""Answers a second, beside plain loops over transformers' `generate` with the same model and dtype.

Two loops are measured: one call a question with `num_return_sequences` (the better script), and one
call an answer (the usual one). All contenders answer the same questions, one greedy answer and ten
samples each, and take turns, so that a slow minute of the machine hits all of them. What counts is
the ratio, the median over rounds.

    python -m benchmarks.asking [--rounds N] [--questions N]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from benchmarks.scan import weights
from inspector import load_model
from inspector.hallucination.answers.ask import Asker, Sampling
from inspector.hallucination.questions.prompts import Form
from inspector.hallucination.questions.sets import Question, load
from inspector.models import asking_dtype

SAMPLING = Sampling()
TARGET = 3.0
FEW = 16
"""Questions that the loops are timed on."""


Ask = Callable[[list[Question]], None]


def ours() -> Ask:
    """This project's asking, batches and all."""
    asker = Asker(load_model(dtype=asking_dtype("cpu"), device="cpu"), Form(), SAMPLING)

    def run(questions: list[Question]) -> None:
        for batch in asker.batches(questions):
            asker.ask(batch)

    return run


def plain(*, together: bool) -> Ask:
    """A loop over questions that calls `generate`, samples of a question together or one by one."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(weights())
    dtype = {"auto": torch.float32}.get(asking_dtype("cpu"), torch.bfloat16)
    hf: Any = AutoModelForCausalLM.from_pretrained(weights(), dtype=dtype, attn_implementation="sdpa").eval()
    stops = [i for i in range(len(tokenizer)) if "\n" in tokenizer.decode([i])] + [tokenizer.eos_token_id]
    greedy = {"max_new_tokens": SAMPLING.longest, "eos_token_id": stops, "pad_token_id": 0}
    drawn = {"do_sample": True, "temperature": 1.0, "top_p": SAMPLING.top_p, "top_k": SAMPLING.top_k, **greedy}

    def run(questions: list[Question]) -> None:
        for question in questions:
            ids = torch.tensor([Form().prompt(tokenizer, question.question)])
            mask = torch.ones_like(ids)
            with torch.no_grad():
                hf.generate(ids, attention_mask=mask, do_sample=False, **greedy)
                for _ in range(1 if together else SAMPLING.samples):
                    count = SAMPLING.samples if together else 1
                    hf.generate(ids, attention_mask=mask, num_return_sequences=count, **drawn)

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--questions", type=int, default=400)
    options = parser.parse_args()
    questions = load("world_facts", count=options.questions)
    few = questions[:: max(1, len(questions) // FEW)]  # loops are slow and don't gain from more
    contenders = {
        "inspector": (ours(), questions),
        "generate, samples together": (plain(together=True), few),
        "generate, one by one": (plain(together=False), few),
    }
    for ask, _ in contenders.values():
        ask(questions[:1])
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(options.rounds):
        for name, (ask, asked) in contenders.items():
            start = time.perf_counter()
            ask(asked)
            speeds[name].append(len(asked) * (1 + SAMPLING.samples) / (time.perf_counter() - start))
    for name in contenders:
        ratio = statistics.median(a / b for a, b in zip(speeds["inspector"], speeds[name], strict=True))
        print(f"{name:<28}{statistics.median(speeds[name]):8.1f} answers/s   inspector is {ratio:5.2f} × as fast")
    print(f"target: {TARGET:g} × the loop over questions")


if __name__ == "__main__":
    main()
