"""What a reader must know of a scan: of its texts, its model, and how that was read."""

from collections.abc import Iterator
from typing import Any

from inspector.detectors.pooled import note_of
from inspector.interventions.apply import changes_recorded, interventions_in_force
from inspector.interventions.values import in_full
from inspector.models import Model, hooks_inside_attention, hooks_of_others, route_now
from inspector.models.changes import described_in_force
from inspector.printable import listed
from inspector.scan.blocks import Counts


def state_of(model: Model) -> dict[str, Any]:
    """How the model is run: where its attention is read from, and the changes in force."""
    state: dict[str, Any] = {"attention": route_now(model), **changes_recorded(model)}
    return state | ({"hooks": hooks} if (hooks := hooks_of_others(model)) else {})


def of_input(counts: Counts, window: int, sample: int) -> Iterator[str]:
    """What a reader must know of the texts."""
    if counts.sequences > sample:
        yield note_of(counts.sequences, sample)
    if counts.empty:
        yield f"{counts.empty:,} rows without a text were left out."
    if counts.cut:
        yield f"{counts.cut} of {counts.texts} texts were cut to windows of {window} tokens."
    if counts.bos:
        which = "Each text begins" if counts.bos == counts.texts else f"{counts.bos} of {counts.texts} texts begin"
        later = ", nor have a text's windows after its first" if counts.cut else ""
        yield f"{which} with a BOS; the control inputs have none{later}."
    if counts.twice:
        yield (
            f"{counts.twice} of {counts.texts} texts begin with two BOS: the tokenizer prepends one, and the text "
            "spells one itself. Ask for exactly one BOS, or leave it out of the text."
        )


def of_model(model: Model) -> Iterator[str]:
    """What a reader must know of the model, and how it was read."""
    if model.card["missing_sites"]:
        kinds = [f"{kind} (in {n} of {model.shape.layers} layers)" for kind, n in model.card["missing_sites"].items()]
        yield f"Not measured, because {model.card['architecture']} has no such site: {', '.join(kinds)}."
    if route_now(model) == "eager":
        inside = hooks_inside_attention(model)
        why = f"hooks at {inside[0]}" if model.route == "streamed" else model.card["attention"]
        yield f"Attention was read as whole patterns: {why}."
    if hooks := hooks_of_others(model):
        yield f"Scanned with hooks of yours on the model, which may change what it computes: {listed(hooks, 6)}."
    if changes := interventions_in_force(model):
        yield f"Scanned under interventions, which are in the settings: {', '.join(map(in_full, changes))}."
    if compressed := described_in_force(model):
        yield f"Scanned under compression, which is in the settings: {', '.join(one.words for one in compressed)}."
