"""A text that grows token by token, with the new tokens' activations read as they come."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from transformers.cache_utils import DynamicCache

from inspector.models import checks
from inspector.models.attention import StreamedAttention, UnsupportedAttention, WholeAttention
from inspector.models.attention_last import last_pattern
from inspector.models.attention_swap import hooks_inside_attention
from inspector.models.changes import WHOLE_TEXTS, changes_in_force
from inspector.models.generate import REFUSALS
from inspector.models.hooks import reading
from inspector.models.model import Model, hooked, run
from inspector.models.tokenizer_files import check_ids
from inspector.sites import Site

ReadNew = Callable[[Site, Float[Tensor, "row last"]], None]
"""Called in the order of the forward pass with a site and its new tokens' activations `[token, d]`; at `attention` with
the newest token's pattern `[head, key]`, over all tokens so far."""


class TokenStream:
    """One text that grows; each token is computed once where the model's logits allow it, else again with each new one.

    Args:
        model: from `load_model`.
        kinds: of the sites that are read; those that the model hasn't are left out.
        read: hears of the new tokens' activations.
        longest: tokens that the text may get to, by which the way to compute them is chosen.
    """

    def __init__(self, model: Model, kinds: Sequence[str], read: ReadNew, longest: int) -> None:
        self.model, self.read, self.ids = model, read, torch.empty(1, 0, dtype=torch.int64, device=model.device)
        self.kinds = [kind for kind in kinds if model.shape.has(kind)]
        self.cache: Any = (
            DynamicCache(config=model.bridge.original_model.config) if _cacheable(model, longest) else None
        )

    def feed(self, ids: Sequence[int]) -> Float[Tensor, " vocab"]:
        """Append tokens; logits of what follows them, in float32. The model's lock is held until then."""
        new = torch.tensor([list(ids)], dtype=torch.int64, device=self.model.device)
        self.ids = torch.cat([self.ids, new], dim=1)
        with self.model.lock:
            if self.cache is None:
                return self._again(len(ids))
            with _reading_new(self.model, self.kinds, self._read_new):
                return _logits(self.model, new, self.cache)

    def _read_new(self, site: Site, x: Tensor) -> None:
        if site.kind == "attention":  # a layer with a window may have dropped the first keys
            x = functional.pad(x, (self.ids.shape[1] - x.shape[-1], 0))
        self.read(site, x)

    def _again(self, new: int) -> Tensor:
        """The whole text once more, of which the new tokens are read."""
        real = torch.ones_like(self.ids, dtype=torch.bool)

        def read(site: Site, x: Tensor | StreamedAttention | WholeAttention) -> None:
            if isinstance(x, Tensor):
                self.read(site, x[0, -new:])
            else:
                *_, last = x.blocks(real.to(x.device))
                self.read(site, last.pattern[0, :, -1])

        with reading(self.model, self.kinds, read):
            return self.model.logits(self.ids)[0, -1].float()


@contextmanager
def _reading_new(model: Model, kinds: Sequence[str], read: ReadNew) -> Iterator[None]:
    points = {site: point for site, point in model.hooks.items() if site.kind in kinds}
    attention = (lambda layer, x: read(Site("attention", layer), x)) if "attention" in kinds else lambda layer, x: None
    with ExitStack() as stack:
        stack.enter_context(hooked(points, lambda site, x: read(site, x[0])))
        stack.enter_context(last_pattern(model.bridge, attention))
        yield


def _logits(model: Model, ids: Tensor, cache: Any) -> Float[Tensor, " vocab"]:
    hf = model.bridge.original_model
    out = run(model.bridge, hf, input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return out.logits[0, -1].float()


def _cacheable(model: Model, longest: int) -> bool:
    """Whether a short text that is computed token by token has the logits of one forward pass over it."""
    whole_only = WHOLE_TEXTS in changes_in_force(model) or hooks_inside_attention(model)
    if model.route != "streamed" or whole_only or longest > (model.rotary_switch or longest):
        return False
    ids = check_ids(model.tokenizer, model.shape.vocab).to(model.device)[:1, :16]
    try:
        with model.lock:
            expected, cache = model.logits(ids)[0, -1], DynamicCache(config=model.bridge.original_model.config)
            with _reading_new(model, (), lambda site, x: None):
                for part in (ids[:, :-2], ids[:, -2:-1], ids[:, -1:]):
                    got = _logits(model, part, cache)
        checks.logit_difference(got, expected, "Logits token by token")
        return True
    except (*REFUSALS, UnsupportedAttention):
        return False
