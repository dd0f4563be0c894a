"""A run on a terminal: sentences, then the two tables a reader asks for first."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inspector.records import Record
from inspector.run.tables import frame, names
from inspector.show.sentences import hneurons, paragraphs
from inspector.show.terminal_effects import MASSIVE, NEURON, SINK, empty_table, tested

if TYPE_CHECKING:
    from inspector.hallucination.guard import Guarded
    from inspector.hallucination.study import Scored

NEUTRAL = "#868E96"
HEADS_SHOWN, PLATEAUS_SHOWN, NEURONS_SHOWN = 8, 12, 12


def print_report(record: Record, where: Path) -> None:
    """Print the run to stdout, as wide as the terminal, or 100 columns into a pipe."""
    console = Console(soft_wrap=False, width=None if Console().is_terminal else 100)
    for line in paragraphs(record):
        console.print(Text(line))
    known = names(record)
    if "massive.plateaus" in known:
        console.print(_plateaus(frame(record, "massive.plateaus")))
    if "sinks.heads" in known and frame(record, "sinks.heads")["sink_rate"].notna().any():
        console.print(_heads(frame(record, "sinks.heads")))
    if "hneurons.scores" in known:
        console.print(_scores(frame(record, "hneurons.scores")))
        console.print(_candidates(frame(record, "hneurons.candidates")))
        if len(transfers := frame(record, "hneurons.transfers")):
            console.print(_transfers(transfers))
    for table in tested(record):
        console.print(table)
    console.print(Text(f"Run: {where.absolute()}"), soft_wrap=True)
    console.print(Text(f"All tables: inspector show {where} --frame NAME, or --json."), soft_wrap=True)


def _plateaus(plateaus: pd.DataFrame) -> Table:
    main = plateaus[plateaus["main"]]
    rest = len(plateaus) - len(main)
    table = empty_table(
        f"Massive activations: plateaus of the residual stream ({rest} more dims ride on them)", MASSIVE
    )
    for name, justify in (
        ("dim", "right"),
        ("layers", "left"),
        ("position", "right"),
        ("token", "left"),
        ("mean value", "right"),
        ("peak × median", "right"),
        ("texts", "right"),
        ("layers flagged", "right"),
        ("verdict", "left"),
    ):
        table.add_column(name, justify="right" if justify == "right" else "left")
    for row in main.head(PLATEAUS_SHOWN).itertuples():
        table.add_row(
            str(row.dim),
            f"{row.first}–{row.last}",
            "varies" if pd.isna(row.position) else str(row.position),
            _token(row.token),
            f"{row.value:,.1f}",
            f"{row.ratio:,.0f}",
            f"{row.texts:.0%}",
            str(row.flagged),
            row.verdict or "not flagged",
        )
    return table


def _heads(heads: pd.DataFrame) -> Table:
    table = empty_table(f"Attention sinks: the {HEADS_SHOWN} strongest of {len(heads)} heads", SINK)
    for name in (
        "layer",
        "head",
        "key",
        "token",
        "received",
        "interval",
        "sink rate",
        "entropy",
        "‖v‖ of key / others",
    ):
        table.add_column(name, justify="left" if name == "token" else "right")
    for row in heads.sort_values("received", ascending=False).head(HEADS_SHOWN).itertuples():
        interval = "" if pd.isna(row.low) else f"{row.low:.3f}–{row.high:.3f}"
        table.add_row(
            str(row.layer),
            str(row.head),
            "moves" if pd.isna(row.key) else str(row.key),
            _token(row.token),
            f"{row.received:.3f}",
            interval,
            f"{row.sink_rate:.2f}",
            f"{row.entropy:.2f}",
            f"{row.value_norm_ratio:.2f}",
        )
    return table


def _scores(scores: pd.DataFrame) -> Table:
    table = empty_table("Telling made-up answers from right ones, on answers not fitted on", NEURON)
    for name in ("predictor", "AUROC", "interval", "accuracy", "interval", "calibration error", "n"):
        table.add_column(name, justify="left" if name == "predictor" else "right")
    for row in scores.itertuples():
        drawn = " (draws)" if pd.isna(row.n) else ""
        table.add_row(
            str(row.name),
            f"{row.auroc:.3f}",
            f"{row.low:.3f}–{row.high:.3f}{drawn}",
            "" if pd.isna(row.accuracy) else f"{row.accuracy:.3f}",
            "" if pd.isna(row.accuracy) else f"{row.accuracy_low:.3f}–{row.accuracy_high:.3f}",
            "" if pd.isna(row.accuracy) else f"{row.calibration_error:.3f}",
            "" if drawn else f"{int(row.n):,}",
        )
    return table


def _candidates(found: pd.DataFrame) -> Table:
    shown = f"the {min(NEURONS_SHOWN, len(found))} heaviest of {len(found)}"
    title = f"Hallucination neurons: {shown} in the final probe; AUROC of each alone, and within relations"
    table = empty_table(title, NEURON)
    for name in ("layer", "neuron", "weight", "stability", "alone", "interval", "within", "q", "verdict"):
        table.add_column(name, justify="left" if name == "verdict" else "right")
    for row in found.head(NEURONS_SHOWN).itertuples():
        interval = "" if pd.isna(row.low) else f"{row.low:.3f}–{row.high:.3f}"
        alone = (f"{row.auroc:.3f}", interval, f"{row.within:.3f}")
        numbers = (f"{row.weight:+.3f}", f"{row.stability:.2f}", *alone, f"{row.q:.2g}")
        table.add_row(str(row.layer), str(row.neuron), *numbers, row.verdict or "–")
    return table


def _transfers(transfers: pd.DataFrame) -> Table:
    table = empty_table("Transfer: a probe of some answers, tried on others", NEURON)
    for name in ("fitted on", "tried on", "right", "wrong", "AUROC", "interval", "logprob"):
        table.add_column(name, justify="left" if name.endswith("on") else "right")
    for row in transfers.itertuples():
        interval = "" if pd.isna(row.low) else f"{row.low:.3f}–{row.high:.3f}"
        areas = (f"{row.auroc:.3f}", interval, f"{row.logprob:.3f}")
        table.add_row(row.source, row.target, str(row.right), str(row.wrong), *areas)
    return table


def _token(token: object) -> Text:
    """A token's text, or "varies"; never read as markup, blanks shown."""
    if not isinstance(token, str):
        return Text("varies", style="dim")
    shown = token.replace(" ", "·").replace("\n", "⏎").replace("\t", "⇥")
    return Text("".join(c if c.isprintable() else "�" for c in shown)[:14])


