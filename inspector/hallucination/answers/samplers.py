"""Decoding as optimisation on the simplex: greedy, softmax, top-k, top-p and sparsemax as members of one family.

A member's next-token distribution is the q that maximises ⟨q, s⟩ − λ·Ω(q) among the distributions on a
support S, where s are the logits (arXiv 2602.18292). Ω is the negative entropy Σ q ln q or half the
square ½‖q‖². With λ = 0 all of q is on the largest logit: greedy. Entropy gives softmax(s / λ) on S;
the square gives the projection of s / λ onto the simplex, which is sparse by itself: sparsemax.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inspector.errors import InputError
from inspector.models import Backend

Omega = Literal["entropy", "square"]


@dataclass(frozen=True)
class Member:
    """A way to turn logits into a distribution.

    Args:
        name: what it is called.
        strength: λ; of the entropy it is the temperature.
        omega: Ω.
        top_k: S are this many largest logits; all where None.
        top_p: of these, the likeliest until their share reaches p, the one that reaches it included.
    """

    name: str
    strength: float
    omega: Omega = "entropy"
    top_k: int | None = None
    top_p: float = 1.0

    def __post_init__(self) -> None:
        for name, good in {
            "strength": self.strength == 0 or 1e-6 <= self.strength < float("inf"),
            "top_k": self.top_k is None or self.top_k >= 1,
            "top_p": 0 < self.top_p <= 1 and (self.top_p == 1 or self.omega == "entropy"),
        }.items():
            if not good:
                raise InputError(f"{name} is {getattr(self, name)}, which is out of range for '{self.name}'.")

    @property
    def support(self) -> str:
        """S in words."""
        parts = [f"top {self.top_k}"] if self.top_k is not None else []
        parts += [f"p {self.top_p:g}"] if self.top_p < 1 else []
        return ", ".join(parts) or "all"

    def draw(self, logits: Float[Tensor, "row vocab"], draws: Float[Tensor, " row"]) -> Int[Tensor, " row"]:
        """The token whose share of [0, 1) each row's draw falls into, the likeliest first."""
        weights, tokens = self._weighed(logits)
        edges = weights.cumsum(dim=-1)
        # Rounded to this dtype some draws would be 1, the share of no token.
        below_one = draws.to(weights.dtype).clamp(max=1 - torch.finfo(weights.dtype).eps / 2)
        chosen = (edges <= below_one.unsqueeze(1) * edges[:, -1:]).sum(dim=-1)
        return tokens.gather(1, chosen.clamp(max=tokens.shape[1] - 1).unsqueeze(1)).squeeze(1)

    def distribution(self, logits: Float[Tensor, "row vocab"]) -> Float[Tensor, "row vocab"]:
        """q of each row."""
        weights, tokens = self._weighed(logits)
        whole = torch.zeros(logits.shape, dtype=weights.dtype, device=logits.device)
        return whole.scatter(1, tokens, weights / weights.sum(dim=-1, keepdim=True))

    def objective(self, q: Float[Tensor, "row vocab"], logits: Float[Tensor, "row vocab"]) -> Float[Tensor, " row"]:
        """⟨q, s⟩ − λ·Ω(q), which `distribution` maximises among distributions on its support."""
        omega = torch.xlogy(q, q).sum(dim=-1) if self.omega == "entropy" else (q * q).sum(dim=-1) / 2
        return (q * logits.to(q.dtype)).sum(dim=-1) - self.strength * omega

    def _weighed(self, logits: Float[Tensor, "row vocab"]) -> tuple[Float[Tensor, "row kept"], Int[Tensor, "row kept"]]:
        """Weights proportional to q, and their tokens, the likeliest first; what is left out has none."""
        top, tokens = logits.topk(self._most(logits), dim=-1)
        if self.strength == 0:
            return torch.ones_like(top, dtype=Backend.of(top.device).accumulate), tokens
        scaled = Backend.of(top.device).widened(top) / self.strength
        weights = scaled.softmax(dim=-1) if self.omega == "entropy" else _sparsemax(scaled)
        before = weights.cumsum(dim=-1) - weights
        return weights.masked_fill(before >= self.top_p, 0.0), tokens

    def _most(self, logits: Float[Tensor, "row vocab"]) -> int:
        """How many of the largest logits can have a share in some row."""
        most = min(self.top_k or logits.shape[-1], logits.shape[-1])
        if self.strength == 0:
            return 1
        if self.omega == "entropy":
            return most
        # The projection cuts off at a point at most λ below the largest logit.
        near = logits >= logits.amax(dim=-1, keepdim=True) - self.strength
        return min(most, int(near.sum(dim=-1).max()))


def _sparsemax(falling: Float[Tensor, "row kept"]) -> Float[Tensor, "row kept"]:
    """The projection onto the simplex of rows that are sorted, the largest first (Martins and Astudillo 2016)."""
    shifted = falling - falling[:, :1]  # so that nothing is lost where logits are large
    counts = torch.arange(1, shifted.shape[1] + 1, dtype=shifted.dtype, device=shifted.device)
    sums = shifted.cumsum(dim=-1)
    size = (1 + counts * shifted > sums).sum(dim=-1, keepdim=True)
    cut = (sums.gather(1, size - 1) - 1) / size
    return (shifted - cut).clamp(min=0)


GREEDY = Member("greedy", 0.0)
SOFTMAX = Member("softmax", 1.0)
SPARSEMAX = Member("sparsemax", 1.0, "square")
