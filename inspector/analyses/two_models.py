"""`compare_models`: two models on the same tokens, layer by layer and token by token."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from inspector.analyses.found_in_two import FoundInTwo
from inspector.analyses.model_differences import ModelDifferences
from inspector.analyses.two_models_reducer import Against, First
from inspector.arguments import Count, takes
from inspector.batches import Batch, TokenSequence, batch_apart, batches, token_table, tokenise
from inspector.detectors.apart import without_overwriting
from inspector.detectors.base import Detector, load_detectors
from inspector.errors import InputError
from inspector.interventions.apply import intervene
from inspector.interventions.values import Intervention
from inspector.models import Model, refuse_ids
from inspector.models.conversations import texts_for
from inspector.models.observe import observe
from inspector.progress import Reported, progress_of
from inspector.texts import Given, built_in
from inspector.token_text import token_texts

TEXTS, WINDOW = 16, 512
"""Built-in texts, and tokens of a window."""
ROOM = 1 << 27
"""Numbers of a batch that are held at once: the first model's streams, and both models' logits."""


@takes
def compare_models(
    first: Model,
    second: Model,
    texts: Given | None = None,
    *,
    interventions: Intervention | Sequence[Intervention] = (),
    bos: bool | None = None,
    window: Count | None = None,
    detectors: Sequence[str | Detector] | None = None,
    progress: Reported = None,
) -> ModelDifferences:
    """Run two models on the same tokens, in step, and say where they differ.

    Before and after quantisation or fine-tuning, two checkpoints, two precisions; or one model, and itself under
    interventions. One pass of each; of the activations a batch's are held, and nothing is on disk.

    Args:
        first: what the second is measured by, from `load_model`.
        second: of the same depth, width and vocabulary; may be the first itself.
        texts: see `inspector.texts.Given`; 16 built-in ones where None.
        interventions: what the second model is run under.
        bos: True prepends one BOS to each text, False none, None does what the first model's tokenizer does.
        window: longer texts are cut into windows of this many tokens; 512 where None.
        detectors: whose findings in both models are set side by side; all that are installed where None, or none.
        progress: hears of the task `comparing`, in tokens.

    Raises:
        InputError: models of other shapes or tokenizers, or no texts.
    """
    rows = _rows(first, second, texts, bos, window)
    longest = max(len(row.ids) for row in rows)
    a_token = first.shape.layers * first.shape.d_model + 4 * first.shape.vocab
    task = progress_of(progress).task("comparing", sum(len(row.ids) for row in rows))
    every = load_detectors() if detectors is None else load_detectors(detectors) if detectors else []
    faults: list[str] = []

    def run(left_out: Collection[Detector]) -> tuple[Against, FoundInTwo]:
        kept, found = First(), Against(second)
        seen = FoundInTwo(first, second, [one for one in every if one not in left_out])
        for batch in _apart(batches(rows, max(longest, ROOM // a_token), first.pad_id), first, second):
            observe(first, [batch], [kept, *seen.first])
            found.first = kept.taken()
            with intervene(second, interventions) if interventions else nullcontext():
                observe(second, [batch], [found, *seen.second], task=task)
        return found, seen

    found, seen = without_overwriting(run, faults.append)
    by_token, by_row = found.arrays([row.text for row in rows])
    tops = {int(i) for name in ("top_first", "top_second") for i in np.unique(by_token[name])}
    tokenizer = first.tokenizer
    names = dict(zip(tops, token_texts(tokenizer, list(tops)), strict=True))
    table = pd.DataFrame(token_table(rows, tokenizer))[["text", "source", "position", "id", "token"]]
    card = second.current_card() | ({"changed": True} if interventions else {})
    texts_of = dict(zip(table["id"].tolist(), table["token"].tolist(), strict=True))
    by_text, findings = _by_source(by_row, rows), seen.table(texts_of, rows, first.card)
    notes = tuple(dict.fromkeys([*faults, *seen.faults]))
    return ModelDifferences(first.current_card(), card, table, by_token, by_text, found.by_dim, names, findings, notes)


def _rows(
    first: Model, second: Model, texts: Given | None, bos: bool | None, window: int | None
) -> list[TokenSequence]:
    """The tokens that both models are fed.

    Raises:
        InputError: models of other shapes or tokenizers, or no texts.
    """
    _refuse(first, second)
    given = texts_for(first.tokenizer, built_in(TEXTS) if texts is None else texts)
    size = min(window or WINDOW, first.shape.context, second.shape.context)
    rows = tokenise(first.tokenizer, given, bos=bos, window=size)
    refuse_ids(first, rows)
    _refuse_tokens(second, given, rows, bos, size)
    return rows


def _apart(parts: Iterable[Batch], first: Model, second: Model) -> Iterator[Batch]:
    """The batches, rows that either model counts by their length apart, as `observe` would have them."""
    for batch in parts:
        for part in batch_apart(batch, first.rotary_switch):
            yield from batch_apart(part, second.rotary_switch)


def _by_source(
    by_row: Mapping[str, Float[np.ndarray, "row layer"]], rows: Sequence[TokenSequence]
) -> dict[str, Float[np.ndarray, "text layer"]]:
    """Each text's numbers, of its windows together: means by their tokens, sums added up."""
    sources, place = np.unique([row.source for row in rows], return_inverse=True)
    begins = np.array([row.start == 0 for row in rows])[:, None]
    known = np.array([len(row.ids) for row in rows])[:, None] - by_row["lost"]

    def added(values: np.ndarray) -> np.ndarray:
        whole = np.zeros((len(sources), values.shape[1]))
        np.add.at(whole, place, values)
        return whole

    found = {name: added(by_row[name]) for name in ("squared_error", "squared", "lost")}
    found["at_first"] = added(np.where(begins, by_row["at_first"], 0.0))
    with np.errstate(invalid="ignore"):
        for name in ("error", "cosine"):
            found[name] = added(np.nan_to_num(by_row[name]) * known) / added(known)
    return found


def _refuse(first: Model, second: Model) -> None:
    """Check that the models have the same shape, as far as streams and logits are concerned."""
    for what, name in (("layers", "layers"), ("width", "d_model"), ("vocabulary", "vocab")):
        mine, other = getattr(first.shape, name), getattr(second.shape, name)
        if mine != other:
            raise InputError(
                f"These models can't be compared token by token: their {what} are {mine:,} and {other:,}. Scan each, "
                "and compare the runs."
            )


def _refuse_tokens(
    second: Model, given: Sequence[Any], rows: Sequence[TokenSequence], bos: bool | None, window: int
) -> None:
    """Check that the second model's tokenizer, where it has one, makes the same tokens."""
    if second.tokenizer is None:
        return
    strings = [number for number, text in enumerate(given) if isinstance(text, str)]
    mine = {number: [row.ids for row in rows if row.source == number] for number in strings}
    for number in strings:
        other = [row.ids for row in tokenise(second.tokenizer, [given[number]], bos=bos, window=window)]
        if other != mine[number]:
            raise InputError(
                f"The models' tokenizers differ: text {number} has other tokens in the second. Give token ids, if they "
                "mean the same to both."
            )
