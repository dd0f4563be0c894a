"""Logit lens and deep-thinking ratio: what each layer would predict, and where the prediction settles.

Layer l's prediction p_l is its stream passed, as the last one is, through the final norm and the
unembedding. d_l is the Jensen–Shannon divergence of p_l and the last layer's prediction, in bits. A
token settles in the first layer by which the smallest d so far is at most g; it is deep if that is
block ⌈ρL⌉ of L or a later one, counted from 1; the deep-thinking ratio is the share of deep tokens
("Think Deep, Not Just Long", arXiv 2602.13517: g = 0.5, ρ = 0.85). Where models settle differs, so a
ratio is worth comparing only with one at a `g` that was calibrated on the same model.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from inspector.alike import Alike
from inspector.analyses.logit_lens_reducer import LensReducer
from inspector.arguments import Count, takes
from inspector.batches import WINDOW, batches, token_table, tokenise
from inspector.detectors.base import bytes_kept
from inspector.errors import InputError
from inspector.models import Model, check_readout
from inspector.models.conversations import texts_for
from inspector.models.observe import Forecast, forecast, observe
from inspector.pages import page
from inspector.printable import counted
from inspector.progress import Reported, progress_of
from inspector.texts import Given
from inspector.token_text import token_texts

G, RHO = 0.5, 0.85
SHARE = 0.5
"""Tokens of ordinary text that a calibrated g calls deep: with half of them the word says most."""
BATCH_TOKENS = 1024
"""A batch's streams of all layers are held together."""


def first_deep(rho: float, layers: int) -> int:
    """The first layer, 0-based, in which a token that settles is deep."""
    return math.ceil(rho * layers - 1e-9) - 1


def refuse(g: float, rho: float, calibrated_over: int | None = None) -> None:
    """Refuse g and rho that are out of range, or a calibration of g on too few layers.

    Raises:
        InputError: g or ρ is out of range.
    """
    if calibrated_over is not None and first_deep(rho, calibrated_over) < 1:
        raise InputError(
            f"rho is {rho}, and leaves none of {calibrated_over} layers before the deep ones to calibrate g by. Use a "
            "larger rho."
        )
    if not 0 <= g < 1 or not 0 < rho <= 1:
        raise InputError(f"g is {g} and rho is {rho}. Use g from 0 to below 1 and rho above 0, up to 1.")


