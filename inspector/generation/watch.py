"""`watch`: a model's answer token by token, with the risk, the spike and the sink of each new token."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from inspector.alike import Alike
from inspector.arguments import Count, takes
from inspector.detectors.hneurons.arrays import headline_columns
from inspector.errors import InputError
from inspector.generation.examine import LONGEST, SINK
from inspector.generation.prompts import end_tokens, prompt_ids
from inspector.hallucination.answers.ask import stop_tokens
from inspector.hallucination.answers.cett import ChosenNeurons
from inspector.hallucination.study import Study
from inspector.models import Model
from inspector.models.token_stream import TokenStream
from inspector.pages import page
from inspector.printable import blanks_shown, brief, counted
from inspector.records import upright
from inspector.sites import Site
from inspector.texts import is_conversation
from inspector.token_text import text_of, token_texts

KINDS = ("resid_post", "attention")
"""What is read of every token; neurons only where a study asks for them."""


@dataclass(frozen=True, repr=False, eq=False)
class Watched(Alike):
    """A new token, and what the model did with it. `token, risk = watched` takes the first two apart.

    Args:
        token: its text.
        risk: probability that the answer so far is incorrect, by the study's headline (by its probe, in a study
            without one); NaN without a study.
        token_risk: by the probe, of this token alone; NaN without a study.
        id: of the token, in the vocabulary.
        position: in the text.
        entropy: of the distribution that it was taken from, in nats.
        logprob: its log-probability there.
        largest: the largest |x| of its residual stream, after any layer.
        ratio: `largest` over the median |x| of the prompt's stream after that layer.
        layer: where that is.
        dim: likewise.
        on_first: share of its attention that heads place on the first token, their mean; NaN without attention.
        sink_heads: share of heads that place more than 30 % of it there.
    """

    token: str
    risk: float
    token_risk: float
    id: int
    position: int
    entropy: float
    logprob: float
    largest: float
    ratio: float
    layer: int
    dim: int
    on_first: float
    sink_heads: float

    def __iter__(self) -> Iterator[Any]:
        return iter((self.token, self.risk))

    def __repr__(self) -> str:
        risk = "" if math.isnan(self.risk) else f"risk {self.risk:.2f}, "
        seen = f"entropy {self.entropy:.2f}, |x| {self.largest:,.4g} in layer {self.layer}, dim {self.dim}"
        return f"<Watched '{brief(blanks_shown(self.token), 30)}' at position {self.position}: {risk}{seen}>"

    def _repr_html_(self) -> str:
        return page(repr(self), (), {"What was seen": upright(self)})


class Watch(Iterator[Watched]):
    """An answer that is being written; made by `watch`. What came so far is in `tokens`, `text` and `frame()`."""

    def __init__(self, model: Model, prompt: Sequence[int], stop: Tensor, longest: int, study: Study | None) -> None:
        self.model, self.stop, self.longest = model, stop, longest
        self.tokens: list[Watched] = []
        self._prompt, self._seen = tuple(prompt), _Seen(model)
        self._risk = None if study is None else _Risk(model, study)
        kinds = KINDS if study is None else (*KINDS, "neuron")
        self._stream = TokenStream(model, kinds, self._read, len(prompt) + longest)
        self._logits: Tensor | None = None

    def _read(self, site: Site, x: Tensor) -> None:
        self._seen.read(site, x)
        if self._risk is not None and self._logits is not None:
            self._risk.read(site, x)

    def __next__(self) -> Watched:
        if self._logits is None:
            logits = self._stream.feed(self._prompt)
            self._seen.end_of_prompt()
            self._logits = logits
        token = int(self._logits.argmax())
        if len(self.tokens) == self.longest or bool(self.stop[token]):
            raise StopIteration
        logp = self._logits.double().log_softmax(dim=-1)
        self._logits = self._stream.feed([token])
        self.tokens.append(self._watched(token, logp))
        return self.tokens[-1]

    def _watched(self, token: int, logp: Float[Tensor, " vocab"]) -> Watched:
        entropy, logprob = float(-(logp.exp() * logp).sum()), float(logp[token])
        certainty = float(-logp.mean()) - math.log(len(logp))
        risk = (math.nan, math.nan) if self._risk is None else self._risk.of(entropy, logprob, certainty)
        (text,) = token_texts(self.model.tokenizer, [token])
        position = len(self._prompt) + len(self.tokens)
        seen = self._seen.of_token()
        return Watched(text, *risk, token, position, entropy, logprob, **seen)

    @property
    def text(self) -> str:
        """The answer so far."""
        return text_of(self.model.tokenizer, [one.id for one in self.tokens])

    def frame(self) -> pd.DataFrame:
        """A row per token so far; see `Watched`."""
        names = list(Watched.__dataclass_fields__)
        return pd.DataFrame([asdict(one) for one in self.tokens], columns=names)

    def __repr__(self) -> str:
        return f"<Watch of {brief(self.model.card['name'])}: {counted(len(self.tokens), 'token')} so far>"

    def _repr_html_(self) -> str:
        return page(repr(self), (), {"Tokens so far": self.frame()})


@dataclass
class _Seen:
    """The stream and the attention of the newest token."""

    model: Model
    medians: dict[int, float] = field(default_factory=dict)
    largest: dict[int, tuple[float, int]] = field(default_factory=dict)
    shares: list[Tensor] = field(default_factory=list)

    def read(self, site: Site, x: Tensor) -> None:
        if site.kind == "attention":
            self.shares.append(x[:, 0])
        elif site.kind == "resid_post":
            size = x.float().abs()
            if site.layer not in self.medians:
                self.medians[site.layer] = float(size.median())
            value, dim = size[-1].max(dim=-1)
            self.largest[site.layer] = float(value), int(dim)

    def end_of_prompt(self) -> None:
        """What follows is a new token's."""
        self.shares.clear()

    def of_token(self) -> dict[str, Any]:
        """The newest token's part of a `Watched`."""
        layer = max(self.largest, key=lambda layer: self.largest[layer][0])
        value, dim = self.largest[layer]
        median = self.medians[layer]
        shares = torch.cat(self.shares) if self.shares else torch.full((1,), torch.nan)
        self.shares.clear()
        sinks = float((shares > SINK).float().mean()) if shares.isfinite().all() else math.nan
        return {
            "largest": value,
            "ratio": value / median if median > 0 else math.nan,
            "layer": layer,
            "dim": dim,
            "on_first": float(shares.mean()),
            "sink_heads": sinks,
        }


