"""`sweep`: many models and settings, one scan each, in one table."""

import gc
import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from inspector.alike import Alike
from inspector.arguments import meant, takes
from inspector.errors import InputError, InspectorError
from inspector.models import Model, load_model
from inspector.pages import page
from inspector.printable import counted, printable
from inspector.progress import Progress, Reported, progress_of
from inspector.run.report import Report
from inspector.scan.examine import examine
from inspector.texts import Given, as_texts, built_in

Source = str | Path | Model | Callable[[], Any]
"""A model, what `load_model` takes, or a function that makes one of them when its turn comes."""

BUILT_IN = 16
OF_ONE_SCAN = {"column", "first_text", "controls", "checkpoints", "progress", "on_forecast", "on_message"}
"""Options of `examine` that a sweep gives itself or that mean nothing for several."""
OF_LOADING = ("dtype", "device", "device_map", "revision", "trust_remote_code")
OF_SCANNING = tuple(
    name
    for name, one in inspect.signature(examine).parameters.items()
    if one.kind is one.KEYWORD_ONLY and name not in OF_ONE_SCAN
)


@dataclass(frozen=True, repr=False, eq=False)
class Sweep(Alike):
    """Scans of several models under several settings; made by `sweep`.

    Args:
        table: a row per model and setting: model, setting, seconds, findings, error (empty where the scan worked), and
            a column for each number of `Report.summary`.
        reports: by (model, setting), those that worked.
    """

    table: pd.DataFrame
    reports: Mapping[tuple[str, str], Report]

    def __repr__(self) -> str:
        failed, models = int((self.table["error"] != "").sum()), counted(self.table["model"].nunique(), "model")
        return f"<Sweep of {models}: {counted(len(self.reports), 'scan')}, {failed} failed>"

    def _repr_html_(self) -> str:
        return page(repr(self), (), {"Scans": self.table})


@takes
def sweep(
    models: Sequence[Source] | Mapping[str, Source],
    texts: Given | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    out: str | Path | None = None,
    progress: Reported = None,
) -> Sweep:
    """Scan with each model under each setting. One that fails leaves its error in its row, and the others go on.

    A model is loaded when its turn comes and given up after it, so that one is in memory at a time; one that was
    passed loaded stays as it is.

    Args:
        models: names, folders, loaded models, or functions that make one; a mapping gives them names.
        texts: the same for all; 16 built-in ones where None.
        settings: by name, options of `examine` (`thresholds`, `bos`, `window`, …) and of `load_model` (`dtype`,
            `device`, …); the defaults alone where None. Those that load alike share a model.
        out: a folder in which each scan is saved as a run; an earlier run of the same name is refused.
        progress: hears of the task `scans`.

    Returns:
        One table of all, and the reports.

    Raises:
        InputError: no models, an option that neither takes, texts that can't be read.
    """
    named, chosen = _named(models), dict(settings or {"": {}})
    for name, options in chosen.items():
        for option in options:
            if option not in (*OF_LOADING, *OF_SCANNING):
                raise InputError(f"Setting '{name}' has '{option}'.{meant(option, (*OF_LOADING, *OF_SCANNING), 20)}")
    given = as_texts(built_in(BUILT_IN) if texts is None else texts)
    task = progress_of(progress).task("scans", len(named) * len(chosen))
    rows, reports = [], dict[tuple[str, str], Report]()
    for model, source in named.items():
        for loading, together in _loading_alike(chosen):
            with _loaded(source, loading) as ready:
                for setting in together:
                    row, report = _scanned(ready, given, chosen[setting], _folder(out, model, setting))
                    rows.append({"model": model, "setting": setting, **row})
                    if report is not None:
                        reports[model, setting] = report
                    task.advance()
                del ready  # else it would be in memory beside the next one
    return Sweep(pd.DataFrame(rows), reports)


def _named(models: Sequence[Source] | Mapping[str, Source]) -> dict[str, Source]:
    """Models by name; two of one name are numbered.

    Raises:
        InputError: there are none, or what was given is one model.
    """
    if isinstance(models, Mapping):
        named = {str(name): source for name, source in models.items()}
    elif isinstance(models, str | Path | Model) or not hasattr(models, "__iter__"):
        raise InputError(f"models is {printable(str(models))[:60]!r}. Give a list of models, or a mapping of names.")
    else:
        named = {}
        for source in models:
            name = printable(str(source.card["name"] if isinstance(source, Model) else _called(source)))
            again = sum(key == name or key.startswith(f"{name} (") for key in named)
            named[f"{name} ({again + 1})" if again else name] = source
    if not named:
        raise InputError("There are no models. Give names, folders or loaded models.")
    return named


def _called(source: Any) -> str:
    return getattr(source, "__name__", type(source).__name__) if callable(source) else str(source)


def _loading_alike(settings: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Options of loading, and the settings that have them."""
    found: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for name, options in settings.items():
        loading = {o: options[o] for o in OF_LOADING if o in options}
        found.setdefault(repr(loading), (loading, []))[1].append(name)
    yield from found.values()


@contextmanager
def _loaded(source: Source, loading: Mapping[str, Any]) -> Iterator[Model | str]:
    """The model, given up afterwards unless it came loaded; why not, in one line, where it can't be loaded."""
    if isinstance(source, Model):
        yield source if not loading else f"This model came loaded, so {', '.join(loading)} can't be chosen any more."
        return
    model: Any = None
    try:
        # Torch's modules can be called, too.
        model = source() if callable(source) and not hasattr(source, "parameters") else source
        if not isinstance(model, Model):
            model = load_model(model, **loading)
    except Exception as error:  # of code of the user's too; the other models go on
        model = _in_a_line(error)
    try:
        yield model
    finally:
        del model
        gc.collect()


def _scanned(
    model: Model | str, texts: Sequence[Any], options: Mapping[str, Any], folder: Path | None
) -> tuple[dict[str, Any], Report | None]:
    began = time.perf_counter()
    if isinstance(model, str):
        return {"seconds": 0.0, "findings": 0, "error": model}, None
    try:
        asked = {name: value for name, value in options.items() if name not in OF_LOADING}
        report = examine(model, texts, progress=Progress(), **asked)
        if folder is not None:
            report.save(folder)
    except Exception as error:  # out of memory, a plugin's fault, a taken folder: said in its row
        return {"seconds": time.perf_counter() - began, "findings": 0, "error": _in_a_line(error)}, None
    numbers = report.summary().set_index("number")["value"].to_dict()
    row = {"seconds": time.perf_counter() - began, "findings": len(report.findings), "error": ""}
    return row | numbers, report


def _in_a_line(error: BaseException) -> str:
    said = printable(" ".join(str(error).split()))
    return said if isinstance(error, InspectorError) else f"{type(error).__name__}: {said}"[:300]


def _folder(out: str | Path | None, model: str, setting: str) -> Path | None:
    if out is None:
        return None
    name = f"{model}-{setting}" if setting else model
    return Path(out) / "".join(c if c.isalnum() or c in "-_." else "-" for c in name).strip(".-")
