"""A run on a terminal: sentences, then the tables that each detector brings; and answers, neurons, lenses."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inspector.detectors.base import attempt
from inspector.detectors.measured import Measured
from inspector.detectors.shown import TextTable, token_text
from inspector.errors import DetectorError
from inspector.figures.palette import NEUTRAL, ORANGE, VIOLET
from inspector.printable import printable
from inspector.run.report import Report
from inspector.show.sentences import of_part, paragraphs

if TYPE_CHECKING:
    from inspector.analyses.model_differences import ModelDifferences
    from inspector.hallucination.guard import Guarded
    from inspector.hallucination.scored import Scored

FINDINGS_SHOWN = 8


def print_report(report: Report, where: Path) -> None:
    """Print the run to stdout, as wide as the terminal, or 100 columns into a pipe."""
    console = _console()
    for line in paragraphs(report):
        console.print(_text(line))
    for part in report.parts:
        try:
            for one in text_tables(part):
                console.print(attempt(part.detector, f"table '{one.title}'", partial(drawn, one, part.accent)))
        except DetectorError as error:
            console.print(_text(str(error)))
    console.print(_text(f"Run: {where.absolute()}"), soft_wrap=True)
    console.print(_text(f"All tables: inspector show {where} --frame NAME, or --json."), soft_wrap=True)


def text_tables(part: Measured) -> Iterator[TextTable]:
    """The tables that a detector brings; its findings where it brings none.

    Raises:
        DetectorError: the detector's tables fail.
    """
    if getattr(part.detector, "text_tables", None) is not None:
        yield from part.ask("text_tables")
    elif part.findings:
        yield _findings(part)


def drawn(table: TextTable, accent: str) -> Table:
    """A table for the terminal; nothing in its cells is read as markup."""
    shown = empty_table(table.title, accent)
    for header in table.columns:
        shown.add_column(_text(header), justify="left" if header in table.left else "right")
    for row in table.rows():
        shown.add_row(*map(_text, row))
    return shown


def print_table(table: TextTable, accent: str = NEUTRAL) -> None:
    """Print one table to stdout."""
    _console().print(drawn(table, accent))


def _findings(part: Measured) -> TextTable:
    """A detector's strongest findings."""
    top = sorted(part.findings, key=lambda one: -one.score)[:FINDINGS_SHOWN]
    return TextTable(
        f"{part.title}: the {len(top)} strongest of {len(part.findings)} findings",
        pd.DataFrame([vars(one) for one in top]).astype({"unit": "Int64", "position": "Int64"}),
        {
            "kind": "{kind}",
            "layer": "{layer}",
            "unit": lambda row: "" if pd.isna(row.unit) else str(row.unit),
            "position": lambda row: "" if pd.isna(row.position) else str(row.position),
            "score": "{score:,.4g}",
            "threshold": "{threshold:,.4g}",
            "verdict": "{verdict}",
        },
        left=("kind", "verdict"),
    )


def _console() -> Console:
    """Prints as wide as the terminal, or 100 columns into a pipe."""
    return Console(soft_wrap=False, width=None if Console().is_terminal else 100)


def empty_table(title: str, colour: str) -> Table:
    """A table with a title in a colour."""
    return Table(title=_text(title, style=f"bold {colour}"), title_justify="left", header_style="dim")


def _text(said: object, style: str = "") -> Text:
    """Text of a run, a model or a note: never read as markup, and nothing in it is obeyed."""
    return Text(printable(said), style=style)


def _token(token: object) -> Text:
    """A token's text, or "varies"; blanks shown."""
    return _text(token_text(token))


def print_guarded(given: "Guarded", threshold: float) -> None:
    """Print what a guard answered, and why, to stdout."""
    console = _console()
    console.print(_text(f"Question: {given.question}"))
    console.print(_text(f"Answer:   {given.answer if given.answer is not None else '(none: too risky)'}"))
    limit = "" if given.did == "took a sample" else f"; the threshold is {threshold:.2f}"
    console.print(_text(f"Risk:     {given.risk:.2f}{limit}", style=f"bold {VIOLET}"))
    if given.did == "took a sample":
        console.print(_text("It is the least of several risks, so it underestimates the true risk."))
    if given.did != "answered":
        console.print(
            _text(f"The guard {given.did}; the greedy answer is '{given.first}', risk {given.first_risk:.2f}.")
        )


