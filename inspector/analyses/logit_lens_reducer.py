"""What each layer would have predicted, token by token, reduced while the streams go by."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inspector.batches import Batch
from inspector.errors import ModelError
from inspector.models import Model, log_probs
from inspector.sites import Site

CHUNK = 1 << 22
"""Logits looked at together, a chunk of tokens by the vocabulary; 16 MB in float32, a few times."""


class LensReducer:
    """Applies the final norm and unembedding to every layer's stream; keeps a few numbers of each token and layer.

    A batch's streams are held until its last layer, because each layer is compared with it.

    Args:
        model: from `load_model`.
    """

    kinds: tuple[str, ...] = ("resid_post",)
    names = ("top", "top_probability", "answer_probability", "answer_rank", "jsd")

    def __init__(self, model: Model) -> None:
        self.model = model
        self.layers = model.shape.layers_of("resid_post")
        self.by_text: dict[int, dict[str, np.ndarray]] = {}
        """Arrays `[token, layer]` of each input row, by `names`; of the last layer's top token, `answer_…`."""
        self._streams: dict[int, Float[Tensor, "token d_model"]] = {}

    def bytes_kept(self, lengths: Sequence[int]) -> int:
        """Bytes of the arrays of all tokens: two of int64 and three of float32."""
        return sum(lengths) * len(self.layers) * (2 * 8 + 3 * 4)

    def update(self, batch: Batch, site: Site, x: Float[Tensor, "batch pos d_model"]) -> None:
        """Take in one layer's stream; at the last layer, compute the logits of all."""
        self._streams[site.layer] = x[batch.real]
        if site.layer != self.layers[-1]:
            return
        streams, self._streams = self._streams, {}
        size = max(1, CHUNK // self.model.shape.vocab)
        count = len(streams[site.layer])
        parts = [self._read({k: s[i : i + size] for k, s in streams.items()}) for i in range(0, count, size)]
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        starts = np.cumsum([0, *batch.lengths.tolist()])
        for row, text in enumerate(batch.text.tolist()):
            self.by_text[text] = {name: array[starts[row] : starts[row + 1]] for name, array in whole.items()}

    def _read(self, streams: dict[int, Tensor]) -> dict[str, np.ndarray]:
        """Numbers of some tokens, `[token, layer]`."""
        logp = log_probs(self.model, streams[self.layers[-1]])
        if not bool(logp.isfinite().any(dim=-1).all()):
            raise ModelError("The model's logits are NaN on some tokens. Try dtype float32, or fix the weights.")
        final = Prediction(logp)
        answer = final.logp.argmax(dim=-1, keepdim=True)
        each = (Prediction(log_probs(self.model, streams[layer])) for layer in self.layers[:-1])
        columns = [_compared(one, final, answer) for one in each]
        columns.append(_compared(final, final, answer))
        return {name: torch.stack([c[name] for c in columns], dim=1).cpu().numpy() for name in columns[0]}


class Prediction:
    """Distributions given as log-probabilities, with what comparing them takes; −∞ becomes a very small number."""

    def __init__(self, logp: Float[Tensor, "row outcome"]) -> None:
        self.logp = logp.clamp(min=-1e4)
        self.p = self.logp.exp()
        self.entropy = -torch.linalg.vecdot(self.p, self.logp)

    def divergence(self, other: "Prediction") -> Float[Tensor, " row"]:
        """Jensen–Shannon divergence in bits, in [0, 1]."""
        middle = (self.p + other.p).div_(2)
        entropy = -torch.linalg.vecdot(middle, middle.clamp(min=torch.finfo(middle.dtype).tiny).log_())
        return ((entropy - (self.entropy + other.entropy) / 2) / math.log(2)).clamp(0.0, 1.0)


def _compared(here: Prediction, final: Prediction, answer: Int[Tensor, "token 1"]) -> dict[str, Tensor]:
    """One layer's prediction beside the last one's."""
    top = here.logp.max(dim=-1)
    answer_logp = here.logp.gather(1, answer)
    return {
        "top": top.indices,
        "top_probability": top.values.exp(),
        "answer_probability": answer_logp.squeeze(1).exp(),
        "answer_rank": (here.logp > answer_logp).sum(dim=-1),
        "jsd": torch.zeros_like(top.values) if here is final else here.divergence(final),
    }
