"""All answers of a study: found, filtered, sorted, cut into slices; a click opens one."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from dashboards import state, widgets
from dashboards.answer import WORDS
from dashboards.state import View

RISKS = tuple(step / 10 for step in range(11))
FEWEST = 5
"""Answers of a slice, below which its numbers would say nothing."""
COLUMNS = ("question", "answer", "label", "risk", "relation", "entropy", "logprob", "tokens")


@dataclass(frozen=True)
class Filter:
    """What is shown: answers of this label and relation, with a risk in this range, that hold these words."""

    label: str
    relation: str
    low: float
    high: float
    words: str

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that pass."""
        kept = table
        if self.label:
            kept = kept[kept["label"] == self.label]
        if self.relation:
            kept = kept[kept["relation"] == self.relation]
        if (self.low, self.high) != (0.0, 1.0):
            kept = kept[kept["risk"].between(self.low, self.high)]
        if self.words:
            text = kept["question"].astype(str) + "\n" + kept["answer"].astype(str)
            kept = kept[text.str.contains(self.words, case=False, regex=False)]
        return kept


def table_of(view: View) -> pd.DataFrame:
    """A row per answer, in the order of the study, with the risk by fits that never saw it."""
    answers = view.frame("hneurons.answers")
    return answers.assign(risk=view.frame("hneurons.answer_scores")["risk"].to_numpy()).reset_index(drop=True)


def section(view: View) -> None:
    """The filters, the slices and the table."""
    table = table_of(view)
    with st.container(border=True):
        st.html(f"<h2 class=figure>All {len(table):,} answers</h2>")
        widgets.reading(
            "Click a row to open it. The risk is by fits that never saw the answer; those that are no example of "
            "either kind have none. A click on a column's name sorts."
        )
        shown = _filter(table).rows(table)
        _slices(shown)
        if not len(shown):
            widgets.note("No answer passes these filters.")
            return
        _listed(shown)


def _filter(table: pd.DataFrame) -> Filter:
    """The filters that the address holds, and the fields that change them."""
    labels = ["", *(name for name in WORDS if (table["label"] == name).any())]
    relations = [""]
    if "relation" in table:
        relations += sorted({one for one in table["relation"] if isinstance(one, str) and one})
    columns = st.columns([3, 3, 2, 2, 4])
    with columns[0]:
        label = widgets.choice(
            "label", "Label", labels, st.query_params.get("label"), lambda one: WORDS.get(one, "all")
        )
    with columns[1]:
        now = st.query_params.get("relation")
        relation = widgets.choice("relation", "Relation", relations, now, lambda one: one or "all")
    with columns[2]:
        low = _risk("risk_from", "Risk from", 0.0)
    with columns[3]:
        high = _risk("risk_to", "to", 1.0)
    with columns[4]:
        words = widgets.words("find", "Words in question or answer")
    return Filter(label, relation, low, high, words)


def _risk(name: str, label: str, default: float) -> float:
    """One end of the range of risks; the address keeps it."""
    try:
        now = float(st.query_params.get(name, default))
    except ValueError:
        now = default
    return float(widgets.choice(name, label, RISKS, now if now in RISKS else default, lambda one: f"{one:.1f}"))


def _slices(shown: pd.DataFrame) -> None:
    """How many of what is shown are incorrect, of all and of each relation."""
    known = shown[shown["label"].isin(("wrong", "right"))]
    if not len(known):
        return
    wrong = known["label"] == "wrong"
    widgets.reading(
        f"{len(shown):,} answers; of {len(known):,} that are correct or incorrect, {int(wrong.sum()):,} are incorrect "
        f"({wrong.mean():.0%}); mean risk {known['risk'].mean():.2f}."
    )
    if "relation" not in known or known["relation"].nunique() < 2:
        return
    groups = known.assign(wrong=wrong).groupby("relation", sort=False)
    table = groups.agg(answers=("wrong", "size"), incorrect=("wrong", "mean"), risk=("risk", "mean"))
    table = table[table["answers"] >= FEWEST].sort_values("incorrect", ascending=False).reset_index()
    with st.expander(f"By relation ({len(table)} with {FEWEST} answers or more)"):
        table["incorrect"] = [f"{share:.0%}" for share in table["incorrect"]]
        widgets.plain_table(table.rename(columns={"risk": "mean risk"}))


def _listed(shown: pd.DataFrame) -> None:
    columns = [name for name in COLUMNS if name in shown]
    said = shown[columns].assign(label=shown["label"].map(WORDS))

    def opened() -> None:
        rows = st.session_state["answers table"]["selection"]["rows"]
        if rows:
            state.choose(answer=int(shown.index[rows[0]]))

    config = {name: st.column_config.NumberColumn(format="%.2f") for name in ("risk", "entropy", "logprob")}
    st.dataframe(
        said,
        key="answers table",
        hide_index=True,
        height=420,
        column_config=config,
        on_select=opened,
        selection_mode="single-row",
    )
    key = "pick answer"
    st.session_state[key] = None
    st.selectbox(
        "Open an answer",
        shown.index.tolist(),
        key=key,
        format_func=lambda at: f"{shown['question'][at]} {shown['answer'][at]}"[:120],
        placeholder="click a row, or choose",
        on_change=lambda: state.choose(answer=st.session_state[key]),
    )