def print_scored(study: Report, scored: "Scored") -> None:
    """Print an answer with its risk, and each token's, to stdout."""
    console = _console()
    console.print(_text(f"Question: {scored.question}"))
    console.print(_text(f"Answer:   {scored.answer}"))
    where = " where incorrect and correct answers are equally many" if scored.scores is None else ""
    console.print(
        _text(f"Risk:     {scored.risk:.2f} that it is incorrect{where}. {scored.reliability}", style=f"bold {VIOLET}")
    )
    if scored.scores is not None:
        beside = empty_table("Each score among those of the study's answers", VIOLET)
        for name in scored.beside():
            beside.add_column(name, justify="left" if name == "score" else "right")
        for row in scored.beside().itertuples(index=False):
            beside.add_row(*map(_text, row))
        console.print(beside)
    for said in scored.pull():
        console.print(_text(said))
    table = empty_table("Each token's risk by the probe, and the neurons that raise it (layer.neuron)", VIOLET)
    for name in ("token", "risk", "neurons"):
        table.add_column(name, justify="right" if name == "risk" else "left")
    for row in scored.tokens.itertuples():
        table.add_row(_token(row.token), f"{row.risk:.2f}", _text(row.neurons))
    console.print(table)
    console.print(_text(f"What that risk is worth: {of_part(study.parts[0])[0]}"))


def print_neuron(states: pd.DataFrame, tokens: pd.DataFrame) -> None:
    """Print one neuron's state (its row of `states`, its rows of `tokens`) to stdout."""
    console = _console()
    for line in _neuron_sentences(next(states.itertuples())):
        console.print(_text(line))
    console.print(_activating(tokens[tokens["kind"] == "activates"]))
    console.print(_promoted(tokens))


def _neuron_sentences(state: Any) -> list[str]:
    said = [
        f"Neuron {state.neuron} of layer {state.layer} fires on {state.fires:.2%} of {state.n:,} tokens "
        f"(firing threshold |z| = {state.bar:.3g}); where it fires, z > 0 in {state.positive:.0%}.",
        f"z is {state.mean:.3g} on average, {state.low:.3g} to {state.high:.3g} on 90 % of tokens, "
        f"{state.min:,.4g} to {state.max:,.4g} in all.",
    ]
    if pd.notna(state.dim):
        part = "" if pd.isna(state.spike_share) else f": {state.spike_share:.0%} of the jump there"
        said.append(f"At its peak it writes {state.writes:,.4g} into dim {state.dim}, which has a spike{part}.")
    if state.sink_heads > 0:
        said.append(f"{state.sink_heads:.0%} of the heads have a sink at the token on which it activates most.")
    return said


def _activating(tokens: pd.DataFrame) -> Table:
    table = empty_table("Where it activates most: one token per text", VIOLET)
    for name in ("z", "text", "position", "before", "token", "after"):
        table.add_column(name, justify="left" if name in ("token", "after") else "right")
    for row in tokens.itertuples():
        around = (_words(row.before, slice(-30, None)), _token(row.token), _words(row.after, slice(30)))
        table.add_row(f"{row.value:,.4g}", _text(row.text), _text(row.position), *around)
    return table


def _promoted(tokens: pd.DataFrame) -> Table:
    table = empty_table("What it does to logits where z > 0; the opposite where z < 0", VIOLET)
    for name in ("promotes", "", "suppresses", ""):
        table.add_column(name, justify="left" if name else "right")
    parts = [tokens[tokens["kind"] == kind].itertuples() for kind in ("promotes", "suppresses")]
    for up, down in zip(*parts, strict=True):
        table.add_row(_token(up.token), f"{up.value:+.2f}", _token(down.token), f"{down.value:+.2f}")
    return table


