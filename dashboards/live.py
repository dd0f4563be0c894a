"""A live scan: prompts or a file, the model and how it reads, and the job that does it."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from dashboards import progress, state, widgets, work
from inspector.detectors.base import load_detectors
from inspector.errors import InputError
from inspector.models.catalogue import BUILT_IN
from inspector.texts import from_uploaded

EXAMPLE = (
    "The tide in the bay came in twice a day, and twice a day the children ran down to meet it. They carried buckets "
    "and a rope, and the oldest had a tin whistle that she blew whenever the water reached the second post. Their "
    "mother watched from the kitchen window. She had grown up on the same shore, and she knew that the sea gives back "
    "most of what it takes."
)
BETWEEN = "---"
"""A line that parts two texts of the box."""
CHARACTERS = 20
"""For each token that a job may have: texts of more are refused before they are cut into tokens."""

BOS = {"As the tokenizer does": None, "Exactly one": True, "None": False}


def form() -> None:
    """The form, and the progress of what was asked for."""
    st.session_state.setdefault("prompt", state.typed("typed", EXAMPLE))
    with st.form("live", border=True):
        st.html("<h2 class=figure>Inspect a text</h2>")
        st.text_area(
            f"Text (a line of {BETWEEN} begins another)",
            height=120,
            key="prompt",
            help="Sink rates need 64 tokens or more; shorter texts are described, but not rated.",
        )
        with st.expander("Model and settings"):
            left, right = st.columns(2)
            left.text_input("Model", BUILT_IN, key="model", help="The built-in one, a folder, a .gguf, or a hub id.")
            left.selectbox("Number format", ("auto", "float32", "bfloat16", "float16"), key="dtype")
            right.selectbox("Beginning-of-text token", list(BOS), key="bos", help="Numbers change with it.")
            scanning = [one.name for one in load_detectors()]
            right.multiselect("Detectors", scanning, scanning, key="detectors")
            st.file_uploader(
                'Or a text file (.txt: one text; .jsonl: one per line under "text")',
                ["txt", "jsonl", "ndjson", "json"],
                key="file",
            )
        widgets.reading(f"A job on this server may take {state.jobs().limits}.")
        st.form_submit_button("Inspect", type="primary", on_click=progress.start, args=("scan", _submit))
    done, led_to = progress.outcome("scan"), state.led_to()
    if done is not None and done.id not in led_to:
        forgotten = dict.fromkeys(("job", "text", "layer", "position", "dim", "head", "neuron"))
        state.choose(**forgotten, run=state.LIVE + done.id)
        led_to.add(done.id)
        st.rerun()


def _submit() -> None:
    chosen: Any = st.session_state
    texts = _texts()
    if not chosen.detectors:
        raise InputError("No detector was chosen. Choose at least one.")
    settings = {"bos": BOS[chosen.bos], "dtype": chosen.dtype}
    scan = partial(work.scan, name=chosen.model.strip(), texts=texts, detectors=list(chosen.detectors), **settings)
    state.submit("scan", f"Inspecting {len(texts)} text{'s' if len(texts) > 1 else ''}", scan)


def _texts() -> list[str]:
    """The uploaded file's texts, or those of the box.

    Raises:
        InputError: there are none, or too much of them.
    """
    file, typed = st.session_state.file, st.session_state.prompt
    state.keep("typed", typed)
    if file is not None and typed.strip() not in ("", EXAMPLE):
        raise InputError("There are a file and a text. Empty the box, or take the file away.")
    if file is not None:
        texts = from_uploaded(Path(file.name).name, file.getvalue())
    else:
        texts = [part.strip("\n") for part in _between(typed) if part.strip()]
    if not texts:
        raise InputError("There is no text. Type a sentence or two.")
    most = CHARACTERS * state.jobs().limits.tokens
    if sum(map(len, texts)) > most:
        raise InputError(f"More than {most:,} characters. Scan so much on the command line: inspector examine --file")
    return texts


def _between(typed: str) -> list[str]:
    """The texts of the box; blank lines are part of them, as in code."""
    return re.split(rf"(?m)^{re.escape(BETWEEN)}[ \t]*$", typed)


def save(view: state.View) -> None:
    """Keep a live run in the folder of runs."""
    with st.form("save", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Save this run as", placeholder="first-look", key="save as")
        st.form_submit_button("Save", on_click=progress.start, args=("save", _save, view))
    progress.refusal("save")


def _save(view: state.View) -> None:
    target = state.shelf().place(st.session_state["save as"].strip())
    view.report.save(target)
    state.choose(run=target.name)
