"""StreamingLLM's check of attention sinks: does a sliding window over the cache need the first tokens?

Xiao et al. 2023, arXiv 2309.17453: with the window alone the loss explodes once the first token has left it; with a
few first tokens kept it stays. Tokens kept from elsewhere near the beginning are the control.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from inspector.batches import tokenise
from inspector.models import Model
from inspector.models.attention import UnsupportedAttention
from inspector.models.attention_window import ShiftedKeys, shifted_keys, windowed_attention
from inspector.progress import Task
from inspector.stats import mean_interval
from inspector.texts import Text, built_in

SIZE, LENGTH, TEXTS = 64, 192, 8
"""Tokens in the cache, tokens of a text, and texts; the loss is that of the tokens past `SIZE`."""

FIRST = (0, 1, 2, 4)
"""How many first tokens are kept."""

OTHERS, FROM, TO = 5, 4, 16
"""Draws of four other tokens that are kept instead, from these positions."""

Row = dict[str, object]


def windows(
    model: Model, texts: Sequence[Text] | None, bos: bool | None, seed: int, task: Task
) -> dict[str, np.ndarray]:
    """Loss with windows over the cache: kept, tokens_kept, loss, low, high, change, change_low, change_high, n.

    `change` is beside the same model with nothing taken away (`kept` = everything), paired by text. For tokens from
    elsewhere it is the mean over the draws.

    Raises:
        UnsupportedAttention: the model's positions or attention don't allow it.
    """
    rows = _rows(model, texts, bos)
    if not rows:
        raise UnsupportedAttention(f"no text of {LENGTH} tokens")
    rng = np.random.default_rng(seed)
    others = [tuple(sorted(rng.choice(np.arange(FROM, TO), 4, replace=False).tolist())) for _ in range(OTHERS)]
    losses: dict[str, list[float]] = {}
    for ids in rows:
        keys = shifted_keys(model, ids[:TO], LENGTH - SIZE)
        mine = {"everything": _loss(model, ids)}
        mine |= {_first(n): _windowed(model, ids, tuple(range(n)), keys) for n in FIRST}
        mine["4 others"] = float(np.mean([_windowed(model, ids, kept, keys) for kept in others]))
        for name, loss in mine.items():
            losses.setdefault(name, []).append(loss)
        task.advance()
    return _table({name: np.array(values) for name, values in losses.items()}, seed)


def _rows(model: Model, texts: Sequence[Text] | None, bos: bool | None) -> list[tuple[int, ...]]:
    """Texts cut to `LENGTH`; built-in ones, which are shorter, two after one another."""
    if texts is None:
        parts = built_in(2 * TEXTS)
        texts = [f"{first}\n\n{second}" for first, second in zip(parts[::2], parts[1::2], strict=True)]
    found = tokenise(model.tokenizer, texts, bos=bos, window=LENGTH)
    return [row.ids for row in found if row.start == 0 and len(row.ids) == LENGTH][:TEXTS]


def _windowed(model: Model, ids: tuple[int, ...], kept: tuple[int, ...], keys: ShiftedKeys) -> float:
    with windowed_attention(model, SIZE, kept, keys):
        return _loss(model, ids)


def _loss(model: Model, ids: tuple[int, ...]) -> float:
    """Mean negative log-likelihood (nats) of the tokens that are predicted once the cache has overflowed."""
    tokens = torch.tensor([ids], device=model.device)
    with model.lock:
        logp = model.logits(tokens)[0, SIZE:-1].float().log_softmax(dim=-1)
    return float(-logp.gather(1, tokens[0, SIZE + 1 :].unsqueeze(1)).mean())


def _first(count: int) -> str:
    return "nothing" if count == 0 else f"the first {count}" if count > 1 else "the first"


def _table(losses: dict[str, Float[np.ndarray, " text"]], seed: int) -> dict[str, np.ndarray]:
    whole = losses["everything"]
    rows: list[Row] = []
    for name, loss in losses.items():
        low, high = mean_interval(loss, seed=seed)
        change_low, change_high = mean_interval(loss - whole, share=False, seed=seed)
        rows.append(
            {
                "kept": name,
                "loss": loss.mean(),
                "low": float(low),
                "high": float(high),
                "change": (loss - whole).mean(),
                "change_low": float(change_low),
                "change_high": float(change_high),
                "n": len(loss),
            }
        )
    return {column: np.array([row[column] for row in rows]) for column in rows[0]}