def _words(text: str, part: slice) -> Text:
    """A piece of a text on one line."""
    return _text("".join(c if c.isprintable() else " " for c in str(text))[part])


def print_differences(found: "ModelDifferences") -> None:
    """Print what two models differ by, over depth and at the worst tokens, to stdout."""
    console = _console()
    for said in found.sentences():
        console.print(_text(said))
    layers = empty_table("After each layer: error of a token's stream, and where the squared error lies", ORANGE)
    for name in ("layer", "relative error", "interval", "cosine", "SQNR (dB)", "first tokens", "dim", "its share"):
        layers.add_column(name, justify="right")
    for row in found.layers.itertuples():
        interval = "" if pd.isna(row.low) else f"{row.low:.2%}–{row.high:.2%}"
        shares = (f"{row.first_token:.0%}", str(row.dim), f"{row.dim_share:.0%}")
        layers.add_row(
            str(row.layer), f"{row.relative_error:.2%}", interval, f"{row.cosine:.4f}", f"{row.sqnr:.1f}", *shares
        )
    console.print(layers)
    worst = empty_table("Tokens after which predictions differ most", NEUTRAL)
    for name in ("KL (nats)", "text", "position", "before", "token", "first says", "second says"):
        worst.add_column(name, justify="right" if name in ("KL (nats)", "text", "position", "before") else "left")
    for row in found.worst().itertuples():
        place = (_text(row.text), _text(row.position), _words(row.before, slice(-30, None)), _token(row.token))
        worst.add_row(f"{row.kl:.3f}", *place, _token(row.top_first), _token(row.top_second))
    console.print(worst)
    changed = found.findings[found.findings["change"] != "in both"]
    if len(changed):
        table = empty_table("Findings that only one of the models has, or has elsewhere", NEUTRAL)
        for name in ("finding", "layer", "unit", "position", "what", "score in the first", "in the second"):
            table.add_column(name, justify="left" if name in ("finding", "what") else "right")
        for row in changed.head(20).itertuples():
            where = (_text(row.kind), str(row.layer), _whole(row.unit), _whole(row.position), _text(row.change))
            table.add_row(*where, *("" if pd.isna(score) else f"{score:,.4g}" for score in (row.first, row.second)))
        console.print(table)


def _whole(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


def print_run_differences(numbers: pd.DataFrame, others: Sequence[str]) -> None:
    """Print the numbers that two runs have, and what else they differ in, to stdout."""
    console = _console()
    if others:
        console.print(_text(f"What else differs. {' '.join(others)}"))
    if numbers.empty:
        console.print(_text("These runs measured different things, so there is nothing to set side by side."))
        return
    table = empty_table("Numbers that both runs have", NEUTRAL)
    for name in numbers.columns:
        table.add_column(str(name), justify="left" if name == "number" else "right")
    for row in numbers.itertuples(index=False):
        table.add_row(_text(row[0]), *("" if pd.isna(value) else f"{value:,.4g}" for value in row[1:]))
    console.print(table)


def print_lens(lens: pd.DataFrame, depth: pd.DataFrame, how: Mapping[str, Any], deep_from: int) -> None:
    """Print where each token settles, and what some layers predict, to stdout."""
    console = _console()
    for line in _lens_sentences(depth, how, deep_from):
        console.print(_text(line))
    layers = int(lens["layer"].max()) + 1
    some = sorted({layers * quarter // 4 for quarter in (1, 2, 3)} | {layers - 1})
    table = empty_table("The next token that some layers predict", NEUTRAL)
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
        f"Deep-thinking ratio {depth['deep'].mean():.2f} of {len(depth)} tokens: this share settles in layer "
        f"{deep_from} or later (g = {how['g']:.3g} bits, rho = {how['rho']:g})."
    ]
    if on := how.get("calibrated"):
        said.append(
            f"g was calibrated: with it {on['share']:.0%} of {on['tokens']:,} tokens of {on['texts']} built-in "
            f"texts are deep; with {on['g_before']:g} it would be {on['ratio_before']:.0%}."
        )
    return said