def print_guarded(given: "Guarded", threshold: float) -> None:
    """Print what a guard answered, and why, to stdout."""
    console = Console(soft_wrap=False, width=None if Console().is_terminal else 100)
    console.print(Text(f"Question: {given.question}"))
    console.print(Text(f"Answer:   {given.answer if given.answer is not None else '(none: too risky)'}"))
    bar = "" if given.did == "took a sample" else f"; more than {threshold:.2f} is too much"
    console.print(Text(f"Risk:     {given.risk:.2f}{bar}", style=f"bold {NEURON}"))
    if given.did == "took a sample":
        console.print(Text("It is the least of several risks, so it looks better than it is."))
    if given.did != "answered":
        console.print(
            Text(f"The guard {given.did}; the greedy answer is '{given.first}', risk {given.first_risk:.2f}.")
        )


def print_scored(study: Record, scored: "Scored") -> None:
    """Print an answer with its risk, and each token's, to stdout."""
    console = Console(soft_wrap=False, width=None if Console().is_terminal else 100)
    console.print(Text(f"Question: {scored.question}"))
    console.print(Text(f"Answer:   {scored.answer}"))
    console.print(
        Text(
            f"Risk:     {scored.risk:.2f} of being made up, where made-up and right answers are equally many",
            style=f"bold {NEURON}",
        )
    )
    table = empty_table("Each token, and the neurons that raise its risk (layer.neuron)", NEURON)
    for name in ("token", "risk", "neurons"):
        table.add_column(name, justify="right" if name == "risk" else "left")
    for row in scored.tokens.itertuples():
        table.add_row(_token(row.token), f"{row.risk:.2f}", row.neurons)
    console.print(table)
    console.print(Text(f"What that risk is worth: {next(iter(hneurons(study)))}"))


