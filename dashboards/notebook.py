"""The code that recreates a view in a notebook."""

from dashboards.state import View


def code(view: View, *lines: str) -> str:
    """A notebook cell: open the run (or repeat the live scan), judge it as here, and draw."""
    judged = view.measured.settings.get("thresholds", {})
    again = [f"report = report.judge({', '.join(f'{name}={dict(t)!r}' for name, t in judged.items())})"]
    return "\n".join(["import inspector", "", *_report(view), *(again if judged else []), "", *lines])


def drawn(view: View, function: str, *arguments: str) -> str:
    """A notebook cell that ends in one of `inspector.figures`."""
    return code(view, f"from inspector.figures import {function}", "", f"{function}({', '.join(arguments)})")


def table(name: str) -> str:
    """How a table is asked for."""
    return f'report.frame("{name}")'


def _report(view: View) -> list[str]:
    if view.saved:
        return [f"report = inspector.open_run({view.key[0]!r})"]
    card, settings = view.measured.card, view.measured.settings
    tokens = view.frame("tokens")
    ids = [group["id"].tolist() for _, group in tokens.groupby("text")]
    few = sum(map(len, ids)) <= 400
    return [
        f"model = inspector.load_model({card['name']!r}, dtype={card['dtype']!r})",
        f"texts = {ids!r}  # token ids, exactly as fed" if few else "texts = […]  # the texts of this run",
        f"report = inspector.examine(model, texts, {list(settings['detectors'])!r})",
    ]
