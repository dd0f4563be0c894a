"""Which MLP neurons promote a token: whose output, as a direction of the stream, raises its logit most."""

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from inspector.arguments import Count, takes
from inspector.errors import InputError, ModelError
from inspector.models import Model
from inspector.models.unembed import check_readout, direct_logits, written
from inspector.printable import printable
from inspector.token_text import text_of

NEAREST = 4
"""Times as many neurons are read exactly as are wanted, those nearest to the token's direction."""


@takes
def promoters(model: Model, text: str, *, top: Count = 10) -> pd.DataFrame:
    """The neurons whose output raises a token's logit most, of all layers.

    A neuron's output is read as `describe_neurons` reads it: by what a stream in its direction, of root mean square 1,
    adds to the logit. No text is run: it says what a neuron would write, not when it fires.

    Args:
        model: from `load_model`.
        text: a token; of longer text the first token is taken.
        top: how many.

    Returns:
        A row per neuron, the strongest first: layer, neuron, token, logit.

    Raises:
        InputError: no token, or fewer than one neuron wanted.
        ModelError: the model has no neurons that can be measured, or its stream can't be read as logits.
    """
    if not model.shape.has("neuron"):
        raise ModelError(f"{model.card['architecture']} has no neuron sites, so no neuron can be looked for.")
    ids = model.tokenizer(text, add_special_tokens=False)["input_ids"] if text else []
    if not ids or top < 1:
        raise InputError(f"'{printable(text)[:40]}' with top {top} can't be looked for. Give a token, and a top of 1.")
    check_readout(model)
    token, toward = int(ids[0]), _direction(model, int(ids[0]))
    found: list[tuple[float, int, int]] = []
    for layer in model.shape.layers_of("neuron"):
        rows = written(model, layer, list(range(model.shape.d_mlp))).float()
        near = torch.cosine_similarity(rows - rows.mean(dim=-1, keepdim=True), toward, dim=-1).topk(
            min(NEAREST * top, len(rows))
        )
        logits = direct_logits(model, rows[near.indices])[:, token]
        found += [(float(logit), layer, int(n)) for logit, n in zip(logits, near.indices, strict=True)]
    best = sorted(found, reverse=True)[:top]
    table = pd.DataFrame(best, columns=["logit", "layer", "neuron"])
    return table.assign(token=text_of(model.tokenizer, [token]))[["layer", "neuron", "token", "logit"]]


def _direction(model: Model, token: int) -> Float[Tensor, " d_model"]:
    """The direction of the stream that raises a token's logit, centred: found dim by dim."""
    dims = torch.eye(model.shape.d_model, device=model.device)
    columns = [direct_logits(model, part)[:, token] for part in dims.split(64)]
    toward = torch.cat(columns)
    return toward - toward.mean()