def print_neuron(states: pd.DataFrame, tokens: pd.DataFrame) -> None:
    """Print one neuron's state (its row of `states`, its rows of `tokens`) to stdout."""
    console = Console(soft_wrap=False, width=None if Console().is_terminal else 100)
    for line in _neuron_sentences(next(states.itertuples())):
        console.print(Text(line))
    console.print(_activating(tokens[tokens["kind"] == "activates"]))
    console.print(_promoted(tokens))


def _neuron_sentences(state: Any) -> list[str]:
    said = [
        f"Neuron {state.neuron} of layer {state.layer} fires on {state.fires:.2%} of {state.n:,} tokens "
        f"(|z| from {state.bar:.3g}), and there z > 0 in {state.positive:.0%}.",
        f"z is {state.mean:.3g} in the mean, {state.low:.3g} to {state.high:.3g} in 90 % of tokens, "
        f"{state.min:,.4g} to {state.max:,.4g} in all.",
    ]
    if pd.notna(state.dim):
        part = "" if pd.isna(state.spike_share) else f": {state.spike_share:.0%} of the jump there"
        said.append(f"At its peak it writes {state.writes:,.4g} into dim {state.dim}, which carries a spike{part}.")
    if state.sink_heads > 0:
        said.append(f"{state.sink_heads:.0%} of the heads park their attention on the token it is strongest on.")
    return said


def _activating(tokens: pd.DataFrame) -> Table:
    table = empty_table("Where it is strongest: one token a text", NEURON)
    for name in ("z", "text", "position", "before", "token", "after"):
        table.add_column(name, justify="left" if name in ("token", "after") else "right")
    for row in tokens.itertuples():
        around = (_words(row.before, slice(-30, None)), _token(row.token), _words(row.after, slice(30)))
        table.add_row(f"{row.value:,.4g}", str(row.text), str(row.position), *around)
    return table


def _promoted(tokens: pd.DataFrame) -> Table:
    table = empty_table("What it does to logits where z > 0; else the opposite", NEURON)
    for name in ("promotes", "", "suppresses", ""):
        table.add_column(name, justify="left" if name else "right")
    parts = [tokens[tokens["kind"] == kind].itertuples() for kind in ("promotes", "suppresses")]
    for up, down in zip(*parts, strict=True):
        table.add_row(_token(up.token), f"{up.value:+.2f}", _token(down.token), f"{down.value:+.2f}")
    return table


def _words(text: str, part: slice) -> Text:
    """A piece of a text on one line."""
    return Text("".join(c if c.isprintable() else " " for c in text)[part])


def print_lens(lens: pd.DataFrame, depth: pd.DataFrame, how: Mapping[str, Any], deep_from: int) -> None:
    """Print where each token settles, and what some layers would have said, to stdout."""
    console = Console(soft_wrap=False, width=None if Console().is_terminal else 100)
    for line in _lens_sentences(depth, how, deep_from):
        console.print(Text(line))
    layers = int(lens["layer"].max()) + 1
    some = sorted({layers * quarter // 4 for quarter in (1, 2, 3)} | {layers - 1})
    table = empty_table("What follows each token, as some layers would have it", NEUTRAL)
    for name in ("token", "settles", "", *(f"layer {layer}" for layer in some), "p"):
        table.add_column(name, justify="right" if name in ("settles", "p") else "left")
    said = lens.set_index(["text", "position", "layer"])["top"]
    for row in depth.itertuples():
        tops = [_token(said[row.text, row.position, layer]) for layer in some]
        deep = "deep" if row.deep else ""
        table.add_row(_token(row.token), str(row.settled), deep, *tops, f"{row.answer_probability:.2f}")
    console.print(table)


def _lens_sentences(depth: pd.DataFrame, how: Mapping[str, Any], deep_from: int) -> list[str]:
    said = [
        f"Deep-thinking ratio {depth['deep'].mean():.2f} of {len(depth)} tokens: so many settle in layer {deep_from} "
        f"or later (g = {how['g']:.3g} bits, rho = {how['rho']:g})."
    ]
    if on := how.get("calibrated"):
        said.append(
            f"g was calibrated: with it {on['share']:.0%} of {on['tokens']:,} tokens of {on['texts']} built-in "
            f"texts are deep; with {on['g_before']:g} it would be {on['ratio_before']:.0%}."
        )
    return said
