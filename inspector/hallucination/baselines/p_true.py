"""P(True): what the model says when it is asked whether its answer is right."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from inspector.batches import Batch, TokenSequence
from inspector.hallucination.answers.measure import Fed, Meter
from inspector.hallucination.answers.resume import Answered
from inspector.hallucination.baselines.contract import MeasuredScore, Passes
from inspector.hallucination.questions.prompts import as_spelt, following, with_context
from inspector.models.chat_template import rendered
from inspector.sites import Site

ASKED = """Question: {question}
Possible answer: {answer}
Is the possible answer:
 (A) True
 (B) False
The possible answer is:"""


class _Last:
    """The logits after each row's last token, of some tokens: `[text, token]`."""

    kinds: tuple[str, ...] = ("logits",)

    def __init__(self, rows: int, tokens: tuple[int, ...]) -> None:
        self.tokens, self.logits = list(tokens), np.full((rows, len(tokens)), np.nan)

    def update(self, batch: Batch, site: Site, x: Tensor) -> None:
        """Take in the logits."""
        for row, (text, length) in enumerate(zip(batch.text.tolist(), batch.lengths.tolist(), strict=True)):
            self.logits[text] = x[row, length - 1, self.tokens].float().cpu().numpy()


def measure(passes: Passes) -> np.ndarray | None:
    """Log-odds of True over False; None where a prompt doesn't fit, or both words begin with the same token."""
    meter, tokenizer = passes.meter, passes.meter.model.tokenizer
    prompts = _prompts(meter, passes.answers)
    before = ASKED if meter.form.name == "few-shot" else ""
    words = tuple(following(tokenizer, before, f"{' ' * bool(before)}{word}")[0] for word in ("True", "False"))
    if words[0] == words[1] or max(map(len, prompts)) > meter.model.shape.context:
        return None
    last = _Last(len(prompts), words)
    meter.watch(Fed([TokenSequence(i, i, 0, ids) for i, ids in enumerate(prompts)], {}), [last])
    return last.logits[:, 0] - last.logits[:, 1]


def _prompts(meter: Meter, answers: Sequence[Answered]) -> list[tuple[int, ...]]:
    """Token ids of what is asked about each answer: as plain text, or in a chat of one turn."""
    tokenizer = meter.model.tokenizer
    put = [with_context(one.question.question, one.context) for one in answers]
    texts = [ASKED.format(question=each, answer=one.texts[0]) for each, one in zip(put, answers, strict=True)]
    if meter.form.name == "few-shot":
        return [as_spelt(tokenizer, text) for text in texts]
    chats = [rendered(tokenizer, [{"role": "user", "content": text}]) for text in texts]
    return [tuple(tokenizer(chat, add_special_tokens=False)["input_ids"]) for chat in chats]


BASELINE = MeasuredScore(
    "P(True)",
    "log p(True) − log p(False), the model being asked whether its possible answer is true",
    "Kadavath et al. 2022, arXiv 2207.05221; by the words and not by (A) or (B), and without examples",
    cost="a pass over another prompt for each answer",
    caveat="asked of the question and its context alone, without a prompt or conversation of its own",
    measure=measure,
)
