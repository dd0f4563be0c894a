"""A model that the dashboard lets go of gives its memory back."""

import gc
import weakref
from collections import OrderedDict

import pytest

from dashboards import work
from dashboards.jobs import Job
from inspector.testing.planted import tiny_model


def test_a_model_that_is_let_go_of_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    import inspector.models

    monkeypatch.setattr(inspector.models, "load_model", lambda name, **how: tiny_model(seed=len(name)))
    monkeypatch.setattr(work, "MODELS_KEPT", 1)
    monkeypatch.setattr(work, "_models", OrderedDict())
    job = Job("load", lambda job: None)
    first = weakref.ref(work.model_of(job, "a").bridge.original_model.get_input_embeddings().weight)
    try:
        assert first() is not None
        second = work.model_of(job, "bb")
        assert first() is None
        assert work.model_of(job, "bb") is second
    finally:
        gc.unfreeze()
