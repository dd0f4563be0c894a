"""Measurements of a saved run: verify its findings, decode a study's questions again, and compress its model."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from dashboards import long_work, state
from dashboards.measuring import Measure, Work, new_name, refuse_live
from dashboards.state import View
from inspector.cli.options import as_study
from inspector.quantisation.schemes import EXAMPLES

CONTROLS = {"As many as a p below 0.05 needs": None, "20: a first look": 20, "70": 70, "200": 200}
COMPRESSIONS = {
    **{f"Quantise: {name}": name for name in EXAMPLES},
    "Keep only the first and last keys of heads": "heads",
    "Take out layers, neurons and weights": "removals",
}


def _verify(view: View | None) -> Callable[[], Work]:
    left, middle, right = st.columns(3)
    left.selectbox("Matched random controls of each finding", list(CONTROLS), key="verify_controls")
    middle.number_input("Sink heads tested one by one", 0, 1000, 10, key="verify_heads")
    beside = "For studies: beside the greedy one."
    right.number_input("Sampled answers a question", 0, 20, 0, help=beside, key="verify_samples")
    left.number_input("Seed", 0, 10_000, 0, key="verify_seed")
    place = new_name(view, "verified")

    def work() -> Work:
        from inspector.verification.verify import refuse

        typed: Any = st.session_state
        run, twins = refuse_live(view), CONTROLS[typed.verify_controls]
        refuse(run.report, twins)
        counts = {"heads": int(typed.verify_heads), "samples": int(typed.verify_samples)}
        options = {"twins": twins, **counts, "seed": int(typed.verify_seed)}
        return partial(long_work.verify, report=run.report, where=run.place, target=place(), options=options)

    return work


def _decode(view: View | None) -> Callable[[], Work]:
    left, right = st.columns(2)
    left.number_input("Answers drawn a question", 1, 50, 5, key="decode_samples")
    right.number_input("Seed", 0, 10_000, 0, key="decode_seed")
    place = new_name(view, "decoded")

    def work() -> Work:
        run, typed = refuse_live(view), st.session_state
        drawn = {"samples": int(typed.decode_samples), "seed": int(typed.decode_seed)}
        study = as_study(run.report, Path(run.name))
        return partial(long_work.decode, study=study, where=run.place, target=place(), **drawn)

    return work


def _compress(view: View | None) -> Callable[[], Work]:
    left, right = st.columns(2)
    left.selectbox("What is tried", list(COMPRESSIONS), key="compress_what")
    each = ("none", "layer", "matrix")
    right.selectbox("Alone, beside all at once (quantising)", each, key="compress_each")
    fewest = "Fewer than 20 can't give p < 0.05."
    left.number_input("Random controls", 0, 200, 20, help=fewest, key="compress_controls")
    right.number_input("Seed", 0, 10_000, 0, key="compress_seed")

    def work() -> Work:
        typed: Any = st.session_state
        run, name = refuse_live(view), COMPRESSIONS[typed.compress_what]
        options: dict[str, Any] = {"seed": int(typed.compress_seed)}
        if name != "removals":
            options["controls"] = int(typed.compress_controls)
        if name not in ("removals", "heads"):
            options["each"] = typed.compress_each
        target = state.shelf().find(run.name).folder
        card = run.report.card
        return partial(long_work.compress, card=card, where=run.place, what=name, target=target, options=options)

    return work


MEASURES = (
    Measure(
        "verify",
        "Verify a run's findings",
        "Each finding is taken away beside matched random controls, and gets a verdict. On the built-in model this "
        "takes from minutes to an hour, by the number of findings and controls. The verified run is a new one.",
        _verify,
        of_run=True,
        leads=("interventions", "Its verdicts"),
    ),
    Measure(
        "decoding",
        "Compare ways to decode",
        "A study's questions are answered greedily, and five times each, unless you say otherwise, by softmax, top-k, "
        "top-p, sparsemax and best of k: that is more answers than most studies ask. The study with the table is a new "
        "run.",
        _decode,
        of_run=True,
        leads=("neurons", "How it compares"),
    ),
    Measure(
        "compression",
        "Try a compression",
        "Nothing of the model is changed for good: it is measured as if it were quantised, cached or pruned. The "
        "result is kept in this run.",
        _compress,
        of_run=True,
        leads=("compression", "What compression breaks"),
    ),
)