@dataclass(frozen=True, repr=False, eq=False)
class Lens(Alike):
    """The output of `logit_lens`; `judge` changes g and ρ without the model.

    Args:
        tokens: the input tokens, one row each: text, position, token.
        arrays: `[token, layer]`: top (id), top_probability, answer_probability, answer_rank, jsd.
        names: text of every token id in `top`.
        g: bits; a token has settled once it came this near.
        rho: share of the depth from which a token that settles is deep.
    """

    tokens: pd.DataFrame
    arrays: Mapping[str, np.ndarray]
    names: Mapping[int, str]
    g: float = G
    rho: float = RHO

    def __post_init__(self) -> None:
        refuse(self.g, self.rho)

    def __repr__(self) -> str:
        tokens, layers = self.arrays["jsd"].shape
        size = f"{counted(tokens, 'token')} in {counted(layers, 'layer')}"
        return f"<Lens of {size}: {self.ratio:.0%} settle from layer {self.deep_from} on>"

    def _repr_html_(self) -> str:
        return page(repr(self), (), {"Where tokens settle": self.depth})

    def judge(self, g: float | None = None, rho: float | None = None) -> "Lens":
        """The same output with another g or ρ."""
        return replace(self, g=self.g if g is None else g, rho=self.rho if rho is None else rho)

    @property
    def deep_from(self) -> int:
        """The first layer, 0-based, in which a token that settles is deep."""
        return first_deep(self.rho, self.arrays["jsd"].shape[1])

    @property
    def ratio(self) -> float:
        """Deep-thinking ratio over all tokens."""
        return float(self._deep.mean())

    def calibrated(self, share: float = SHARE) -> float:
        """The g at which this share of the tokens is deep: a quantile of the nearest that they came before.

        Raises:
            InputError: a share that isn't between 0 and 1, or a ρ that leaves no layer before the deep ones.
        """
        refuse(self.g, self.rho, self.arrays["jsd"].shape[1])
        if not 0 < share < 1:
            raise InputError(f"share is {share}. Use one between 0 and 1.")
        return float(np.quantile(self._nearest[:, self.deep_from - 1], 1 - share))

    @cached_property
    def lens(self) -> pd.DataFrame:
        """One row per token and layer: its top token, how the last layer's fares in it, divergence, whether it settled.

        Columns: text, position, token, layer, top, top_probability, answer (the last layer's top token),
        answer_probability, answer_rank (0 is the top), jsd, settled.
        """
        count, layers = self.arrays["jsd"].shape
        table = self.tokens.loc[self.tokens.index.repeat(layers)].reset_index(drop=True)
        top = [self.names[i] for i in self.arrays["top"].reshape(-1).tolist()]
        columns = {name: array.reshape(-1) for name, array in self.arrays.items()}
        columns |= {"layer": np.tile(np.arange(layers), count), "settled": (self._nearest <= self.g).reshape(-1)}
        table = table.assign(**columns).assign(top=top, answer=np.repeat(self._answers, layers))
        order = ["layer", "top", "top_probability", "answer", "answer_probability", "answer_rank", "jsd", "settled"]
        return table[["text", "position", "token", *order]]

    @cached_property
    def depth(self) -> pd.DataFrame:
        """One row per token: text, position, token, answer, answer_probability (at the end), settled (layer), deep."""
        final = self.arrays["answer_probability"][:, -1]
        table = self.tokens.assign(answer=self._answers, answer_probability=final)
        return table.assign(settled=self._settled, deep=self._deep)

    @cached_property
    def ratios(self) -> pd.DataFrame:
        """One row per text: text, ratio (share of deep tokens), settled (mean layer), n (tokens)."""
        groups = self.depth.groupby("text")
        parts = {"ratio": groups["deep"].mean(), "settled": groups["settled"].mean(), "n": groups.size()}
        return pd.DataFrame(parts).reset_index()

    @property
    def _nearest(self) -> Float[np.ndarray, "token layer"]:
        """The smallest divergence so far, layer by layer."""
        return np.fmin.accumulate(self.arrays["jsd"], axis=1)

    @property
    def _settled(self) -> Int[np.ndarray, " token"]:
        return (self._nearest <= self.g).argmax(axis=1)

    @property
    def _deep(self) -> Bool[np.ndarray, " token"]:
        return self._settled >= self.deep_from

    @property
    def _answers(self) -> list[str]:
        return [self.names[i] for i in self.arrays["top"][:, -1].tolist()]


@takes
def logit_lens(
    model: Model,
    texts: Given,
    *,
    g: float = G,
    rho: float = RHO,
    bos: bool | None = None,
    window: Count | None = None,
    progress: Reported = None,
    on_forecast: Callable[[Forecast], None] | None = None,
) -> Lens:
    """Apply the model's final norm and unembedding to every layer's stream, at every token.

    Streams; no [layer, token, vocabulary] array is ever whole. It takes about as many unembeddings as
    the model has layers: some ten times as long as a scan of a small model with a large vocabulary.

    Args:
        model: from `load_model`; under an intervention, its streams are those of the changed model.
        texts: strings or token ids.
        g: see `Lens`; `Lens.judge` changes it later.
        rho: likewise.
        bos: True prepends one BOS to each text, False none, None does what the tokenizer does.
        window: longer texts are cut into windows of this many tokens; the context, at most 2,048, where None.
        progress: hears of the task `reading`, in tokens.
        on_forecast: called once, before the pass, with what it will take.

    Raises:
        InputError: no texts, an empty one, or an option out of range.
        ModelError: the last layer, read this way, doesn't give the model's logits.
    """
    refuse(g, rho)
    given = texts_for(model.tokenizer, texts)
    rows = tokenise(model.tokenizer, given, bos=bos, window=min(window or WINDOW, model.shape.context))
    check_readout(model)
    reducer = LensReducer(model)
    plan = forecast(model, rows, BATCH_TOKENS, kept=bytes_kept(reducer, [len(row.ids) for row in rows]))
    if on_forecast is not None:
        on_forecast(plan)
    task = progress_of(progress).task("reading", plan.tokens)
    observe(model, batches(rows, plan.tokens_per_batch, model.pad_id), [reducer], task=task)
    arrays = {name: np.concatenate([reducer.by_text[row.text][name] for row in rows]) for name in reducer.names}
    ids = np.unique(arrays["top"]).tolist()
    table = pd.DataFrame(token_table(rows, model.tokenizer))[["text", "position", "token"]]
    return Lens(table, arrays, dict(zip(ids, token_texts(model.tokenizer, ids), strict=True)), g, rho)