class _Risk:
    """The study's risk of the answer so far."""

    def __init__(self, model: Model, study: Study) -> None:
        study.check_model(model)
        self.probe, self.risks = study.probe, study.risks
        self.neurons = ChosenNeurons(model, self.probe.neurons)
        self.row, self.sum = np.zeros(len(self.probe.neurons)), np.zeros(len(self.probe.neurons))
        self.tokens, self.first_entropy, self.logprob, self.certainty = 0, math.nan, 0.0, 0.0

    def read(self, site: Site, x: Tensor) -> None:
        if site.kind == "neuron" and (mine := self.neurons.of(site.layer)).any():
            self.row[mine] = self.neurons.cett(x[-1:], site.layer)[0]

    def of(self, entropy: float, logprob: float, certainty: float) -> tuple[float, float]:
        """Risk of the answer with the newest token, and of that token by the probe alone."""
        if self.tokens == 0:
            self.first_entropy = entropy
        self.tokens += 1
        self.sum, self.logprob, self.certainty = self.sum + self.row, self.logprob + logprob, self.certainty + certainty
        alone = float(self.probe.risk(self.row[None])[0])
        mean = self.sum[None] / self.tokens
        if self.risks is None:
            return float(self.probe.risk(mean)[0]), alone
        scores = {"entropy": self.first_entropy, "logprob": self.logprob / self.tokens}
        scores |= {"self-certainty": self.certainty / self.tokens, "length": float(self.tokens)}
        odds = {"probe": self.probe.fit.log_odds(mean)}
        columns = headline_columns(odds | {name: np.array([value]) for name, value in scores.items()})
        return float(self.risks.risk(columns)[0]), alone


@takes
def watch(
    model: Model, prompt: Any, study: Study | None = None, *, longest: Count = LONGEST, bos: bool | None = None
) -> Watch:
    """A model's greedy answer, token by token, as it is written: `for token, risk in inspector.watch(model, question)`.

    Each token is computed once, at about the cost of generating it. With a study a question in a string is put as the
    study's were, and the answer ends as theirs do, at the line's end.

    Args:
        model: from `load_model`; of a study, the one that it was made on.
        prompt: one string, one list of token ids, or one conversation, whose next turn the model writes.
        study: gives each token's risk.
        longest: most tokens of the answer.
        bos: True prepends one BOS, False none, None does what the tokenizer does; not for a study's own form.

    Returns:
        An iterator of `Watched`; `watch(…).frame()` has those so far.

    Raises:
        InputError: an empty prompt, several, one too long for the model's context, a study of another model.
    """
    own = study is not None and isinstance(prompt, str)
    if own and not prompt.strip():
        raise InputError("The question is empty. Ask something.")
    if own and study is not None:
        prompt = study.form.prompt(model.tokenizer, prompt)
    if not isinstance(prompt, str) and not is_conversation(prompt) and not _is_ids(prompt):
        raise InputError("Give one prompt: a string, a list of token ids, or a conversation of roles and contents.")
    (ids,) = prompt_ids(model, [prompt], longest, None if own else bos)
    return Watch(model, ids, stop_tokens(model) if own else end_tokens(model), longest, study)


def _is_ids(prompt: Any) -> bool:
    return hasattr(prompt, "__len__") and len(prompt) > 0 and all(hasattr(one, "__index__") for one in prompt)
