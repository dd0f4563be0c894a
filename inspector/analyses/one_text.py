"""One text through the model for an observer: what runs don't keep is measured on demand."""

from collections.abc import Sequence

from inspector.batches import batches, tokenise
from inspector.errors import InputError
from inspector.models import Model
from inspector.models.observe import Observer, observe
from inspector.progress import Reported, progress_of


def read_one(model: Model, ids: Sequence[int], reader: Observer, progress: Reported) -> None:
    """Stream the activations of one text, whole, to a reader.

    Raises:
        InputError: no tokens, or more than the context holds.
    """
    context = model.shape.context
    if len(ids) > context:
        raise InputError(f"{len(ids)} tokens are more than the context of {context}. Give a shorter text.")
    rows = tokenise(None, [list(ids)], bos=None, window=context)
    task = progress_of(progress).task("reading", len(ids))
    observe(model, batches(rows, len(ids), model.pad_id), [reader], task=task)
