"""`examine_generated`: scan what a model writes, its prompts and its own tokens apart."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from inspector.alike import Alike
from inspector.arguments import Count, Number, takes
from inspector.batches import TokenSequence, batches
from inspector.detectors.base import Detector
from inspector.generation.parts import PARTS, PartsReducer
from inspector.generation.prompts import end_tokens, prompt_ids
from inspector.models import Backend, Decoder, Model
from inspector.models.observe import forecast, observe
from inspector.pages import page
from inspector.printable import brief, counted
from inspector.progress import Reported, Task, progress_of
from inspector.run.report import Report
from inspector.scan import examine
from inspector.stats.histograms import histogram_quantile
from inspector.texts import Given
from inspector.token_text import text_of, token_texts

LONGEST = 64
SINK = 0.3
"""Share of attention on one key above which a head is a sink head, as for the sink rate (Gu et al. 2024)."""


@dataclass(frozen=True, repr=False, eq=False)
class Generated(Alike):
    """What a model wrote, and what it did meanwhile; made by `examine_generated`.

    Args:
        report: the scan of prompts with what was written after them, as `examine` gives it.
        answers: a row per prompt: text, prompt_tokens, tokens (written), answer, ended (False where it was cut off).
        layers: a row per layer and part (`prompt`, `generated`): largest (|x| in the stream after the layer), median
            (of all |x| there), ratio, dim, text, position, token.
        heads: a row per layer, head and part, means over texts: on_first (share of attention that the part's queries
            place on the first token), strongest (on the key that they attend to most).
    """

    report: Report
    answers: pd.DataFrame
    layers: pd.DataFrame
    heads: pd.DataFrame

    def sentences(self) -> list[str]:
        """What was found, in words."""
        return [*self._spikes(), *self._sinks()]

    def _spikes(self) -> Iterator[str]:
        for part, of in zip(PARTS, ("the prompts", "the generated tokens"), strict=True):
            rows = self.layers[self.layers["part"] == part]
            if len(rows):
                top = rows.loc[rows["largest"].idxmax()]
                yield (
                    f"Over {of} the largest |x| is {top['largest']:,.4g}, {top['ratio']:,.0f} times the median of "
                    f"layer {top['layer']}, in dim {top['dim']} at position {top['position']} ({top['token']!r})."
                )

    def _sinks(self) -> Iterator[str]:
        if len(self.heads):
            by = self.heads.groupby("part", sort=False)
            first, any_key = (by[name].agg(lambda share: (share > SINK).mean()) for name in ("on_first", "strongest"))
            for part in first.index:
                yield (
                    f"From the {part} tokens {first[part]:.0%} of heads place more than {SINK:.0%} of their attention "
                    f"on the first token, {any_key[part]:.0%} on some one token."
                )

    def __repr__(self) -> str:
        answers, tokens = counted(len(self.answers), "answer"), counted(int(self.answers["tokens"].sum()), "token")
        return f"<Generated: {answers}, {tokens}, by {brief(self.report.card['name'])}>"

    def _repr_html_(self) -> str:
        return page(repr(self), self.sentences(), {"Answers": self.answers}) + self.report._repr_html_()


@takes
def examine_generated(
    model: Model,
    prompts: Given,
    *,
    longest: Count = LONGEST,
    detectors: Iterable[str | Detector] | None = None,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    bos: bool | None = None,
    seed: Number = 0,
    progress: Reported = None,
) -> Generated:
    """Let a model continue prompts greedily, and scan prompts and new tokens, also apart.

    Args:
        model: from `load_model`.
        prompts: strings, token ids, or conversations, whose next turn the model writes (chat template).
        longest: most tokens of an answer.
        detectors: of the scan; see `examine`.
        thresholds: by detector; see `examine`.
        bos: True prepends one BOS to each prompt, False none, None does what the tokenizer does.
        seed: of the scan's control inputs.
        progress: hears of `generating`, in prompts, and of the scan.

    Raises:
        InputError: no prompts, one too long for the model's context, no tokenizer, what `examine` raises.
    """
    before = prompt_ids(model, prompts, longest, bos)
    task = progress_of(progress).task("generating", len(before))
    after = _continued(model, before, longest, task)
    whole = [first + then for first, then in zip(before, after, strict=True)]
    report = examine(
        model, whole, detectors, thresholds=thresholds, window=model.shape.context, seed=seed, progress=progress
    )
    rows = [TokenSequence(text, text, 0, ids) for text, ids in enumerate(whole)]
    reducer = PartsReducer(model, {text: len(ids) for text, ids in enumerate(before)})
    observe(model, batches(rows, forecast(model, rows).tokens_per_batch, model.pad_id), [reducer])
    answers = pd.DataFrame(
        {
            "text": range(len(before)),
            "prompt_tokens": [len(ids) for ids in before],
            "tokens": [len(ids) for ids in after],
            "answer": [text_of(model.tokenizer, ids) for ids in after],
            "ended": [len(ids) < longest for ids in after],
        }
    )
    return Generated(report, answers, _layers(reducer, whole), _heads(reducer))


def _continued(model: Model, prompts: Sequence[tuple[int, ...]], longest: int, task: Task) -> list[tuple[int, ...]]:
    """The greedy answer to each prompt; those of similar length are written together."""
    stop, decoder, size = end_tokens(model), Decoder(model), Backend.of(model.device).answer_rows
    order = sorted(range(len(prompts)), key=lambda number: -len(prompts[number]))
    found: dict[int, tuple[int, ...]] = {}
    for start in range(0, len(order), size):
        some = order[start : start + size]
        written = decoder.generate(
            [prompts[number] for number in some], 1, lambda logits, rows, steps: logits.argmax(dim=-1), stop, longest
        )
        found |= dict(zip(some, written, strict=True))
        task.advance(len(some))
    return [found[number] for number in range(len(prompts))]


def _layers(reducer: PartsReducer, texts: Sequence[tuple[int, ...]]) -> pd.DataFrame:
    rows = []
    for (layer, part), found in sorted(reducer.largest.items()):
        median = float(histogram_quantile(reducer.counts[layer, part], 0.5))
        (token,) = token_texts(reducer.model.tokenizer, [texts[found.text][found.position]])
        ratio = found.value / median if median > 0 else np.nan
        rows.append((layer, PARTS[part], found.value, median, ratio, found.dim, found.text, found.position, token))
    names = ["layer", "part", "largest", "median", "ratio", "dim", "text", "position", "token"]
    return pd.DataFrame(rows, columns=names)


def _heads(reducer: PartsReducer) -> pd.DataFrame:
    rows = []
    for (layer, part), shares in sorted(reducer.on_first.items()):
        first = np.concatenate(shares).mean(axis=0)
        best = np.concatenate(reducer.strongest[layer, part]).mean(axis=0)
        rows += [(layer, head, PARTS[part], *pair) for head, pair in enumerate(zip(first, best, strict=True))]
    return pd.DataFrame(rows, columns=["layer", "head", "part", "on_first", "strongest"])
